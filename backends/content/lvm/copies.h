/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_COPIES_H
#define GOALFS_BACKENDS_CONTENT_LVM_COPIES_H

/*
 * The copies of a physical volume's metadata, held against each other: reading takes the newest,
 * but who writes, or says what nobody needs, must be sure that LVM sees the same.
 */
#include "backends/content/lvm/lvm.h"

struct lvm_copies {
	struct lvm_slot slot[LVM_AREAS_MAX]; /* one an area of the label */
	char *text;			     /* owned: the bytes of all of them; NULL where there is no group */
	size_t count;
};

/*
 * `l` is what lvm_read made of the same image. 0; -EBADMSG when a copy is damaged, or the areas lie
 * where the extents are; -EOPNOTSUPP when the copies differ, one is switched off, or a change was
 * interrupted; -ENOMEM; another errno.
 */
int lvm_copies_read(struct image *pv, const struct lvm *l, struct lvm_copies *ret, struct why *why);
void lvm_copies_done(struct lvm_copies *c);

#endif
