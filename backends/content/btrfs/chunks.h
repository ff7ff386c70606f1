/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_CHUNKS_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_CHUNKS_H

/*
 * The chunks of a filesystem on one device: from logical addresses to places on
 * it. Chunks are contiguous there, once (SINGLE) or twice (DUP); a RAID0 of one
 * stripe is a SINGLE under another name. Belongs to one thread.
 */
#include "backends/content/btrfs/super.h"

#define BTRFS_STRIPES 2

struct btrfs_chunk {
	uint64_t logical, length; /* bytes */
	uint64_t stripes[BTRFS_STRIPES];
	unsigned n_stripes; /* 1 or 2, each holds all of its bytes */
};

struct btrfs_chunks {
	struct btrfs_chunk *chunk; /* owned; in order of `logical`, not overlapping */
	size_t n, room;
};

void btrfs_chunks_done(struct btrfs_chunks *chunks);

/*
 * Adds one behind those that are there, from its item. -EBADMSG when it can't be:
 * it overlaps the last, or ends behind the device; -EOPNOTSUPP for those on several devices.
 */
int btrfs_chunks_add(struct btrfs_chunks *chunks, const struct btrfs_super *s, uint64_t logical,
		     const uint8_t *item, size_t size, struct why *why);

/* Those of the superblock's array, which hold the chunk tree. */
int btrfs_chunks_of_super(struct btrfs_chunks *chunks, const struct btrfs_super *s,
			  const struct disk_btrfs_super *disk, struct why *why);

/* The one that holds the whole range; NULL when none does. */
const struct btrfs_chunk *btrfs_chunks_find(const struct btrfs_chunks *chunks, uint64_t logical,
					    uint64_t length);

/* Whether any byte of the range is in a chunk. */
bool btrfs_chunks_touch(const struct btrfs_chunks *chunks, uint64_t logical, uint64_t length);

#endif
