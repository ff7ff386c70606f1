/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/btrfs/chunks.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "base/span.h"

/* A GiB each where there are many, so that this is more than a petabyte; some MB of memory. */
#define CHUNKS_MAX (1u << 20)

void btrfs_chunks_done(struct btrfs_chunks *chunks)
{
	free(chunks->chunk);
	*chunks = (struct btrfs_chunks){ 0 };
}

static int append(struct btrfs_chunks *chunks, const struct btrfs_chunk *chunk, struct why *why)
{
	if (chunks->n == CHUNKS_MAX)
		return fail(why, -EOPNOTSUPP, "btrfs has more chunks than can be dealt with here");
	if (chunks->n == chunks->room) {
		size_t room = chunks->room ? chunks->room * 2 : 16;
		struct btrfs_chunk *more = realloc(chunks->chunk, room * sizeof(*more));

		if (!more)
			return -ENOMEM;
		chunks->chunk = more;
		chunks->room = room;
	}
	chunks->chunk[chunks->n++] = *chunk;
	return 0;
}

/* How many stripes a chunk of that type has here. */
static int stripes_of(uint64_t type, unsigned *ret, struct why *why)
{
	switch (type & BTRFS_PROFILES) {
	case BTRFS_PROFILE_SINGLE:
	case BTRFS_PROFILE_RAID0:
		*ret = 1;
		return 0;
	case BTRFS_PROFILE_DUP:
		*ret = 2;
		return 0;
	default:
		return fail(why, -EOPNOTSUPP,
			    "btrfs has block groups that are stored as RAID (type 0x%" PRIx64
			    "), which one device can't hold",
			    type);
	}
}

static int add_stripe(struct btrfs_chunk *chunk, const struct btrfs_super *s,
		      const struct disk_btrfs_stripe *disk, struct why *why)
{
	uint64_t offset = get_le64(disk->offset);

	if (get_le64(disk->device) != s->device.id)
		return fail(why, -EOPNOTSUPP,
			    "btrfs keeps its chunk at %" PRIu64 " on another device, of id %" PRIu64,
			    chunk->logical, get_le64(disk->device));
	if (offset % s->sectorsize != 0 || !range_ok(offset, chunk->length, s->device.total_bytes))
		return fail(why, -EBADMSG,
			    "btrfs claims its chunk at %" PRIu64 " to stand at %" PRIu64 " of the device",
			    chunk->logical, offset);
	chunk->stripes[chunk->n_stripes++] = offset;
	return 0;
}

static int check_place(const struct btrfs_chunks *chunks, const struct btrfs_super *s,
		       const struct btrfs_chunk *chunk, struct why *why)
{
	const struct btrfs_chunk *last = chunks->n ? &chunks->chunk[chunks->n - 1] : NULL;

	if (chunk->length == 0 || chunk->length % s->sectorsize != 0 || chunk->logical % s->sectorsize != 0 ||
	    chunk->length > s->device.total_bytes || chunk->logical > UINT64_MAX - chunk->length)
		return fail(why, -EBADMSG, "btrfs claims a chunk of %" PRIu64 " bytes at %" PRIu64,
			    chunk->length, chunk->logical);
	if (last && chunk->logical < last->logical + last->length)
		return fail(why, -EBADMSG, "btrfs claims two chunks at %" PRIu64, chunk->logical);
	return 0;
}

int btrfs_chunks_add(struct btrfs_chunks *chunks, const struct btrfs_super *s, uint64_t logical,
		     const uint8_t *item, size_t size, struct why *why)
{
	const struct disk_btrfs_chunk *disk = (const struct disk_btrfs_chunk *)item;
	const struct disk_btrfs_stripe *stripes = (const struct disk_btrfs_stripe *)(disk + 1);
	struct btrfs_chunk chunk = { .logical = logical };
	unsigned want = 0;
	int r;

	if (size < sizeof(*disk))
		return fail(why, -EBADMSG, "btrfs describes its chunk at %" PRIu64 " in %zu bytes", logical,
			    size);
	r = stripes_of(get_le64(disk->type), &want, why);
	if (r < 0)
		return r;
	if (get_le16(disk->num_stripes) != want || size != sizeof(*disk) + want * sizeof(*stripes))
		return fail(why, -EBADMSG, "btrfs claims %u stripes for its chunk at %" PRIu64 ", in %zu bytes",
			    get_le16(disk->num_stripes), logical, size);
	chunk.length = get_le64(disk->length);
	r = check_place(chunks, s, &chunk, why);
	for (unsigned i = 0; r == 0 && i < want; i++)
		r = add_stripe(&chunk, s, &stripes[i], why);
	return r < 0 ? r : append(chunks, &chunk, why);
}

/* An item of the array says by its number of stripes how long it is. */
static int take_item(struct span *left, const uint8_t **ret, size_t *ret_size)
{
	const struct disk_btrfs_chunk *disk = (const struct disk_btrfs_chunk *)left->p;

	if (left->len < sizeof(*disk))
		return -EBADMSG;
	*ret_size = sizeof(*disk) + get_le16(disk->num_stripes) * sizeof(struct disk_btrfs_stripe);
	return span_take(left, *ret_size, ret);
}

int btrfs_chunks_of_super(struct btrfs_chunks *chunks, const struct btrfs_super *s,
			  const struct disk_btrfs_super *disk, struct why *why)
{
	struct span left = { disk->chunk_array, s->chunk_array_size };

	while (left.len) {
		const struct disk_btrfs_key *key;
		const uint8_t *bytes, *item;
		size_t size;
		int r = span_take(&left, sizeof(*key), &bytes);

		key = (const struct disk_btrfs_key *)bytes;
		if (r < 0 || key->type != BTRFS_CHUNK_ITEM || take_item(&left, &item, &size) < 0)
			return fail(why, -EBADMSG, "the chunks in the btrfs superblock are damaged");
		r = btrfs_chunks_add(chunks, s, get_le64(key->offset), item, size, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* How many start at or before it. */
static size_t count_to(const struct btrfs_chunks *chunks, uint64_t logical)
{
	size_t low = 0, high = chunks->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (chunks->chunk[middle].logical <= logical)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

const struct btrfs_chunk *btrfs_chunks_find(const struct btrfs_chunks *chunks, uint64_t logical,
					    uint64_t length)
{
	size_t n = count_to(chunks, logical);
	const struct btrfs_chunk *chunk = n ? &chunks->chunk[n - 1] : NULL;

	return chunk && range_ok(logical - chunk->logical, length, chunk->length) ? chunk : NULL;
}

bool btrfs_chunks_touch(const struct btrfs_chunks *chunks, uint64_t logical, uint64_t length)
{
	size_t n = count_to(chunks, logical);
	const struct btrfs_chunk *chunk = chunks->chunk + n;

	return (n > 0 && logical - chunk[-1].logical < chunk[-1].length) ||
	       (n < chunks->n && chunk->logical - logical < length);
}
