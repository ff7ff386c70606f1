/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "planner/goal.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/arch.h"
#include "base/bytes.h"
#include "base/name.h"
#include "base/size.h"

#define LETTERS_AND_DIGITS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define WORD_BYTES	   LETTERS_AND_DIGITS "._-+"
#define NAME_BYTES	   LETTERS_AND_DIGITS "._-+@="

/* No disk has more partitions than this; GPT's usual 128 is not its limit. */
#define PARTITION_MAX 65535

/* A name and what it is called in facts. */
struct alias {
	const char *name;
	const char *canonical;
};

static const struct alias formats[] = {
	{ "raw", "raw" }, { "img", "raw" }, { "qcow2", "qcow2" }, { "vmdk", "vmdk" }, { "vdi", "vdi" },
	{ "vhd", "vhd" }, { "vpc", "vhd" }, { "vhdx", "vhdx" },	  { "iso", "iso" },   { NULL, NULL },
};

static const struct goal_key keys[] = {
	{ "partition", "pN", NULL, GOAL_NUMBER },
	{ "expand", "expand=N|none", "size", GOAL_NUMBER_OR_NONE },
	{ "content", "content=none", "size", GOAL_ONLY_NONE },
	{ "sparse", "sparse", NULL, GOAL_FLAG },
	{ "lv", "lv=VG-LV", NULL, GOAL_WORD },
	{ "lvexpand", "lvexpand=VG-LV", "size", GOAL_WORD },
	{ "compat", "compat=VERSION", NULL, GOAL_WORD },
	{ "cluster", "cluster=SIZE", NULL, GOAL_SIZE },
	{ "fixed", "fixed", NULL, GOAL_FLAG },
	{ NULL },
};

static const struct {
	const char *ending;
	enum goal_kind kind;
} texts[] = {
	{ "plan", GOAL_PLAN },
	{ "notes", GOAL_NOTES },
	{ "json", GOAL_JSON },
};

static const char *canonical(const struct alias *list, const char *name)
{
	for (; list->name; list++)
		if (strcmp(list->name, name) == 0)
			return list->canonical;
	return NULL;
}

const char *goal_format(const char *format)
{
	return canonical(formats, format);
}

const char *goal_arch(const char *name)
{
	return arch_normal(name);
}

const char *goal_format_name(size_t i)
{
	return formats[i].name;
}

const struct goal_key *goal_keys(void)
{
	return keys;
}

const char *goal_key_serves(const char *key)
{
	for (const struct goal_key *k = keys; k->key; k++)
		if (strcmp(k->key, key) == 0)
			return k->serves;
	return NULL;
}

void goal_done(struct goal *g)
{
	free(g->template);
	free(g->arch);
	free(g->image_name);
	tags_done(&g->want);
	*g = (struct goal){ 0 };
}

/* After this every sentence may quote any piece of the name: it holds nothing that could confuse a log. */
static int check_bytes(const char *name, struct why *why)
{
	size_t n = strlen(name);
	unsigned char c = name[strspn(name, NAME_BYTES)];

	if (n > GOAL_NAME_MAX)
		return fail(why, -EINVAL, "a name of %zu bytes is no goal, %d are the most", n, GOAL_NAME_MAX);
	if (c == ':' || c == ',')
		return fail(why, -EINVAL,
			    "'%c' can't stand in a goal's name: qemu would take it for a separator", c);
	if (c > ' ' && c < 0x7f)
		return fail(why, -EINVAL, "'%c' can't stand in a goal's name", c);
	if (c)
		return fail(why, -EINVAL, "byte 0x%02x can't stand in a goal's name", c);
	return 0;
}

static int add_fact(struct goal *g, const char *key, const char *value, const char *piece, struct why *why)
{
	if (tags_has(&g->want, key))
		return fail(why, -EINVAL, "'@%s' gives the %s a second time", piece, key);
	return tags_set(&g->want, key, value);
}

static int add_size(struct goal *g, const char *key, const char *text, uint64_t round_to, const char *piece,
		    struct why *why)
{
	char digits[24];
	uint64_t size;
	int r = size_parse(text, &size);

