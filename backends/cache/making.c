/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The life of a unit:
 *
 *	absent --> queued --> running --> there      (its bit is set)
 *	  ^          |           |------> in memory  (memory.c keeps it, as long as there is room)
 *	  |__________|___________|
 *	   abandoned    error: its part of the data file is a hole again
 *
 * From queued to the end a making stands in shelf->makings, and whoever wants the
 * unit joins it there. It is submitted under the lock that links it: one found
 * in the list that is not in the pool's queue runs, or has run.
 *
 * No byte of a unit is handed to a reader before the whole of it was made and
 * checked, although the sink has many of them long before: a format's check
 * stands behind the bytes that it vouches for, and a read can't be taken back.
 * That is how "right bytes or an error" is kept, at the price of the first read
 * of a file that is one single unit, which waits for all of it. The exception are those
 * who say that they look at a unit early (early.h), and answer for what they make of it.
 *
 * Those who waited for a making that failed all get its error. Nothing else
 * remembers it: the next read makes the unit anew.
 */
#include "backends/cache/making.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "backends/cache/store_private.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/size.h"

#define RUN (1 * MiB) /* bytes gathered for one write */

/* Room is reserved for a whole unit at once, but for this much at most of a large one, which may be mostly
 * zero. */
#define RESERVE (16 * MiB)

/* After the disk was found full, units go to memory straight for so long. */
#define FULL_MS 5000

struct making {
	struct job job;
	struct maker mk; /* owns a ref to `below`, pins the shelf */
	struct unit unit;
	atomic_bool abandoned;

	/* Guarded by shelf->lock. */
	struct making *next;
	unsigned refs; /* the job's, until it is done, and one for each who waits or has some of it early */
	unsigned waiters;
	bool is_ahead; /* queued as readahead, and nobody waits yet */
	uint64_t hint;
	uint64_t made;	/* of the image: the unit's bytes before it stand in the data file */
	uint64_t given; /* likewise: none behind it were had early */
	bool is_done;
	pthread_cond_t moved; /* `made`, for those who wait for bytes; `is_done` */
	unsigned early;	      /* who wait for bytes */

	/* Constant once is_done. */
	int error;
	struct why why;
	struct held *held; /* owns a ref */
	bool is_spoilt;	   /* the unit is right, but what was had of it early was not, or nobody knows */
	uint64_t given_hash;
};

/* ---- the sink ---- */

/* Takes the unit's bytes in order, and sees to it that zeros take no room. */
struct gather {
	struct sink sink;
	struct making *m;
	uint64_t at;	   /* where the next bytes belong */
	struct held *held; /* owned; the bytes go there; NULL: to the data file */
	uint8_t *run;	   /* owned; bytes gathered, of [at - run_len, at) */
	size_t run_len;
	uint64_t reserved, written;
	bool disk_failed; /* the error is the disk's, not the unit's: memory may do */
	bool gave_up;	  /* the error is ours: nobody wants the unit any more */
};

static uint64_t unit_end(const struct unit *u)
{
	return u->offset + u->length;
}

static int take_room(struct gather *g, uint64_t more)
{
	struct shelf *sh = g->m->mk.shelf;

	while (g->written + more > g->reserved) {
		uint64_t step = min_u64(RESERVE, g->m->unit.length - g->reserved);

		if (room_take(sh->store, sh->entry, step) < 0)
			return -ENOSPC;
		g->reserved += step;
	}
	return 0;
}

static int write_run(struct gather *g, const uint8_t *p, size_t count, uint64_t offset, struct why *why)
{
	struct shelf *sh = g->m->mk.shelf;
	int r;

	if (count == 0)
		return 0;
	r = take_room(g, count);
	while (r == 0) {
		r = shelf_write(sh, p, count, offset);
		/* Somebody else fills this disk, or a quota does. */
		if ((r != -ENOSPC && r != -EDQUOT) || !room_evict_one(sh->store))
			break;
		r = 0;
	}
	if (r == 0) {
		g->written += count;
		return 0;
	}
	g->disk_failed = true;
	return fail(why, r, "store '%s' can't be written: %s", sh->store->name, strerror(-r));
}

