/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_JOURNAL_H
#define GOALFS_BACKENDS_CONTENT_EXT_JOURNAL_H

/*
 * The journal of an ext filesystem: where it stands, and what its superblock says.
 */
#include "backends/content/ext/inode.h"
#include "backends/content/ext/jbd2_disk.h"

struct ext_journal {
	struct ext_blocks blocks;    /* owned; all others count in blocks of the journal */
	struct disk_jbd2_super disk; /* as it is */
	uint32_t first, end;	     /* the log is the ring of the blocks [first, end) */
	uint32_t start;		     /* of the oldest transaction, 0 when there is none */
	uint32_t sequence;	     /* the number it has */
	uint32_t fast_commits;	     /* where they begin, 0 when there can be none */
	uint32_t compat, incompat;
	uint32_t checksum_seed;
	bool has_csum; /* of any kind known here */
};

/*
 * `g` is of the filesystem as it is, before any replay, which has a journal of its own
 * (journal_inode != 0). Reads a descriptor, an inode, the superblock, and the inode's map
 * where that does not stand in it. -EBADMSG for damage; -EOPNOTSUPP for features not known here, for a journal
 * larger than ever made, and when it says that the filesystem has errors.
 */
int ext_journal_open(struct image *img, const struct ext_geometry *g, struct ext_journal *ret, struct why *why);
void ext_journal_done(struct ext_journal *j);

/* Where a block of the journal stands: block of the filesystem. */
static inline uint64_t ext_journal_block(const struct ext_journal *j, uint32_t index)
{
	return ext_blocks_find(&j->blocks, index);
}

uint32_t ext_journal_super_checksum(const struct disk_jbd2_super *disk);

#endif
