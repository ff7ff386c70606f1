/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first pass cuts the file into blocks at the marks between them and has them
 * decoded by the pool's threads, some blocks ahead; what they find is put together
 * in order, on the thread of whoever opens. Each job sums up its block (length,
 * CRC, runs of zeros); the bytes are not kept.
 *
 * A mark is 48 bits, and may stand in a block's data: by chance once in some 10^4
 * files of a GiB, or because somebody wants it to. What was cut there can't be
 * decoded, and is tried again up to the next mark. Where that was the answer is
 * noted as odd, so that nobody has to find it out again: making a unit hands out
 * bytes as they come.
 */
#include "backends/decode/bzip2.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "backends/cache/pool.h"
#include "backends/costs.h"
#include "backends/decode/bzip2_block.h"
#include "base/lock.h"
#include "base/patience.h"

/*
 * Measured: 20 ms a block of 900 kB, so two or three of them, 60 ms, make a unit. A
 * block of zeros may hold up to 46 MB.
 */
#define UNIT (2 * MiB)

/* How many marks within one block are tried. */
#define TRIES 8

#define JOBS_MAX 32

struct pass;

struct block_job {
	struct job job;
	struct pass *pass;
	struct bzip2_block block;
	uint8_t *file; /* owned */
	size_t count;
	struct stream_piece piece;
	bool is_done; /* guarded by pass->lock */
	int result;   /* bzip2_unwrap's, once it is done */
	struct why why;
};

struct pass {
	struct stream_builder *b;
	struct bzip2_cutter cutter;
	struct pool *pool; /* NULL: no threads */
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct block_job job[JOBS_MAX]; /* a ring */
	unsigned first, n, depth;
	/*
	 * A block of zeros, wrapped, and what it holds: equal bytes decode to equal bytes,
	 * and most blocks of a disk are that one (some packers make them of 900 kB each).
	 */
	uint8_t *zero; /* owned */
	size_t zero_count;
	uint64_t zero_length;
	uint32_t zero_crc;
};

static int take_piece(void *arg, const void *buf, size_t count, struct why *why)
{
	return stream_piece_feed(arg, buf, count);
}

static void decode_job(struct block_job *j)
{
	stream_piece_reset(&j->piece);
	j->result = bzip2_unwrap(j->file, j->count, take_piece, &j->piece, &j->why);
}

static void run_job(struct job *job)
{
	struct block_job *j = (struct block_job *)job;
	struct pass *p = j->pass;

	decode_job(j);
	LOCKED(&p->lock);

	j->is_done = true;
	(void)pthread_cond_broadcast(&p->done);
}

/* ---- the ring ---- */

static int wrap_job(struct pass *p, struct block_job *j)
{
	free(j->file);
	j->file = bzip2_wrap(&p->cutter, &j->block, &j->count);
	return j->file ? 0 : -ENOMEM;
}

static bool is_known(const struct pass *p, struct block_job *j)
{
	if (!p->zero || j->count != p->zero_count || memcmp(j->file, p->zero, j->count) != 0)
		return false;
	stream_piece_reset(&j->piece);
	j->piece.length = j->piece.zeros = p->zero_length;
	j->piece.crc = p->zero_crc;
	j->result = 0;
	return true;
}

static void get_to_know(struct pass *p, struct block_job *j)
{
	if (j->piece.zeros != j->piece.length || is_known(p, j))
		return;
	free(p->zero);
	p->zero = take(j->file);
	p->zero_count = j->count;
	p->zero_length = j->piece.length;
	p->zero_crc = j->piece.crc;
}

/* Has the next block decoded: 1, 0 at the end of the file, or an error. */
static int start_job(struct pass *p, struct why *why)
{
	struct block_job *j = &p->job[(p->first + p->n) % JOBS_MAX];
	int r = bzip2_cut(&p->cutter, &j->block, why);

	if (r <= 0)
		return r;
	r = wrap_job(p, j);
	if (r < 0)
		return r;
	j->job = (struct job){ .run = run_job, .memory = BZIP2_DECODER_MEMORY };
	j->pass = p;
	j->is_done = is_known(p, j);
	p->n++;
	if (!j->is_done && (!p->pool || pool_submit(p->pool, &j->job, JOB_WAITED_FOR) < 0)) {
		decode_job(j);
		j->is_done = true;
	}
	return 1;
}

/* Those that run are over soon: a block is not much. */
static void drop_jobs(struct pass *p)
{
	LOCKED(&p->lock);

	for (; p->n; p->n--, p->first = (p->first + 1) % JOBS_MAX) {
		struct block_job *j = &p->job[p->first];

		if (!j->is_done && pool_take(p->pool, &j->job))
			continue;
		while (!j->is_done)
			(void)pthread_cond_wait(&p->done, &p->lock);
	}
}

static int await_job(struct pass *p, struct block_job *j, struct why *why)
{
	for (;;) {
		{
			LOCKED(&p->lock);

			if (!j->is_done)
				lock_cond_wait_until(&p->done, &p->lock, lock_now_ms() + PATIENCE_POLL_MS);
			if (j->is_done)
				return 0;
		}
		if (patience_lost())
			return fail(why, -EINTR, "given up decoding at byte %" PRIu64, j->block.from / 8);
	}
}

