/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing ext2, ext3 and ext4 by patches, as the kernel's online resize does it:
 * what is new gets its metadata in the new room, so that of the old filesystem
 * only a handful of places change, and only those are read:
 *
 *	superblock		new counts
 *	group descriptors	that of the last group, which may get longer; new ones behind the old
 *	last group's bitmap	its end was marked as used where there was no disk
 *	resize inode		owned the blocks that become descriptors
 *	old copies		of superblock and descriptors
 *
 * First everything is read, checked and thought out; then it is painted. All
 * that the geometry alone decides is computed when it is read (grown.c).
 */
#include "backends/content/ext/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/content/ext/bitmap.h"
#include "backends/content/ext/features.h"
#include "backends/content/ext/inode.h"
#include "backends/content/ext/replay.h"
#include "base/bytes.h"
#include "base/crc.h"
#include "base/size.h"

/* The descriptors that are read and kept: those of a template of some 60 TiB. */
#define DESCS_MAX (32 * MiB)

/* A block bitmap of an old group that changes. */
struct edit {
	uint32_t group;
	uint8_t *bytes; /* owned, one block */
};

struct plan {
	struct image *img; /* owned ref; the container, or what it is after recovery */
	bool is_recovered;
	struct ext_replayed replayed; /* then, by this much */
	struct ext_grown *grown;
	struct edit edits[2]; /* the last group's, and that of the block which the resize inode gives up */
	unsigned n_edits;
	uint8_t *resize_inode; /* owned; NULL when it stays as it is */
	uint64_t lists_block;  /* the block that lists the reserve (its double indirect block) */
};

static void plan_done(struct plan *p)
{
	for (unsigned i = 0; i < p->n_edits; i++)
		free(p->edits[i].bytes);
	free(p->resize_inode);
	if (p->grown)
		ext_grown_unref(p->grown);
	image_unref(p->img);
}

static const struct ext_geometry *geometry_of(const struct plan *p)
{
	return &p->grown->geometry;
}

/* Group descriptors. */

static void add_free_blocks(struct disk_ext_group *d, uint32_t more)
{
	put_le16(d->free_blocks_lo, (uint16_t)(get_le16(d->free_blocks_lo) + more));
}

static void seal_desc(const struct plan *p, uint32_t group)
{
	const struct ext_super *s = &geometry_of(p)->super;
	struct disk_ext_group *d = ext_old_desc(p->grown, group);

	if (ext_has_group_csum(s))
		put_le16(d->checksum, ext_group_checksum(s, group, d));
}

/* Block bitmaps of old groups. */

/* The bitmap of an old group, read at most once. */
static int open_bitmap(struct plan *p, uint32_t group, uint8_t **ret, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	_cleanup_free_ uint8_t *bytes = NULL;
	int r;

	for (unsigned i = 0; i < p->n_edits; i++)
		if (p->edits[i].group == group) {
			*ret = p->edits[i].bytes;
			return 0;
		}
	bytes = malloc(g->super.block_size);
	if (!bytes)
		return -ENOMEM;
	r = ext_block_bitmap_read(p->img, g, group, ext_old_desc(p->grown, group), bytes, why);
	if (r < 0)
		return r;
	*ret = bytes;
	p->edits[p->n_edits++] = (struct edit){ group, take(bytes) };
	return 0;
}

static void seal_bitmaps(struct plan *p)
{
	const struct ext_geometry *g = geometry_of(p);

	for (unsigned i = 0; i < p->n_edits; i++) {
		struct disk_ext_group *d = ext_old_desc(p->grown, p->edits[i].group);
		uint32_t csum = ext_bitmap_csum(g, p->edits[i].bytes);

		if (!ext_has_csum(&g->super))
			continue;
		put_le16(d->block_bitmap_csum_lo, (uint16_t)csum);
		if (ext_is_big(g))
			put_le16(d->block_bitmap_csum_hi, (uint16_t)(csum >> 16));
	}
}

