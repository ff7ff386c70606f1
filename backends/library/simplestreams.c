/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json-c takes the text apart. Three things it does not do for us, and a look at
 * the bytes before and after does: to be strict about quotes, to bound the memory
 * that a text turns into ("[[],[],[]..." grows by a factor of a hundred), and to
 * tell that a key stands twice in an object: there it keeps the last one and
 * says nothing. But then the tree has fewer members than the text has colons.
 */
#include "backends/library/simplestreams.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include <json-c/json.h>

#include "backends/library/index_entry.h"
#include "backends/library/private.h"
#include "backends/library/value.h"

/* 174 versions of Ubuntu's released images are 600 KB, 1,800 objects, 10,000 values, 8 levels. */
#define JSON_DEPTH_MAX	    32
#define JSON_CONTAINERS_MAX 131072
#define JSON_VALUES_MAX	    1048576
#define ALIASES_MAX	    64 /* of one product */

/* JSON. */

static void json_putp(struct json_object **o)
{
	(void)json_object_put(*o);
}

static void tokener_freep(struct json_tokener **tok)
{
	if (*tok)
		json_tokener_free(*tok);
}

/* What stands in a text outside of its strings. */
struct census {
	size_t containers;
	size_t values; /* at most so many */
	size_t colons;
};

static void census_count(struct census *c, char byte)
{
	c->containers += byte == '{' || byte == '[';
	c->values += byte == '{' || byte == '[' || byte == ',';
	c->colons += byte == ':';
}

/* With a comment, a NUL, or 'a' for "a" (which json-c lets pass as a key) the census would be wrong. */
static int census_take(const char *bytes, size_t count, struct census *ret)
{
	bool in_string = false;

	*ret = (struct census){ 0 };
	for (size_t i = 0; i < count; i++) {
		char c = bytes[i];

		if (c == '\0' || (!in_string && (c == '\'' || c == '/')))
			return -EBADMSG;
		if (in_string && c == '\\' && i + 1 < count && bytes[i + 1] != '\0')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string)
			census_count(ret, c);
	}
	return 0;
}

static size_t count_members(struct json_object *o)
{
	size_t n = 0;

	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++)
			n += count_members(json_object_array_get_idx(o, i));
	} else if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach(o, key, value)
		{
			(void)key;
			n += 1 + count_members(value);
		}
	}
	return n;
}

static int tokenize(const char *bytes, size_t count, const char *shown, struct json_object **ret,
		    struct why *why)
{
	_cleanup_(tokener_freep) struct json_tokener *tok = json_tokener_new_ex(JSON_DEPTH_MAX);
	enum json_tokener_error error;

	if (!tok)
		return -ENOMEM;
	json_tokener_set_flags(tok, JSON_TOKENER_STRICT);
	*ret = json_tokener_parse_ex(tok, bytes, (int)count);
	error = json_tokener_get_error(tok);
	if (error == json_tokener_continue)
		return fail(why, -EBADMSG, "'%s' is cut off: its JSON does not end", shown);
	if (error != json_tokener_success)
		return fail(why, -EBADMSG, "'%s' is not JSON: %s at byte %zu", shown,
			    json_tokener_error_desc(error), json_tokener_get_parse_end(tok));
	return 0;
}

static int parse_json(const char *bytes, size_t count, const char *shown, struct json_object **ret,
		      struct why *why)
{
	_cleanup_(json_putp) struct json_object *root = NULL;
	struct census census;
	int r;

	if (count > INDEX_BYTES_MAX)
		return fail(why, -EFBIG, "'%s' has %zu bytes, a file of a tree may have %" PRIu64, shown, count,
			    INDEX_BYTES_MAX);
	if (census_take(bytes, count, &census) < 0)
		return fail(why, -EBADMSG, "'%s' is not JSON: it holds what stands in strings only", shown);
	if (census.containers > JSON_CONTAINERS_MAX || census.values > JSON_VALUES_MAX)
		return fail(why, -EFBIG, "'%s' has more than %d objects or %d values", shown,
			    JSON_CONTAINERS_MAX, JSON_VALUES_MAX);
	r = tokenize(bytes, count, shown, &root, why);
	if (r < 0)
		return r;
	if (!json_object_is_type(root, json_type_object))
		return fail(why, -EBADMSG, "'%s' is not a JSON object", shown);
	if (count_members(root) != census.colons)
		return fail(why, -EBADMSG, "'%s' has an object in which a key stands twice", shown);
	*ret = take(root);
	return 0;
}

