/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/zstd_frame.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <zstd_errors.h>

#include "base/size.h"

#define MAGIC		0xfd2fb528u
#define MAGIC_OLDEST	0xfd2fb522u /* versions 0.2 to 0.7 count up from here */
#define MAGIC_SKIPPABLE 0x184d2a50u /* and fifteen more */

#define HEADER_MAX 18 /* with the magic */

#define IN  (256 * KiB)
#define OUT (256 * KiB)

/* A decoder's tables, and room for two blocks beside the window. */
#define CONTEXT_MEMORY (1 * MiB + IN + OUT)

int unzstd_init(struct unzstd *z, struct image *below, uint64_t at, uint64_t end, uint64_t limit)
{
	*z = (struct unzstd){ .limit = limit, .ctx = ZSTD_createDCtx(), .out = malloc(OUT) };
	/* What a window may be is said by the limit. */
	if (!z->ctx || !z->out ||
	    ZSTD_isError(ZSTD_DCtx_setParameter(z->ctx, ZSTD_d_windowLogMax,
						ZSTD_dParam_getBounds(ZSTD_d_windowLogMax).upperBound)))
		return -ENOMEM;
	return stream_in_init(&z->in, below, at, end, IN);
}

void unzstd_done(struct unzstd *z)
{
	(void)ZSTD_freeDCtx(z->ctx);
	free(z->out);
	stream_in_done(&z->in);
}

static int cut_short(struct why *why)
{
	return fail(why, -EBADMSG, "the zstd file is cut short");
}

/* ---- headers ---- */

static uint64_t get_le(const uint8_t *p, unsigned count)
{
	uint64_t v = 0;

	while (count--)
		v = v << 8 | p[count];
	return v;
}

static uint64_t window_size(uint8_t disk)
{
	uint64_t base = UINT64_C(1) << (10 + (disk >> 3));

	return base + base / 8 * (disk & 7);
}

/* `p` holds HEADER_MAX bytes, `left` of which are the file's. */
static int read_header(const uint8_t *p, size_t left, uint64_t at, struct zstd_header *ret, struct why *why)
{
	static const uint8_t dictionary_bytes[] = { 0, 1, 2, 4 }, size_bytes[] = { 0, 2, 4, 8 };
	const uint8_t flags = p[4];
	const bool is_single = flags & 0x20;
	const unsigned n_dictionary = dictionary_bytes[flags & 3];
	const unsigned n_size = flags >> 6 == 0 && is_single ? 1 : size_bytes[flags >> 6];
	const uint8_t *dictionary = p + 5 + !is_single, *size = dictionary + n_dictionary;
	uint64_t window;

	ret->bytes = size + n_size - p;
	if (ret->bytes > left)
		return cut_short(why);
	if (flags & 0x08)
		return fail(why, -EOPNOTSUPP,
			    "the zstd frame at byte %" PRIu64 " is of a version that nobody knows", at);
	if (get_le(dictionary, n_dictionary))
		return fail(why, -EOPNOTSUPP,
			    "the zstd frame at byte %" PRIu64 " needs dictionary %" PRIu64
			    ", and there are none here",
			    at, get_le(dictionary, n_dictionary));
	ret->holds = n_size ? get_le(size, n_size) + (n_size == 2 ? 256 : 0) : ZSTD_SIZE_UNKNOWN;
	window = is_single ? ret->holds : window_size(p[5]);
	ret->memory = min_u64(window, ret->holds) + CONTEXT_MEMORY;
	ret->has_check = flags & 0x04;
	return 0;
}

static int refuse_magic(const struct unzstd *z, uint32_t magic, uint64_t at, struct why *why)
{
	if (magic >= MAGIC_OLDEST && magic < MAGIC)
		return fail(why, -EOPNOTSUPP,
			    "the zstd frame at byte %" PRIu64
			    " was made by a version before 0.8: unpack it with "
			    "zstd -d, and pack it again",
			    at);
	if (at == 0)
		return fail(why, -EBADMSG, "this is not a zstd file: it begins otherwise");
	return fail(why, -EBADMSG,
		    "the zstd file is damaged or has something else behind its end: no frame begins at byte "
		    "%" PRIu64,
		    at);
}

