/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ext/inode.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/crc.h"

/* Pieces of one inode, and nodes read to find them: far more than any journal has. */
#define RUNS_MAX 65536

uint64_t ext_inode_offset(const struct ext_geometry *g, const struct disk_ext_group *d, uint32_t number)
{
	return ext_desc_inode_table(g, d) * g->super.block_size +
	       (uint64_t)((number - 1) % g->super.inodes_per_group) * g->super.inode_size;
}

int ext_inode_read(struct image *img, const struct ext_geometry *g, const struct disk_ext_group *d,
		   uint32_t number, uint8_t *bytes, struct why *why)
{
	const struct disk_ext_inode *disk = (const struct disk_ext_inode *)bytes;
	uint32_t csum;
	int r = image_pread(img, bytes, g->super.inode_size, ext_inode_offset(g, d, number), why);

	if (r < 0 || !ext_has_csum(&g->super))
		return r;
	csum = ext_inode_checksum(&g->super, number, bytes);
	if (get_le16(disk->checksum_lo) != (csum & 0xFFFF) ||
	    (ext_inode_has_checksum_hi(&g->super, bytes) && get_le16(disk->checksum_hi) != csum >> 16))
		return fail(why, -EBADMSG, "inode %" PRIu32 " of %s has a wrong checksum", number,
			    ext_super_name(&g->super));
	return 0;
}

/* The way down the tree of an inode's blocks. */
struct walk {
	struct image *img;
	const struct ext_geometry *g;
	uint32_t number; /* of the inode */
	uint32_t seed;	 /* of its checksums */
	uint32_t wanted; /* blocks */
	unsigned nodes;	 /* read so far */
	struct ext_blocks *ret;
	struct why *why;
};

static int fail_inode(const struct walk *w, const char *what)
{
	return fail(w->why, -EBADMSG, "inode %" PRIu32 " of %s %s", w->number, ext_super_name(&w->g->super),
		    what);
}

static bool is_complete(const struct walk *w)
{
	return w->ret->count == w->wanted;
}

