/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the head of an HTTP answer: what is kept is bounded, printable, and consistent. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/net/headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_text(const char *text, size_t limit)
{
	if (!text)
		return;
	if (strlen(text) > limit)
		abort();
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			abort();
}

static void check(const struct answer *a)
{
	struct content_range r;

	check_text(a->reason, sizeof(a->reason) - 1);
	check_text(a->etag, 4096);
	check_text(a->last_modified, 4096);
	check_text(a->location, 4096);
	check_text(a->range, 4096);
	if (a->status > 999 || (a->error && a->error != -EPROTO) || (a->error && !a->fault))
		abort();
	if (a->range && content_range_parse(a->range, &r) == 0) {
		if (!r.has_range && !r.has_total)
			abort();
		if (r.has_range && (r.last < r.first || r.last + 1 == 0 || (r.has_total && r.last >= r.total)))
			abort();
	}
	if (answer_pause_ms(a, 0, 5000) < 0 || answer_pause_ms(a, 0, 5000) > 5000)
		abort();
	(void)http_date(a->last_modified);
	(void)answer_is_identity(a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	const char *p = (const char *)bytes, *end = p + count;
	struct answer a = ANSWER_NONE;

	while (p < end) {
		const char *newline = memchr(p, '\n', end - p);
		size_t n = newline ? newline + 1 - p : end - p;

		answer_line(&a, p, n);
		check(&a);
		p += n;
	}
	answer_done(&a);
	return 0;
}
