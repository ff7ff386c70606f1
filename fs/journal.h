/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_JOURNAL_H
#define GOALFS_FS_JOURNAL_H

/*
 * The journal of node ids: an append-only file of records, read once at start.
 * What is damaged is skipped, byte by byte, up to the next whole record: a name
 * has no NUL in it, and so holds no record's beginning.
 *
 *	0   u64 id
 *	8   u64 hash of what the name stood for
 *	16  u64 mtime, seconds since 1970 (signed)
 *	24  u32 mtime, nanoseconds
 *	28  u16 length of the name
 *	30  u16 zero
 *	32  u32 CRC-32C of the record, with this field zero
 *	36  the name, without NUL
 *
 * Little-endian; behind a head of 16 bytes, "goalfs nodes 2\n" and NUL.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "base/cleanup.h"

struct journal_record {
	uint64_t id;
	uint64_t identity; /* hash of what the name stood for */
	struct timespec mtime;
	const char *name; /* borrowed */
};

struct journal;

/*
 * Opens or begins the journal in a directory. `found` is called for each record,
 * the oldest first. NULL: none can be kept.
 */
struct journal *journal_open(int dirfd, void (*found)(void *arg, const struct journal_record *record),
			     void *arg);
void journal_close(struct journal *j); /* accepts NULL */

/*
 * Best effort: what can't be written is not remembered, and the journal counts
 * as damaged. One writer at a time, as with all below.
 */
void journal_add(struct journal *j, const struct journal_record *record);

/* A descriptor to be synced and closed, without anybody's lock; -1 when nothing was added since. */
int journal_take_unsynced(struct journal *j);

/* Whether something in it can't be read, or could not be written: it is then best written anew. */
bool journal_is_damaged(const struct journal *j);

/* How many records it holds, those of one id counting each. */
size_t journal_records(const struct journal *j);

/* Writes it anew: `next` fills in one record after the other, and returns false at the end. */
void journal_rewrite(struct journal *j, bool (*next)(void *arg, struct journal_record *ret), void *arg);

/*
 * What a file's bytes hold, behind the head, as journal_open reads them. Returns
 * where the last whole record ends; `ret_damaged` if there is something else among them.
 */
size_t journal_parse(const uint8_t *bytes, size_t count,
		     void (*found)(void *arg, const struct journal_record *record), void *arg,
		     bool *ret_damaged);

#endif
