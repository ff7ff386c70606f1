/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_ROOT_H
#define GOALFS_BACKENDS_CONTENT_NTFS_ROOT_H

/*
 * The root directory: a B-tree of names, the top of which stands in its record, the rest
 * in blocks of some KB.
 */
#include "backends/content/ntfs/volume.h"

/* Where an entry stands: in the record of the root, or in one of the blocks. */
struct ntfs_entry {
	uint64_t file;	/* its number in $MFT */
	bool in_record; /* else: */
	uint64_t block; /* where its block starts in the stream of blocks, bytes */
	uint32_t at;	/* of its struct disk_ntfs_name in the record, or in the block */
};

struct ntfs_root {
	struct ntfs_record rec;
	struct ntfs_stream blocks; /* none when all of it is in the record */
	uint32_t block_size;	   /* bytes, 512 to 64 KiB */
	uint8_t *block;		   /* owned; the one that was looked into last, its sequence undone */
};

int ntfs_root_open(const struct ntfs_volume *v, struct ntfs_root *ret, struct why *why);
void ntfs_root_done(struct ntfs_root *root);

/*
 * Looks up a name of ASCII characters, whatever their case. 0, 1 when there is no such
 * file, -EBADMSG or another errno. Reads one block for each level of the tree. When the entry is not
 * in the record, root->block is its block.
 */
int ntfs_root_find(const struct ntfs_volume *v, struct ntfs_root *root, const char *name,
		   struct ntfs_entry *ret, struct why *why);

#endif
