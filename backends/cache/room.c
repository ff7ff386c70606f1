/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Room on disk. Two bounds: the bytes of the store (limit, of which 95 % is the
 * high mark) and the free space of its filesystem (min_free). Whoever wants to
 * write reserves first; when that goes over a mark, templates that nobody has
 * open are evicted, the least recently used first, down to the low mark (80 %, or
 * a fifth more than min_free), so that eviction comes in strokes and not with
 * every unit. A template's data is evicted as a whole: there is no telling which
 * of its units will be wanted, and one file less is less to go wrong. What was
 * fetched over a network is dearer than what is made of it, and counts as if used
 * FETCHED_GRACE later. Sidecars are small and save much: they go only when no data
 * is left to evict and the bytes would not fit otherwise.
 *
 * When nothing is left to evict, room_take says -ENOSPC, and nothing is stored. Then whoever
 * keeps images open that nobody reads is asked to close them (store_when_scarce).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#include "backends/cache/store_private.h"
#include "base/log.h"
#include "base/size.h"

#define FETCHED_GRACE (7 * 24 * 3600) /* seconds */
#define SAY_FULL_MS   (3600 * 1000)

static bool is_colder(const struct entry *a, const struct entry *b)
{
	const time_t x = a->used.tv_sec + (a->is_fetched ? FETCHED_GRACE : 0);
	const time_t y = b->used.tv_sec + (b->is_fetched ? FETCHED_GRACE : 0);

	return x != y ? x < y : a->used.tv_nsec < b->used.tv_nsec;
}

/* With data, or with nothing but sidecars. */
static struct entry *coldest(const struct store *s, bool with_data)
{
	struct entry *cold = NULL;

	for (struct entry *e = s->entries; e; e = e->next)
		if (!e->users && !e->pins && !e->busy && (e->data_bytes > 0) == with_data &&
		    e->data_bytes + e->other_bytes > 0 && (!cold || is_colder(e, cold)))
			cold = e;
	return cold;
}

static bool evict_one(struct store *s, bool with_data)
{
	char bytes[SIZE_TEXT_MAX];
	struct shelf *shelf;
	struct entry *e;

	{
		LOCKED(&s->lock);

		e = coldest(s, with_data);
		if (!e)
			return false;
		/* From here it is ours: whoever wants to open it waits, and then finds it gone. */
		e->busy = true;
		e->dirty_since = 0;
		shelf = store_set_shelf(s, e, NULL);
	}
	log_detail("store: evict %s, %s", e->key, size_human(bytes, e->data_bytes));
	s->n_evicted += shelf ? bits_count(shelf->there) : e->n_there;
	if (s->keeps && with_data)
		store_remove_data(s, e);
	else if (s->keeps)
		store_remove_each(s, e, NULL);
	shelf_free(shelf);
	LOCKED(&s->lock);

	e->busy = false;
	e->n_there = 0;
	s->bytes -= e->data_bytes;
	e->data_bytes = 0;
	/* Temporary files are gone with their shelf; of others the sidecars are still there. */
	if (!s->keeps || !with_data || e->other_bytes == 0)
		store_drop_entry(s, e);
	(void)pthread_cond_broadcast(&s->settled);
	return true;
}

bool room_evict_one(struct store *s)
{
	return evict_one(s, /* with_data= */ true);
}

bool room_evict_sidecars(struct store *s)
{
	return evict_one(s, /* with_data= */ false);
}

enum mark { MARK_HIGH, MARK_LOW };

static bool is_over(struct store *s, uint64_t count, enum mark mark)
{
	const uint64_t bytes_mark = mark == MARK_HIGH ? s->high : s->low;
	const uint64_t free_mark = mark == MARK_HIGH ? s->min_free : s->min_free + s->min_free / 5;
	struct statvfs fs;

	if (s->limit) {
		LOCKED(&s->lock);

		if (s->bytes + count > bytes_mark)
			return true;
	}
	return fstatvfs(s->dirfd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < count + free_mark;
}

static bool is_beyond(struct store *s, uint64_t count)
{
	LOCKED(&s->lock);

	return s->limit && s->bytes + count > s->limit;
}

/* Whether the limit leaves room at all, if everything went that nobody uses. */
static bool can_fit(struct store *s, uint64_t count)
{
	uint64_t in_use = 0;
	LOCKED(&s->lock);

	for (const struct entry *e = s->open; e; e = e->open_next)
		if (e->users || e->pins || e->busy)
			in_use += e->data_bytes + e->other_bytes;
	return !s->limit || (in_use <= s->limit && count <= s->limit - in_use);
}

static int take_or_fail(struct store *s, struct entry *e, uint64_t count)
{
	struct statvfs fs;

	if (!can_fit(s, count))
		return -ENOSPC;
	for (enum mark mark = MARK_HIGH; is_over(s, count, mark); mark = MARK_LOW)
		if (!room_evict_one(s))
			break;
	while (is_beyond(s, count) && room_evict_sidecars(s))
		;
	if (fstatvfs(s->dirfd, &fs) == 0 && (uint64_t)fs.f_bavail * fs.f_frsize < count + s->min_free)
		return -ENOSPC;
	LOCKED(&s->lock);

	if (s->limit && s->bytes + count > s->limit)
		return -ENOSPC;
	s->bytes += count;
	e->data_bytes += count;
	return 0;
}

int room_take(struct store *s, struct entry *e, uint64_t count)
{
	int r = take_or_fail(s, e, count);

	if (r < 0)
		flush_scarce(s);
	return r;
}

void room_give(struct store *s, struct entry *e, uint64_t count)
{
	LOCKED(&s->lock);

	s->bytes -= count;
	e->data_bytes -= count;
}

void room_say_full(struct store *s)
{
	char takes[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX], has[SIZE_TEXT_MAX], leaves[SIZE_TEXT_MAX];
	struct statvfs fs;

	if ((s->full_said && lock_now_ms() < s->full_said + SAY_FULL_MS) || fstatvfs(s->dirfd, &fs) < 0)
		return;
	s->full_said = lock_now_ms();
	LOCKED(&s->lock);

	log_warn("store '%s' is full: it takes %s of %s; its disk has %s free, and the last %s are left alone; "
		 "what more is decoded stays in memory as far as it fits",
		 s->name, size_human(takes, s->bytes), s->limit ? size_human(limit, s->limit) : "any",
		 size_human(has, (uint64_t)fs.f_bavail * fs.f_frsize), size_human(leaves, s->min_free));
}
