/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A template is met by asking for its first chunk: the answer tells length, ETag
 * and whether ranges work, the bytes tell what it is, and the chunk is the first
 * one in the store. What was met is kept as a sidecar under the URL, so that after
 * a restart nobody need be asked for what is stored already.
 *
 * Where the index promises a checksum, what is remembered counts until the server
 * says otherwise in an answer about other bytes. Without one, nothing but the
 * server can tell whether the file is still the same: it is asked once by each daemon,
 * and where it can't be, what is remembered has to do.
 */
#include "backends/source/http.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "backends/cache/fetched.h"
#include "backends/cache/lock.h"
#include "backends/cache/verdicts.h"
#include "backends/costs.h"
#include "backends/library/library.h"
#include "backends/net/first.h"
#include "base/bytes.h"
#include "base/log.h"

#define SIDECAR "object"

static_assert(FIRST_BYTES == FETCH_CHUNK, "what the first request brings is the first chunk");

/* ---- asking ---- */

/* Asks for the first chunk, unless the object still is `known` (may be NULL). */
static int ask_server(struct context *context, const struct template *t, const struct object *known,
		      struct net_first *ret, struct why *why)
{
	const struct net_request request = {
		.url = t->url,
		.proxy = t->proxy,
		.unless_etag = known ? known->etag : NULL,
		.unless_modified = known && !known->etag ? known->last_modified : NULL,
		.priority = NET_WAITED_FOR,
	};

	return net_first(context->net, &request, t->path, ret, why);
}

/* ---- what is remembered ---- */

static char *sidecar_identity(const struct template *t)
{
	_cleanup_free_ char *url = net_url_shown(t->url);

	return url ? text_new("object:%s", url) : NULL;
}

static void remember(struct context *context, const struct template *t, const struct object *o)
{
	_cleanup_free_ char *key = sidecar_identity(t), *bytes = NULL;
	size_t count;

	if (key && object_pack(o, &bytes, &count) == 0)
		store_sidecar_write(context->store, key, SIDECAR, OBJECT_VERSION, bytes, count);
}

static int recall(struct context *context, const struct template *t, struct object *ret)
{
	_cleanup_free_ char *key = sidecar_identity(t), *url = net_url_shown(t->url);
	_cleanup_free_ void *bytes = NULL;
	size_t count;
	int r;

	if (!key || !url)
		return -ENOMEM;
	r = store_sidecar_read(context->store, key, SIDECAR, OBJECT_VERSION, &bytes, &count);
	if (r == 0)
		r = object_unpack(bytes, count, ret);
	if (r == 0 && strcmp(ret->url, url) != 0) {
		object_done(ret);
		r = -ENOENT;
	}
	return r;
}

static int new_fetched(struct context *context, const struct template *met, const uint8_t *first, size_t count,
		       struct image **ret, struct why *why)
{
	_cleanup_free_ char *identity = text_new(STORE_FETCHED "%s", met->identity);

	return identity ? fetched_image_new(context->store, context->net, identity, met->object, met->url,
					    met->proxy, first, count, ret, why)
			: -ENOMEM;
}

/*
 * What was made of a file that comes as another one, under the same ETag, date and length, may be of either. What was
 * verified is of the right one.
 */
static void forget_broken(struct context *context, const struct template *met)
{
	_cleanup_free_ char *identity = text_new(STORE_FETCHED "%s", met->identity);
	_cleanup_(image_unrefp) struct image *img = NULL;

	if (!identity || new_fetched(context, met, /* first= */ NULL, 0, &img, NULL) < 0 ||
	    !fetched_is_broken(img) ||
	    verdicts_state(context->verdicts, met->identity, NULL, NULL) == VERDICT_VERIFIED)
		return;
	store_forget(context->store, met->identity);
	store_forget(context->store, identity);
}

void http_forget(struct context *context, struct template *t)
{
	_cleanup_(template_unrefp) struct template *met = template_met(t);
	_cleanup_free_ char *key = sidecar_identity(t);

	if (met)
		forget_broken(context, met);
	if (key)
		store_sidecar_write(context->store, key, SIDECAR, OBJECT_VERSION, "", 0);
	(void)template_meet(t, NULL, NULL, NULL);
}

/* ---- meeting ---- */

