/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A recursive descent over a copy of the text. Names and texts are cut out of a
 * second copy, in which each gets its NUL: behind a name stands a blank, a brace or
 * an equals sign, and behind a text its quote, so that there is always room for one.
 */
#include "backends/content/lvm/text.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* Nodes are made in pieces, so that pointers to them stay. */
#define PIECE 256

struct piece {
	struct piece *next;
	struct lvm_node node[PIECE];
};

struct lvm_text {
	struct lvm_node root;
	struct piece *pieces; /* the newest first */
	unsigned n;
	char *words; /* the texts of all nodes */
};

struct parser {
	struct lvm_text *to;
	const char *bytes; /* borrowed */
	size_t at, end;
	unsigned depth;
	struct why *why;
};

void lvm_text_free(struct lvm_text *t)
{
	struct piece *p;

	if (!t)
		return;
	while ((p = t->pieces)) {
		t->pieces = p->next;
		free(p);
	}
	free(t->words);
	free(t);
}

const struct lvm_node *lvm_text_root(const struct lvm_text *t)
{
	return &t->root;
}

static int damaged(const struct parser *p, const char *what)
{
	unsigned line = 1;

	for (size_t i = 0; i < p->at; i++)
		line += p->bytes[i] == '\n';
	return fail(p->why, -EBADMSG, "line %u of the metadata of LVM: %s", line, what);
}

