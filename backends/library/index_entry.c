/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values are put together only for the keys that mean something, and in the order
 * of the table of keys, whatever their order in the text.
 */
#include "backends/library/index_entry.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "backends/library/private.h"
#include "backends/library/value.h"
#include "base/bytes.h"

/* Values. */

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)tolower((unsigned char)c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : INT_MAX;
}

static int take_base(const char **p)
{
	int base = 10;

	if ((*p)[0] != '0')
		return base;
	switch ((*p)[1]) {
	case 'x':
	case 'X':
		base = 16;
		break;
	case 'o':
	case 'O':
		base = 8;
		break;
	case 'b':
	case 'B':
		base = 2;
		break;
	case 'u':
	case 'U':
		break;
	default:
		return base;
	}
	*p += 2;
	return base;
}

/*
 * OCaml's: sign, 0x 0o 0b 0u, and _ between the digits. What OCaml would wrap
 * round to a negative is refused.
 */
static int parse_integer(const char *text, int64_t *ret)
{
	bool minus = text[0] == '-';
	const char *p = text + (minus || text[0] == '+');
	int base = take_base(&p);
	int64_t value = 0;

	if (digit_value(*p) >= base)
		return -EINVAL;
	for (; *p; p++) {
		if (*p == '_')
			continue;
		if (digit_value(*p) >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(value, base, &value) ||
		    __builtin_sub_overflow(value, digit_value(*p), &value))
			return -ERANGE;
	}
	/* Counted downwards, where there is room for one more. */
	if (!minus && value == INT64_MIN)
		return -ERANGE;
	*ret = minus ? value : -value;
	return 0;
}

static int take_integer(const char *key, const char *value, int64_t min, int64_t *ret, struct why *why)
{
	char q[QUOTE_MAX];
	int64_t number;
	int r = parse_integer(value, &number);

	if (r == -EINVAL)
		return fail(why, r, "%s '%s' is not a number", key, quote(q, value, strlen(value)));
	if (r < 0 || number < min)
		return fail(why, -ERANGE, "%s '%s' is out of range", key, quote(q, value, strlen(value)));
	*ret = number;
	return 0;
}

/*
 * An entry is shown under each of its names, and what is shown is kept while anybody looks at it: an index
 * of the size that is allowed must not grow by that.
 */
#define ALIASES_MAX 64
#define NOTES_MAX   (256 * KiB) /* in all languages; the official ones have 2 KB */
#define TEXT_MAX    4096

/* The target of a taker: an entry under construction. */
struct draft {
	struct template *t;
	char *file, *sig;
	size_t notes; /* bytes */
	const struct section *section;
	const struct field *field;
	const char *path;
	struct complaints *complaints;
};

/* About the field that is being taken; the entry stays. */
static void draft_complain(struct draft *d, const char *text)
{
	section_complain(d->section, d->path, d->field->line, text, d->complaints);
}

static int take_text(char **to, const char *value)
{
	if (!value[0])
		return 0;
	*to = strdup(value);
	return *to ? 0 : -ENOMEM;
}

static int take_short(struct draft *d, char **to, const char *value)
{
	if (strlen(value) <= TEXT_MAX)
		return take_text(to, value);
	draft_complain(d, "a text of more than 4096 bytes; ignored");
	return 0;
}

static int take_name(struct draft *d, const char *value, struct why *why)
{
	return take_short(d, &d->t->title, value);
}

static int take_osinfo(struct draft *d, const char *value, struct why *why)
{
	return take_short(d, &d->t->osinfo, value);
}

static int take_lvexpand(struct draft *d, const char *value, struct why *why)
{
	return take_short(d, &d->t->lvexpand, value);
}

static int take_arch(struct draft *d, const char *value, struct why *why)
{
	return value_arch("arch", value, &d->t->arch, why);
}

static int take_file(struct draft *d, const char *value, struct why *why)
{
	return value_path("file", "index", value, &d->file, why);
}

static int take_sig(struct draft *d, const char *value, struct why *why)
{
	return value_path("sig", "index", value, &d->sig, why);
}

