/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The flusher: one thread that records which units are there, in batches, and
 * closes shelves that nobody uses any more, so that no reader and no lookup waits
 * for a disk to sync. A shelf is recorded when its last image is closed, when no
 * unit came for a while, and at the latest some time after the first that came:
 * what a crash costs is the making of those again, never a wrong byte. It also asks for
 * what nobody reads to be closed when room is wanted and all is in use: whoever
 * wanted the room is in the middle of something.
 */
#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/store_private.h"
#include "base/log.h"

#define QUIET_MS  2000	/* after the last unit */
#define LATEST_MS 30000 /* after the first */

static int64_t due_at(const struct store *s, const struct entry *e)
{
	if (!e->shelf || e->busy)
		return INT64_MAX;
	if (e->dirty_since && e->users == 0)
		return 0;
	if (e->dirty_since)
		return e->dirty_last + QUIET_MS < e->dirty_since + LATEST_MS ? e->dirty_last + QUIET_MS
									     : e->dirty_since + LATEST_MS;
	/* Temporary files live as long as their shelf: kept open until room is wanted. */
	return e->users == 0 && e->pins == 0 && s->keeps ? 0 : INT64_MAX;
}

static struct entry *first_due(const struct store *s, int64_t *ret_when)
{
	struct entry *first = NULL;

	*ret_when = INT64_MAX;
	for (struct entry *e = s->open; e; e = e->open_next) {
		int64_t when = due_at(s, e);

		if (when < *ret_when) {
			*ret_when = when;
			first = e;
		}
	}
	return first;
}

/* Both are called with the lock held, and give it up meanwhile. */
static void record(struct store *s, struct entry *e)
{
	int r;

	e->dirty_since = 0;
	e->pins++;
	(void)pthread_mutex_unlock(&s->lock);
	r = shelf_flush(e->shelf);
	(void)pthread_mutex_lock(&s->lock);
	e->pins--;
	(void)pthread_cond_broadcast(&s->settled);
	if (r == 0)
		return;
	log_warn("store: can't record what is there of '%s': %s", e->shelf->identity, strerror(-r));
	if (e->users && !e->dirty_since) { /* a full disk may have room again */
		e->dirty_since = lock_now_ms();
		e->dirty_last = e->dirty_since + LATEST_MS;
	}
}

/* Without the lock. The data file of a lost shelf counts no more, and would only take room. */
static void close_shelf(struct store *s, struct entry *e, struct shelf *shelf)
{
	const bool is_lost = shelf->lost;

	shelf_free(shelf);
	if (is_lost && s->keeps)
		store_remove_data(s, e);
}

static void put_away(struct store *s, struct entry *e)
{
	struct shelf *shelf = store_set_shelf(s, e, NULL);

	e->busy = true;
	e->n_there = bits_count(shelf->there);
	(void)pthread_mutex_unlock(&s->lock);
	close_shelf(s, e, shelf);
	(void)pthread_mutex_lock(&s->lock);
	e->busy = false;
	store_settle_entry(s, e);
}

/* With the lock held, which it gives up meanwhile. */
static void tell_scarce(struct store *s)
{
	bool closed;

	s->is_scarce = false;
	if (!s->scarce)
		return;
	s->is_telling = true;
	(void)pthread_mutex_unlock(&s->lock);
	closed = s->scarce(s->scarce_arg);
	if (!closed)
		room_say_full(s);
	(void)pthread_mutex_lock(&s->lock);
	s->is_telling = false;
	if (closed)
		s->full_until = 0;
	(void)pthread_cond_broadcast(&s->settled);
}

static void *run(void *arg)
{
	struct store *s = arg;
	LOCKED(&s->lock);

	while (!s->ending) {
		int64_t when;
		struct entry *e = first_due(s, &when);

		if (s->is_scarce)
			tell_scarce(s);
		else if (!e)
			(void)pthread_cond_wait(&s->work, &s->lock);
		else if (when > lock_now_ms())
			lock_cond_wait_until(&s->work, &s->lock, when);
		else if (e->dirty_since)
			record(s, e);
		else
			put_away(s, e);
	}
	return NULL;
}

void flush_wake(struct store *s)
{
	if ((!s->keeps && !s->scarce) || s->ending)
		return;
	/* Without a thread what is there is recorded at the end; the next daemon only has more to make. */
	if (!s->flusher_started)
		s->flusher_started = lock_thread_start(&s->flusher, "goalfs-flush", run, s) == 0;
	(void)pthread_cond_signal(&s->work);
}

void flush_dirty(struct shelf *sh)
{
	struct store *s = sh->store;
	LOCKED(&s->lock);

	if (!s->keeps)
		return;
	sh->entry->dirty_last = lock_now_ms();
	if (sh->entry->dirty_since)
		return;
	sh->entry->dirty_since = sh->entry->dirty_last;
	flush_wake(s);
}

void flush_scarce(struct store *s)
{
	LOCKED(&s->lock);

	if (!s->scarce || s->is_scarce)
		return;
	s->is_scarce = true;
	flush_wake(s);
}

void store_when_scarce(struct store *s, bool (*scarce)(void *arg), void *arg)
{
	LOCKED(&s->lock);

	while (s->is_telling)
		(void)pthread_cond_wait(&s->settled, &s->lock);
	s->scarce = scarce;
	s->scarce_arg = arg;
}

void flush_end(struct store *s)
{
	{
		LOCKED(&s->lock);

		s->ending = true;
		(void)pthread_cond_signal(&s->work);
	}
	if (s->flusher_started)
		(void)pthread_join(s->flusher, NULL);
	while (s->open) {
		struct entry *e = s->open;
		int r;

		assert(e->users == 0 && e->pins == 0);
		r = e->dirty_since ? shelf_flush(e->shelf) : 0;
		if (r < 0)
			log_warn("store: can't record what is there of '%s': %s", e->shelf->identity,
				 strerror(-r));
		close_shelf(s, e, store_set_shelf(s, e, NULL));
	}
}