/* Whether the granule at `at` lies in the unit as a whole: only then its bit is this unit's alone. */
static bool is_whole(const struct gather *g, uint64_t at)
{
	const struct unit *u = &g->m->unit;
	uint64_t end = min_u64(align_down(at, GRANULE) + GRANULE, g->m->mk.shelf->of.size);

	return align_down(at, GRANULE) >= u->offset && end <= unit_end(u);
}

/*
 * Writes bytes that end at a granule's or the unit's end: those that are not zero
 * in runs as long as may be. The rest stays the hole that it is.
 */
static int drain(struct gather *g, const uint8_t *p, size_t count, uint64_t offset, struct why *why)
{
	struct shelf *sh = g->m->mk.shelf;
	size_t from = 0, at = 0;
	int r = 0;

	while (at < count) {
		const uint64_t granule = (offset + at) / GRANULE;
		size_t n = min_u64(count - at, (granule + 1) * GRANULE - (offset + at));
		bool zero = bytes_are_zero(p + at, n);

		/* Ready before its unit is there: the template's own proof. */
		if (is_whole(g, offset + at) && bits_get(sh->ready, granule)) {
			if (!zero)
				return fail(why, -EBADMSG, "bytes at %" PRIu64 " were proved zero, but are not",
					    offset + at);
		} else if (is_whole(g, offset + at)) {
			bits_put(sh->zero, granule, zero);
		}
		if (zero) {
			r = write_run(g, p + from, at - from, offset + from, why);
			from = at + n;
		}
		if (r < 0)
			return r;
		at += n;
	}
	return write_run(g, p + from, count - from, offset + from, why);
}

/* What stands in the data file can be read early from there; nothing of it when `at` is the unit's offset. */
static void set_made(struct making *m, uint64_t at)
{
	LOCKED(&m->mk.shelf->lock);

	m->made = at;
	if (m->early)
		(void)pthread_cond_broadcast(&m->moved);
}

/* How many bytes the run takes until it ends at a multiple of RUN, or the unit ends. */
static size_t run_room(const struct gather *g)
{
	return min_u64(RUN - g->at % RUN, unit_end(&g->m->unit) - g->at);
}

static int gather_to_disk(struct gather *g, const uint8_t *p, size_t count, struct why *why)
{
	int r = 0;

	while (count && r == 0) {
		size_t n = min_u64(count, run_room(g));
		bool full = n == run_room(g);

		if (g->run_len == 0 && full) { /* no need to gather what comes in one piece */
			r = drain(g, p, n, g->at, why);
		} else {
			memcpy(g->run + g->run_len, p, n);
			g->run_len += n;
			if (full)
				r = drain(g, g->run, g->run_len, g->at + n - g->run_len, why);
			if (full)
				g->run_len = 0;
		}
		g->at += n;
		p += n;
		count -= n;
		if (full && r == 0)
			set_made(g->m, g->at);
	}
	return r;
}

static int gather_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct gather *g = (struct gather *)sink;
	const struct unit *u = &g->m->unit;

	if (g->m->abandoned) {
		g->gave_up = true;
		return -ECANCELED;
	}
	if (offset != g->at || count > unit_end(u) - g->at)
		return fail(why, -EBADMSG,
			    "unit %" PRIu64 " came with %zu bytes at %" PRIu64 ", not at %" PRIu64
			    " to %" PRIu64,
			    u->index, count, offset, g->at, unit_end(u));
	if (!g->held)
		return gather_to_disk(g, buf, count, why);
	memcpy(g->held->bytes + (offset - u->offset), buf, count);
	g->at += count;
	return 0;
}

/* ---- making ---- */

/* Besides the job: by who waits, or had some of it early. */
static bool is_wanted(struct making *m)
{
	LOCKED(&m->mk.shelf->lock);

	return m->refs > 1;
}

static int begin_memory(struct gather *g, struct why *why)
{
	const struct shelf *sh = g->m->mk.shelf;
	const uint64_t length = g->m->unit.length, limit = memory_limit(sh->store->memory);
	char want[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX];
	int r;

	/* Readahead into a small memory would throw out what others are about to read. */
	if (length > limit / 4 && !is_wanted(g->m))
		return -ECANCELED;
	r = memory_alloc(sh->store->memory, length, &g->held);
	if (r == -ENOSPC)
		return fail(why, r,
			    "%s in '%s' and the %s of memory for such cases can't hold a unit of %s; "
			    "free some space, or raise the limits of cache or memory",
			    sh->lost ? "nothing can be stored" : "no room", sh->store->name,
			    size_human(have, limit), size_human(want, length));
	return r;
}