static int take_format(struct draft *d, const char *value, struct why *why)
{
	char q[QUOTE_MAX];
	size_t n = strlen(value);

	/* "auto" is how qemu's users say that they don't say. */
	if (n == 0 || strcmp(value, "auto") == 0)
		return 0;
	if (n > 32 || strspn(value, "abcdefghijklmnopqrstuvwxyz0123456789-_") != n)
		return fail(why, -EINVAL, "format '%s' is not the name of a format", quote(q, value, n));
	/* QEMU's name for what everybody else calls VHD, and so do we. */
	return take_text(&d->t->format, strcmp(value, "vpc") == 0 ? "vhd" : value);
}

static int take_size(struct draft *d, const char *value, struct why *why)
{
	int64_t n;
	int r = take_integer("size", value, 1, &n, why);

	if (r == 0)
		d->t->size = n;
	return r;
}

static int take_compressed_size(struct draft *d, const char *value, struct why *why)
{
	int64_t n;
	int r = take_integer("compressed_size", value, 0, &n, why);

	if (r == 0)
		d->t->compressed_size = n;
	return r;
}

static int take_revision(struct draft *d, const char *value, struct why *why)
{
	return take_integer("revision", value, INT64_MIN, &d->t->revision, why);
}

/* "sda4", "/dev/vda1": the partition's number; 0 when it is something else. */
static unsigned disk_partition(const char *value)
{
	const char *p = strncmp(value, "/dev/", 5) == 0 ? value + 5 : value;
	unsigned number = 0;

	if (!(p[0] == 's' || p[0] == 'v' || p[0] == 'h') || p[1] != 'd' || p[2] != 'a' || p[3] == '0')
		return 0;
	for (p += 3; *p; p++) {
		if (!isdigit((unsigned char)*p) || number > 1000)
			return 0;
		number = number * 10 + (*p - '0');
	}
	return number;
}

static int take_expand(struct draft *d, const char *value, struct why *why)
{
	char q[QUOTE_MAX], text[QUOTE_MAX + 80];
	size_t vg;

	d->t->expand = disk_partition(value);
	if (d->t->expand)
		return 0;
	(void)quote(q, value, strlen(value));
	vg = strncmp(value, "/dev/", 5) == 0 ? strcspn(value + 5, "/") : 0;
	if (vg == 0 || strlen(value + 5) <= vg + 1)
		return fail(why, -EINVAL, "expand '%s' is not a partition such as /dev/sda1", q);
	/* virt-builder-repository writes the logical volume here. All but growing still works. */
	(void)snprintf(text, sizeof(text), "expand '%s' is a logical volume, not a partition; ignored", q);
	draft_complain(d, text);
	return 0;
}

static int take_checksum(struct draft *d, const char *value, struct why *why)
{
	if (d->t->checksum) /* checksum[sha512] was first in the table */
		return 0;
	return value_hash("checksum", value, SHA512_DIGITS, &d->t->checksum, why);
}

static int take_hidden(struct draft *d, const char *value, struct why *why)
{
	char q[QUOTE_MAX];

	if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
		return fail(why, -EINVAL, "hidden '%s' is neither true nor false",
			    quote(q, value, strlen(value)));
	d->t->hidden = value[0] == 't';
	return 0;
}

/* An alias that can't be a name would never be found; it isn't worth the entry. */
static bool alias_ok(struct draft *d, const char *alias)
{
	char q[QUOTE_MAX], text[QUOTE_MAX + 80];

	if (template_name_ok(alias))
		return true;
	(void)snprintf(text, sizeof(text), "alias '%s' can't be part of a file name; ignored",
		       quote(q, alias, strlen(alias)));
	draft_complain(d, text);
	return false;
}

static int take_aliases(struct draft *d, const char *value, struct why *why)
{
	_cleanup_free_ char *words = strdup(value);
	char *rest = words, *word;
	size_t n = 0;

	d->t->aliases = calloc(ALIASES_MAX + 1, sizeof(char *));
	if (!words || !d->t->aliases)
		return -ENOMEM;
	while ((word = strsep(&rest, " "))) {
		if (!word[0] || !alias_ok(d, word))
			continue;
		if (n == ALIASES_MAX) {
			draft_complain(d, "more than 64 aliases; the others are ignored");
			break;
		}
		d->t->aliases[n] = strdup(word);
		if (!d->t->aliases[n++])
			return -ENOMEM;
	}
	if (n == 0) {
		free(d->t->aliases);
		d->t->aliases = NULL;
	}
	return 0;
}

