/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_JOURNAL_H
#define GOALFS_FS_JOURNAL_H

/*
 * The journal of node ids: an append-only file of records, read once at start.
 * A record that is cut short or damaged ends it: what follows is dropped.
 *
 *	0   u64 id
 *	8   u16 length of the name
 *	10  u16 zero
 *	12  u32 CRC-32C of the record, with this field zero
 *	16  the name, without NUL
 *
 * Little-endian; behind a head of 16 bytes, "goalfs nodes 1\n" and NUL.
 */
#include <stdint.h>

#include "base/cleanup.h"

struct journal;

/* Opens or begins the journal in a directory. `found` is called for each record. NULL: none can be kept. */
struct journal *journal_open(int dirfd, void (*found)(void *arg, uint64_t id, const char *name), void *arg);
void journal_close(struct journal *j); /* accepts NULL */

/* Best effort: what can't be written is not remembered. One writer at a time. */
void journal_add(struct journal *j, uint64_t id, const char *name);

#endif