/*
 * The object was told by the server just now, with its first chunk. One that can't
 * be a template is not remembered: it may be a page that somebody on the way has put
 * in its place.
 */
static int meet_new(struct context *context, struct template *t, struct net_first *first, struct template **ret,
		    struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = template_meet(t, take(first->object), ret, why);

	if (r < 0)
		return r;
	remember(context, t, (*ret)->object);
	/* Its first chunk goes into the store; if it can't, it will be asked for once more. */
	(void)new_fetched(context, *ret, first->bytes, first->count, &img, NULL);
	return 0;
}

static int ask_and_meet(struct context *context, struct template *t, struct object **known,
			struct template **ret, struct why *why)
{
	_cleanup_(net_first_done) struct net_first first = { 0 };
	int r = ask_server(context, t, *known, &first, why);

	if (r == 0 && !first.unchanged)
		return meet_new(context, t, &first, ret, why);
	if (!*known)
		return r == 0 ? fail(why, -EPROTO, "'%s' is said to be unchanged, but was not known", t->path)
			      : r;
	/* Only what may be over by itself: a server that says there is no such file is believed. */
	if (r < 0 && r != -EHOSTUNREACH && r != -ETIMEDOUT && r != -EIO)
		return r;
	if (r < 0)
		log_note("'%s' can't be asked whether it has changed, so it is taken for what it was: %s",
			 t->path, why_text(why, r));
	return template_meet(t, take(*known), ret, why);
}

static int meet(struct context *context, struct template *t, struct template **ret, struct why *why)
{
	_cleanup_(object_freep) struct object *known = NULL;
	_cleanup_(net_first_done) struct net_first first = { 0 };

	if (template_take_first(t, &first))
		return meet_new(context, t, &first, ret, why);
	known = calloc(1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	if (recall(context, t, known) < 0)
		free(take(known));
	if (known && t->claim)
		return template_meet(t, take(known), ret, why);
	return ask_and_meet(context, t, &known, ret, why);
}

int http_meet(struct context *context, struct template *t, struct template **ret, struct why *why)
{
	struct why mine = { "" };
	int r;

	if (!why)
		why = &mine;
	*ret = template_met(t);
	if (*ret)
		return 0;
	r = template_meeting_begin(t, ret);
	if (r < 0)
		return fail(why, r, "given up waiting for '%s'", t->path);
	if (r > 0)
		return 0;
	r = meet(context, t, ret, why);
	template_meeting_end(t);
	return r;
}

int http_recheck(struct context *context, struct template *t, struct template *met, struct why *why)
{
	_cleanup_(net_first_done) struct net_first first = { 0 };
	_cleanup_(template_unrefp) struct template *again = NULL;
	int r = ask_server(context, t, met->object, &first, why);

	if (r < 0 || first.unchanged)
		return r;
	r = meet_new(context, t, &first, &again, why);
	return r < 0 ? r : strcmp(again->identity, met->identity) != 0;
}

int http_recall(struct context *context, struct template *t, struct template **ret)
{
	_cleanup_(object_freep) struct object *known = calloc(1, sizeof(*known));
	int r;

	*ret = template_met(t);
	if (*ret)
		return 0;
	r = known ? recall(context, t, known) : -ENOMEM;
	return r < 0 ? r : template_as_met(t, take(known), ret, NULL);
}

int http_fetched(struct context *context, struct template *t, uint64_t *ret_there, uint64_t *ret_all)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(template_unrefp) struct template *met = NULL;
	int r = http_recall(context, t, &met);

	if (r == 0)
		r = new_fetched(context, met, /* first= */ NULL, 0, &img, NULL);
	if (r < 0)
		return r;
	*ret_there = fetched_bytes(img);
	*ret_all = img->size;
	return 0;
}

/* ---- the step ---- */

static int http_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	return new_fetched(opening->context, opening->template, /* first= */ NULL, 0, ret, why);
}

static void http_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!tags_is(state, "at", "url"))
		return;
	offer_begin(&x, o, state);
	offer_drop(&x, "at");
	offer_drop(&x, "template");
	offer_end(&x, cost_of(state, COST_HTTP_OPEN, COST_HTTP_PER_MIB));
}

const struct backend http_backend = {
	.name = "http",
	.offer = http_offer,
	.open = http_open,
};
