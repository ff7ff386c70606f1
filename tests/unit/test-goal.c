/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of goals: what each asks for, and why others ask for nothing. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/name.h"
#include "planner/goal.h"

/* Behind why.h, because it has a macro fail(). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char *facts(const struct tags *t)
{
	struct text text = TEXT_EMPTY;
	char *chars;

	tags_text(t, &text);
	assert_int_equal(text_take(&text, &chars), 0);
	return chars;
}

static void image_goals_say_facts(void **state)
{
	static const struct {
		const char *name, *template, *want;
	} rows[] = {
		{ "fedora-30.raw", "fedora-30", "format=raw" },
		{ "fedora-30.img", "fedora-30", "format=raw" },
		{ "fedora-30.qcow2", "fedora-30", "format=qcow2" },
		{ "fedora-30.vmdk", "fedora-30", "format=vmdk" },
		{ "fedora-30.vdi", "fedora-30", "format=vdi" },
		{ "fedora-30.vhd", "fedora-30", "format=vhd" },
		{ "fedora-30.vpc", "fedora-30", "format=vhd" },
		{ "fedora-30.vhdx", "fedora-30", "format=vhdx" },
		/* dots in templates and in sizes */
		{ "ubuntu-20.04.qcow2", "ubuntu-20.04", "format=qcow2" },
		{ "centos-7.8@20G.raw", "centos-7.8", "format=raw size=20G" },
		{ "debian-12@1.5G.qcow2", "debian-12", "format=qcow2 size=1536M" },
		{ "a.b.c@0.5K.img", "a.b.c", "format=raw size=512" },
		{ "a.raw.qcow2", "a.raw", "format=qcow2" },
		{ "image.plan.raw", "image.plan", "format=raw" },
		{ "_x-.raw", "_x-", "format=raw" },
		/* sizes are rounded up to 512 */
		{ "d@1.raw", "d", "format=raw size=512" },
		{ "d@512.raw", "d", "format=raw size=512" },
		{ "d@513.raw", "d", "format=raw size=1K" },
		{ "d@6442450945.raw", "d", "format=raw size=6442451456" },
		{ "d@2T.raw", "d", "format=raw size=2T" },
		{ "d@20g.raw", "d", "format=raw size=20G" },
		{ "d@9223372036854775296.raw", "d", "format=raw size=9223372036854775296" },
		/* architectures, normalised */
		{ "d@aarch64.raw", "d", "arch=aarch64 format=raw" },
		{ "d@arm64.raw", "d", "arch=aarch64 format=raw" },
		{ "d@amd64.raw", "d", "arch=x86_64 format=raw" },
		{ "d@x86_64.raw", "d", "arch=x86_64 format=raw" },
		{ "d@i686.raw", "d", "arch=i386 format=raw" },
		{ "d@powerpc64le.raw", "d", "arch=ppc64le format=raw" },
		{ "d@ppc.raw", "d", "arch=ppc format=raw" },
		/* the order is free */
		{ "d@20G@arm64.qcow2", "d", "arch=aarch64 format=qcow2 size=20G" },
		{ "d@arm64@20G.qcow2", "d", "arch=aarch64 format=qcow2 size=20G" },
		{ "d@expand=3@20G.qcow2", "d", "expand=3 format=qcow2 size=20G" },
		/* keys */
		{ "d@20G@expand=none.raw", "d", "expand=none format=raw size=20G" },
		{ "d@20G@content=none.raw", "d", "content=none format=raw size=20G" },
		{ "d@20G@expand=2@content=none.raw", "d", "content=none expand=2 format=raw size=20G" },
		{ "d@p2.raw", "d", "format=raw partition=2" },
		{ "d@p65535.raw", "d", "format=raw partition=65535" },
		{ "d@sparse.qcow2", "d", "format=qcow2 sparse" },
		{ "d@lv=fedora-root.raw", "d", "format=raw lv=fedora-root" },
		{ "d@20G@lvexpand=vg_a+b-lv.0.raw", "d", "format=raw lvexpand=vg_a+b-lv.0 size=20G" },
		{ "d@compat=0.10.qcow2", "d", "compat=0.10 format=qcow2" },
		{ "d@cluster=2M.qcow2", "d", "cluster=2M format=qcow2" },
		{ "d@cluster=64k.qcow2", "d", "cluster=64K format=qcow2" },
		{ "d@fixed.vhd", "d", "fixed format=vhd" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(goal_done) struct goal g = { 0 };
		_cleanup_free_ char *want = NULL;
		struct why why = { "" };

		if (goal_parse(rows[i].name, &g, &why) < 0)
			fail_msg("%s: %s", rows[i].name, why.text);
		want = facts(&g.want);
		assert_int_equal(g.kind, GOAL_IMAGE);
		assert_string_equal(g.template, rows[i].template);
		assert_null(g.image_name);
		if (strcmp(want, rows[i].want) != 0)
			fail_msg("%s: %s, not %s", rows[i].name, want, rows[i].want);
	}
}

