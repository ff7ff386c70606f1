/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_STORE_PRIVATE_H
#define GOALFS_BACKENDS_CACHE_STORE_PRIVATE_H

/* What the store's own files share. Nobody outside of backends/cache includes this. */
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include "backends/cache/lock.h"
#include "backends/cache/memory.h"
#include "backends/cache/shelf.h"
#include "backends/cache/store.h"

/* For "%.*s" in a sentence: an identity up to the query of a URL in it, where tokens stand. */
#define STORE_SHOWN(identity) (int)strcspn(identity, "?\n"), identity

#define KEY_TEXT 33 /* 128 bits in hex, and a NUL */

/* By four digits of a key. An index of 10,000 templates makes twice as many entries. */
#define STORE_CHAINS 65536

/*
 * One key of the store: all files that begin with it, and its shelf while that is
 * open. Guarded by store->lock, except for what `busy` hands to one thread.
 *
 *	users > 0		images have it open: it is in use, and never evicted
 *	pins > 0		a making or the flusher works on its shelf, or somebody on a sidecar
 *	busy			one thread opens, closes or evicts it, without the lock;
 *				others wait for store->settled, and look the key up again
 */
struct entry {
	struct entry *next, **prev;	      /* all of the store's */
	struct entry *chain;		      /* those of one hash */
	struct entry *open_next, **open_prev; /* those with a shelf */
	char key[KEY_TEXT];
	struct timespec used;
	uint64_t data_bytes, other_bytes; /* on disk: KEY.raw (with what is reserved), the rest */
	uint64_t n_there;		  /* as far as known without loading */
	bool is_fetched;		  /* STORE_FETCHED */
	unsigned users, pins;
	bool busy;
	struct shelf *shelf; /* set by store_set_shelf only */
	int64_t dirty_since,
		dirty_last; /* lock_now_ms() of the first and the last unit not recorded yet; 0: none */
};

struct store {
	int dirfd;		   /* of the store, or of the directory of temporary files */
	int lookfd;		   /* of another's store, to read sidecars from; -1: none */
	bool keeps;		   /* false: temporary files */
	int lockfd;		   /* -1 when it keeps nothing */
	char *name;		   /* the directory, for people */
	char *holder;		   /* may be NULL */
	uint64_t limit, high, low; /* bytes; 0: none */
	uint64_t min_free;
	struct memory *memory;
	atomic_llong full_until; /* lock_now_ms() until which the disk is taken for full */
	atomic_uint serial;	 /* for the names of temporary files */
	atomic_ullong n_made, n_evicted;

	pthread_mutex_t lock; /* guards all below */
	pid_t pid;	      /* that the lock file names */
	struct entry *entries;
	struct entry *open; /* few of many: what a lookup, a flush or room for a unit walks through */
	struct entry *chain[STORE_CHAINS];
	uint64_t bytes; /* sum of the entries' */
	pthread_cond_t settled;
	struct note *notes; /* sidecars of a store that keeps nothing */
	uint64_t note_bytes;

	pthread_cond_t work; /* for the flusher */
	pthread_t flusher;
	bool flusher_started, ending;

	bool (*scarce)(void *arg); /* store_when_scarce */
	void *scarce_arg;
	bool is_scarce, is_telling; /* it is to be called, it is running */
	int64_t full_said;	    /* lock_now_ms() of room_say_full, the flusher's own; 0: never */
};

/* store.c */
void store_key(const char *identity, char ret[static KEY_TEXT]);
/* The key's entry, made if there was none, not busy. NULL when memory ran out. Call with the lock held. */
struct entry *store_entry(struct store *s, const char *key);
/* Takes it out of the list and frees it; nobody uses it. Call with the lock held. */
void store_drop_entry(struct store *s, struct entry *e);
/*
 * Somebody has let go of it: wakes who waits for that, and drops it when nobody is left and
 * there is nothing of it. Call with the lock held.
 */
void store_settle_entry(struct store *s, struct entry *e);
/*
 * Gives the entry that shelf, or none; returns the one it had, now the caller's. Call with the
 * lock held.
 */
struct shelf *store_set_shelf(struct store *s, struct entry *e, struct shelf *shelf);
/* "KEY.NAME" */
#define FILE_TEXT (KEY_TEXT + 64)
void store_file(const struct entry *e, const char *name, char ret[static FILE_TEXT]);
/*
 * Replaces KEY.NAME by these bytes: a temporary file, synced, renamed, and the
 * directory synced. Keeps the old one on failure. Where losing the file in a crash costs
 * only the time to find out anew, and its checksum tells if it is whole, syncing would cost
 * more: it is left out, unless an older file could come back in place of the new one.
 */
enum durable { DURABLE, DURABLE_IF_OLD };
int store_replace(struct store *s, struct entry *e, const char *name, enum durable durable, const void *bytes,
		  size_t count);
/* Removes KEY.NAME. 0, -ENOENT, or another negative errno. */
int store_remove(struct store *s, struct entry *e, const char *name);
/* Removes each KEY.NAME whose NAME is chosen; NULL chooses all. */
void store_remove_each(struct store *s, struct entry *e, bool (*chosen)(const char *name));
/* Removes KEY.units for good. */
void store_remove_units(struct store *s, struct entry *e);
/* The same, then KEY.raw. */
void store_remove_data(struct store *s, struct entry *e);
/* Up to `limit` bytes of KEY.NAME, malloc'ed; -EFBIG for more. */
int store_read(struct store *s, const struct entry *e, const char *name, size_t limit, uint8_t **ret,
	       size_t *ret_count);
int store_read_at(int dirfd, const char *key, const char *name, size_t limit, uint8_t **ret, size_t *ret_count);
void store_count_data(struct store *s, struct entry *e, uint64_t bytes);
/* An open, empty file with no name, for a store that keeps nothing. */
int store_temporary(struct store *s);

/* The template's shelf, shared by all who have it open. */
int store_shelf_open(struct store *s, const char *identity, struct image *below, struct shelf **ret,
		     struct why *why);
void store_shelf_close(struct shelf *sh);
void store_pin(struct shelf *sh);
void store_unpin(struct shelf *sh);

/* room.c */
/* Reserves room on disk, evicting what is not in use if need be. 0 or -ENOSPC. */
int room_take(struct store *s, struct entry *e, uint64_t count);
void room_give(struct store *s, struct entry *e, uint64_t count);
/* Evicts the least recently used entry that nobody uses. False when there is none. */
bool room_evict_one(struct store *s);
/* The same among those that have nothing but sidecars. */
bool room_evict_sidecars(struct store *s);
/* Warns, once an hour at most, that nothing more can be stored. Only the flusher calls it, without the lock. */
void room_say_full(struct store *s);

/* flush.c */
void flush_dirty(struct shelf *sh); /* a unit was added */
void flush_wake(struct store *s);   /* something to do; call with the lock held */
void flush_scarce(struct store *s); /* nothing is left to evict */
void flush_end(struct store *s);    /* ends the thread, flushes and closes all shelves */

/* sidecar.c */
void sidecar_done(struct store *s);
bool sidecar_peek(struct span bytes);
/* The entry's, which is pinned or the caller's own. */
void sidecar_remove_all(struct store *s, struct entry *e);
/* In a store that keeps nothing: those of keys that begin so. */
void sidecar_forget(struct store *s, const char *key, size_t count);
/* The bytes inside: 0, -EBADMSG (damaged), -ESTALE (another's). They point into `s`. */
int sidecar_decode(struct span s, const char *identity, const char *name, unsigned version, struct span *ret);

#endif
