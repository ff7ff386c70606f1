/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The checks look where QEMU would (its block/ directory), and a bit further: what is refused
 * here in excess is an image that no tool makes.
 *
 *	vmdk       header, text descriptor: VMware's "Virtual Disk Format 5.0"
 *	vdi        header: VirtualBox's VDICore.h, as QEMU's block/vdi.c has it
 *	vhd        footer, its copy in front: "Virtual Hard Disk Image Format Specification" 1.0
 *	vhdx       vhdx.h
 *	qed        header: QEMU's docs/interop/qed_spec.rst
 *	qcow2      header: QEMU's docs/interop/qcow2.txt; qcow: block/qcow.c
 *	the rest   their magic only: they have no place for names
 */
#include "backends/decode/disk_header.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/decode/vhdx.h"
#include "base/bytes.h"
#include "base/cleanup.h"

static int read_at(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	if (!range_ok(offset, count, img->size))
		return fail(why, -EBADMSG, "an image of %" PRIu64 " bytes can't hold its headers", img->size);
	return image_pread(img, buf, count, offset, why);
}

static int fail_format(const char *format, struct why *why)
{
	return fail(why, -EBADMSG, "this is not a %s image", format);
}

static int fail_other(const char *what, struct why *why)
{
	return fail(why, -EOPNOTSUPP, "it names %s, and other files are not followed", what);
}

static int fail_encrypted(struct why *why)
{
	return fail(why, -EOPNOTSUPP, "it is encrypted, and there is no key");
}

/* ---- qcow2, qcow, qed ---- */

#define QCOW2_INCOMPATIBLE_DATA_FILE (UINT64_C(1) << 2)

static int check_qcow2(struct image *img, struct why *why)
{
	uint8_t h[80];
	uint32_t version;
	int r = read_at(img, h, 72, 0, why);

	if (r < 0)
		return r;
	version = get_be32(h + 4);
	if (memcmp(h, "QFI\xfb", 4) != 0 || version < 2 || version > 3)
		return fail_format("qcow2", why);
	if (get_be64(h + 8))
		return fail_other("a backing file", why);
	if (get_be32(h + 32))
		return fail_encrypted(why);
	if (version == 2)
		return 0;
	r = read_at(img, h, sizeof(h), 0, why);
	if (r < 0)
		return r;
	return get_be64(h + 72) & QCOW2_INCOMPATIBLE_DATA_FILE ? fail_other("a data file", why) : 0;
}

static int check_qcow(struct image *img, struct why *why)
{
	uint8_t h[48];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	if (memcmp(h, "QFI\xfb", 4) != 0 || get_be32(h + 4) != 1)
		return fail_format("qcow", why);
	if (get_be64(h + 8) || get_be32(h + 16))
		return fail_other("a backing file", why);
	return get_be32(h + 36) ? fail_encrypted(why) : 0;
}

#define QED_FEATURE_BACKING UINT64_C(1)

static int check_qed(struct image *img, struct why *why)
{
	uint8_t h[64];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	if (memcmp(h, "QED\0", 4) != 0)
		return fail_format("qed", why);
	return get_le64(h + 16) & QED_FEATURE_BACKING ? fail_other("a backing file", why) : 0;
}

/* ---- vdi, vhd ---- */

/* Dynamic and fixed; the others are differences to another image. */
static int check_vdi(struct image *img, struct why *why)
{
	uint8_t h[456];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	if (get_le32(h + 64) != 0xbeda107f)
		return fail_format("vdi", why);
	/* The UUIDs of what it is linked to, and of its parent. */
	if ((get_le32(h + 76) != 1 && get_le32(h + 76) != 2) || !bytes_are_zero(h + 424, 32))
		return fail_other("a parent", why);
	return 0;
}

