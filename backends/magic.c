/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/magic.h"

#include <string.h>
#include <strings.h>

/* Where a row stands for more than one value of a byte, `mask` takes the rest away from the first one. */
struct row {
	size_t offset, count;
	const char *bytes;
	struct magic magic;
	bool (*is_it)(const uint8_t *head, size_t count); /* looks closer; may be NULL */
	uint8_t mask;
};

static bool is_bzip2(const uint8_t *head, size_t count)
{
	return count >= 10 && head[3] >= '1' && head[3] <= '9' &&
	       (memcmp(head + 4, "1AY&SY", 6) == 0 || memcmp(head + 4, "\x17rE8P\x90", 6) == 0);
}

static bool is_qcow1(const uint8_t *head, size_t count)
{
	return count >= 8 && get_be32(head + 4) == 1;
}

/* What comes from a server in place of a file: nothing begins so that a machine could boot. */
static bool is_page(const uint8_t *head, size_t count)
{
	static const char *const begins[] = { "<!doctype", "<html", "<?xml" };

	for (size_t i = 0; i < sizeof(begins) / sizeof(begins[0]); i++)
		if (count >= strlen(begins[i]) &&
		    strncasecmp((const char *)head, begins[i], strlen(begins[i])) == 0)
			return true;
	return false;
}

static const struct row rows[] = {
	{ 0, 6, "\xfd\x37zXZ\0", { MAGIC_CODEC, "xz" } },
	{ 0, 3, "\x1f\x8b\x08", { MAGIC_CODEC, "gzip" } },
	{ 0, 4, "\x28\xb5\x2f\xfd", { MAGIC_CODEC, "zstd" } },
	{ 0, 4, "\x50\x2a\x4d\x18", { MAGIC_CODEC, "zstd" }, NULL, 0xf0 }, /* a skippable frame first */
	{ 0, 3, "BZh", { MAGIC_CODEC, "bzip2" }, is_bzip2 },
	{ 257, 5, "ustar", { MAGIC_CODEC, "tar" } },
	{ 0, 4, "QFI\xfb", { MAGIC_FORMAT, "qcow" }, is_qcow1 },
	{ 0, 4, "QFI\xfb", { MAGIC_FORMAT, "qcow2" } },
	{ 0, 4, "KDMV", { MAGIC_FORMAT, "vmdk" } },
	{ 0, 4, "COWD", { MAGIC_FORMAT, "vmdk" } },
	{ 0, 21, "# Disk DescriptorFile", { MAGIC_FORMAT, "vmdk" } },
	{ 64, 4, "\x7f\x10\xda\xbe", { MAGIC_FORMAT, "vdi" } },
	{ 0, 8, "vhdxfile", { MAGIC_FORMAT, "vhdx" } },
	{ 0, 8, "conectix", { MAGIC_FORMAT, "vhd" } }, /* a fixed one has it at its end only */
	{ 0, 4, "QED\0", { MAGIC_FORMAT, "qed" } },
	{ 0, 16, "WithoutFreeSpace", { MAGIC_FORMAT, "parallels" } },
	{ 0, 16, "WithouFreSpacExt", { MAGIC_FORMAT, "parallels" } },
	{ 0, 22, "Bochs Virtual HD Image", { MAGIC_FORMAT, "bochs" } },
	{ 0, 23, "#!/bin/sh\n#V2.0 Format\n", { MAGIC_FORMAT, "cloop" } },
	{ 0, 6, "LUKS\xba\xbe", { MAGIC_UNREADABLE, "encrypted (LUKS), and there is no key" } },
	{ 0, 4, "PK\x03\x04", { MAGIC_UNREADABLE, "zip data" } },
	{ 0, 4, "7z\xbc\xaf", { MAGIC_UNREADABLE, "7z data" } },
	{ 0, 4, "LZIP", { MAGIC_UNREADABLE, "lzip data" } },
	{ 0, 4, "\x04\x22\x4d\x18", { MAGIC_UNREADABLE, "lz4 data" } },
	{ 0, 4, "Rar!", { MAGIC_UNREADABLE, "rar data" } },
	{ 0, 1, "<", { MAGIC_UNREADABLE, "a page of HTML or XML" }, is_page },
	{ 32 * KiB + 1, 5, "CD001", { MAGIC_FORMAT, "iso" } },
};

/* At the very end of the file; see the VHD specification, "Hard Disk Footer Format", and Apple's UDIF trailer. */
static const struct row tails[] = {
	{ 0, 8, "conectix", { MAGIC_FORMAT, "vhd" } },
	{ 0, 4, "koly", { MAGIC_FORMAT, "dmg" } },
};

#define N_ROWS	(sizeof(rows) / sizeof(rows[0]))
#define N_TAILS (sizeof(tails) / sizeof(tails[0]))

static bool fits(const struct row *row, const uint8_t *head, size_t count)
{
	const uint8_t mask = row->mask ? row->mask : 0xff;

	return row->offset + row->count <= count &&
	       (head[row->offset] & mask) == ((uint8_t)row->bytes[0] & mask) &&
	       memcmp(head + row->offset + 1, row->bytes + 1, row->count - 1) == 0 &&
	       (!row->is_it || row->is_it(head, count));
}

static const struct magic *find(const struct row *row, size_t n, const void *head, size_t count)
{
	for (; n > 0; n--, row++)
		if (fits(row, head, count))
			return &row->magic;
	return NULL;
}

const struct magic *magic_of_head(const void *head, size_t count)
{
	return find(rows, N_ROWS, head, count);
}

const struct magic *magic_of_tail(const void *tail)
{
	return find(tails, N_TAILS, tail, MAGIC_TAIL);
}

static bool has(const struct row *row, size_t n, enum magic_kind kind, const char *name)
{
	for (; n > 0; n--, row++)
		if (row->magic.kind == kind && strcmp(row->magic.name, name) == 0)
			return true;
	return false;
}

bool magic_knows(enum magic_kind kind, const char *name)
{
	return has(rows, N_ROWS, kind, name) || has(tails, N_TAILS, kind, name) ||
	       (kind == MAGIC_FORMAT && strcmp(name, "raw") == 0);
}
