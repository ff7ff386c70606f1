/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whenever something moves (a wish, a waiter, the end of a request) and a slot is
 * free, the next request is made up, out of the first of these that leads to a chunk
 * that is neither there nor on its way:
 *
 *	1. what somebody waits for, first come, first served
 *	2. what was wished for, in order
 *
 * It goes on over the chunks behind that as long as they are wanted, too. One slot
 * is kept for waiters. Errors go to those who wait for a chunk of the request that
 * failed, and are not remembered: the next read asks again.
 *
 * A server that knows no ranges sends the object from its beginning, whatever is asked: then there is
 * one request for all, and everybody waits for it to come by.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/fetched.h"
#include "backends/cache/flights.h"
#include "backends/cache/seals.h"
#include "backends/cache/store_private.h"
#include "base/log.h"
#include "base/patience.h"

#define REQUEST_CHUNKS (FETCH_REQUEST_MAX / FETCH_CHUNK)
#define LAST_CHUNKS    (1 * MiB / FETCH_CHUNK) /* as short as requests get at the end */

static bool is_there(const struct fetched *f, uint64_t chunk)
{
	struct held *held;

	if (bits_get(f->shelf->there, chunk))
		return true;
	held = memory_find(f->shelf->store->memory, f->shelf, chunk);
	held_unref(held);
	return held != NULL;
}

bool flights_are_there(const struct fetched *f, struct run_of_chunks run)
{
	while (run.from < run.end && is_there(f, run.from))
		run.from++;
	return run.from == run.end;
}

/* All that follow, up to the events: with the lock held. */

static bool is_coming(const struct flights *fs, uint64_t chunk)
{
	for (size_t i = 0; i < FETCH_FLIGHTS; i++) {
		const struct flight *fl = &fs->flight[i];

		if (fl->transfer && fl->at <= chunk && chunk < fl->run.end)
			return true;
	}
	return false;
}

static bool is_missing(const struct fetched *f, uint64_t chunk)
{
	return !is_coming(&f->flights, chunk) && !is_there(f, chunk);
}

/* The first chunk of the run that has to be asked for; its end when there is none. */
static uint64_t first_missing(const struct fetched *f, struct run_of_chunks run)
{
	while (run.from < run.end && !is_missing(f, run.from))
		run.from++;
	return run.from;
}

static uint64_t missing_end(const struct fetched *f, uint64_t from, uint64_t end)
{
	end = min_u64(end, from + REQUEST_CHUNKS);
	while (from < end && is_missing(f, from))
		from++;
	return from;
}

/* How far it is wanted, without a break, from a chunk on. */
static uint64_t wanted_end(const struct flights *fs, struct run_of_chunks run)
{
	for (size_t i = 0; i < fs->n_wishes; i++)
		if (fs->wish[i].from <= run.end && run.end < fs->wish[i].end)
			run.end = fs->wish[i].end;
	return run.end;
}

static void drop_wish(struct flights *fs, size_t i)
{
	memmove(fs->wish + i, fs->wish + i + 1, (--fs->n_wishes - i) * sizeof(fs->wish[0]));
}

static bool next_for_waiters(struct fetched *f, struct run_of_chunks *ret)
{
	for (struct waiter *w = f->flights.waiters; w; w = w->next) {
		struct run_of_chunks run = { first_missing(f, w->run), w->run.end };

		if (w->error || run.from == run.end)
			continue;
		*ret = (struct run_of_chunks){ run.from,
					       missing_end(f, run.from, wanted_end(&f->flights, run)) };
		return true;
	}
	return false;
}

/*
 * Towards the end of the object requests become shorter: side by side, the last ones
 * come in at the same moment, and what is made of them had to wait for all of them.
 */
static uint64_t request_end(const struct fetched *f, const struct run_of_chunks *wish)
{
	const uint64_t left = wish->end - wish->from;

	if (wish->end < fetched_chunks(f))
		return wish->end;
	return wish->from + min_u64(left, max_u64(left / (2 * FETCH_FLIGHTS), LAST_CHUNKS));
}

static bool next_for_wishes(struct fetched *f, struct run_of_chunks *ret)
{
	struct flights *fs = &f->flights;

	while (fs->n_wishes) {
		struct run_of_chunks *wish = &fs->wish[0];

		wish->from = first_missing(f, *wish);
		if (wish->from < wish->end) {
			*ret = (struct run_of_chunks){ wish->from,
						       missing_end(f, wish->from, request_end(f, wish)) };
			wish->from = ret->end;
			return true;
		}
		drop_wish(fs, 0);
	}
	return false;
}

static struct flight *free_slot(struct flights *fs, unsigned *ret_free)
{
	struct flight *slot = NULL;

