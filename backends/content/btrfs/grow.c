/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing btrfs by patches. All there is to do is to say that the device is larger:
 *
 *	chunk tree	the device's item, in a leaf of which there may be two copies (DUP)
 *	superblock	its own copy of that item, and the sum of all devices
 *	its copies	at 64 MiB and 256 GiB; one may come into existence
 *
 * New room is room for chunks, and free without being written down anywhere. The
 * leaf stays where it is and keeps its generation, so that nothing above it changes.
 */
#include "backends/content/btrfs/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "backends/content/btrfs/tree.h"
#include "base/bytes.h"
#include "base/size.h"

struct plan {
	struct image *img; /* borrowed */
	struct disk_btrfs_super disk;
	struct btrfs_super super;
	struct btrfs_chunks chunks; /* those that hold the chunk tree */
	uint64_t new_bytes;
	/* The leaf that has the device's item. */
	uint8_t *leaf;	   /* owned; NULL until it is found */
	uint64_t leaf_at;  /* logical */
	uint64_t bytes_at; /* of the item's total_bytes, from the leaf's start */
};

static void plan_done(struct plan *p)
{
	free(p->leaf);
	btrfs_chunks_done(&p->chunks);
}

/* What must not be grown. */

static int check_flags(uint64_t flags, struct why *why)
{
	const uint64_t changing = BTRFS_FLAG_CHANGING_FSID | BTRFS_FLAG_CHANGING_FSID_2 |
				  BTRFS_FLAG_CHANGING_GROUPS | BTRFS_FLAG_CHANGING_DATA |
				  BTRFS_FLAG_CHANGING_META;

	if (flags & BTRFS_FLAG_SEEDING)
		return fail(why, -EOPNOTSUPP,
			    "btrfs is a seed device, which is never written to; btrfstune -S 0 ends that");
	if (flags & (BTRFS_FLAG_METADUMP | BTRFS_FLAG_METADUMP_V2))
		return fail(why, -EOPNOTSUPP, "this is a dump of the metadata of a btrfs, without its data");
	if (flags & changing)
		return fail(why, -EOPNOTSUPP,
			    "a conversion of btrfs (of its uuid, checksums or block groups) was interrupted; "
			    "btrfstune finishes it");
	if (flags & BTRFS_FLAG_ERROR)
		return fail(why, -EOPNOTSUPP, "btrfs is not clean: errors were found in it; run btrfs check");
	if (flags & ~BTRFS_FLAG_WRITTEN)
		return fail(why, -EOPNOTSUPP, "btrfs has flags that are not known here (0x%" PRIx64 ")",
			    flags & ~BTRFS_FLAG_WRITTEN);
	return 0;
}

static int check_features(const struct btrfs_super *s, struct why *why)
{
	const uint64_t incompat =
		BTRFS_INCOMPAT_MIXED_BACKREF | BTRFS_INCOMPAT_DEFAULT_SUBVOL | BTRFS_INCOMPAT_MIXED_GROUPS |
		BTRFS_INCOMPAT_COMPRESS_LZO | BTRFS_INCOMPAT_COMPRESS_ZSTD | BTRFS_INCOMPAT_BIG_METADATA |
		BTRFS_INCOMPAT_EXTENDED_IREF | BTRFS_INCOMPAT_RAID56 | BTRFS_INCOMPAT_SKINNY_METADATA |
		BTRFS_INCOMPAT_NO_HOLES | BTRFS_INCOMPAT_METADATA_UUID | BTRFS_INCOMPAT_RAID1C34 |
		BTRFS_INCOMPAT_SIMPLE_QUOTA;
	const uint64_t compat_ro = BTRFS_RO_FREE_SPACE_TREE | BTRFS_RO_FREE_SPACE_TREE_VALID | BTRFS_RO_VERITY |
				   BTRFS_RO_BLOCK_GROUP_TREE;

	if (s->incompat & BTRFS_INCOMPAT_ZONED)
		return fail(why, -EOPNOTSUPP, "btrfs is zoned, its device has zones of a fixed size");
	if ((s->incompat & ~incompat) || (s->compat_ro & ~compat_ro))
		return fail(why, -EOPNOTSUPP,
			    "btrfs has features that are not known here (incompat 0x%" PRIx64
			    ", compat_ro 0x%" PRIx64 ")",
			    s->incompat & ~incompat, s->compat_ro & ~compat_ro);
	return 0;
}

int btrfs_check_known(const struct btrfs_super *s, struct why *why)
{
	int r = check_flags(s->flags, why);

	if (r == 0)
		r = check_features(s, why);
	if (r < 0)
		return r;
	if (s->num_devices != 1)
		return fail(why, -EOPNOTSUPP, "btrfs is spread over %" PRIu64 " devices, of which this is one",
			    s->num_devices);
	return 0;
}

static int check_state(const struct btrfs_super *s, struct why *why)
{
	if (s->log_root != 0)
		return fail(
			why, -EOPNOTSUPP,
			"its log tree must be replayed first: this btrfs was in use when the image was made; "
			"mount it once");
	if (s->total_bytes != s->device.total_bytes)
		return fail(why, -EOPNOTSUPP,
			    "btrfs counts %" PRIu64 " bytes on a device of %" PRIu64
			    "; btrfs rescue fix-device-size repairs that",
			    s->total_bytes, s->device.total_bytes);
	return 0;
}

/* The device's item. */