/* Chooses where the unit goes. */
static int begin(struct gather *g, bool no_disk, struct why *why)
{
	struct shelf *sh = g->m->mk.shelf;
	bool fits_memory = g->m->unit.length <= memory_limit(sh->store->memory);

	g->sink.write = gather_write;
	g->at = g->m->unit.offset;
	if (!no_disk && (!fits_memory || lock_now_ms() >= sh->store->full_until) && shelf_is_sound(sh) &&
	    take_room(g, 1) == 0) {
		g->run = malloc(RUN);
		return g->run ? 0 : -ENOMEM;
	}
	return begin_memory(g, why);
}

/*
 * What the disk spoilt is made once more, and then nothing vouches for the bytes that were had early of the
 * first attempt, unless they are the same. They are taken back, and still stand in the data file as
 * they were read from there.
 */
static void note_given(struct gather *g)
{
	struct making *m = g->m;
	uint64_t end;

	{
		LOCKED(&m->mk.shelf->lock);

		end = m->given;
	}
	for (uint64_t at = m->unit.offset, n; at < end && !m->is_spoilt; at += n) {
		n = min_u64(RUN, end - at);
		m->is_spoilt = shelf_read_unit(m->mk.shelf, g->run, n, at) < 0;
		m->given_hash = XXH3_64bits_withSeed(g->run, n, m->given_hash);
	}
}

static void compare_given(struct making *m, const struct held *held)
{
	const uint64_t count = m->given - m->unit.offset;
	uint64_t hash = 0;

	for (uint64_t at = 0, n; at < count; at += n) {
		n = min_u64(RUN, count - at);
		hash = XXH3_64bits_withSeed(held->bytes + at, n, hash);
	}
	m->is_spoilt |= hash != m->given_hash;
}

/* All was made and checked, or it was not: leaves what is right, and no trace of what is not. */
static int finish(struct gather *g, int r, struct why *why)
{
	struct shelf *sh = g->m->mk.shelf;
	const struct unit *u = &g->m->unit;

	if (r == 0 && g->at != unit_end(u))
		r = fail(why, -EBADMSG, "unit %" PRIu64 " ends at %" PRIu64 ", not at %" PRIu64, u->index,
			 g->at, unit_end(u));
	if (r == 0 && g->held) {
		compare_given(g->m, g->held);
		memory_keep(g->held, sh, u->index);
		g->m->held = take(g->held);
	} else if (r == 0 && !shelf_is_sound(sh)) {
		g->disk_failed = true;
		r = -EIO;
	}
	if (r < 0 && g->reserved) {
		set_made(g->m, u->offset);
		if (g->disk_failed)
			note_given(g);
		shelf_wipe(sh, u->offset, u->length);
	}
	room_give(sh->store, sh->entry, r < 0 ? g->reserved : g->reserved - g->written);
	if (r == -ENOSPC || r == -EDQUOT)
		sh->store->full_until = lock_now_ms() + FULL_MS;
	held_unref(g->held);
	free(g->run);
	return r;
}

static int make_once(struct making *m, bool no_disk, bool *ret_disk_failed)
{
	struct gather g = { .m = m };
	bool began;
	int r;

	r = begin(&g, no_disk, &m->why);
	began = r == 0;
	if (began)
		r = image_make(m->mk.below, &m->unit, &g.sink, &m->why);
	if (r == -ECANCELED && began && !g.gave_up)
		r = -EIO; /* a word that only this file may use: it means "join again" */
	r = finish(&g, r, &m->why);
	*ret_disk_failed = g.disk_failed;
	return r;
}

static void making_free(struct making *m)
{
	held_unref(m->held);
	(void)pthread_cond_destroy(&m->moved);
	free(m);
}

