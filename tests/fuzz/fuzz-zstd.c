/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stddef.h>
#include <stdint.h>
#include <zstd.h>

#include "backends/decode/zstd.h"
#include "tests/fuzz/fuzz-codec.h"

/*
 * A seek table says where frames begin, and may lead into the data of one: what is there
 * is not what is seen by going forward. Such files are read by their table, always.
 */
static bool has_table(const uint8_t *bytes, size_t count)
{
	return count >= 4 && get_le32(bytes + count - 4) == 0x8f92eab1;
}

static long judge(const uint8_t *bytes, size_t count, uint8_t *ret)
{
	size_t n = ZSTD_decompress(ret, MAKE_MAX, bytes, count);

	return ZSTD_isError(n) || has_table(bytes, count) ? -1 : (long)n;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	try_codec(zstd_open, judge, bytes, count);
	return 0;
}
