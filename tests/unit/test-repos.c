/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of sources: texts and what they mean, then directories and what masks what. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/library/repos.h"
#include "base/text.h"

/* "NAME=URI", and what else is said: " key=", " proxy=", " simplestreams"; one line each. */
static void describe(const struct source_config *c, struct text *t)
{
	text_add(t, "%s=%s", c->name, c->uri);
	if (c->gpgkey)
		text_add(t, " key=%s", c->gpgkey);
	if (c->proxy)
		text_add(t, " proxy=%s", c->proxy);
	text_add(t, "%s\n", c->format == SOURCE_SIMPLESTREAMS ? " simplestreams" : "");
}

/* Texts. */

#define NO_LINE "is no section header, no KEY=VALUE, no continuation and no comment"

static void assert_reads_bytes(const char *bytes, size_t count, const char *configs, const char *said)
{
	struct complaints c = COMPLAINTS_NONE;
	struct text t = TEXT_EMPTY;
	struct repos repos = { 0 };
	/* An allocation of its own, so that reading past its end is seen. */
	char *copy = malloc(count);

	assert_non_null(memcpy(copy, bytes, count));
	assert_int_equal(repos_parse(copy, count, "/c", &repos, &c), 0);
	free(copy);
	for (size_t i = 0; i < repos.n; i++)
		describe(&repos.config[i], &t);
	assert_string_equal(t.chars ? t.chars : "", configs);
	assert_string_equal(c.lines.chars ? c.lines.chars : "", said);
	text_done(&t);
	complaints_done(&c);
	repos_done(&repos);
}

static void assert_reads(const char *text, const char *configs, const char *said)
{
	assert_reads_bytes(text, strlen(text), configs, said);
}

static void reads_what_virt_builder_installs(void **state)
{
	assert_reads("[libguestfs.org]\n"
		     "uri=http://builder.libguestfs.org/index.asc\n"
		     "gpgkey=file:///etc/xdg/virt-builder/repos.d/libguestfs.gpg\n",
		     "libguestfs.org=http://builder.libguestfs.org/index.asc "
		     "key=/etc/xdg/virt-builder/repos.d/libguestfs.gpg\n",
		     "");
	assert_reads(
		"# openSUSE\n"
		"[opensuse.org]\n"
		"uri=http://download.opensuse.org/repositories/Virtualization:/virt-builder-images/images/"
		"index\n"
		"gpgkey=file:///etc/xdg/virt-builder/repos.d/opensuse.gpg\n"
		"proxy=system\n",
		"opensuse.org=http://download.opensuse.org/repositories/Virtualization:/virt-builder-images/"
		"images/index key=/etc/xdg/virt-builder/repos.d/opensuse.gpg\n",
		"");
	assert_reads("[cirros]\nuri=https://download.cirros-cloud.net/\nformat=simplestreams\n",
		     "cirros=https://download.cirros-cloud.net/ simplestreams\n", "");
}

static void where_says_file_and_line(void **state)
{
	struct complaints c = COMPLAINTS_NONE;
	struct repos repos = { 0 };

	assert_int_equal(repos_parse("\n\n[a]\nuri=x\n", 12, "/etc/a.conf", &repos, &c), 0);
	assert_int_equal(repos.n, 1);
	assert_string_equal(repos.config[0].where, "/etc/a.conf:3");
	repos_done(&repos);
	complaints_done(&c);
}

/* What stands behind "[a]\nuri=u\n", and what it makes of "a=u". */
static const struct {
	const char *lines, *config;
} values[] = {
	{ "", "a=u\n" },
	{ "proxy=no\n", "a=u proxy=\n" },
	{ "proxy=off\n", "a=u proxy=\n" },
	{ "proxy=system\n", "a=u\n" },
	{ "proxy=http://p:3128\n", "a=u proxy=http://p:3128\n" },
	{ "format=\n", "a=u\n" },
	{ "format=native\n", "a=u\n" },
	{ "format=simplestreams\n", "a=u simplestreams\n" },
	{ "gpgkey=file:///k\n", "a=u key=/k\n" },
	{ "gpgkey=FILE://localhost/a%20b\n", "a=u key=/a b\n" },
	{ "gpgkey=/k\n", "a=u key=/k\n" },
	{ "name=x\ngpgkey[q]=http://h/\nmore=1\n 2\n", "a=u\n" },
};

