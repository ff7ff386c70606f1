/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What virt-builder --list prints, in its three forms, so that what reads the
 * one reads the other; compressed-size is a string there, and so it is here.
 * Texts of an index are foreign: before they get to a terminal their control
 * characters go, and JSON gets valid UTF-8 only.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "backends/library/private.h"
#include "base/utf.h"

/* Foreign text. */

enum { KEEP_TABS = 1, KEEP_LINES = 2, KEEP_CONTROLS = 4 };

static bool is_kept(unsigned char c, int keep)
{
	if (c >= ' ' && c != 0x7f)
		return true;
	return (keep & KEEP_CONTROLS) || (c == '\t' && keep & KEEP_TABS) || (c == '\n' && keep & KEEP_LINES);
}

/* A malloc'ed copy; what isn't kept is a '?'. Not longer than `text`. */
static char *clean_text(const char *text, int keep)
{
	char *copy = malloc(strlen(text) + 1), *to = copy;

	for (const unsigned char *p = (const unsigned char *)text; copy && *p;) {
		size_t n = utf8_length(p);

		if (n == 0 || (n == 1 && !is_kept(*p, keep))) {
			*to++ = '?';
			p++;
		} else {
			to = mempcpy(to, p, n);
			p += n;
		}
	}
	if (copy)
		*to = '\0';
	return copy;
}

static void add_clean(struct text *out, const char *before, const char *text, const char *after, int keep)
{
	_cleanup_free_ char *clean = clean_text(text, keep);

	if (clean)
		text_add(out, "%s%s%s", before, clean, after);
	else
		out->error = -ENOMEM;
}

/* JSON. json-c frees what it was given also when it can't add it; out of memory ends as a missing key. */

static void put_string(struct json_object *to, const char *key, const char *text)
{
	_cleanup_free_ char *clean = text ? clean_text(text, KEEP_CONTROLS) : NULL;

	if (clean)
		(void)json_object_object_add(to, key, json_object_new_string(clean));
}

static void put_integer(struct json_object *to, const char *key, uint64_t value)
{
	(void)json_object_object_add(to, key, json_object_new_int64((int64_t)value));
}

static struct json_object *json_notes(const struct template *t)
{
	struct json_object *notes = json_object_new_object();

	for (size_t i = 0; i < t->n_notes; i++)
		put_string(notes, t->notes[i].lang, t->notes[i].text);
	return notes;
}

static struct json_object *json_aliases(const struct template *t)
{
	struct json_object *aliases = json_object_new_array();

	for (char **alias = t->aliases; *alias; alias++)
		(void)json_object_array_add(aliases, json_object_new_string(*alias));
	return aliases;
}

/* The keys, and their order, are virt-builder's. */
static struct json_object *json_entry(const struct template *t, uint64_t size)
{
	struct json_object *entry = json_object_new_object();
	char digits[24];

	put_string(entry, "os-version", t->name);
	put_string(entry, "full-name", t->title);
	put_string(entry, "arch", t->arch);
	if (size)
		put_integer(entry, "size", size);
	if (t->compressed_size) {
		(void)snprintf(digits, sizeof(digits), "%" PRIu64, t->compressed_size);
		put_string(entry, "compressed-size", digits);
	}
	if (t->n_notes)
		(void)json_object_object_add(entry, "notes", json_notes(t));
	if (t->aliases)
		(void)json_object_object_add(entry, "aliases", json_aliases(t));
	put_string(entry, "osinfo", t->osinfo);
	(void)json_object_object_add(entry, "hidden", json_object_new_boolean(t->hidden));
	return entry;
}

static int add_json(struct json_object *json, struct text *out)
{
	const char *text = json_object_to_json_string_ext(
		json, JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);

	if (text)
		text_add(out, "%s\n", text);
	else
		out->error = -ENOMEM;
	(void)json_object_put(json);
	return out->error;
}

static struct json_object *json_sources(const struct library *lib)
{
	struct json_object *sources = json_object_new_array();

	for (size_t i = 0; i < lib->n_sources; i++) {
		struct json_object *source = json_object_new_object();

		/* Empty: what was read was not checked. */
		put_string(source, "fingerprint", lib->source[i].fingerprints ?: "");
		put_string(source, "uri", lib->source[i].given);
		(void)json_object_array_add(sources, source);
	}
	return sources;
}

static uint64_t template_size(const struct list_answers *answers, struct template *t)
{
	if (t->size)
		return t->size;
	if (!t->codec && t->format && strcmp(t->format, "raw") == 0)
		return t->bytes;
	return answers->size_of ? answers->size_of(answers->arg, t) : 0;
}

