/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An index as the public one was written, by tests/lib/public-index.py: all 43 entries list right. */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "backends/library/index.h"
#include "backends/library/private.h"
#include "base/bytes.h"
#include "base/text.h"

static const struct {
	const char *name, *arch;
	uint64_t size;
	unsigned expand;
	const char *lvexpand;
	int64_t revision;
	unsigned megabytes; /* compressed, of 1000 * 1000 */
} public[] = {
	{ "centos-6", "x86_64", 6 * GiB, 3, NULL, 6, 199 },
	{ "centos-7.0", "x86_64", 6 * GiB, 3, NULL, 1, 213 },
	{ "centos-7.1", "x86_64", 6 * GiB, 3, NULL, 1, 230 },
	{ "centos-7.2", "x86_64", 6 * GiB, 3, NULL, 1, 277 },
	{ "centos-7.2", "aarch64", 6 * GiB, 4, NULL, 1, 268 },
	{ "centos-7.3", "x86_64", 6 * GiB, 2, "/dev/cl/root", 2, 295 },
	{ "centos-7.4", "x86_64", 6 * GiB, 3, NULL, 1, 309 },
	{ "cirros-0.3.1", "x86_64", 41126400, 1, NULL, 1, 11 },
	{ "cirros-0.3.5", "x86_64", 41126400, 1, NULL, 1, 11 },
	{ "debian-6", "x86_64", 4 * GiB, 1, NULL, 2, 140 },
	{ "debian-7", "x86_64", 6 * GiB, 1, NULL, 3, 194 },
	{ "debian-7", "sparc64", 4 * GiB, 3, NULL, 1, 205 },
	{ "debian-8", "x86_64", 6 * GiB, 1, NULL, 2, 236 },
	{ "debian-9", "x86_64", 6 * GiB, 1, NULL, 2, 280 },
	{ "fedora-18", "x86_64", 6 * GiB, 3, NULL, 1, 149 },
	{ "fedora-19", "x86_64", 6 * GiB, 3, NULL, 1, 173 },
	{ "fedora-20", "x86_64", 6 * GiB, 3, NULL, 1, 188 },
	{ "fedora-21", "x86_64", 6 * GiB, 3, NULL, 1, 171 },
	{ "fedora-21", "aarch64", 6 * GiB, 4, NULL, 1, 166 },
	{ "fedora-21", "armv7l", 6 * GiB, 3, NULL, 1, 164 },
	{ "fedora-21", "ppc64", 6 * GiB, 3, NULL, 1, 167 },
	{ "fedora-21", "ppc64le", 6 * GiB, 3, NULL, 1, 172 },
	{ "fedora-22", "x86_64", 6 * GiB, 3, NULL, 1, 202 },
	{ "fedora-22", "aarch64", 6 * GiB, 4, NULL, 1, 200 },
	{ "fedora-22", "armv7l", 6 * GiB, 3, NULL, 1, 197 },
	{ "fedora-22", "i386", 6 * GiB, 3, NULL, 1, 203 },
	{ "fedora-22", "ppc64", 6 * GiB, 3, NULL, 1, 199 },
	{ "fedora-23", "x86_64", 6 * GiB, 3, NULL, 1, 245 },
	{ "fedora-23", "aarch64", 6 * GiB, 4, NULL, 3, 239 },
	{ "fedora-23", "i386", 6 * GiB, 3, NULL, 1, 247 },
	{ "fedora-24", "x86_64", 6 * GiB, 3, NULL, 1, 301 },
	{ "fedora-24", "aarch64", 6 * GiB, 4, NULL, 1, 296 },
	{ "fedora-24", "i386", 6 * GiB, 3, NULL, 1, 305 },
	{ "fedora-25", "x86_64", 6 * GiB, 3, NULL, 1, 358 },
	{ "fedora-25", "ppc64", 6 * GiB, 3, "/dev/fedora/root", 3, 337 },
	{ "fedora-25", "ppc64le", 6 * GiB, 3, "/dev/fedora/root", 3, 341 },
	{ "fedora-26", "x86_64", 6 * GiB, 3, NULL, 1, 353 },
	{ "freebsd-11.1", "x86_64", 6 * GiB, 5, NULL, 1, 401 },
	{ "scientificlinux-6", "x86_64", 6 * GiB, 3, NULL, 5, 192 },
	{ "ubuntu-10.04", "x86_64", 4 * GiB, 1, NULL, 1, 150 },
	{ "ubuntu-12.04", "x86_64", 4 * GiB, 1, NULL, 1, 153 },
	{ "ubuntu-14.04", "x86_64", 4 * GiB, 1, NULL, 1, 189 },
	{ "ubuntu-16.04", "x86_64", 4 * GiB, 1, NULL, 1, 233 },
};

