/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/lvm/disk.h"

#include <errno.h>
#include <inttypes.h>
#include <lzma.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"
#include "base/span.h"

struct disk_lvm_label {
	uint8_t magic[8]; /* "LABELONE" */
	uint8_t sector[8];
	uint8_t crc[4];	   /* from `offset` to the sector's end */
	uint8_t offset[4]; /* of the header, from the sector's start */
	uint8_t type[8];   /* "LVM2 001" */
};
_Static_assert(sizeof(struct disk_lvm_label) == 32, "lvm label");

struct disk_lvm_area {
	uint8_t crc[4]; /* of the rest of the sector */
	uint8_t magic[16];
	uint8_t version[4];
	uint8_t start[8], size[8]; /* of the area, this header included; bytes */
	struct disk_lvm_slot {
		uint8_t offset[8]; /* from the area's start */
		uint8_t size[8];
		uint8_t crc[4];
		uint8_t flags[4]; /* 1: not to be used */
	} text, pending;
};
_Static_assert(sizeof(struct disk_lvm_area) == 88, "lvm metadata area");

#define AREA_MAGIC " LVM2 x[5A%r0N*>"

/* LVM's own areas are of 1 MiB; this is a group of some 10,000 volumes. */
#define TEXT_MAX (4 * MiB)

uint32_t lvm_crc(const void *bytes, size_t count)
{
	return ~lzma_crc32(bytes, count, ~UINT32_C(0xf597a6cf));
}

static void uuid_text(char text[40], const uint8_t id[32])
{
	for (unsigned i = 0; i < 32; i++) {
		*text++ = id[i] > ' ' && id[i] < 0x7f ? (char)id[i] : '?';
		/* Groups of 6 4 4 4 4 4 6. */
		if (i >= 5 && i < 26 && (i - 5) % 4 == 0)
			*text++ = '-';
	}
	*text = '\0';
}

/* A list of places, which ends with a zero one. */
static int take_areas(struct span *s, struct lvm_area *ret, unsigned max, unsigned *ret_n)
{
	unsigned n = 0;

	for (;;) {
		struct lvm_area area;

		if (span_take_le64(s, &area.offset) < 0 || span_take_le64(s, &area.size) < 0)
			return -EBADMSG;
		if (area.offset == 0)
			break;
		if (n == max)
			return -EBADMSG;
		ret[n++] = area;
	}
	*ret_n = n;
	return 0;
}

/* `s` ends where the sector ends. */
static int decode_header(struct span s, struct lvm_label *ret, struct why *why)
{
	struct lvm_area data[LVM_AREAS_MAX];
	uint32_t at = (uint32_t)(512 - s.len);
	const uint8_t *id;
	unsigned n;

	if (span_take(&s, 32, &id) < 0 || span_take_le64(&s, &ret->size) < 0 ||
	    take_areas(&s, data, LVM_AREAS_MAX, &n) < 0 ||
	    take_areas(&s, ret->area, LVM_AREAS_MAX, &ret->n_areas) < 0)
		return fail(why, -EBADMSG,
			    "the label of the physical volume is damaged: its header has no end");
	uuid_text(ret->uuid, id);
	ret->size_at = at + 32;
	ret->area_at = ret->size_at + 8 + 16 * (n + 1);
	return 0;
}

/* 0; 1: no label in this sector; or -EBADMSG. */
static int decode_label(const uint8_t sector[512], uint64_t number, struct lvm_label *ret, struct why *why)
{
	const struct disk_lvm_label *disk = (const void *)sector;
	struct lvm_label label = { .sector = number };
	uint32_t offset = get_le32(disk->offset);
	int r;

	if (memcmp(disk->magic, "LABELONE", 8) != 0 || memcmp(disk->type, "LVM2 001", 8) != 0 ||
	    get_le64(disk->sector) != number || lvm_crc(sector + 20, 512 - 20) != get_le32(disk->crc))
		return 1;
	if (offset < sizeof(*disk) || offset > 512)
		return fail(why, -EBADMSG,
			    "the label of the physical volume is damaged: its header stands at %" PRIu32,
			    offset);
	r = decode_header((struct span){ sector + offset, 512 - offset }, &label, why);
	if (r == 0)
		*ret = label;
	return r;
}

int lvm_label_read(struct image *pv, struct lvm_label *ret, struct why *why)
{
	uint8_t sectors[4 * 512] = { 0 };
	int r = image_pread(pv, sectors, min_u64(sizeof(sectors), pv->size), 0, why);

	if (r < 0)
		return r;
	for (unsigned i = 0; i < 4; i++) {
		r = decode_label(sectors + i * 512, i, ret, why);
		if (r <= 0)
			return r;
	}
	return 1;
}