/* The member, if it is there and an object; else NULL. */
static struct json_object *get_object(struct json_object *o, const char *key)
{
	struct json_object *member = NULL;

	(void)json_object_object_get_ex(o, key, &member);
	return json_object_is_type(member, json_type_object) ? member : NULL;
}

/* `ret` is NULL when there is no such member. Borrowed. */
static int get_text(struct json_object *o, const char *key, const char **ret, struct why *why)
{
	struct json_object *member;

	*ret = NULL;
	if (!json_object_object_get_ex(o, key, &member))
		return 0;
	if (!json_object_is_type(member, json_type_string))
		return fail(why, -EINVAL, "%s is not a string", key);
	*ret = json_object_get_string(member);
	if (!*ret)
		return -ENOMEM;
	if (strlen(*ret) != (size_t)json_object_get_string_len(member))
		return fail(why, -EINVAL, "%s holds a NUL", key);
	return 0;
}

static bool text_is(struct json_object *o, const char *key, const char *want)
{
	const char *text;

	return get_text(o, key, &text, NULL) == 0 && text && strcmp(text, want) == 0;
}

/* Opens a file of a tree: JSON of this format, with an object of that name in it. */
static int open_tree_file(const char *bytes, size_t count, const char *shown, const char *format,
			  const char *key, struct json_object **ret, struct why *why)
{
	_cleanup_(json_putp) struct json_object *root = NULL;
	int r = parse_json(bytes, count, shown, &root, why);

	if (r < 0)
		return r;
	if (!text_is(root, "format", format))
		return fail(why, -EBADMSG, "'%s' is not of simplestreams' format %s", shown, format);
	if (!get_object(root, key))
		return fail(why, -EBADMSG, "'%s' has no object '%s'", shown, key);
	*ret = take(root);
	return 0;
}

/* The index. */

void streams_done(struct streams *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->path[i]);
	free(s->path);
	*s = (struct streams){ 0 };
}

/* Takes `path` over in any case. Who is named twice is fetched once. */
static int add_path(struct streams *s, char *path)
{
	char **all = reallocarray(s->path, s->n + 1, sizeof(*all));

	if (all)
		s->path = all;
	for (size_t i = 0; all && i < s->n; i++)
		if (strcmp(all[i], path) == 0) {
			free(path);
			return 0;
		}
	if (!all) {
		free(path);
		return -ENOMEM;
	}
	all[s->n++] = path;
	return 0;
}

static int take_member(struct json_object *member, struct streams *streams, struct why *why)
{
	const char *path;
	char *copy;
	int r;

	if (!text_is(member, "format", "products:1.0") || !text_is(member, "datatype", "image-downloads"))
		return 0;
	r = get_text(member, "path", &path, why);
	if (r == 0)
		r = path ? value_path("path", "tree", path, &copy, why) : fail(why, -EINVAL, "has no path");
	return r < 0 ? r : add_path(streams, copy);
}

static int take_members(struct json_object *index, const char *shown, struct streams *streams,
			struct complaints *complaints, struct why *why)
{
	json_object_object_foreach(index, key, member)
	{
		char q[QUOTE_MAX];
		struct why fault = { 0 };
		int r = take_member(member, streams, &fault);

		if (r == -ENOMEM)
			return r;
		if (r < 0)
			complain(complaints, "%s: '%s': %s", shown, quote(q, key, strlen(key)), fault.text);
		if (streams->n > STREAMS_PATHS_MAX)
			return fail(why, -EFBIG, "'%s' names more than %d files", shown, STREAMS_PATHS_MAX);
	}
	return 0;
}

