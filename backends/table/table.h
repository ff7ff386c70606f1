/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_TABLE_TABLE_H
#define GOALFS_BACKENDS_TABLE_TABLE_H

/*
 * What a partition table can do. One ops struct per kind, in table.c's list.
 */
#include "backends/image.h"
#include "backends/map.h"

/* More entries than any real table holds: mbr 4 + 128 logical, gpt 128; a gpt may claim more, up to here. */
#define PARTITIONS_MAX 1024

/* What the type of a partition says, where that matters to who grows or moves it. */
struct partition_use {
	const char *kind; /* as the partition's */
	const char *name; /* "BIOS boot", for people */
	bool service; /* firmware, boot code or a rescue system uses it: nobody means it who doesn't name it */
	/* Why it can't grow, goes on "partition 2 ", and why it can't move; NULL: it can. */
	const char *no_growth, *stays;
};

struct partition {
	unsigned number; /* as the guest's kernel counts: /dev/sdaN */
	uint64_t start;	 /* bytes */
	uint64_t length; /* bytes */
	char kind[40];	 /* mbr type "83", gpt type GUID; text for people */
	char id[40];	 /* Linux' PARTUUID: a GUID, or "deadbeef-01" in an mbr that has a signature; or "" */
	char label[109]; /* gpt name, UTF-8 (36 UTF-16 units, 3 bytes each); "" when none */
	bool bootable;
	bool extended; /* an mbr container of logical partitions */
	bool logical;
	const struct partition_use *use; /* static; NULL: nothing special. Set by table_add */
};

/* Bytes of the disk. */
struct area {
	uint64_t start, length;
};

struct table {
	const struct table_ops *ops;
	char id[40];	 /* of the disk: a GUID, or "deadbeef"; "" when it has none */
	unsigned sector; /* bytes: 512 or 4096 */
	unsigned n;
	struct partition *partition; /* owned, sorted by start */
	/*
	 * Owned, freed with the table: what `read` saw and checked, so that `grow`
	 * neither reads it twice nor patches bytes that nobody checked.
	 */
	void *raw;
	/*
	 * Owned: what of the disk is the table's own, or that of those who read it. Besides, all
	 * that stands before the first partition is: boot loaders take it. In no order.
	 */
	struct area *own;
	unsigned n_own;
};

void table_done(struct table *t);

/* The one that is last on the disk by start, or the one with that number; NULL when there is none. */
const struct partition *table_last(const struct table *t);
const struct partition *table_number(const struct table *t, unsigned number);

/*
 * What growing did to the partitions. An extended one that holds the partition starts
 * before it, and grows with it.
 */
struct table_growth {
	uint64_t length; /* bytes, of the partition that grew */
	/* Bytes by which all that start behind it have moved up, as one; 0: they stay. */
	uint64_t shift;
};

struct table_ops {
	const char *name; /* "gpt", "mbr" */
	/*
	 * Reads and checks the table: magic, checksums, entries against each other
	 * and against the disk. 0; 1 when it is not this kind; -EBADMSG when it is,
	 * but damaged; -EOPNOTSUPP for kinds that are known and not handled; another
	 * errno when it can't be read.
	 */
	int (*read)(struct image *disk, struct table *ret, struct why *why);
	/*
	 * Paints the table of a disk grown to map_draft_size(draft) bytes: the
	 * backup moved to the new end, `partition` (one of t's; NULL: none, the disk
	 * grows alone) as long as it can be. Numbers, GUIDs, names, flags and its
	 * start stay; what stands behind it is moved to the new end, by painting it there
	 * as it is below (stretch.h). Whether it may move, and what in it says where it stands,
	 * is the caller's to know, as it is to paint what the partition gained. `draft` stands over
	 * `disk`. -EOPNOTSUPP when it can't grow (the format's limit), with the reason.
	 */
	int (*grow)(struct image *disk, const struct table *t, const struct partition *partition,
		    struct map_draft *draft, struct table_growth *ret, struct why *why);
};

/*
 * Finds the disk's table, whichever kind it is. 0; 1 when there is none (a bare
 * filesystem, or nothing known); or a negative errno as above.
 */
int table_read(struct image *disk, struct table *ret, struct why *why);

/*
 * For the kinds. table_add copies `p`, finds its use and returns 0, or -ENOMEM, or -EBADMSG
 * when there are more than PARTITIONS_MAX; table_sort puts the partitions in
 * order and returns -EBADMSG when two of them overlap (logical ones, which lie
 * inside an extended one, are compared among themselves).
 */
int table_add(struct table *t, const struct partition *p, struct why *why);
int table_sort(struct table *t, struct why *why);

/* Adds to what is the table's own. 0 or -ENOMEM. */
int table_own(struct table *t, uint64_t start, uint64_t length);

/* -EOPNOTSUPP, with the numbers that there are instead of this one. */
int table_no_number(const struct table *t, unsigned number, struct why *why);

extern const struct table_ops gpt_table;
extern const struct table_ops mbr_table;

#endif
