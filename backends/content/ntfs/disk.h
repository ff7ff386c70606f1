/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_DISK_H
#define GOALFS_BACKENDS_CONTENT_NTFS_DISK_H

/*
 * NTFS as it stands on disk, little-endian, after the documentation of Linux-NTFS and
 * ntfs-3g's layout.h. All is files, the metadata too:
 *
 *	sector 0		boot sector: sizes, and where the master file table ($MFT) begins
 *	$MFT			one record a file; those of the system stand in its first 16
 *	$MFTMirr		a copy of the first records: 4, or as many as a cluster holds
 *	behind the last cluster	a copy of the boot sector, which is not counted in `sectors`
 *
 * A record is a header and attributes: what a file is called, its data, its index. An
 * attribute's value stands in the record (resident), or in clusters that a list of runs
 * ("mapping pairs") names.
 */
#include <stddef.h>
#include <stdint.h>

struct disk_ntfs_boot {
	uint8_t jump[3];
	char system[8]; /* "NTFS    " */
	uint8_t sector_size[2];
	uint8_t cluster_sectors; /* above 0x80 a power of two, negated */
	uint8_t unused[14];
	uint8_t hidden_sectors[4]; /* where the partition starts on its disk */
	uint8_t unused2[8];
	uint8_t sectors[8]; /* one less than there are: the last is the copy of this one */
	uint8_t mft[8];	    /* cluster */
	uint8_t mft_mirror[8];
	int8_t record_clusters; /* negative: a power of two, negated, of bytes */
	uint8_t unused3[3];
	int8_t index_clusters; /* the same, of an index block */
	uint8_t unused4[3];
	uint8_t serial[8];
};
_Static_assert(sizeof(struct disk_ntfs_boot) == 80, "ntfs boot sector");
_Static_assert(offsetof(struct disk_ntfs_boot, hidden_sectors) == 0x1C, "ntfs boot sector");
_Static_assert(offsetof(struct disk_ntfs_boot, sectors) == 0x28, "ntfs boot sector");

/* What records, index blocks and pages of the log begin with. */
struct disk_ntfs_block {
	char magic[4];
	uint8_t sequence_at[2]; /* the update sequence: a number, then what it has taken the place of */
	uint8_t sequence_count[2];
	uint8_t lsn[8];
};
_Static_assert(sizeof(struct disk_ntfs_block) == 16, "ntfs block");

/* The last two bytes of each of these hold the sequence number, whatever the sector size is. */
#define NTFS_SEQUENCE_SECTOR 512

struct disk_ntfs_record { /* "FILE" */
	struct disk_ntfs_block block;
	uint8_t sequence[2];
	uint8_t links[2];
	uint8_t attributes_at[2];
	uint8_t flags[2];
	uint8_t used[4];
	uint8_t allocated[4];
	uint8_t base[8]; /* of a record that another one has run over into */
	uint8_t next_instance[2];
};
_Static_assert(sizeof(struct disk_ntfs_record) == 42, "ntfs record");

#define NTFS_RECORD_IN_USE 1

struct disk_ntfs_attribute {
	uint8_t type[4];
	uint8_t length[4];
	uint8_t non_resident;
	uint8_t name_length; /* UTF-16 units */
	uint8_t name_at[2];
	uint8_t flags[2]; /* compressed 0x00ff, encrypted 0x4000, sparse 0x8000 */
	uint8_t instance[2];
};
_Static_assert(sizeof(struct disk_ntfs_attribute) == 16, "ntfs attribute");

struct disk_ntfs_resident {
	struct disk_ntfs_attribute head;
	uint8_t value_length[4];
	uint8_t value_at[2];
	uint8_t flags[2];
};
_Static_assert(sizeof(struct disk_ntfs_resident) == 24, "ntfs resident attribute");