#define N_PUBLIC (sizeof(public) / sizeof(public[0]))

/* What the script prints; malloc'ed. */
static char *generate(const char *options)
{
	const char *top = getenv("GOALFS_SOURCE_ROOT");
	struct text t = TEXT_EMPTY;
	char line[4096];
	FILE *f;

	assert_non_null(top);
	(void)snprintf(line, sizeof(line), "python3 '%s/tests/lib/public-index.py' %s", top, options);
	f = popen(line, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		text_add(&t, "%s", line);
	assert_int_equal(pclose(f), 0);
	assert_int_equal(t.error, 0);
	assert_non_null(t.chars);
	return t.chars;
}

static void parse(const char *text, struct index *ret)
{
	struct complaints c = COMPLAINTS_NONE;
	struct why why = { 0 };

	assert_int_equal(index_parse(text, strlen(text), "index.asc", ret, &c, &why), 0);
	assert_string_equal(why.text, "");
	assert_null(c.lines.chars);
}

/* Of the section in which `file` stands, straight from the text. */
static void assert_checksum_of(const char *text, const char *file, const char *checksum)
{
	_cleanup_free_ char *want = text_new("\nfile=%s\n", file);
	const char *p = strstr(text, want);

	assert_non_null(p);
	p = strstr(p, "\nchecksum=");
	assert_non_null(p);
	assert_int_equal(strlen(checksum), 128);
	assert_memory_equal(p + strlen("\nchecksum="), checksum, 128);
	assert_int_equal(p[strlen("\nchecksum=") + 128], '\n');
}

static void assert_entry(const struct index_entry *e, size_t i)
{
	const struct template *t = e->template;

	assert_string_equal(t->name, public[i].name);
	assert_string_equal(t->arch, public[i].arch);
	assert_true(t->size == public[i].size);
	assert_int_equal(t->expand, public[i].expand);
	assert_int_equal(t->revision, public[i].revision);
	assert_int_equal(t->compressed_size / 1000000, public[i].megabytes);
	assert_string_equal(t->format, "raw");
	assert_string_equal(t->lvexpand ? t->lvexpand : "", public[i].lvexpand ? public[i].lvexpand : "");
	assert_int_equal(!t->osinfo, strncmp(t->name, "cirros", 6) == 0);
	assert_int_equal(t->n_notes, 1);
	assert_ptr_equal(strstr(t->notes[0].text, t->title), t->notes[0].text);
	assert_non_null(strstr(t->notes[0].text, ".\n\nThis image contains"));
	assert_non_null(strstr(t->notes[0].text, "\n  * No root password is set.\n"));
	assert_null(t->aliases);
	assert_null(t->checksum256);
	assert_null(e->sig);
	assert_false(t->hidden);
}

static void every_entry_is_read(void **state)
{
	_cleanup_free_ char *text = generate("");
	struct index index;

	parse(text, &index);
	assert_true(index.is_signed);
	assert_int_equal(index.n, N_PUBLIC);
	assert_int_equal(N_PUBLIC, 43);
	for (size_t i = 0; i < index.n; i++) {
		assert_entry(&index.entry[i], i);
		assert_checksum_of(text, index.entry[i].file, index.entry[i].template->checksum);
	}
	index_done(&index);
}

static void plain_text_is_the_same_index(void **state)
{
	_cleanup_free_ char *text = generate("--plain");
	struct index index;

	parse(text, &index);
	assert_false(index.is_signed);
	assert_int_equal(index.n, N_PUBLIC);
	for (size_t i = 0; i < index.n; i++)
		assert_entry(&index.entry[i], i);
	index_done(&index);
}

static void as_many_as_are_asked_for(void **state)
{
	_cleanup_free_ char *text = generate(
		"--plain --entries 50 --file 't/{number}.xz' --arch x86_64 --size 1048576 --expand sda2 "
		"--like /dev/null");
	struct index index;

	parse(text, &index);
	assert_int_equal(index.n, 50);
	for (size_t i = 0; i < index.n; i++) {
		_cleanup_free_ char *file = text_new("t/%zu.xz", i);
		const struct template *t = index.entry[i].template;

		assert_string_equal(index.entry[i].file, file);
		assert_string_equal(t->arch, "x86_64");
		assert_int_equal(t->size, 1048576);
		assert_int_equal(t->expand, 2);
		assert_null(t->lvexpand);
		/* sha512sum /dev/null */
		assert_string_equal(t->checksum,
				    "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
				    "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
	}
	index_done(&index);
}

/* Listing needs files; what is in them it doesn't. */

static char root[4096];

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(root, sizeof(root), "%s/goalfs-public.XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[4200];

	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *name, const char *bytes, size_t count)
{
	_cleanup_free_ char *path = text_new("%s/%s", root, name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	assert_int_equal(fclose(f), 0);
}

static void put_library(const char *text)
{
	struct index index;

	parse(text, &index);
	for (size_t i = 0; i < index.n; i++)
		put(index.entry[i].file,
		    "\xfd"
		    "7zXZ\0\0\4",
		    8);
	put("index.asc", text, strlen(text));
	index_done(&index);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* "NAME ARCH" of all, in the catalogue's order: by name, then architecture. */
static void add_expected(struct text *want)
{
	char *lines[N_PUBLIC];

	for (size_t i = 0; i < N_PUBLIC; i++)
		assert_non_null(lines[i] = text_new("%-24s %-10s ", public[i].name, public[i].arch));
	qsort(lines, N_PUBLIC, sizeof(lines[0]), compare_lines);
	for (size_t i = 0; i < N_PUBLIC; i++) {
		text_add(want, "%s\n", lines[i]);
		free(lines[i]);
	}
}

static void all_templates_are_listed(void **state)
{
	_cleanup_free_ char *text = generate("");
	const char *source = root;
	const struct library_options options = { .sources = &source, .n_sources = 1 };
	struct text list = TEXT_EMPTY, want = TEXT_EMPTY, got = TEXT_EMPTY;
	struct library *lib = NULL;
	struct why why = { 0 };
	char *rest, *line;

	put_library(text);
	assert_int_equal(library_open(&options, &lib, &why), 0);
	assert_int_equal(library_list_text(lib, LIST_SHORT, NULL, &list), 0);
	rest = list.chars;
	while ((line = strsep(&rest, "\n")) && line[0]) {
		/* Name, architecture and a title each. */
		assert_true(strlen(line) > 36);
		text_add(&got, "%.36s\n", line);
	}
	add_expected(&want);
	assert_string_equal(got.chars, want.chars);
	text_done(&list);
	text_done(&want);
	text_done(&got);
	library_close(lib);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_entry_is_read),
		cmocka_unit_test(plain_text_is_the_same_index),
		cmocka_unit_test(as_many_as_are_asked_for),
		cmocka_unit_test_setup_teardown(all_templates_are_listed, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
