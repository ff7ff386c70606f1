/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pieces don't depend on each other, so equal compressed bytes decode to equal
 * bytes: of all pieces that are byte for byte the same, headers, checks and padding
 * included, one is decoded, and if that is zero, they all are.
 *
 * 1. Small pieces are read whole (zeros are small, and in a real template most of
 *    these are zeros) and sorted into classes of equal sizes and equal hash.
 * 2. The classes that cover most of the image come first. A class's first piece
 *    is decoded, until a byte that is not zero.
 * 3. If there was none, every other member is compared with it byte for byte:
 *    the hash is a sieve, the comparison is the proof.
 *
 * The pieces' own checks would be a sieve as good, and are part of what is
 * hashed; but there may be none.
 *
 * What was proved of one file holds for the next: templates of one library are mostly made
 * by one tool in one way, and their pieces of zeros are the same bytes. The last few
 * are remembered for all; they make nothing true that decoding would not.
 */
#include "backends/decode/zero.h"

#include <errno.h>
#include <lzma.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/lock.h"

/*
 * LZMA2 makes 1:6500 of zeros, whatever the preset and in front of whatever
 * filter, besides at most some 170 bytes of headers and check. Twice that and
 * more is let through, to allow for encoders unknown. What is let through
 * costs a read, so that the sieve may be no wider: of a template of 100 GiB at
 * most 25 MiB are read here.
 */
static bool may_be_zero(const struct zero_piece *p)
{
	return p->size <= 256 + p->length / 4096 && p->size <= p->length / 8;
}

/* So a candidate holds less than 4 GiB; larger pieces cost more than ZERO_DECODE_MAX anyway. */
#define CANDIDATE_MAX (1 * MiB)

struct candidate {
	uint64_t hash;
	size_t i;
	struct zero_piece piece;
};

/* Candidates with equal sizes and hash. */
struct class
{
	const struct candidate *first;
	size_t n;
};

struct search {
	const struct zero_of *of;
	struct candidate *candidate;
	size_t n_candidates;
	struct class *class;
	size_t n_classes;
	uint8_t *one, *other; /* CANDIDATE_MAX each */
	uint64_t spent;	      /* of ZERO_DECODE_MAX */
	struct zero_map zero;
};

static void search_done(struct search *s)
{
	free(s->candidate);
	free(s->class);
	free(s->one);
	free(s->other);
	zero_done(&s->zero);
}

void zero_done(struct zero_map *z)
{
	free(z->bits);
	*z = (struct zero_map){ 0 };
}

int zero_init(struct zero_map *z, size_t n)
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
	int c = order(a->piece.length, b->piece.length);

	if (c == 0)
		c = order(a->piece.size, b->piece.size);
	if (c == 0)
		c = order(a->piece.kind, b->piece.kind);
	if (c == 0)
		c = order(a->hash, b->hash);
	return c;
}

static int compare_candidates(const void *p, const void *q)
{
	const struct candidate *a = p, *b = q;
	int c = compare_class(a, b);

	return c ? c : order(a->piece.at, b->piece.at);
}

/* How much of the image; no class covers more than the image has, so this fits. */
static uint64_t class_covers(const struct class *c)
{
	return c->n * c->first->piece.length;
}

static int compare_classes(const void *p, const void *q)
{
	const struct class *a = p, *b = q;
	int c = order(class_covers(b), class_covers(a));

	return c ? c : order(a->first->piece.at, b->first->piece.at);
}

static int read_piece(struct search *s, const struct zero_piece *p, uint8_t *buf, struct why *why)
{
	return image_pread(s->of->below, buf, p->room, p->at, why);
}

static bool is_candidate(const struct zero_piece *p)
{
	return may_be_zero(p) && p->room <= CANDIDATE_MAX && p->length <= ZERO_DECODE_MAX;
}

/* Finds them, and allocates for as many as there are. */
static int search_init(struct search *s)
{
	struct zero_piece p;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < s->of->n; i++) {
		s->of->piece(s->of, i, &p);
		n += is_candidate(&p);
	}
	r = zero_init(&s->zero, s->of->n);
	if (r < 0 || n == 0)
		return r;
	s->candidate = calloc(n, sizeof(*s->candidate));
	s->class = calloc(n, sizeof(*s->class));
	s->one = malloc(CANDIDATE_MAX);
	s->other = malloc(CANDIDATE_MAX);
	if (!s->candidate || !s->class || !s->one || !s->other)
		return -ENOMEM;
	for (size_t i = 0; i < s->of->n; i++) {
		s->of->piece(s->of, i, &p);
		if (is_candidate(&p))
			s->candidate[s->n_candidates++] = (struct candidate){ .i = i, .piece = p };
	}
	return 0;
}

