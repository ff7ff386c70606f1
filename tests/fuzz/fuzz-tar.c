/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Takes the bytes for a tar. What is opened lies in it. Checksums of headers would keep
 * the fuzzer out, so each input is tried twice, the second time with them put right.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/decode/tar.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void try(const uint8_t *bytes, size_t count)
{
	struct image *below = memimage_new(bytes, count, count), *img;
	uint8_t byte;

	if (below && tar_open(NULL, below, &img, NULL) == 0) {
		if (img->size == 0 || img->size > count || image_pread(img, &byte, 1, img->size - 1, NULL) < 0)
			abort();
		image_unref(img);
	}
	image_unref(below);
}

static void put_sums_right(uint8_t *bytes, size_t count)
{
	for (size_t at = 0; at + 512 <= count; at += 512) {
		unsigned sum = 0;

		if (memcmp(bytes + at + 257, "ustar", 5) != 0)
			continue;
		memset(bytes + at + 148, ' ', 8);
		for (size_t i = 0; i < 512; i++)
			sum += bytes[at + i];
		(void)snprintf((char *)bytes + at + 148, 8, "%06o", sum);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	uint8_t *copy = malloc(count + 1);

	if (!copy)
		return 0;
	memcpy(copy, bytes, count);
	try(copy, count);
	put_sums_right(copy, count);
	try(copy, count);
	free(copy);
	return 0;
}
