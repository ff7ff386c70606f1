/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_BTRFS_SUPER_H
#define GOALFS_BACKENDS_CONTENT_BTRFS_SUPER_H

/*
 * The superblock, decoded, and the checksum that stands at the beginning of it and
 * of every node. Nothing here is shared between threads.
 */
#include <stdbool.h>

#include "backends/content/btrfs/disk.h"
#include "backends/image.h"

/* The root of a tree, as whoever points to it describes it. */
struct btrfs_root {
	uint64_t tree;	 /* BTRFS_CHUNK_TREE, ... */
	uint64_t bytenr; /* logical */
	uint64_t generation;
	uint8_t level; /* below BTRFS_LEVELS */
};

struct btrfs_super {
	uint8_t fsid[16];
	uint8_t node_fsid[16]; /* what nodes and devices carry: the fsid, or the one before it was changed */
	uint64_t flags, compat_ro, incompat;
	uint64_t log_root; /* 0 when there is none */
	uint64_t total_bytes, bytes_used;
	uint64_t num_devices;
	uint32_t sectorsize, nodesize; /* powers of two, 4 KiB to 64 KiB */
	uint32_t chunk_array_size;     /* of the superblock's array, in it */
	enum btrfs_checksum_type checksum_type;
	struct btrfs_root roots, chunks; /* the tree of roots, the chunk tree */
	struct {
		uint64_t id;
		uint64_t total_bytes;
		uint8_t uuid[16];
	} device;
};

/*
 * Reads the first superblock and decodes it. 0; 1 when there is none; -EBADMSG when
 * its checksum or a field that any use needs is wrong.
 */
int btrfs_super_read(struct image *container, struct disk_btrfs_super *ret_disk, struct btrfs_super *ret,
		     struct why *why);

/* Where the copy 0 .. BTRFS_COPIES - 1 of the superblock stands, on devices that are large enough. */
uint64_t btrfs_copy_at(unsigned copy);

/* Whether a device of that many bytes has it: the kernel asks for a byte behind it. */
bool btrfs_has_copy(unsigned copy, uint64_t device_size);

/* Computes the checksum of a superblock or a node of `count` bytes, all but those it stands in. */
int btrfs_checksum(enum btrfs_checksum_type type, const void *block, size_t count,
		   uint8_t ret[static BTRFS_CHECKSUM_SIZE], struct why *why);

/* 0, or -EBADMSG without a sentence: the caller knows what it is. */
int btrfs_checksum_check(enum btrfs_checksum_type type, const void *block, size_t count, struct why *why);

#endif
