/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_SHELF_H
#define GOALFS_BACKENDS_CACHE_SHELF_H

/*
 * A shelf: one template's place in the store, open. Its data file, and what is
 * known of it: which units are there, which granules may be read without a
 * further question, which are zero.
 *
 * What always holds, and what all reading rests on:
 *
 *   - A unit's bit in `there` is set only when all of it stands in the data file
 *     and was checked. It is never cleared while an image has the shelf open,
 *     except for all units at once by shelf_lose.
 *   - Whatever of the data file belongs to no unit that is there, and to none
 *     that is being made, is a hole. So a granule found zero needs no write, a
 *     proved one no unit, and the descriptor may be lent for both.
 *   - A granule is `ready` when all units it touches are there, or when it is
 *     proved zero from the template. `zero` means something in ready ones only.
 */
#include "backends/cache/units.h"
#include "backends/image.h"

struct store;
struct entry;
struct making;
struct seals;

struct shelf {
	struct store *store; /* borrowed */
	struct entry *entry; /* borrowed from the store, which keeps it while the shelf is open */
	struct units_of of;
	char *identity;	   /* of.identity */
	int fd;		   /* -1: the data file could not be made */
	uint64_t n_proved; /* units that are zero as a whole, by the template's own proof */
	/* Nothing in the data file counts any more, nor will: see shelf_lose. */
	atomic_bool lost;
	/* Bits are set and cleared under `lock`, read without; `zero` by a unit's maker alone until it is
	 * there. */
	struct bits *there, *ready, *zero;
	/*
	 * Of those who put down what they were given (flights.c), not of readers: two
	 * images may have been opened over one shelf, and be given the same. Taken
	 * before `lock`, and held while a unit is written.
	 */
	pthread_mutex_t placing;
	struct seals *seals; /* owned; of a remote object: what its chunks were. Set once, under `placing` */
	pthread_mutex_t lock;
	struct making *makings; /* making.c's, guarded by `lock` */
};

/*
 * Opens the files of `entry`, or makes them anew if anything about them does not
 * fit. What can't be stored still gives a shelf: a lost one. Fails only when
 * memory ran out or the image can't be described by bits.
 */
int shelf_load(struct store *store, struct entry *entry, const char *identity, struct image *below,
	       struct shelf **ret, struct why *why);
void shelf_free(struct shelf *sh); /* accepts NULL; no making runs any more */
DEFINE_CLEANUP(struct shelf *, shelf_free);

/* Whether `below` is cut into the very units that the shelf was loaded for. */
int shelf_check(const struct shelf *sh, const char *identity, struct image *below, struct why *why);

/*
 * Reads from the start of the range as far as its granules are ready, and
 * returns how many bytes that was.
 */
size_t shelf_read(struct shelf *sh, void *buf, size_t count, uint64_t offset);

/* Reads inside a unit that is there. -EIO: not there after all, the shelf is lost. */
int shelf_read_unit(struct shelf *sh, void *buf, size_t count, uint64_t offset);

/* The end of the run of bytes from `offset` that are ready (or, with `seen_zero`, ready and zero) or all are
 * not. */
uint64_t shelf_run(const struct shelf *sh, uint64_t offset, uint64_t end, bool seen_zero, bool *ret_is);

/* May writing start? Checks that nobody shortened the file. */
bool shelf_is_sound(struct shelf *sh);

/* 0, -ENOSPC, -EDQUOT, or another error that lost the shelf. */
int shelf_write(struct shelf *sh, const void *buf, size_t count, uint64_t offset);

/* Makes a hole. When it can't, the shelf is lost. */
void shelf_wipe(struct shelf *sh, uint64_t offset, uint64_t length);

/* The unit was written as a whole and checked. Call with `lock` held. */
void shelf_add_unit(struct shelf *sh, struct image *below, const struct unit *unit);

/*
 * The data file is not what it was: shortened by somebody, unreadable, not to be
 * synced. All units count as absent and live in memory from now on; the next
 * time the shelf is loaded it starts with a new file.
 */
void shelf_lose(struct shelf *sh, const char *reason);

/* What a remote object's chunks were does not count any more. */
void shelf_unseal(struct shelf *sh);

/* Syncs the data, then records which units are there. */
int shelf_flush(struct shelf *sh);

#endif
