/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_TABLE_PROTECTIVE_H
#define GOALFS_BACKENDS_TABLE_PROTECTIVE_H

/*
 * The mbr in front of a gpt: one entry of type ee over the whole disk, so that who
 * knows no gpt keeps away. In a hybrid one others stand beside it, copies of up to
 * three gpt partitions, for a system that boots by the mbr.
 */
#include "backends/map.h"
#include "backends/table/stretch.h"
#include "base/why.h"

/* Linux goes by the same rule: no gpt without an mbr that protects it. */
bool protective_is(const uint8_t disk_mbr[512]);

struct protective {
	const uint8_t *disk_mbr; /* 512 bytes, borrowed */
	uint64_t sector;	 /* bytes in one; an mbr counts in them, too */
	uint64_t old_sectors, new_sectors;
};

/*
 * Paints the entries of the grown disk: copies go with their partitions, what protects the
 * disk's end reaches the new one. -EOPNOTSUPP where a copy can't go along, with the reason.
 */
int protective_paint(const struct protective *p, const struct stretch *s, struct map_draft *draft,
		     struct why *why);

#endif
