/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading finds out what piece stands at an offset, makes the whole of it, a
 * sector or a block, and takes the part that was asked for. What a new group
 * begins with is what the kernel's growfs writes (fs/xfs/libxfs/xfs_ag.c): log sequence numbers
 * are 0, older than any; the list of spare blocks is empty, and filled at the first use.
 */
#include "backends/content/xfs/grown.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static_assert(XFS_SECTOR_SIZE_MAX <= XFS_BLOCK_SIZE_MAX, "a piece is a block at most");

enum what { NOTHING, SUPER, AGF, AGI, AGFL, BY_START, BY_SIZE, INODES, FREE_INODES, RMAP, REFCOUNT };

struct piece {
	enum what what;
	uint32_t ag;
	uint32_t block;	 /* of the group; of trees */
	uint64_t at;	 /* bytes, in the group */
	uint64_t length; /* bytes */
};

/* What stands where. */

static struct piece find_piece(const struct xfs_grown *grown, uint64_t offset)
{
	const struct xfs_super *s = &grown->super;
	static const enum what sectors[4] = { SUPER, AGF, AGI, AGFL };
	const struct xfs_roots roots = xfs_new_roots(s);
	uint64_t ag_size = (uint64_t)s->ag_blocks * s->block_size, at = offset % ag_size;
	struct piece p = { .ag = (uint32_t)(offset / ag_size) };
	const struct {
		uint32_t block;
		enum what what;
	} trees[] = { { roots.by_start, BY_START }, { roots.by_size, BY_SIZE },
		      { roots.inodes, INODES },	    { roots.free_inodes, FREE_INODES },
		      { roots.rmap, RMAP },	    { roots.refcount, REFCOUNT } };

	assert(p.ag < s->ags && (p.ag >= grown->old_ags || at < s->sector_size));
	p.block = (uint32_t)(at / s->block_size);
	if (at / s->sector_size < 4) {
		p.what = sectors[at / s->sector_size];
		p.at = align_down(at, s->sector_size);
		p.length = s->sector_size;
		return p;
	}
	for (size_t i = 0; i < sizeof(trees) / sizeof(trees[0]); i++)
		if (trees[i].block && trees[i].block == p.block) {
			p.what = trees[i].what;
			p.at = (uint64_t)p.block * s->block_size;
			p.length = s->block_size;
			return p;
		}
	/* Between the sectors and the first tree, or behind the last one. */
	p.at = p.block < roots.end ? 4 * (uint64_t)s->sector_size : (uint64_t)roots.end * s->block_size;
	p.length = (p.block < roots.end ? (uint64_t)roots.by_start * s->block_size
					: (uint64_t)xfs_ag_length(s, p.ag) * s->block_size) -
		   p.at;
	return p;
}

/* Making pieces: `bytes` are zeroed. */

static void make_super(const struct xfs_grown *grown, uint8_t *bytes)
{
	const struct xfs_super *s = &grown->super;
	const size_t checksum = offsetof(struct disk_xfs_super, checksum);

	memcpy(bytes, &grown->copy, xfs_has_csum(s) ? sizeof(grown->copy) : XFS_SUPER_V4_SIZE);
	if (xfs_has_csum(s))
		put_le32(bytes + checksum, xfs_checksum(bytes, s->sector_size, checksum));
}

static void make_agf(const struct xfs_super *s, uint32_t ag, uint8_t *bytes)
{
	struct disk_xfs_agf *disk = (struct disk_xfs_agf *)bytes;
	const struct xfs_roots roots = xfs_new_roots(s);
	uint32_t free_blocks = xfs_ag_length(s, ag) - roots.end;

	memcpy(disk->magic, "XAGF", 4);
	put_be32(disk->version, 1);
	put_be32(disk->ag, ag);
	put_be32(disk->length, xfs_ag_length(s, ag));
	put_be32(disk->roots[0], roots.by_start);
	put_be32(disk->roots[1], roots.by_size);
	put_be32(disk->levels[0], 1);
	put_be32(disk->levels[1], 1);
	if (roots.rmap) {
		put_be32(disk->roots[2], roots.rmap);
		put_be32(disk->levels[2], 1);
		put_be32(disk->rmap_blocks, 1);
	}
	put_be32(disk->list_first, 1);
	put_be32(disk->free_blocks, free_blocks);
	put_be32(disk->longest, free_blocks);
	if (roots.refcount) {
		put_be32(disk->refcount_root, roots.refcount);
		put_be32(disk->refcount_level, 1);
		put_be32(disk->refcount_blocks, 1);
	}
	if (!xfs_has_csum(s))
		return;
	memcpy(disk->uuid, s->meta_uuid, sizeof(disk->uuid));
	put_le32(disk->checksum, xfs_checksum(bytes, s->sector_size, offsetof(struct disk_xfs_agf, checksum)));
}

