/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_EARLY_H
#define GOALFS_BACKENDS_CACHE_EARLY_H

/*
 * What was read early: bytes of units that are still being made, for which no check
 * has vouched yet.
 *
 * Opening a goal looks at a few KB here and there, each in another unit. To wait each time
 * until all of a unit was decoded and its check was right would make a first look at a name
 * take as many times a fifth of a second. A thread that has a `struct early` set is given such
 * bytes as soon as they were decoded, and it is noted here of what makings it had them. What it
 * makes of them (maps, and nothing that is stored) must not be read before those have ended well: that is
 * what the image of early_image_new is for.
 *
 * Any thread; no lock is held across waiting.
 */
#include "backends/image.h"

struct early;
struct making;

struct early *early_new(void); /* NULL without memory */
struct early *early_ref(struct early *e);
void early_unref(struct early *e); /* accepts NULL */
DEFINE_CLEANUP(struct early *, early_unref);

/* Where this thread's early reads are noted; NULL (so at first): it makes none. Borrowed. Returns what was set. */
struct early *early_set(struct early *e);
struct early *early_here(void);

/* Bytes were had of a making of this cache image. Consumes a ref of the making, on success; takes one of the image. */
int early_note(struct early *e, struct image *cache, struct making *m);

/* What `e` is noted for stands on what `other` has noted by now. */
int early_join(struct early *e, struct early *other);

/* Whether a making has not ended yet, or ended badly, as far as anybody has waited for it. */
bool early_waits(struct early *e);

/* Waits for all of them. 0; or the error of one, then and always; -EINTR when this thread's patience is lost. */
int early_await(struct early *e, struct why *why);

/* One was waited for, and ended badly: what was made of its bytes is worthless. */
bool early_failed(struct early *e);

/*
 * `below` (gets a ref), as it may be read: reads wait, and fail as early_await does; then it
 * is stale. Size and extents are told at once.
 */
int early_image_new(struct early *e, struct image *below, struct image **ret);

#endif