	*ret_free = 0;
	for (size_t i = 0; i < FETCH_FLIGHTS; i++)
		if (!fs->flight[i].transfer) {
			slot = &fs->flight[i];
			++*ret_free;
		}
	return slot;
}

static const struct net_events events;

static void fail_waiters(struct fetched *f, struct run_of_chunks run, int error, const struct why *why)
{
	for (struct waiter *w = f->flights.waiters; w; w = w->next)
		if (!w->error && run.from <= w->run.from && w->run.from < run.end) {
			w->error = error;
			w->why = *why;
		}
	(void)pthread_cond_broadcast(&f->flights.moved);
}

static int take_off(struct fetched *f, struct flight *fl, struct run_of_chunks run, enum net_priority priority,
		    struct why *why)
{
	const struct object *o = &f->object;
	const uint64_t offset = run.from * FETCH_CHUNK;
	const bool all = f->flights.no_ranges, to_final = o->final_url && !f->flights.is_final_url_bad;
	const struct net_request request = {
		.url = to_final ? o->final_url : f->url,
		.proxy = f->proxy,
		.offset = offset,
		.length = all ? 0 : min_u64(run.end * FETCH_CHUNK, f->image.size) - offset,
		.priority = priority,
	};

	if (!fl->chunk)
		fl->chunk = malloc(FETCH_CHUNK);
	if (!fl->chunk)
		return -ENOMEM;
	fl->fetched = f;
	fl->run = run;
	fl->at = run.from;
	fl->count = 0;
	fl->is_misplaced = false;
	fl->is_to_final_url = to_final;
	return net_start(f->net, &request, &events, fl, &fl->transfer, why);
}

static void dispatch(struct fetched *f)
{
	struct flights *fs = &f->flights;

	while (!fs->closing && !f->is_stale) {
		struct run_of_chunks run;
		unsigned n_free;
		struct flight *fl = free_slot(fs, &n_free);
		struct why why = { "" };
		bool waited = fl && next_for_waiters(f, &run);
		int r;

		if (!fl || (!waited && (n_free < 2 || !next_for_wishes(f, &run))))
			break;
		if (fs->no_ranges) {
			if (n_free < FETCH_FLIGHTS)
				break;
			run = (struct run_of_chunks){ 0, fetched_chunks(f) };
		}
		log_detail("http: fetch chunks %" PRIu64 " to %" PRIu64 " of '%.*s'%s", run.from, run.end - 1,
			   NET_URL_TEXT(f->object.url), waited ? ", somebody waits" : "");
		r = take_off(f, fl, run, waited ? NET_WAITED_FOR : NET_AHEAD, &why);
		if (r < 0) {
			fl->transfer = NULL;
			fail_waiters(f, run, r, &why);
			break;
		}
	}
}

/* ---- what comes, on the engine's thread, without the lock ---- */

/* After the disk was found full, chunks go to memory straight for so long. */
#define FULL_MS 5000

static int to_disk(struct shelf *sh, uint64_t chunk, const void *bytes, size_t count)
{
	int r;

	if (lock_now_ms() < sh->store->full_until || !shelf_is_sound(sh))
		return -ENOSPC;
	r = room_take(sh->store, sh->entry, count);
	if (r < 0)
		return r;
	r = shelf_write(sh, bytes, count, chunk * FETCH_CHUNK);
	if (r == 0)
		return 0;
	shelf_wipe(sh, chunk * FETCH_CHUNK, count);
	room_give(sh->store, sh->entry, count);
	if (r == -ENOSPC || r == -EDQUOT)
		sh->store->full_until = lock_now_ms() + FULL_MS;
	return r;
}

static int to_memory(struct shelf *sh, uint64_t chunk, const void *bytes, size_t count)
{
	_cleanup_(held_unrefp) struct held *held = NULL;
	int r = memory_alloc(sh->store->memory, count, &held);

	if (r < 0)
		return r;
	memcpy(held->bytes, bytes, count);
	memory_keep(held, sh, chunk);
	return 0;
}

static void add_chunk(struct fetched *f, const struct unit *unit)
{
	struct shelf *sh = f->shelf;

	(void)pthread_mutex_lock(&sh->lock);
	shelf_add_unit(sh, f->image.below, unit);
	(void)pthread_mutex_unlock(&sh->lock);
	flush_dirty(sh);
}

