/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container holds, told by magics at fixed places. What can be grown has
 * a file of its own; what is known by name only stands here, so that a refusal
 * can say what it is about.
 *
 * Magics stand in a few places of the first 66 KiB, which are read once, each when first
 * asked for. Records at the end of the container would cost a template its last block decoded: what is
 * proved zero is not read, nor where the content that stands at the start takes the place itself.
 */
#include "backends/content/content.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "base/bytes.h"

/* Where magics stand, with what is looked at behind them. In the container. */
static const struct {
	uint32_t start, end; /* bytes */
} places[] = {
	{ 0, 8 * KiB },		{ 8 * KiB, 10 * KiB },		 { 16 * KiB - SECTOR, 16 * KiB + SECTOR },
	{ 32 * KiB, 34 * KiB }, { 64 * KiB - SECTOR, 66 * KiB },
};

#define N_PLACES (sizeof(places) / sizeof(places[0]))

struct piece {
	uint64_t length; /* bytes that there are of it */
	bool tried;
	uint8_t bytes[8 * KiB];
};

struct head {
	struct image *container;
	struct piece piece[N_PLACES];
	const struct content *found; /* at the start; NULL: not known yet, or nothing */
	struct why *why;	     /* borrowed from the caller */
	int error;
};

struct magic {
	uint64_t at;
	const char *bytes;
	size_t length;
};

struct kind {
	/* For what has a file of its own: with magics it is asked where one was found, without always. */
	const struct content_ops *ops;
	struct content_ops named;
	/* Any one of them will do. Ends with a `bytes` of NULL. */
	struct magic magic[5];
	/* Optional: looks closer where the magic was found; false: it isn't this kind. */
	bool (*look)(struct head *h, const struct magic *m, struct content *ret);
	/* Optional, in place of magics: what stands at the end of the container. */
	bool (*look_at_end)(struct head *h, struct content *ret);
};

static int piece_load(struct head *h, size_t place)
{
	const uint64_t start = places[place].start;
	struct piece *p = &h->piece[place];

	if (p->tried)
		return 0;
	p->tried = true;
	if (start >= h->container->size)
		return 0;
	p->length = min_u64(places[place].end, h->container->size) - start;
	return image_pread(h->container, p->bytes, p->length, start, h->why);
}

/* The bytes at that place; NULL when the container ends before, or after an error, which the head remembers. */
static const uint8_t *head_at(struct head *h, uint64_t at, size_t length)
{
	size_t i = 0;

	while (at >= places[i].end)
		i++;
	assert(at >= places[i].start && length <= places[i].end - at);
	if (!h->error)
		h->error = piece_load(h, i);
	if (h->error || !range_ok(at - places[i].start, length, h->piece[i].length))
		return NULL;
	return h->piece[i].bytes + (at - places[i].start);
}

/* Reads a few bytes anywhere. False when they are not inside, proved zero, or can't be had. */
static bool head_read(struct head *h, void *buf, size_t count, uint64_t at)
{
	struct extent e;

	if (h->error || !range_ok(at, count, h->container->size))
		return false;
	e = image_extent(h->container, at);
	if (e.kind != EXTENT_DATA && e.length >= count)
		return false;
	h->error = image_pread(h->container, buf, count, at, h->why);
	return h->error == 0;
}

/* Closer looks. */

#define MD_MAGIC UINT32_C(0xa92b4efc)

static void describe_md1(const uint8_t disk_super[256], struct content *ret)
{
	content_set_uuid(ret, disk_super + 16);
	content_set_label(ret, disk_super + 32, 32);
}

static bool md_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, m->at, 256);

	if (!disk_super || get_le32(disk_super + 4) != 1)
		return false;
	describe_md1(disk_super, ret);
	return true;
}

/* A raid's records lie behind all that it holds. */
static bool is_taken(const struct head *h, uint64_t at)
{
	return h->found && at < h->found->size;
}

/* Version 1.0 stands 8 to 12 KiB before the end, and says where, in sectors. */
static bool md_1_0_at_end(struct head *h, struct content *ret)
{
	uint64_t sectors = h->container->size / SECTOR, at;
	uint8_t disk_super[256];

	if (sectors < 24)
		return false;
	at = align_down(sectors - 16, 8);
	if (is_taken(h, at * SECTOR) || !head_read(h, disk_super, sizeof(disk_super), at * SECTOR) ||
	    get_le32(disk_super) != MD_MAGIC || get_le32(disk_super + 4) != 1 ||
	    get_le64(disk_super + 144) != at)
		return false;
	describe_md1(disk_super, ret);
	return true;
}

