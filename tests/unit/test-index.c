/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The index's grammar, line by line and key by key: text in, entries and complaints out. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/library/index.h"
#include "backends/library/private.h"
#include "backends/library/section.h"
#include "base/arch.h"
#include "base/text.h"
#include "planner/goal.h"

/* What a parse came to. */
struct outcome {
	int r;
	struct index index;
	char *complaints;
	struct why why;
};

static struct outcome parse_bytes(const char *bytes, size_t count)
{
	struct outcome o = { 0 };
	struct complaints c = COMPLAINTS_NONE;
	/* An allocation of its own, so that reading past its end is seen. */
	char *copy = malloc(count);

	assert_non_null(memcpy(copy, bytes, count));
	o.r = index_parse(copy, count, "/i", &o.index, &c, &o.why);
	free(copy);
	assert_int_equal(text_take(&c.lines, &o.complaints), 0);
	return o;
}

static struct outcome parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void outcome_done(struct outcome *o)
{
	index_done(&o->index);
	free(o->complaints);
}

/* "NAME/ARCH=FILE " for each entry. */
static void assert_entries(const struct outcome *o, const char *want)
{
	struct text t = TEXT_EMPTY;

	assert_int_equal(o->r, 0);
	for (size_t i = 0; i < o->index.n; i++)
		text_add(&t, "%s%s/%s=%s", i ? " " : "", o->index.entry[i].template->name,
			 o->index.entry[i].template->arch, o->index.entry[i].file);
	assert_string_equal(t.chars ? t.chars : "", want);
	text_done(&t);
}

/* Lexer: whole files. */

#define A     "[a]\narch=x86_64\nfile=a.xz\n"
#define B     "[b]\narch=aarch64\nfile=b.xz\n"
#define OPEN  "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
#define CLOSE "-----BEGIN PGP SIGNATURE-----\n"

struct lex {
	const char *text, *entries, *complaints;
};

static const struct lex accepted[] = {
	{ "", "", "" },
	{ "\n\n", "", "" },
	{ "# nothing but a comment\n", "", "" },
	{ A B, "a/x86_64=a.xz b/aarch64=b.xz", "" },
	{ A "\n" B, "a/x86_64=a.xz b/aarch64=b.xz", "" },
	{ "[a]\n\narch=x86_64\n\n\nfile=a.xz\n", "a/x86_64=a.xz", "" },
	{ "[a] \t \narch=x86_64\nfile=a.xz\n", "a/x86_64=a.xz", "" },
	{ "# one\n[a]\n# two\narch=x86_64\n#three\nfile=a.xz\n# four\r\n", "a/x86_64=a.xz", "" },
	{ "[A-1._z]\narch=x86_64\nfile=a\n", "A-1._z/x86_64=a", "" },
	{ "[a]\narch=x86_64\nfile=a[1]=#b c\n", "a/x86_64=a[1]=#b c", "" },
	{ "[a]\narch=x86_64\nfile=a\nunknown.key_2[q,1._]=x\nsig=y\nprogress=1\n", "a/x86_64=a", "" },
	{ OPEN A CLOSE "any\r\nthing [", "a/x86_64=a.xz", "" },
	{ "# before\n\n" OPEN A CLOSE, "a/x86_64=a.xz", "" },
	{ OPEN CLOSE, "", "" },
};

static void accepts_the_newer_grammar(void **state)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct outcome o = parse(accepted[i].text);

		print_message("case %zu\n", i);
		assert_entries(&o, accepted[i].entries);
		assert_string_equal(o.complaints, accepted[i].complaints);
		outcome_done(&o);
	}
}