static int check_vhd(struct image *img, struct why *why)
{
	uint8_t f[512];
	int r = read_at(img, f, sizeof(f), 0, why);

	/* A fixed one has nothing in front. */
	if (r == 0 && memcmp(f, "conectix", 8) != 0)
		r = read_at(img, f, sizeof(f), img->size - sizeof(f), why);
	if (r < 0)
		return r;
	if (memcmp(f, "conectix", 8) != 0)
		return fail_format("vhd", why);
	if (get_be32(f + 60) != 2 && get_be32(f + 60) != 3)
		return fail_other("a parent", why);
	return 0;
}

/* ---- vmdk ---- */

#define VMDK_DESCRIPTOR	     UINT64_C(512) /* where QEMU looks for a parent, whatever the header says */
#define VMDK_DESCRIPTOR_MAX  (20 * SECTOR) /* as much of it as QEMU reads */
#define VMDK_GRAINS_AT_END   UINT64_MAX
#define VMDK_FOOTER_FROM_END UINT64_C(1024)

/* "createType=\"x\"" -> x; false when there is no such line. `line` ends with NUL. */
static bool vmdk_value(const char *line, const char *key, char *ret, size_t room)
{
	const size_t n = strlen(key);
	const char *value = line + n, *end;

	if (strncasecmp(line, key, n) != 0)
		return false;
	value += strspn(value, " \t=\"");
	end = value + strcspn(value, "\" \t\r");
	if ((size_t)(end - value) >= room)
		return false;
	memcpy(ret, value, (size_t)(end - value));
	ret[end - value] = '\0';
	return true;
}

static bool is_extent_line(const char *line)
{
	return strncasecmp(line, "RW ", 3) == 0 || strncasecmp(line, "RDONLY ", 7) == 0 ||
	       strncasecmp(line, "NOACCESS ", 9) == 0;
}

struct descriptor {
	unsigned n_extents;
	bool is_sparse; /* its one extent is */
	bool is_known, has_parent;
};

static void vmdk_read_line(const char *line, struct descriptor *d)
{
	char value[64];

	if (vmdk_value(line, "createType", value, sizeof(value)))
		d->is_known = strcmp(value, "monolithicSparse") == 0 || strcmp(value, "streamOptimized") == 0;
	if (vmdk_value(line, "parentCID", value, sizeof(value)) && strcasecmp(value, "ffffffff") != 0)
		d->has_parent = true;
	if (is_extent_line(line)) {
		d->n_extents++;
		d->is_sparse = strstr(line, " SPARSE ");
	}
}

