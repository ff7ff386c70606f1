/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_EXTENTS_H
#define GOALFS_BACKENDS_CONTENT_LVM_EXTENTS_H

/*
 * Which extents of a physical volume are taken: by volumes of every type, hidden
 * ones included. Types that aren't known here keep their places in the same way, by the name of the
 * physical volume and the number of an extent (export.c of LVM2, out_areas).
 */
#include "backends/content/lvm/lvm.h"

struct lvm_run {
	uint64_t first, count; /* extents */
};

struct lvm_extents {
	struct lvm_run *run; /* owned; n of them, in order, none of them empty */
	size_t n;
};

/* 0; -EBADMSG when two volumes claim the same extent, or one that isn't there; -ENOMEM. */
int lvm_extents_read(const struct lvm *l, struct lvm_extents *ret, struct why *why);
void lvm_extents_done(struct lvm_extents *e);

/* One behind the last that is taken; 0 when none is. */
uint64_t lvm_extents_end(const struct lvm_extents *e);

#endif
