/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/btrfs/super.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <xxhash.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "base/digest.h"

static int hash(int algorithm, const void *bytes, size_t count, uint8_t *ret, struct why *why)
{
	gcry_md_hd_t md;

	if (!digest_ready() || gcry_md_open(&md, algorithm, 0) != 0)
		return fail(why, -EOPNOTSUPP,
			    "%s, with which this btrfs is checksummed, can't be computed here",
			    gcry_md_algo_name(algorithm));
	gcry_md_write(md, bytes, count);
	memcpy(ret, gcry_md_read(md, algorithm), 32);
	gcry_md_close(md);
	return 0;
}

int btrfs_checksum(enum btrfs_checksum_type type, const void *block, size_t count,
		   uint8_t ret[static BTRFS_CHECKSUM_SIZE], struct why *why)
{
	const uint8_t *bytes = (const uint8_t *)block + BTRFS_CHECKSUM_SIZE;

	count -= BTRFS_CHECKSUM_SIZE;
	memset(ret, 0, BTRFS_CHECKSUM_SIZE);
	switch (type) {
	case BTRFS_CRC32C:
		put_le32(ret, ~crc32c(~0u, bytes, count));
		return 0;
	case BTRFS_XXHASH64:
		put_le64(ret, XXH64(bytes, count, 0));
		return 0;
	case BTRFS_SHA256:
		return hash(GCRY_MD_SHA256, bytes, count, ret, why);
	case BTRFS_BLAKE2B:
		return hash(GCRY_MD_BLAKE2B_256, bytes, count, ret, why);
	}
	return -EINVAL; /* btrfs_super_read lets no other pass */
}

int btrfs_checksum_check(enum btrfs_checksum_type type, const void *block, size_t count, struct why *why)
{
	uint8_t sum[BTRFS_CHECKSUM_SIZE];
	int r = btrfs_checksum(type, block, count, sum, why);

	if (r < 0)
		return r;
	return memcmp(sum, block, sizeof(sum)) == 0 ? 0 : -EBADMSG;
}

uint64_t btrfs_copy_at(unsigned copy)
{
	return copy == 0 ? 64 * MiB : 256 * GiB;
}

bool btrfs_has_copy(unsigned copy, uint64_t device_size)
{
	return btrfs_copy_at(copy) + BTRFS_SUPER_SIZE < device_size;
}

static void decode(const struct disk_btrfs_super *disk, struct btrfs_super *s)
{
	*s = (struct btrfs_super){
		.flags = get_le64(disk->flags),
		.compat_ro = get_le64(disk->compat_ro),
		.incompat = get_le64(disk->incompat),
		.log_root = get_le64(disk->log_root),
		.total_bytes = get_le64(disk->total_bytes),
		.bytes_used = get_le64(disk->bytes_used),
		.num_devices = get_le64(disk->num_devices),
		.sectorsize = get_le32(disk->sectorsize),
		.nodesize = get_le32(disk->nodesize),
		.chunk_array_size = get_le32(disk->chunk_array_size),
		.checksum_type = get_le16(disk->checksum_type),
		.roots = { .tree = BTRFS_ROOT_TREE,
			   .bytenr = get_le64(disk->root),
			   .generation = get_le64(disk->generation),
			   .level = disk->root_level },
		.chunks = { .tree = BTRFS_CHUNK_TREE,
			    .bytenr = get_le64(disk->chunk_root),
			    .generation = get_le64(disk->chunk_root_generation),
			    .level = disk->chunk_root_level },
	};
	s->device.id = get_le64(disk->device.id);
	s->device.total_bytes = get_le64(disk->device.total_bytes);
	memcpy(s->device.uuid, disk->device.uuid, sizeof(s->device.uuid));
	memcpy(s->fsid, disk->fsid, sizeof(s->fsid));
	memcpy(s->node_fsid, s->incompat & BTRFS_INCOMPAT_METADATA_UUID ? disk->metadata_uuid : disk->fsid,
	       sizeof(s->node_fsid));
}

static bool is_size(uint32_t n)
{
	return n >= 4096 && n <= BTRFS_NODE_MAX && (n & (n - 1)) == 0;
}

static int check_fields(const struct disk_btrfs_super *disk, const struct btrfs_super *s, struct why *why)
{
	if (get_le64(disk->bytenr) != BTRFS_SUPER_AT)
		return fail(why, -EBADMSG, "btrfs superblock claims to stand at %" PRIu64,
			    get_le64(disk->bytenr));
	if (!is_size(s->sectorsize) || !is_size(s->nodesize) || s->nodesize < s->sectorsize)
		return fail(why, -EBADMSG,
			    "btrfs superblock claims sectors of %" PRIu32 " and nodes of %" PRIu32 " bytes",
			    s->sectorsize, s->nodesize);
	if (s->roots.level >= BTRFS_LEVELS || s->chunks.level >= BTRFS_LEVELS)
		return fail(why, -EBADMSG, "btrfs superblock claims trees of %u and %u levels",
			    s->roots.level + 1u, s->chunks.level + 1u);
	if (s->chunk_array_size > sizeof(disk->chunk_array))
		return fail(why, -EBADMSG, "btrfs superblock claims %" PRIu32 " bytes of chunks in it",
			    s->chunk_array_size);
	if (s->num_devices == 0)
		return fail(why, -EBADMSG, "btrfs superblock claims no devices");
	return 0;
}

int btrfs_super_read(struct image *container, struct disk_btrfs_super *ret_disk, struct btrfs_super *ret,
		     struct why *why)
{
	struct disk_btrfs_super disk;
	struct btrfs_super s;
	int r;

	if (!range_ok(BTRFS_SUPER_AT, sizeof(disk), container->size))
		return 1;
	r = image_pread(container, &disk, sizeof(disk), BTRFS_SUPER_AT, why);
	if (r < 0)
		return r;
	if (memcmp(disk.magic, BTRFS_MAGIC, sizeof(disk.magic)) != 0)
		return 1;
	decode(&disk, &s);
	if (s.checksum_type > BTRFS_BLAKE2B)
		return fail(why, -EBADMSG, "btrfs superblock has the unknown checksum type %u",
			    get_le16(disk.checksum_type));
	r = btrfs_checksum_check(s.checksum_type, &disk, sizeof(disk), why);
	if (r == -EBADMSG)
		return fail(why, r, "btrfs superblock has a wrong checksum");
	if (r == 0)
		r = check_fields(&disk, &s, why);
	if (r < 0)
		return r;
	*ret_disk = disk;
	*ret = s;
	return 0;
}
