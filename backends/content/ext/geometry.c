/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/geometry.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/size.h"

/* A last group with less room than this behind its tables is not worth having (mke2fs, resize2fs, the kernel).
 */
#define ROOM_WORTH_A_GROUP 50

static bool is_sparse2(const struct ext_geometry *g)
{
	return g->super.compat & EXT_COMPAT_SPARSE_SUPER2;
}

static bool is_sparse(const struct ext_geometry *g)
{
	return g->super.ro_compat & EXT_RO_SPARSE_SUPER;
}

uint64_t ext_group_first(const struct ext_geometry *g, uint32_t group)
{
	return g->super.first_data_block + (uint64_t)group * g->super.blocks_per_group;
}

uint32_t ext_group_blocks(const struct ext_geometry *g, uint32_t group)
{
	return (uint32_t)min_u64(g->super.blocks_per_group, g->new_blocks - ext_group_first(g, group));
}

static bool is_power_of(uint32_t n, uint32_t base)
{
	while (n % base == 0)
		n /= base;
	return n == 1;
}

bool ext_group_has_super(const struct ext_geometry *g, uint32_t group)
{
	if (group == 0)
		return true;
	if (is_sparse2(g))
		return group == g->super.backup_groups[0] || group == g->super.backup_groups[1];
	if (!is_sparse(g) || group == 1)
		return true;
	return group % 2 && (is_power_of(group, 3) || is_power_of(group, 5) || is_power_of(group, 7));
}

static uint64_t power_above(uint32_t n, uint32_t base)
{
	uint64_t power = base;

	while (power <= n)
		power *= base;
	return power;
}

uint32_t ext_next_super(const struct ext_geometry *g, uint32_t group)
{
	uint64_t next = UINT64_MAX;

	if (is_sparse2(g)) {
		for (int i = 0; i < 2; i++)
			if (g->super.backup_groups[i] > group)
				next = min_u64(next, g->super.backup_groups[i]);
	} else if (!is_sparse(g) || group == 0) {
		next = (uint64_t)group + 1;
	} else {
		next = min_u64(power_above(group, 3), min_u64(power_above(group, 5), power_above(group, 7)));
	}
	return (uint32_t)min_u64(next, g->new_groups);
}

bool ext_group_spreads(const struct ext_geometry *g, uint32_t group)
{
	return g->spread && group / g->desc_per_block >= g->head_desc_blocks;
}

/* A spread descriptor block stands in the first, the second and the last group of its metagroup. */
static bool holds_spread(const struct ext_geometry *g, uint32_t group)
{
	uint32_t place = group % g->desc_per_block;

	return place <= 1 || place == g->desc_per_block - 1;
}

uint32_t ext_head_blocks(const struct ext_geometry *g, uint32_t group)
{
	bool super = ext_group_has_super(g, group);

	if (ext_group_spreads(g, group))
		return super + holds_spread(g, group);
	return super ? 1 + g->head_desc_blocks : 0;
}

static uint64_t supers_below(const struct ext_geometry *g, uint32_t group)
{
	uint64_t n = 0;

	if (!is_sparse2(g) && !is_sparse(g))
		return group;
	for (uint32_t i = 0; i < group; i = ext_next_super(g, i))
		n++;
	return n;
}

/* Spread descriptor blocks and their copies in `groups` groups from the beginning of a metagroup. */
static uint64_t spread_blocks(const struct ext_geometry *g, uint32_t groups)
{
	uint32_t dpb = g->desc_per_block;

	return (uint64_t)(groups / dpb) * min_u64(3, dpb) + min_u64(2, groups % dpb);
}

uint64_t ext_heads_below(const struct ext_geometry *g, uint32_t group)
{
	uint64_t supers = supers_below(g, group), first_spread;

	if (!g->spread)
		return supers * (1 + (uint64_t)g->head_desc_blocks);
	first_spread = (uint64_t)g->head_desc_blocks * g->desc_per_block;
	if (group <= first_spread)
		return supers * (1 + (uint64_t)g->head_desc_blocks);
	return supers + supers_below(g, (uint32_t)first_spread) * g->head_desc_blocks +
	       spread_blocks(g, (uint32_t)(group - first_spread));
}

uint64_t ext_desc_block(const struct ext_geometry *g, uint32_t index)
{
	uint32_t group = index * g->desc_per_block;

	if (!g->spread || index < g->head_desc_blocks)
		return g->super.first_data_block + 1 + (uint64_t)index;
	return ext_group_first(g, group) + ext_group_has_super(g, group);
}

bool ext_has_reserve(const struct ext_geometry *g)
{
	return g->super.compat & EXT_COMPAT_RESIZE_INODE;
}

uint32_t ext_reserve_left(const struct ext_geometry *g)
{
	if (!ext_has_reserve(g) || g->spread)
		return 0;
	return g->head_desc_blocks - g->new_desc_blocks;
}