/* A bad line costs the section in which it stands; what is around it stays. */
static const struct lex spoiled[] = {
	{ A "oops\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ A "name =x\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ A "na-me=x\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ A "=x\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ A "- -----x\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ A "notes[pt-BR]=x\n" B, "b/aarch64=b.xz", "/i:4: [a]: line has a bad [..] behind its key\n" },
	{ A "notes[]=x\n" B, "b/aarch64=b.xz", "/i:4: [a]: line has a bad [..] behind its key\n" },
	{ A "notes[pt=x\n" B, "b/aarch64=b.xz", "/i:4: [a]: line has a bad [..] behind its key\n" },
	{ "[a]\n x\narch=x86_64\nfile=a\n" B, "b/aarch64=b.xz",
	  "/i:2: [a]: line begins with a blank, but there is no field that it could continue\n" },
	{ "[a]\narch=x86_64\r\nfile=a\n" B, "b/aarch64=b.xz",
	  "/i:2: [a]: line ends in CRLF, as Windows writes; an index wants LF alone\n" },
	{ A " x\r\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line ends in CRLF, as Windows writes; an index wants LF alone\n" },
	{ A "one\ntwo\nthree\n" B, "b/aarch64=b.xz",
	  "/i:4: [a]: line is no section header, no KEY=VALUE, no continuation and no comment\n" },
	{ "file=x\n x\n" A, "a/x86_64=a.xz", "/i:1: line stands before the first section\n" },
	{ " x\n" A, "a/x86_64=a.xz", "/i:1: line stands before the first section\n" },
	{ A "[b+]\nfile=b\narch=x86_64\n" B, "a/x86_64=a.xz b/aarch64=b.xz",
	  "/i:4: line is no section header: between [ and ] stand letters, digits, '-', '.' and '_' only\n" },
	{ A "[]\nfile=b\n" B, "a/x86_64=a.xz b/aarch64=b.xz",
	  "/i:4: line is no section header: between [ and ] stand letters, digits, '-', '.' and '_' only\n" },
	{ A "[c] # why\nfile=b\n" B, "a/x86_64=a.xz b/aarch64=b.xz",
	  "/i:4: line goes on behind the section's ]\n" },
	{ A "[c]\r\nfile=b\n" B, "a/x86_64=a.xz b/aarch64=b.xz",
	  "/i:4: line ends in CRLF, as Windows writes; an index wants LF alone\n" },
	{ A B "name=cut", "a/x86_64=a.xz",
	  "/i:7: [b]: line does not end in a newline; is the file complete?\n" },
	{ A OPEN B, "b/aarch64=b.xz", "/i:4: [a]: line begins a signed message in the middle of the file\n" },
	{ A CLOSE B, "b/aarch64=b.xz", "/i:4: [a]: line begins a signature, but nothing was signed\n" },
};

static void bad_line_costs_its_section(void **state)
{
	for (size_t i = 0; i < sizeof(spoiled) / sizeof(spoiled[0]); i++) {
		struct outcome o = parse(spoiled[i].text);

		print_message("case %zu\n", i);
		assert_entries(&o, spoiled[i].entries);
		assert_string_equal(o.complaints, spoiled[i].complaints);
		outcome_done(&o);
	}
}

static void nul_byte_costs_its_section(void **state)
{
	static const char text[] = A "name=x\0y\n" B;
	struct outcome o = parse_bytes(text, sizeof(text) - 1);

	assert_entries(&o, "b/aarch64=b.xz");
	assert_string_equal(o.complaints, "/i:4: [a]: line holds a NUL byte\n");
	outcome_done(&o);
}

static const struct {
	const char *text;
	int r;
	const char *why;
} refused[] = {
	{ "\xfd"
	  "7zXZ\n",
	  -EBADMSG,
	  "'/i' is not a virt-builder index: line 1 is no section header, no KEY=VALUE, no continuation and no "
	  "comment" },
	{ "[a]\r\narch=x86_64\r\n", -EBADMSG,
	  "'/i' is not a virt-builder index: line 1 ends in CRLF, as Windows writes; an index wants LF alone" },
	{ "no newline", -EBADMSG,
	  "'/i' is not a virt-builder index: line 1 does not end in a newline; is the file complete?" },
	{ OPEN A, -EBADMSG, "'/i' is cut off: the signature at its end is missing" },
	{ "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n" A, -EBADMSG,
	  "'/i' is cut off: its signed message has no text" },
};

static void refuses_what_is_no_index(void **state)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct outcome o = parse(refused[i].text);

		assert_int_equal(o.r, refused[i].r);
		assert_string_equal(o.why.text, refused[i].why);
		assert_int_equal(o.index.n, 0);
		outcome_done(&o);
	}
}

