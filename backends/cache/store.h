/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_STORE_H
#define GOALFS_BACKENDS_CACHE_STORE_H

/*
 * The store: what was expensive to make is kept here, on disk, one raw file per
 * template under every size and format.
 *
 *	DIR/lock          flock'ed while a daemon uses the directory; says who
 *	DIR/KEY.raw       the template's raw bytes at their own offsets, sparse
 *	DIR/KEY.units     which units are there (see store.c for the layout)
 *	DIR/KEY.NAME      sidecars: small things worth keeping (the zero map)
 *
 * KEY is a hash of the template's identity and the store's version; each file
 * also holds the identity, checksummed, and is believed only if all fits. All
 * of it may be deleted at any time; nothing in it is trusted further than its
 * checksums reach.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/why.h"

struct store_options {
	const char *dir;    /* created (0700) if missing; NULL: unlinked temporary files, nothing outlives the
			       daemon */
	const char *look;   /* with dir NULL: another daemon's directory, whose sidecars may be read; or NULL */
	const char *tmpdir; /* for those; NULL: $TMPDIR or /var/tmp */
	const char *holder; /* who to name in the lock file: the mountpoint; may be NULL */
	uint64_t limit;	   /* bytes the store may take on disk, --cache-limit; 0: no limit but the free space */
	uint64_t min_free; /* bytes to leave free on its filesystem */
	uint64_t memory;   /* bytes of memory for units that could not be stored (disk full) */
};

struct store;

/*
 * -EBUSY, with a sentence naming the holder, when another daemon has it. One that has the
 * same `holder` is taken for our predecessor, and some seconds are left to it to end.
 */
int store_open(const struct store_options *options, struct store **ret, struct why *why);

/*
 * Syncs, records what is there, unlocks. All images must be closed and, as jobs of
 * theirs may still run, the pool freed; in this order, so that closing stops what
 * nobody waits for any more. Accepts NULL.
 */
void store_close(struct store *store);
DEFINE_CLEANUP(struct store *, store_close);

/*
 * The identity of what was fetched over a network begins with this. It is kept
 * longer than what is made of it: that costs only time, and works without a server.
 */
#define STORE_FETCHED "fetched:"

/*
 * Drops all that is stored under this identity, sidecars included, and under what begins with it and a
 * newline. Who has it open reads on, but finds nothing there.
 */
void store_forget(struct store *store, const char *identity);

/*
 * Sidecars, keyed by the template's identity. `version` is the writer's: another
 * version's sidecar is not there. Read: 0 and a malloc'ed copy, or -ENOENT (also
 * when damaged; it is then dropped). Write: best effort, atomic; a store that
 * keeps nothing drops it silently.
 */
int store_sidecar_read(struct store *store, const char *identity, const char *name, unsigned version,
		       void **ret, size_t *ret_count);
void store_sidecar_write(struct store *store, const char *identity, const char *name, unsigned version,
			 const void *bytes, size_t count);

/*
 * `scarce` is called when room was wanted and nothing is left to evict: who keeps images open
 * that nobody reads may close them. It returns whether it did. Called on a thread of the store's
 * own, without its locks; no more once this has returned for another one, or for NULL.
 */
void store_when_scarce(struct store *store, bool (*scarce)(void *arg), void *arg);

/* Drops all that nobody has open. */
void store_clear(struct store *store);

/* Figures for the log, tests and the bench. */
struct store_figures {
	uint64_t bytes_stored; /* on disk now, by this store's files */
	uint64_t units_made;   /* since it was opened */
	uint64_t units_evicted;
};
void store_figures(struct store *store, struct store_figures *ret);

/* A directory descriptor for statfs; -1 for a store of temporary files. Borrowed. */
int store_dirfd(struct store *store);

#endif