static void set_blocks(struct ext_geometry *g, uint64_t blocks)
{
	g->new_blocks = blocks;
	g->new_groups = (uint32_t)div_up(blocks - g->super.first_data_block, g->super.blocks_per_group);
	g->new_desc_blocks = (uint32_t)div_up(g->new_groups, g->desc_per_block);
	g->starts_to_spread =
		!(g->super.incompat & EXT_INCOMPAT_META_BG) && g->new_desc_blocks > g->head_desc_blocks;
	g->spread = g->starts_to_spread || (g->super.incompat & EXT_INCOMPAT_META_BG);
}

/* Which new groups share a room: as many as the filesystem's flex groups, if there is room to waste between
 * heads. */
static uint32_t flex_for(const struct ext_geometry *g, uint32_t head)
{
	uint32_t log = g->super.log_groups_per_flex;

	if (!(g->super.incompat & EXT_INCOMPAT_FLEX_BG) || log > 31 ||
	    g->super.blocks_per_group < head + 2 * (2 + (uint64_t)g->itable_blocks))
		return 1;
	return (uint32_t)min_u64(UINT64_C(1) << log, EXT_FLEX_MAX);
}

int ext_geometry_init(struct ext_geometry *g, const struct ext_super *s, struct why *why)
{
	bool meta_bg = s->incompat & EXT_INCOMPAT_META_BG;
	uint64_t head;

	*g = (struct ext_geometry){ .super = *s };
	g->desc_per_block = s->block_size / s->desc_size;
	g->itable_blocks = (uint32_t)div_up((uint64_t)s->inodes_per_group * s->inode_size, s->block_size);
	g->head_desc_blocks = UINT32_MAX; /* no descriptor is spread, as far as set_blocks is concerned */
	set_blocks(g, s->blocks);
	g->old_blocks = g->new_blocks;
	g->old_groups = g->new_groups;
	g->old_desc_blocks = g->new_desc_blocks;
	if (meta_bg && s->first_meta_bg > g->old_desc_blocks)
		return fail(why, -EBADMSG,
			    "ext superblock claims %" PRIu32 " as its first meta_bg, of %" PRIu32,
			    s->first_meta_bg, g->old_desc_blocks);
	head = 1 +
	       max_u64(1, meta_bg ? s->first_meta_bg : (uint64_t)g->old_desc_blocks + s->reserved_gdt_blocks);
	if (head + 2 + g->itable_blocks + ROOM_WORTH_A_GROUP > s->blocks_per_group)
		return fail(why, -EBADMSG,
			    "ext superblock claims %" PRIu64 " blocks of descriptors and %" PRIu32
			    " of inodes in groups of %" PRIu32 " blocks",
			    head - 1, g->itable_blocks, s->blocks_per_group);
	g->head_desc_blocks = meta_bg ? s->first_meta_bg : g->old_desc_blocks + s->reserved_gdt_blocks;
	g->flex = flex_for(g, (uint32_t)head);
	return 0;
}

/* How many blocks the numbers on disk can count. */
static uint64_t most_blocks(const struct ext_geometry *g)
{
	const struct ext_super *s = &g->super;
	uint64_t most =
		(uint64_t)(UINT32_MAX / s->inodes_per_group) * s->blocks_per_group + s->first_data_block;

	if (!(s->incompat & EXT_INCOMPAT_64BIT))
		most = min_u64(most, UINT32_MAX);
	else if (ext_has_reserve(g)) /* The reserve is listed with 32-bit block numbers. */
		most = min_u64(most, UINT64_C(1) << 32);
	return most;
}

static int fail_above(const struct ext_geometry *g, uint64_t blocks, const char *reason, struct why *why)
{
	char text[SIZE_TEXT_MAX];

	return fail(why, -EOPNOTSUPP, "%s can grow to %s at most: %s", ext_super_name(&g->super),
		    size_format(text, blocks * g->super.block_size), reason);
}

/* A last group that would hold little but its own tables is left away. */
static bool last_group_is_useless(const struct ext_geometry *g)
{
	uint64_t rest = (g->new_blocks - g->super.first_data_block) % g->super.blocks_per_group;

	return g->new_groups > g->old_groups && rest &&
	       rest < ext_head_blocks(g, g->new_groups - 1) + 2 + (uint64_t)g->itable_blocks +
			       ROOM_WORTH_A_GROUP;
}

