/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/mountinfo.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Blanks, newlines, backslashes and '#' stand there as \040 and the like. */
static char *unescape(char *text)
{
	char *to = text;

	for (char *from = text; *from; to++)
		if (from[0] == '\\' && is_octal(from[1]) && is_octal(from[2]) && is_octal(from[3])) {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	*to = '\0';
	return text;
}

/* The next field, ended by a blank; NULL when there is none. */
static char *next(char **rest)
{
	char *field;

	do
		field = strsep(rest, " ");
	while (field && !*field);
	return field;
}

static int parse_number(const char *text, char end, uint64_t *ret, const char **ret_end)
{
	char *stop;

	if (!text || *text < '0' || *text > '9')
		return -EBADMSG;
	errno = 0;
	*ret = strtoull(text, &stop, 10);
	if (errno || *stop != end)
		return -EBADMSG;
	if (ret_end)
		*ret_end = stop + 1;
	return 0;
}

static int parse_device(const char *text, struct mountinfo *m)
{
	uint64_t major, minor;
	const char *rest;

	if (parse_number(text, ':', &major, &rest) < 0 || parse_number(rest, '\0', &minor, NULL) < 0 ||
	    major > UINT32_MAX || minor > UINT32_MAX)
		return -EBADMSG;
	m->major = (unsigned)major;
	m->minor = (unsigned)minor;
	return 0;
}

int mountinfo_parse(char *line, struct mountinfo *ret)
{
	struct mountinfo m = { 0 };
	char *rest = line, *point, *type, *source, *field;

	line[strcspn(line, "\n")] = '\0';
	if (parse_number(next(&rest), '\0', &m.id, NULL) < 0 ||
	    parse_number(next(&rest), '\0', &m.parent, NULL) < 0 || parse_device(next(&rest), &m) < 0)
		return -EBADMSG;
	(void)next(&rest);
	point = next(&rest);
	do
		field = next(&rest);
	while (field && strcmp(field, "-") != 0);
	type = next(&rest);
	/* A source may be empty: two blanks then stand for it. */
	source = rest ? strsep(&rest, " ") : NULL;
	if (!point || !type || !source)
		return -EBADMSG;
	m.point = unescape(point);
	m.type = unescape(type);
	m.source = unescape(source);
	m.super = rest ?: "";
	*ret = m;
	return 0;
}

bool mountinfo_has_option(const char *options, const char *name, uint64_t value)
{
	const size_t len = strlen(name);
	uint64_t number;

	for (; *options; options += strcspn(options, ","), options += *options == ',') {
		const char *text = options + len + 1;
		char digits[24] = "";

		if (strncmp(options, name, len) != 0 || options[len] != '=')
			continue;
		if (strcspn(text, ",") < sizeof(digits))
			memcpy(digits, text, strcspn(text, ","));
		return parse_number(digits, '\0', &number, NULL) == 0 && number == value;
	}
	return false;
}

int mountinfo_each(int (*see)(void *arg, const struct mountinfo *m), void *arg)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mountinfo", "re");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;
	struct mountinfo m;
	int r = 0;

	if (!f)
		return -errno;
	while (r == 0 && getline(&line, &room, f) > 0)
		if (mountinfo_parse(line, &m) == 0)
			r = see(arg, &m);
	return r;
}
