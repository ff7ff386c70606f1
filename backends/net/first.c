/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/net/first.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "base/patience.h"

/* A first answer, waited for. What it holds is the engine's until is_done, then the waiter's. */
struct ask {
	struct net_first first;
	const char *url, *shown;

	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool is_done; /* guarded, like what follows */
	int error;
	struct why why;
};

void net_first_done(struct net_first *f)
{
	object_free(f->object);
	free(f->bytes);
	*f = (struct net_first){ 0 };
}

static int on_head(void *arg, const struct net_head *head, struct why *why)
{
	struct ask *a = arg;

	a->first.unchanged = head->unchanged;
	return head->unchanged ? 0 : object_new(a->url, head, a->first.object, why);
}

/*
 * From a server without ranges more comes than was asked for; it is not wanted
 * now. Else the answer ends by itself, and its connection serves the next request.
 */
static int on_data(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct net_first *f = &((struct ask *)arg)->first;
	size_t n = min_u64(count, FIRST_BYTES - f->count);

	memcpy(f->bytes + f->count, buf, n);
	f->count += n;
	return f->count == FIRST_BYTES && !f->object->has_ranges ? -ECANCELED : 0;
}

static void on_done(void *arg, int error, const struct why *why)
{
	struct ask *a = arg;
	LOCKED(&a->lock);

	if (error == -ECANCELED && a->first.count == FIRST_BYTES)
		error = 0;
	a->error = error;
	a->why = *why;
	a->is_done = true;
	(void)pthread_cond_broadcast(&a->moved);
}

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

/*
 * Of a range alone ftp and sftp don't say how long the object is. So all of it is asked
 * for, and cut off; they know ranges none the less.
 */
static bool is_plain(const char *url)
{
	return strncasecmp(url, "ftp", 3) == 0 || strncasecmp(url, "sftp:", 5) == 0;
}

static int ask(struct net *net, const struct net_request *request, struct ask *a, struct why *why)
{
	static const struct net_events events = { on_head, on_data, on_done };
	struct net_request first = *request;
	struct net_transfer *transfer;
	int r;

	first.length = is_plain(request->url) ? 0 : FIRST_BYTES;
	(void)pthread_mutex_init(&a->lock, NULL);
	lock_cond_init(&a->moved);
	r = net_start(net, &first, &events, a, &transfer, why);
	if (r == 0)
		r = ask_wait(net, a, transfer, why);
	(void)pthread_cond_destroy(&a->moved);
	(void)pthread_mutex_destroy(&a->lock);
	/* 416, for a range that begins with the first byte. */
	return r == -ERANGE ? fail(why, -EBADMSG, "'%s' is empty", a->shown) : r;
}

int net_first(struct net *net, const struct net_request *request, const char *shown, struct net_first *ret,
	      struct why *why)
{
	struct ask a = {
		.first = { .object = calloc(1, sizeof(struct object)), .bytes = calloc(1, FIRST_BYTES) },
		.url = request->url,
		.shown = shown,
	};
	int r = a.first.object && a.first.bytes ? ask(net, request, &a, why) : -ENOMEM;

	if (r < 0) {
		net_first_done(&a.first);
		return r;
	}
	if (a.first.unchanged) {
		object_free(take(a.first.object));
	} else {
		a.first.object->has_ranges |= is_plain(request->url);
		memcpy(a.first.object->head, a.first.bytes, min_u64(a.first.count, OBJECT_HEAD));
	}
	*ret = a.first;
	return 0;
}