static void knows_a_signed_index(void **state)
{
	struct outcome plain = parse("# " OPEN "\n" A), clear = parse(OPEN A CLOSE);

	assert_false(plain.index.is_signed);
	assert_true(clear.index.is_signed);
	outcome_done(&plain);
	outcome_done(&clear);
}

static void refuses_too_many_bytes(void **state)
{
	struct index index;
	struct complaints c = COMPLAINTS_NONE;
	struct why why = { 0 };

	/* Only the count is looked at. */
	assert_int_equal(index_parse("", INDEX_BYTES_MAX + 1, "/i", &index, &c, &why), -EFBIG);
	assert_string_equal(why.text, "'/i' has 67108865 bytes, an index may have 67108864");
}

static void refuses_too_many_sections(void **state)
{
	struct text t = TEXT_EMPTY;
	struct outcome o;

	for (unsigned i = 0; i <= INDEX_SECTIONS_MAX; i++)
		text_add(&t, "[%u]\n", i);
	o = parse(t.chars);
	assert_int_equal(o.r, -EFBIG);
	assert_string_equal(o.why.text, "'/i' has more than 65536 sections");
	outcome_done(&o);
	text_done(&t);
}

static void too_many_fields_cost_the_section(void **state)
{
	struct text t = TEXT_EMPTY;
	struct outcome o;

	text_add(&t, "[a]\n");
	for (unsigned i = 0; i <= SECTION_FIELDS_MAX; i++)
		text_add(&t, "k%u=\n", i);
	text_add(&t, B);
	o = parse(t.chars);
	assert_entries(&o, "b/aarch64=b.xz");
	assert_string_equal(o.complaints, "/i:4098: [a]: line is one field too many for a section\n");
	outcome_done(&o);
	text_done(&t);
}

static void complaints_end_somewhere(void **state)
{
	struct text t = TEXT_EMPTY;
	struct outcome o;
	unsigned lines = 0;

	for (unsigned i = 0; i < 1000; i++)
		text_add(&t, "[%u]\n", i);
	o = parse(t.chars);
	for (const char *p = o.complaints; (p = strchr(p, '\n')); p++)
		lines++;
	assert_int_equal(lines, COMPLAINTS_MAX + 1);
	assert_non_null(strstr(o.complaints, "... and more of the kind\n"));
	outcome_done(&o);
	text_done(&t);
}

/* Values. */

/* The one entry of `A` and more fields. */
static struct template *only(struct outcome *o)
{
	assert_int_equal(o->r, 0);
	assert_string_equal(o->complaints, "");
	assert_int_equal(o->index.n, 1);
	return o->index.entry[0].template;
}