static int read_area_header(struct image *pv, const struct lvm_area *area, uint8_t ret[512], struct why *why)
{
	const struct disk_lvm_area *disk = (const void *)ret;
	int r;

	if (!range_ok(area->offset, area->size, pv->size) || area->size < 2 * LVM_AREA_HEADER)
		return fail(why, -EBADMSG,
			    "truncated image: metadata of LVM should stand at byte %" PRIu64 ", %" PRIu64
			    " bytes long, of %" PRIu64,
			    area->offset, area->size, pv->size);
	r = image_pread(pv, ret, LVM_AREA_HEADER, area->offset, why);
	if (r < 0)
		return r;
	if (memcmp(disk->magic, AREA_MAGIC, 16) != 0 || lvm_crc(ret + 4, 512 - 4) != get_le32(disk->crc))
		return fail(why, -EBADMSG, "the metadata of LVM at byte %" PRIu64 " has a damaged header",
			    area->offset);
	if (get_le32(disk->version) != 1)
		return fail(why, -EOPNOTSUPP, "the metadata of LVM is of version %" PRIu32 "; only 1 is known",
			    get_le32(disk->version));
	if (get_le64(disk->start) != area->offset || get_le64(disk->size) != area->size)
		return fail(why, -EBADMSG, "the metadata of LVM at byte %" PRIu64 " says that it is elsewhere",
			    area->offset);
	return 0;
}

/* The ring begins behind the header: what doesn't fit before the area's end goes on there. */
static int read_ring(struct image *pv, const struct lvm_area *area, uint64_t at, char *buf, size_t count,
		     struct why *why)
{
	size_t first = min_u64(count, area->size - at);
	int r = image_pread(pv, buf, first, area->offset + at, why);

	if (r == 0)
		r = image_pread(pv, buf + first, count - first, area->offset + LVM_AREA_HEADER, why);
	return r;
}

int lvm_area_read(struct image *pv, const struct lvm_area *area, char **ret, size_t *ret_count, struct why *why)
{
	_cleanup_free_ char *text = NULL;
	uint8_t header[512];
	const struct disk_lvm_area *disk = (const void *)header;
	uint64_t at, count;
	int r = read_area_header(pv, area, header, why);

	if (r < 0)
		return r;
	at = get_le64(disk->text.offset);
	count = get_le64(disk->text.size);
	if (at == 0 || count == 0 || (get_le32(disk->text.flags) & 1))
		return 1;
	if (at < LVM_AREA_HEADER || at >= area->size || count > area->size - LVM_AREA_HEADER ||
	    count > TEXT_MAX)
		return fail(why, -EBADMSG,
			    "the metadata of LVM at byte %" PRIu64 " claims a text of %" PRIu64
			    " bytes at %" PRIu64 " of %" PRIu64,
			    area->offset, count, at, area->size);
	text = malloc(count);
	if (!text)
		return -ENOMEM;
	r = read_ring(pv, area, at, text, count, why);
	if (r < 0)
		return r;
	if (lvm_crc(text, count) != get_le32(disk->text.crc))
		return fail(why, -EBADMSG, "the metadata of LVM at byte %" PRIu64 " has a wrong checksum",
			    area->offset);
	*ret = take(text);
	*ret_count = count;
	return 0;
}

int lvm_area_slot(struct image *pv, const struct lvm_area *area, struct lvm_slot *ret, struct why *why)
{
	uint8_t header[512];
	const struct disk_lvm_area *disk = (const void *)header;
	int r = read_area_header(pv, area, header, why);

	if (r < 0)
		return r;
	*ret = (struct lvm_slot){ .at = get_le64(disk->text.offset),
				  .count = get_le64(disk->text.size),
				  .crc = get_le32(disk->text.crc),
				  .ignored = get_le32(disk->text.flags) & 1,
				  .pending = get_le64(disk->pending.offset) != 0 };
	return 0;
}

int lvm_label_change(struct image *pv, const struct lvm_label *to, uint8_t ret[512], struct why *why)
{
	struct disk_lvm_label *disk = (void *)ret;
	struct lvm_label now = { 0 };
	int r = image_pread(pv, ret, 512, to->sector * 512, why);

	if (r == 0)
		r = decode_label(ret, to->sector, &now, why);
	if (r < 0)
		return r;
	if (r == 1 || now.n_areas != to->n_areas || now.area_at != to->area_at)
		return fail(why, -EBADMSG, "the label of the physical volume isn't what it was");
	put_le64(ret + to->size_at, to->size);
	for (unsigned i = 0; i < to->n_areas; i++) {
		put_le64(ret + to->area_at + 16 * i, to->area[i].offset);
		put_le64(ret + to->area_at + 16 * i + 8, to->area[i].size);
	}
	put_le32(disk->crc, lvm_crc(ret + 20, 512 - 20));
	return 0;
}

int lvm_area_change(struct image *pv, const struct lvm_area *area, const struct lvm_area *to,
		    const struct lvm_slot *slot, uint8_t ret[512], struct why *why)
{
	struct disk_lvm_area *disk = (void *)ret;
	int r = read_area_header(pv, area, ret, why);

	if (r < 0)
		return r;
	put_le64(disk->start, to->offset);
	put_le64(disk->size, to->size);
	put_le64(disk->text.offset, slot->at);
	put_le64(disk->text.size, slot->count);
	put_le32(disk->text.crc, slot->crc);
	put_le32(disk->crc, lvm_crc(ret + 4, 512 - 4));
	return 0;
}