int streams_parse(const char *bytes, size_t count, const char *shown, struct streams *ret,
		  struct complaints *complaints, struct why *why)
{
	_cleanup_(json_putp) struct json_object *root = NULL;
	_cleanup_(streams_done) struct streams streams = { 0 };
	int r;

	*ret = streams;
	r = open_tree_file(bytes, count, shown, "index:1.0", "index", &root, why);
	if (r == 0)
		r = take_members(get_object(root, "index"), shown, &streams, complaints, why);
	if (r < 0)
		return r;
	*ret = streams;
	streams = (struct streams){ 0 };
	return 0;
}

/* Versions and items. */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), e = strlen(end);

	return n >= e && strcmp(text + n - e, end) == 0;
}

#define NO_DISK 5

/* The less the better; NO_DISK for what isn't a disk image. */
static unsigned item_rank(const char *key, struct json_object *item)
{
	const char *ftype;

	if (!json_object_is_type(item, json_type_object))
		return NO_DISK;
	if (strcmp(key, "disk1.img") == 0 || strcmp(key, "disk.img") == 0)
		return 0;
	if (get_text(item, "ftype", &ftype, NULL) < 0 || !ftype)
		return NO_DISK;
	if (strcmp(ftype, "disk1.img") == 0 || strcmp(ftype, "disk.img") == 0)
		return 1;
	if (strcmp(ftype, "disk-kvm.img") == 0)
		return 2;
	if (strcmp(ftype, "qcow2") == 0 || ends_with(ftype, ".qcow2"))
		return 3;
	return ends_with(ftype, ".img") ? 4 : NO_DISK;
}

/* The version's disk image, or NULL. */
static struct json_object *find_disk(struct json_object *version)
{
	struct json_object *items = get_object(version, "items"), *best = NULL;
	unsigned best_rank = NO_DISK;

	if (!items)
		return NULL;
	json_object_object_foreach(items, key, item)
	{
		unsigned rank = item_rank(key, item);

		if (rank < best_rank) {
			best = item;
			best_rank = rank;
		}
	}
	return best;
}

/* A product under way to an entry. Borrows from the JSON. */
struct product {
	const char *id;
	struct json_object *json;
	const char *version; /* the key */
	struct json_object *version_json;
	struct json_object *disk;
	const char *os, *pubname;
};

/* The latest version that has a disk image; `disk` stays NULL when none has. */
static int find_version(struct product *p, struct why *why)
{
	struct json_object *versions = get_object(p->json, "versions");

	if (!versions)
		return fail(why, -EINVAL, "has no versions");
	json_object_object_foreach(versions, key, version)
	{
		struct json_object *disk;

		if (!json_object_is_type(version, json_type_object) ||
		    (p->version && strcmp(key, p->version) <= 0))
			continue;
		disk = find_disk(version);
		if (!disk)
			continue;
		p->version = key;
		p->version_json = version;
		p->disk = disk;
	}
	return 0;
}

/* Takes the number that a text of digits begins with, at most `most`, and what ends it. */
static int64_t take_number(const char **p, int64_t most)
{
	int64_t n = 0;

	for (; isdigit((unsigned char)**p); (*p)++)
		n = n > most ? n : n * 10 + (**p - '0');
	if (**p == '.')
		(*p)++;
	return n < most ? n : most;
}

/*
 * Three numbers count, with room for the 14 digits of a time in the first one, 3
 * in the second and 2 in the third; what is larger counts as the largest. So the
 * order is never turned round, though it may be lost.
 */
static int64_t version_revision(const char *version)
{
	int64_t revision;

	if (!isdigit((unsigned char)version[0]) || version[strspn(version, "0123456789.")])
		return 1;
	revision = take_number(&version, INT64_C(90000000000000)) * 100000;
	revision += take_number(&version, 999) * 100;
	return revision + take_number(&version, 99);
}

/* Names. */

/* malloc'ed; what can't stand in a name is a '-'. */
static char *legal_name(const char *text)
{
	char *name = strdup(text);

	for (char *p = name; p && *p; p++)
		if (!strchr(TEMPLATE_NAME_BYTES, *p))
			*p = '-';
	return name;
}