static void takes_all_fields(void **state)
{
	struct outcome o = parse("[fedora-30]\n"
				 "name=Fedora\xc2\xae 30 Server\n"
				 "osinfo=fedora30\n"
				 "arch=amd64\n"
				 "file=sub/fedora-30.xz\n"
				 "revision=3\n"
				 "format=raw\n"
				 "size=6442450944\n"
				 "compressed_size=332691880\n"
				 "expand=/dev/sda4\n"
				 "lvexpand=/dev/fedora/root\n"
				 "hidden=true\n"
				 "aliases=fedora f30\n"
				 "notes=Fedora 30.\n"
				 "notes[pt_BR]=Ol\xc3\xa1.\n");
	const struct template *t = only(&o);

	assert_string_equal(t->name, "fedora-30");
	assert_string_equal(t->title, "Fedora\xc2\xae 30 Server");
	assert_string_equal(t->osinfo, "fedora30");
	assert_string_equal(t->arch, "x86_64");
	assert_string_equal(o.index.entry[0].file, "sub/fedora-30.xz");
	assert_int_equal(o.index.entry[0].line, 1);
	assert_int_equal(t->revision, 3);
	assert_string_equal(t->format, "raw");
	assert_int_equal(t->size, 6442450944);
	assert_int_equal(t->compressed_size, 332691880);
	assert_int_equal(t->expand, 4);
	assert_string_equal(t->lvexpand, "/dev/fedora/root");
	assert_true(t->hidden);
	assert_string_equal(t->aliases[0], "fedora");
	assert_string_equal(t->aliases[1], "f30");
	assert_null(t->aliases[2]);
	assert_int_equal(t->n_notes, 2);
	assert_string_equal(t->notes[0].lang, "C");
	assert_string_equal(t->notes[0].text, "Fedora 30.");
	assert_string_equal(t->notes[1].lang, "pt_BR");
	assert_string_equal(t->notes[1].text, "Ol\xc3\xa1.");
	outcome_done(&o);
}

static void texts_have_their_limits(void **state)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	const struct template *e;
	struct outcome o;

	text_add(&t, "[a]\narch=x86_64\nfile=a.xz\nname=%05000d\naliases=", 0);
	for (int i = 0; i < 70; i++)
		text_add(&t, "a%d ", i);
	text_add(&t, "\nnotes=%0262140d\nnotes[de]=%010d\nnotes[fr]=x\n", 0, 0);
	assert_int_equal(t.error, 0);
	o = parse(t.chars);
	assert_entries(&o, "a/x86_64=a.xz");
	e = o.index.entry[0].template;
	assert_null(e->title);
	assert_string_equal(e->aliases[63], "a63");
	assert_null(e->aliases[64]);
	assert_int_equal(e->n_notes, 1);
	assert_non_null(strstr(o.complaints, "/i:4: [a]: a text of more than 4096 bytes; ignored\n"));
	assert_non_null(strstr(o.complaints, "/i:5: [a]: more than 64 aliases; the others are ignored\n"));
	assert_non_null(strstr(o.complaints, "/i:7: [a]: more than 256 KiB of notes; ignored\n"));
	outcome_done(&o);
}

static void format_has_our_name(void **state)
{
	struct outcome o = parse(A "format=vpc\n");

	assert_string_equal(only(&o)->format, "vhd");
	outcome_done(&o);
}

static void missing_fields_have_their_defaults(void **state)
{
	struct outcome o = parse(A);
	const struct template *t = only(&o);

	assert_null(t->title);
	assert_null(t->osinfo);
	assert_null(t->format);
	assert_null(t->lvexpand);
	assert_null(t->checksum);
	assert_null(t->aliases);
	assert_int_equal(t->n_notes, 0);
	assert_int_equal(t->size, 0);
	assert_int_equal(t->compressed_size, 0);
	assert_int_equal(t->revision, 1);
	assert_int_equal(t->expand, 0);
	assert_false(t->hidden);
	outcome_done(&o);
}

static const struct {
	const char *lines, *text;
} continued[] = {
	{ "notes=one\n", "one" },
	{ "notes=one\n two\n", "one\ntwo" },
	{ "notes=\n two\n", "\ntwo" },
	{ "notes=one\n  two\n\tthree\n\t four\n", "one\n two\nthree\n four" },
	{ "notes=one\n \n three\n", "one\n\nthree" },
	{ "notes=one\n \n", "one\n" },
	{ "notes=one\n# dropped\n two\n", "one\ntwo" },
	{ "notes=one\n\n two\n", "one\ntwo" },
	{ "notes=one\n # kept\n [kept]\n k=v\n", "one\n# kept\n[kept]\nk=v" },
	{ "notes=one\n ----\n  -----BEGIN PGP SIGNATURE-----\n", "one\n----\n -----BEGIN PGP SIGNATURE-----" },
	{ "notes= one \n two \nname=x\n", " one \ntwo " },
	{ "notes=a=b[c]\n", "a=b[c]" },
	{ "notes=\n", "" },
};