/* `text` has room for a NUL behind its `count` bytes. */
static int vmdk_check_text(char *text, size_t count, struct why *why)
{
	struct descriptor d = { 0 };

	/* Wherever: QEMU doesn't look for lines either. */
	if (memmem(text, count, "parentFileNameHint", strlen("parentFileNameHint")))
		return fail_other("a parent", why);
	text[count] = '\0';
	for (char *save, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		vmdk_read_line(line + strspn(line, " \t"), &d);
	if (d.has_parent)
		return fail_other("a parent", why);
	if (!d.is_known || d.n_extents != 1 || !d.is_sparse)
		return fail(
			why, -EOPNOTSUPP,
			"its descriptor has other files for extents, or is missing; only monolithicSparse and "
			"streamOptimized images can be read");
	return 0;
}

static int vmdk_check_descriptor(struct image *img, uint64_t at, uint64_t sectors, struct why *why)
{
	_cleanup_free_ char *text = malloc(VMDK_DESCRIPTOR_MAX + 1);
	uint64_t count = min_u64(sectors, VMDK_DESCRIPTOR_MAX / SECTOR) * SECTOR;
	int r;

	if (!text)
		return -ENOMEM;
	if (at >= img->size)
		return fail(why, -EBADMSG, "its descriptor lies outside");
	count = min_u64(count, img->size - at);
	r = read_at(img, text, count, at, why);
	return r < 0 ? r : vmdk_check_text(text, count, why);
}

static int fail_vmdk(struct why *why)
{
	return fail(why, -EOPNOTSUPP,
		    "it is no vmdk image, or one in several files; only monolithicSparse and streamOptimized "
		    "images can be read");
}

/* A header without a capacity makes QEMU follow the descriptor, and open what that names. */
static int vmdk_check_header(const uint8_t *h, struct why *why)
{
	if (memcmp(h, "KDMV", 4) != 0)
		return fail_vmdk(why);
	return get_le64(h + 12) ? 0 : fail_other("its extents in a descriptor", why);
}

static int check_vmdk(struct image *img, struct why *why)
{
	uint8_t h[512], footer[512];
	/* A descriptor alone is that short. */
	int r = img->size < sizeof(h) ? fail_vmdk(why) : read_at(img, h, sizeof(h), 0, why);

	if (r == 0)
		r = vmdk_check_header(h, why);
	if (r == 0 && get_le64(h + 56) == VMDK_GRAINS_AT_END) {
		if (img->size < VMDK_FOOTER_FROM_END)
			return fail(why, -EBADMSG, "it ends before its footer");
		r = read_at(img, footer, sizeof(footer), img->size - VMDK_FOOTER_FROM_END, why);
		if (r == 0 && memcmp(footer, "KDMV", 4) != 0)
			return fail(why, -EBADMSG, "it ends before its footer");
		if (r == 0)
			r = vmdk_check_header(footer, why);
	}
	if (r < 0)
		return r;
	if (get_le64(h + 28) > UINT64_MAX / SECTOR)
		return fail(why, -EBADMSG, "its descriptor lies outside");
	r = vmdk_check_descriptor(img, get_le64(h + 28) * SECTOR, get_le64(h + 36), why);
	/* What QEMU would take for the descriptor. */
	if (r == 0 && get_le64(h + 28) * SECTOR != VMDK_DESCRIPTOR)
		r = vmdk_check_descriptor(img, VMDK_DESCRIPTOR, VMDK_DESCRIPTOR_MAX / SECTOR, why);
	return r;
}

/* ---- what can't name anything ---- */

static int check_parallels(struct image *img, struct why *why)
{
	char h[64];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	if (memcmp(h, "WithoutFreeSpace", 16) != 0 && memcmp(h, "WithouFreSpacExt", 16) != 0)
		return fail_format("parallels", why);
	return 0;
}

static int check_dmg(struct image *img, struct why *why)
{
	char trailer[512];
	int r;

	if (img->size < sizeof(trailer))
		return fail_format("dmg", why);
	r = read_at(img, trailer, sizeof(trailer), img->size - sizeof(trailer), why);
	if (r < 0)
		return r;
	return memcmp(trailer, "koly", 4) == 0 ? 0 : fail_format("dmg", why);
}

static int check_cloop(struct image *img, struct why *why)
{
	static const char magic[] =
		"#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t iso9660 /dev/cloop $1\n";
	char h[sizeof(magic) - 1];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	return memcmp(h, magic, sizeof(h)) == 0 ? 0 : fail_format("cloop", why);
}

/* Undoable and volatile ones are differences to another image. */
static int check_bochs(struct image *img, struct why *why)
{
	char h[64];
	int r = read_at(img, h, sizeof(h), 0, why);

	if (r < 0)
		return r;
	if (strncmp(h, "Bochs Virtual HD Image", 32) != 0)
		return fail_format("bochs", why);
	if (strncmp(h + 32, "Redolog", 16) != 0 || strncmp(h + 48, "Growing", 16) != 0)
		return fail_other("another image", why);
	return 0;
}

int disk_header_check(struct image *img, const char *format, struct why *why)
{
	static const struct {
		const char *format;
		int (*check)(struct image *img, struct why *why);
	} checks[] = {
		{ "vmdk", check_vmdk },	  { "vdi", check_vdi },	    { "vhd", check_vhd },
		{ "vhdx", vhdx_check },	  { "qed", check_qed },	    { "parallels", check_parallels },
		{ "dmg", check_dmg },	  { "qcow2", check_qcow2 }, { "qcow", check_qcow },
		{ "cloop", check_cloop }, { "bochs", check_bochs },
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		if (strcmp(checks[i].format, format) == 0)
			return checks[i].check(img, why);
	return fail(why, -EOPNOTSUPP, "there is no reader for '%s'", format);
}