static int check_memory(struct unzstd *z, const struct zstd_header *hdr, uint64_t at, struct why *why)
{
	char need[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];

	z->memory = max_u64(z->memory, hdr->memory);
	if (hdr->memory <= z->limit)
		return 0;
	return fail(why, -EOPNOTSUPP,
		    "the zstd frame at byte %" PRIu64 " takes %s of memory to decode, the limit is %s", at,
		    size_human(need, hdr->memory), size_human(limit, z->limit));
}

int unzstd_look(struct unzstd *z, struct zstd_header *ret, struct why *why)
{
	const uint64_t at = stream_in_where(&z->in);
	uint8_t p[HEADER_MAX] = { 0 };
	int n = stream_in_peek(&z->in, p, sizeof(p), why), r;

	if (n <= 0)
		return n < 0 ? n : at ? ZSTD_END : cut_short(why);
	if ((get_le32(p) & ~0xfu) == MAGIC_SKIPPABLE) {
		*ret = (struct zstd_header){ .bytes = 8 + (uint64_t)get_le32(p + 4) };
		return n < 8 || ret->bytes > z->in.end - at ? cut_short(why) : ZSTD_SKIPPABLE;
	}
	if (n < 4)
		return cut_short(why);
	if (get_le32(p) != MAGIC)
		return refuse_magic(z, get_le32(p), at, why);
	r = read_header(p, n, at, ret, why);
	if (r == 0)
		r = check_memory(z, ret, at, why);
	return r < 0 ? r : ZSTD_FRAME;
}

/* ---- frames ---- */

/* The caller has seen that the file reaches so far. */
static void go_on(struct unzstd *z, uint64_t bytes)
{
	stream_in_seek(&z->in, stream_in_where(&z->in) + bytes);
}

int unzstd_skip(struct unzstd *z, const struct zstd_header *hdr, struct why *why)
{
	go_on(z, hdr->bytes);
	return 0;
}

#define BLOCK_RLE 1

int unzstd_walk(struct unzstd *z, const struct zstd_header *hdr, struct why *why)
{
	uint64_t skip = hdr->bytes;
	bool is_last = false;

	while (!is_last) {
		uint8_t disk[3];
		uint32_t block;
		int n;

		if (skip > z->in.end - stream_in_where(&z->in))
			return cut_short(why);
		go_on(z, skip);
		n = stream_in_peek(&z->in, disk, sizeof(disk), why);
		if (n < (int)sizeof(disk))
			return n < 0 ? n : cut_short(why);
		block = get_le(disk, sizeof(disk));
		is_last = block & 1;
		skip = 3 + ((block >> 1 & 3) == BLOCK_RLE ? 1 : block >> 3);
	}
	skip += hdr->has_check ? 4 : 0;
	if (skip > z->in.end - stream_in_where(&z->in))
		return cut_short(why);
	go_on(z, skip);
	return 0;
}

static int frame_error(size_t e, uint64_t at, struct why *why)
{
	if (ZSTD_getErrorCode(e) == ZSTD_error_memory_allocation)
		return -ENOMEM;
	return fail(why, -EBADMSG, "the zstd file is damaged in the frame at byte %" PRIu64 ": %s", at,
		    ZSTD_getErrorName(e));
}

int unzstd_frame(struct unzstd *z, stream_give_fn *give, void *arg, struct why *why)
{
	const uint64_t at = stream_in_where(&z->in);
	size_t left = 1;

	(void)ZSTD_DCtx_reset(z->ctx, ZSTD_reset_session_only);
	while (left) {
		int filled = stream_in_fill(&z->in, why), r;
		ZSTD_inBuffer in = { z->in.buf, z->in.n, z->in.pos };
		ZSTD_outBuffer out = { z->out, OUT, 0 };

		if (filled < 0)
			return filled;
		left = ZSTD_decompressStream(z->ctx, &out, &in);
		if (ZSTD_isError(left))
			return frame_error(left, at, why);
		z->in.pos = in.pos;
		r = out.pos ? give(arg, z->out, out.pos, why) : 0;
		if (r < 0)
			return r;
		if (left && !filled && out.pos == 0)
			return cut_short(why);
	}
	return 0;
}