	if (r == -ERANGE)
		return fail(why, -EINVAL, "'%s' is no size of a disk, but zero or above 8 EiB", text);
	if (r < 0)
		return fail(why, -EINVAL, "'%s' is not a size: 20G, 1.5G, 512M and 1048576 are", text);
	(void)snprintf(digits, sizeof(digits), "%" PRIu64, align_up(size, round_to));
	return add_fact(g, key, digits, piece, why);
}

/* A number as it is written: 0 and leading zeros would be second names of one goal, or of none. */
static bool is_partition(const char *text)
{
	size_t n = strspn(text, "0123456789");

	return n > 0 && n <= 5 && !text[n] && text[0] != '0' && atoi(text) <= PARTITION_MAX;
}

static int add_number(struct goal *g, const struct goal_key *k, const char *text, const char *piece,
		      struct why *why)
{
	if (!is_partition(text))
		return fail(why, -EINVAL, "'%s' in '@%s' is not a partition's number, 1 to %d", text, piece,
			    PARTITION_MAX);
	return add_fact(g, k->key, text, piece, why);
}

static int add_word(struct goal *g, const struct goal_key *k, const char *text, const char *piece,
		    struct why *why)
{
	if (!*text || text[strspn(text, WORD_BYTES)])
		return fail(why, -EINVAL, "'@%s' needs a value of letters, digits and . _ - +, as in '%s'",
			    piece, k->form);
	return add_fact(g, k->key, text, piece, why);
}

/* `value` is NULL when there was no '='. */
static int add_key(struct goal *g, const struct goal_key *k, const char *value, const char *piece,
		   struct why *why)
{
	bool none = value && strcmp(value, "none") == 0;

	if (k->value == GOAL_FLAG && value)
		return fail(why, -EINVAL, "'@%s': %s takes no value", piece, k->key);
	if (k->value == GOAL_FLAG)
		return add_fact(g, k->key, "", piece, why);
	if (!value)
		return fail(why, -EINVAL, "'@%s' needs a value: '%s'", piece, k->form);
	if (none && (k->value == GOAL_ONLY_NONE || k->value == GOAL_NUMBER_OR_NONE))
		return add_fact(g, k->key, value, piece, why);
	if (k->value == GOAL_ONLY_NONE)
		return fail(why, -EINVAL, "'@%s': only '%s' is known", piece, k->form);
	if (k->value == GOAL_SIZE)
		return add_size(g, k->key, value, 1, piece, why);
	if (k->value == GOAL_WORD)
		return add_word(g, k, value, piece, why);
	return add_number(g, k, value, piece, why);
}

static int refuse_tag(const char *piece, struct why *why)
{
	_cleanup_(text_done) struct text known = TEXT_EMPTY;

	for (const struct goal_key *k = keys; k->key; k++)
		text_add(&known, ", %s", k->form);
	if (known.error)
		return -ENOMEM;
	return fail(why, -EINVAL, "'@%s' is not a tag: a size, an architecture%s are", piece, known.chars);
}

/* The row that `piece` is written after, whose '=' (if it has one) is at `equals`. */
static const struct goal_key *key_of(const char *piece, const char *equals)
{
	size_t n = equals ? (size_t)(equals - piece) : strlen(piece);

	for (const struct goal_key *k = keys; k->key; k++)
		if (k->value != GOAL_NUMBER && strlen(k->key) == n && memcmp(k->key, piece, n) == 0)
			return k;
	return NULL;
}

static int add_tag(struct goal *g, const char *piece, struct why *why)
{
	const char *equals = strchr(piece, '='), *arch = goal_arch(piece);
	const struct goal_key *k = key_of(piece, equals);

	if (!*piece)
		return fail(why, -EINVAL, "nothing stands behind an '@'");
	if (k)
		return add_key(g, k, equals ? equals + 1 : NULL, piece, why);
	if (equals)
		return refuse_tag(piece, why);
	if (isdigit((unsigned char)*piece))
		return add_size(g, "size", piece, SECTOR, piece, why);
	if (arch)
		return add_fact(g, "arch", arch, piece, why);
	if (piece[0] == 'p' && isdigit((unsigned char)piece[1]))
		return add_number(g, &keys[0], piece + 1, piece, why);
	return refuse_tag(piece, why);
}