static void clear_bits(uint8_t *bytes, uint32_t from, uint32_t to)
{
	for (; from < to; from++)
		bytes[from / 8] &= (uint8_t) ~(1u << from % 8);
}

/* The old last group may have been cut short by the end of the old filesystem. */
static int lengthen_last_group(struct plan *p, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	uint32_t group = g->old_groups - 1, have = (uint32_t)(g->old_blocks - ext_group_first(g, group));
	uint32_t want = ext_group_blocks(g, group);
	struct disk_ext_group *d = ext_old_desc(p->grown, group);
	uint8_t *bytes;
	int r;

	if (have < ext_head_blocks(g, group))
		return fail(why, -EBADMSG, "the last group of %s has no room for its descriptors",
			    ext_super_name(&g->super));
	if (want == have)
		return 0;
	if (get_le16(d->free_blocks_lo) > have)
		return fail(why, -EBADMSG, "the last group of %s claims more free blocks than it has",
			    ext_super_name(&g->super));
	/* mke2fs writes the last group's bitmap always; who doesn't has no padding in it either. */
	if (!ext_desc_is_block_uninit(g, d)) {
		r = open_bitmap(p, group, &bytes, why);
		if (r < 0)
			return r;
		clear_bits(bytes, have, want);
	}
	add_free_blocks(d, want - have);
	return 0;
}

/*
 * The resize inode. Its double indirect block lists the reserved blocks behind
 * group 0's descriptors, at the index of the descriptor block each would become;
 * each of these is an indirect block that lists its copies in other groups.
 */

static uint32_t count_copies(const struct ext_geometry *g, uint32_t groups)
{
	uint32_t n = 0;

	for (uint32_t i = ext_next_super(g, 0); i < groups; i = ext_next_super(g, i))
		n++;
	return n;
}

/* What the resize inode owns: its own block, and the rest of the reserve with all copies. */
static uint64_t reserve_sectors(const struct ext_geometry *g, uint32_t groups, uint32_t desc_blocks)
{
	uint64_t blocks = 1 + (g->head_desc_blocks - desc_blocks) * (UINT64_C(1) + count_copies(g, groups));

	return blocks * (g->super.block_size / SECTOR);
}

static int read_resize_inode(struct plan *p, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	_cleanup_free_ uint8_t *bytes = malloc(g->super.inode_size);
	const struct disk_ext_inode *disk = (const struct disk_ext_inode *)bytes;
	uint64_t sectors;
	int r;

	if (!bytes)
		return -ENOMEM;
	r = ext_inode_read(p->img, g, ext_old_desc(p->grown, 0), EXT_RESIZE_INODE, bytes, why);
	if (r < 0)
		return r;
	sectors = get_le32(disk->sectors_lo) | (uint64_t)get_le16(disk->sectors_hi) << 32;
	if (sectors != reserve_sectors(g, g->old_groups, g->old_desc_blocks))
		return fail(why, -EBADMSG, "the resize inode of %s owns %" PRIu64 " sectors, not the reserve",
			    ext_super_name(&g->super), sectors);
	p->lists_block = get_le32(disk->block[EXT_DIND_BLOCK]);
	if (p->lists_block <= g->super.first_data_block + (uint64_t)g->head_desc_blocks ||
	    p->lists_block >= g->old_blocks)
		return fail(why, -EBADMSG, "the resize inode of %s has its block at %" PRIu64,
			    ext_super_name(&g->super), p->lists_block);
	p->resize_inode = take(bytes);
	return 0;
}

static uint32_t pointers_per_block(const struct ext_geometry *g)
{
	return g->super.block_size / 4;
}

/* Where the entry for the descriptor block `index` stands. */
static uint64_t reserve_entry(const struct plan *p, uint32_t index)
{
	const struct ext_geometry *g = geometry_of(p);

	return p->lists_block * g->super.block_size + 4 * (uint64_t)(index % pointers_per_block(g));
}

