/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A single file as a source: what was given, what it is, what it is called. */
#include "tests/unit/test.h"

#include <stdlib.h>

#include "backends/library/ending.h"
#include "backends/library/single.h"
#include "backends/net/net.h"
#include "base/cleanup.h"

#define SUM8   "0123456789abcdef"
#define SUM256 SUM8 SUM8 SUM8 SUM8
#define SUM512 SUM256 SUM256

static void assert_text(const char *have, const char *want)
{
	assert_string_equal(have ? have : "none", want ? want : "none");
}

static void what_was_given_is_taken_apart(void **state)
{
	static const struct {
		const char *given, *text, *leaf, *sha512, *sha256;
	} rows[] = {
		{ "http://h/f.iso", "http://h/f.iso", "f.iso", NULL, NULL },
		{ "http://u:p@h:1/d/f.iso?a=/b#sha256=" SUM256, "http://u:p@h:1/d/f.iso?a=/b", "f.iso", NULL,
		  SUM256 },
		{ "sftp://h/~/a%20b.xz#SHA512=" SUM512, "sftp://h/~/a%20b.xz", "a b.xz", SUM512, NULL },
		{ "s3://bucket/a%2fb%zz%00c%", "s3://bucket/a%2fb%zz%00c%", "a/b%zz%00c%", NULL, NULL },
		{ "HTTPS://h", "HTTPS://h", "", NULL, NULL },
		{ "https://h/", "https://h/", "", NULL, NULL },
		{ "https://h?f.iso", "https://h?f.iso", "", NULL, NULL },
		{ "file:///d/f.iso#sha256=" SUM256, "file:///d/f.iso", NULL, NULL, SUM256 },
		{ "d/f#sha256=0", "d/f#sha256=0", NULL, NULL, NULL },
		{ "nbd://h/x#y", "nbd://h/x#y", NULL, NULL, NULL },
		{ "", "", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(given_done) struct given g = { 0 };

		assert_int_equal(given_parse(rows[i].given, &g, NULL), 0);
		assert_text(g.text, rows[i].text);
		assert_text(g.leaf, rows[i].leaf);
		assert_text(g.checksum, rows[i].sha512);
		assert_text(g.checksum256, rows[i].sha256);
	}
}

static void bad_checksums_are_refused(void **state)
{
	static const char *const rows[] = {
		"http://h/f#",
		"http://h/f#sha256",
		"http://h/f#sha256=",
		"http://h/f#sha512=" SUM256,
		"http://h/f#sha256=" SUM256 "0",
		"http://h/f#sha256=" SUM256 "#",
		"http://h/f#sha256:" SUM256,
		"http://h/f#sha1=" SUM256,
		"file:///f#top",
		"http://h/f#\x1b[2J",
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct given g = { 0 };
		struct why why = { "" };

		assert_int_equal(given_parse(rows[i], &g, &why), -EINVAL);
		assert_null(g.text);
		assert_null(strchr(why.text, '\x1b'));
		assert_non_null(strstr(why.text, "sha"));
	}
}

static void names_promise_what_a_file_is(void **state)
{
	static const struct {
		const char *leaf;
		enum single_kind kind;
	} rows[] = {
		{ "index", SINGLE_INDEX },	    { "index.asc", SINGLE_INDEX },
		{ "cloud.asc", SINGLE_INDEX },	    { ".asc", SINGLE_UNCLEAR },
		{ "index.xz", SINGLE_TEMPLATE },    { "f.iso", SINGLE_TEMPLATE },
		{ "f.qcow2.zst", SINGLE_TEMPLATE }, { "f.ova", SINGLE_TEMPLATE },
		{ "f.nbd", SINGLE_TEMPLATE },	    { "f.ISO", SINGLE_UNCLEAR },
		{ "f.txt", SINGLE_UNCLEAR },	    { "f", SINGLE_UNCLEAR },
		{ ".iso", SINGLE_UNCLEAR },	    { "", SINGLE_UNCLEAR },
		{ "index.cgi", SINGLE_UNCLEAR },    { "f.asc.xz", SINGLE_TEMPLATE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (single_kind_of_name(rows[i].leaf) != rows[i].kind)
			fail_msg("'%s' is %d", rows[i].leaf, single_kind_of_name(rows[i].leaf));
}

#define BYTES(text) text, sizeof(text) - 1

static void bytes_show_what_a_file_is(void **state)
{
	static const struct {
		const char *head;
		size_t count;
		enum single_kind kind;
	} rows[] = {
		{ BYTES("[a]\nfile=a.xz\n"), SINGLE_INDEX },
		{ BYTES("# one\n\n[a]\n"), SINGLE_INDEX },
		{ BYTES("-----BEGIN PGP SIGNED MESSAGE-----\n"), SINGLE_INDEX },
		{ BYTES("\xef\xbb\xbf[a]\n"), SINGLE_INDEX },
		{ BYTES(""), SINGLE_INDEX },
		{ BYTES("{ \"format\": \"index:1.0\" }"), SINGLE_INDEX }, /* the parser says that it is none */
		{ BYTES("<html>"), SINGLE_PAGE },
		{ BYTES("\xef\xbb\xbf\r\n\t <!DocType html>"), SINGLE_PAGE },
		{ BYTES("<?xml version='1.0'?><Error/>"), SINGLE_PAGE },
		{ BYTES("<"), SINGLE_INDEX },
		{ BYTES("\xfd"
			"7zXZ\0\0"),
		  SINGLE_TEMPLATE },
		{ BYTES("BZh91AY&SY"), SINGLE_TEMPLATE },
		{ BYTES("QFI\xfb"), SINGLE_TEMPLATE },
		{ BYTES("# Disk DescriptorFile\n"), SINGLE_TEMPLATE },
		{ BYTES("PK\3\4"), SINGLE_TEMPLATE },
		{ BYTES("\0"), SINGLE_TEMPLATE },
		{ BYTES("[a]\n\0"), SINGLE_TEMPLATE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (single_kind_of_head(rows[i].head, rows[i].count) != rows[i].kind)
			fail_msg("row %zu is %d", i, single_kind_of_head(rows[i].head, rows[i].count));
}

static void names_are_made_legal(void **state)
{
	static const struct {
		const char *leaf, *name, *format, *codec;
	} rows[] = {
		{ "debian-12.5.0-amd64-netinst.iso", "debian-12.5.0-amd64-netinst", "iso", NULL },
		{ "f.qcow2.xz", "f", "qcow2", "xz" },
		{ "f.tar.gz", "f", NULL, "gzip" },
		{ "noble-server.img", "noble-server", NULL, NULL },
		{ "Windows 10 (x64).iso", "Windows-10-x64", "iso", NULL },
		{ "a@20G,b:c.raw", "a-20G-b-c", "raw", NULL },
		{ "\xc3\xa4 b.raw", "b", "raw", NULL },
		{ "--x--.raw", "--x--", "raw", NULL },
		{ "download", "download", NULL, NULL },
		{ "get.php", "get.php", NULL, NULL },
		{ "a/../b\n.xz", "a-..-b", NULL, "xz" },
	};
	_cleanup_free_ char *name = NULL;
	struct ending ending;
	char longest[2000];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(single_name(rows[i].leaf, &ending, &name, NULL), 0);
		assert_string_equal(name, rows[i].name);
		assert_text(ending.format, rows[i].format);
		assert_text(ending.codec, rows[i].codec);
		free(take(name));
	}
	for (size_t i = 0; i < sizeof(longest) - 1; i++)
		longest[i] = i % 2 ? 'x' : ' ';
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(single_name(longest, &ending, &name, NULL), 0);
	free(take(name));
	assert_int_equal(single_name("", &ending, &name, NULL), -EINVAL);
	assert_int_equal(single_name("\xc3\xa4.iso", &ending, &name, NULL), -EINVAL);
	assert_int_equal(single_name("..", &ending, &name, NULL), -EINVAL);
	assert_int_equal(single_name("...raw", &ending, &name, NULL), -EINVAL);
}

static void nothing_secret_is_for_people(void **state)
{
	static const struct {
		const char *url, *brief;
	} rows[] = {
		{ "http://u:p@h/f.iso", "http://h/f.iso" },
		{ "http://h/f.iso?token=x&y#sha256=1", "http://h/f.iso?..." },
		{ "http://h/f.iso#sha256=1", "http://h/f.iso" },
		{ "http://u@h?x", "http://h?..." },
		{ "file:///d/f?x#y", "file:///d/f?x#y" },
		{ "d/f?x#y", "d/f?x#y" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_free_ char *brief = net_url_brief(rows[i].url);

		assert_string_equal(brief, rows[i].brief);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_given_is_taken_apart), cmocka_unit_test(bad_checksums_are_refused),
		cmocka_unit_test(names_promise_what_a_file_is),	 cmocka_unit_test(bytes_show_what_a_file_is),
		cmocka_unit_test(names_are_made_legal),		 cmocka_unit_test(nothing_secret_is_for_people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
