/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/judge.h"

#include <errno.h>
#include <stdlib.h>

#include "backends/library/signature.h"
#include "backends/net/net.h"
#include "base/bytes.h"
#include "base/read.h"
#include "base/text.h"

/* A signature has some hundred bytes. */
#define SIGNATURE_MAX (1 * MiB)

struct signature_judge {
	struct judge judge;
	struct net *net;
	struct template *template; /* owns a ref */
};

static int read_signature(struct template *t, struct net_body *ret, struct why *why)
{
	_cleanup_close_ int fd = -1;
	int r = template_open_sig(t, &fd, why);

	if (r < 0)
		return r;
	ret->bytes = malloc(SIGNATURE_MAX);
	if (!ret->bytes)
		return -ENOMEM;
	return read_up_to(fd, t->sig_path, ret->bytes, SIGNATURE_MAX, 0, &ret->count, why);
}

static int get_signature(const struct signature_judge *s, struct net_body *ret, struct why *why)
{
	const struct net_request request = { .url = s->template->sig_url, .proxy = s->template->proxy };

	return request.url ? net_get(s->net, &request, SIGNATURE_MAX, ret, why)
			   : read_signature(s->template, ret, why);
}

static int check(const struct template *t, const struct net_body *signature, int fd, struct why *why)
{
	_cleanup_(keyring_freep) struct keyring *keyring = NULL;
	int r = keyring_new((const char *const *)t->sig_keys, texts_count(t->sig_keys),
			    (const char *const *)t->sig_fingerprints, texts_count(t->sig_fingerprints),
			    &keyring, why);

	if (r < 0)
		return fail(why, -EIO, "%s", why_text(why, r)); /* the key's fault is no verdict on the file */
	return signature_check_detached(keyring, signature->bytes, signature->count, fd, t->path, why);
}

static int judge_file(struct judge *j, struct image *file, struct why *why)
{
	const struct signature_judge *s = (struct signature_judge *)j;
	const struct template *t = s->template;
	_cleanup_(net_body_done) struct net_body body = { 0 };
	struct why mine = { "" };
	struct backing backing;
	int r = get_signature(s, &body, &mine);

	if (r < 0)
		return fail(why, r == -EINTR ? r : -EIO, "%s", why_text(&mine, r));
	/* gpg reads a file, and all of it has just been read into the store. */
	if (image_backing(file, 0, &backing) < 0 || backing.length < file->size || backing.offset > 0)
		return fail(why, -EIO,
			    "'%s' can't be checked against its signature: there was no room to store it",
			    t->path);
	return check(t, &body, backing.fd, why);
}

static void judge_free(struct judge *j)
{
	template_unref(((struct signature_judge *)j)->template);
	free(j);
}

int judge_by_signature(struct net *net, struct template *t, struct judge **ret)
{
	struct signature_judge *s;

	*ret = NULL;
	if (!t->sig_url && !t->sig_path)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->judge = (struct judge){ .refs = 1, .judge = judge_file, .free = judge_free };
	s->net = net;
	s->template = template_ref(t);
	*ret = &s->judge;
	return 0;
}

bool is_promised(const struct template *t)
{
	return t->checksum || t->checksum256 || t->sig_url || t->sig_path;
}

struct promise promise_of(const struct template *t, struct judge *judge)
{
	return (struct promise){
		.identity = t->identity,
		.shown = t->path,
		.sha512 = t->checksum,
		.sha256 = t->checksum256,
		.judge = judge,
	};
}