static bool has_alias(const struct template *t, size_t n, const char *alias)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(t->aliases[i], alias) == 0)
			return true;
	return false;
}

/* Takes `alias` over in any case (NULL: memory ran out). One that can't be one, or is there, is no fault. */
static int add_alias(struct template *t, size_t *n, char *alias)
{
	if (!alias)
		return -ENOMEM;
	if (*n == ALIASES_MAX || !template_name_ok(alias) || strcmp(alias, t->name) == 0 ||
	    has_alias(t, *n, alias)) {
		free(alias);
		return 0;
	}
	t->aliases[(*n)++] = alias;
	return 0;
}

/*
 * A word of the vendor's for this system, "24.04" or "ubuntu/noble", behind the os. One letter is none: the n
 * of Ubuntu is 11.04 as well as 24.04.
 */
static int add_word(struct template *t, size_t *n, const char *os, const char *word)
{
	size_t length = strlen(os);
	bool has_os = strncasecmp(word, os, length) == 0 && !isalnum((unsigned char)word[length]);
	_cleanup_free_ char *text = has_os ? strdup(word) : text_new("%s-%s", os, word);

	if (!text)
		return -ENOMEM;
	if (!word[0] || !word[1])
		return 0;
	/* LXD's trees write Ubuntu. */
	for (size_t i = 0; i < length; i++)
		text[i] = (char)tolower((unsigned char)text[i]);
	return add_alias(t, n, legal_name(text));
}

/* `list` is separated by commas. */
static int add_words(struct template *t, size_t *n, const char *os, const char *list)
{
	_cleanup_free_ char *words = strdup(list);
	char *rest = words, *word;
	int r = words ? 0 : -ENOMEM;

	while (r == 0 && (word = strsep(&rest, ","))) {
		word += strspn(word, " ");
		for (size_t length = strlen(word); length && word[length - 1] == ' '; length--)
			word[length - 1] = '\0';
		r = add_word(t, n, os, word);
	}
	return r;
}

/* The names that stay the same over versions. Without an os the words say too little: "n", "lts". */
static int take_aliases(const struct product *p, struct template *t, struct why *why)
{
	const char *aliases, *release, *version;
	size_t n = 0;
	int r = get_text(p->json, "aliases", &aliases, why);

	if (r == 0)
		r = get_text(p->json, "release", &release, why);
	if (r == 0)
		r = get_text(p->json, "version", &version, why);
	if (r < 0)
		return r;
	t->aliases = calloc(ALIASES_MAX + 1, sizeof(char *));
	if (!t->aliases)
		return -ENOMEM;
	r = add_alias(t, &n, legal_name(p->id));
	if (r == 0 && p->os[0] && aliases)
		return add_words(t, &n, p->os, aliases);
	if (r == 0 && p->os[0] && release)
		r = add_word(t, &n, p->os, release);
	if (r == 0 && p->os[0] && version)
		r = add_word(t, &n, p->os, version);
	return r;
}

static int take_name(const struct product *p, struct template *t, struct why *why)
{
	const char *given = p->pubname ? p->pubname : p->id;
	char q[QUOTE_MAX];

	t->name = legal_name(given);
	if (!t->name)
		return -ENOMEM;
	if (!template_name_ok(t->name))
		return fail(why, -EINVAL, "the name '%s' can't be part of a file name",
			    quote(q, given, strlen(given)));
	return 0;
}

/* "24.04 LTS" says little in a list of many systems. */
static int take_title(const struct product *p, struct template *t, struct why *why)
{
	const char *title;
	int r = get_text(p->json, "release_title", &title, why);

	if (r < 0)
		return r;
	if (title && title[0] && p->os[0] && !strcasestr(title, p->os))
		t->title = text_new("%s %s", p->os, title);
	else
		t->title = strdup(title && title[0] ? title : p->pubname ? p->pubname : p->id);
	return t->title ? 0 : -ENOMEM;
}

/* Entries. */

static int take_arch(const struct product *p, struct template *t, struct why *why)
{
	const char *arch;
	int r = get_text(p->json, "arch", &arch, why);

	if (r < 0)
		return r;
	return arch ? value_arch("arch", arch, &t->arch, why) : fail(why, -EINVAL, "has no arch");
}