/*
 * The entries that go must be what they should, where no checksum has told that
 * the inode, and so the place of its list, is undamaged. Where one has, the list
 * is left unread: it lies among the data, and reading it means decoding a unit.
 */
static int check_reserve(const struct plan *p, uint32_t from, uint32_t to, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	uint8_t entries[256][4];

	while (from < to) {
		uint32_t n = (uint32_t)min_u64(to - from, pointers_per_block(g) - from % pointers_per_block(g));
		int r;

		n = (uint32_t)min_u64(n, 256);
		r = image_pread(p->img, entries, (size_t)n * 4, reserve_entry(p, from), why);
		if (r < 0)
			return r;
		for (uint32_t i = 0; i < n; i++)
			if (get_le32(entries[i]) != ext_desc_block(g, from + i))
				return fail(why, -EBADMSG,
					    "the resize inode of %s lists block %" PRIu32
					    " in place of %" PRIu64,
					    ext_super_name(&g->super), get_le32(entries[i]),
					    ext_desc_block(g, from + i));
		from += n;
	}
	return 0;
}

static void seal_resize_inode(const struct plan *p, uint32_t first_block, uint64_t sectors)
{
	const struct ext_super *s = &geometry_of(p)->super;
	struct disk_ext_inode *disk = (struct disk_ext_inode *)p->resize_inode;
	uint32_t csum;

	put_le32(disk->block[EXT_DIND_BLOCK], first_block);
	put_le32(disk->sectors_lo, (uint32_t)sectors);
	put_le16(disk->sectors_hi, (uint16_t)(sectors >> 32));
	if (!ext_has_csum(s))
		return;
	csum = ext_inode_checksum(s, EXT_RESIZE_INODE, disk);
	put_le16(disk->checksum_lo, (uint16_t)csum);
	if (ext_inode_has_checksum_hi(s, disk))
		put_le16(disk->checksum_hi, (uint16_t)(csum >> 16));
}

/* The reserve becomes descriptors as a whole: nothing is left for the resize inode, and its block is free. */
static int give_up_reserve(struct plan *p, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	uint64_t place = p->lists_block - g->super.first_data_block;
	uint32_t group = (uint32_t)(place / g->super.blocks_per_group);
	struct disk_ext_group *d = ext_old_desc(p->grown, group);
	uint8_t *bytes;
	int r;

	place %= g->super.blocks_per_group;
	if (ext_desc_is_block_uninit(g, d))
		return fail(why, -EBADMSG, "the block of the resize inode of %s is in a group without a bitmap",
			    ext_super_name(&g->super));
	r = open_bitmap(p, group, &bytes, why);
	if (r < 0)
		return r;
	if (!(bytes[place / 8] & 1u << place % 8) || get_le16(d->free_blocks_lo) >= g->super.blocks_per_group)
		return fail(why, -EBADMSG, "the block of the resize inode of %s is not in use",
			    ext_super_name(&g->super));
	clear_bits(bytes, (uint32_t)place, (uint32_t)place + 1);
	add_free_blocks(d, 1);
	seal_resize_inode(p, 0, 0);
	return 0;
}

static int change_reserve(struct plan *p, struct why *why)
{
	const struct ext_geometry *g = geometry_of(p);
	int r;

	if (!ext_has_reserve(g) || (g->new_desc_blocks == g->old_desc_blocks &&
				    count_copies(g, g->new_groups) == count_copies(g, g->old_groups)))
		return 0;
	r = read_resize_inode(p, why);
	if (r == 0 && !ext_has_csum(&g->super))
		r = check_reserve(p, g->old_desc_blocks,
				  (uint32_t)min_u64(g->new_desc_blocks, g->head_desc_blocks), why);
	if (r < 0)
		return r;
	if (g->starts_to_spread)
		return give_up_reserve(p, why);
	seal_resize_inode(p, (uint32_t)p->lists_block, reserve_sectors(g, g->new_groups, g->new_desc_blocks));
	return 0;
}