static int list_json(const struct library *lib, struct template **t, size_t n,
		     const struct list_answers *answers, struct text *out)
{
	struct json_object *list = json_object_new_object(), *templates = json_object_new_array();

	put_integer(list, "version", 1);
	(void)json_object_object_add(list, "sources", json_sources(lib));
	for (size_t i = 0; i < n; i++)
		(void)json_object_array_add(templates, json_entry(t[i], template_size(answers, t[i])));
	(void)json_object_object_add(list, "templates", templates);
	return add_json(list, out);
}

int template_json(const struct template *t, uint64_t size, const char *verified, struct json_object *disk,
		  struct text *out)
{
	struct json_object *entry = json_entry(t, size ? size : t->size), *checksum;

	(void)json_object_object_add(entry, "revision", json_object_new_int64(t->revision));
	put_string(entry, "file", t->path);
	/* Of a remote file that nobody has asked for only the index's word is known. */
	if (t->identity && !template_is_export(t)) {
		put_integer(entry, "file-size", t->bytes);
		put_string(entry, "codec", t->codec ?: "none");
	}
	put_string(entry, "format", t->format);
	if (t->expand)
		put_integer(entry, "expand", t->expand);
	put_string(entry, "lvexpand", t->lvexpand);
	if (t->checksum || t->checksum256) {
		checksum = json_object_new_object();
		put_string(checksum, "sha512", t->checksum);
		put_string(checksum, "sha256", t->checksum256);
		(void)json_object_object_add(entry, "checksum", checksum);
	}
	put_string(entry, "verified", verified);
	if (disk)
		(void)json_object_object_add(entry, "disk", disk);
	return add_json(entry, out);
}

/* For people. */

static void list_short(const struct template *t, struct text *out)
{
	text_add(out, "%-24s %-10s", t->name, t->arch);
	if (t->title)
		add_clean(out, " ", t->title, "", KEEP_TABS);
	text_add(out, "\n");
}

/* virt-builder's own rounding, which is not size_human's. */
static void add_size(struct text *out, const char *label, uint64_t bytes)
{
	static const char units[] = "KMG";
	double value = (double)bytes;
	int unit = -1;

	for (; value >= 1024 && unit < 2; unit++)
		value /= 1024;
	if (unit < 0)
		text_add(out, "%-24s %" PRIu64 "\n", label, bytes);
	else
		text_add(out, "%-24s %.1f%c\n", label, value, units[unit]);
}

static void list_long(struct template *t, const struct list_answers *answers, struct text *out)
{
	const uint64_t size = template_size(answers, t);
	char buf[64];
	const char *verdict = answers->verdict_of ? answers->verdict_of(answers->arg, t, buf) : NULL;
	const char *notes = template_notes(t);

	text_add(out, "%-24s %s\n", "os-version:", t->name);
	if (t->title)
		add_clean(out, "Full name:               ", t->title, "\n", KEEP_TABS);
	text_add(out, "%-24s %s\n", "Architecture:", t->arch);
	if (size)
		add_size(out, "Minimum/default size:", size);
	if (t->compressed_size)
		add_size(out, "Download size:", t->compressed_size);
	if (verdict)
		text_add(out, "%-24s %s\n", "Checksum:", verdict);
	if (t->aliases) {
		text_add(out, "%-24s", "Aliases:");
		for (char **alias = t->aliases; *alias; alias++)
			text_add(out, " %s", *alias);
		text_add(out, "\n");
	}
	if (notes)
		add_clean(out, "\nNotes:\n\n", notes, "\n", KEEP_TABS | KEEP_LINES);
	text_add(out, "\n");
}

static int list_text(const struct library *lib, struct template **t, size_t n, bool is_long,
		     const struct list_answers *answers, struct text *out)
{
	for (size_t i = 0; is_long && i < lib->n_sources; i++) {
		add_clean(out, "Source URI: ", lib->source[i].given, "\n", 0);
		text_add(out, "Fingerprint: %s\n\n", lib->source[i].fingerprints ?: "");
	}
	for (size_t i = 0; i < n; i++) {
		if (t[i]->hidden)
			continue;
		if (is_long)
			list_long(t[i], answers, out);
		else
			list_short(t[i], out);
	}
	return out->error;
}

int library_list_text(struct library *lib, enum list_format format, const struct list_answers *answers,
		      struct text *out)
{
	static const struct list_answers none;
	struct template **t;
	size_t n;
	int r = library_list(lib, &t, &n);

	if (r < 0)
		return r;
	if (format == LIST_JSON)
		r = list_json(lib, t, n, answers ?: &none, out);
	else
		r = list_text(lib, t, n, format == LIST_LONG, answers ?: &none, out);
	templates_free(t, n);
	return r;
}
