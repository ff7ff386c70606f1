/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the bytes as an xz file and makes its units. Whatever opens and can be
 * made must be what liblzma's own decoder, going forward, makes of the file.
 *
 * Checksums would keep the fuzzer from everything behind them, so each input is
 * tried twice, the second time with the CRC-32s of the places that its own bytes
 * lead to put right.
 */
#include <lzma.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/decode/xz.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* What is made of one input at most. */
#define MAKE_MAX (256 * KiB)

struct memsink {
	struct sink sink;
	uint8_t *p; /* MAKE_MAX */
};

static int memsink_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	memcpy(((struct memsink *)sink)->p + offset, buf, count);
	return 0;
}

/* Makes the units within MAKE_MAX; false when one of them can't be. */
static bool make_units(struct image *img, uint8_t *p)
{
	struct memsink m = { { memsink_write }, p };

	for (uint64_t at = 0; at < min_u64(img->size, MAKE_MAX);) {
		struct unit u = image_unit(img, at);
		struct extent e = image_extent(img, at);

		if (u.offset != at)
			__builtin_trap();
		if (!range_ok(u.offset, u.length, MAKE_MAX))
			return true;
		if (image_make(img, &u, &m.sink, NULL) < 0)
			return false;
		if (e.kind == EXTENT_ZERO && !bytes_are_zero(p + u.offset, u.length))
			__builtin_trap();
		at += u.length;
	}
	return true;
}

/* Only what both could read to the end is compared. */
static void compare(struct image *img, const uint8_t *made, const uint8_t *bytes, size_t count)
{
	_cleanup_free_ uint8_t *judged = malloc(MAKE_MAX);
	lzma_stream lzma = LZMA_STREAM_INIT;

	if (!judged || img->size > MAKE_MAX ||
	    lzma_stream_decoder(&lzma, 256 * MiB, LZMA_CONCATENATED) != LZMA_OK)
		return;
	lzma.next_in = bytes;
	lzma.avail_in = count;
	lzma.next_out = judged;
	lzma.avail_out = MAKE_MAX;
	if (lzma_code(&lzma, LZMA_FINISH) == LZMA_STREAM_END &&
	    (lzma.total_out != img->size || memcmp(judged, made, img->size) != 0))
		__builtin_trap();
	lzma_end(&lzma);
}

static void try(const uint8_t *bytes, size_t count)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(bytes, count, count), *img = NULL;
	_cleanup_free_ uint8_t *made = malloc(MAKE_MAX);
	_cleanup_(text_done) struct text text = TEXT_EMPTY;

	if (!made || xz_open(/* opening= */ NULL, below, &img, /* why= */ NULL) < 0)
		return;
	image_describe(img, &text);
	if (make_units(img, made))
		compare(img, made, bytes, count);
}

static void set_crc(uint8_t *p, size_t count, uint8_t *crc)
{
	put_le32(crc, lzma_crc32(p, count, 0));
}

/* Stream header, first block header, index, footer: of a file of one stream. */
static void repair(uint8_t *p, size_t count)
{
	uint64_t index_size;

	if (count < 36)
		return;
	memcpy(p,
	       "\xfd"
	       "7zXZ",
	       6);
	p[6] = p[count - 4] = 0;
	p[count - 3] = p[7] &= 0x0f;
	memcpy(p + count - 2, "YZ", 2);
	set_crc(p + 6, 2, p + 8);
	set_crc(p + count - 8, 6, p + count - 12);
	index_size = (get_le32(p + count - 8) + UINT64_C(1)) * 4;
	if (index_size >= 8 && index_size <= count - 24)
		set_crc(p + count - 12 - index_size, index_size - 4, p + count - 16);
	if (p[12] && 12 + (p[12] + 1u) * 4 <= count)
		set_crc(p + 12, p[12] * 4u, p + 12 + p[12] * 4u);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_free_ uint8_t *repaired = malloc(count + 1);

	try(bytes, count);
	if (!repaired)
		return 0;
	memcpy(repaired, bytes, count);
	repair(repaired, count);
	try(repaired, count);
	return 0;
}
