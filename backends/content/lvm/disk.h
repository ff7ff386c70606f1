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
	uint32_t size_at, area_at;	     /* bytes of the sector: where the size and the first area stand */
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

/* Where in an area its text stands. */
struct lvm_slot {
	uint64_t at;	/* byte of the area; 0: it holds none */
	uint64_t count; /* bytes of it, from the ring's end on behind the header again */
	uint32_t crc;
	bool ignored; /* the area is switched off */
	bool pending; /* another text stands there, and whoever wrote it never came to say that it counts */
};

/* The same errors as lvm_area_read. */
int lvm_area_slot(struct image *pv, const struct lvm_area *area, struct lvm_slot *ret, struct why *why);

/* The ring begins behind the area's header, which takes so many bytes. */
#define LVM_AREA_HEADER UINT64_C(512)

/*
 * The label's sector as it is with the size and the areas (as many as before) of `to`.
 * -EBADMSG when there is no such label.
 */
int lvm_label_change(struct image *pv, const struct lvm_label *to, uint8_t ret[512], struct why *why);

/* The header of an area that stands at `to` and has its text there. */
int lvm_area_change(struct image *pv, const struct lvm_area *area, const struct lvm_area *to,
		    const struct lvm_slot *slot, uint8_t ret[512], struct why *why);

#endif
