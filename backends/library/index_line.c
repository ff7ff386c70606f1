/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The index is read line by line, as virt-builder's own lexer does, each rule
 * bound to the start of a line:
 *
 *	#...               comment, dropped wherever it stands
 *	(nothing)          dropped as well
 *	[NAME] blanks      a section begins
 *	KEY=..., KEY[Q]=   a field of it
 *	blank ...          continues the field; one blank goes, the rest is text
 *	-----BEGIN PGP SIGNED MESSAGE-----   what follows, to the first empty line, goes
 *	-----BEGIN PGP SIGNATURE-----        all that follows goes
 */
#include "backends/library/index_line.h"

#include <ctype.h>
#include <string.h>

#include "base/bytes.h"

#define PGP_OPEN  "-----BEGIN PGP SIGNED MESSAGE-----"
#define PGP_CLOSE "-----BEGIN PGP SIGNATURE-----"

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '.' || c == '_';
}

static bool is_key_char(char c)
{
	return isalnum((unsigned char)c) || c == '.' || c == '_';
}

static bool is_qualifier_char(char c)
{
	return is_key_char(c) || c == ',';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static size_t count_while(struct slice s, size_t from, bool (*is)(char))
{
	size_t n = 0;

	while (from + n < s.n && is(s.p[from + n]))
		n++;
	return n;
}

bool slice_is(struct slice s, const char *text)
{
	return s.n == strlen(text) && memcmp(s.p, text, s.n) == 0;
}

int slice_compare(struct slice a, struct slice b)
{
	int c = memcmp(a.p ? a.p : "", b.p ? b.p : "", min_u64(a.n, b.n));

	return c ? c : (a.n > b.n) - (a.n < b.n);
}

static struct line bad_line(const char *fault)
{
	return (struct line){ .kind = LINE_BAD, .fault = fault };
}

static struct line section_line(struct slice s)
{
	size_t n = count_while(s, 1, is_name_char), at = 1 + n;

	if (n == 0 || at >= s.n || s.p[at] != ']')
		return bad_line(
			"is no section header: between [ and ] stand letters, digits, '-', '.' and '_' only");
	at++;
	if (at + count_while(s, at, is_blank) < s.n)
		return bad_line("goes on behind the section's ]");
	return (struct line){ .kind = LINE_SECTION, .name = { s.p + 1, n } };
}

static struct line field_line(struct slice s)
{
	size_t n = count_while(s, 0, is_key_char), at = n;
	struct line line = { .kind = LINE_FIELD, .name = { s.p, n } };

	if (n > 0 && at < s.n && s.p[at] == '[') {
		line.qualifier = (struct slice){ s.p + at + 1, count_while(s, at + 1, is_qualifier_char) };
		at += 1 + line.qualifier.n;
		if (line.qualifier.n == 0 || at >= s.n || s.p[at] != ']')
			return bad_line("has a bad [..] behind its key");
		at++;
	}
	if (n == 0 || at >= s.n || s.p[at] != '=')
		return bad_line("is no section header, no KEY=VALUE, no continuation and no comment");
	line.value = (struct slice){ s.p + at + 1, s.n - at - 1 };
	return line;
}

struct line line_of(struct slice s, bool whole)
{
	if (s.n > 0 && !whole)
		return bad_line("does not end in a newline; is the file complete?");
	if (s.n == 0 || s.p[0] == '#')
		return (struct line){ .kind = LINE_NOTHING };
	if (memchr(s.p, '\0', s.n))
		return bad_line("holds a NUL byte");
	if (s.p[s.n - 1] == '\r')
		return bad_line("ends in CRLF, as Windows writes; an index wants LF alone");
	if (slice_is(s, PGP_OPEN))
		return (struct line){ .kind = LINE_PGP_OPEN };
	if (slice_is(s, PGP_CLOSE))
		return (struct line){ .kind = LINE_PGP_CLOSE };
	if (is_blank(s.p[0]))
		return (struct line){ .kind = LINE_MORE, .value = { s.p + 1, s.n - 1 } };
	return s.p[0] == '[' ? section_line(s) : field_line(s);
}

bool take_line(const char **p, const char *end, struct slice *ret, bool *ret_whole)
{
	const char *newline;

	if (*p == end)
		return false;
	newline = memchr(*p, '\n', end - *p);
	*ret_whole = newline != NULL;
	*ret = (struct slice){ *p, (newline ? newline : end) - *p };
	*p = newline ? newline + 1 : end;
	return true;
}
