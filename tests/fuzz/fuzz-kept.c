/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a kept index. */
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct kept k = { 0 };

	if (kept_parse((const char *)bytes, count, "http://example.org/index", &k) < 0)
		return 0;
	if (!k.bytes || k.count > count || k.bytes[k.count] != '\0')
		abort();
	if (memcmp(k.bytes, bytes + count - k.count, k.count) != 0)
		abort();
	check_text(k.etag);
	check_text(k.last_modified);
	kept_done(&k);
	return 0;
}
