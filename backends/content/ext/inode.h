/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_INODE_H
#define GOALFS_BACKENDS_CONTENT_EXT_INODE_H

/*
 * Inodes of the old filesystem, and where the blocks of one stand.
 */
#include "backends/content/ext/descs.h"

/* Bytes. `d` is the descriptor of the group that the inode is in; numbers start at 1. */
uint64_t ext_inode_offset(const struct ext_geometry *g, const struct disk_ext_group *d, uint32_t number);

/* Reads its inode_size bytes and checks its checksum where it has one. */
int ext_inode_read(struct image *img, const struct ext_geometry *g, const struct disk_ext_group *d,
		   uint32_t number, uint8_t *bytes, struct why *why);

struct ext_blocks_run {
	uint32_t first; /* block of the inode */
	uint32_t count;
	uint64_t block; /* of the filesystem */
};

struct ext_blocks {
	struct ext_blocks_run *runs; /* owned; without gaps from block 0 on */
	size_t n, room;
	uint32_t count; /* blocks in all */
};

/*
 * Where the first `count` blocks of an inode stand; `inode` are its bytes. All must be
 * there and written: -EBADMSG. -EOPNOTSUPP when they are in too many pieces to be held.
 */
int ext_blocks_read(struct image *img, const struct ext_geometry *g, uint32_t number, const void *inode,
		    uint32_t count, struct ext_blocks *ret, struct why *why);
void ext_blocks_done(struct ext_blocks *b);

/* `index` < b->count. */
uint64_t ext_blocks_find(const struct ext_blocks *b, uint32_t index);

#endif
