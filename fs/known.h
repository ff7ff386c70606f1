/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_KNOWN_H
#define GOALFS_FS_KNOWN_H

/*
 * What is remembered of node ids that were given out: the name each stood for,
 * a hash of what that name stood for, and its time, kept in the journal. NFS
 * clients go by all of it: an id that meant other bytes, or a time that moved,
 * would be theirs to notice.
 *
 * The latest KNOWN_MOST are remembered, so that whoever makes up names takes
 * neither memory nor disk without end. What is forgotten gets its id again, since that is a hash.
 *
 * Not locked: the caller's lock guards it, as the pointers that it returns.
 */
#include "fs/journal.h"

#define KNOWN_MOST (1 << 17)

struct known {
	uint64_t id;
	uint64_t identity;
	struct timespec mtime;
	char *name;

	/* Private. */
	struct known *next;	     /* in the hash chain */
	struct known *older, *newer; /* by last use */
};

struct knowns;

/* `dirfd`: where the journal is kept, borrowed; -1 keeps none. NULL without memory. */
struct knowns *knowns_new(int dirfd);
void knowns_free(struct knowns *k); /* accepts NULL */

/* Whether what is added is known after a restart. */
bool knowns_are_kept(const struct knowns *k);

/* Valid until the next knowns_add. NULL: never given out, or forgotten. */
const struct known *knowns_find(struct knowns *k, uint64_t id);

/* Notes what isn't there yet; else makes it the latest used. NULL without memory. */
const struct known *knowns_add(struct knowns *k, const struct journal_record *record);

/* See journal_take_unsynced. */
int knowns_take_unsynced(struct knowns *k);

#endif
