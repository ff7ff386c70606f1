/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an ext filesystem doesn't use: the blocks that its bitmaps call free, and
 * allocated ones that nothing reads before it has written them:
 *
 *	bitmaps that were never written (INODE_UNINIT, BLOCK_UNINIT)
 *	inode tables behind the last inode that was ever used
 *	blocks reserved for descriptors in the copies of group 0's head
 *	the log of a journal that is empty
 *
 * A group whose bitmap was never written uses its head, and the tables that
 * stand in it, its own or those of others. An inode table that the kernel has yet to
 * initialize (no INODE_ZEROED) is not read either before that is done, and zeros are what it writes there.
 *
 * Groups are taken in order, each with its bitmap: a bit for each block in use.
 * Tables stand anywhere, so they are sorted first.
 */
#include "backends/content/ext/used.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/content/ext/bitmap.h"
#include "backends/content/ext/features.h"
#include "backends/content/ext/journal.h"
#include "backends/content/unused.h"
#include "base/bytes.h"

#define DESCS_MAX (32 * MiB) /* as much as growing reads */

struct stretch {
	uint64_t block, count;
};

/* Sorted, once all are in; no two overlap in a filesystem that is in order. */
struct stretches {
	struct stretch *s; /* owned */
	size_t n, room;
	size_t next; /* those before end before the group that is looked at */
};

struct search {
	struct image *img; /* borrowed */
	struct ext_grown *grown;
	struct stretches tables; /* in use, whatever a bitmap says */
	struct stretches idle;	 /* not in use, whatever a bitmap says */
	uint8_t *bitmap;	 /* one block: of the group that is looked at */
	struct unused *u;
	struct why *why;
};

static void search_done(struct search *s)
{
	if (s->grown)
		ext_grown_unref(s->grown);
	free(s->tables.s);
	free(s->idle.s);
	free(s->bitmap);
}

static const struct ext_geometry *geometry_of(const struct search *s)
{
	return &s->grown->geometry;
}