int flights_place(struct fetched *f, uint64_t chunk, const void *bytes, size_t count, struct why *why)
{
	const struct unit unit = { chunk, chunk * FETCH_CHUNK, count };
	struct shelf *sh = f->shelf;
	int r;
	LOCKED(&sh->placing);

	if (bits_get(sh->there, chunk))
		return 0;
	if (!seals_note(sh->seals, chunk, bytes, count))
		return fail(why, -ESTALE,
			    "'%.*s' changed on its server, which does not say so: what comes at %" PRIu64
			    " was something else before",
			    NET_URL_TEXT(f->object.url), chunk * FETCH_CHUNK);
	r = to_disk(sh, chunk, bytes, count);
	if (r < 0)
		r = to_memory(sh, chunk, bytes, count);
	else
		add_chunk(f, &unit);
	return r < 0 ? fail(why, r, "what comes of '%.*s' fits neither into the store '%s' nor into memory",
			    NET_URL_TEXT(f->object.url), sh->store->name)
		     : 0;
}

/* With the lock held. */
static void give_up_ranges(struct fetched *f)
{
	if (!f->flights.no_ranges)
		log_note("'%.*s': the server knows no ranges, so all of it is fetched",
			 NET_URL_TEXT(f->object.url));
	f->flights.no_ranges = true;
}

/* The first chunks were asked for, and all are sent. */
static void take_all(struct fetched *f, struct flight *fl)
{
	LOCKED(&f->flights.lock);

	give_up_ranges(f);
	fl->run.end = fetched_chunks(f);
}

static int on_head(void *arg, const struct net_head *head, struct why *why)
{
	struct flight *fl = arg;
	struct fetched *f = fl->fetched;
	int r = object_check(&f->object, head, why);

	if (r < 0)
		return r;
	fl->is_misplaced = head->offset != fl->run.from * FETCH_CHUNK;
	if (fl->is_misplaced)
		return fail(why, -ERANGE, "'%.*s' is sent whole, whatever part is asked for",
			    NET_URL_TEXT(head->url));
	if (!head->is_range && fl->run.end < fetched_chunks(f))
		take_all(f, fl);
	return 0;
}

static int on_data(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct flight *fl = arg;
	struct fetched *f = fl->fetched;
	const uint8_t *p = buf;

	while (count) {
		size_t whole, n;
		int r;

		/* Where no length was told beforehand. */
		if (fl->at == fl->run.end)
			return fail(why, -ESTALE,
				    "'%.*s' changed on its server: it had %" PRIu64
				    " bytes, now there are more",
				    NET_URL_TEXT(f->object.url), f->object.length);
		whole = fetched_chunk_bytes(f, fl->at);
		n = min_u64(count, whole - fl->count);
		memcpy(fl->chunk + fl->count, p, n);
		fl->count += n;
		p += n;
		count -= n;
		if (fl->count < whole)
			break;
		r = flights_place(f, fl->at, fl->chunk, whole, why);
		if (r < 0)
			return r;
		fl->count = 0;
		LOCKED(&f->flights.lock);

		fl->at++;
		(void)pthread_cond_broadcast(&f->flights.moved);
	}
	return 0;
}

/* What may be the fault of where the redirect led, or of the redirect's age. */
static bool is_servers_fault(int error)
{
	return error == -ENOENT || error == -EACCES || error == -EHOSTUNREACH || error == -ETIMEDOUT ||
	       error == -EPROTO || error == -EIO;
}

/*
 * What is worth another try in another way; true when there is one. Others that
 * went the same way and fail after the first get it as well.
 */
static bool try_otherwise(struct fetched *f, const struct flight *fl, int error)
{
	if (error == -ERANGE && fl->is_misplaced) {
		give_up_ranges(f);
		return true;
	}
	if (fl->is_to_final_url && is_servers_fault(error)) {
		f->flights.is_final_url_bad = true;
		return true;
	}
	return false;
}

/* What the end means for the object, where the engine can't know it. */
static int judge_end(const struct fetched *f, const struct flight *fl, int error, struct why *why)
{
	if (error == -ERANGE && !fl->is_misplaced)
		return fail(why, -ESTALE,
			    "'%.*s' changed on its server: it had %" PRIu64
			    " bytes, now it does not reach to %" PRIu64,
			    NET_URL_TEXT(f->object.url), f->object.length, fl->at * FETCH_CHUNK);
	if (error == 0 && fl->at < fl->run.end)
		return fail(why, -EIO, "'%.*s' ended after %" PRIu64 " of %" PRIu64 " bytes",
			    NET_URL_TEXT(f->object.url), fl->at * FETCH_CHUNK + fl->count, f->object.length);
	return error;
}