static int take_notes(struct draft *d, const char *value)
{
	struct template *t = d->t;
	struct notes *notes;
	struct slice lang = d->field->qualifier;

	d->notes += strlen(value);
	if (d->notes > NOTES_MAX) {
		draft_complain(d, "more than 256 KiB of notes; ignored");
		return 0;
	}
	notes = reallocarray(t->notes, t->n_notes + 1, sizeof(*notes));
	if (!notes)
		return -ENOMEM;
	t->notes = notes;
	notes += t->n_notes;
	notes->lang = lang.n ? strndup(lang.p, lang.n) : strdup("C");
	notes->text = strdup(value);
	t->n_notes++; /* template_unref frees what there is of it */
	return notes->lang && notes->text ? 0 : -ENOMEM;
}

/* Keys in the order of taking, notes aside. All others are for other programs. */
static const struct {
	const char *key;
	const char *qualifier;
	int (*take)(struct draft *d, const char *value, struct why *why);
} keys[] = {
	{ "name", "", take_name },	   { "osinfo", "", take_osinfo },
	{ "arch", "", take_arch },	   { "file", "", take_file },
	{ "sig", "", take_sig },	   { "format", "", take_format },
	{ "size", "", take_size },	   { "compressed_size", "", take_compressed_size },
	{ "revision", "", take_revision }, { "expand", "", take_expand },
	{ "lvexpand", "", take_lvexpand }, { "checksum", "sha512", take_checksum },
	{ "checksum", "", take_checksum }, { "hidden", "", take_hidden },
	{ "aliases", "", take_aliases },
};

/* Fields. */

static int take_field(struct draft *d, const struct field *f,
		      int (*taker)(struct draft *d, const char *value, struct why *why), struct why *why)
{
	_cleanup_free_ char *value = field_value(f);

	if (!value)
		return -ENOMEM;
	d->field = f;
	return taker ? taker(d, value, why) : take_notes(d, value);
}

static int take_fields(struct draft *d, const struct section *s, unsigned *line, struct why *why)
{
	int r;

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct field *f = section_field(s, keys[i].key, keys[i].qualifier);

		if (!f)
			continue;
		r = take_field(d, f, keys[i].take, why);
		*line = f->line;
		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < s->n; i++)
		if (slice_is(s->field[i].key, "notes")) {
			r = take_field(d, &s->field[i], NULL, why);
			if (r < 0)
				return r;
		}
	*line = s->line;
	if (!d->file)
		return fail(why, -EINVAL, "has no file=");
	if (!d->t->arch)
		return fail(why, -EINVAL, "has no arch=");
	return 0;
}

static int build_template(struct draft *d, struct section *s, unsigned *line, struct why *why)
{
	int r;

	d->t = template_new();
	if (!d->t)
		return -ENOMEM;
	d->t->revision = 1;
	d->t->name = strndup(s->name.p, s->name.n);
	if (!d->t->name)
		return -ENOMEM;
	if (!template_name_ok(d->t->name))
		return fail(why, -EINVAL, "the name can't be part of a file name");
	r = section_sort(s, line, why);
	return r < 0 ? r : take_fields(d, s, line, why);
}

int index_entry_build(struct section *s, const char *path, struct complaints *complaints,
		      struct index_entry *ret)
{
	struct draft d = { .section = s, .path = path, .complaints = complaints };
	struct why why = { 0 };
	unsigned line = s->line;
	int r;

	r = build_template(&d, s, &line, &why);
	if (r == 0) {
		*ret = (struct index_entry){ .template = d.t, .file = d.file, .sig = d.sig, .line = s->line };
		return 1;
	}
	template_unref(d.t);
	free(d.file);
	free(d.sig);
	if (r == -ENOMEM)
		return r;
	section_complain(s, path, line, why.text, complaints);
	return 0;
}

void index_entry_drop(struct index_entry *e)
{
	template_unref(e->template);
	free(e->file);
	free(e->sig);
	*e = (struct index_entry){ 0 };
}