static int append_run(struct walk *w, const struct ext_blocks_run *run)
{
	struct ext_blocks *b = w->ret;

	if (b->n == RUNS_MAX)
		return fail(w->why, -EOPNOTSUPP, "inode %" PRIu32 " of %s is in more than %d pieces", w->number,
			    ext_super_name(&w->g->super), RUNS_MAX);
	if (b->n == b->room) {
		size_t room = b->room ? 2 * b->room : 16;
		struct ext_blocks_run *grown = realloc(b->runs, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		b->runs = grown;
		b->room = room;
	}
	b->runs[b->n++] = *run;
	return 0;
}

/* They come in order; none may be left out. */
static int add_blocks(struct walk *w, uint64_t first, uint64_t block, uint64_t count)
{
	struct ext_blocks *b = w->ret;
	struct ext_blocks_run *last = b->n ? &b->runs[b->n - 1] : NULL;
	int r = 0;

	if (first != b->count)
		return fail_inode(w, "has a hole where it can't have one");
	if (block <= w->g->super.first_data_block || !range_ok(block, count, w->g->old_blocks))
		return fail_inode(w, "has blocks outside the filesystem");
	count = min_u64(count, w->wanted - b->count);
	if (last && last->block + last->count == block)
		last->count += (uint32_t)count;
	else
		r = append_run(w, &(struct ext_blocks_run){ b->count, (uint32_t)count, block });
	b->count += (uint32_t)count;
	return r;
}

/* To be freed by the caller. */
static int read_node(struct walk *w, uint64_t block, uint8_t **ret)
{
	uint32_t block_size = w->g->super.block_size;
	int r;

	if (block <= w->g->super.first_data_block || block >= w->g->old_blocks)
		return fail_inode(w, "has a block of its map outside the filesystem");
	if (++w->nodes > RUNS_MAX)
		return fail_inode(w, "has a map without end");
	*ret = malloc(block_size);
	if (!*ret)
		return -ENOMEM;
	r = image_pread(w->img, *ret, block_size, block * block_size, w->why);
	if (r < 0)
		freep(ret);
	return r;
}

/* Extents. */

static int check_node(struct walk *w, const uint8_t *node, uint32_t size, unsigned depth)
{
	const struct disk_ext_extents *disk = (const struct disk_ext_extents *)node;
	uint32_t max = get_le16(disk->max), entries = get_le16(disk->entries);

	if (get_le16(disk->magic) != EXT_EXTENTS_MAGIC || get_le16(disk->depth) != depth ||
	    max > size / sizeof(struct disk_ext_extent) - 1 || entries > max)
		return fail_inode(w, "has a damaged extent tree");
	return 0;
}

static int check_node_csum(struct walk *w, const uint8_t *node)
{
	const struct disk_ext_extents *disk = (const struct disk_ext_extents *)node;
	size_t at = sizeof(*disk) + get_le16(disk->max) * sizeof(struct disk_ext_extent);

	if (!ext_has_csum(&w->g->super))
		return 0;
	if (!range_ok(at, 4, w->g->super.block_size) || get_le32(node + at) != crc32c(w->seed, node, at))
		return fail_inode(w, "has a wrong checksum in its extent tree");
	return 0;
}

static int add_extent(struct walk *w, const struct disk_ext_extent *disk)
{
	uint32_t count = get_le16(disk->count);

	if (count == 0 || count > EXT_EXTENT_MAX)
		return fail_inode(w, "has blocks that were never written");
	return add_blocks(w, get_le32(disk->logical),
			  get_le32(disk->physical_lo) | (uint64_t)get_le16(disk->physical_hi) << 32, count);
}

static int walk_extents(struct walk *w, const uint8_t *node, uint32_t size, unsigned depth);

static int walk_extents_below(struct walk *w, const struct disk_ext_extent_node *disk, unsigned depth)
{
	uint64_t block = get_le32(disk->physical_lo) | (uint64_t)get_le16(disk->physical_hi) << 32;
	uint32_t size = w->g->super.block_size;
	_cleanup_free_ uint8_t *node = NULL;
	int r = read_node(w, block, &node);

	if (r == 0)
		r = check_node(w, node, size, depth);
	if (r == 0)
		r = check_node_csum(w, node);
	return r < 0 ? r : walk_extents(w, node, size, depth);
}

/* `node` is checked. */
static int walk_extents(struct walk *w, const uint8_t *node, uint32_t size, unsigned depth)
{
	uint32_t entries = get_le16(((const struct disk_ext_extents *)node)->entries);
	const uint8_t *at = node + sizeof(struct disk_ext_extents);
	int r = 0;

	for (uint32_t i = 0; i < entries && r == 0 && !is_complete(w);
	     i++, at += sizeof(struct disk_ext_extent))
		r = depth == 0 ? add_extent(w, (const struct disk_ext_extent *)at)
			       : walk_extents_below(w, (const struct disk_ext_extent_node *)at, depth - 1);
	return r;
}

static int walk_tree(struct walk *w, const struct disk_ext_inode *inode)
{
	const uint8_t *root = inode->block[0];
	unsigned depth = get_le16(((const struct disk_ext_extents *)root)->depth);
	int r;

	if (depth > EXT_EXTENTS_DEPTH_MAX)
		return fail_inode(w, "has a damaged extent tree");
	r = check_node(w, root, sizeof(inode->block), depth);
	return r < 0 ? r : walk_extents(w, root, sizeof(inode->block), depth);
}

/* Lists of blocks. */

/* `level` 0: a block of the inode, else a block of block numbers with `level` - 1 such levels below. */
static int walk_list(struct walk *w, uint64_t block, unsigned level)
{
	_cleanup_free_ uint8_t *list = NULL;
	int r;

	if (level == 0)
		return add_blocks(w, w->ret->count, block, 1);
	r = read_node(w, block, &list);
	for (uint32_t i = 0; i < w->g->super.block_size / 4 && r == 0 && !is_complete(w); i++)
		r = walk_list(w, get_le32(list + (size_t)i * 4), level - 1);
	return r;
}

static int walk_lists(struct walk *w, const struct disk_ext_inode *inode)
{
	int r = 0;

	for (unsigned i = 0; i < 15 && r == 0 && !is_complete(w); i++)
		r = walk_list(w, get_le32(inode->block[i]),
			      i < EXT_DIRECT_BLOCKS ? 0 : i - EXT_DIRECT_BLOCKS + 1);
	return r;
}

int ext_blocks_read(struct image *img, const struct ext_geometry *g, uint32_t number, const void *inode,
		    uint32_t count, struct ext_blocks *ret, struct why *why)
{
	const struct disk_ext_inode *disk = inode;
	struct walk w = { img, g, number, .wanted = count, .ret = ret, .why = why };
	uint8_t le[4];
	int r;

	*ret = (struct ext_blocks){ 0 };
	put_le32(le, number);
	w.seed = crc32c(g->super.checksum_seed, le, sizeof(le));
	w.seed = crc32c(w.seed, disk->generation, sizeof(disk->generation));
	r = get_le32(disk->flags) & EXT_INODE_EXTENTS ? walk_tree(&w, disk) : walk_lists(&w, disk);
	if (r == 0 && !is_complete(&w))
		r = fail_inode(&w, "ends too early");
	if (r < 0)
		ext_blocks_done(ret);
	return r;
}

void ext_blocks_done(struct ext_blocks *b)
{
	free(b->runs);
	*b = (struct ext_blocks){ 0 };
}

uint64_t ext_blocks_find(const struct ext_blocks *b, uint32_t index)
{
	size_t low = 0, high = b->n;

	assert(index < b->count);
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (b->runs[middle].first <= index)
			low = middle;
		else
			high = middle;
	}
	return b->runs[low].block + (index - b->runs[low].first);
}
