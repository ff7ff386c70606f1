/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/root.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

#define BLOCK_MIN 512
#define BLOCK_MAX (64 * KiB)
/* A tree of this height has more names than a volume has records. */
#define LEVELS_MAX 16

void ntfs_root_done(struct ntfs_root *root)
{
	ntfs_stream_done(&root->blocks);
	free(root->block);
}

static int damaged(struct why *why)
{
	return fail(why, -EBADMSG, "ntfs has a damaged root directory");
}

static int open_blocks(const struct ntfs_volume *v, struct ntfs_root *root, struct why *why)
{
	int r;

	root->block = malloc(root->block_size);
	if (!root->block)
		return -ENOMEM;
	if (!ntfs_record_find(&root->rec, NTFS_INDEX_ALLOCATION, "$I30") &&
	    !ntfs_record_find(&root->rec, NTFS_ATTRIBUTE_LIST, ""))
		return 0;
	r = ntfs_volume_stream(v, &root->rec, NTFS_INDEX_ALLOCATION, "$I30", &root->blocks, why);
	return r;
}

int ntfs_root_open(const struct ntfs_volume *v, struct ntfs_root *ret, struct why *why)
{
	struct ntfs_root root = { 0 };
	uint32_t length;
	uint8_t *value;
	int r = ntfs_volume_record(v, NTFS_ROOT, &root.rec, why);

	if (r == 0)
		r = ntfs_record_value(&root.rec, NTFS_INDEX_ROOT, "$I30",
				      sizeof(struct disk_ntfs_index_root) + sizeof(struct disk_ntfs_entries),
				      &value, &length, why);
	if (r < 0)
		return r;
	root.block_size = get_le32(((struct disk_ntfs_index_root *)value)->block_size);
	if (root.block_size != v->boot.index || root.block_size < BLOCK_MIN || root.block_size > BLOCK_MAX ||
	    (root.block_size & (root.block_size - 1)))
		return damaged(why);
	r = open_blocks(v, &root, why);
	if (r < 0) {
		ntfs_root_done(&root);
		return r;
	}
	*ret = root;
	return 0;
}

/* Searching. */

static uint16_t upper(uint16_t unit)
{
	return unit >= 'a' && unit <= 'z' ? unit - ('a' - 'A') : unit;
}

/*
 * As the tree is sorted: by upper case. What has no ASCII character for its upper case sorts
 * behind all that have, so that the volume's own table of upper cases is not needed.
 */
static int compare(const char *name, const struct disk_ntfs_name *disk)
{
	const uint8_t *units = (const uint8_t *)(disk + 1);
	size_t length = strlen(name);

	for (size_t i = 0; i < length && i < disk->length; i++) {
		int order = upper((uint8_t)name[i]) - upper(get_le16(units + 2 * i));

		if (order)
			return order;
	}
	return (int)length - (int)disk->length;
}

enum verdict { FOUND, BELOW, NOWHERE, DAMAGED };

static bool entry_ok(const struct disk_ntfs_entry *e, uint64_t length)
{
	const struct disk_ntfs_name *name = (const void *)(e + 1);
	uint64_t tail = get_le32(e->flags) & NTFS_ENTRY_HAS_BLOCK ? 8 : 0;
	uint64_t key = get_le16(e->key_length);

	if (length < sizeof(*e) + tail)
		return false;
	if (get_le32(e->flags) & NTFS_ENTRY_IS_END)
		return true;
	return key >= sizeof(*name) && range_ok(sizeof(*e), key, length - tail) &&
	       sizeof(*name) + UINT64_C(2) * name->length <= key;
}

/* Looks through one list of entries, which begins with its header and has `room` bytes. */
static enum verdict search(const uint8_t *list, uint64_t room, const char *name, uint64_t *ret_at,
			   uint64_t *ret_block)
{
	const struct disk_ntfs_entries *disk = (const void *)list;
	uint64_t at, end, length;

	if (room < sizeof(*disk))
		return DAMAGED;
	end = get_le32(disk->length);
	if (end > room)
		return DAMAGED;
	for (at = get_le32(disk->first_at); at % 8 == 0 && range_ok(at, sizeof(struct disk_ntfs_entry), end);
	     at += length) {
		const struct disk_ntfs_entry *e = (const void *)(list + at);
		int order = -1;

		length = get_le16(e->length);
		if (length % 8 || !range_ok(at, length, end) || !entry_ok(e, length))
			return DAMAGED;
		*ret_at = at;
		if (!(get_le32(e->flags) & NTFS_ENTRY_IS_END))
			order = compare(name, (const void *)(e + 1));
		if (order == 0)
			return FOUND;
		if (order > 0)
			continue;
		if (!(get_le32(e->flags) & NTFS_ENTRY_HAS_BLOCK))
			return NOWHERE;
		*ret_block = get_le64(list + at + length - 8);
		return BELOW;
	}
	return DAMAGED;
}

/* Blocks are numbered in clusters, or, where they are smaller than one, in 512 bytes. */
static int read_block(const struct ntfs_volume *v, struct ntfs_root *root, uint64_t number, uint64_t *ret_at,
		      struct why *why)
{
	uint64_t unit = v->boot.cluster <= root->block_size ? v->boot.cluster : NTFS_SEQUENCE_SECTOR;
	const struct disk_ntfs_index_block *disk = (const void *)root->block;
	uint64_t at;
	int r;

	if (__builtin_mul_overflow(number, unit, &at) || !range_ok(at, root->block_size, root->blocks.size))
		return damaged(why);
	r = ntfs_volume_read(v, &root->blocks, root->block, root->block_size, at, why);
	if (r < 0)
		return r;
	if (memcmp(disk->block.magic, "INDX", 4) != 0 || get_le64(disk->vcn) != number)
		return damaged(why);
	*ret_at = at;
	return ntfs_sequence_undo(root->block, root->block_size, "its root directory", why);
}

static void take_entry(const uint8_t *base, uint64_t list, uint64_t at, struct ntfs_entry *ret)
{
	const struct disk_ntfs_entry *e = (const void *)(base + list + at);

	ret->file = get_le64(e->file) & ((UINT64_C(1) << 48) - 1);
	ret->at = (uint32_t)(list + at + sizeof(*e));
}

int ntfs_root_find(const struct ntfs_volume *v, struct ntfs_root *root, const char *name,
		   struct ntfs_entry *ret, struct why *why)
{
	struct ntfs_entry entry = { .in_record = true };
	uint64_t list, at = 0, block = 0;
	const uint8_t *base = root->rec.bytes;
	uint32_t length;
	uint8_t *value;
	int r = ntfs_record_value(&root->rec, NTFS_INDEX_ROOT, "$I30", sizeof(struct disk_ntfs_index_root),
				  &value, &length, why);

	list = r == 0 ? (uint64_t)(value - base) + sizeof(struct disk_ntfs_index_root) : 0;
	length -= r == 0 ? sizeof(struct disk_ntfs_index_root) : 0;
	for (unsigned level = 0; r == 0 && level < LEVELS_MAX; level++) {
		enum verdict verdict = search(base + list, length, name, &at, &block);

		if (verdict == DAMAGED)
			break;
		if (verdict == NOWHERE)
			return 1;
		if (verdict == FOUND) {
			take_entry(base, list, at, &entry);
			*ret = entry;
			return 0;
		}
		r = read_block(v, root, block, &entry.block, why);
		entry.in_record = false;
		base = root->block;
		list = sizeof(struct disk_ntfs_index_block);
		length = root->block_size - (uint32_t)list;
	}
	return r < 0 ? r : damaged(why);
}
