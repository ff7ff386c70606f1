/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/why.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/utf.h"

int fail(struct why *why, int error, const char *format, ...)
{
	va_list ap;

	if (!why)
		return error;
	va_start(ap, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	utf8_one_line(why->text);
	return error;
}

int fail_at(struct why *why, int error, const char *format, ...)
{
	struct why inner;
	va_list ap;
	size_t n;

	if (!why)
		return error;
	inner = *why;
	va_start(ap, format);
	(void)vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	utf8_one_line(why->text);
	n = strlen(why->text);
	(void)snprintf(why->text + n, sizeof(why->text) - n, ": %s", why_text(&inner, error));
	return error;
}

const char *why_text(const struct why *why, int error)
{
	if (why && why->text[0])
		return why->text;
	return strerror(-error);
}