/* The superblock. */

struct counts {
	uint64_t free_blocks, free_inodes;
};

/* From the descriptors: the superblock's own counts are old where the filesystem was in use. */
static struct counts count_free(const struct plan *p)
{
	const struct ext_geometry *g = geometry_of(p);
	uint32_t more = g->new_groups - g->old_groups;
	struct counts c = { 0 };

	for (uint32_t i = 0; i < g->old_groups; i++) {
		const struct disk_ext_group *d = ext_old_desc(p->grown, i);

		c.free_blocks += get_le16(d->free_blocks_lo);
		c.free_inodes += get_le16(d->free_inodes_lo);
	}
	c.free_inodes += (uint64_t)more * g->super.inodes_per_group;
	if (more)
		c.free_blocks += g->new_blocks - ext_group_first(g, g->old_groups) -
				 (ext_heads_below(g, g->new_groups) - ext_heads_below(g, g->old_groups)) -
				 (uint64_t)more * (2 + g->itable_blocks);
	return c;
}

static void put_blocks(const struct ext_super *s, uint8_t lo[4], uint8_t hi[4], uint64_t blocks)
{
	put_le32(lo, (uint32_t)blocks);
	if (s->incompat & EXT_INCOMPAT_64BIT)
		put_le32(hi, (uint32_t)(blocks >> 32));
}

static void put_reserve(const struct ext_geometry *g, struct disk_ext_super *disk)
{
	if (g->starts_to_spread) {
		put_le32(disk->compat, g->super.compat & ~EXT_COMPAT_RESIZE_INODE);
		put_le32(disk->incompat, g->super.incompat | EXT_INCOMPAT_META_BG);
		put_le32(disk->first_meta_bg, g->head_desc_blocks);
		put_le16(disk->reserved_gdt_blocks, 0);
	} else if (!g->spread && g->super.reserved_gdt_blocks) {
		put_le16(disk->reserved_gdt_blocks, (uint16_t)(g->head_desc_blocks - g->new_desc_blocks));
	}
}

static void make_super(struct plan *p, const struct disk_ext_super *old)
{
	const struct ext_geometry *g = geometry_of(p);
	const struct ext_super *s = &g->super;
	struct disk_ext_super *disk = &p->grown->super;
	struct counts c = count_free(p);

	*disk = *old;
	put_le32(disk->inodes, g->new_groups * s->inodes_per_group);
	put_blocks(s, disk->blocks_lo, disk->blocks_hi, g->new_blocks);
	put_blocks(s, disk->reserved_blocks_lo, disk->reserved_blocks_hi,
		   (uint64_t)((unsigned __int128)s->reserved_blocks * g->new_blocks / g->old_blocks));
	put_blocks(s, disk->free_blocks_lo, disk->free_blocks_hi, c.free_blocks);
	put_le32(disk->free_inodes, (uint32_t)c.free_inodes);
	put_reserve(g, disk);
	put_le32(disk->overhead_clusters, 0); /* the kernel counts again */
	if (ext_has_csum(s))
		put_le32(disk->checksum, ext_super_checksum(disk));
}

/* Painting. */

static void paint_computed(const struct plan *p, struct map_draft *draft, uint64_t offset, uint64_t length)
{
	map_draft_computed(draft, offset, length, &p->grown->computed, offset);
}

/* Old groups' copies of superblock and head descriptors, and all of the new groups. */
static void paint_groups(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);
	uint64_t block_size = g->super.block_size, first;
	uint32_t in_head = (uint32_t)min_u64(g->new_desc_blocks, g->head_desc_blocks);

	for (uint32_t i = ext_next_super(g, 0); i < g->old_groups; i = ext_next_super(g, i)) {
		bool descs = !ext_group_spreads(g, i);

		paint_computed(p, draft, ext_group_first(g, i) * block_size,
			       (1 + (descs ? in_head : 0)) * block_size);
	}
	if (g->new_groups == g->old_groups)
		return;
	first = ext_group_first(g, g->old_groups);
	paint_computed(p, draft, first * block_size, (g->new_blocks - first) * block_size);
}

