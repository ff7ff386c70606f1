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

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "backends/cache/fetched.h"
#include "backends/cache/lock.h"
#include "backends/costs.h"
#include "backends/library/library.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/patience.h"

#define SIDECAR "object"

/* ---- asking ---- */

/* A first answer, waited for. */
struct ask {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	const char *url, *shown;
	struct object *object; /* filled in by `head`; owned */
	uint8_t *chunk;	       /* FETCH_CHUNK bytes */
	size_t count;
	bool unchanged;
	bool is_done; /* guarded, like what follows */
	int error;
	struct why why;
};

static int on_head(void *arg, const struct net_head *head, struct why *why)
{
	struct ask *a = arg;

	a->unchanged = head->unchanged;
	return a->unchanged ? 0 : object_new(a->url, head, a->object, why);
}

/*
 * From a server without ranges more comes than was asked for; it is not wanted
 * now. Else the answer ends by itself, and its connection serves the next request.
 */
static int on_data(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct ask *a = arg;
	size_t n = min_u64(count, FETCH_CHUNK - a->count);

	memcpy(a->chunk + a->count, buf, n);
	a->count += n;
	return a->count == FETCH_CHUNK && !a->object->has_ranges ? -ECANCELED : 0;
}

static void on_done(void *arg, int error, const struct why *why)
{
	struct ask *a = arg;
	LOCKED(&a->lock);

	if (error == -ECANCELED && a->count == FETCH_CHUNK)
		error = 0;
	a->error = error;
	a->why = *why;
	a->is_done = true;
	(void)pthread_cond_broadcast(&a->moved);
}

static const struct net_events events = { on_head, on_data, on_done };

static int ask_wait(struct net *net, struct ask *a, struct net_transfer *transfer, struct why *why)
{
	LOCKED(&a->lock);

	for (bool cancelled = false; !a->is_done;) {
		bool lost;

		lock_cond_wait_until(&a->moved, &a->lock, lock_now_ms() + PATIENCE_POLL_MS);
		if (a->is_done)
			break;
		(void)pthread_mutex_unlock(&a->lock);
		lost = patience_lost();
		(void)pthread_mutex_lock(&a->lock);
		if (lost && !cancelled && !a->is_done) {
			net_cancel(net, transfer);
			cancelled = true;
		}
	}
	if (a->error == -ECANCELED)
		return fail(why, -EINTR, "given up waiting for '%s'", a->shown);
	if (a->error < 0 && why)
		*why = a->why;
	return a->error;
}

/* Asks for the first chunk, unless the object still is `known` (may be NULL). */
static int ask_server(struct context *context, const struct template *t, const struct object *known,
		      struct ask *a, struct why *why)
{
	const struct net_request request = {
		.url = t->url,
		.proxy = t->proxy,
		.length = FETCH_CHUNK,
		.unless_etag = known ? known->etag : NULL,
		.unless_modified = known && !known->etag ? known->last_modified : NULL,
		.priority = NET_WAITED_FOR,
	};
	struct net_transfer *transfer;
	int r;

	a->url = t->url;
	a->shown = t->path;
	(void)pthread_mutex_init(&a->lock, NULL);
	lock_cond_init(&a->moved);
	r = net_start(context->net, &request, &events, a, &transfer, why);
	if (r == 0)
		r = ask_wait(context->net, a, transfer, why);
	(void)pthread_cond_destroy(&a->moved);
	(void)pthread_mutex_destroy(&a->lock);
	/* 416, for a range that begins with the first byte. */
	return r == -ERANGE ? fail(why, -EBADMSG, "'%s' is empty", t->path) : r;
}

/* ---- what is remembered ---- */

static char *sidecar_identity(const struct template *t)
{
	return text_new("object:%s", t->path);
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
	_cleanup_free_ char *key = sidecar_identity(t);
	_cleanup_free_ void *bytes = NULL;
	size_t count;
	int r;

	if (!key)
		return -ENOMEM;
	r = store_sidecar_read(context->store, key, SIDECAR, OBJECT_VERSION, &bytes, &count);
	if (r == 0)
		r = object_unpack(bytes, count, ret);
	if (r == 0 && strcmp(ret->url, t->path) != 0) {
		object_done(ret);
		r = -ENOENT;
	}
	return r;
}

void http_forget(struct context *context, struct template *t)
{
	_cleanup_free_ char *key = sidecar_identity(t);

	if (key)
		store_sidecar_write(context->store, key, SIDECAR, OBJECT_VERSION, "", 0);
	(void)template_meet(t, NULL, NULL, NULL);
}

/* ---- meeting ---- */

static int new_fetched(struct context *context, const struct template *met, const uint8_t *first, size_t count,
		       struct image **ret, struct why *why)
{
	_cleanup_free_ char *identity = text_new(STORE_FETCHED "%s", met->identity);

	return identity ? fetched_image_new(context->store, context->net, identity, met->object, met->url,
					    met->proxy, first, count, ret, why)
			: -ENOMEM;
}

/*
 * The object was told by the server just now, with its first chunk. One that can't
 * be a template is not remembered: it may be a page that somebody on the way has put
 * in its place.
 */
static int meet_new(struct context *context, struct template *t, struct ask *a, struct template **ret,
		    struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct object *o = take(a->object);
	int r;

	memcpy(o->head, a->chunk, min_u64(a->count, OBJECT_HEAD));
	r = template_meet(t, o, ret, why);
	if (r < 0)
		return r;
	remember(context, t, (*ret)->object);
	/* Its first chunk goes into the store; if it can't, it will be asked for once more. */
	(void)new_fetched(context, *ret, a->chunk, a->count, &img, NULL);
	return 0;
}

static void ask_done(struct ask *a)
{
	object_free(a->object);
	free(a->chunk);
}

static int ask_and_meet(struct context *context, struct template *t, struct object **known,
			struct template **ret, struct why *why)
{
	_cleanup_(ask_done) struct ask a = {
		.object = calloc(1, sizeof(struct object)),
		.chunk = calloc(1, FETCH_CHUNK),
	};
	int r = a.object && a.chunk ? ask_server(context, t, *known, &a, why) : -ENOMEM;

	if (r == 0 && !a.unchanged)
		return meet_new(context, t, &a, ret, why);
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
	_cleanup_(object_freep) struct object *known = calloc(1, sizeof(*known));

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
	_cleanup_(ask_done) struct ask a = {
		.object = calloc(1, sizeof(struct object)),
		.chunk = calloc(1, FETCH_CHUNK),
	};
	_cleanup_(template_unrefp) struct template *again = NULL;
	int r = a.object && a.chunk ? ask_server(context, t, met->object, &a, why) : -ENOMEM;

	if (r < 0 || a.unchanged)
		return r;
	r = meet_new(context, t, &a, &again, why);
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