static void make_agi(const struct xfs_super *s, uint32_t ag, uint8_t *bytes)
{
	struct disk_xfs_agi *disk = (struct disk_xfs_agi *)bytes;
	const struct xfs_roots roots = xfs_new_roots(s);

	memcpy(disk->magic, "XAGI", 4);
	put_be32(disk->version, 1);
	put_be32(disk->ag, ag);
	put_be32(disk->length, xfs_ag_length(s, ag));
	put_be32(disk->root, roots.inodes);
	put_be32(disk->level, 1);
	put_be32(disk->new_inode, XFS_NULL);
	put_be32(disk->dir_inode, XFS_NULL);
	memset(disk->unlinked, 0xFF, sizeof(disk->unlinked));
	if (roots.free_inodes) {
		put_be32(disk->free_root, roots.free_inodes);
		put_be32(disk->free_level, 1);
	}
	if (s->ro_compat & XFS_RO_INOBTCOUNT) {
		put_be32(disk->inode_tree_blocks, 1);
		put_be32(disk->free_tree_blocks, roots.free_inodes ? 1 : 0);
	}
	if (!xfs_has_csum(s))
		return;
	memcpy(disk->uuid, s->meta_uuid, sizeof(disk->uuid));
	put_le32(disk->checksum, xfs_checksum(bytes, s->sector_size, offsetof(struct disk_xfs_agi, checksum)));
}

static void make_agfl(const struct xfs_super *s, uint32_t ag, uint8_t *bytes)
{
	struct disk_xfs_agfl *disk = (struct disk_xfs_agfl *)bytes;
	size_t head = xfs_has_csum(s) ? sizeof(*disk) : 0;

	memset(bytes + head, 0xFF, align_down(s->sector_size - head, 4));
	if (!xfs_has_csum(s))
		return;
	memcpy(disk->magic, "XAFL", 4);
	put_be32(disk->ag, ag);
	memcpy(disk->uuid, s->meta_uuid, sizeof(disk->uuid));
	put_le32(disk->checksum, xfs_checksum(bytes, s->sector_size, offsetof(struct disk_xfs_agfl, checksum)));
}

static uint32_t put_free(const struct xfs_super *s, uint32_t ag, uint8_t *records)
{
	struct disk_xfs_free *disk = (struct disk_xfs_free *)records;
	uint32_t start = xfs_new_roots(s).end;

	put_be32(disk->start, start);
	put_be32(disk->length, xfs_ag_length(s, ag) - start);
	return 1;
}

/* Who owns the blocks up to roots.end. */
static uint32_t put_rmap(const struct xfs_super *s, uint8_t *records)
{
	struct disk_xfs_rmap *disk = (struct disk_xfs_rmap *)records;
	const struct xfs_roots roots = xfs_new_roots(s);
	const struct {
		uint32_t start, end;
		int64_t owner;
	} runs[] = {
		{ 0, roots.by_start, XFS_OWNER_FS },
		{ roots.by_start, roots.inodes, XFS_OWNER_AG },
		{ roots.inodes, roots.rmap, XFS_OWNER_INODES },
		{ roots.rmap, roots.rmap + 1, XFS_OWNER_AG },
		{ roots.refcount, roots.refcount + 1, XFS_OWNER_REFCOUNT },
	};
	uint32_t n = roots.refcount ? 5 : 4;

	for (uint32_t i = 0; i < n; i++) {
		put_be32(disk[i].start, runs[i].start);
		put_be32(disk[i].length, runs[i].end - runs[i].start);
		put_be64(disk[i].owner, (uint64_t)runs[i].owner);
	}
	return n;
}