static int check_served(const struct goal *g, struct why *why)
{
	for (size_t i = 0; i < g->want.n; i++) {
		const struct tag *tag = &g->want.tag[i];
		const char *serves = goal_key_serves(tag->key);

		if (serves && !tags_has(&g->want, serves))
			return fail(why, -EINVAL,
				    "'@%s=%s' only says where growth goes, and no %s is asked for", tag->key,
				    tag->value, serves);
	}
	return 0;
}

/* TEMPLATE *("@" TAG), already known to fit and to hold nothing but NAME_BYTES. */
static int parse_stem(struct goal *g, const char *stem, size_t n, struct why *why)
{
	char copy[GOAL_NAME_MAX + 1];
	char *rest = copy, *piece;
	const char *arch;
	int r;

	memcpy(copy, stem, n);
	copy[n] = '\0';
	piece = strsep(&rest, "@");
	if (!template_name_ok(piece))
		return fail(why, -EINVAL, "'%s' can't be a template's name", piece);
	g->template = strdup(piece);
	if (!g->template)
		return -ENOMEM;
	while ((piece = strsep(&rest, "@"))) {
		r = add_tag(g, piece, why);
		if (r < 0)
			return r;
	}
	arch = tags_get(&g->want, "arch");
	if (arch && !(g->arch = strdup(arch)))
		return -ENOMEM;
	return 0;
}

static bool is_text(const char *ending, enum goal_kind *ret)
{
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strcmp(texts[i].ending, ending) == 0) {
			*ret = texts[i].kind;
			return true;
		}
	return false;
}

/*
 * Nearly anything before ".plan" has a plan, if only to say why there is none.
 * A text's own plan is no goal: one of them would lead to another without end.
 */
static int parse_plan(struct goal *g, const char *stem, size_t n, struct why *why)
{
	enum goal_kind inner;
	const char *dot;

	g->image_name = strndup(stem, n);
	if (!g->image_name)
		return -ENOMEM;
	if (n == 0 || stem[0] == '@' || strcmp(g->image_name, ".") == 0 || strcmp(g->image_name, "..") == 0)
		return fail(why, -EINVAL, "nothing that could be a goal stands before '.plan'");
	dot = strrchr(g->image_name, '.');
	if (dot && is_text(dot + 1, &inner))
		return fail(why, -EINVAL, "'%s' would be a text, and texts have no plan", g->image_name);
	return 0;
}

static int parse_text(struct goal *g, const char *stem, size_t n, const char *ending, struct why *why)
{
	int r = parse_stem(g, stem, n, why);

	if (r < 0)
		return r;
	tags_drop(&g->want, "arch");
	if (g->want.n > 0)
		return fail(why, -EINVAL, "'.%s' takes no tag but an architecture, not the %s", ending,
			    g->want.tag[0].key);
	return 0;
}

static int refuse_ending(const char *name, struct why *why)
{
	_cleanup_(text_done) struct text known = TEXT_EMPTY;

	for (const struct alias *f = formats; f->name; f++)
		text_add(&known, "%s.%s", f == formats ? "" : " ", f->name);
	if (known.error)
		return -ENOMEM;
	return fail(why, -EINVAL, "'%s' does not end in an image format (%s), nor in .plan, .notes or .json",
		    name, known.chars);
}

static int parse(struct goal *g, const char *name, struct why *why)
{
	const char *dot, *format;
	int r = check_bytes(name, why);

	if (r < 0)
		return r;
	dot = strrchr(name, '.');
	if (!dot)
		return refuse_ending(name, why);
	if (is_text(dot + 1, &g->kind))
		return g->kind == GOAL_PLAN ? parse_plan(g, name, dot - name, why)
					    : parse_text(g, name, dot - name, dot + 1, why);
	format = goal_format(dot + 1);
	if (!format)
		return refuse_ending(name, why);
	r = parse_stem(g, name, dot - name, why);
	if (r < 0)
		return r;
	r = check_served(g, why);
	return r < 0 ? r : tags_set(&g->want, "format", format);
}

int goal_parse(const char *name, struct goal *ret, struct why *why)
{
	_cleanup_(goal_done) struct goal g = { 0 };
	int r = parse(&g, name, why);

	if (r < 0)
		return r;
	*ret = g;
	g = (struct goal){ 0 };
	return 0;
}
