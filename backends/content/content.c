/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a container holds, told by magics at fixed places. What can be grown has
 * a file of its own; what is known by name only stands here, so that a refusal
 * can say what it is about.
 *
 * Nearly all magics stand in the first 20 KiB, which are read once, when first
 * asked for; a second read takes the few from 32 to 68 KiB. Records at the end
 * of the container would cost a template its last block decoded: what is proved
 * zero is not read.
 */
#include "backends/content/content.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"

/* Two pieces of the container, each read when first needed. Places are in the container. */
#define NEAR_START 0
#define NEAR_END   (20 * KiB)
#define FAR_START  (32 * KiB)
#define FAR_END	   (68 * KiB)

struct piece {
	uint64_t start, length; /* bytes */
	bool tried;
	uint8_t bytes[FAR_END - FAR_START];
};

struct head {
	struct image *container;
	struct piece near, far;
	struct why *why; /* borrowed from the caller */
	int error;
};

struct kind {
	/* For what has a file of its own; then nothing else is set. */
	const struct content_ops *ops;
	struct content_ops named;
	/* Any one of them will do. Ends with a `bytes` of NULL. */
	struct magic {
		uint64_t at;
		const char *bytes;
		size_t length;
	} magic[5];
	/* Optional: looks closer where the magic was found; false: it isn't this kind. */
	bool (*look)(struct head *h, const struct magic *m, struct content *ret);
	/* Optional, in place of magics: what stands at the end of the container. */
	bool (*look_at_end)(struct head *h, struct content *ret);
};

static int piece_load(struct head *h, struct piece *p, uint64_t start, uint64_t end)
{
	if (p->tried)
		return 0;
	p->tried = true;
	p->start = start;
	if (start >= h->container->size)
		return 0;
	p->length = min_u64(end, h->container->size) - start;
	return image_pread(h->container, p->bytes, p->length, start, h->why);
}

/* The bytes at that place; NULL when the container ends before, or after an error, which the head remembers. */
static const uint8_t *head_at(struct head *h, uint64_t at, size_t length)
{
	struct piece *p = at < NEAR_END ? &h->near : &h->far;

	if (h->error)
		return NULL;
	h->error =
		at < NEAR_END ? piece_load(h, p, NEAR_START, NEAR_END) : piece_load(h, p, FAR_START, FAR_END);
	if (h->error || at < p->start || !range_ok(at - p->start, length, p->length))
		return NULL;
	return p->bytes + (at - p->start);
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

static void set_label(struct content *c, const uint8_t *text, size_t length)
{
	size_t n = 0;

	for (; n < length && n < sizeof(c->label) - 1 && text[n]; n++)
		c->label[n] = text[n] < 0x20 || text[n] >= 0x7f ? '?' : (char)text[n];
	while (n && c->label[n - 1] == ' ')
		n--;
	c->label[n] = '\0';
}

static void set_uuid(struct content *c, const uint8_t u[16])
{
	(void)snprintf(c->uuid, sizeof(c->uuid),
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
		       u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

/* A size that a damaged header blew up counts as not said. */
static void set_size(struct content *c, uint64_t n, uint64_t of)
{
	if (__builtin_mul_overflow(n, of, &c->size))
		c->size = 0;
}

/* Closer looks. */

#define MD_MAGIC UINT32_C(0xa92b4efc)

static void describe_md1(const uint8_t disk_super[256], struct content *ret)
{
	set_uuid(ret, disk_super + 16);
	set_label(ret, disk_super + 32, 32);
}

static bool md_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, m->at, 256);

	if (!disk_super || get_le32(disk_super + 4) != 1)
		return false;
	describe_md1(disk_super, ret);
	return true;
}

/* Version 1.0 stands 8 to 12 KiB before the end, and says where, in sectors. */
static bool md_1_0_at_end(struct head *h, struct content *ret)
{
	uint64_t sectors = h->container->size / SECTOR, at;
	uint8_t disk_super[256];

	if (sectors < 24)
		return false;
	at = align_down(sectors - 16, 8);
	if (!head_read(h, disk_super, sizeof(disk_super), at * SECTOR) || get_le32(disk_super) != MD_MAGIC ||
	    get_le32(disk_super + 4) != 1 || get_le64(disk_super + 144) != at)
		return false;
	describe_md1(disk_super, ret);
	return true;
}

/* Version 0.90 in the last whole 64 KiB, in the byte order of the machine that made it. */
static bool md_0_90_at_end(struct head *h, struct content *ret)
{
	uint64_t end = align_down(h->container->size, 64 * KiB);
	uint8_t disk_super[8];

	return end >= 128 * KiB && head_read(h, disk_super, sizeof(disk_super), end - 64 * KiB) &&
	       (get_le32(disk_super) == MD_MAGIC || get_be32(disk_super) == MD_MAGIC) &&
	       bytes_are_zero(disk_super + 4, 4);
}

static bool md_at_end(struct head *h, struct content *ret)
{
	return md_1_0_at_end(h, ret) || md_0_90_at_end(h, ret);
}

/* FreeBSD's mirrors, stripes and encryption keep their records in the last sector. */
static bool geom_at_end(struct head *h, struct content *ret)
{
	uint8_t buf[6];
	uint64_t sectors = h->container->size / SECTOR;

	return sectors > 1 && head_read(h, buf, sizeof(buf), (sectors - 1) * SECTOR) &&
	       memcmp(buf, "GEOM::", 6) == 0;
}

static bool luks_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_header = head_at(h, 0, 208);

	if (!disk_header)
		return false;
	if (get_be16(disk_header + 6) == 2)
		set_label(ret, disk_header + 24, 48);
	for (size_t i = 0; i < 36 && disk_header[168 + i] > ' ' && disk_header[168 + i] < 0x7f; i++)
		ret->uuid[i] = (char)disk_header[168 + i];
	return true;
}

