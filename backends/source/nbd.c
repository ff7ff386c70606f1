/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/source/nbd.h"

#include <errno.h>
#include <string.h>

#include "backends/costs.h"
#include "backends/library/library.h"
#include "backends/nbd/client.h"
#include "base/text.h"

struct nbd {
	struct image image;
	char **command;			/* NULL: the server is somebody else's */
	struct nbd_child_options child; /* borrows both; for the client */
	char *name;
	struct nbd_client *client;
	struct zeros zeros;
};

static void nbd_close_image(struct image *img)
{
	struct nbd *n = (struct nbd *)img;

	nbd_client_close(n->client);
	zeros_done(&n->zeros);
	texts_free(n->command);
	free(n->name);
	free(n);
}

static int nbd_pread_image(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	return nbd_client_pread(((struct nbd *)img)->client, buf, count, offset, why);
}

static void nbd_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	bool is_zero;

	ret->length = zeros_at(&((struct nbd *)img)->zeros, offset, img->size, &is_zero);
	ret->kind = is_zero ? EXTENT_ZERO : EXTENT_DATA;
}

static bool nbd_is_stale(struct image *img)
{
	return nbd_client_is_stale(((struct nbd *)img)->client);
}

static void nbd_describe(struct image *img, struct text *t)
{
	struct nbd *n = (struct nbd *)img;
	char how[128];

	nbd_client_describe(n->client, how, sizeof(how));
	text_add(t, "    %s%s\n", how, n->command ? ", to a server started for it" : "");
}

static const struct image_ops nbd_ops = {
	.name = "nbd",
	.pread = nbd_pread_image,
	.extent = nbd_extent,
	.is_stale = nbd_is_stale,
	.describe = nbd_describe,
	.close = nbd_close_image,
};

static int nbd_fill(struct nbd *n, const struct template *t, struct why *why)
{
	struct nbd_client_options options = { .name = t->path, .uri = t->nbd_uri };
	int r = texts_copy(&n->command, t->nbd_command);

	if (r == 0)
		r = text_copy(&n->name, t->name);
	if (r < 0)
		return r;
	n->child = (struct nbd_child_options){ .name = n->name, .argv = (const char *const *)n->command };
	if (n->command)
		options.child = &n->child;
	r = nbd_client_open(&options, &n->client, why);
	return r < 0 ? r : nbd_client_zeros(n->client, &n->zeros, why);
}

static int nbd_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	struct nbd *n = calloc(1, sizeof(*n));
	int r;

	if (!n)
		return -ENOMEM;
	r = nbd_fill(n, opening->template, why);
	if (r < 0) {
		nbd_close_image(&n->image);
		return r;
	}
	image_init(&n->image, &nbd_ops, nbd_client_size(n->client), /* below= */ NULL);
	*ret = &n->image;
	return 0;
}

static void nbd_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!tags_is(state, "at", "nbd"))
		return;
	offer_begin(&x, o, state);
	offer_drop(&x, "at");
	offer_drop(&x, "template");
	offer_end(&x, cost_of(state, COST_NBD_OPEN, COST_NBD_PER_MIB));
}

const struct backend nbd_backend = {
	.name = "nbd",
	.offer = nbd_offer,
	.open = nbd_open,
};