static void continuations_lose_one_blank_each(void **state)
{
	for (size_t i = 0; i < sizeof(continued) / sizeof(continued[0]); i++) {
		char *text;
		struct outcome o;

		assert_true(asprintf(&text, A "%s", continued[i].lines) > 0);
		o = parse(text);
		assert_int_equal(only(&o)->n_notes, 1);
		assert_string_equal(only(&o)->notes[0].text, continued[i].text);
		outcome_done(&o);
		free(text);
	}
}

static const struct {
	const char *text;
	int64_t value;
} numbers[] = {
	{ "0", 0 },
	{ "42", 42 },
	{ "+42", 42 },
	{ "-42", -42 },
	{ "0x1F", 31 },
	{ "0X1f", 31 },
	{ "0o17", 15 },
	{ "0O17", 15 },
	{ "0b101", 5 },
	{ "0B101", 5 },
	{ "0u7", 7 },
	{ "1_000_000", 1000000 },
	{ "1__0_", 10 },
	{ "017", 17 },
	{ "-0x10", -16 },
	{ "9223372036854775807", INT64_MAX },
	{ "-9223372036854775808", INT64_MIN },
	{ "0x7fff_ffff_ffff_ffff", INT64_MAX },
};

static void reads_integers_as_ocaml_does(void **state)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char *text;
		struct outcome o;

		assert_true(asprintf(&text, A "revision=%s\n", numbers[i].text) > 0);
		o = parse(text);
		assert_true(only(&o)->revision == numbers[i].value);
		outcome_done(&o);
		free(text);
	}
}

static const struct {
	const char *value;
	unsigned number;
} expands[] = {
	{ "/dev/sda4", 4 },   { "sda1", 1 }, { "vda2", 2 },
	{ "/dev/vda15", 15 }, { "hda3", 3 }, { "/dev/hda128", 128 },
};

static void expand_is_a_partition_number(void **state)
{
	for (size_t i = 0; i < sizeof(expands) / sizeof(expands[0]); i++) {
		char *text;
		struct outcome o;

		assert_true(asprintf(&text, A "expand=%s\n", expands[i].value) > 0);
		o = parse(text);
		assert_int_equal(only(&o)->expand, expands[i].number);
		outcome_done(&o);
		free(text);
	}
}

static const struct {
	const char *raw, *normal;
} archs[] = {
	{ "x86_64", "x86_64" },	  { "amd64", "x86_64" },    { "i386", "i386" },
	{ "i486", "i386" },	  { "i586", "i386" },	    { "i686", "i386" },
	{ "powerpc", "ppc" },	  { "powerpc64", "ppc64" }, { "powerpc64le", "ppc64le" },
	{ "armhf", "armv7l" },	  { "ppc64el", "ppc64le" }, { "arm64", "aarch64" },
	{ "aarch64", "aarch64" }, { "armv7l", "armv7l" },   { "s390x", "s390x" },
	{ "sparc64", "sparc64" }, { "riscv64", "riscv64" },
};

static void architectures_are_normalised(void **state)
{
	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		assert_string_equal(arch_normal(archs[i].raw), archs[i].normal);
	assert_null(arch_normal("X86_64"));
	assert_null(arch_normal(""));
	for (const char *const *known = arch_known(); *known; known++) {
		assert_ptr_equal(arch_normal(*known), *known);
		assert_true(!known[1] || strcmp(known[0], known[1]) < 0);
	}
	assert_non_null(arch_host());
}

#define HEX16	"0123456789abcdef"
#define HEX128	HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16
#define ONES16	"1111111111111111"
#define ONES128 ONES16 ONES16 ONES16 ONES16 ONES16 ONES16 ONES16 ONES16