static bool xfs_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, 0, 120);

	if (!disk_super)
		return false;
	set_size(ret, get_be64(disk_super + 8), get_be32(disk_super + 4));
	set_uuid(ret, disk_super + 32);
	set_label(ret, disk_super + 108, 12);
	return true;
}

static bool btrfs_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_super = head_at(h, 64 * KiB, 0x22b);

	if (!disk_super)
		return false;
	set_uuid(ret, disk_super + 0x20);
	set_label(ret, disk_super + 0x12b, 256);
	return true;
}

static bool ntfs_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_boot = head_at(h, 0, 512);

	if (!disk_boot || get_le16(disk_boot + 510) != 0xaa55)
		return false;
	/* One sector more than it counts: the copy of the boot sector. */
	set_size(ret, get_le64(disk_boot + 40) + 1, get_le16(disk_boot + 11));
	(void)snprintf(ret->uuid, sizeof(ret->uuid), "%016" PRIx64, get_le64(disk_boot + 72));
	return true;
}

static bool fat_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_boot = head_at(h, 0, 512), *extended;
	uint32_t sectors;

	if (!disk_boot || get_le16(disk_boot + 510) != 0xaa55 || (disk_boot[0] != 0xeb && disk_boot[0] != 0xe9))
		return false;
	extended = disk_boot + (m->at == 82 ? 64 : 36);
	sectors = get_le16(disk_boot + 19);
	set_size(ret, sectors ? sectors : get_le32(disk_boot + 32), get_le16(disk_boot + 11));
	(void)snprintf(ret->uuid, sizeof(ret->uuid), "%04x-%04x", get_le16(extended + 5),
		       get_le16(extended + 3));
	if (memcmp(extended + 7, "NO NAME    ", 11) != 0)
		set_label(ret, extended + 7, 11);
	return true;
}

static bool exfat_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_boot = head_at(h, 0, 512);

	if (!disk_boot || disk_boot[108] < 9 || disk_boot[108] > 12)
		return false;
	set_size(ret, get_le64(disk_boot + 72), UINT64_C(1) << disk_boot[108]);
	(void)snprintf(ret->uuid, sizeof(ret->uuid), "%04x-%04x", get_le16(disk_boot + 102),
		       get_le16(disk_boot + 100));
	return true;
}

/* The magic ends the first page, so it tells the page's size. */
static bool swap_look(struct head *h, const struct magic *m, struct content *ret)
{
	const uint8_t *disk_header = head_at(h, 1024, 44);

	if (!disk_header)
		return false;
	if (get_le32(disk_header) == 1)
		set_size(ret, (uint64_t)get_le32(disk_header + 4) + 1, m->at + 10);
	set_uuid(ret, disk_header + 12);
	set_label(ret, disk_header + 28, 16);
	return true;
}

