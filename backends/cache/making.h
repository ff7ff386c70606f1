/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_MAKING_H
#define GOALFS_BACKENDS_CACHE_MAKING_H

/*
 * Units that are being made: each by one job, for all who wait for it. A unit
 * goes to the shelf's data file or, when that has no room, to memory.
 */
#include "backends/cache/memory.h"
#include "backends/cache/pool.h"
#include "backends/cache/shelf.h"

struct making;

/* What makes the units of one shelf. All borrowed; a making takes what refs it needs. */
struct maker {
	struct pool *pool;
	struct shelf *shelf;
	struct image *below;
};

/*
 * Waits until the unit is made, making it if nobody does. Returns 0 and, when it
 * went to memory, a ref in `ret_held`; else NULL, and it stands in the data file
 * (unless the shelf was lost since: ask again). Returns the making's own error, or -EINTR
 * when this thread's patience is lost; the unit is then made all the same.
 */
int making_await(const struct maker *mk, const struct unit *unit, struct held **ret_held, struct why *why);

/*
 * Waits no longer than until these bytes of the unit were made, be it checked or not. 1: they are in `buf`, and
 * whether they are right is known when the making has ended, which `ret` (a ref) is for.
 * 0: it is made, or was while we waited: read it as usual. Else an error as above.
 */
int making_await_bytes(const struct maker *mk, const struct unit *unit, void *buf, size_t count,
		       uint64_t offset, struct making **ret, struct why *why);

/*
 * Waits until it has ended: 0 when the unit was right and what was had of it early, else as making_await. All three
 * only as long as the caller has the image open whose maker it came from.
 */
int making_end(struct making *m, struct why *why);
struct making *making_ref(struct making *m);
void making_put(struct making *m);

/* Starts one that a reader will wait for next. */
void making_start(const struct maker *mk, const struct unit *unit);

/*
 * Queues one as readahead, for the hint of this number. At most `limit` are
 * queued; the oldest of earlier hints give way. False when there is no room for
 * another one.
 */
bool making_ahead(const struct maker *mk, const struct unit *unit, uint64_t hint, unsigned limit);

/* Drops what this maker has queued, and stops what it has running, where nobody waits nor has a ref. */
void making_abandon(const struct maker *mk);

/* Readers who wait for the shelf's units now; for tests. */
unsigned making_waiters(struct shelf *sh);

#endif