static const struct {
	const char *lines, *checksum;
} checksums[] = {
	{ "checksum[sha512]=" HEX128 "\n", HEX128 },
	{ "checksum=" HEX128 "\n", HEX128 },
	{ "checksum=" ONES128 "\nchecksum[sha512]=" HEX128 "\n", HEX128 },
	{ "checksum[sha512]=0123456789ABCDEF" HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 "\n", HEX128 },
	{ "checksum[sha256]=12\nchecksum[md5]=\n", NULL },
};

static void takes_sha512_checksums_only(void **state)
{
	for (size_t i = 0; i < sizeof(checksums) / sizeof(checksums[0]); i++) {
		char *text;
		struct outcome o;

		assert_true(asprintf(&text, A "%s", checksums[i].lines) > 0);
		o = parse(text);
		if (checksums[i].checksum)
			assert_string_equal(only(&o)->checksum, checksums[i].checksum);
		else
			assert_null(only(&o)->checksum);
		outcome_done(&o);
		free(text);
	}
}

/* Each is put behind [x], at line 2; [b] behind it must not care. */
static const struct {
	const char *lines, *complaint;
} bad_entries[] = {
	{ "", "/i:1: [x]: has no file=\n" },
	{ "arch=x86_64\n", "/i:1: [x]: has no file=\n" },
	{ "file=a\n", "/i:1: [x]: has no arch=\n" },
	{ "file=a\narch=\n", "/i:3: [x]: arch '' is not known\n" },
	{ "file=a\narch=pdp11\n", "/i:3: [x]: arch 'pdp11' is not known\n" },
	{ "arch=x86_64\nfile=\n", "/i:3: [x]: file is empty\n" },
	{ "file=http://h/x\n",
	  "/i:2: [x]: file 'http://h/x' is a URI, it must be a path relative to the index\n" },
	{ "file=/etc/shadow\n",
	  "/i:2: [x]: file '/etc/shadow' begins with '/', it must be a path relative to the index\n" },
	{ "file=..\n", "/i:2: [x]: file '..' leads out of the index's directory\n" },
	{ "file=a/../../b\n", "/i:2: [x]: file 'a/../../b' leads out of the index's directory\n" },
	{ "file=a//..\n", "/i:2: [x]: file 'a//..' leads out of the index's directory\n" },
	{ "file=a\n b\n", "/i:2: [x]: file 'a\\x0ab' holds a control character\n" },
	{ "file=a\x1b[2Jb\n", "/i:2: [x]: file 'a\\x1b[2Jb' holds a control character\n" },
	{ "sig=\n", "/i:2: [x]: sig is empty\n" },
	{ "sig=../a.sig\n", "/i:2: [x]: sig '../a.sig' leads out of the index's directory\n" },
	{ "sig=/a.sig\n",
	  "/i:2: [x]: sig '/a.sig' begins with '/', it must be a path relative to the index\n" },
	{ "sig=http://h/a.sig\n",
	  "/i:2: [x]: sig 'http://h/a.sig' is a URI, it must be a path relative to the index\n" },
	{ "size=abc\n", "/i:2: [x]: size 'abc' is not a number\n" },
	{ "size=\n", "/i:2: [x]: size '' is not a number\n" },
	{ "size=1 \n", "/i:2: [x]: size '1 ' is not a number\n" },
	{ "size=6G\n", "/i:2: [x]: size '6G' is not a number\n" },
	{ "size=0x\n", "/i:2: [x]: size '0x' is not a number\n" },
	{ "size=0b12\n", "/i:2: [x]: size '0b12' is not a number\n" },
	{ "size=_1\n", "/i:2: [x]: size '_1' is not a number\n" },
	{ "size=-\n", "/i:2: [x]: size '-' is not a number\n" },
	{ "size=0\n", "/i:2: [x]: size '0' is out of range\n" },
	{ "size=-1\n", "/i:2: [x]: size '-1' is out of range\n" },
	{ "size=9223372036854775808\n", "/i:2: [x]: size '9223372036854775808' is out of range\n" },
	{ "size=0xffffffffffffffff\n", "/i:2: [x]: size '0xffffffffffffffff' is out of range\n" },
	{ "revision=99999999999999999999\n", "/i:2: [x]: revision '99999999999999999999' is out of range\n" },
	{ "revision=one\n", "/i:2: [x]: revision 'one' is not a number\n" },
	{ "compressed_size=x\n", "/i:2: [x]: compressed_size 'x' is not a number\n" },
	{ "compressed_size=-5\n", "/i:2: [x]: compressed_size '-5' is out of range\n" },
	{ "expand=sda\n", "/i:2: [x]: expand 'sda' is not a partition such as /dev/sda1\n" },
	{ "expand=sda0\n", "/i:2: [x]: expand 'sda0' is not a partition such as /dev/sda1\n" },
	{ "expand=/dev/sdb1\n", "/i:2: [x]: expand '/dev/sdb1' is not a partition such as /dev/sda1\n" },
	{ "expand=sda99999999999\n",
	  "/i:2: [x]: expand 'sda99999999999' is not a partition such as /dev/sda1\n" },
	{ "expand=\n", "/i:2: [x]: expand '' is not a partition such as /dev/sda1\n" },
	{ "format=Raw!\n", "/i:2: [x]: format 'Raw!' is not the name of a format\n" },
	{ "hidden=yes\n", "/i:2: [x]: hidden 'yes' is neither true nor false\n" },
	{ "hidden=\n", "/i:2: [x]: hidden '' is neither true nor false\n" },
	{ "checksum=12\n", "/i:2: [x]: checksum '12' is not a SHA-512 in 128 hexadecimal digits\n" },
	{ "checksum[sha512]=" HEX128 "0\n",
	  "/i:2: [x]: checksum '0123456789abcdef0123456789abcdef0123456789abcdef...' is not a SHA-512 in 128 "
	  "hexadecimal digits\n" },
	{ "checksum[sha512]=x\n", "/i:2: [x]: checksum 'x' is not a SHA-512 in 128 hexadecimal digits\n" },
	{ "file=a\narch=x86_64\nfile=a\n", "/i:4: [x]: field 'file' stands here and in line 2\n" },
	{ "zzz=1\nzzz=2\n", "/i:3: [x]: field 'zzz' stands here and in line 2\n" },
	{ "notes[de]=1\nnotes=2\nnotes[de]=3\n", "/i:4: [x]: field 'notes' stands here and in line 2\n" },
};