/* Version 0.90 in the last whole 64 KiB, in the byte order of the machine that made it. */
static bool md_0_90_at_end(struct head *h, struct content *ret)
{
	uint64_t end = align_down(h->container->size, 64 * KiB);
	uint8_t disk_super[8];

	return end >= 128 * KiB && !is_taken(h, end - 64 * KiB) &&
	       head_read(h, disk_super, sizeof(disk_super), end - 64 * KiB) &&
	       (get_le32(disk_super) == MD_MAGIC || get_be32(disk_super) == MD_MAGIC) &&
	       bytes_are_zero(disk_super + 4, 4);
}

static bool md_at_end(struct head *h, struct content *ret)
{
	return md_1_0_at_end(h, ret) || md_0_90_at_end(h, ret);
}

/*
 * FreeBSD's mirrors, stripes and encryption keep their records in the last sector, which may well lie behind the last
 * block of a filesystem that knows nothing of them. What grows here is none of those that FreeBSD puts into a mirror.
 */
static bool geom_at_end(struct head *h, struct content *ret)
{
	uint8_t buf[6];
	uint64_t sectors = h->container->size / SECTOR;

	if (h->found && h->found->ops->grow && !h->found->ops->only_named)
		return false;
	return sectors > 1 && head_read(h, buf, sizeof(buf), (sectors - 1) * SECTOR) &&
	       memcmp(buf, "GEOM::", 6) == 0;
}

static bool luks_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_header = head_at(h, 0, 208);

	if (!disk_header)
		return false;
	if (get_be16(disk_header + 6) == 2)
		content_set_label(ret, disk_header + 24, 48);
	for (size_t i = 0; i < 36 && disk_header[168 + i] > ' ' && disk_header[168 + i] < 0x7f; i++)
		ret->uuid[i] = (char)disk_header[168 + i];
	return true;
}

static bool squashfs_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, 0, 96);

	if (!disk_super)
		return false;
	ret->size = get_le64(disk_super + 40);
	return true;
}

static bool f2fs_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, 1024, 124 + 2 * 128);
	uint32_t shift = disk_super ? get_le32(disk_super + 16) : 0;

	if (shift < 9 || shift > 16)
		return false;
	content_set_size(ret, get_le64(disk_super + 36), UINT64_C(1) << shift);
	content_set_uuid(ret, disk_super + 108);
	content_set_label_utf16(ret, disk_super + 124, 128, /* big_endian= */ false);
	return true;
}

/* Reads the one sector behind the content, where the hash tree of dm-verity would start: 4 KiB at the least. */
static bool verity_behind(struct head *h, uint64_t content_size)
{
	uint8_t magic[8];

	return content_size && range_ok(content_size, 4 * KiB, h->container->size) &&
	       head_read(h, magic, sizeof(magic), align_up(content_size, SECTOR)) &&
	       memcmp(magic, "verity\0\0", 8) == 0;
}

/* The kinds. */

#define MAGIC(place, chars)                         \
	{                                           \
		(place), (chars), sizeof(chars) - 1 \
	}
#define NOT_YET(what)	 "growing " what " is not built yet"
#define NOT_AT_ALL(what) what " can't be grown offline"
#define INSIDE(what)	 what " can only be grown from inside the guest"

/*
 * Probing order: what wraps a filesystem comes before filesystems, for its first
 * bytes may be those of what it wraps; a raid's records at the end, which are asked for last, before all.
 * Then those whose maker may leave an older ext superblock in place; ext, which
 * leaves what others had behind 4 KiB; and the magics from 32 KiB on last.
 */
