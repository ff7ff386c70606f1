/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/single.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "backends/library/complaints.h"
#include "backends/library/ending.h"
#include "backends/library/value.h"
#include "backends/magic.h"
#include "backends/net/net.h"
#include "base/cleanup.h"
#include "base/name.h"
#include "base/text.h"

/* ---- what was given ---- */

void given_done(struct given *g)
{
	free(g->text);
	free(g->leaf);
	free(g->checksum);
	free(g->checksum256);
	*g = (struct given){ 0 };
}

static int take_checksum(const char *fragment, struct given *g, struct why *why)
{
	char q[QUOTE_MAX];

	if (strncasecmp(fragment, "sha512=", 7) == 0)
		return value_hash("sha512", fragment + 7, SHA512_DIGITS, &g->checksum, why);
	if (strncasecmp(fragment, "sha256=", 7) == 0)
		return value_hash("sha256", fragment + 7, SHA256_DIGITS, &g->checksum256, why);
	return fail(why, -EINVAL, "'#%s' behind a source is no checksum: #sha256=HEX or #sha512=HEX",
		    quote(q, fragment, strlen(fragment)));
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. What is no escape, or a NUL, stays as it is written. */
static void decode(char *text)
{
	char *to = text;

	for (const char *p = text; *p;) {
		const int high = p[0] == '%' ? hex_value(p[1]) : -1, low = high < 0 ? -1 : hex_value(p[2]);

		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high * 16 + low);
			p += 3;
		} else {
			*to++ = *p++;
		}
	}
	*to = '\0';
}

static char *leaf_of(const char *url)
{
	const char *host = strstr(url, "://") + 3, *path = host + strcspn(host, "/?#");
	const char *end = path + strcspn(path, "?#"), *slash = memrchr(path, '/', end - path);
	char *leaf = slash ? strndup(slash + 1, end - slash - 1) : strdup("");

	if (leaf)
		decode(leaf);
	return leaf;
}

int given_parse(const char *text, struct given *ret, struct why *why)
{
	_cleanup_(given_done) struct given g = { 0 };
	const bool is_url = net_is_url(text);
	const bool is_uri = is_url || strncasecmp(text, "file://", 7) == 0;
	const char *fragment = is_uri ? strchr(text, '#') : NULL;
	int r = fragment ? take_checksum(fragment + 1, &g, why) : 0;

	if (r < 0)
		return r;
	g.text = fragment ? strndup(text, fragment - text) : strdup(text);
	g.leaf = is_url ? leaf_of(text) : NULL;
	if (!g.text || (is_url && !g.leaf))
		return -ENOMEM;
	*ret = g;
	g = (struct given){ 0 };
	return 0;
}

/* ---- what it is ---- */

enum single_kind single_kind_of_name(const char *leaf)
{
	const size_t n = strlen(leaf);
	struct ending ending;

	if (strcmp(leaf, "index") == 0 || (n > 4 && strcmp(leaf + n - 4, ".asc") == 0))
		return SINGLE_INDEX;
	return ending_of(leaf, &ending) ? SINGLE_TEMPLATE : SINGLE_UNCLEAR;
}

static bool is_page(const struct magic *m, const char *head)
{
	return m && m->kind == MAGIC_UNREADABLE && head[0] == '<';
}

enum single_kind single_kind_of_head(const void *bytes, size_t count)
{
	const char *head = bytes, *end = head + count, *text = head;

	if (count > 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		text += 3;
	while (text < end && strchr(" \t\r\n", *text) && *text)
		text++;
	if (text < end && is_page(magic_of_head(text, end - text), text))
		return SINGLE_PAGE;
	if (magic_of_head(head, count) || memchr(head, '\0', count < SINGLE_HEAD ? count : SINGLE_HEAD))
		return SINGLE_TEMPLATE;
	return SINGLE_INDEX;
}

/* ---- its name ---- */

int single_name(const char *leaf, struct ending *ret_ending, char **ret, struct why *why)
{
	_cleanup_free_ char *name = NULL;
	char q[QUOTE_MAX];
	bool is_gap = false;
	size_t n = 0;

	if (!ending_of(leaf, ret_ending))
		*ret_ending = (struct ending){ .base = strlen(leaf) };
	name = malloc(ret_ending->base + 1);
	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < ret_ending->base && n < TEMPLATE_NAME_MAX - 1; i++) {
		if (!strchr(TEMPLATE_NAME_BYTES, leaf[i])) {
			is_gap = n > 0;
			continue;
		}
		if (is_gap)
			name[n++] = '-';
		is_gap = false;
		name[n++] = leaf[i];
	}
	name[n] = '\0';
	if (!template_name_ok(name))
		return fail(why, -EINVAL,
			    "a single file gives its name to its goals, and of '%s' nothing can be used",
			    quote(q, leaf, strlen(leaf)));
	*ret = take(name);
	return 0;
}
