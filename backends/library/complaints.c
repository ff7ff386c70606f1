/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/complaints.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"

void complain(struct complaints *c, const char *format, ...)
{
	char line[1024];
	va_list ap;

	c->n++;
	if (c->n > COMPLAINTS_MAX + 1)
		return;
	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	text_add(&c->lines, "%s\n", c->n <= COMPLAINTS_MAX ? line : "... and more of the kind");
}

static bool was_said(const struct complaints *said, const char *line, size_t count)
{
	const char *p = said->lines.chars;

	while (p && *p) {
		const char *end = strchr(p, '\n');

		if ((size_t)(end - p) == count && memcmp(p, line, count) == 0)
			return true;
		p = end + 1;
	}
	return false;
}

void complaints_say(struct complaints *c, struct complaints *said)
{
	const char *p = c->lines.chars;

	while (p && *p) {
		const char *end = strchr(p, '\n');

		if (!was_said(said, p, end - p))
			log_warn("%.*s", (int)(end - p), p);
		p = end + 1;
	}
	complaints_done(said);
	*said = *c;
	*c = COMPLAINTS_NONE;
}

void complaints_done(struct complaints *c)
{
	text_done(&c->lines);
	*c = COMPLAINTS_NONE;
}

const char *quote(char buf[static QUOTE_MAX], const char *bytes, size_t count)
{
	size_t shown = count < 48 ? count : 48;
	char *p = buf;

	for (size_t i = 0; i < shown; i++) {
		uint8_t c = (uint8_t)bytes[i];

		if (c >= ' ' && c < 0x7f && c != '\\')
			*p++ = (char)c;
		else
			p += sprintf(p, "\\x%02x", c);
	}
	(void)strcpy(p, shown < count ? "..." : "");
	return buf;
}
