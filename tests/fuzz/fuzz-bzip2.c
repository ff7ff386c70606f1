/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <bzlib.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/decode/bzip2.h"
#include "tests/fuzz/fuzz-codec.h"

/* Stream after stream. */
static long judge(const uint8_t *bytes, size_t count, uint8_t *ret)
{
	size_t made = 0;
	int e = BZ_STREAM_END;

	while (e == BZ_STREAM_END && count && *bytes) {
		bz_stream bz = { .next_in = (char *)bytes,
				 .avail_in = count,
				 .next_out = (char *)ret + made,
				 .avail_out = MAKE_MAX - made };

		if (BZ2_bzDecompressInit(&bz, 0, 0) != BZ_OK)
			return -1;
		e = BZ2_bzDecompress(&bz);
		bytes += count - bz.avail_in;
		count = bz.avail_in;
		made = MAKE_MAX - bz.avail_out;
		(void)BZ2_bzDecompressEnd(&bz);
	}
	return e == BZ_STREAM_END && bytes_are_zero(bytes, count) ? (long)made : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	try_codec(bzip2_open, judge, bytes, count);
	return 0;
}