static int take_hash(const struct product *p, const char *key, size_t digits, char **to, struct why *why)
{
	const char *hash;
	int r = get_text(p->disk, key, &hash, why);

	return r < 0 || !hash ? r : value_hash(key, hash, digits, to, why);
}

static int take_size(const struct product *p, struct template *t, struct why *why)
{
	struct json_object *size;
	int64_t n;

	if (!json_object_object_get_ex(p->disk, "size", &size))
		return 0;
	if (!json_object_is_type(size, json_type_int))
		return fail(why, -EINVAL, "size is not a whole number");
	n = json_object_get_int64(size);
	if (n < 0)
		return fail(why, -ERANGE, "size %" PRId64 " is out of range", n);
	t->compressed_size = n;
	return 0;
}

static int take_path(const struct product *p, char **ret, struct why *why)
{
	const char *path;
	int r = get_text(p->disk, "path", &path, why);

	if (r < 0)
		return r;
	return path ? value_path("path", "tree", path, ret, why)
		    : fail(why, -EINVAL, "has a disk image without a path");
}

/* What names the product. */
static int find_names(struct product *p, struct why *why)
{
	int r = get_text(p->json, "os", &p->os, why);

	if (r == 0)
		r = get_text(p->version_json, "pubname", &p->pubname, why);
	if (r == 0 && !p->pubname)
		r = get_text(p->json, "pubname", &p->pubname, why);
	if (!p->os)
		p->os = "";
	return r;
}

static int fill_entry(const struct product *p, struct index_entry *e, struct why *why)
{
	struct template *t = e->template;
	int r = take_name(p, t, why);

	t->revision = version_revision(p->version);
	if (r == 0)
		r = take_title(p, t, why);
	if (r == 0)
		r = take_arch(p, t, why);
	if (r == 0)
		r = take_path(p, &e->file, why);
	if (r == 0)
		r = take_hash(p, "sha512", SHA512_DIGITS, &t->checksum, why);
	if (r == 0)
		r = take_hash(p, "sha256", SHA256_DIGITS, &t->checksum256, why);
	if (r == 0)
		r = take_size(p, t, why);
	return r < 0 ? r : take_aliases(p, t, why);
}

/* 1 and an entry; 0 when the product has no disk image. */
static int build_entry(struct product *p, struct index_entry *ret, struct why *why)
{
	_cleanup_(index_entry_drop) struct index_entry e = { 0 };
	int r;

	if (!json_object_is_type(p->json, json_type_object))
		return fail(why, -EINVAL, "is not an object");
	r = find_version(p, why);
	if (r < 0 || !p->disk)
		return r;
	r = find_names(p, why);
	if (r < 0)
		return r;
	e.template = template_new();
	if (!e.template)
		return -ENOMEM;
	r = fill_entry(p, &e, why);
	if (r < 0)
		return r;
	*ret = e;
	e = (struct index_entry){ 0 };
	return 1;
}

/* Products. */

struct reading {
	const char *shown;
	struct index *index;
	size_t before;	 /* entries of other files */
	const char **id; /* of each entry that is new; owned as an array, borrows from the JSON */
	struct complaints *complaints;
};

static void product_complain(const struct reading *reading, const char *id, const char *text)
{
	char q[QUOTE_MAX];

	complain(reading->complaints, "%s: product '%s': %s", reading->shown, quote(q, id, strlen(id)), text);
}

static int take_product(struct reading *reading, const char *id, struct json_object *json, struct why *why)
{
	struct product p = { .id = id, .json = json };
	struct index *index = reading->index;
	struct index_entry entry;
	struct why fault = { 0 };
	int r = build_entry(&p, &entry, &fault);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		product_complain(reading, id, fault.text);
	if (r <= 0)
		return 0;
	if (index->n == INDEX_SECTIONS_MAX) {
		index_entry_drop(&entry);
		return fail(why, -EFBIG, "'%s' brings the tree to more than %u products", reading->shown,
			    INDEX_SECTIONS_MAX);
	}
	reading->id[index->n - reading->before] = id;
	return index_add(index, &entry);
}

