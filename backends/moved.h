/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_MOVED_H
#define GOALFS_BACKENDS_MOVED_H

/*
 * The partitions behind one that grows, which the table has moved up: whether they
 * may be moved, and what in them says where they stand.
 */
#include "backends/map.h"
#include "backends/tenant.h"

struct moved {
	struct tenants *all;		/* borrowed */
	const struct partition *behind; /* the one that grows */
	uint64_t shift;			/* bytes, not 0 */
};

/*
 * 0; -EOPNOTSUPP when one of them must stay where it is, or nobody can tell;
 * -EBADMSG when one is damaged. With the reason and the way out.
 */
int moved_check(const struct moved *m, struct why *why);

/* Paints over the moved partitions, which the table has painted into `draft`, what says where they stand now. */
int moved_paint(const struct moved *m, struct map_draft *draft, struct why *why);

/* "    partition 1 takes the room: partitions 2 (extended) and 5 (swap) behind it move up by 14G\n" */
int moved_describe(const struct moved *m, struct text *describe, struct why *why);

#endif
