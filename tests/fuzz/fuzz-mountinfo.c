/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a line of mountinfo: what it names lies in the line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/mountinfo.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_part(const char *part, const char *line, size_t count)
{
	if (part < line || part + strlen(part) > line + count)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	char *line = calloc(count + 1, 1);
	struct mountinfo m;

	if (!line)
		abort();
	memcpy(line, bytes, count);
	if (mountinfo_parse(line, &m) == 0) {
		check_part(m.point, line, count);
		check_part(m.type, line, count);
		check_part(m.source, line, count);
		(void)mountinfo_has_option(m.super, "user_id", m.id);
	}
	free(line);
	return 0;
}