/* The descriptor's original, and with it all that follow in its block. */
static void paint_descs(const struct plan *p, struct map_draft *draft, uint32_t group, uint32_t count)
{
	const struct ext_geometry *g = geometry_of(p);
	uint64_t at = ext_desc_block(g, group / g->desc_per_block) * g->super.block_size;

	at += (uint64_t)(group % g->desc_per_block) * g->super.desc_size;
	paint_computed(p, draft, at, (uint64_t)count * g->super.desc_size);
}

/* In old groups, copies of the last old descriptor's block where it is a spread one. */
static void paint_spread_copies(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);
	uint32_t last = g->old_groups - 1, first = last - last % g->desc_per_block;
	uint32_t copies[2] = { first + 1, first + g->desc_per_block - 1 };

	if (!ext_group_spreads(g, last))
		return;
	for (int i = 0; i < 2; i++)
		if (copies[i] != first && copies[i] <= last)
			paint_computed(p, draft,
				       (ext_group_first(g, copies[i]) + ext_group_has_super(g, copies[i])) *
					       g->super.block_size,
				       g->super.block_size);
}

/* The blocks behind the old descriptors: new ones, then the reserve, whose lists of copies have got longer. */
static void paint_behind_descs(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);
	uint64_t first = g->super.first_data_block + UINT64_C(1), block_size = g->super.block_size;
	uint64_t end = min_u64(g->new_desc_blocks, g->head_desc_blocks) + ext_reserve_left(g);

	if (end > g->old_desc_blocks && (p->resize_inode || g->new_desc_blocks > g->old_desc_blocks))
		paint_computed(p, draft, (first + g->old_desc_blocks) * block_size,
			       (end - g->old_desc_blocks) * block_size);
}

static void paint_primary(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);
	uint32_t last = g->old_groups - 1;

	map_draft_bytes(draft, EXT_SUPER_OFFSET, &p->grown->super, sizeof(p->grown->super));
	for (unsigned i = 0; i < p->n_edits; i++)
		paint_descs(p, draft, p->edits[i].group, 1);
	paint_descs(p, draft, last, g->desc_per_block - last % g->desc_per_block);
	paint_behind_descs(p, draft);
	paint_spread_copies(p, draft);
}

static void paint_reserve(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);

	if (!p->resize_inode)
		return;
	map_draft_bytes(draft, ext_inode_offset(g, ext_old_desc(p->grown, 0), EXT_RESIZE_INODE),
			p->resize_inode, g->super.inode_size);
	if (g->starts_to_spread)
		return;
	for (uint32_t i = g->old_desc_blocks; i < g->new_desc_blocks; i++)
		map_draft_zero(draft, reserve_entry(p, i), 4);
}

static void paint(const struct plan *p, struct map_draft *draft)
{
	const struct ext_geometry *g = geometry_of(p);
	uint64_t old_end = g->old_blocks * g->super.block_size;

	if (p->is_recovered)
		map_draft_map(draft, 0, p->img->size, p->img, 0);
	map_draft_zero(draft, old_end, map_draft_size(draft) - old_end);
	paint_groups(p, draft);
	paint_primary(p, draft);
	paint_reserve(p, draft);
	for (unsigned i = 0; i < p->n_edits; i++)
		map_draft_bytes(draft,
				ext_desc_block_bitmap(g, ext_old_desc(p->grown, p->edits[i].group)) *
					g->super.block_size,
				p->edits[i].bytes, g->super.block_size);
}

