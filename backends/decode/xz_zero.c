/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Blocks don't depend on each other, so equal compressed bytes decode to equal
 * bytes: of all blocks that are byte for byte the same, header, check and padding
 * included, one is decoded, and if that is zero, they all are.
 *
 * 1. Small blocks are read whole (zeros are small, and in a real template most of
 *    these are zeros) and sorted into classes of equal sizes and equal hash.
 * 2. The classes that cover most of the image come first. A class's first block
 *    is decoded, until a byte that is not zero.
 * 3. If there was none, every other member is compared with it byte for byte:
 *    the hash is a sieve, the comparison is the proof.
 *
 * The blocks' own checks would be a sieve as good, and are part of what is
 * hashed; but there may be none.
 */
#include "backends/decode/xz_zero.h"

#include <assert.h>
#include <errno.h>

/*
 * LZMA2 makes 1:6500 of zeros, whatever the preset and in front of whatever
 * filter, besides at most some 170 bytes of headers and check. Twice that and
 * more is let through, to allow for encoders unknown. What is let through
 * costs a read, so that the sieve may be no wider: of a template of 100 GiB at
 * most 25 MiB are read here.
 */
static bool may_be_zero(const struct xz_block *b)
{
	return b->unpadded <= 256 + b->length / 4096 && b->unpadded <= b->length / 8;
}

/* So a candidate holds less than 4 GiB; larger blocks cost more than XZ_ZERO_DECODE_MAX anyway. */
#define CANDIDATE_MAX (1 * MiB)

struct candidate {
	uint64_t hash;
	const struct xz_block *block;
};

/* Candidates with equal sizes and hash. */
struct class
{
	const struct candidate *first;
	size_t n;
};

struct search {
	struct image *below;
	const struct xz_table *table;
	uint64_t memory_limit;
	struct candidate *candidate;
	size_t n_candidates;
	struct class *class;
	size_t n_classes;
	uint8_t *one, *other; /* CANDIDATE_MAX each */
	uint64_t spent;	      /* of XZ_ZERO_DECODE_MAX */
	struct xz_zero zero;
};

static void search_done(struct search *s)
{
	free(s->candidate);
	free(s->class);
	free(s->one);
	free(s->other);
	xz_zero_done(&s->zero);
}

void xz_zero_done(struct xz_zero *z)
{
	free(z->bits);
	*z = (struct xz_zero){ 0 };
}

static int zero_init(struct xz_zero *z, size_t n)
{
	z->bits = calloc(1, n / 8 + 1);
	z->n = n;
	return z->bits ? 0 : -ENOMEM;
}

static int order(uint64_t a, uint64_t b)
{
	return a < b ? -1 : a > b;
}

static int compare_class(const struct candidate *a, const struct candidate *b)
{
	int c = order(a->block->length, b->block->length);

	if (c == 0)
		c = order(a->block->unpadded, b->block->unpadded);
	if (c == 0)
		c = order(a->block->check, b->block->check);
	if (c == 0)
		c = order(a->hash, b->hash);
	return c;
}

static int compare_candidates(const void *p, const void *q)
{
	const struct candidate *a = p, *b = q;
	int c = compare_class(a, b);

	return c ? c : order(a->block->at, b->block->at);
}

/* How much of the image; no class covers more than the image has, so this fits. */
static uint64_t class_covers(const struct class *c)
{
	return c->n * c->first->block->length;
}

static int compare_classes(const void *p, const void *q)
{
	const struct class *a = p, *b = q;
	int c = order(class_covers(b), class_covers(a));

	return c ? c : order(a->first->block->at, b->first->block->at);
}

static int read_block(struct search *s, const struct xz_block *b, uint8_t *buf, struct why *why)
{
	return image_pread(s->below, buf, xz_block_room(b), b->at, why);
}

static bool is_candidate(const struct xz_block *b)
{
	return may_be_zero(b) && xz_block_room(b) <= CANDIDATE_MAX && b->length <= XZ_ZERO_DECODE_MAX;
}

/* Allocates for as many candidates as there are. */
static int search_init(struct search *s)
{
	size_t n = 0;
	int r;

	for (size_t i = 0; i < s->table->n; i++)
		n += is_candidate(&s->table->block[i]);
	r = zero_init(&s->zero, s->table->n);
	if (r < 0 || n == 0)
		return r;
	s->candidate = calloc(n, sizeof(*s->candidate));
	s->class = calloc(n, sizeof(*s->class));
	s->one = malloc(CANDIDATE_MAX);
	s->other = malloc(CANDIDATE_MAX);
	return s->candidate && s->class && s->one && s->other ? 0 : -ENOMEM;
}

