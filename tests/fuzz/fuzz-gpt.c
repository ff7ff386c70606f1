/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <lzma.h>

#include "tests/fuzz/fuzz-table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Signs header and array as they are: checksums that fit by chance are too rare to get behind them. */
static void sign(uint8_t *disk, size_t count, size_t sector)
{
	uint8_t *h = disk + sector;
	uint64_t array, size;
	uint32_t header_size;

	if (count < sector + 512 || memcmp(h, "EFI PART", 8) != 0)
		return;
	array = get_le64(h + 72);
	size = (uint64_t)get_le32(h + 80) * get_le32(h + 84);
	if (array < FUZZ_DISK && range_ok(array * sector, size, count))
		put_le32(h + 88, lzma_crc32(disk + array * sector, size, 0));
	header_size = get_le32(h + 12);
	put_le32(h + 16, 0);
	if (header_size <= 512)
		put_le32(h + 16, lzma_crc32(h, header_size, 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	/* The zeros behind a short input are part of what is signed. */
	size_t room = max_u64(count, 48 * KiB);
	_cleanup_free_ uint8_t *copy = calloc(1, room);

	fuzz_table(bytes, count);
	MUST(copy);
	memcpy(copy, bytes, count);
	sign(copy, room, 512);
	sign(copy, room, 4096);
	fuzz_table(copy, room);
	return 0;
}