/* Both with the lock held. */
static void unlink_making(struct making *m)
{
	struct making **at = &m->mk.shelf->makings;

	while (*at != m)
		at = &(*at)->next;
	*at = m->next;
}

static void unref_making(struct making *m)
{
	if (--m->refs == 0)
		making_free(m);
}

/* The last of a making that was linked: `m` may be gone afterwards, and the shelf too. */
static void end_making(struct making *m, int r)
{
	struct maker mk = m->mk;
	const bool stored = r == 0 && !m->held;

	{
		LOCKED(&mk.shelf->lock);

		if (stored)
			shelf_add_unit(mk.shelf, mk.below, &m->unit);
		/* Those who only had some bytes of it early have no use for it. */
		if (m->waiters == 0)
			held_unref(take(m->held));
		m->error = r;
		m->is_done = true;
		(void)pthread_cond_broadcast(&m->moved);
		unlink_making(m);
		unref_making(m);
	}
	if (r == 0)
		mk.shelf->store->n_made++;
	if (stored)
		flush_dirty(mk.shelf);
	store_unpin(mk.shelf);
	image_unref(mk.below);
}

static void making_run(struct job *job)
{
	struct making *m = (struct making *)job;
	bool disk_failed = false;
	int r = -ECANCELED;

	{
		LOCKED(&m->mk.shelf->lock);

		m->is_ahead = false;
	}
	if (!m->abandoned)
		r = make_once(m, /* no_disk= */ false, &disk_failed);
	/* What the disk spoilt half-way is made once more, into memory: rare, and simpler than to carry it
	 * over. */
	if (r < 0 && disk_failed)
		r = make_once(m, /* no_disk= */ true, &disk_failed);
	/* That of who made it here is lost. Those who joined have their own, and are to have it made anew. */
	if (r == -EINTR && patience_lost())
		r = -ECANCELED;
	end_making(m, r);
}

/* ---- joining ---- */

/* With the lock held, like all that follow up to making_await. */
static struct making *find_making(const struct shelf *sh, uint64_t index)
{
	for (struct making *m = sh->makings; m; m = m->next)
		if (m->unit.index == index)
			return m;
	return NULL;
}

static struct making *new_making(const struct maker *mk, const struct unit *unit)
{
	struct making *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->job.run = making_run;
	m->job.memory = image_make_memory(mk->below) + RUN;
	m->mk = *mk;
	(void)image_ref(mk->below);
	store_pin(mk->shelf);
	m->unit = *unit;
	m->made = m->given = unit->offset;
	m->refs = 1;
	lock_cond_init(&m->moved);
	m->next = mk->shelf->makings;
	mk->shelf->makings = m;
	return m;
}

/* Whether there is nothing to make; then perhaps with a ref to where it is held. */
static bool is_made(const struct shelf *sh, uint64_t index, struct held **ret_held)
{
	*ret_held = NULL;
	if (bits_get(sh->there, index))
		return true;
	*ret_held = memory_find(sh->store->memory, sh, index);
	return *ret_held;
}

/*
 * Finds or starts the making, as one more who waits. `ret_run` says that it is
 * the caller who has to run it: no thread could be started, or the caller is
 * itself a decoder thread, whose waiting could leave none to do it.
 */
static int join(const struct maker *mk, const struct unit *unit, enum job_priority priority,
		struct making **ret, bool *ret_run)
{
	struct making *m = find_making(mk->shelf, unit->index);

	*ret_run = false;
	if (m) {
		m->abandoned = false;
		if (pool_is_here())
			*ret_run = pool_take(mk->pool, &m->job);
		else
			pool_raise(mk->pool, &m->job, priority);
	} else {
		m = new_making(mk, unit);
		if (!m)
			return -ENOMEM;
		*ret_run = pool_is_here() || pool_submit(mk->pool, &m->job, priority) < 0;
	}
	m->is_ahead = false;
	m->waiters++;
	m->refs++;
	*ret = m;
	return 0;
}

/* Gives the lock up until there may be news. */
static int wait_moved(struct making *m)
{
	struct shelf *sh = m->mk.shelf;
	bool lost;

	lock_cond_wait_until(&m->moved, &sh->lock, lock_now_ms() + PATIENCE_POLL_MS);
	if (m->is_done)
		return 0;
	(void)pthread_mutex_unlock(&sh->lock);
	lost = patience_lost();
	(void)pthread_mutex_lock(&sh->lock);
	return lost && !m->is_done ? -EINTR : 0;
}

