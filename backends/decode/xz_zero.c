/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/xz_zero.h"

#include <assert.h>
#include <errno.h>

struct proof {
	struct zero_of of;
	uint64_t memory_limit;
};

static void zero_piece(const struct zero_of *of, size_t i, struct zero_piece *ret)
{
	const struct xz_block *b = &((const struct xz_table *)of->table)->block[i];

	*ret = (struct zero_piece){ b->at, b->unpadded, xz_block_room(b), b->length, b->check };
}

static int zero_decode(const struct zero_of *of, size_t i, struct sink *sink, struct why *why)
{
	const struct proof *p = (const struct proof *)of;

	return xz_block_decode(of->below, &((const struct xz_table *)of->table)->block[i], p->memory_limit,
			       sink, why);
}

int xz_zero_find(struct image *below, const struct xz_table *t, uint64_t memory_limit, struct zero_map *ret,
		 struct why *why)
{
	const struct proof p = { { below, t, t->n, zero_piece, zero_decode }, memory_limit };

	return zero_find(&p.of, ret, why);
}

/* The sidecar: number of blocks, a digest of the table it was made for, the bits. */
struct disk_zero {
	uint8_t n[8]; /* little-endian */
	uint8_t table[8];
};
static_assert(sizeof(struct disk_zero) == 16, "zero map header");

static uint64_t table_digest(const struct xz_table *t)
{
	uint64_t digest = 0;

	for (size_t i = 0; i < t->n; i++) {
		const struct xz_block *b = &t->block[i];
		uint8_t disk_block[32];

		put_le64(disk_block, b->at);
		put_le64(disk_block + 8, b->unpadded);
		put_le64(disk_block + 16, b->length);
		put_le64(disk_block + 24, b->check);
		digest = lzma_crc64(disk_block, sizeof(disk_block), digest);
	}
	return digest;
}

int xz_zero_pack(const struct zero_map *z, const struct xz_table *t, void **ret, size_t *ret_count)
{
	const size_t n_bytes = z->n / 8 + 1;
	struct disk_zero *disk_zero = malloc(sizeof(*disk_zero) + n_bytes);

	if (!disk_zero)
		return -ENOMEM;
	put_le64(disk_zero->n, z->n);
	put_le64(disk_zero->table, table_digest(t));
	memcpy(disk_zero + 1, z->bits, n_bytes);
	*ret = disk_zero;
	*ret_count = sizeof(*disk_zero) + n_bytes;
	return 0;
}

int xz_zero_unpack(const void *bytes, size_t count, const struct xz_table *t, struct zero_map *ret)
{
	const struct disk_zero *disk_zero = bytes;
	int r;

	if (count != sizeof(*disk_zero) + t->n / 8 + 1 || get_le64(disk_zero->n) != t->n ||
	    get_le64(disk_zero->table) != table_digest(t))
		return -ENOENT;
	r = zero_init(ret, t->n);
	if (r == 0)
		memcpy(ret->bits, disk_zero + 1, t->n / 8 + 1);
	return r;
}
