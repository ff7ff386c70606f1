/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Headers of disk images. The first byte says which format, the second the size in units of 16 KiB; then
 * come pieces: two bytes of sector, two of length, the bytes. What is not said is zero.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/decode/disk_header.h"
#include "backends/decode/disk_tables.h"
#include "backends/decode/vhdx.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const char *const formats[] = { "vmdk", "vdi",	"vhd",	"vhdx",	 "qed",	 "parallels",
					       "dmg",  "qcow2", "qcow", "cloop", "bochs" };
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_free_ uint8_t *all = NULL;
	struct why why = { "" };
	size_t size;
	int r;

	if (count < 2)
		return 0;
	size = (bytes[1] + 1) * 16 * KiB;
	all = calloc(1, size);
	if (!all)
		abort();
	for (size_t at = 2; count - at > 4;) {
		const size_t offset = get_le16(bytes + at) * SECTOR;
		const size_t n = min_u64(get_le16(bytes + at + 2), count - at - 4);

		if (range_ok(offset, n, size))
			memcpy(all + offset, bytes + at + 4, n);
		at += 4 + n;
	}
	img = memimage_new(all, size, size);
	r = disk_header_check(img, formats[bytes[0] % (sizeof(formats) / sizeof(formats[0]))], &why);
	if (r == 0)
		r = disk_tables_check(img, formats[bytes[0] % (sizeof(formats) / sizeof(formats[0]))], &why);
	if (r == 0 && bytes[0] % (sizeof(formats) / sizeof(formats[0])) == 3) {
		struct zeros z = { 0 };

		r = vhdx_zeros(img, 1 * GiB, &z, &why);
		zeros_done(&z);
	}
	if (r > 0 || (r < 0 && r != -EOPNOTSUPP && r != -EBADMSG) || (r < 0 && !why.text[0]))
		abort();
	return 0;
}
