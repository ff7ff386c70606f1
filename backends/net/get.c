/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/net/net.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"

#define FIRST_ROOM (16 * KiB)

/* Its body is the engine's until is_done, then the waiter's. */
struct get {
	struct net_body body;
	size_t limit, room;
	bool (*look)(const void *head, size_t count); /* NULL once it has looked */
	uint64_t length;			      /* that was announced; 0: none was */

	pthread_mutex_t lock;
	pthread_cond_t done;
	/* Guarded by the lock. */
	bool is_done;
	int error;
	struct why why;
};

void net_body_done(struct net_body *body)
{
	free(body->bytes);
	free(body->url);
	free(body->etag);
	free(body->last_modified);
	*body = (struct net_body){ 0 };
}

/* Room for `count` bytes and the NUL. */
static int make_room(struct get *g, size_t count)
{
	size_t room = max_u64(count + 1, min_u64(2 * g->room, g->limit + 1));
	char *bytes;

	if (count < g->room)
		return 0;
	bytes = realloc(g->body.bytes, room);
	if (!bytes)
		return -ENOMEM;
	g->body.bytes = bytes;
	g->room = room;
	return 0;
}

static int check_length(const struct get *g, struct why *why)
{
	return g->length > g->limit
		       ? fail(why, -EFBIG, "'%.*s' should be small and is %" PRIu64 " bytes, more than %zu",
			      NET_URL_TEXT(g->body.url), g->length, g->limit)
		       : 0;
}

static int get_head(void *arg, const struct net_head *head, struct why *why)
{
	struct get *g = arg;
	int r;

	if (text_copy(&g->body.url, head->url) < 0 || text_copy(&g->body.etag, head->etag) < 0 ||
	    text_copy(&g->body.last_modified, head->last_modified) < 0)
		return -ENOMEM;
	g->body.unchanged = head->unchanged;
	if (head->unchanged)
		return 0;
	g->length = head->has_length ? head->length : 0;
	r = g->look ? 0 : check_length(g, why);
	return r < 0 ? r : make_room(g, min_u64(g->limit, FIRST_ROOM));
}

/* Once, when there is enough to see. */
static int get_look(struct get *g, bool is_all, struct why *why)
{
	bool (*look)(const void *, size_t) = g->look;

	if (!look || (!is_all && g->body.count < GET_LOOK))
		return 0;
	g->look = NULL;
	if (!look(g->body.bytes ?: "", min_u64(g->body.count, GET_LOOK)))
		return fail(why, -EMEDIUMTYPE, "'%.*s' is something else than it should be",
			    NET_URL_TEXT(g->body.url));
	return check_length(g, why);
}

static int get_data(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct get *g = arg;
	int r;

	if (count > g->limit - g->body.count)
		return fail(why, -EFBIG, "'%.*s' should be small and has more than %zu bytes",
			    NET_URL_TEXT(g->body.url), g->limit);
	r = make_room(g, g->body.count + count);
	if (r < 0)
		return r;
	memcpy(g->body.bytes + g->body.count, buf, count);
	g->body.count += count;
	return get_look(g, /* is_all= */ false, why);
}

static void get_done(void *arg, int error, const struct why *why)
{
	struct get *g = arg;
	LOCKED(&g->lock);

	g->is_done = true;
	g->error = error;
	g->why = *why;
	if (error == 0 && !g->body.unchanged)
		g->error = get_look(g, /* is_all= */ true, &g->why);
	(void)pthread_cond_signal(&g->done);
}

/* With the lock held, which it gives up while it waits. True: patience was lost. */
static bool wait_done(struct get *g, struct net *net, struct net_transfer *t)
{
	bool lost = false;

	while (!g->is_done) {
		lock_cond_wait_until(&g->done, &g->lock, lock_now_ms() + PATIENCE_POLL_MS);
		if (g->is_done || lost)
			continue;
		(void)pthread_mutex_unlock(&g->lock);
		lost = patience_lost();
		(void)pthread_mutex_lock(&g->lock);
		/* It ends soon, and must: its arguments are on this stack. */
		if (lost && !g->is_done)
			net_cancel(net, t);
	}
	return lost && g->error == -ECANCELED;
}

static int run(struct get *g, struct net *net, const struct net_request *request, struct why *why)
{
	static const struct net_events events = { get_head, get_data, get_done };
	struct net_transfer *t;
	int r;

	r = net_start(net, request, &events, g, &t, why);
	if (r < 0)
		return r;
	LOCKED(&g->lock);
	if (wait_done(g, net, t))
		return fail(why, -EINTR, "given up waiting for what the network should bring");
	if (g->error < 0 && why)
		*why = g->why;
	return g->error;
}

int net_get_if(struct net *net, const struct net_request *request, size_t limit,
	       bool (*look)(const void *head, size_t count), struct net_body *ret, struct why *why)
{
	struct get g = { .limit = limit, .look = look, .lock = PTHREAD_MUTEX_INITIALIZER };
	int r;

	assert(!net_is_here(net));
	lock_cond_init(&g.done);
	r = run(&g, net, request, why);
	(void)pthread_cond_destroy(&g.done);
	if (r < 0) {
		net_body_done(&g.body);
		return r;
	}
	if (g.body.bytes)
		g.body.bytes[g.body.count] = '\0';
	*ret = g.body;
	return 0;
}

int net_get(struct net *net, const struct net_request *request, size_t limit, struct net_body *ret,
	    struct why *why)
{
	return net_get_if(net, request, limit, /* look= */ NULL, ret, why);
}