struct disk_ntfs_non_resident {
	struct disk_ntfs_attribute head;
	uint8_t lowest_vcn[8];
	uint8_t highest_vcn[8];
	uint8_t runs_at[2];
	uint8_t unused[6];
	uint8_t allocated[8]; /* bytes, as are the next two */
	uint8_t size[8];
	uint8_t initialized[8];
};
_Static_assert(sizeof(struct disk_ntfs_non_resident) == 64, "ntfs non-resident attribute");

enum ntfs_type {
	NTFS_ATTRIBUTE_LIST = 0x20,
	NTFS_VOLUME_NAME = 0x60,
	NTFS_VOLUME_INFORMATION = 0x70,
	NTFS_DATA = 0x80,
	NTFS_INDEX_ROOT = 0x90,
	NTFS_INDEX_ALLOCATION = 0xA0,
};
#define NTFS_ATTRIBUTES_END UINT32_C(0xffffffff)

/* Records of $MFT. */
enum ntfs_file {
	NTFS_MFT = 0,
	NTFS_MFT_MIRROR = 1,
	NTFS_LOG = 2,
	NTFS_VOLUME = 3,
	NTFS_ROOT = 5,
	NTFS_BITMAP = 6,
	NTFS_BAD = 8,
};

struct disk_ntfs_information { /* the value of NTFS_VOLUME_INFORMATION */
	uint8_t unused[8];
	uint8_t major, minor;
	uint8_t flags[2];
};
_Static_assert(sizeof(struct disk_ntfs_information) == 12, "ntfs volume information");

#define NTFS_IS_DIRTY	    0x0001
#define NTFS_CHKDSK_RUNNING 0x4000

struct disk_ntfs_index_root { /* the value of NTFS_INDEX_ROOT; a list of entries follows */
	uint8_t type[4];
	uint8_t collation[4];
	uint8_t block_size[4];
	uint8_t block_clusters[4];
};
_Static_assert(sizeof(struct disk_ntfs_index_root) == 16, "ntfs index root");

struct disk_ntfs_index_block { /* "INDX"; a list of entries follows */
	struct disk_ntfs_block block;
	uint8_t vcn[8];
};
_Static_assert(sizeof(struct disk_ntfs_index_block) == 24, "ntfs index block");

struct disk_ntfs_entries {
	uint8_t first_at[4]; /* counted from here, as is `length` */
	uint8_t length[4];
	uint8_t allocated[4];
	uint8_t flags[4];
};
_Static_assert(sizeof(struct disk_ntfs_entries) == 16, "ntfs index entries");

struct disk_ntfs_entry {
	uint8_t file[8]; /* number in 48 bits */
	uint8_t length[2];
	uint8_t key_length[2];
	uint8_t flags[4];
};
_Static_assert(sizeof(struct disk_ntfs_entry) == 16, "ntfs index entry");

#define NTFS_ENTRY_HAS_BLOCK 1 /* the number of a block below is its last 8 bytes */
#define NTFS_ENTRY_IS_END    2

struct disk_ntfs_name { /* the key of a directory's entry; UTF-16 follows */
	uint8_t parent[8];
	uint8_t times[4][8];
	uint8_t allocated[8];
	uint8_t size[8];
	uint8_t attributes[8];
	uint8_t length;
	uint8_t space;
};
_Static_assert(sizeof(struct disk_ntfs_name) == 66, "ntfs file name");

struct disk_ntfs_restart_page { /* "RSTR", or "CHKD" when chkdsk has been there */
	struct disk_ntfs_block block;
	uint8_t page_size[4];
	uint8_t log_page_size[4];
	uint8_t area_at[2];
	uint8_t minor[2];
	uint8_t major[2];
};
_Static_assert(sizeof(struct disk_ntfs_restart_page) == 30, "ntfs restart page");

struct disk_ntfs_restart_area {
	uint8_t lsn[8];
	uint8_t clients[2];
	uint8_t first_free[2];
	uint8_t first_in_use[2];
	uint8_t flags[2];
};
_Static_assert(sizeof(struct disk_ntfs_restart_area) == 16, "ntfs restart area");

#define NTFS_NO_CLIENT	  0xffff
#define NTFS_LOG_IS_CLEAN 2

#endif