static void arch_stands_in_goal_and_facts(void **state)
{
	_cleanup_(goal_done) struct goal with = { 0 }, without = { 0 };

	assert_int_equal(goal_parse("d@amd64.raw", &with, NULL), 0);
	assert_string_equal(with.arch, "x86_64");
	assert_int_equal(goal_parse("d.raw", &without, NULL), 0);
	assert_null(without.arch);
}

static void names_that_are_no_goals(void **state)
{
	static const struct {
		const char *name, *why;
	} rows[] = {
		{ "", "does not end in an image format" },
		{ ".", "does not end in an image format" },
		{ "..", "does not end in an image format" },
		{ "fedora-30", "'fedora-30' does not end in an image format" },
		{ "ubuntu-20.04", "'ubuntu-20.04' does not end in an image format" },
		{ "debian-12@1.5G", "does not end in an image format" },
		{ "debian-12.", "does not end in an image format" },
		{ "debian-12.RAW", "does not end in an image format" },
		{ "debian-12.qcow2~", "'~' can't stand" },
		{ "autorun.inf", "does not end in an image format" },
		{ ".Trash-1000", "does not end in an image format" },
		{ ".raw", "'' can't be a template's name" },
		{ "..raw", "'.' can't be a template's name" },
		{ "...raw", "'..' can't be a template's name" },
		{ "@20G.raw", "'' can't be a template's name" },
		{ "a+b.raw", "'a+b' can't be a template's name" },
		{ "a=b.raw", "'a=b' can't be a template's name" },
		{ "a:b.raw", "':' can't stand in a goal's name" },
		{ "a,b.raw", "',' can't stand in a goal's name" },
		{ "nbd:localhost:10809.plan", "':' can't stand in a goal's name" },
		{ "a/b.raw", "'/' can't stand in a goal's name" },
		{ "a b.raw", "byte 0x20 can't stand" },
		{ "a\nb.raw", "byte 0x0a can't stand" },
		{ "\xc3\xa4.raw", "byte 0xc3 can't stand" },
		/* tags */
		{ "d@.raw", "nothing stands behind an '@'" },
		{ "d@20G@.raw", "nothing stands behind an '@'" },
		{ "d@5X.raw", "'5X' is not a size" },
		{ "d@5.5.raw", "'5.5' is not a size" },
		{ "d@1e3.raw", "'1e3' is not a size" },
		{ "d@0.raw", "'0' is no size of a disk" },
		{ "d@0G.raw", "'0G' is no size of a disk" },
		{ "d@9000000T.raw", "'9000000T' is no size of a disk, but zero or above 8 EiB" },
		{ "d@99999999999999999999.raw", "above 8 EiB" },
		{ "d@foo.raw", "'@foo' is not a tag: a size, an architecture, pN, expand=N|none, content=none, "
			       "sparse, lv=VG-LV, lvexpand=VG-LV, compat=VERSION, cluster=SIZE, fixed are" },
		{ "d@foo=1.raw", "'@foo=1' is not a tag" },
		{ "d@size=20G.raw", "'@size=20G' is not a tag" },
		{ "d@partition=2.raw", "'@partition=2' is not a tag" },
		{ "d@=.raw", "'@=' is not a tag" },
		{ "d@20G=1.raw", "'@20G=1' is not a tag" },
		{ "d@X86_64.raw", "'@X86_64' is not a tag" },
		{ "d@p.raw", "'@p' is not a tag" },
		{ "d@p0.raw", "'0' in '@p0' is not a partition's number" },
		{ "d@p02.raw", "'02' in '@p02' is not a partition's number" },
		{ "d@p2x.raw", "'2x' in '@p2x' is not a partition's number" },
		{ "d@p65536.raw", "'65536' in '@p65536' is not a partition's number, 1 to 65535" },
		{ "d@p4294967297.raw", "is not a partition's number" },
		{ "d@20G@expand=0.raw", "'0' in '@expand=0' is not a partition's number" },
		{ "d@20G@expand=sda2.raw", "'sda2' in '@expand=sda2' is not a partition's number" },
		{ "d@20G@expand=.raw", "'' in '@expand=' is not a partition's number" },
		{ "d@20G@expand.raw", "'@expand' needs a value: 'expand=N|none'" },
		{ "d@20G@content=all.raw", "'@content=all': only 'content=none' is known" },
		{ "d@20G@content.raw", "'@content' needs a value" },
		{ "d@sparse=1.raw", "'@sparse=1': sparse takes no value" },
		{ "d@sparse=.raw", "'@sparse=': sparse takes no value" },
		{ "d@lv=.raw", "'@lv=' needs a value" },
		{ "d@lv=a=b.raw", "'@lv=a=b' needs a value of letters" },
		{ "d@cluster=big.qcow2", "'big' is not a size" },
		/* a fact given twice */
		{ "d@20G@30G.raw", "'@30G' gives the size a second time" },
		{ "d@20G@20G.raw", "'@20G' gives the size a second time" },
		{ "d@arm64@amd64.raw", "'@amd64' gives the arch a second time" },
		{ "d@arm64@aarch64.raw", "'@aarch64' gives the arch a second time" },
		{ "d@p1@p2.raw", "'@p2' gives the partition a second time" },
		{ "d@20G@expand=1@expand=none.raw", "'@expand=none' gives the expand a second time" },
		{ "d@sparse@sparse.raw", "'@sparse' gives the sparse a second time" },
		/* where growth goes, and none is asked for */
		{ "d@expand=2.raw", "'@expand=2' only says where growth goes, and no size is asked for" },
		{ "d@expand=none.raw", "'@expand=none' only says where growth goes" },
		{ "d@content=none.raw", "'@content=none' only says where growth goes" },
		/* texts */
		{ ".notes", "'' can't be a template's name" },
		{ ".json", "'' can't be a template's name" },
		{ "d@20G.notes", "'.notes' takes no tag but an architecture, not the size" },
		{ "d@sparse.json", "'.json' takes no tag but an architecture, not the sparse" },
		{ "d@5X.json", "'5X' is not a size" },
		{ ".plan", "nothing that could be a goal stands before '.plan'" },
		{ "..plan", "nothing that could be a goal" },
		{ "...plan", "nothing that could be a goal" },
		{ "@20G.plan", "nothing that could be a goal" },
		{ "d.plan.plan", "'d.plan' would be a text, and texts have no plan" },
		{ "d.raw.plan.plan", "'d.raw.plan' would be a text" },
		{ "d.notes.plan", "'d.notes' would be a text" },
		{ "d.json.plan", "'d.json' would be a text" },
		{ ".plan.plan", "'.plan' would be a text" },
		{ "d raw.plan", "byte 0x20 can't stand" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		_cleanup_(goal_done) struct goal g = { 0 };
		struct why why = { "" };

		if (goal_parse(rows[i].name, &g, &why) != -EINVAL)
			fail_msg("'%s' is not refused", rows[i].name);
		assert_null(g.template);
		assert_null(g.image_name);
		if (!strstr(why.text, rows[i].why))
			fail_msg("'%s': \"%s\", not \"%s\"", rows[i].name, why.text, rows[i].why);
		assert_int_equal(goal_parse(rows[i].name, &g, /* why= */ NULL), -EINVAL);
	}
}

static void plan_goals_keep_the_name(void **state)
{
	static const char *const names[] = {
		"debian-12@20G.qcow2",
		"debian-12.raw",
		"debian-12@5X.qcow2",
		"debian-12@20G@20G.raw",
		"debian-12@expand=2.raw",
		"debian-12",
		"ubuntu-20.04",
		"debian-12.isos",
		"a@",
		"a..raw",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		_cleanup_(goal_done) struct goal g = { 0 };
		_cleanup_free_ char *name = text_new("%s.plan", names[i]);
		struct why why = { "" };

		if (goal_parse(name, &g, &why) < 0)
			fail_msg("%s: %s", name, why.text);
		assert_int_equal(g.kind, GOAL_PLAN);
		assert_string_equal(g.image_name, names[i]);
		assert_null(g.template);
		assert_int_equal(g.want.n, 0);
	}
}

static void text_goals_have_template_and_arch(void **state)
{
	_cleanup_(goal_done) struct goal notes = { 0 }, json = { 0 }, other = { 0 };

	assert_int_equal(goal_parse("ubuntu-20.04.notes", &notes, NULL), 0);
	assert_int_equal(notes.kind, GOAL_NOTES);
	assert_string_equal(notes.template, "ubuntu-20.04");
	assert_null(notes.arch);
	assert_int_equal(goal_parse("debian-12.json", &json, NULL), 0);
	assert_int_equal(json.kind, GOAL_JSON);
	assert_string_equal(json.template, "debian-12");
	assert_int_equal(goal_parse("debian-12@arm64.notes", &other, NULL), 0);
	assert_string_equal(other.template, "debian-12");
	assert_string_equal(other.arch, "aarch64");
	assert_int_equal(other.want.n, 0);
}

static void names_have_a_longest(void **state)
{
	_cleanup_(goal_done) struct goal g = { 0 };
	char name[300];
	struct why why = { "" };

	/* a template's name, and all that may stand behind it */
	memset(name, 'x', sizeof(name));
	strcpy(name + TEMPLATE_NAME_MAX, "@loongarch64@9223372036854775296.qcow2.plan");
	assert_true(strlen(name) <= GOAL_NAME_MAX);
	assert_int_equal(goal_parse(name, &g, NULL), 0);
	goal_done(&g);
	name[strlen(name) - strlen(".plan")] = '\0';
	assert_int_equal(goal_parse(name, &g, NULL), 0);

	memset(name, 'x', sizeof(name));
	strcpy(name + TEMPLATE_NAME_MAX + 1, ".raw");
	assert_int_equal(goal_parse(name, &g, &why), -EINVAL);
	assert_non_null(strstr(why.text, "can't be a template's name"));

	memset(name, 'x', sizeof(name));
	strcpy(name + GOAL_NAME_MAX - strlen(".plan"), ".plan");
	goal_done(&g);
	assert_int_equal(goal_parse(name, &g, NULL), 0);
	memset(name, 'x', sizeof(name));
	strcpy(name + GOAL_NAME_MAX + 1 - strlen(".plan"), ".plan");
	assert_int_equal(goal_parse(name, &g, &why), -EINVAL);
	assert_string_equal(why.text, "a name of 256 bytes is no goal, 255 are the most");
}

static void formats_have_canonical_names(void **state)
{
	assert_string_equal(goal_format("img"), "raw");
	assert_string_equal(goal_format("vpc"), "vhd");
	assert_string_equal(goal_format("qcow2"), "qcow2");
	assert_string_equal(goal_format("iso"), "iso");
	assert_null(goal_format(""));
	for (size_t i = 0; goal_format_name(i); i++)
		assert_non_null(goal_format(goal_format_name(i)));
}

static void archs_have_canonical_names(void **state)
{
	static const char *const same[] = {
		"x86_64", "i386", "aarch64", "ppc64le", "s390x", "riscv64", "armv7l"
	};

	for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
		assert_string_equal(goal_arch(same[i]), same[i]);
	assert_string_equal(goal_arch("arm64"), "aarch64");
	assert_string_equal(goal_arch("i486"), "i386");
	assert_string_equal(goal_arch("powerpc64"), "ppc64");
	assert_null(goal_arch("z80"));
	assert_null(goal_arch(""));
}

/* "qcow2" of ".It Cm qcow2", or NULL. */
static char *manual_word(char *line)
{
	static const char macro[] = ".It Cm ";
	char *word = line + strlen(macro);

	if (strncmp(line, macro, strlen(macro)) != 0)
		return NULL;
	word[strcspn(word, " \n")] = '\0';
	return word;
}

static bool grammar_has(const char *word)
{
	static const char *const others[] = { "p", "plan", "notes", "json" };

	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		if (strcmp(others[i], word) == 0)
			return true;
	for (const struct goal_key *k = goal_keys(); k->key; k++)
		if (k->value != GOAL_NUMBER && strcmp(k->key, word) == 0)
			return true;
	return goal_format(word) != NULL;
}

static void manual_says_what_the_grammar_is(void **state)
{
	const char *root = getenv("GOALFS_SOURCE_ROOT");
	_cleanup_free_ char *path = text_new("%s/man/goalfs-goals.7", root ? root : ".");
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	struct text words = TEXT_EMPTY;
	char line[256];

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	text_add(&words, " ");
	while (fgets(line, sizeof(line), f)) {
		const char *word = manual_word(line);

		if (word && !grammar_has(word))
			fail_msg("the manual knows '%s', the grammar doesn't", word);
		if (word)
			text_add(&words, "%s ", word);
	}
	for (size_t i = 0; goal_format_name(i); i++) {
		_cleanup_free_ char *word = text_new(" %s ", goal_format_name(i));

		if (!strstr(words.chars, word))
			fail_msg("the manual lacks format %s", goal_format_name(i));
	}
	for (const struct goal_key *k = goal_keys(); k->key; k++) {
		_cleanup_free_ char *word = text_new(" %s ", k->value == GOAL_NUMBER ? "p" : k->key);

		if (!strstr(words.chars, word))
			fail_msg("the manual lacks tag %s", k->form);
	}
	text_done(&words);
}

static void expand_and_content_serve_size(void **state)
{
	assert_string_equal(goal_key_serves("expand"), "size");
	assert_string_equal(goal_key_serves("content"), "size");
	assert_null(goal_key_serves("partition"));
	assert_null(goal_key_serves("arch"));
}

static void tags_stay_sorted(void **state)
{
	_cleanup_(tags_done) struct tags t = { 0 };
	_cleanup_free_ char *text = NULL;

	assert_int_equal(tags_set(&t, "size", "6442450944"), 0);
	assert_int_equal(tags_set(&t, "at", "file"), 0);
	assert_int_equal(tags_set(&t, "sparse", ""), 0);
	assert_int_equal(tags_set(&t, "format", "raw"), 0);
	assert_int_equal(tags_set(&t, "at", "http"), 0);
	tags_drop(&t, "format");
	tags_drop(&t, "format");
	text = facts(&t);
	assert_string_equal(text, "at=http size=6G sparse");
	assert_true(tags_has(&t, "sparse"));
	assert_false(tags_has(&t, "format"));
	assert_false(tags_is(&t, "at", "file"));
}

static void tags_read_numbers(void **state)
{
	_cleanup_(tags_done) struct tags t = { 0 };
	uint64_t n = 7;

	assert_int_equal(tags_set_u64(&t, "size", UINT64_MAX), 0);
	assert_true(tags_get_u64(&t, "size", &n));
	assert_int_equal(n, UINT64_MAX);
	assert_int_equal(tags_set(&t, "size", "18446744073709551616"), 0);
	assert_false(tags_get_u64(&t, "size", &n));
	assert_int_equal(tags_set(&t, "size", "20G"), 0);
	assert_false(tags_get_u64(&t, "size", &n));
	assert_int_equal(tags_set(&t, "size", ""), 0);
	assert_false(tags_get_u64(&t, "size", &n));
	assert_false(tags_get_u64(&t, "none", &n));
	assert_int_equal(n, UINT64_MAX);
}

static void tags_have_a_total_order(void **state)
{
	_cleanup_(tags_done) struct tags none = { 0 }, a = { 0 }, ab = { 0 }, b = { 0 }, copy = { 0 };

	assert_int_equal(tags_set(&a, "a", "1"), 0);
	assert_int_equal(tags_set(&ab, "a", "1"), 0);
	assert_int_equal(tags_set(&ab, "b", ""), 0);
	assert_int_equal(tags_set(&b, "a", "2"), 0);
	assert_int_equal(tags_copy(&ab, &copy), 0);
	assert_int_equal(tags_compare(&ab, &copy), 0);
	assert_int_equal(tags_compare(&none, &none), 0);
	assert_true(tags_compare(&none, &a) < 0 && tags_compare(&a, &none) > 0);
	assert_true(tags_compare(&a, &ab) < 0 && tags_compare(&ab, &a) > 0);
	assert_true(tags_compare(&ab, &b) < 0 && tags_compare(&b, &ab) > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(image_goals_say_facts),
		cmocka_unit_test(arch_stands_in_goal_and_facts),
		cmocka_unit_test(names_that_are_no_goals),
		cmocka_unit_test(plan_goals_keep_the_name),
		cmocka_unit_test(text_goals_have_template_and_arch),
		cmocka_unit_test(names_have_a_longest),
		cmocka_unit_test(formats_have_canonical_names),
		cmocka_unit_test(archs_have_canonical_names),
		cmocka_unit_test(manual_says_what_the_grammar_is),
		cmocka_unit_test(expand_and_content_serve_size),
		cmocka_unit_test(tags_stay_sorted),
		cmocka_unit_test(tags_read_numbers),
		cmocka_unit_test(tags_have_a_total_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
