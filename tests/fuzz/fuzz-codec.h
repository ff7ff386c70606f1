/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_FUZZ_CODEC_H
#define GOALFS_TESTS_FUZZ_CODEC_H

/*
 * What the entries of the stream decoders share: what opens and can be made must be
 * what the format's own library, going forward, makes of the bytes.
 */
#include "backends/backend.h"
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
	if (!range_ok(offset, count, MAKE_MAX))
		__builtin_trap();
	memcpy(((struct memsink *)sink)->p + offset, buf, count);
	return 0;
}

/* Makes the units within MAKE_MAX; true when those were all, and all could be made. */
static bool make_units(struct image *img, uint8_t *p)
{
	struct memsink m = { { memsink_write }, p };

	for (uint64_t at = 0; at < img->size;) {
		struct unit u = image_unit(img, at);
		struct extent e = image_extent(img, at);

		if (u.offset != at)
			__builtin_trap();
		if (!range_ok(u.offset, u.length, MAKE_MAX) || image_make(img, &u, &m.sink, NULL) < 0)
			return false;
		if (e.kind == EXTENT_ZERO && !bytes_are_zero(p + at, min_u64(e.length, u.length)))
			__builtin_trap();
		at += u.length;
	}
	return true;
}

typedef int open_fn(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

/* Decodes all of it: how many bytes there are, or -1 where it can't, or there are more than MAKE_MAX. */
typedef long judge_fn(const uint8_t *bytes, size_t count, uint8_t *ret);

static void try_codec(open_fn *open, judge_fn *judge, const uint8_t *bytes, size_t count)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(bytes, count, count), *img = NULL;
	_cleanup_free_ uint8_t *made = malloc(MAKE_MAX), *judged = malloc(MAKE_MAX);
	_cleanup_(text_done) struct text text = TEXT_EMPTY;
	long n;

	if (!made || !judged || open(/* opening= */ NULL, below, &img, /* why= */ NULL) < 0)
		return;
	image_describe(img, &text);
	if (!make_units(img, made))
		return;
	n = judge(bytes, count, judged);
	if (n >= 0 && ((uint64_t)n != img->size || memcmp(made, judged, n) != 0))
		__builtin_trap();
}

#endif