static void takes_the_path_of_a_signature(void **state)
{
	struct outcome with = parse(A "sig=sub/a.xz.sig\n"), without = parse(A);

	(void)only(&with);
	assert_string_equal(with.index.entry[0].sig, "sub/a.xz.sig");
	(void)only(&without);
	assert_null(without.index.entry[0].sig);
	outcome_done(&with);
	outcome_done(&without);
}

static void bad_value_costs_its_entry(void **state)
{
	for (size_t i = 0; i < sizeof(bad_entries) / sizeof(bad_entries[0]); i++) {
		char *text;
		struct outcome o;

		assert_true(asprintf(&text, "[x]\n%s" B, bad_entries[i].lines) > 0);
		o = parse(text);
		assert_string_equal(o.complaints, bad_entries[i].complaint);
		assert_entries(&o, "b/aarch64=b.xz");
		outcome_done(&o);
		free(text);
	}
}

static void name_that_is_no_file_name_costs_its_entry(void **state)
{
	char long_name[202] = "", *text;
	struct outcome o = parse("[..]\narch=x86_64\nfile=a\n[.]\narch=x86_64\nfile=a\n" B);

	assert_entries(&o, "b/aarch64=b.xz");
	assert_string_equal(o.complaints, "/i:1: [..]: the name can't be part of a file name\n"
					  "/i:4: [.]: the name can't be part of a file name\n");
	outcome_done(&o);
	(void)memset(long_name, 'x', 201);
	assert_true(asprintf(&text, "[%s]\narch=x86_64\nfile=a\n" B, long_name) > 0);
	o = parse(text);
	assert_entries(&o, "b/aarch64=b.xz");
	outcome_done(&o);
	free(text);
}

