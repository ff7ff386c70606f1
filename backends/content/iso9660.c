/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Descriptors of 2048 bytes from byte 32768 on: a primary one, in which labels are of
 * capital letters, and with Joliet another one, where they are of UTF-16, but half as long.
 * Times of such a filesystem serve as its UUID.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "base/bytes.h"
#include "base/utf.h"

#define FIRST_AT	(32 * KiB)
#define DESCRIPTOR	2048
#define DESCRIPTORS_MAX 16

enum { PRIMARY = 1, SUPPLEMENTARY = 2, END = 255 };

struct disk_iso_descriptor {
	uint8_t type;
	char magic[5]; /* "CD001" */
	uint8_t version[2];
	char system[32];
	char label[32]; /* Joliet: UTF-16, big-endian */
	uint8_t zero[8];
	uint8_t blocks[8]; /* little-endian, then again big-endian, like all numbers */
	char escapes[32];  /* Joliet: %/@ %/C %/E */
	uint8_t set[8];
	uint8_t block_size[4];
	uint8_t paths[681];
	char created[17]; /* YYYYMMDDHHMMSShh and a time zone */
	char modified[17];
};
_Static_assert(offsetof(struct disk_iso_descriptor, escapes) == 88, "iso9660 escapes");
_Static_assert(offsetof(struct disk_iso_descriptor, block_size) == 128, "iso9660 block size");
_Static_assert(offsetof(struct disk_iso_descriptor, created) == 813, "iso9660 times");

static bool is_joliet(const struct disk_iso_descriptor *disk)
{
	return disk->type == SUPPLEMENTARY && disk->escapes[0] == '%' && disk->escapes[1] == '/' &&
	       strchr("@CE", disk->escapes[2]) && disk->escapes[2];
}

/* A time that was set: its digits, and not all of them 0. */
static bool time_ok(const char time[17])
{
	bool any = false;

	for (unsigned i = 0; i < 16; i++) {
		if (time[i] < '0' || time[i] > '9')
			return false;
		any |= time[i] != '0';
	}
	return any;
}

static void set_time(struct content *c, const char t[17])
{
	(void)snprintf(c->uuid, sizeof(c->uuid), "%.4s-%.2s-%.2s-%.2s-%.2s-%.2s-%.2s", t, t + 4, t + 6, t + 8,
		       t + 10, t + 12, t + 14);
}

/*
 * Of the two labels the one with the better letters, and behind its end what the longer
 * one goes on with, as long as they are the same before, but for the letters that the plain one lacks.
 */
static void join_labels(struct content *c, const struct disk_iso_descriptor *plain,
			const struct disk_iso_descriptor *joliet)
{
	const uint8_t *units = (const uint8_t *)joliet->label;
	char start[UTF16_TEXT_MAX(16)];
	struct content joined = { 0 };
	unsigned i = 0;

	for (; i < 16 && get_be16(units + 2 * i); i++) {
		uint16_t unit = get_be16(units + 2 * i);
		char p = plain->label[i];

		if (p != '_' && unit != (unsigned char)p &&
		    !(unit >= 'a' && unit <= 'z' && unit - 'a' + 'A' == (unsigned char)p))
			break;
	}
	content_set_label_utf16(&joined, units, 16, /* big_endian= */ true);
	if (i == 16) {
		size_t n = utf16_text(start, units, 16, /* big_endian= */ true);

		memcpy(joined.label, start, n);
		memcpy(joined.label + n, plain->label + 16, 16);
		content_set_label(c, joined.label, n + 16);
	} else {
		memcpy(c->label, joined.label, sizeof(c->label));
	}
}

static int read_descriptors(struct image *container, struct disk_iso_descriptor *ret_primary,
			    struct disk_iso_descriptor *ret_joliet, struct why *why)
{
	struct disk_iso_descriptor disk;

	for (unsigned i = 0; i < DESCRIPTORS_MAX; i++) {
		const uint64_t at = FIRST_AT + i * DESCRIPTOR;
		int r;

		if (!range_ok(at, DESCRIPTOR, container->size))
			break;
		r = image_pread(container, &disk, sizeof(disk), at, why);
		if (r < 0)
			return r;
		if (memcmp(disk.magic, "CD001", 5) != 0 || disk.type == END)
			break;
		if (disk.type == PRIMARY && ret_primary->type != PRIMARY)
			*ret_primary = disk;
		else if (is_joliet(&disk))
			*ret_joliet = disk;
	}
	return ret_primary->type == PRIMARY ? 0 : 1;
}

static int iso9660_probe(struct image *container, struct content *ret, struct why *why)
{
	struct content c = { .ops = &iso9660_content };
	struct disk_iso_descriptor primary = { 0 }, joliet = { 0 };
	int r = read_descriptors(container, &primary, &joliet, why);

	if (r != 0)
		return r;
	content_set_size(&c, get_le32(primary.blocks), get_le16(primary.block_size));
	if (time_ok(primary.modified))
		set_time(&c, primary.modified);
	else if (time_ok(primary.created))
		set_time(&c, primary.created);
	if (joliet.type == SUPPLEMENTARY)
		join_labels(&c, &primary, &joliet);
	else
		content_set_label(&c, primary.label, sizeof(primary.label));
	*ret = c;
	return 0;
}

const struct content_ops iso9660_content = {
	.name = "iso9660",
	.read_only = true,
	.probe = iso9660_probe,
	.why_not = "read-only iso9660 can't be grown offline",
};
