/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/tenant.h"

#include <errno.h>
#include <stdlib.h>

#include "base/bytes.h"

/* Whatever has a place of its own on the disk, boot code or a table, has it at the start. */
#define HEAD (64 * KiB)

static int look_for_zeros(struct tenant *t, struct why *why)
{
	uint64_t length = min_u64(HEAD, t->window->size);
	struct extent e = image_extent(t->window, 0);
	_cleanup_free_ uint8_t *head = NULL;
	int r;

	t->empty = e.kind != EXTENT_DATA && e.length >= length;
	if (t->empty)
		return 0;
	head = malloc(length);
	if (!head)
		return -ENOMEM;
	r = image_pread(t->window, head, length, 0, why);
	if (r == 0)
		t->empty = bytes_are_zero(head, length);
	return r;
}

int tenant_look(struct tenant *t, struct image *disk, uint64_t offset, uint64_t length, struct why *why)
{
	int r = map_window(disk, offset, length, &t->window, why);

	if (r < 0)
		return r;
	t->found = content_probe(t->window, &t->content, &t->why);
	if (t->found < 0 && t->found != -EBADMSG && t->found != -EOPNOTSUPP)
		return t->why.text[0] ? fail(why, t->found, "%s", t->why.text) : t->found;
	return t->found == 1 ? look_for_zeros(t, why) : 0;
}

void tenant_done(struct tenant *t)
{
	image_unref(t->window);
	t->window = NULL;
}

const char *tenant_name(const struct tenant *t)
{
	const struct partition *p = t->partition;

	if (p && p->extended)
		return "extended";
	if (p && p->use && p->use->service)
		return p->use->name;
	if (t->found == 0)
		return t->content.kind ?: t->content.ops->name;
	if (t->found < 0)
		return "damaged";
	return p && p->use ? p->use->name : t->empty ? "empty" : "nothing known";
}

int tenants_init(struct tenants *all, struct image *disk, const struct table *table)
{
	*all = (struct tenants){ .disk = disk, .table = table };
	all->tenant = calloc(table->n ?: 1, sizeof(*all->tenant));
	return all->tenant ? 0 : -ENOMEM;
}

static void tenant_free(struct tenant *t)
{
	if (t)
		tenant_done(t);
	free(t);
}
DEFINE_CLEANUP(struct tenant *, tenant_free);

void tenants_done(struct tenants *all)
{
	for (unsigned i = 0; all->tenant && i < all->table->n; i++)
		tenant_free(all->tenant[i]);
	free(all->tenant);
	*all = (struct tenants){ 0 };
}

static int look_into(struct tenants *all, struct tenant *t, struct why *why)
{
	const struct partition *p = t->partition;

	if (p->extended)
		return 0;
	if (all->n_looked++ == TENANTS_MAX)
		return fail(why, -EOPNOTSUPP,
			    "the disk has more than %d partitions that would have to be looked into; "
			    "@expand=none grows the disk alone",
			    TENANTS_MAX);
	return tenant_look(t, all->disk, p->start, p->length, why);
}

int tenants_look(struct tenants *all, const struct partition *p, const struct tenant **ret, struct why *why)
{
	struct tenant **slot = &all->tenant[p - all->table->partition];
	_cleanup_(tenant_freep) struct tenant *t = NULL;
	int r;

	if (!*slot) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		t->partition = p;
		r = look_into(all, t, why);
		if (r < 0)
			return r;
		*slot = take(t);
	}
	*ret = *slot;
	return 0;
}