static int new_node(struct parser *p, struct lvm_node **ret)
{
	struct lvm_text *t = p->to;

	if (t->n == LVM_NODES_MAX)
		return damaged(p, "too much in it");
	if (t->n % PIECE == 0) {
		struct piece *piece = calloc(1, sizeof(*piece));

		if (!piece)
			return -ENOMEM;
		piece->next = t->pieces;
		t->pieces = piece;
	}
	*ret = &t->pieces->node[t->n++ % PIECE];
	(*ret)->name = "";
	return 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

/* The next byte that isn't a blank nor in a comment, or NUL at the end. */
static char peek(struct parser *p)
{
	while (p->at < p->end) {
		char c = p->bytes[p->at];

		if (c == '#') {
			const char *newline = memchr(p->bytes + p->at, '\n', p->end - p->at);

			p->at = newline ? (size_t)(newline - p->bytes) : p->end;
		} else if (is_blank(c)) {
			p->at++;
		} else {
			return c;
		}
	}
	return '\0';
}

static bool skip(struct parser *p, char c)
{
	if (peek(p) != c)
		return false;
	p->at++;
	return true;
}

static bool ends_word(char c)
{
	return is_blank(c) || strchr("#{}[]=,\"'", c);
}

/* The word at the parser's place, which may be empty. */
static const char *take_word(struct parser *p)
{
	size_t start = p->at;

	while (p->at < p->end && !ends_word(p->bytes[p->at]))
		p->at++;
	p->to->words[p->at] = '\0';
	return p->to->words + start;
}

/* From the quote at the parser's place to behind the closing one. */
static int take_quoted(struct parser *p, const char **ret)
{
	const char quote = p->bytes[p->at++];
	char *to = p->to->words + p->at;

	*ret = to;
	for (; p->at < p->end; p->at++) {
		char c = p->bytes[p->at];

		if (c == quote) {
			*to = '\0';
			p->at++;
			return 0;
		}
		if (c == '\\' && quote == '"' && p->at + 1 < p->end)
			c = p->bytes[++p->at];
		*to++ = c;
	}
	return damaged(p, "a text without an end");
}

static int parse_number(const char *word, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(word, &end, 10);
	return *word && !*end && errno == 0 ? 0 : -EINVAL;
}

static int parse_value(struct parser *p, struct lvm_node *n)
{
	char c = peek(p);
	int r = 0;

	n->start = p->at;
	n->kind = LVM_STRING;
	if (c == '"' || c == '\'') {
		r = take_quoted(p, &n->text);
	} else {
		n->text = take_word(p);
		if (!*n->text)
			return damaged(p, "no value where one should be");
		if (parse_number(n->text, &n->number) == 0)
			n->kind = LVM_NUMBER;
	}
	n->end = p->at;
	return r;
}

static int parse_list(struct parser *p, struct lvm_node *n)
{
	const struct lvm_node **link = &n->child;

	n->kind = LVM_LIST;
	n->start = p->at;
	p->at++;
	while (!skip(p, ']')) {
		struct lvm_node *value = NULL;
		int r = new_node(p, &value);

		if (r == 0)
			r = parse_value(p, value);
		if (r < 0)
			return r;
		*link = value;
		link = &value->next;
		(void)skip(p, ',');
	}
	n->end = p->at;
	return 0;
}

static int parse_section(struct parser *p, struct lvm_node *section, char closing);

/* What stands behind a name. */
static int parse_body(struct parser *p, struct lvm_node *n)
{
	if (skip(p, '{')) {
		n->kind = LVM_SECTION;
		return parse_section(p, n, '}');
	}
	if (!skip(p, '='))
		return damaged(p, "neither '{' nor '=' behind a name");
	return peek(p) == '[' ? parse_list(p, n) : parse_value(p, n);
}

/* Up to the closing brace, or with NUL to the text's end. */
static int parse_section(struct parser *p, struct lvm_node *section, char closing)
{
	const struct lvm_node **link = &section->child;
	int r = 0;
	char c;

	if (p->depth++ == LVM_DEPTH_MAX)
		return damaged(p, "sections too deep in one another");
	while (r == 0 && (c = peek(p)) != '\0' && c != '}') {
		struct lvm_node *n = NULL;

		r = new_node(p, &n);
		if (r < 0)
			return r;
		n->start = p->at;
		if (c == '"' || c == '\'')
			r = take_quoted(p, &n->name);
		else if (!*(n->name = take_word(p)))
			r = damaged(p, "no name where one should be");
		if (r == 0)
			r = parse_body(p, n);
		*link = n;
		link = &n->next;
	}
	p->depth--;
	if (r < 0)
		return r;
	if (c != closing)
		return damaged(p, closing ? "a section without an end" : "a '}' too many");
	p->at += closing != '\0';
	section->end = p->at;
	return 0;
}

int lvm_text_parse(const char *bytes, size_t count, struct lvm_text **ret, struct why *why)
{
	_cleanup_(lvm_text_freep) struct lvm_text *t = calloc(1, sizeof(*t));
	struct parser p = { .to = t, .bytes = bytes, .why = why };
	int r;

	while (count > 0 && bytes[count - 1] == '\0')
		count--;
	p.end = count;
	if (!t || !(t->words = malloc(count + 1)))
		return -ENOMEM;
	if (memchr(bytes, '\0', count))
		return fail(why, -EBADMSG, "the metadata of LVM holds a NUL");
	memcpy(t->words, bytes, count);
	t->words[count] = '\0';
	t->root.name = "";
	r = parse_section(&p, &t->root, '\0');
	if (r < 0)
		return r;
	*ret = take(t);
	return 0;
}

const struct lvm_node *lvm_node_find(const struct lvm_node *section, const char *name, enum lvm_kind kind)
{
	if (!section)
		return NULL;
	for (const struct lvm_node *n = section->child; n; n = n->next)
		if (n->kind == kind && strcmp(n->name, name) == 0)
			return n;
	return NULL;
}

bool lvm_node_number(const struct lvm_node *section, const char *name, uint64_t *ret)
{
	const struct lvm_node *n = lvm_node_find(section, name, LVM_NUMBER);

	if (!n || n->number < 0)
		return false;
	*ret = (uint64_t)n->number;
	return true;
}

const char *lvm_node_string(const struct lvm_node *section, const char *name)
{
	const struct lvm_node *n = lvm_node_find(section, name, LVM_STRING);

	return n ? n->text : NULL;
}

bool lvm_node_lists(const struct lvm_node *section, const char *name, const char *text)
{
	const struct lvm_node *list = lvm_node_find(section, name, LVM_LIST);

	for (const struct lvm_node *n = list ? list->child : NULL; n; n = n->next)
		if (n->kind == LVM_STRING && strcmp(n->text, text) == 0)
			return true;
	return false;
}
