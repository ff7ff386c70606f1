/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_FAT_ROOT_H
#define GOALFS_BACKENDS_CONTENT_FAT_ROOT_H

/*
 * The root directory of a FAT of any kind, exFAT too: entries of 32 bytes, one of which
 * is the label.
 */
#include "backends/image.h"

#define FAT_ENTRY 32

struct fat_root {
	/* Where it begins: a byte and a length (FAT12 and FAT16), or a chain of clusters. */
	uint64_t at, length;
	/* The rest is for the chain; `length` is 0. */
	uint64_t fat_at;       /* byte of the table, four bytes an entry */
	uint64_t heap_at;      /* byte of cluster 2 */
	uint64_t cluster_size; /* bytes */
	uint32_t first;	       /* cluster */
	uint32_t mask;	       /* of an entry: FAT32 has 28 bits */
};

/*
 * Finds the first entry that `is_it`; stops at the first that was never used. What leads
 * out of the image ends the directory. 0 and the entry; 1 when it isn't in the first
 * 64 KiB; or an error of reading.
 */
int fat_root_find(struct image *container, const struct fat_root *root,
		  bool (*is_it)(const uint8_t entry[FAT_ENTRY]), uint8_t ret[FAT_ENTRY], struct why *why);

#endif
