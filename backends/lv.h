/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LV_H
#define GOALFS_BACKENDS_LV_H

/*
 * The step @lv=VG-LV: one logical volume of LVM2, as an image of its own. Its physical
 * volume is the partition that @pN says; without one the disk, or its only partition that is one.
 */
#include "backends/backend.h"

/*
 * `name` as lvm_find takes it. -EOPNOTSUPP with those names that exist when there
 * is no such volume, and with the reason for one that can't be read alone.
 */
int lv_open(struct image *disk, const char *name, struct image **ret, struct why *why);

extern const struct backend lv_backend;

#endif
