/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/address.h"

#include <errno.h>
#include <string.h>

#include "base/text.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

void nbd_address_done(struct nbd_address *a)
{
	free(a->uri);
	texts_free(a->command);
	*a = (struct nbd_address){ 0 };
}

/* What else libnbd knows (ssh, ...) would run programs or ask for passwords. */
static bool is_known_scheme(const char *uri)
{
	static const char *const schemes[] = {
		"nbd://", "nbds://", "nbd+unix://", "nbds+unix://", "nbd+vsock://",
	};

	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++)
		if (strncmp(uri, schemes[i], strlen(schemes[i])) == 0)
			return true;
	return false;
}

/* Takes the next word off `*at`, unquoted; it is written over `to`, where there is room for it. */
static int take_word(const char **at, char *to, const char *shown, struct why *why)
{
	const char *p = *at;
	char quote = '\0';

	for (; *p && (quote || !is_blank(*p)); p++) {
		if (*p == quote) {
			quote = '\0';
		} else if (!quote && (*p == '\'' || *p == '"')) {
			quote = *p;
		} else {
			if (*p == '\\' && quote != '\'' && !*++p)
				return fail(why, -EINVAL, "'%s': the command ends in a backslash", shown);
			*to++ = *p;
		}
	}
	if (quote)
		return fail(why, -EINVAL, "'%s': a quote in the command has no end", shown);
	*to = '\0';
	*at = p;
	return 0;
}

/* `line` begins behind the opening bracket and ends before the closing one. */
static int parse_command(const char *line, const char *shown, struct nbd_address *ret, struct why *why)
{
	_cleanup_free_ char *word = malloc(strlen(line) + 1);
	char **command = calloc(NBD_WORDS_MAX + 1, sizeof(*command));
	size_t n = 0;
	int r = 0;

	ret->command = command;
	if (!word || !command)
		return -ENOMEM;
	for (line += strspn(line, " \t"); r == 0 && *line; line += strspn(line, " \t")) {
		if (n == NBD_WORDS_MAX)
			return fail(why, -EINVAL, "'%s': the command has more than %d words", shown,
				    NBD_WORDS_MAX);
		r = take_word(&line, word, shown, why);
		if (r == 0)
			r = text_copy(&command[n++], word);
	}
	if (r == 0 && (n == 0 || !command[0][0]))
		return fail(why, -EINVAL, "'%s': there is no command between the brackets", shown);
	return r;
}

static int parse_uri(const char *line, const char *shown, struct nbd_address *ret, struct why *why)
{
	if (!is_known_scheme(line))
		return fail(why, -EINVAL,
			    "'%s' is neither an NBD URI (nbd://, nbds://, nbd+unix://, nbds+unix://, "
			    "nbd+vsock://) nor a command in [ ... ]",
			    shown);
	if (strpbrk(line, " \t"))
		return fail(why, -EINVAL, "'%s': there is a blank in the URI", shown);
	return text_copy(&ret->uri, line);
}

/* The only line that is not blank, without the blanks around it. malloc'ed. */
static int only_line(const char *text, size_t count, const char *shown, char **ret, struct why *why)
{
	_cleanup_free_ char *line = NULL;

	if (count > NBD_ADDRESS_MAX)
		return fail(why, -EINVAL, "'%s' has %zu bytes, an address has %d at most", shown, count,
			    NBD_ADDRESS_MAX);
	while (count && strchr(" \t\r\n", text[count - 1]) && text[count - 1])
		count--;
	while (count && strchr(" \t\r\n", *text) && *text) {
		text++;
		count--;
	}
	for (size_t i = 0; i < count; i++) {
		if (text[i] == '\n')
			return fail(why, -EINVAL, "'%s' has more than one line", shown);
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') || text[i] == 0x7f)
			return fail(why, -EINVAL, "'%s' is not a text", shown);
	}
	line = strndup(text, count);
	if (!line)
		return -ENOMEM;
	*ret = take(line);
	return 0;
}

int nbd_address_parse(const char *text, size_t count, const char *shown, struct nbd_address *ret,
		      struct why *why)
{
	_cleanup_(nbd_address_done) struct nbd_address a = { 0 };
	_cleanup_free_ char *line = NULL;
	size_t n;
	int r = only_line(text, count, shown, &line, why);

	if (r < 0)
		return r;
	n = strlen(line);
	if (n >= 3 && line[0] == '[' && is_blank(line[1]) && line[n - 1] == ']' && is_blank(line[n - 2])) {
		line[n - 1] = '\0';
		r = parse_command(line + 1, shown, &a, why);
	} else {
		r = parse_uri(line, shown, &a, why);
	}
	if (r < 0)
		return r;
	*ret = a;
	a = (struct nbd_address){ 0 };
	return 0;
}
