/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_FAT_DISK_H
#define GOALFS_BACKENDS_CONTENT_FAT_DISK_H

/*
 * FAT12, FAT16 and FAT32 as they stand on disk ("FAT: General Overview of On-Disk Format",
 * 1.03), little-endian:
 *
 *	reserved sectors	boot sector; FAT32: FSInfo, copies of both
 *	tables			two, as a rule, of the same content: an entry for each cluster
 *	root directory		FAT12 and FAT16 only
 *	clusters		from number 2 on
 */
#include "backends/image.h"
#include "base/bytes.h"

struct disk_fat_boot {
	uint8_t jump[3];
	char system[8];
	uint8_t sector_size[2];
	uint8_t cluster_sectors;
	uint8_t reserved[2]; /* sectors before the first table */
	uint8_t n_tables;
	uint8_t root_entries[2]; /* 0 in FAT32 */
	uint8_t sectors16[2];
	uint8_t media;
	uint8_t table16[2]; /* sectors; 0 makes it FAT32 */
	uint8_t geometry[4];
	uint8_t hidden[4]; /* sectors before the partition */
	uint8_t sectors32[4];
	/* What follows is FAT32's. */
	uint8_t table32[4];
	uint8_t flags[2];
	uint8_t version[2];
	uint8_t root_cluster[4];
	uint8_t info[2];   /* sector of FSInfo */
	uint8_t backup[2]; /* sector of the boot sector's copy */
};
_Static_assert(sizeof(struct disk_fat_boot) == 52, "fat boot sector");

#define FAT_BOOT_SIZE	   512 /* of the boot sector, what is used */
#define FAT_SIGNATURE	   510
#define FAT_ACTIVE_ALONE   0x80 /* flags: only one table is kept up, the one that bits 0 to 3 tell */
#define FAT_CLUSTERS12_MAX 4084
#define FAT_CLUSTERS16_MAX 65524
#define FAT_CLUSTERS32_MAX UINT32_C(268435444) /* 0x0ffffff7 and up mean something else */

/* What a boot sector says, checked: all of it lies in the container. */
struct fat {
	unsigned bits;		/* 12, 16, 32 */
	uint32_t sector;	/* bytes */
	uint32_t cluster;	/* bytes */
	uint32_t reserved;	/* sectors */
	uint32_t table_sectors; /* of one table */
	uint32_t n_tables;
	uint32_t active; /* the table that counts */
	uint32_t info;	 /* sector; 0: none */
	uint32_t backup; /* sector; 0: none */
	uint64_t sectors;
	uint64_t data; /* sector of cluster 2 */
	uint32_t clusters;
};

/*
 * Reads the boot sector into `ret_boot`, too. 0; -EBADMSG when what it says can't be true;
 * -EOPNOTSUPP for another version; or an error of reading.
 */
int fat_read(struct image *container, struct fat *ret, uint8_t ret_boot[FAT_BOOT_SIZE], struct why *why);

/* 0 when it was unmounted and no error was found; -EOPNOTSUPP when not, or an error of reading. */
int fat_check_clean(struct image *container, const struct fat *f, const uint8_t boot[FAT_BOOT_SIZE],
		    struct why *why);

static inline uint64_t fat_table_at(const struct fat *f, uint32_t table)
{
	return (f->reserved + (uint64_t)table * f->table_sectors) * f->sector;
}

static inline uint64_t fat_data_at(const struct fat *f)
{
	return f->data * f->sector;
}

#endif
