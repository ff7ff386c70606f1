/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a kept index, and as one behind the first line that fits, which else keeps the fuzzer out. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/library/kept.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_text(const char *text)
{
	/* It will stand in a request's header. */
	if (text && text[strcspn(text, "\r\n")])
		abort();
}

static void try_file(const uint8_t *bytes, size_t count)
{
	struct kept k = { 0 };

	if (kept_parse((const char *)bytes, count, "http://example.org/index", &k) < 0)
		return;
	if (!k.bytes || k.count > count || k.bytes[k.count] != '\0')
		abort();
	if (memcmp(k.bytes, bytes + count - k.count, k.count) != 0)
		abort();
	check_text(k.etag);
	check_text(k.last_modified);
	kept_done(&k);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	uint8_t *file = malloc(KEPT_LINE + count);

	if (!file)
		return 0;
	try_file(bytes, count);
	memcpy(file + KEPT_LINE, bytes, count);
	kept_line((const char *)bytes, count, (char *)file);
	try_file(file, KEPT_LINE + count);
	free(file);
	return 0;
}
