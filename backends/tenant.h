/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_TENANT_H
#define GOALFS_BACKENDS_TENANT_H

/*
 * What stands in a partition, or on a bare disk. Looked at when somebody asks, and
 * once: what takes the room, what has to move and what grows are questions about the
 * same bytes.
 */
#include "backends/content/content.h"
#include "backends/image.h"
#include "backends/table/table.h"

struct tenant {
	const struct partition *partition; /* borrowed; NULL: the bare disk */
	struct image *window;		   /* owned; the bytes it may use */
	int found;			   /* what content_probe said: 0, 1, -EBADMSG or -EOPNOTSUPP */
	struct content content;		   /* if found is 0 */
	struct why why;			   /* if found is negative */
	bool empty;			   /* if found is 1: its first 64 KiB are zeros */
};

/* Looks at [offset, offset + length) of the disk. An error is one of reading: what it says of the content is `found`. */
int tenant_look(struct tenant *t, struct image *disk, uint64_t offset, uint64_t length, struct why *why);
void tenant_done(struct tenant *t);

/* "ext4", "swap", "BIOS boot", "extended", "empty": for people. */
const char *tenant_name(const struct tenant *t);

/*
 * Each look may have a unit of the template decoded, and a hostile one has a thousand
 * partitions. An mbr can hold about this many.
 */
#define TENANTS_MAX 128

/* Those of one disk; belongs to one thread. */
struct tenants {
	struct image *disk;	   /* borrowed */
	const struct table *table; /* borrowed */
	struct tenant **tenant;	   /* as many as partitions; NULL: nobody has asked yet */
	unsigned n_looked;
};

int tenants_init(struct tenants *all, struct image *disk, const struct table *table);
void tenants_done(struct tenants *all);

/*
 * `p`: one of the table's. The answer lives as long as `all`. An extended partition
 * holds others, and is not looked into. -EOPNOTSUPP after TENANTS_MAX of them.
 */
int tenants_look(struct tenants *all, const struct partition *p, const struct tenant **ret, struct why *why);

#endif