static const struct kind kinds[] = {
	{
		.named = { .name = "mdraid",
			   .type = "linux_raid_member",
			   .why_not = "this member of a raid array has its records at the end, where they have "
				      "to stay",
			   .at_end = true },
		.look_at_end = md_at_end,
	},
	{
		.named = { .name = "geom",
			   .why_not =
				   "FreeBSD's geom has its records in the last sector, where they have to stay",
			   .at_end = true },
		.look_at_end = geom_at_end,
	},
	{
		.named = { .name = "mdraid",
			   .type = "linux_raid_member",
			   .why_not = INSIDE("a member of a raid array") },
		.magic = { MAGIC(0, "\xfc\x4e\x2b\xa9"), MAGIC(4096, "\xfc\x4e\x2b\xa9") },
		.look = md_look,
	},
	{
		.named = { .name = "luks",
			   .type = "crypto_LUKS",
			   .why_not =
				   "it is encrypted: its filesystem can only be grown from inside the guest" },
		.magic = { MAGIC(0, "LUKS\xba\xbe") },
		.look = luks_look,
	},
	{
		.named = { .name = "bitlocker",
			   .type = "BitLocker",
			   .why_not = "it is encrypted: only Windows can grow it" },
		.magic = { MAGIC(3, "-FVE-FS-") },
	},
	{
		.ops = &lvm_content,
		.magic = { MAGIC(0, "LABELONE"), MAGIC(512, "LABELONE"), MAGIC(1024, "LABELONE"),
			   MAGIC(1536, "LABELONE") },
	},
	{
		.named = { .name = "vdo", .why_not = INSIDE("a vdo volume") },
		.magic = { MAGIC(0, "dmvdo001") },
	},
	{
		.named = { .name = "bcache", .why_not = INSIDE("a bcache device") },
		.magic = { MAGIC(4096 + 24,
				 "\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81") },
	},
	{
		.named = { .name = "dm-verity",
			   .type = "DM_verity_hash",
			   .why_not = "it is sealed by a hash tree" },
		.magic = { MAGIC(0, "verity\0\0") },
	},
	{
		/* The first name of the nvlist at 16 KiB, XDR. */
		.named = { .name = "zfs", .type = "zfs_member", .why_not = INSIDE("a zfs pool") },
		.magic = { MAGIC(16 * KiB + 20, "\0\0\0\7version") },
	},
	{
		.ops = &xfs_content,
		.magic = { MAGIC(0, "XFSB") },
	},
	{
		.ops = &ntfs_content,
		.magic = { MAGIC(3, "NTFS    ") },
	},
	{
		.ops = &exfat_content,
		.magic = { MAGIC(3, "EXFAT   ") },
	},
	{
		.named = { .name = "refs", .type = "ReFS", .why_not = INSIDE("refs") },
		.magic = { MAGIC(3, "ReFS\0\0\0\0") },
	},
	{
		.ops = &fat_content,
		.magic = { MAGIC(82, "FAT32   "), MAGIC(54, "FAT12"), MAGIC(54, "FAT16"),
			   MAGIC(54, "FAT     ") },
	},
	{
		.ops = &swap_content,
		.magic = { MAGIC(4 * KiB - 10, "SWAPSPACE2"), MAGIC(8 * KiB - 10, "SWAPSPACE2"),
			   MAGIC(16 * KiB - 10, "SWAPSPACE2") },
	},
	{
		.named = { .name = "hibernation image",
			   .type = "swsuspend",
			   .why_not = "it holds the memory of a suspended guest",
			   .stays = "the suspended guest in it knows the partitions by their places" },
		.magic = { MAGIC(4 * KiB - 10, "S1SUSPEND"), MAGIC(4 * KiB - 10, "S2SUSPEND"),
			   MAGIC(4 * KiB - 10, "ULSUSPEND"), MAGIC(4 * KiB - 10, "LINHIB0001") },
	},
	{
		.named = { .name = "apfs", .why_not = INSIDE("apfs") },
		.magic = { MAGIC(32, "NXSB") },
	},
	{
		.named = { .name = "f2fs", .why_not = NOT_YET("f2fs") },
		.magic = { MAGIC(1024, "\x10\x20\xf5\xf2") },
		.look = f2fs_look,
	},
	{
		.named = { .name = "bcachefs", .why_not = INSIDE("bcachefs") },
		.magic = { MAGIC(4096 + 24,
				 "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef") },
	},
	{
		.named = { .name = "erofs", .why_not = NOT_AT_ALL("read-only erofs"), .read_only = true },
		.magic = { MAGIC(1024, "\xe2\xe1\xf5\xe0") },
	},
	{
		.named = { .name = "squashfs", .why_not = NOT_AT_ALL("read-only squashfs"), .read_only = true },
		.magic = { MAGIC(0, "hsqs") },
		.look = squashfs_look,
	},
	{ .ops = &ext_content },
	{
		.named = { .name = "nilfs2", .why_not = INSIDE("nilfs2") },
		.magic = { MAGIC(1030, "\x34\x34") },
	},
	{
		.named = { .name = "hfs+", .type = "hfsplus", .why_not = INSIDE("hfs+") },
		.magic = { MAGIC(1024, "H+\0\4"), MAGIC(1024, "HX\0\5") },
	},
	{
		.ops = &swap_content,
		.magic = { MAGIC(64 * KiB - 10, "SWAPSPACE2") },
	},
	{
		.named = { .name = "jfs", .why_not = INSIDE("jfs") },
		.magic = { MAGIC(32 * KiB, "JFS1") },
	},
	{
		.ops = &iso9660_content,
		.magic = { MAGIC(32 * KiB + 1, "CD001") },
	},
	{
		.ops = &btrfs_content,
		.magic = { MAGIC(64 * KiB + 64, "_BHRfS_M") },
	},
	{
		.named = { .name = "reiserfs", .why_not = NOT_AT_ALL("reiserfs") },
		.magic = { MAGIC(64 * KiB + 52, "ReIsErFs"), MAGIC(64 * KiB + 52, "ReIsEr2Fs"),
			   MAGIC(64 * KiB + 52, "ReIsEr3Fs") },
	},
	{
		/* FreeBSD's rc.d/growfs does it on the first boot. */
		.named = { .name = "ufs", .why_not = INSIDE("ufs") },
		.magic = { MAGIC(64 * KiB + 1372, "\x19\x01\x54\x19"),
			   MAGIC(8 * KiB + 1372, "\x54\x19\x01\x00") },
	},
};