static void logical_volume_as_expand_is_only_a_hint_lost(void **state)
{
	struct outcome o = parse(A "expand=/dev/fedora/root\n");

	assert_entries(&o, "a/x86_64=a.xz");
	assert_int_equal(o.index.entry[0].template->expand, 0);
	assert_string_equal(
		o.complaints,
		"/i:4: [a]: expand '/dev/fedora/root' is a logical volume, not a partition; ignored\n");
	outcome_done(&o);
}

static void bad_alias_costs_the_alias_alone(void **state)
{
	struct outcome o = parse(A "aliases=f@30  ok \n");

	assert_entries(&o, "a/x86_64=a.xz");
	assert_string_equal(o.index.entry[0].template->aliases[0], "ok");
	assert_null(o.index.entry[0].template->aliases[1]);
	assert_string_equal(o.complaints, "/i:4: [a]: alias 'f@30' can't be part of a file name; ignored\n");
	outcome_done(&o);
}

static void architectures_share_a_name(void **state)
{
	struct outcome o =
		parse("[f]\narch=x86_64\nfile=1\n\n[f]\narch=aarch64\nfile=2\n\n[f]\narch=i686\nfile=3\n");

	assert_entries(&o, "f/x86_64=1 f/aarch64=2 f/i386=3");
	assert_string_equal(o.complaints, "");
	outcome_done(&o);
}

static void first_of_equal_entries_stays(void **state)
{
	struct outcome o = parse("[f]\narch=x86_64\nfile=1\n"
				 "[f]\narch=amd64\nfile=2\nrevision=1\n"
				 "[f]\narch=x86_64\nfile=3\nrevision=2\n"
				 "[f]\narch=x86_64\nfile=4\n");

	assert_entries(&o, "f/x86_64=1 f/x86_64=3");
	assert_string_equal(o.complaints, "/i:4: [f]: x86_64 of revision 1 stands here and in line 1\n"
					  "/i:12: [f]: x86_64 of revision 1 stands here and in line 1\n");
	outcome_done(&o);
}

static void bad_entry_is_no_duplicate(void **state)
{
	struct outcome o = parse("[f]\narch=x86_64\nfile=1\nsize=x\n[f]\narch=x86_64\nfile=2\n");

	assert_entries(&o, "f/x86_64=2");
	assert_string_equal(o.complaints, "/i:4: [f]: size 'x' is not a number\n");
	outcome_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_the_newer_grammar),
		cmocka_unit_test(bad_line_costs_its_section),
		cmocka_unit_test(nul_byte_costs_its_section),
		cmocka_unit_test(refuses_what_is_no_index),
		cmocka_unit_test(knows_a_signed_index),
		cmocka_unit_test(refuses_too_many_bytes),
		cmocka_unit_test(refuses_too_many_sections),
		cmocka_unit_test(too_many_fields_cost_the_section),
		cmocka_unit_test(complaints_end_somewhere),
		cmocka_unit_test(takes_all_fields),
		cmocka_unit_test(texts_have_their_limits),
		cmocka_unit_test(format_has_our_name),
		cmocka_unit_test(missing_fields_have_their_defaults),
		cmocka_unit_test(continuations_lose_one_blank_each),
		cmocka_unit_test(reads_integers_as_ocaml_does),
		cmocka_unit_test(expand_is_a_partition_number),
		cmocka_unit_test(architectures_are_normalised),
		cmocka_unit_test(takes_sha512_checksums_only),
		cmocka_unit_test(takes_the_path_of_a_signature),
		cmocka_unit_test(bad_value_costs_its_entry),
		cmocka_unit_test(name_that_is_no_file_name_costs_its_entry),
		cmocka_unit_test(logical_volume_as_expand_is_only_a_hint_lost),
		cmocka_unit_test(bad_alias_costs_the_alias_alone),
		cmocka_unit_test(architectures_share_a_name),
		cmocka_unit_test(first_of_equal_entries_stays),
		cmocka_unit_test(bad_entry_is_no_duplicate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
