/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/value.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "backends/library/complaints.h"
#include "base/arch.h"
#include "base/cleanup.h"
#include "base/text.h"

static bool has_dotdot(const char *path)
{
	for (const char *p = path; *p; p += strspn(p, "/")) {
		size_t n = strcspn(p, "/");

		if (n == 2 && memcmp(p, "..", 2) == 0)
			return true;
		p += n;
	}
	return false;
}

int value_path(const char *key, const char *base, const char *value, char **ret, struct why *why)
{
	char q[QUOTE_MAX];

	if (!value[0])
		return fail(why, -EINVAL, "%s is empty", key);
	(void)quote(q, value, strlen(value));
	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p))
			return fail(why, -EINVAL, "%s '%s' holds a control character", key, q);
	if (strstr(value, "://"))
		return fail(why, -EINVAL, "%s '%s' is a URI, it must be a path relative to the %s", key, q,
			    base);
	if (value[0] == '/')
		return fail(why, -EINVAL, "%s '%s' begins with '/', it must be a path relative to the %s", key,
			    q, base);
	if (has_dotdot(value))
		return fail(why, -EINVAL, "%s '%s' leads out of the %s's directory", key, q, base);
	if (strlen(value) >= PATH_MAX)
		return fail(why, -EINVAL, "%s '%s' is too long for a path", key, q);
	return text_copy(ret, value);
}

int value_hash(const char *key, const char *value, size_t digits, char **ret, struct why *why)
{
	char q[QUOTE_MAX];
	size_t n = strlen(value);
	int r;

	if (n != digits || strspn(value, "0123456789abcdefABCDEF") != n)
		return fail(why, -EINVAL, "%s '%s' is not a SHA-%zu in %zu hexadecimal digits", key,
			    quote(q, value, n), 4 * digits, digits);
	r = text_copy(ret, value);
	for (char *p = *ret; r == 0 && *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return r;
}

int value_arch(const char *key, const char *value, char **ret, struct why *why)
{
	const char *normal = arch_normal(value);
	char q[QUOTE_MAX];

	if (!normal)
		return fail(why, -EINVAL, "%s '%s' is not known", key, quote(q, value, strlen(value)));
	return text_copy(ret, normal);
}

/* URIs of files. */

static int hex_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* In place: the result is never longer. */
static int percent_decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (*p == '%') {
			int high = hex_value(p[1]), low = high < 0 ? -1 : hex_value(p[2]);

			if (low < 0 || high * 16 + low == 0)
				return -EINVAL;
			*to++ = (char)(high * 16 + low);
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return 0;
}

/* The length of "scheme" in "scheme://...", else 0. */
static size_t scheme_length(const char *given)
{
	size_t n = isalpha((unsigned char)given[0]) ? 1 : 0;

	while (n && (isalnum((unsigned char)given[n]) || strchr("+-.", given[n])) && given[n])
		n++;
	return strncmp(given + n, "://", 3) == 0 ? n : 0;
}

int value_file_uri(const char *key, const char *value, char **ret, struct why *why)
{
	_cleanup_free_ char *path = NULL;
	size_t scheme = scheme_length(value);
	const char *p = value + (scheme ? scheme + 3 : 0);

	if (scheme && (scheme != 4 || strncasecmp(value, "file", 4) != 0))
		return -EOPNOTSUPP;
	if (scheme && strncasecmp(p, "localhost/", 10) == 0)
		p += 9;
	if (scheme && p[0] != '/')
		return fail(why, -EINVAL, "%s '%s' is not on this machine, a local one is file:///PATH", key,
			    value);
	path = strdup(p);
	if (!path)
		return -ENOMEM;
	if (scheme && percent_decode(path) < 0)
		return fail(why, -EINVAL, "%s '%s' has a bad %% in it", key, value);
	*ret = take(path);
	return 0;
}
