/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_TABLE_MBR_DISK_H
#define GOALFS_BACKENDS_TABLE_MBR_DISK_H

/*
 * The disk's first sector, of which mbr and gpt both know the entries:
 *
 *	0    boot code, the disk's signature at 440
 *	446  four entries
 *	510  55 aa
 */
#include <stdbool.h>
#include <stdint.h>

struct disk_mbr_entry { /* little-endian */
	uint8_t status; /* 80: active; 00 */
	uint8_t chs_first[3];
	uint8_t type;
	uint8_t chs_last[3];
	uint8_t start[4]; /* sectors */
	uint8_t count[4];
};
_Static_assert(sizeof(struct disk_mbr_entry) == 16, "mbr entry");

#define MBR_DISK_ID   440
#define MBR_ENTRIES   446
#define MBR_SIGNATURE 510
#define MBR_EE	      0xee /* protects a gpt */

bool mbr_is_signed(const uint8_t sector[512]);

struct mbr_range {
	uint64_t start, end; /* sectors of the disk */
};

/*
 * Has the entry, whose start is relative to `base`, show `now` instead of `old`. The
 * CHS of an end that stays is left as it is: tools differ in what they write. Start
 * and count must fit into 32 bits.
 */
void mbr_entry_put(struct disk_mbr_entry *disk, uint64_t base, const struct mbr_range *old,
		   const struct mbr_range *now);

#endif