static int wait_done(struct making *m)
{
	int r = 0;

	while (r == 0 && !m->is_done)
		r = wait_moved(m);
	return r;
}

/* The lock given up meanwhile. */
static void run_here(struct making *m)
{
	struct shelf *sh = m->mk.shelf;

	(void)pthread_mutex_unlock(&sh->lock);
	making_run(&m->job);
	(void)pthread_mutex_lock(&sh->lock);
}

/* Of one that is done. */
static int outcome(const struct making *m, struct why *why)
{
	if (m->error < 0 && why)
		*why = m->why;
	return m->error;
}

static int await_once(const struct maker *mk, const struct unit *unit, struct held **ret_held, struct why *why)
{
	struct shelf *sh = mk->shelf;
	struct making *m;
	bool run;
	int r;
	LOCKED(&sh->lock);

	if (is_made(sh, unit->index, ret_held))
		return 0;
	r = join(mk, unit, JOB_WAITED_FOR, &m, &run);
	if (r < 0)
		return r;
	if (run)
		run_here(m);
	r = wait_done(m);
	if (r < 0) {
		(void)fail(why, r, "given up waiting for unit %" PRIu64, unit->index);
	} else {
		r = outcome(m, why);
		if (r == 0 && m->held)
			*ret_held = held_ref(m->held);
	}
	m->waiters--;
	unref_making(m);
	return r;
}

int making_await(const struct maker *mk, const struct unit *unit, struct held **ret_held, struct why *why)
{
	int r;

	/* One that was abandoned just before we joined it, or by who made it, is not our answer. */
	do
		r = await_once(mk, unit, ret_held, why);
	while (r == -ECANCELED && !patience_lost());
	return r == -ECANCELED ? fail(why, -EINTR, "given up making unit %" PRIu64, unit->index) : r;
}

/* ---- early ---- */

/* Waits, the lock given up, for the bytes before `end`, or for the making's end. */
static int wait_made(struct making *m, uint64_t end, struct why *why)
{
	int r = 0;

	m->early++;
	while (r == 0 && !m->is_done && m->made < end)
		r = wait_moved(m);
	m->early--;
	return r < 0 ? fail(why, r, "given up waiting for unit %" PRIu64, m->unit.index) : 0;
}

/*
 * Reads them from the data file. They were there all the while if they are now and the making goes on: one
 * that fails takes them back before it wipes them, and one that has ended may have been evicted. 1, or 0.
 */
static int read_made(struct making *m, void *buf, size_t count, uint64_t offset)
{
	struct shelf *sh = m->mk.shelf;
	int r;

	if (m->is_done || m->made < offset + count)
		return 0;
	(void)pthread_mutex_unlock(&sh->lock);
	r = shelf_read_unit(sh, buf, count, offset);
	(void)pthread_mutex_lock(&sh->lock);
	if (r < 0 || m->is_done || m->made < offset + count)
		return 0;
	m->given = max_u64(m->given, offset + count);
	return 1;
}

int making_await_bytes(const struct maker *mk, const struct unit *unit, void *buf, size_t count,
		       uint64_t offset, struct making **ret, struct why *why)
{
	_cleanup_(held_unrefp) struct held *held = NULL;
	struct making *m;
	bool run;
	int r;
	LOCKED(&mk->shelf->lock);

	if (is_made(mk->shelf, unit->index, &held))
		return 0;
	r = join(mk, unit, JOB_LOOKED_AT, &m, &run);
	if (r < 0)
		return r;
	if (run)
		run_here(m);
	r = wait_made(m, offset + count, why);
	if (r == 0)
		r = m->is_done ? outcome(m, why) : read_made(m, buf, count, offset);
	/* One that was given up is made anew by whoever reads it as usual. */
	if (r == -ECANCELED)
		r = 0;
	m->waiters--;
	if (r == 1)
		*ret = m;
	else
		unref_making(m);
	return r;
}

struct making *making_ref(struct making *m)
{
	LOCKED(&m->mk.shelf->lock);

