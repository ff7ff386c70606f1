/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_VHDX_H
#define GOALFS_BACKENDS_DECODE_VHDX_H

/*
 * As much of a vhdx image as has to be known beside QEMU, which reads it: [MS-VHDX]. At 192 KiB stands
 * the region table, which says where two others are: the metadata table, whose items
 * tell what kind of disk it is, and the block allocation table.
 */
#include "backends/image.h"
#include "backends/nbd/zeros.h"

/* For disk_header.h, which says what it returns: it is one, and has no parent. */
int vhdx_check(struct image *img, struct why *why);

/* The blocks that read as zeros, of a disk of `size` bytes: nobody else tells. -EBADMSG when the tables can't be. */
int vhdx_zeros(struct image *img, uint64_t size, struct zeros *ret, struct why *why);

#endif