static int search_candidates(struct search *s, struct why *why)
{
	/* Where reading means asking a server, it is asked for many at once. */
	for (size_t i = 0; i < s->table->n; i++)
		if (is_candidate(&s->table->block[i]))
			image_hint(s->below, s->table->block[i].at, xz_block_room(&s->table->block[i]));
	for (size_t i = 0; i < s->table->n; i++) {
		const struct xz_block *b = &s->table->block[i];
		int r;

		if (!is_candidate(b))
			continue;
		r = read_block(s, b, s->one, why);
		if (r < 0)
			return r;
		s->candidate[s->n_candidates++] =
			(struct candidate){ lzma_crc64(s->one, xz_block_room(b), 0), b };
	}
	return 0;
}

static void search_classes(struct search *s)
{
	if (s->n_candidates == 0)
		return;
	qsort(s->candidate, s->n_candidates, sizeof(*s->candidate), compare_candidates);
	for (size_t i = 0; i < s->n_candidates; i++) {
		struct class *last = s->n_classes ? &s->class[s->n_classes - 1] : NULL;

		if (last && compare_class(last->first, &s->candidate[i]) == 0)
			last->n++;
		else
			s->class[s->n_classes++] = (struct class){ &s->candidate[i], 1 };
	}
	qsort(s->class, s->n_classes, sizeof(*s->class), compare_classes);
}

/* Ends the decoding at the first byte that is not zero. */
struct zero_sink {
	struct sink sink;
	uint64_t zeros;
	bool ended;
};

static int zero_sink_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct zero_sink *z = (struct zero_sink *)sink;
	const uint8_t *p = buf;

	if (bytes_are_zero(buf, count)) {
		z->zeros += count;
		return 0;
	}
	while (*p++ == 0)
		z->zeros++;
	z->ended = true;
	return -ECANCELED;
}

/* 1 when the block is zero, 0 when it isn't or is damaged, or an error. */
static int prove_one(struct search *s, const struct xz_block *b, struct why *why)
{
	struct zero_sink z = { .sink.write = zero_sink_write };
	int r = xz_block_decode(s->below, b, s->memory_limit, &z.sink, why);

	/* Counts bytes of the image, not of our buffers: the map must not depend on their size. */
	s->spent += max_u64(z.zeros, XZ_ZERO_DECODE_MIN);
	if (r == 0)
		return 1;
	if (!z.ended && r != -EBADMSG)
		return r;
	if (why)
		why->text[0] = '\0';
	return 0;
}

static void note_zero(struct search *s, const struct xz_block *b)
{
	size_t i = b - s->table->block;

	s->zero.bits[i / 8] |= 1 << i % 8;
}

static int prove_class(struct search *s, const struct class *c, struct why *why)
{
	const struct xz_block *first = c->first->block;
	int r = prove_one(s, first, why);

	if (r <= 0)
		return r;
	note_zero(s, first);
	r = read_block(s, first, s->one, why);
	for (size_t i = 1; r == 0 && i < c->n; i++) {
		const struct xz_block *b = c->first[i].block;

		r = read_block(s, b, s->other, why);
		if (r == 0 && memcmp(s->one, s->other, xz_block_room(b)) == 0)
			note_zero(s, b);
	}
	return r;
}

static int search_run(struct search *s, struct why *why)
{
	int r = search_init(s);

	if (r == 0)
		r = search_candidates(s, why);
	if (r < 0)
		return r;
	search_classes(s);
	for (size_t i = 0; i < s->n_classes; i++) {
		uint64_t cost = max_u64(s->class[i].first->block->length, XZ_ZERO_DECODE_MIN);

		/* Too dear now, but a smaller one may follow. */
		if (cost > XZ_ZERO_DECODE_MAX - s->spent)
			continue;
		r = prove_class(s, &s->class[i], why);
		if (r < 0)
			return r;
	}
	return 0;
}

int xz_zero_find(struct image *below, const struct xz_table *t, uint64_t memory_limit, struct xz_zero *ret,
		 struct why *why)
{
	_cleanup_(search_done) struct search s = { .below = below, .table = t, .memory_limit = memory_limit };
	int r = search_run(&s, why);

	if (r < 0)
		return r;
	*ret = s.zero;
	s.zero = (struct xz_zero){ 0 };
	return 0;
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

int xz_zero_pack(const struct xz_zero *z, const struct xz_table *t, void **ret, size_t *ret_count)
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

int xz_zero_unpack(const void *bytes, size_t count, const struct xz_table *t, struct xz_zero *ret)
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
