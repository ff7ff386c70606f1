/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each input is tried twice, the second time with the first member's checksum put
 * right: it would keep the fuzzer from what is behind it.
 */
#include <stddef.h>
#include <stdint.h>
#include <zlib.h>

#include "backends/decode/gzip.h"
#include "tests/fuzz/fuzz-codec.h"

/* Member after member. What zlib takes besides (zlib's own header) is no gzip. */
static long judge(const uint8_t *bytes, size_t count, uint8_t *ret)
{
	z_stream z = { .next_in = (uint8_t *)bytes, .avail_in = count, .next_out = ret, .avail_out = MAKE_MAX };
	int e = inflateInit2(&z, 16 + MAX_WBITS);
	long n;

	while (e == Z_OK) {
		e = inflate(&z, Z_FINISH);
		if (e == Z_STREAM_END && z.avail_in && *z.next_in)
			e = inflateReset(&z);
	}
	n = e == Z_STREAM_END && bytes_are_zero(z.next_in, z.avail_in) ? (long)(MAKE_MAX - z.avail_out) : -1;
	(void)inflateEnd(&z);
	return n;
}

/* Of a member without options. */
static void repair(uint8_t *p, size_t count)
{
	_cleanup_free_ uint8_t *out = malloc(MAKE_MAX);
	z_stream z = { .next_in = p + 10,
		       .avail_in = count > 10 ? count - 10 : 0,
		       .next_out = out,
		       .avail_out = MAKE_MAX };

	if (count < 18 || !out || inflateInit2(&z, -MAX_WBITS) != Z_OK)
		return;
	memcpy(p, "\x1f\x8b\x08\0", 4);
	if (inflate(&z, Z_FINISH) == Z_STREAM_END && z.avail_in >= 8) {
		put_le32(p + 10 + z.total_in, crc32_z(0, out, z.total_out));
		put_le32(p + 10 + z.total_in + 4, z.total_out);
	}
	(void)inflateEnd(&z);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_free_ uint8_t *repaired = malloc(count + 1);

	try_codec(gzip_open, judge, bytes, count);
	if (!repaired)
		return 0;
	memcpy(repaired, bytes, count);
	repair(repaired, count);
	try_codec(gzip_open, judge, repaired, count);
	return 0;
}
