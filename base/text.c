/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct text *t, size_t more)
{
	size_t want = t->len + more + 1;
	char *chars;

	if (want <= t->room)
		return 0;
	want = want < 2 * t->room ? 2 * t->room : want;
	chars = realloc(t->chars, want);
	if (!chars)
		return t->error = -ENOMEM;
	t->chars = chars;
	t->room = want;
	return 0;
}

void text_add(struct text *t, const char *format, ...)
{
	va_list ap, again;
	int n;

	if (t->error)
		return;
	va_start(ap, format);
	va_copy(again, ap);
	n = vsnprintf(NULL, 0, format, ap);
	if (n < 0)
		t->error = -ENOMEM;
	else if (make_room(t, n) == 0)
		t->len += vsnprintf(t->chars + t->len, n + 1, format, again);
	va_end(again);
	va_end(ap);
}

int text_take(struct text *t, char **ret)
{
	if (!t->error && !t->chars)
		text_add(t, "%s", "");
	if (t->error) {
		text_done(t);
		return -ENOMEM;
	}
	*ret = t->chars;
	*t = TEXT_EMPTY;
	return 0;
}

void text_done(struct text *t)
{
	free(t->chars);
	*t = TEXT_EMPTY;
}

int text_copy(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return from && !*to ? -ENOMEM : 0;
}

size_t texts_count(char *const *texts)
{
	size_t n = 0;

	while (texts && texts[n])
		n++;
	return n;
}

int texts_copy(char ***to, char *const *from)
{
	const size_t n = texts_count(from);

	*to = from ? calloc(n + 1, sizeof(**to)) : NULL;
	if (from && !*to)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		if (text_copy(&(*to)[i], from[i]) < 0)
			return -ENOMEM;
	return 0;
}

void texts_free(char **texts)
{
	for (char **t = texts; t && *t; t++)
		free(*t);
	free(texts);
}

char *text_new(const char *format, ...)
{
	char *chars;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&chars, format, ap);
	va_end(ap);
	return n < 0 ? NULL : chars;
}
