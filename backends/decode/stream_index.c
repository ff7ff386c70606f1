/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/stream_index.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "base/patience.h"
#include "base/span.h"

void stream_index_done(struct stream_index *x)
{
	for (size_t i = 0; i < x->n; i++)
		free(x->unit[i].window);
	free(x->unit);
	free(x->zero);
	free(x->odd);
	*x = (struct stream_index){ 0 };
}

size_t stream_index_find(const struct stream_index *x, uint64_t offset)
{
	size_t low = 0, high = x->n;

	/* The last one that begins at or before the offset. */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (x->unit[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

int stream_unit_window(const struct stream_unit *u, uint8_t *ret)
{
	size_t n;

	if (!u->window)
		return 0;
	n = ZSTD_decompress(ret, STREAM_WINDOW_MAX, u->window, u->window_len);
	return ZSTD_isError(n) ? -EBADMSG : (int)n;
}

static int grow(void **array, size_t *room, size_t n, size_t item)
{
	size_t want = n < 64 ? 64 : n * 2;
	void *p;

	if (n < *room)
		return 0;
	p = reallocarray(*array, want, item);
	if (!p)
		return -ENOMEM;
	*array = p;
	*room = want;
	return 0;
}

int stream_index_zero(struct stream_index *x, uint64_t offset, uint64_t length)
{
	struct stream_run *last = x->n_zero ? &x->zero[x->n_zero - 1] : NULL;

	if (last && last->offset + last->length == offset) {
		last->length += length;
		return 0;
	}
	if (grow((void **)&x->zero, &x->room_zero, x->n_zero, sizeof(*x->zero)) < 0)
		return -ENOMEM;
	x->zero[x->n_zero++] = (struct stream_run){ offset, length };
	return 0;
}

/* ---- the sidecar ---- */

/*
 * Little-endian: the header, then the units (each followed by its window), runs of
 * zeros, odd places.
 */
struct disk_index {
	uint8_t file_size[8];
	uint8_t fingerprint[8];
	uint8_t size[8];
	uint8_t memory[8];
	uint8_t pieces[8];
	uint8_t own[8];
	uint8_t checked[8];
	uint8_t n[8];
	uint8_t n_zero[8];
	uint8_t n_odd[8];
};
static_assert(sizeof(struct disk_index) == 80, "stream index header");

struct disk_unit {
	uint8_t at[8];
	uint8_t length[8];
	uint8_t first[8];
	uint8_t crc[4];
	uint8_t window_len[4];
};
static_assert(sizeof(struct disk_unit) == 32, "stream index unit");

struct disk_run {
	uint8_t offset[8];
	uint8_t length[8];
};
static_assert(sizeof(struct disk_run) == 16, "stream index run");

static uint8_t *pack_unit(uint8_t *p, const struct stream_unit *u)
{
	struct disk_unit *disk = (struct disk_unit *)p;

	put_le64(disk->at, u->at);
	put_le64(disk->length, u->length);
	put_le64(disk->first, u->first);
	put_le32(disk->crc, u->crc);
	put_le32(disk->window_len, u->window_len);
	if (u->window_len)
		memcpy(p + sizeof(*disk), u->window, u->window_len);
	return p + sizeof(*disk) + u->window_len;
}

static uint8_t *pack_runs(uint8_t *p, const struct stream_run *run, size_t n)
{
	struct disk_run *disk = (struct disk_run *)p;

	for (size_t i = 0; i < n; i++) {
		put_le64(disk[i].offset, run[i].offset);
		put_le64(disk[i].length, run[i].length);
	}
	return p + n * sizeof(*disk);
}

int stream_index_pack(const struct stream_index *x, uint64_t fingerprint, void **ret, size_t *ret_count)
{
	size_t count = sizeof(struct disk_index) + x->n * sizeof(struct disk_unit) +
		       (x->n_zero + x->n_odd) * sizeof(struct disk_run);
	struct disk_index *disk;
	uint8_t *p;

	for (size_t i = 0; i < x->n; i++)
		count += x->unit[i].window_len;
	disk = malloc(count);
	if (!disk)
		return -ENOMEM;
	put_le64(disk->file_size, x->file_size);
	put_le64(disk->fingerprint, fingerprint);
	put_le64(disk->size, x->size);
	put_le64(disk->memory, x->memory);
	put_le64(disk->pieces, x->pieces);
	put_le64(disk->own, x->own);
	put_le64(disk->checked, x->checked);
	put_le64(disk->n, x->n);
	put_le64(disk->n_zero, x->n_zero);
	put_le64(disk->n_odd, x->n_odd);
	p = (uint8_t *)(disk + 1);
	for (size_t i = 0; i < x->n; i++)
		p = pack_unit(p, &x->unit[i]);
	p = pack_runs(p, x->zero, x->n_zero);
	(void)pack_runs(p, x->odd, x->n_odd);
	*ret = disk;
	*ret_count = count;
	return 0;
}

static int unpack_unit(struct span *s, struct stream_index *x)
{
	struct stream_unit *u = &x->unit[x->n], *before = x->n ? u - 1 : NULL;
	const struct disk_unit *disk;
	const uint8_t *p;

	if (span_take(s, sizeof(*disk), &p) < 0)
		return -ENOENT;
	disk = (const struct disk_unit *)p;
	*u = (struct stream_unit){ .at = get_le64(disk->at),
				   .offset = before ? before->offset + before->length : 0,
				   .length = get_le64(disk->length),
				   .first = get_le64(disk->first),
				   .crc = get_le32(disk->crc),
				   .window_len = get_le32(disk->window_len) };
	if (u->length == 0 || u->length > x->size - u->offset || u->at / 8 >= x->file_size ||
	    (before && u->at < before->at) || span_take(s, u->window_len, &p) < 0)
		return -ENOENT;
	if (u->window_len) {
		u->window = malloc(u->window_len);
		if (!u->window)
			return -ENOMEM;
		memcpy(u->window, p, u->window_len);
	}
	x->n++;
	return 0;
}

/* Runs that come in order, apart from each other, and end at or before `end`. */
static int unpack_runs(struct span *s, uint64_t n, uint64_t end, struct stream_run **ret)
{
	uint64_t at = 0;
	const uint8_t *p;

	*ret = calloc(n + 1, sizeof(**ret));
	if (!*ret)
		return -ENOMEM;
	for (uint64_t i = 0; i < n; i++) {
		struct stream_run *run = &(*ret)[i];

		if (span_take(s, sizeof(struct disk_run), &p) < 0)
			return -ENOENT;
		run->offset = get_le64(p);
		run->length = get_le64(p + 8);
		if (run->offset < at || run->length == 0 || !range_ok(run->offset, run->length, end))
			return -ENOENT;
		at = run->offset + run->length;
	}
	return 0;
}

static int unpack(struct span *s, const struct disk_index *disk, struct stream_index *x)
{
	const uint64_t n = get_le64(disk->n), n_zero = get_le64(disk->n_zero), n_odd = get_le64(disk->n_odd);
	int r = 0;

	if (n == 0 || n > s->len / sizeof(struct disk_unit) || n_zero > s->len / sizeof(struct disk_run) ||
	    n_odd > s->len / sizeof(struct disk_run) || x->size == 0 || x->size > STREAM_SIZE_MAX)
		return -ENOENT;
	x->unit = calloc(n, sizeof(*x->unit));
	if (!x->unit)
		return -ENOMEM;
	while (r == 0 && x->n < n)
		r = unpack_unit(s, x);
	if (r < 0)
		return r;
	if (x->unit[n - 1].offset + x->unit[n - 1].length != x->size)
		return -ENOENT;
	r = unpack_runs(s, n_zero, x->size, &x->zero);
	if (r == 0)
		r = unpack_runs(s, n_odd, x->file_size * 8, &x->odd);
	x->n_zero = n_zero;
	x->n_odd = n_odd;
	return r == 0 && s->len ? -ENOENT : r;
}

int stream_index_unpack(const void *bytes, size_t count, uint64_t file_size, uint64_t fingerprint,
			struct stream_index *ret)
{
	struct stream_index x = { .file_size = file_size };
	const struct disk_index *disk = bytes;
	struct span s = { bytes, count };
	const uint8_t *p;
	int r;

	if (span_take(&s, sizeof(*disk), &p) < 0 || get_le64(disk->file_size) != file_size ||
	    get_le64(disk->fingerprint) != fingerprint)
		return -ENOENT;
	x.size = get_le64(disk->size);
	x.memory = get_le64(disk->memory);
	x.pieces = get_le64(disk->pieces);
	x.own = get_le64(disk->own);
	x.checked = get_le64(disk->checked);
	r = unpack(&s, disk, &x);
	if (r < 0) {
		stream_index_done(&x);
		return r;
	}
	*ret = x;
	return 0;
}

/* ---- pieces ---- */

static size_t leading_zeros(const uint8_t *p, size_t count)
{
	size_t n = 0;

	while (count - n >= 512 && bytes_are_zero(p + n, 512))
		n += 512;
	while (n < count && p[n] == 0)
		n++;
	return n;
}

/* The zeros that it ended with were the last ones: `end` is behind them. */
static int close_run(struct stream_piece *p, uint64_t end)
{
	uint64_t n = p->zeros;

	p->zeros = 0;
	if (n == 0 || (n < STREAM_ZERO_LEAST && n < end))
		return 0;
	if (grow((void **)&p->zero, &p->room_zero, p->n_zero, sizeof(*p->zero)) < 0)
		return -ENOMEM;
	p->zero[p->n_zero++] = (struct stream_run){ end - n, n };
	return 0;
}

/* No run that matters fits between two bytes so far apart that are not zero. */
#define PROBE 4096

/*
 * Finds all runs that matter exactly, wherever the buffers end: what it finds decides
 * layouts. Behind `at` is a byte that is not zero, as long as no run is open.
 */
static int find_runs(struct stream_piece *p, const uint8_t *buf, size_t count)
{
	for (size_t at = 0; at < count;) {
		size_t from = at, start = min_u64(at + PROBE, count) - 1;

		if (p->zeros || p->length + at == 0) {
			at += leading_zeros(buf + at, count - at);
			p->zeros += at - from;
			if (at < count && close_run(p, p->length + at) < 0)
				return -ENOMEM;
			at++;
			continue;
		}
		at = start + 1;
		if (buf[start])
			continue;
		while (start > from && buf[start - 1] == 0)
			start--;
		p->zeros = at - start;
	}
	return 0;
}

int stream_piece_feed(struct stream_piece *p, const void *buf, size_t count)
{
	if (find_runs(p, buf, count) < 0)
		return -ENOMEM;
	p->crc = crc32_z(p->crc, buf, count);
	p->length += count;
	return 0;
}

void stream_piece_reset(struct stream_piece *p)
{
	p->length = p->crc = p->zeros = p->n_zero = 0;
}

void stream_piece_done(struct stream_piece *p)
{
	free(p->zero);
	*p = (struct stream_piece){ 0 };
}

/* ---- the builder ---- */

void builder_init(struct stream_builder *b, const char *format, uint64_t file_size, uint64_t unit,
		  uint64_t limit)
{
	*b = (struct stream_builder){
		.format = format,
		.index.file_size = file_size,
		.target = unit,
		.limit = limit,
		.zero_least = STREAM_ZERO_LEAST,
	};
}

void builder_done(struct stream_builder *b)
{
	stream_index_done(&b->index);
	stream_piece_done(&b->now);
}

/* Drops the runs that are too short by now, but for the last, which may still grow. */
static void drop_short_runs(struct stream_builder *b)
{
	struct stream_index *x = &b->index;
	size_t n = 0;

	for (size_t i = 0; i < x->n_zero; i++)
		if (i + 1 == x->n_zero || x->zero[i].length >= b->zero_least)
			x->zero[n++] = x->zero[i];
	x->n_zero = n;
}

static int add_run(struct stream_builder *b, uint64_t offset, uint64_t length)
{
	struct stream_index *x = &b->index;
	struct stream_run *last = x->n_zero ? &x->zero[x->n_zero - 1] : NULL;

	if (length == 0)
		return 0;
	if (last && last->length < b->zero_least && last->offset + last->length != offset)
		x->n_zero--;
	/* By the file alone: what is kept in the end are the runs of a least length, found by their number. */
	while (x->n_zero >= STREAM_ZEROS_MAX) {
		b->zero_least *= 2;
		drop_short_runs(b);
	}
	return stream_index_zero(x, offset, length);
}

static uint32_t combine(uint32_t crc, uint64_t length, const struct stream_piece *p)
{
	return length ? crc32_combine(crc, p->crc, p->length) : p->crc;
}

static int count_bytes(struct stream_builder *b, uint64_t length, struct why *why)
{
	struct stream_index *x = &b->index;

	if (length > STREAM_SIZE_MAX - x->size)
		return fail(why, -EFBIG, "the %s file holds more than %" PRIu64 "T", b->format,
			    STREAM_SIZE_MAX / TiB);
	x->unit[x->n - 1].length += length;
	x->size += length;
	return 0;
}

int builder_piece(struct stream_builder *b, const struct stream_piece *p, struct why *why)
{
	struct stream_unit *u = &b->index.unit[b->index.n - 1];
	const uint64_t offset = b->index.size;
	int r = 0;

	if (p->length == 0)
		return 0;
	u->crc = combine(u->crc, u->length, p);
	b->mark_crc = combine(b->mark_crc, b->mark_length, p);
	b->mark_length += p->length;
	r = count_bytes(b, p->length, why);
	for (size_t i = 0; r == 0 && i < p->n_zero; i++)
		r = add_run(b, offset + p->zero[i].offset, p->zero[i].length);
	if (r == 0)
		r = add_run(b, offset + p->length - p->zeros, p->zeros);
	return r;
}

/* A few bytes may decode to any number, so patience is looked at here, too. */
static int flush(struct stream_builder *b, struct why *why)
{
	int r;

	if (b->now.length == 0)
		return 0;
	if (patience_lost())
		return fail(why, -EINTR, "given up decoding at byte %" PRIu64 " of the image", b->index.size);
	r = builder_piece(b, &b->now, why);
	stream_piece_reset(&b->now);
	return r;
}

int builder_bytes(struct stream_builder *b, const void *buf, size_t count, struct why *why)
{
	int r = stream_piece_feed(&b->now, buf, count);

	return r == 0 && b->now.length >= 1 * MiB ? flush(b, why) : r;
}

int builder_claim(struct stream_builder *b, uint64_t length, struct why *why)
{
	return count_bytes(b, length, why);
}

int builder_mark(struct stream_builder *b, struct why *why)
{
	int r = flush(b, why);

	b->mark_crc = 0;
	b->mark_length = 0;
	return r;
}

int builder_since_mark(struct stream_builder *b, uint32_t *ret_crc, uint64_t *ret_length, struct why *why)
{
	int r = flush(b, why);

	*ret_crc = b->mark_crc;
	*ret_length = b->mark_length;
	return r;
}

static void drop_window(struct stream_builder *b, struct stream_unit *u)
{
	b->windows -= u->window_len;
	free(u->window);
	u->window = NULL;
	u->window_len = 0;
}

/* Units twice as long: neighbours become one. */
static void thin_out(struct stream_builder *b)
{
	struct stream_index *x = &b->index;
	size_t n = 0;

	b->target *= 2;
	for (size_t i = 0; i < x->n; i++) {
		struct stream_unit *last = n ? &x->unit[n - 1] : NULL, *u = &x->unit[i];

		if (!last || last->length >= b->target) {
			x->unit[n++] = *u;
			continue;
		}
		if (x->checked)
			last->crc = crc32_combine(last->crc, u->crc, u->length);
		last->length += u->length;
		drop_window(b, u);
	}
	x->n = n;
}

static int limit_units(struct stream_builder *b, struct why *why)
{
	const struct stream_index *x = &b->index;

	/* Twice, as the array may just have grown. */
	while (2 * x->n * sizeof(*x->unit) + b->windows > b->limit) {
		if (b->target >= STREAM_SIZE_MAX)
			return fail(why, -EOPNOTSUPP, "the memory for an index of the %s file is too small",
				    b->format);
		thin_out(b);
	}
	return 0;
}

static int keep_window(struct stream_builder *b, struct stream_unit *u, const void *window, size_t count)
{
	const size_t bound = ZSTD_compressBound(STREAM_WINDOW_MAX);
	_cleanup_free_ uint8_t *packed = malloc(bound);
	size_t n;

	if (!packed)
		return -ENOMEM;
	n = ZSTD_compress(packed, bound, window, count, /* level= */ 3);
	if (ZSTD_isError(n))
		return -ENOMEM;
	u->window = realloc(packed, n);
	if (!u->window)
		return -ENOMEM;
	packed = NULL;
	u->window_len = n;
	b->windows += n;
	return 0;
}

bool builder_wants_point(const struct stream_builder *b)
{
	const struct stream_index *x = &b->index;

	return x->n == 0 || x->unit[x->n - 1].length + b->now.length >= b->target;
}

int builder_point(struct stream_builder *b, uint64_t at, uint64_t first, const void *window, size_t window_len,
		  struct why *why)
{
	struct stream_index *x = &b->index;
	struct stream_unit *u;
	int r = flush(b, why);

	if (r < 0 || (x->n && x->unit[x->n - 1].length && x->unit[x->n - 1].length < b->target))
		return r;
	if (x->n && x->unit[x->n - 1].length == 0) {
		drop_window(b, &x->unit[x->n - 1]);
		x->n--;
	}
	if (grow((void **)&x->unit, &x->room, x->n, sizeof(*x->unit)) < 0)
		return -ENOMEM;
	u = &x->unit[x->n++];
	*u = (struct stream_unit){ .at = at, .offset = x->size, .first = first };
	if (window_len)
		r = keep_window(b, u, window, window_len);
	/* The new one has no bytes yet: it stays apart only if the one before is long enough. */
	return r < 0 ? r : limit_units(b, why);
}

int builder_odd(struct stream_builder *b, uint64_t from, uint64_t to, struct why *why)
{
	struct stream_index *x = &b->index;

	if (x->n_odd == STREAM_ODD_MAX)
		return fail(why, -EOPNOTSUPP, "the %s file is made to be hard to read", b->format);
	if (grow((void **)&x->odd, &x->room_odd, x->n_odd, sizeof(*x->odd)) < 0)
		return -ENOMEM;
	x->odd[x->n_odd++] = (struct stream_run){ from, to - from };
	return 0;
}

/* To whole blocks of a filesystem: where a run begins within one, nobody can use it. */
static void trim_runs(struct stream_builder *b)
{
	struct stream_index *x = &b->index;

	b->zero_least = max_u64(b->zero_least, STREAM_ZERO_LEAST);
	if (x->n_zero && x->zero[x->n_zero - 1].length < b->zero_least)
		x->n_zero--;
	for (size_t i = 0; i < x->n_zero; i++) {
		struct stream_run *run = &x->zero[i];
		uint64_t end = run->offset + run->length;

		run->offset = align_up(run->offset, 4096);
		run->length = (end == x->size ? end : align_down(end, 4096)) - run->offset;
	}
}

int builder_end(struct stream_builder *b, struct stream_index *ret, struct why *why)
{
	struct stream_index *x = &b->index;
	int r = flush(b, why);

	if (r < 0)
		return r;
	if (x->size == 0)
		return fail(why, -EBADMSG, "the %s file holds an empty image", b->format);
	if (x->unit[x->n - 1].length == 0) {
		drop_window(b, &x->unit[x->n - 1]);
		x->n--;
	}
	if (x->checked)
		trim_runs(b);
	*ret = *x;
	*x = (struct stream_index){ 0 };
	return 0;
}
