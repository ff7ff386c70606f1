/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as what somebody gives for a source, as a file's name, and as its first bytes. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/library/ending.h"
#include "backends/library/single.h"
#include "base/cleanup.h"
#include "base/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void try_name(const char *leaf)
{
	_cleanup_free_ char *name = NULL;
	struct ending ending;

	(void)single_kind_of_name(leaf);
	if (single_name(leaf, &ending, &name, NULL) == 0 && !template_name_ok(name))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_(given_done) struct given g = { 0 };
	_cleanup_free_ char *text = strndup((const char *)bytes, count);

	if (!text)
		return 0;
	if (single_kind_of_head(bytes, count) == SINGLE_UNCLEAR)
		abort();
	try_name(text);
	if (given_parse(text, &g, NULL) < 0)
		return 0;
	if ((g.checksum && strlen(g.checksum) != 128) || (g.checksum256 && strlen(g.checksum256) != 64))
		abort();
	if (g.leaf)
		try_name(g.leaf);
	return 0;
}