static void values_mean_what_they_say(void **state)
{
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		char *text;

		assert_true(asprintf(&text, "[a]\nuri=u\n%s", values[i].lines) > 0);
		assert_reads(text, values[i].config, "");
		free(text);
	}
}

/* Between [a] and [b]; the section is skipped and [b] is there all the same. */
static const struct {
	const char *lines, *said;
} skipped[] = {
	{ "", "/c:1: [a]: has no uri=\n" },
	{ "uri=\n", "/c:2: [a]: uri is empty\n" },
	{ "uri=x\n y\n", "/c:2: [a]: uri 'x\\x0ay' holds a control character\n" },
	{ "uri=x\nuri=x\n", "/c:3: [a]: field 'uri' stands here and in line 2\n" },
	{ "uri=x\ngpgkey=http://h/k\n", "/c:3: [a]: gpgkey 'http://h/k' is no file:///PATH, and without its "
					"key the source can't be checked\n" },
	{ "uri=x\ngpgkey=k\n",
	  "/c:3: [a]: gpgkey 'k' is no file:///PATH, and without its key the source can't be checked\n" },
	{ "uri=x\ngpgkey=\n",
	  "/c:3: [a]: gpgkey '' is no file:///PATH, and without its key the source can't be checked\n" },
	{ "uri=x\ngpgkey=fi:///k\n",
	  "/c:3: [a]: gpgkey 'fi:///k' is no file:///PATH, and without its key the source can't be checked\n" },
	{ "uri=x\ngpgkey=file://h/k\n",
	  "/c:3: [a]: gpgkey 'file://h/k' is not on this machine, a local one is file:///PATH\n" },
	{ "uri=x\ngpgkey=file:///%zz\n", "/c:3: [a]: gpgkey 'file:///%zz' has a bad % in it\n" },
	{ "uri=x\ngpgkey=file:///%0a\n", "/c:3: [a]: gpgkey 'file:///%0a' holds a control character\n" },
	{ "uri=x\nformat=tar\n", "/c:3: [a]: format 'tar' is neither native nor simplestreams\n" },
	{ "uri=x\nproxy=\x1b[2J\n", "/c:3: [a]: proxy '\\x1b[2J' holds a control character\n" },
	{ "uri=x\noops\n",
	  "/c:3: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ "uri=x\r\n", "/c:2: [a]: line ends in CRLF, as Windows writes; an index wants LF alone\n" },
};

static void bad_value_or_line_costs_its_section(void **state)
{
	for (size_t i = 0; i < sizeof(skipped) / sizeof(skipped[0]); i++) {
		char *text;

		print_message("case %zu\n", i);
		assert_true(asprintf(&text, "[a]\n%s[b]\nuri=v\n", skipped[i].lines) > 0);
		assert_reads(text, "b=v\n", skipped[i].said);
		free(text);
	}
}

static void what_is_no_file_of_sources_is_skipped(void **state)
{
	static const char nul[] = "[a]\nuri=x\0y\n[b]\nuri=v\n";

	assert_reads("%!\n", "", "/c:1: line " NO_LINE "\n'/c' is not a file of sources: line 1 " NO_LINE "\n");
	assert_reads("[a]\nuri=x\n[b]\nuri=v", "a=x\n",
		     "/c:4: [b]: line does not end in a newline; is the file complete?\n");
	assert_reads_bytes(nul, sizeof(nul) - 1, "b=v\n", "/c:2: [a]: line holds a NUL byte\n");
	assert_reads("", "", "");
}

static void first_section_of_a_name_counts(void **state)
{
	assert_reads("[a]\nuri=x\n[a]\nuri=y\n[b]\nuri=v\n", "a=x\nb=v\n",
		     "/c:3: [a]: stands in this file already; the first one is used\n");
	assert_reads("[a]\noops\n[a]\nuri=y\n", "",
		     "/c:2: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n"
		     "/c:3: [a]: stands in this file already; the first one is used\n");
}

static void sizes_are_bounded(void **state)
{
	struct complaints c = COMPLAINTS_NONE;
	struct repos repos = { 0 };
	struct text t = TEXT_EMPTY;

	/* Only the count is looked at. */
	assert_int_equal(repos_parse("", REPOS_BYTES_MAX + 1, "/c", &repos, &c), 0);
	for (unsigned i = 0; i < REPOS_SECTIONS_MAX; i++)
		text_add(&t, "[%u]\nuri=u\n", i);
	assert_int_equal(repos_parse(t.chars, t.len, "/d", &repos, &c), 0);
	assert_int_equal(repos.n, REPOS_SECTIONS_MAX);
	assert_int_equal(repos_parse("[x]\nuri=u\n", 10, "/e", &repos, &c), 0);
	assert_int_equal(repos.n, REPOS_SECTIONS_MAX);
	repos_done(&repos);
	text_add(&t, "[x]\nuri=u\n");
	assert_int_equal(repos_parse(t.chars, t.len, "/f", &repos, &c), 0);
	assert_true(repos.n <= REPOS_SECTIONS_MAX);
	assert_string_equal(c.lines.chars, "'/c' has 1048577 bytes, a file of sources may have 1048576\n"
					   "'/e' is not read: there are 4096 sections already\n"
					   "'/f' has more than 4096 sections\n");
	repos_done(&repos);
	text_done(&t);
	complaints_done(&c);
}

/* Directories. Each test has one of its own, stands in it, and is its own user. */

static char root[4096];

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(root, sizeof(root), "%s/goalfs-repos.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || chdir(root) < 0)
		return -1;
	(void)setenv("HOME", root, 1);
	(void)unsetenv("XDG_CONFIG_HOME");
	(void)setenv("VIRT_BUILDER_DIRS", "", 1);
	return 0;
}

static int teardown(void **state)
{
	char command[4200];

	(void)chdir("/");
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

/* With the directories on the way. */
static void put(const char *name, const char *text)
{
	char path[4096];
	FILE *f;

	(void)snprintf(path, sizeof(path), "%s", name);
	for (char *p = path; (p = strchr(p, '/')); *p++ = '/') {
		*p = '\0';
		assert_true(mkdir(path, 0755) == 0 || errno == EEXIST);
	}
	f = fopen(name, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void set_dir(const char *variable, const char *name)
{
	char path[8192];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	(void)setenv(variable, path, 1);
}

/* `text` without the test's directory in it; what is not about that is this machine's own (/etc/goalfs). */
static void add_ours(struct text *to, const char *text)
{
	const char *p = strstr(text, root);

	if (p)
		text_add(to, "%.*s%s", (int)(p - text), text, p + strlen(root) + 1);
}

static void assert_finds(const char *configs, const char *said)
{
	struct complaints c = COMPLAINTS_NONE;
	struct text found = TEXT_EMPTY, ours = TEXT_EMPTY;
	struct repos repos = { 0 };
	char *rest, *line;

	assert_int_equal(repos_read(&repos, &c), 0);
	for (size_t i = 0; i < repos.n; i++)
		if (strncmp(repos.config[i].where, root, strlen(root)) == 0)
			describe(&repos.config[i], &found);
	assert_string_equal(found.chars ? found.chars : "", configs);
	rest = c.lines.chars;
	while (rest && (line = strsep(&rest, "\n")))
		add_ours(&ours, line);
	assert_string_equal(ours.chars ? ours.chars : "", said);
	text_done(&found);
	text_done(&ours);
	complaints_done(&c);
	repos_done(&repos);
}

static void no_directory_is_no_fault(void **state)
{
	assert_finds("", "");
}

static void own_directories_come_first(void **state)
{
	set_dir("XDG_CONFIG_HOME", "xdg");
	set_dir("VIRT_BUILDER_DIRS", "etc");
	put("xdg/goalfs/repos.d/z.conf", "[z]\nuri=1\n");
	put("xdg/virt-builder/repos.d/y.conf", "[y]\nuri=2\n");
	put("etc/virt-builder/repos.d/x.conf", "[x]\nuri=3\n");
	assert_finds("z=1\ny=2\nx=3\n", "");
}

static void directories_are_a_list(void **state)
{
	char *dirs;

	put("1/virt-builder/repos.d/a.conf", "[a]\nuri=1\n");
	put("2/virt-builder/repos.d/b.conf", "[b]\nuri=2\n");
	assert_true(asprintf(&dirs, ":%s/2::%s/none:%s/1", root, root, root) > 0);
	(void)setenv("VIRT_BUILDER_DIRS", dirs, 1);
	free(dirs);
	assert_finds("b=2\na=1\n", "");
}

static void home_stands_in_for_xdg(void **state)
{
	put(".config/goalfs/repos.d/a.conf", "[a]\nuri=1\n");
	put(".config/virt-builder/repos.d/b.conf", "[b]\nuri=2\n");
	assert_finds("a=1\nb=2\n", "");
	(void)setenv("XDG_CONFIG_HOME", "", 1);
	assert_finds("a=1\nb=2\n", "");
	(void)setenv("XDG_CONFIG_HOME", "relative", 1);
	assert_finds("a=1\nb=2\n", "");
	set_dir("XDG_CONFIG_HOME", "elsewhere");
	assert_finds("", "");
}

static void reads_conf_files_in_alphabetical_order(void **state)
{
	put(".config/goalfs/repos.d/b.conf", "[b]\nuri=2\n");
	put(".config/goalfs/repos.d/a.conf", "[a]\nuri=1\n");
	put(".config/goalfs/repos.d/C.conf", "[c]\nuri=3\n");
	put(".config/goalfs/repos.d/d.conf~", "[d]\nuri=4\n");
	put(".config/goalfs/repos.d/.e.conf", "[e]\nuri=5\n");
	put(".config/goalfs/repos.d/f.gpg", "\x99\n");
	assert_finds("c=3\na=1\nb=2\n", "");
}

static void seen_file_names_mask(void **state)
{
	put(".config/goalfs/repos.d/a.conf", "# nothing\n");
	put(".config/goalfs/repos.d/b.conf", "oops\n");
	put(".config/virt-builder/repos.d/a.conf", "[a]\nuri=1\n");
	put(".config/virt-builder/repos.d/b.conf", "[b]\nuri=2\n");
	put(".config/virt-builder/repos.d/c.conf", "[c]\nuri=3\n");
	assert_finds("c=3\n", ".config/goalfs/repos.d/b.conf:1: line " NO_LINE
			      "'.config/goalfs/repos.d/b.conf' is not a file of sources: line 1 " NO_LINE);
}

static void seen_section_names_mask(void **state)
{
	put(".config/goalfs/repos.d/mine.conf", "[a]\nuri=1\n[b]\nuri=2\ngpgkey=http://h/\n");
	put(".config/virt-builder/repos.d/theirs.conf", "[a]\nuri=3\n[b]\nuri=4\n[c]\nuri=5\n");
	assert_finds("a=1\nc=5\n",
		     ".config/goalfs/repos.d/mine.conf:5: [b]: gpgkey 'http://h/' is no file:///PATH, and "
		     "without its key the source can't be checked");
}

static void what_is_no_file_masks_too(void **state)
{
	put(".config/virt-builder/repos.d/a.conf", "[a]\nuri=1\n");
	put(".config/virt-builder/repos.d/b.conf", "[b]\nuri=2\n");
	put(".config/virt-builder/repos.d/c.conf", "[c]\nuri=3\n");
	put(".config/goalfs/repos.d/b.conf/x", "");
	assert_int_equal(symlink("/dev/null", ".config/goalfs/repos.d/a.conf"), 0);
	assert_int_equal(mkfifo(".config/goalfs/repos.d/c.conf", 0644), 0);
	assert_finds("", "'.config/goalfs/repos.d/b.conf' is no regular file"
			 "'.config/goalfs/repos.d/c.conf' is no regular file");
}

static void file_that_is_too_large_is_skipped(void **state)
{
	put(".config/goalfs/repos.d/a.conf", "[a]\nuri=1\n");
	assert_int_equal(truncate(".config/goalfs/repos.d/a.conf", (off_t)1 << 40), 0);
	put(".config/goalfs/repos.d/b.conf", "[b]\nuri=2\n");
	assert_finds("b=2\n",
		     "'.config/goalfs/repos.d/a.conf' has 1048577 bytes, a file of sources may have 1048576");
}

#define in_directory(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_virt_builder_installs),
		cmocka_unit_test(where_says_file_and_line),
		cmocka_unit_test(values_mean_what_they_say),
		cmocka_unit_test(bad_value_or_line_costs_its_section),
		cmocka_unit_test(what_is_no_file_of_sources_is_skipped),
		cmocka_unit_test(first_section_of_a_name_counts),
		cmocka_unit_test(sizes_are_bounded),
		in_directory(no_directory_is_no_fault),
		in_directory(own_directories_come_first),
		in_directory(directories_are_a_list),
		in_directory(home_stands_in_for_xdg),
		in_directory(reads_conf_files_in_alphabetical_order),
		in_directory(seen_file_names_mask),
		in_directory(seen_section_names_mask),
		in_directory(what_is_no_file_masks_too),
		in_directory(file_that_is_too_large_is_skipped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