static const struct kind verity_kind = {
	.named = { .name = "dm-verity",
		   .type = "DM_verity_hash",
		   .why_not = "a hash tree that seals it stands behind the filesystem" },
};

static const struct magic *find_magic(const struct kind *k, struct head *h, const struct magic *from)
{
	for (const struct magic *m = from; m < k->magic + 5 && m->bytes; m++) {
		const uint8_t *bytes = head_at(h, m->at, m->length);

		if (bytes && memcmp(bytes, m->bytes, m->length) == 0)
			return m;
	}
	return NULL;
}

/* 0: it is; 1: it isn't; or an error. */
static int probe_named(const struct kind *k, struct head *h, struct content *ret)
{
	ret->ops = &k->named;
	if (k->look_at_end)
		return k->look_at_end(h, ret) ? 0 : h->error ? h->error : 1;
	for (const struct magic *m = k->magic; (m = find_magic(k, h, m)); m++)
		if (!k->look || k->look(h, m, ret))
			return 0;
	return h->error ? h->error : 1;
}

static int probe_kind(const struct kind *k, struct head *h, struct content *ret)
{
	if (!k->ops)
		return probe_named(k, h, ret);
	if (k->magic[0].bytes && !find_magic(k, h, k->magic))
		return h->error ? h->error : 1;
	return k->ops->probe(h->container, ret, h->why);
}

/* Of the kinds that are told at the end, or of those that are told at the start, the first that it is. */
static int probe_kinds(struct head *h, bool at_end, struct content *ret)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct content c = { 0 };
		int r;

		if ((kinds[i].look_at_end != NULL) != at_end)
			continue;
		r = probe_kind(&kinds[i], h, &c);
		if (r == 1)
			continue;
		if (r == 0)
			*ret = c;
		return r;
	}
	return 1;
}

/* A raid comes before what it holds, damaged or not. */
static int probe(struct head *h, struct content *ret)
{
	struct content start = { 0 }, end = { 0 };
	int r = probe_kinds(h, /* at_end= */ false, &start), r_end;

	if (r == 0)
		h->found = &start;
	else if (r != 1 && r != -EBADMSG && r != -EOPNOTSUPP)
		return r;
	r_end = probe_kinds(h, /* at_end= */ true, &end);
	if (r_end == 0)
		start = end;
	if (r_end != 1)
		r = r_end;
	if (r == 0 && verity_behind(h, start.size))
		start.ops = &verity_kind.named;
	h->found = NULL;
	if (r == 0 && h->error)
		r = h->error;
	if (r == 0)
		*ret = start;
	return r;
}

int content_probe(struct image *container, struct content *ret, struct why *why)
{
	_cleanup_free_ struct head *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->container = container;
	h->why = why;
	return probe(h, ret);
}

const char *content_type(const struct content *c)
{
	return c->kind ?: c->ops->type ?: c->ops->name;
}
