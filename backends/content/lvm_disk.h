/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_DISK_H
#define GOALFS_BACKENDS_CONTENT_LVM_DISK_H

/*
 * How a physical volume of LVM2 looks (lib/format_text/layout.h and lib/label/label.h of
 * LVM2). All little-endian; the label stands in one of the first four sectors:
 *
 *	label     "LABELONE", its sector, checksum, where the header is, "LVM2 001"
 *	header    identifier, size of the device, data areas, metadata areas
 *	metadata  one area behind the label, perhaps another at the end of the device:
 *		  a header of 512 bytes that says where in the ring behind it the text is
 *	data      the extents
 */
#include "backends/image.h"

/* LVM makes two at most. */
#define LVM_AREAS_MAX 8

struct lvm_area {
	uint64_t offset, size; /* bytes */
};

struct lvm_label {
	uint64_t sector; /* that it stands in */
	char uuid[40];	 /* as LVM prints it: abv5Ls-k7hy-sTLh-7pWi-aIvY-XO5M-QI2L4L */
	uint64_t size;	 /* bytes of the device, as it was when it became a physical volume */
	unsigned n_areas;
	struct lvm_area area[LVM_AREAS_MAX]; /* of metadata */
};

/* CRC-32 as LVM has it: its own start, and nothing inverted. */
uint32_t lvm_crc(const void *bytes, size_t count);

/*
 * 0; 1 when there is no label, or none whose checksum is right (LVM itself doesn't
 * know such a device either); -EBADMSG when it says what can't be; or another errno.
 */
int lvm_label_read(struct image *pv, struct lvm_label *ret, struct why *why);

/*
 * The text in one of the areas, `ret_count` bytes, the caller's to free. 0; 1 when
 * there is none: the area is not used; -EBADMSG when anything of it is damaged; -EOPNOTSUPP; another errno.
 */
int lvm_area_read(struct image *pv, const struct lvm_area *area, char **ret, size_t *ret_count,
		  struct why *why);

#endif