static int search_candidates(struct search *s, struct why *why)
{
	int r = 0;

	/* Where reading means asking a server, it is asked for many at once. */
	for (size_t i = 0; i < s->n_candidates; i++)
		image_hint(s->of->below, s->candidate[i].piece.at, s->candidate[i].piece.room);
	for (size_t i = 0; r == 0 && i < s->n_candidates; i++) {
		struct candidate *c = &s->candidate[i];

		r = read_piece(s, &c->piece, s->one, why);
		if (r == 0)
			c->hash = lzma_crc64(s->one, c->piece.room, 0);
	}
	return r;
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

/* ---- what was proved before, of any file ---- */

#define KNOWN	  8
#define KNOWN_MAX (64 * KiB) /* compressed; zeros of 256 MiB take less */

struct known {
	int (*decode)(const struct zero_of *of, size_t i, struct sink *sink, struct why *why);
	struct zero_piece piece; /* but where it was */
	uint8_t *bytes;		 /* piece.room of them */
};

/* A function's results, the same for all who ask: the one thing here that belongs to no image. */
static struct {
	pthread_mutex_t lock;
	struct known last[KNOWN];
	size_t next;
} known_zeros = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* With the lock held. */
static bool is_known_as(const struct known *k, const struct zero_of *of, const struct zero_piece *p,
			const uint8_t *bytes)
{
	return k->decode == of->decode && k->piece.size == p->size && k->piece.room == p->room &&
	       k->piece.length == p->length && k->piece.kind == p->kind &&
	       memcmp(k->bytes, bytes, p->room) == 0;
}

static bool is_known(const struct zero_of *of, const struct zero_piece *p, const uint8_t *bytes)
{
	LOCKED(&known_zeros.lock);

	for (size_t i = 0; i < KNOWN; i++)
		if (is_known_as(&known_zeros.last[i], of, p, bytes))
			return true;
	return false;
}

static void note_known(const struct zero_of *of, const struct zero_piece *p, const uint8_t *bytes)
{
	uint8_t *copy = p->room <= KNOWN_MAX ? malloc(p->room) : NULL;
	struct known *k;

	if (!copy)
		return;
	memcpy(copy, bytes, p->room);
	LOCKED(&known_zeros.lock);

	k = &known_zeros.last[known_zeros.next++ % KNOWN];
	free(k->bytes);
	*k = (struct known){ of->decode, *p, copy };
}

/* ---- proving ---- */

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

/* 1 when the piece is zero, 0 when it isn't or is damaged, or an error. */
static int prove_one(struct search *s, size_t i, struct why *why)
{
	struct zero_sink z = { .sink.write = zero_sink_write };
	int r = s->of->decode(s->of, i, &z.sink, why);

	/* Counts bytes of the image, not of our buffers: the map must not depend on their size. */
	s->spent += max_u64(z.zeros, ZERO_DECODE_MIN);
	if (r == 0)
		return 1;
	if (!z.ended && r != -EBADMSG)
		return r;
	if (why)
		why->text[0] = '\0';
	return 0;
}

static void note_zero(struct search *s, size_t i)
{
	s->zero.bits[i / 8] |= 1 << i % 8;
}

/* The same, of the piece whose bytes are in s->one; counted alike, so that the map is the same either way. */
static int prove_first(struct search *s, const struct candidate *c, struct why *why)
{
	int r;

	if (is_known(s->of, &c->piece, s->one)) {
		s->spent += max_u64(c->piece.length, ZERO_DECODE_MIN);
		return 1;
	}
	r = prove_one(s, c->i, why);
	if (r == 1)
		note_known(s->of, &c->piece, s->one);
	return r;
}

static int prove_class(struct search *s, const struct class *c, struct why *why)
{
	int r = read_piece(s, &c->first->piece, s->one, why);

	if (r == 0)
		r = prove_first(s, c->first, why);
	if (r <= 0)
		return r;
	note_zero(s, c->first->i);
	r = 0;
	for (size_t i = 1; r == 0 && i < c->n; i++) {
		const struct zero_piece *p = &c->first[i].piece;

		r = read_piece(s, p, s->other, why);
		if (r == 0 && memcmp(s->one, s->other, p->room) == 0)
			note_zero(s, c->first[i].i);
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
		uint64_t cost = max_u64(s->class[i].first->piece.length, ZERO_DECODE_MIN);

		/* Too dear now, but a smaller one may follow. */
		if (cost > ZERO_DECODE_MAX - s->spent)
			continue;
		r = prove_class(s, &s->class[i], why);
		if (r < 0)
			return r;
	}
	return 0;
}

int zero_find(const struct zero_of *of, struct zero_map *ret, struct why *why)
{
	_cleanup_(search_done) struct search s = { .of = of };
	int r = search_run(&s, why);

	if (r < 0)
		return r;
	*ret = s.zero;
	s.zero = (struct zero_map){ 0 };
	return 0;
}