static void describe_growth(const struct plan *p, struct text *describe)
{
	const struct ext_geometry *g = geometry_of(p);
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

	if (!describe)
		return;
	text_add(describe, "%s grown from %s to %s, %" PRIu32 " to %" PRIu32 " groups",
		 ext_super_name(&g->super), size_human(have, g->old_blocks * g->super.block_size),
		 size_human(want, g->new_blocks * g->super.block_size), g->old_groups, g->new_groups);
	if (p->is_recovered)
		text_add(describe, ", its journal replayed (%" PRIu32 " blocks)", p->replayed.blocks);
	if (g->starts_to_spread)
		text_add(describe,
			 ", with meta_bg from now on because the reserve of its descriptors ends at %s "
			 "(GRUB reads it since 2.04)",
			 size_human(have, ext_group_first(g, g->head_desc_blocks * g->desc_per_block) *
						  g->super.block_size));
	if (g->super.last_orphan || (g->super.ro_compat & EXT_RO_ORPHAN_PRESENT))
		text_add(describe, ", its orphans left to the next mount (e2fsck -n finds fault with them)");
}

static int read_super(struct image *img, struct disk_ext_super *ret_disk, struct ext_super *ret,
		      struct why *why)
{
	int r = ext_super_read(img, ret_disk, ret, why);

	return r == 1 ? fail(why, -EBADMSG, "there is no ext superblock") : r;
}

/* The journal may hold newer copies of what growing changes, and would undo it at the next mount. */
static int recover(struct plan *p, struct image *grown, struct disk_ext_super *ret_disk, struct ext_super *ret,
		   struct why *why)
{
	int r = read_super(grown, ret_disk, ret, why);

	if (r < 0)
		return r;
	p->is_recovered = ret->incompat & EXT_INCOMPAT_RECOVER;
	if (!p->is_recovered) {
		p->img = image_ref(grown);
		return 0;
	}
	r = ext_replay(grown, &p->img, &p->replayed, why);
	return r < 0 ? r : read_super(p->img, ret_disk, ret, why);
}

/* What the superblock alone decides. 0, 1 (fits) or an error. */
static int plan_geometry(struct plan *p, const struct ext_super *s, struct why *why)
{
	struct ext_geometry g;
	int r = ext_features_check(s, why);

	if (r == 0)
		r = ext_state_check(s, why);
	if (r == 0)
		r = ext_super_check(s, why);
	if (r == 0)
		r = ext_geometry_init(&g, s, why);
	if (r == 0)
		r = ext_geometry_grow(&g, p->img->size, why);
	if (r != 0)
		return r;
	if ((uint64_t)g.old_groups * s->desc_size > DESCS_MAX)
		return fail(why, -EOPNOTSUPP, "%s has more groups (%" PRIu32 ") than can be dealt with here",
			    ext_super_name(s), g.old_groups);
	p->grown = ext_grown_new(&g);
	return p->grown ? 0 : -ENOMEM;
}

int ext_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why)
{
	_cleanup_(plan_done) struct plan p = { 0 };
	struct disk_ext_super old;
	struct ext_super s;
	int r = recover(&p, grown, &old, &s, why);

	if (r == 0)
		r = plan_geometry(&p, &s, why);
	if (r != 0)
		return r == 1 ? CONTENT_FITS : r;
	r = ext_mmp_check(p.img, &geometry_of(&p)->super, why);
	if (r == 0)
		r = ext_descs_read(p.img, p.grown, why);
	if (r == 0)
		r = lengthen_last_group(&p, why);
	if (r == 0)
		r = change_reserve(&p, why);
	if (r < 0)
		return r;
	seal_bitmaps(&p);
	for (unsigned i = 0; i < p.n_edits; i++)
		seal_desc(&p, p.edits[i].group);
	seal_desc(&p, geometry_of(&p)->old_groups - 1);
	make_super(&p, &old);
	paint(&p, draft);
	describe_growth(&p, describe);
	return 0;
}
