/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opens the bytes as a qcow2 file and reads some of the disk. Whatever is said to be
 * zero must be, and no unit may be made of more or fewer bytes than it has. There
 * are no checksums in the way.
 */
#include <stddef.h>
#include <stdint.h>

#include "backends/decode/qcow2.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* What is read of one input at most, from either end of the disk. */
#define READ_MAX (64 * KiB)
#define MAKE_MAX 4

struct unitsink {
	struct sink sink;
	struct image *img;
	uint64_t at;
};

static int unitsink_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct unitsink *s = (struct unitsink *)sink;
	const uint8_t *p = buf;

	if (offset != s->at)
		__builtin_trap();
	for (size_t n; count; p += n, offset += n, count -= n) {
		struct extent e = image_extent(s->img, offset);

		n = min_u64(count, e.length);
		if (e.kind == EXTENT_ZERO && !bytes_are_zero(p, n))
			__builtin_trap();
	}
	s->at = offset;
	return 0;
}

static void make_some(struct image *img)
{
	uint64_t at = 0;

	for (unsigned i = 0; i < MAKE_MAX && at < img->size; i++) {
		struct unit u = image_unit(img, at);
		struct unitsink s = { { unitsink_write }, img, u.offset };

		if (image_make(img, &u, &s.sink, NULL) == 0 && s.at != u.offset + u.length)
			__builtin_trap();
		at = u.offset + u.length;
	}
	image_hint(img, 0, img->size);
}

static void read_some(struct image *img)
{
	_cleanup_free_ uint8_t *buf = malloc(READ_MAX);
	const uint64_t n = min_u64(img->size, READ_MAX);

	/* Every place was checked when it was opened, and memory can always be read. */
	if (!buf || image_pread(img, buf, n, 0, NULL) < 0 || image_pread(img, buf, n, img->size - n, NULL) < 0)
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_(image_unrefp) struct image *below = memimage_new(bytes, count, count), *img = NULL;
	_cleanup_(text_done) struct text text = TEXT_EMPTY;

	if (read_qcow2_open(/* opening= */ NULL, below, &img, /* why= */ NULL) < 0)
		return 0;
	image_describe(img, &text);
	if (image_units(img))
		make_some(img);
	else
		read_some(img);
	return 0;
}