/* By name and architecture; the array's own order decides between equal ones. */
static int compare_entries(const void *a, const void *b)
{
	const struct index_entry *x = *(struct index_entry *const *)a, *y = *(struct index_entry *const *)b;
	int c = strcmp(x->template->name, y->template->name);

	if (c == 0)
		c = strcmp(x->template->arch, y->template->arch);
	return c ? c : (x > y) - (x < y);
}

static int compare_name(const void *name, const void *entry)
{
	return strcmp(name, (*(struct index_entry *const *)entry)->template->name);
}

/* `sorted` has room for all; the dropped ones are no longer in it. Returns how many are. */
static size_t drop_duplicates(struct reading *reading, struct index_entry **sorted)
{
	struct index *index = reading->index;
	size_t n = 0;

	for (size_t i = 0; i < index->n; i++)
		sorted[i] = &index->entry[i];
	if (index->n)
		qsort(sorted, index->n, sizeof(struct index_entry *), compare_entries);
	for (size_t i = 0; i < index->n; i++) {
		struct index_entry *e = sorted[i], *first = n ? sorted[n - 1] : NULL;
		char text[2 * TEMPLATE_NAME_MAX];

		if (!first || e < index->entry + reading->before ||
		    strcmp(first->template->name, e->template->name) != 0 ||
		    strcmp(first->template->arch, e->template->arch) != 0) {
			sorted[n++] = e;
			continue;
		}
		(void)snprintf(text, sizeof(text), "another one is called '%s' for %s already",
			       e->template->name, e->template->arch);
		product_complain(reading, reading->id[e - index->entry - reading->before], text);
		index_entry_drop(e);
	}
	return n;
}

/* An alias that is another product's name would never be heard. */
static void drop_taken_aliases(struct template *t, struct index_entry **sorted, size_t n)
{
	char **to = t->aliases;

	for (char **alias = t->aliases; *alias; alias++)
		if (bsearch(*alias, sorted, n, sizeof(struct index_entry *), compare_name))
			free(*alias);
		else
			*to++ = *alias;
	*to = NULL;
	if (!t->aliases[0]) {
		free(t->aliases);
		t->aliases = NULL;
	}
}

/* Over all files of the tree: what an earlier one called by a name of this one's, too. */
static int settle_names(struct reading *reading)
{
	struct index *index = reading->index;
	_cleanup_free_ struct index_entry **sorted = calloc(index->n + 1, sizeof(struct index_entry *));
	size_t n, kept = 0;

	if (!sorted)
		return -ENOMEM;
	n = drop_duplicates(reading, sorted);
	for (size_t i = 0; i < n; i++)
		if (sorted[i]->template->aliases)
			drop_taken_aliases(sorted[i]->template, sorted, n);
	for (size_t i = 0; i < index->n; i++)
		if (index->entry[i].template)
			index->entry[kept++] = index->entry[i];
	index->n = kept;
	return 0;
}

static int take_products(struct reading *reading, struct json_object *products, struct why *why)
{
	json_object_object_foreach(products, id, json)
	{
		int r = take_product(reading, id, json, why);

		if (r < 0)
			return r;
	}
	return settle_names(reading);
}

int streams_products_parse(const char *bytes, size_t count, const char *shown, struct index *ret,
			   struct complaints *complaints, struct why *why)
{
	_cleanup_(json_putp) struct json_object *root = NULL;
	_cleanup_free_ const char **id = NULL;
	struct reading reading = { .shown = shown, .index = ret, .before = ret->n, .complaints = complaints };
	struct json_object *products;
	int r;

	r = open_tree_file(bytes, count, shown, "products:1.0", "products", &root, why);
	if (r < 0)
		return r;
	products = get_object(root, "products");
	reading.id = id = calloc(json_object_object_length(products) + 1, sizeof(*id));
	if (!id)
		return -ENOMEM;
	r = take_products(&reading, products, why);
	while (r < 0 && ret->n > reading.before)
		index_entry_drop(&ret->entry[--ret->n]);
	return r;
}
