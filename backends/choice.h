/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CHOICE_H
#define GOALFS_BACKENDS_CHOICE_H

/*
 * Which partition takes the room of a grown disk when nobody has named one: the
 * last one, by its place on the disk, that somebody may mean.
 */
#include "backends/resize.h"
#include "backends/tenant.h"

/*
 * Passed over are extended partitions, what firmware, boot code and rescue systems
 * use, swap and FAT (content_ops.only_named), read-only images and empty ones. The
 * first of the others it is, whether it can grow or not: if that is an encrypted
 * root, nobody wants the /boot before it to have the room. With how->volume it is one
 * that has volumes; with how->keep_content the last one will do, if there is no other. -EOPNOTSUPP when there is none, with what there is.
 */
int choice_make(struct tenants *all, const struct resize *how, const struct partition **ret, struct why *why);

#endif
