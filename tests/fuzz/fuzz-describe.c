/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is the beginning of a disk. What is told of it must be JSON that can be
 * shown on a terminal, whatever stands there.
 */
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "backends/describe.h"
#include "backends/lv.h"
#include "backends/partition.h"
#include "base/bytes.h"
#include "base/utf.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define DISK (64 * MiB)

static void check_shown(const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		size_t n = utf8_length(p);

		MUST(n > 0 && *p >= ' ' && *p != 0x7f);
		p += n;
	}
}

/* What can be cut out of it is as large as it says and can be read. */
static void check_piece(int r, struct image *img, const struct why *why)
{
	uint8_t buf[512];

	if (r < 0) {
		MUST(why->text[0]);
		check_shown(why->text);
		return;
	}
	MUST(r == 0 && img->size > 0);
	MUST(image_pread(img, buf, min_u64(sizeof(buf), img->size), 0, NULL) == 0);
	MUST(image_pread(img, buf, 1, img->size - 1, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(bytes, min_u64(count, DISK), DISK);
	static const unsigned numbers[] = { 1, 2, 5, 6 };
	struct json_object *o = json_object_new_object();

	MUST(disk_describe(disk, o) == 0);
	check_shown(json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN));
	(void)json_object_put(o);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		_cleanup_(image_unrefp) struct image *img = NULL;
		struct why why = { "" };
		int r = partition_open(disk, numbers[i], &img, &why);

		check_piece(r, img, &why);
	}
	{
		_cleanup_(image_unrefp) struct image *img = NULL;
		struct why why = { "" };
		int r = lv_open(disk, "vg-root", &img, &why);

		check_piece(r, img, &why);
	}
	return 0;
}