static void on_done(void *arg, int error, const struct why *engines)
{
	struct flight *fl = arg;
	struct fetched *f = fl->fetched;
	struct why why = *engines;
	LOCKED(&f->flights.lock);

	fl->transfer = NULL;
	error = judge_end(f, fl, error, &why);
	if (error == -ESTALE)
		f->is_stale = true;
	if (error < 0 && !try_otherwise(f, fl, error)) {
		/* Wishes are not worth insisting on; who needs them will ask. */
		f->flights.n_wishes = 0;
		fail_waiters(f,
			     f->is_stale ? (struct run_of_chunks){ 0, UINT64_MAX }
					 : (struct run_of_chunks){ fl->at, fl->run.end },
			     error, &why);
	}
	dispatch(f);
	(void)pthread_cond_broadcast(&f->flights.moved);
}

static const struct net_events events = { on_head, on_data, on_done };

/* ---- from outside ---- */

void flights_init(struct fetched *f)
{
	struct flights *fs = &f->flights;

	(void)pthread_mutex_init(&fs->lock, NULL);
	lock_cond_init(&fs->moved);
	fs->last_waiter = &fs->waiters;
	fs->no_ranges = !f->object.has_ranges;
}

void flights_done(struct fetched *f)
{
	struct flights *fs = &f->flights;

	(void)pthread_mutex_lock(&fs->lock);
	fs->closing = true;
	for (size_t i = 0; i < FETCH_FLIGHTS; i++) {
		if (fs->flight[i].transfer)
			net_cancel(f->net, fs->flight[i].transfer);
		while (fs->flight[i].transfer)
			(void)pthread_cond_wait(&fs->moved, &fs->lock);
		free(fs->flight[i].chunk);
	}
	(void)pthread_mutex_unlock(&fs->lock);
	(void)pthread_cond_destroy(&fs->moved);
	(void)pthread_mutex_destroy(&fs->lock);
}

static bool are_near(struct run_of_chunks a, struct run_of_chunks b)
{
	return a.from <= b.end + FETCH_GAP && b.from <= a.end + FETCH_GAP;
}

void flights_wish(struct fetched *f, struct run_of_chunks run, bool now)
{
	struct flights *fs = &f->flights;
	LOCKED(&fs->lock);

	run.end = min_u64(run.end, fetched_chunks(f));
	if (first_missing(f, run) >= run.end)
		return;
	for (size_t i = fs->n_wishes; i-- > 0;)
		if (are_near(fs->wish[i], run)) {
			run.from = min_u64(run.from, fs->wish[i].from);
			run.end = max_u64(run.end, fs->wish[i].end);
			drop_wish(fs, i);
		}
	if (fs->n_wishes == WISHES_MAX)
		drop_wish(fs, 0);
	fs->wish[fs->n_wishes++] = run;
	if (now)
		dispatch(f);
}

static void add_waiter(struct flights *fs, struct waiter *w)
{
	*fs->last_waiter = w;
	fs->last_waiter = &w->next;
}

/* What was only read ahead may still stand in the engine's queue. */
static void raise_flight(struct fetched *f, uint64_t chunk)
{
	for (size_t i = 0; i < FETCH_FLIGHTS; i++) {
		const struct flight *fl = &f->flights.flight[i];

		if (fl->transfer && fl->at <= chunk && chunk < fl->run.end)
			net_raise(f->net, fl->transfer, NET_WAITED_FOR);
	}
}

static void remove_waiter(struct flights *fs, struct waiter *w)
{
	struct waiter **at = &fs->waiters;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	if (fs->last_waiter == &w->next)
		fs->last_waiter = at;
}

/* With the lock held, which it gives up while it waits. */
static int wait_for(struct fetched *f, struct waiter *w)
{
	struct flights *fs = &f->flights;

	/* It may have come together with an error about what lies behind it. */
	while (!is_there(f, w->run.from)) {
		bool lost;

		if (w->error)
			return w->error;
		dispatch(f);
		if (w->error)
			continue;
		lock_cond_wait_until(&fs->moved, &fs->lock, lock_now_ms() + PATIENCE_POLL_MS);
		(void)pthread_mutex_unlock(&fs->lock);
		lost = patience_lost();
		(void)pthread_mutex_lock(&fs->lock);
		if (lost)
			return fail(&w->why, -EINTR, "given up waiting for '%.*s'",
				    NET_URL_TEXT(f->object.url));
	}
	return 0;
}

int flights_await(struct fetched *f, struct run_of_chunks run, struct why *why)
{
	struct waiter w = { .run = run };
	int r;
	LOCKED(&f->flights.lock);

	if (f->is_stale)
		return fail(why, -ESTALE, "'%.*s' changed on its server while it was in use",
			    NET_URL_TEXT(f->object.url));
	add_waiter(&f->flights, &w);
	raise_flight(f, run.from);
	r = wait_for(f, &w);
	remove_waiter(&f->flights, &w);
	if (r < 0 && why)
		*why = w.why;
	return r;
}