static void make_tree(const struct xfs_super *s, const struct piece *p, uint8_t *bytes)
{
	static const char *const magics[][2] = {
		[BY_START] = { "ABTB", "AB3B" }, [BY_SIZE] = { "ABTC", "AB3C" },
		[INODES] = { "IABT", "IAB3" },	 [FREE_INODES] = { "FIBT", "FIB3" },
		[RMAP] = { "RMB3", "RMB3" },	 [REFCOUNT] = { "R3FC", "R3FC" },
	};
	struct disk_xfs_block *disk = (struct disk_xfs_block *)bytes;
	uint8_t *records = bytes + (xfs_has_csum(s) ? sizeof(*disk) : XFS_BLOCK_V4_SIZE);
	uint32_t n = 0;

	memcpy(disk->magic, magics[p->what][xfs_has_csum(s)], 4);
	if (p->what == BY_START || p->what == BY_SIZE)
		n = put_free(s, p->ag, records);
	else if (p->what == RMAP)
		n = put_rmap(s, records);
	put_be16(disk->records, (uint16_t)n);
	put_be32(disk->left, XFS_NULL);
	put_be32(disk->right, XFS_NULL);
	if (!xfs_has_csum(s))
		return;
	put_be64(disk->sector, xfs_block_offset(s, p->ag, p->block) / SECTOR);
	memcpy(disk->uuid, s->meta_uuid, sizeof(disk->uuid));
	put_be32(disk->ag, p->ag);
	put_le32(disk->checksum, xfs_checksum(bytes, s->block_size, offsetof(struct disk_xfs_block, checksum)));
}

static void make_piece(const struct xfs_grown *grown, const struct piece *p, uint8_t *bytes)
{
	memset(bytes, 0, p->length);
	switch (p->what) {
	case NOTHING:
		break;
	case SUPER:
		make_super(grown, bytes);
		break;
	case AGF:
		make_agf(&grown->super, p->ag, bytes);
		break;
	case AGI:
		make_agi(&grown->super, p->ag, bytes);
		break;
	case AGFL:
		make_agfl(&grown->super, p->ag, bytes);
		break;
	default:
		make_tree(&grown->super, p, bytes);
	}
}

/* The computed thing. */

static int grown_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct xfs_grown *grown = (const struct xfs_grown *)c;
	_cleanup_free_ uint8_t *bytes = malloc(grown->super.block_size);
	uint8_t *to = buf;

	if (!bytes)
		return -ENOMEM;
	while (count) {
		struct piece p = find_piece(grown, offset);
		uint64_t in_ag = offset - xfs_ag_offset(&grown->super, p.ag);
		size_t n = min_u64(count, p.at + p.length - in_ag);

		if (p.what == NOTHING) {
			memset(to, 0, n);
		} else {
			make_piece(grown, &p, bytes);
			memcpy(to, bytes + (in_ag - p.at), n);
		}
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void grown_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct xfs_grown *grown = (const struct xfs_grown *)c;
	struct piece p = find_piece(grown, offset);

	ret->length = xfs_ag_offset(&grown->super, p.ag) + p.at + p.length - offset;
	ret->kind = p.what == NOTHING ? EXTENT_ZERO : EXTENT_DATA;
}

struct xfs_grown *xfs_grown_new(const struct disk_xfs_super *disk, const struct xfs_super *s, uint32_t old_ags)
{
	struct xfs_grown *grown = calloc(1, sizeof(*grown));

	if (!grown)
		return NULL;
	computed_init(&grown->computed);
	grown->computed.read = grown_read;
	grown->computed.extent = grown_extent;
	grown->super = *s;
	grown->old_ags = old_ags;
	grown->copy = *disk;
	if (xfs_has_csum(s))
		put_be64(grown->copy.lsn, 0);
	return grown;
}

void xfs_grown_unref(struct xfs_grown *grown)
{
	computed_unref(&grown->computed);
}