/* Reads the one sector behind the content, where the hash tree of dm-verity would start. */
static bool verity_behind(struct head *h, uint64_t content_size)
{
	uint8_t magic[8];

	return content_size && content_size < h->container->size &&
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
 * bytes may be those of what it wraps; a raid's records at the end first of all.
 * Then those whose maker may leave an older ext superblock in place; ext, which
 * leaves what others had behind 4 KiB; and the magics from 32 KiB on last.
 */
static const struct kind kinds[] = {
	{
		.named = { .name = "mdraid",
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
		.named = { .name = "mdraid", .why_not = INSIDE("a member of a raid array") },
		.magic = { MAGIC(0, "\xfc\x4e\x2b\xa9"), MAGIC(4096, "\xfc\x4e\x2b\xa9") },
		.look = md_look,
	},
	{
		.named = { .name = "luks",
			   .why_not =
				   "it is encrypted: its filesystem can only be grown from inside the guest" },
		.magic = { MAGIC(0, "LUKS\xba\xbe") },
		.look = luks_look,
	},
	{
		.named = { .name = "bitlocker", .why_not = "it is encrypted: only Windows can grow it" },
		.magic = { MAGIC(3, "-FVE-FS-") },
	},
	{
		.named = { .name = "lvm2", .why_not = NOT_YET("LVM and the volumes in it") },
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
		.named = { .name = "dm-verity", .why_not = "it is sealed by a hash tree" },
		.magic = { MAGIC(0, "verity\0\0") },
	},
	{
		/* The first name of the nvlist at 16 KiB, XDR. */
		.named = { .name = "zfs", .why_not = INSIDE("a zfs pool") },
		.magic = { MAGIC(16 * KiB + 20, "\0\0\0\7version") },
	},
	{
		.named = { .name = "xfs", .why_not = NOT_YET("xfs") },
		.magic = { MAGIC(0, "XFSB") },
		.look = xfs_look,
	},
	{
		.named = { .name = "ntfs", .why_not = NOT_YET("ntfs") },
		.magic = { MAGIC(3, "NTFS    ") },
		.look = ntfs_look,
	},
	{
		.named = { .name = "exfat", .why_not = NOT_AT_ALL("exfat") },
		.magic = { MAGIC(3, "EXFAT   ") },
		.look = exfat_look,
	},
	{
		.named = { .name = "refs", .why_not = INSIDE("refs") },
		.magic = { MAGIC(3, "ReFS\0\0\0\0") },
	},
	{
		.named = { .name = "fat", .why_not = NOT_YET("fat") },
		.magic = { MAGIC(82, "FAT32   "), MAGIC(54, "FAT12"), MAGIC(54, "FAT16"),
			   MAGIC(54, "FAT     ") },
		.look = fat_look,
	},
	{
		.named = { .name = "swap", .why_not = NOT_YET("swap space") },
		.magic = { MAGIC(4 * KiB - 10, "SWAPSPACE2"), MAGIC(8 * KiB - 10, "SWAPSPACE2"),
			   MAGIC(16 * KiB - 10, "SWAPSPACE2") },
		.look = swap_look,
	},
	{
		.named = { .name = "hibernation image", .why_not = "it holds the memory of a suspended guest" },
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
	},
	{
		.named = { .name = "bcachefs", .why_not = INSIDE("bcachefs") },
		.magic = { MAGIC(4096 + 24,
				 "\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef") },
	},
	{
		.named = { .name = "erofs", .why_not = NOT_AT_ALL("read-only erofs") },
		.magic = { MAGIC(1024, "\xe2\xe1\xf5\xe0") },
	},
	{
		.named = { .name = "squashfs", .why_not = NOT_AT_ALL("read-only squashfs") },
		.magic = { MAGIC(0, "hsqs") },
	},
	{ .ops = &ext_content },
	{
		.named = { .name = "nilfs2", .why_not = INSIDE("nilfs2") },
		.magic = { MAGIC(1030, "\x34\x34") },
	},
	{
		.named = { .name = "hfs+", .why_not = INSIDE("hfs+") },
		.magic = { MAGIC(1024, "H+\0\4"), MAGIC(1024, "HX\0\5") },
	},
	{
		.named = { .name = "swap", .why_not = NOT_YET("swap space") },
		.magic = { MAGIC(64 * KiB - 10, "SWAPSPACE2") },
		.look = swap_look,
	},
	{
		.named = { .name = "jfs", .why_not = INSIDE("jfs") },
		.magic = { MAGIC(32 * KiB, "JFS1") },
	},
	{
		.named = { .name = "iso9660", .why_not = NOT_AT_ALL("read-only iso9660") },
		.magic = { MAGIC(32 * KiB + 1, "CD001") },
	},
	{
		.named = { .name = "btrfs", .why_not = NOT_YET("btrfs") },
		.magic = { MAGIC(64 * KiB + 64, "_BHRfS_M") },
		.look = btrfs_look,
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
	.named = { .name = "dm-verity", .why_not = "a hash tree that seals it stands behind the filesystem" },
};

/* 0: it is; 1: it isn't; or an error. */
static int probe_named(const struct kind *k, struct head *h, struct content *ret)
{
	ret->ops = &k->named;
	if (k->look_at_end)
		return k->look_at_end(h, ret) ? 0 : h->error ? h->error : 1;
	for (const struct magic *m = k->magic; m < k->magic + 5 && m->bytes; m++) {
		const uint8_t *bytes = head_at(h, m->at, m->length);

		if (bytes && memcmp(bytes, m->bytes, m->length) == 0 && (!k->look || k->look(h, m, ret)))
			return 0;
	}
	return h->error ? h->error : 1;
}

int content_probe(struct image *container, struct content *ret, struct why *why)
{
	_cleanup_free_ struct head *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	h->container = container;
	h->why = why;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		struct content c = { 0 };
		int r = kinds[i].ops ? kinds[i].ops->probe(container, &c, why) : probe_named(&kinds[i], h, &c);

		if (r == 1)
			continue;
		if (r == 0 && verity_behind(h, c.size))
			c.ops = &verity_kind.named;
		if (r == 0 && h->error)
			r = h->error;
		if (r == 0)
			*ret = c;
		return r;
	}
	return 1;
}