int ext_geometry_grow(struct ext_geometry *g, uint64_t size, struct why *why)
{
	uint64_t blocks = size / g->super.block_size, most = most_blocks(g);

	if (blocks < g->old_blocks)
		return fail(why, -EBADMSG,
			    "%s takes %" PRIu64 " blocks of %" PRIu32 " bytes, but there are only %" PRIu64
			    ": truncated image",
			    ext_super_name(&g->super), g->old_blocks, g->super.block_size, blocks);
	if (blocks == g->old_blocks)
		return 1;
	/* A container of exactly 2^32 blocks is worth the loss of one. */
	if (blocks == most + 1)
		blocks = most;
	if (blocks > most)
		return fail_above(g, most, "its block and inode numbers end there", why);
	set_blocks(g, blocks);
	while (last_group_is_useless(g))
		set_blocks(g, ext_group_first(g, g->new_groups - 1));
	if (g->new_blocks <= g->old_blocks)
		return 1;
	if (!g->starts_to_spread)
		return 0;
	most = ext_group_first(g, g->head_desc_blocks * g->desc_per_block);
	/* GRUB does not look for spread descriptors there where sparse_super2 has them. */
	if (is_sparse2(g))
		return fail_above(g, most, "it has sparse_super2, and its descriptors have no more room", why);
	if (g->super.rev == 0)
		return fail_above(g, most, "it is of revision 0, and its descriptors have no more room", why);
	return 0;
}

/* The first room behind a head at or behind `group`: from where, and how far it reaches. */
static uint32_t find_room(const struct ext_geometry *g, uint32_t group, uint32_t end, uint64_t *ret_from,
			  uint64_t *ret_to)
{
	*ret_from = ext_group_first(g, group) + ext_head_blocks(g, group);
	do
		*ret_to = ext_group_first(g, group) + ext_group_blocks(g, group);
	while (++group < end && ext_head_blocks(g, group) == 0);
	return group;
}

/* Places up to `count` items of `blocks` each; returns how many fit. */
static uint32_t place(struct ext_flex *flex, uint64_t *from, uint64_t to, uint32_t item, uint32_t count,
		      uint32_t blocks)
{
	uint32_t n = (uint32_t)min_u64(count, (to - *from) / blocks);

	if (n == 0)
		return 0;
	flex->runs[flex->n_runs++] = (struct ext_run){ *from, item, n };
	*from += (uint64_t)n * blocks;
	return n;
}

void ext_flex_find(const struct ext_geometry *g, uint32_t group, struct ext_flex *flex)
{
	uint32_t mask = g->flex - 1, end, item = 0, bitmaps, next;
	uint64_t from, to;

	assert(group >= g->old_groups && group < g->new_groups);
	if (group >= flex->first && group - flex->first < flex->count)
		return;
	flex->first = (uint32_t)max_u64(group & ~mask, g->old_groups);
	end = (uint32_t)min_u64((uint64_t)(group | mask) + 1, g->new_groups);
	flex->count = end - flex->first;
	flex->n_runs = 0;
	bitmaps = 2 * flex->count;
	/*
	 * They all fit: groups are made so that each could hold its own (ext_geometry_init,
	 * last_group_is_useless), and shared rooms are only used where what is lost at the end of each does not
	 * matter (flex_for).
	 */
	for (next = flex->first; next < end && item < 3 * flex->count;) {
		next = find_room(g, next, end, &from, &to);
		if (item < bitmaps)
			item += place(flex, &from, to, item, bitmaps - item, 1);
		if (item >= bitmaps)
			item += place(flex, &from, to, item, 3 * flex->count - item, g->itable_blocks);
	}
	assert(item == 3 * flex->count);
}

uint64_t ext_run_blocks(const struct ext_geometry *g, const struct ext_flex *flex, const struct ext_run *run)
{
	return run->count * (run->item < 2 * flex->count ? UINT64_C(1) : g->itable_blocks);
}

static uint64_t item_block(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t item)
{
	for (unsigned i = 0; i < flex->n_runs; i++) {
		const struct ext_run *run = &flex->runs[i];

		if (item >= run->item && item - run->item < run->count)
			return run->block +
			       (uint64_t)(item - run->item) * (ext_run_blocks(g, flex, run) / run->count);
	}
	assert(false);
	return 0;
}

uint64_t ext_block_bitmap(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	return item_block(g, flex, group - flex->first);
}

uint64_t ext_inode_bitmap(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	return item_block(g, flex, flex->count + group - flex->first);
}

uint64_t ext_inode_table(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	return item_block(g, flex, 2 * flex->count + group - flex->first);
}

uint32_t ext_table_blocks_in(const struct ext_geometry *g, const struct ext_flex *flex, uint32_t group)
{
	uint64_t from = ext_group_first(g, group), to = from + ext_group_blocks(g, group), n = 0;

	for (unsigned i = 0; i < flex->n_runs; i++) {
		uint64_t start = max_u64(flex->runs[i].block, from);
		uint64_t end = min_u64(flex->runs[i].block + ext_run_blocks(g, flex, &flex->runs[i]), to);

		if (start < end)
			n += end - start;
	}
	return (uint32_t)n;
}