/* It ends at one of the marks behind: those that were cut by the wrong one are dropped. */
static int retry_job(struct pass *p, struct block_job *j, struct why *why)
{
	struct bzip2_block block = j->block;
	int r = 1;

	drop_jobs(p);
	for (unsigned i = 0; r > 0 && i < TRIES; i++) {
		r = bzip2_extend(&p->cutter, &block, why);
		if (r <= 0)
			break;
		j->block = block;
		r = wrap_job(p, j);
		if (r < 0)
			return r;
		decode_job(j);
		if (j->result <= 0)
			return j->result < 0 ? j->result : builder_odd(p->b, block.from, block.to, why);
		r = 1;
	}
	if (r < 0)
		return r;
	return fail(why, -EBADMSG, "the bzip2 file is damaged: the block at byte %" PRIu64 " can't be decoded",
		    block.from / 8);
}

/* The oldest one's block is put into the index. */
static int collect_job(struct pass *p, struct why *why)
{
	struct block_job *j = &p->job[p->first];
	int r = await_job(p, j, why);

	if (r < 0)
		return r;
	if (j->result < 0) {
		if (why)
			*why = j->why;
		return j->result;
	}
	p->first = (p->first + 1) % JOBS_MAX;
	p->n--;
	if (j->result > 0)
		r = retry_job(p, j, why);
	if (r == 0)
		r = builder_point(p->b, j->block.from, j->block.level, NULL, 0, why);
	if (r == 0)
		r = builder_piece(p->b, &j->piece, why);
	if (r == 0)
		get_to_know(p, j);
	p->b->index.pieces++;
	return r;
}

static int pass_run(struct pass *p, struct why *why)
{
	for (;;) {
		int r = 1, e;

		while (r > 0 && p->n < p->depth)
			r = start_job(p, why);
		/*
		 * An end or an error may be no more than the sign of an earlier block that
		 * was cut by the wrong mark: it counts when nothing is left that could be one.
		 */
		if (p->n == 0)
			return r;
		e = collect_job(p, why);
		if (e < 0)
			return e;
	}
}

static void pass_done(struct pass *p)
{
	drop_jobs(p);
	for (unsigned i = 0; i < JOBS_MAX; i++) {
		free(p->job[i].file);
		stream_piece_done(&p->job[i].piece);
	}
	bzip2_cutter_done(&p->cutter);
	free(p->zero);
	(void)pthread_cond_destroy(&p->done);
	(void)pthread_mutex_destroy(&p->lock);
	free(p);
}
DEFINE_CLEANUP(struct pass *, pass_done);

static int bzip2_index(const struct stream_source *src, struct stream_builder *b, struct why *why)
{
	_cleanup_(pass_donep) struct pass *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	(void)pthread_mutex_init(&p->lock, NULL);
	lock_cond_init(&p->done);
	p->b = b;
	/* A pool's thread that waits for its own pool could wait for ever. */
	p->pool = pool_is_here() ? NULL : src->pool;
	p->depth = p->pool ? min_u64(2 * pool_threads(p->pool) + 1, JOBS_MAX) : 1;
	b->index.memory = BZIP2_DECODER_MEMORY;
	b->index.checked = true;
	if (bzip2_cutter_init(&p->cutter, src->below, 0, src->below->size, /* level= */ 0) < 0)
		return -ENOMEM;
	return pass_run(p, why);
}

/* ---- making ---- */

static int take_unit(void *arg, const void *buf, size_t count, struct why *why)
{
	struct stream_out *out = arg;

	if (count > stream_out_left(out))
		return fail(why, -EBADMSG,
			    "the bzip2 file is damaged: the blocks from byte %" PRIu64 " on hold too much",
			    out->unit->at / 8);
	return stream_emit(out, buf, count, why);
}

static int decode_blocks(struct bzip2_cutter *c, struct stream_out *out, struct why *why)
{
	int r = 0;

	while (r == 0 && stream_out_left(out)) {
		_cleanup_free_ uint8_t *file = NULL;
		struct bzip2_block block;
		size_t count;

		r = bzip2_cut(c, &block, why);
		if (r <= 0)
			return r; /* stream_decode sees that there was too little */
		file = bzip2_wrap(c, &block, &count);
		if (!file)
			return -ENOMEM;
		r = bzip2_unwrap(file, count, take_unit, out, why);
		if (r > 0)
			r = fail(why, -EBADMSG,
				 "the bzip2 file is damaged: the block at byte %" PRIu64 " can't be decoded",
				 block.from / 8);
	}
	return r;
}

static int bzip2_decode(const struct stream_source *src, const struct stream_index *x, size_t i,
			struct stream_out *out, struct why *why)
{
	const uint64_t end = stream_unit_end(x, i);
	_cleanup_(bzip2_cutter_done) struct bzip2_cutter c;

	if (bzip2_cutter_init(&c, src->below, x->unit[i].at / 8, min_u64(div_up(end, 8), x->file_size),
			      /* level= */ x->unit[i].first) < 0)
		return -ENOMEM;
	c.at = x->unit[i].at;
	c.stop = end;
	c.odd = x;
	return decode_blocks(&c, out, why);
}

static void bzip2_describe(const struct stream_index *x, struct text *t)
{
	text_add(t, "%" PRIu64 " block%s, check crc32\n", x->pieces, x->pieces == 1 ? "" : "s");
}

static const struct stream_format bzip2_format = {
	.name = "bzip2",
	.version = 1,
	.unit = UNIT,
	.index = bzip2_index,
	.decode = bzip2_decode,
	.describe = bzip2_describe,
};

int bzip2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	return stream_open(&bzip2_format, opening, below, ret, why);
}

static void bzip2_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	stream_offer("bzip2", COST_BZIP2_OPEN, COST_BZIP2_PER_MIB, state, o);
}

const struct backend bzip2_backend = {
	.name = "bzip2",
	.offer = bzip2_offer,
	.open = bzip2_open,
};
