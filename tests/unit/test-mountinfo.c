/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mountinfo.h"

static void takes_a_line_apart(void **state)
{
	char line[] = "36 35 0:32 / /srv/goals ro,nosuid shared:7 master:2 - fuse.goalfs /srv/templates "
		      "ro,user_id=0,group_id=0,allow_other\n";
	struct mountinfo m;

	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_int_equal(m.id, 36);
	assert_int_equal(m.parent, 35);
	assert_int_equal(m.major, 0);
	assert_int_equal(m.minor, 32);
	assert_string_equal(m.point, "/srv/goals");
	assert_string_equal(m.type, "fuse.goalfs");
	assert_string_equal(m.source, "/srv/templates");
	assert_string_equal(m.super, "ro,user_id=0,group_id=0,allow_other");
}

static void names_are_unescaped(void **state)
{
	char line[] = "1 2 3:4 / /a\\040b\\011c\\012d\\134040 rw - fuse.goalfs \\043x rw";
	struct mountinfo m;

	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_string_equal(m.point, "/a b\tc\nd\\040");
	assert_string_equal(m.source, "#x");
}

static void a_half_escape_stands_for_itself(void **state)
{
	char line[] = "1 2 3:4 / /a\\04 rw - t s rw";
	struct mountinfo m;

	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_string_equal(m.point, "/a\\04");
}

static void a_source_may_be_empty(void **state)
{
	char line[] = "1 2 3:4 / /a rw - tmpfs  rw";
	struct mountinfo m;

	assert_int_equal(mountinfo_parse(line, &m), 0);
	assert_string_equal(m.source, "");
	assert_string_equal(m.super, "rw");
}

static void refuses_what_is_no_line(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"36",
		"36 35",
		"36 35 0:32",
		"36 35 0:32 / /a",
		"36 35 0:32 / /a rw",
		"36 35 0:32 / /a rw shared:7",
		"36 35 0:32 / /a rw -",
		"36 35 0:32 / /a rw - type",
		"x 35 0:32 / /a rw - t s rw",
		"36 -5 0:32 / /a rw - t s rw",
		"36 35 032 / /a rw - t s rw",
		"36 35 0: / /a rw - t s rw",
		"36 35 0:4294967296 / /a rw - t s rw",
		"99999999999999999999999 35 0:1 / /a rw - t s rw",
	};

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		char line[128];
		struct mountinfo m;

		(void)snprintf(line, sizeof(line), "%s", lines[i]);
		assert_int_equal(mountinfo_parse(line, &m), -EBADMSG);
	}
}

static void options_are_whole_words(void **state)
{
	const char *options = "ro,xuser_id=7,user_id=1000,group_id=10";

	assert_true(mountinfo_has_option(options, "user_id", 1000));
	assert_true(mountinfo_has_option(options, "group_id", 10));
	assert_false(mountinfo_has_option(options, "user_id", 100));
	assert_false(mountinfo_has_option(options, "user_id", 7));
	assert_false(mountinfo_has_option(options, "ro", 0));
	assert_false(mountinfo_has_option("", "user_id", 0));
	assert_false(mountinfo_has_option("user_id=", "user_id", 0));
	assert_false(mountinfo_has_option("user_id=1111111111111111111111111111111", "user_id", 1));
}

static int see_root(void *arg, const struct mountinfo *m)
{
	return strcmp(m->point, "/") == 0;
}

static void the_root_is_mounted(void **state)
{
	assert_int_equal(mountinfo_each(see_root, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(takes_a_line_apart),
		cmocka_unit_test(names_are_unescaped),
		cmocka_unit_test(a_half_escape_stands_for_itself),
		cmocka_unit_test(a_source_may_be_empty),
		cmocka_unit_test(refuses_what_is_no_line),
		cmocka_unit_test(options_are_whole_words),
		cmocka_unit_test(the_root_is_mounted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