	m->refs++;
	return m;
}

void making_put(struct making *m)
{
	LOCKED(&m->mk.shelf->lock);

	unref_making(m);
}

int making_end(struct making *m, struct why *why)
{
	int r;
	LOCKED(&m->mk.shelf->lock);

	pool_raise(m->mk.pool, &m->job, JOB_WAITED_FOR);
	r = wait_done(m);
	if (r < 0)
		return fail(why, r, "given up waiting for unit %" PRIu64, m->unit.index);
	r = outcome(m, why);
	if (r == 0 && m->is_spoilt)
		return fail(why, -EIO,
			    "what was seen of unit %" PRIu64 " before the disk failed is not what it holds",
			    m->unit.index);
	/* A word of this file's. */
	return r == -ECANCELED ? fail(why, -EIO, "unit %" PRIu64 " was given up", m->unit.index) : r;
}

/* ---- ahead ---- */

void making_start(const struct maker *mk, const struct unit *unit)
{
	_cleanup_(held_unrefp) struct held *held = NULL;
	struct making *m;
	LOCKED(&mk->shelf->lock);

	if (pool_is_here() || is_made(mk->shelf, unit->index, &held))
		return;
	m = find_making(mk->shelf, unit->index);
	if (m) {
		pool_raise(mk->pool, &m->job, JOB_WAITED_FOR);
		m->is_ahead = false;
		return;
	}
	m = new_making(mk, unit);
	if (m && pool_submit(mk->pool, &m->job, JOB_WAITED_FOR) < 0) {
		unlink_making(m);
		store_unpin(mk->shelf);
		image_unref(mk->below); /* not the last: the caller has one */
		making_free(m);
	}
}

/* Takes one that is queued and nobody waits for out of the world. */
static bool drop_queued(struct making *m)
{
	struct maker mk = m->mk;

	if (m->waiters || !pool_take(mk.pool, &m->job))
		return false;
	unlink_making(m);
	making_free(m);
	store_unpin(mk.shelf);
	image_unref(mk.below); /* not the last: the caller has one */
	return true;
}

/* Whether one more may be queued, at the cost of an older one if need be. */
static bool has_turn(const struct maker *mk, uint64_t hint, unsigned limit)
{
	struct making *oldest = NULL;
	unsigned queued = 0;

	for (struct making *m = mk->shelf->makings; m; m = m->next) {
		if (!m->is_ahead)
			continue;
		queued++;
		/* Only ours: another image over this shelf has its own hints, and its own image below. */
		if (m->hint != hint && m->mk.below == mk->below)
			oldest = m; /* the list's newest stands first */
	}
	return queued < limit || (oldest && drop_queued(oldest));
}

bool making_ahead(const struct maker *mk, const struct unit *unit, uint64_t hint, unsigned limit)
{
	_cleanup_(held_unrefp) struct held *held = NULL;
	struct making *m;
	LOCKED(&mk->shelf->lock);

	if (is_made(mk->shelf, unit->index, &held))
		return true;
	m = find_making(mk->shelf, unit->index);
	if (m) {
		m->hint = hint;
		return true;
	}
	if (!has_turn(mk, hint, limit))
		return false;
	m = new_making(mk, unit);
	if (!m)
		return false;
	m->is_ahead = true;
	m->hint = hint;
	if (pool_submit(mk->pool, &m->job, JOB_AHEAD) == 0)
		return true;
	unlink_making(m);
	making_free(m);
	store_unpin(mk->shelf);
	image_unref(mk->below);
	return false;
}

void making_abandon(const struct maker *mk)
{
	LOCKED(&mk->shelf->lock);

	for (struct making *m = mk->shelf->makings, *next; m; m = next) {
		next = m->next;
		/* Who waits has a ref, and so has who was given bytes of it and wants to know if they are right. */
		if (m->mk.below == mk->below && m->refs == 1 && !drop_queued(m))
			m->abandoned = true;
	}
}

unsigned making_waiters(struct shelf *sh)
{
	unsigned n = 0;
	LOCKED(&sh->lock);

	for (const struct making *m = sh->makings; m; m = m->next)
		n += m->waiters;
	return n;
}