static int check_device(const struct btrfs_super *s, const struct btrfs_item *item, struct why *why)
{
	const struct disk_btrfs_device *disk = (const struct disk_btrfs_device *)item->bytes;

	if (item->size < sizeof(*disk) || get_le64(disk->id) != item->key.offset)
		return fail(why, -EBADMSG, "the device item in the chunk tree of btrfs is damaged");
	if (memcmp(disk->fsid, s->node_fsid, sizeof(disk->fsid)) != 0)
		return fail(why, -EOPNOTSUPP, "btrfs stands on a seed device, which is another filesystem");
	if (item->key.offset != s->device.id)
		return fail(why, -EOPNOTSUPP,
			    "btrfs has the device %" PRIu64 " besides this one, which is %" PRIu64,
			    item->key.offset, s->device.id);
	if (get_le64(disk->total_bytes) != s->device.total_bytes ||
	    memcmp(disk->uuid, s->device.uuid, sizeof(disk->uuid)) != 0)
		return fail(why, -EBADMSG, "the superblock and the chunk tree of btrfs disagree on the device");
	return 0;
}

static int visit_device(void *arg, const struct btrfs_item *item, struct why *why)
{
	struct plan *p = arg;
	int r = check_device(&p->super, item, why);

	if (r < 0)
		return r;
	p->leaf = malloc(p->super.nodesize);
	if (!p->leaf)
		return -ENOMEM;
	memcpy(p->leaf, item->leaf, p->super.nodesize);
	p->leaf_at = item->bytenr;
	p->bytes_at = (uint64_t)(item->bytes - item->leaf) + offsetof(struct disk_btrfs_device, total_bytes);
	return 0;
}

/* All items of devices are looked at: one can be ours, and another is refused. */
static int change_device(struct plan *p, struct why *why)
{
	const struct btrfs_key from = { BTRFS_DEVICES, BTRFS_DEVICE_ITEM, 0 };
	const struct btrfs_key to = { BTRFS_DEVICES, BTRFS_DEVICE_ITEM, UINT64_MAX };
	struct btrfs_trees trees = { .img = p->img, .super = &p->super, .chunks = &p->chunks };
	int r = btrfs_walk(&trees, &p->super.chunks, &from, &to, visit_device, p, why);

	if (r < 0)
		return r;
	if (!p->leaf)
		return fail(why, -EBADMSG, "the chunk tree of btrfs has no device item");
	put_le64(p->leaf + p->bytes_at, p->new_bytes);
	return btrfs_checksum(p->super.checksum_type, p->leaf, p->super.nodesize, p->leaf, why);
}

/* Painting. */

static void paint_leaf(const struct plan *p, struct map_draft *draft)
{
	uint32_t nodesize = p->super.nodesize;
	const struct btrfs_chunk *chunk = btrfs_chunks_find(&p->chunks, p->leaf_at, nodesize);
	uint64_t in = p->leaf_at - chunk->logical, first = chunk->stripes[0] + in;

	map_draft_bytes(draft, first, p->leaf, BTRFS_CHECKSUM_SIZE);
	map_draft_bytes(draft, first + p->bytes_at, p->leaf + p->bytes_at, sizeof(p->new_bytes));
	/* The other copy was not read: it shows the one that was checked. */
	for (unsigned i = 1; i < chunk->n_stripes; i++)
		map_draft_alias(draft, chunk->stripes[i] + in, nodesize, first);
}

static int paint_super(const struct plan *p, struct map_draft *draft, uint64_t at, struct why *why)
{
	struct disk_btrfs_super disk = p->disk;
	int r;

	put_le64(disk.bytenr, at);
	put_le64(disk.total_bytes, p->new_bytes);
	put_le64(disk.device.total_bytes, p->new_bytes);
	r = btrfs_checksum(p->super.checksum_type, &disk, sizeof(disk), disk.checksum, why);
	if (r == 0)
		map_draft_bytes(draft, at, &disk, sizeof(disk));
	return r;
}

static int paint(const struct plan *p, struct map_draft *draft, struct why *why)
{
	uint64_t old_bytes = p->super.total_bytes;
	int r;

	map_draft_zero(draft, old_bytes, map_draft_size(draft) - old_bytes);
	paint_leaf(p, draft);
	r = paint_super(p, draft, BTRFS_SUPER_AT, why);
	for (unsigned i = 0; r == 0 && i < BTRFS_COPIES; i++)
		if (btrfs_has_copy(i, p->new_bytes))
			r = paint_super(p, draft, btrfs_copy_at(i), why);
	return r;
}

static void describe_growth(const struct plan *p, struct text *describe)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];

	if (describe)
		text_add(describe, "btrfs grown from %s to %s", size_human(have, p->super.total_bytes),
			 size_human(want, p->new_bytes));
}

static int check(struct plan *p, const struct growth *how, struct why *why)
{
	const struct btrfs_super *s = &p->super;
	int r = btrfs_super_read(p->img, &p->disk, &p->super, why);

	if (r == 1)
		return fail(why, -EBADMSG, "there is no btrfs superblock");
	if (r < 0)
		return r;
	if (how->volume)
		return fail(why, -EOPNOTSUPP, "btrfs has no logical volumes, so none that is named '%s'",
			    how->volume);
	r = btrfs_check_known(s, why);
	return r < 0 ? r : check_state(s, why);
}

int btrfs_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	       struct text *describe, struct why *why)
{
	_cleanup_(plan_done) struct plan p = { .img = grown };
	int r = check(&p, how, why);

	if (r < 0)
		return r;
	p.new_bytes = align_down(grown->size, p.super.sectorsize);
	if (p.new_bytes <= p.super.total_bytes)
		return CONTENT_FITS;
	r = btrfs_chunks_of_super(&p.chunks, &p.super, &p.disk, why);
	if (r == 0)
		r = change_device(&p, why);
	if (r == 0)
		r = paint(&p, draft, why);
	if (r < 0)
		return r;
	describe_growth(&p, describe);
	return 0;
}