static int add_stretch(struct stretches *all, uint64_t block, uint64_t count)
{
	if (count == 0)
		return 0;
	if (all->n == all->room) {
		size_t room = all->room ? 2 * all->room : 64;
		struct stretch *grown = realloc(all->s, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		all->s = grown;
		all->room = room;
	}
	all->s[all->n++] = (struct stretch){ block, count };
	return 0;
}

static int compare_stretch(const void *a, const void *b)
{
	const struct stretch *s = a, *t = b;

	return s->block < t->block ? -1 : s->block > t->block;
}

static void sort_stretches(struct stretches *all)
{
	if (all->n)
		qsort(all->s, all->n, sizeof(*all->s), compare_stretch);
}

/* Bits. */

static void set_bits(uint8_t *bitmap, uint32_t from, uint32_t to, bool value)
{
	for (; from < to; from++)
		if (value)
			bitmap[from / 8] |= (uint8_t)(1u << from % 8);
		else
			bitmap[from / 8] &= (uint8_t) ~(1u << from % 8);
}

static bool get_bit(const uint8_t *bitmap, uint32_t at)
{
	return bitmap[at / 8] & 1u << at % 8;
}

/* The first bit from `at` on, before `end`, that is `value`. */
static uint32_t find_bit(const uint8_t *bitmap, uint32_t at, uint32_t end, bool value)
{
	const uint8_t skip = value ? 0x00 : 0xFF;

	while (at < end && get_bit(bitmap, at) != value)
		at += at % 8 == 0 && bitmap[at / 8] == skip ? 8 : 1;
	return at < end ? at : end;
}

static uint32_t count_free(const uint8_t *bitmap, uint32_t blocks)
{
	uint32_t n = 0;

	for (uint32_t at = 0; (at = find_bit(bitmap, at, blocks, false)) < blocks;) {
		uint32_t end = find_bit(bitmap, at, blocks, true);

		n += end - at;
		at = end;
	}
	return n;
}

/* What of the stretches lies in the group gets `value`. */
static void mark(const struct search *s, uint32_t group, struct stretches *all, bool value)
{
	const struct ext_geometry *g = geometry_of(s);
	uint64_t from = ext_group_first(g, group), to = from + ext_group_blocks(g, group);

	while (all->next < all->n && all->s[all->next].block + all->s[all->next].count <= from)
		all->next++;
	for (size_t i = all->next; i < all->n && all->s[i].block < to; i++) {
		uint64_t start = max_u64(all->s[i].block, from),
			 end = min_u64(all->s[i].block + all->s[i].count, to);

		if (start < end)
			set_bits(s->bitmap, (uint32_t)(start - from), (uint32_t)(end - from), value);
	}
}

/* What stands where. */

/* Whether no inode of the group was ever used, so that its inode bitmap was never written. Group 0 has some. */
static bool is_bare(const struct ext_geometry *g, uint32_t group, const struct disk_ext_group *d)
{
	return group != 0 && ext_has_group_csum(&g->super) && (get_le16(d->flags) & EXT_GROUP_INODE_UNINIT);
}

/* Inodes of the group that were ever used; only with checksums does anybody keep count. */
static uint32_t count_used_inodes(const struct ext_geometry *g, uint32_t group, const struct disk_ext_group *d)
{
	uint32_t all = g->super.inodes_per_group, unused = get_le16(d->itable_unused_lo);

	if (!ext_has_group_csum(&g->super))
		return all;
	if (is_bare(g, group, d))
		return 0;
	return unused <= all ? all - unused : all;
}

static int collect_group(struct search *s, uint32_t group)
{
	const struct ext_geometry *g = geometry_of(s);
	const struct disk_ext_group *d = ext_old_desc(s->grown, group);
	uint64_t table = ext_desc_inode_table(g, d);
	uint64_t used =
		div_up((uint64_t)count_used_inodes(g, group, d) * g->super.inode_size, g->super.block_size);
	int r = add_stretch(&s->tables, ext_desc_block_bitmap(g, d), 1);

	if (r == 0)
		r = add_stretch(&s->tables, ext_desc_inode_bitmap(g, d), 1);
	if (r == 0)
		r = add_stretch(&s->tables, table, g->itable_blocks);
	if (r == 0)
		r = add_stretch(&s->idle, table + used, g->itable_blocks - used);
	if (r == 0 && is_bare(g, group, d))
		r = add_stretch(&s->idle, ext_desc_inode_bitmap(g, d), 1);
	if (r == 0 && ext_desc_is_block_uninit(g, d))
		r = add_stretch(&s->idle, ext_desc_block_bitmap(g, d), 1);
	return r;
}

/* Blocks of a head: the copies of group 0's reserve are as empty as mke2fs left them. Group 0's list them. */
static int collect_reserve(struct search *s, uint32_t group)
{
	const struct ext_geometry *g = geometry_of(s);
	uint32_t left = g->head_desc_blocks - g->old_desc_blocks;

	if (!ext_has_reserve(g) || g->spread || group == 0 || !ext_group_has_super(g, group))
		return 0;
	return add_stretch(&s->idle, ext_group_first(g, group) + 1 + g->old_desc_blocks, left);
}

/* Of a journal in which nothing is left to replay only the superblock is read. */
static int collect_journal(struct search *s)
{
	const struct ext_geometry *g = geometry_of(s);
	struct ext_journal j;
	int r;

	if (!(g->super.compat & EXT_COMPAT_HAS_JOURNAL) || g->super.journal_inode == 0)
		return 0;
	r = ext_journal_open(s->img, g, &j, s->why);
	/* What is odd about it need not be known: it stays as it is. */
	if (r == -EOPNOTSUPP)
		return 0;
	if (r < 0)
		return r;
	for (size_t i = 0; i < j.blocks.n && j.start == 0 && r == 0; i++) {
		const struct ext_blocks_run *run = &j.blocks.runs[i];

		r = add_stretch(&s->idle, run->block + (run->first == 0), run->count - (run->first == 0));
	}
	ext_journal_done(&j);
	return r;
}

static int collect(struct search *s)
{
	int r = 0;

	for (uint32_t i = 0; i < geometry_of(s)->old_groups && r == 0; i++) {
		r = collect_group(s, i);
		if (r == 0)
			r = collect_reserve(s, i);
	}
	if (r == 0)
		r = collect_journal(s);
	sort_stretches(&s->tables);
	sort_stretches(&s->idle);
	return r;
}

/* The bitmap of a group, as it is or as it would be. */
static int load_bitmap(struct search *s, uint32_t group)
{
	const struct ext_geometry *g = geometry_of(s);
	const struct disk_ext_group *d = ext_old_desc(s->grown, group);
	uint32_t blocks = ext_group_blocks(g, group), claimed = get_le16(d->free_blocks_lo);
	int r;

	if (ext_desc_is_block_uninit(g, d)) {
		memset(s->bitmap, 0, g->super.block_size);
		set_bits(s->bitmap, 0, (uint32_t)min_u64(ext_head_blocks(g, group), blocks), true);
	} else {
		r = ext_block_bitmap_read(s->img, g, group, d, s->bitmap, s->why);
		if (r < 0)
			return r;
	}
	mark(s, group, &s->tables, true);
	if (count_free(s->bitmap, blocks) != claimed)
		return fail(s->why, -EBADMSG,
			    "group %" PRIu32 " of %s claims %" PRIu32
			    " free blocks, but its bitmap has %" PRIu32,
			    group, ext_super_name(&g->super), claimed, count_free(s->bitmap, blocks));
	return 0;
}

static int give_group(struct search *s, uint32_t group)
{
	const struct ext_geometry *g = geometry_of(s);
	uint32_t blocks = ext_group_blocks(g, group), block_size = g->super.block_size;
	uint64_t first = ext_group_first(g, group);
	int r = load_bitmap(s, group);

	if (r < 0)
		return r;
	mark(s, group, &s->idle, false);
	for (uint32_t at = 0; (at = find_bit(s->bitmap, at, blocks, false)) < blocks;) {
		uint32_t end = find_bit(s->bitmap, at, blocks, true);

		unused_add(s->u, (first + at) * block_size, (uint64_t)(end - at) * block_size);
		at = end;
	}
	return 0;
}

static int open_filesystem(struct search *s)
{
	struct disk_ext_super disk;
	struct ext_geometry g;
	struct ext_super super;
	int r = ext_super_read(s->img, &disk, &super, s->why);

	if (r == 1)
		return fail(s->why, -EBADMSG, "there is no ext superblock");
	if (r == 0)
		r = ext_features_check(&super, s->why);
	if (r < 0)
		return r;
	if (super.incompat & EXT_INCOMPAT_RECOVER)
		return fail(s->why, -EOPNOTSUPP,
			    "its journal must be replayed first: this %s was in use when the image was made",
			    ext_super_name(&super));
	r = ext_state_check(&super, s->why);
	if (r == 0)
		r = ext_super_check(&super, s->why);
	if (r == 0)
		r = ext_mmp_check(s->img, &super, s->why);
	if (r == 0)
		r = ext_geometry_init(&g, &super, s->why);
	if (r < 0)
		return r;
	if (super.blocks > s->img->size / super.block_size)
		return fail(s->why, -EBADMSG, "%s takes more than there is: truncated image",
			    ext_super_name(&super));
	if ((uint64_t)g.old_groups * super.desc_size > DESCS_MAX)
		return fail(s->why, -EOPNOTSUPP, "%s has more groups (%" PRIu32 ") than can be dealt with here",
			    ext_super_name(&super), g.old_groups);
	s->grown = ext_grown_new(&g);
	s->bitmap = malloc(super.block_size);
	return s->grown && s->bitmap ? ext_descs_read(s->img, s->grown, s->why) : -ENOMEM;
}

int ext_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	_cleanup_(search_done) struct search s = { .img = container, .u = u, .why = why };
	int r = open_filesystem(&s);

	if (r == 0)
		r = collect(&s);
	for (uint32_t i = 0; r == 0 && i < geometry_of(&s)->old_groups; i++)
		r = give_group(&s, i);
	return r;
}
