/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The library over real directories, real files and the real inotify. */
#include "tests/unit/test.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "backends/library/private.h"
#include "base/bytes.h"
#include "base/log.h"

#define XZ     \
	"\xfd" \
	"7zXZ\0\0\4"

/* Each test has a directory of its own, and stands in it. */

static char root[4096];

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(root, sizeof(root), "%s/goalfs-library.XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(root) || chdir(root) < 0)
		return -1;
	/* Without links, as the library will see it. */
	return getcwd(root, sizeof(root)) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[4200];

	(void)chdir("/");
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", root);
	return system(command);
}

static void put(const char *name, const void *bytes, size_t count)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, count), count);
	assert_int_equal(close(fd), 0);
}

static void put_text(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

static void put_xz(const char *name)
{
	put(name, XZ, sizeof(XZ) - 1);
}

static void put_raw(const char *name, size_t count)
{
	char *bytes = calloc(1, count);

	assert_non_null(bytes);
	(void)memset(bytes, 'x', count);
	put(name, bytes, count);
	free(bytes);
}

static void put_iso(const char *name)
{
	char bytes[40 * KiB] = "";

	(void)memcpy(bytes + 32 * KiB, "\1CD001\1", 7);
	put(name, bytes, sizeof(bytes));
}

/* Opening. */

static struct library *open_with(const struct library_options *options)
{
	struct library *lib = NULL;
	struct why why = { 0 };
	int r = library_open(options, &lib, &why);

	if (r < 0)
		print_message("%s\n", why_text(&why, r));
	assert_int_equal(r, 0);
	return lib;
}

static struct library *open_one(const char *source)
{
	return open_with(&(struct library_options){ .sources = &source, .n_sources = 1 });
}

static struct library *open_two(const char *a, const char *b)
{
	const char *const sources[] = { a, b };

	return open_with(&(struct library_options){ .sources = sources, .n_sources = 2 });
}

static void assert_open_fails(const struct library_options *options, int error, const char *sentence)
{
	struct library *lib = NULL;
	struct why why = { 0 };

	assert_int_equal(library_open(options, &lib, &why), error);
	assert_string_equal(why.text, sentence);
	assert_null(lib);
}

static void assert_source_refused(const char *source, int error, const char *sentence)
{
	assert_open_fails(&(struct library_options){ .sources = &source, .n_sources = 1 }, error, sentence);
}

static struct template *find(struct library *lib, const char *name, const char *arch)
{
	struct template *t = NULL;
	struct why why = { 0 };
	int r = library_find(lib, name, arch, &t, &why);

	if (r < 0)
		print_message("%s\n", why.text);
	assert_int_equal(r, 0);
	return t;
}

static void assert_not_found(struct library *lib, const char *name, const char *arch, const char *sentence)
{
	struct template *t = NULL;
	struct why why = { 0 };

	assert_int_equal(library_find(lib, name, arch, &t, &why), -ENOENT);
	assert_string_equal(why.text, sentence);
	assert_null(t);
}

/* "NAME/ARCH ..." */
static void assert_list(struct library *lib, const char *want)
{
	struct template **list;
	struct text text = TEXT_EMPTY;
	size_t n;

	assert_int_equal(library_list(lib, &list, &n), 0);
	for (size_t i = 0; i < n; i++)
		text_add(&text, "%s%s/%s", i ? " " : "", list[i]->name,
			 strcmp(list[i]->arch, library_host_arch()) == 0 ? "host" : list[i]->arch);
	assert_string_equal(text.chars ? text.chars : "", want);
	text_done(&text);
	templates_free(list, n);
}

/* What was complained about, of the first source; `root` is written as @. */
static void assert_complaints(struct library *lib, const char *want)
{
	const char *said = lib->source[0].said.lines.chars;
	struct text text = TEXT_EMPTY;

	for (const char *p = said ? said : ""; *p;) {
		bool here = strncmp(p, root, strlen(root)) == 0;

		text_add(&text, "%c", here ? '@' : *p);
		p += here ? strlen(root) : 1;
	}
	assert_string_equal(text.chars ? text.chars : "", want);
	text_done(&text);
}

/* Directories. */

static void file_names_say_name_and_format(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("debian-12.xz");
	put_xz("a.raw.xz");
	put_xz("b.img.xz");
	put_raw("c.raw", 512);
	put_raw("d.img", 1024);
	put_text("README", "no template\n");
	put_text("e.qcow2", "QFI\xfb");
	put_text("f.qcow2.gz", "\x1f\x8b\x08");
	put_text("g.tar.gz", "\x1f\x8b\x08");
	put_iso("h.iso");
	put_text("qcow2", "QFI\xfb");
	put_text(".vmdk", "KDMV");
	lib = open_one(root);
	assert_list(lib, "a/host b/host c/host d/host debian-12/host e/host f/host g/host h/host");
	assert_complaints(lib, "");

	t = find(lib, "debian-12", NULL);
	assert_null(t->format);
	assert_string_equal(t->codec, "xz");
	assert_int_equal(t->revision, 1);
	assert_int_equal(t->bytes, sizeof(XZ) - 1);
	assert_string_equal(strrchr(t->path, '/'), "/debian-12.xz");
	template_unref(t);
	t = find(lib, "a", NULL);
	assert_string_equal(t->format, "raw");
	assert_string_equal(t->codec, "xz");
	template_unref(t);
	t = find(lib, "d", library_host_arch());
	assert_string_equal(t->format, "raw");
	assert_null(t->codec);
	assert_int_equal(t->bytes, 1024);
	template_unref(t);
	t = find(lib, "f", NULL);
	assert_string_equal(t->codec, "gzip");
	assert_string_equal(t->format, "qcow2");
	template_unref(t);
	t = find(lib, "h", NULL);
	assert_string_equal(t->format, "iso");
	template_unref(t);
	library_close(lib);
}

static void plain_file_wins_over_packed_one(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("debian.xz");
	put_xz("debian.raw.xz");
	put_raw("debian.raw", 512);
	put_raw("debian.img", 512);
	lib = open_one(".");
	assert_list(lib, "debian/host");
	t = find(lib, "debian", NULL);
	assert_string_equal(t->path, "./debian.raw");
	template_unref(t);
	assert_complaints(lib, ".: 'debian.raw' and 'debian.img' give one name, the first is used\n"
			       ".: 'debian.raw' and 'debian.raw.xz' give one name, the first is used\n"
			       ".: 'debian.raw' and 'debian.xz' give one name, the first is used\n");
	library_close(lib);
}

static void exports_are_known_by_their_addresses(void **state)
{
	struct library *lib;
	struct template *t;
	char *identity;

	put_text("one.nbd", "nbds://server/one?tls-certificates=/etc/pki\n");
	put_text("two.nbd", "[ nbdkit 'a b' ]\n");
	put_text("three.nbd", "ssh://server/three\n");
	put_text("four.nbd", "");
	put_raw("five.nbd", 5000);
	put_text("six.nbd", "nbd://server/six\n");
	put_raw("six.raw", 512);
	lib = open_one(".");
	assert_list(lib, "one/host six/host");
	t = find(lib, "one", NULL);
	assert_string_equal(t->nbd_uri, "nbds://server/one?tls-certificates=/etc/pki");
	assert_null(t->nbd_command);
	assert_null(t->format);
	assert_true(template_is_export(t));
	identity = strdup(t->identity);
	template_unref(t);
	t = find(lib, "six", NULL);
	assert_false(template_is_export(t));
	template_unref(t);
	assert_complaints(lib,
			  "'./five.nbd' has 4097 bytes, an address has 4096 at most\n"
			  "'./four.nbd' is empty\n"
			  ".: 'six.raw' and 'six.nbd' give one name, the first is used\n"
			  "'./three.nbd' is neither an NBD URI (nbd://, nbds://, nbd+unix://, nbds+unix://, "
			  "nbd+vsock://) nor a command in [ ... ]\n"
			  "'./two.nbd' names a command, and none is run without --allow-commands\n");
	library_close(lib);
	lib = open_with(&(struct library_options){
		.sources = (const char *const[]){ "." }, .n_sources = 1, .allow_commands = true });
	assert_list(lib, "one/host six/host two/host");
	t = find(lib, "two", NULL);
	assert_string_equal(t->nbd_command[1], "a b");
	template_unref(t);
	/* The same for this run, and no other (which is for the mount's test). */
	t = find(lib, "one", NULL);
	assert_string_equal(t->identity, identity);
	template_unref(t);
	free(identity);
	library_close(lib);
}

static void file_that_is_no_template_leaves_its_name_to_the_next(void **state)
{
	struct library *lib;
	struct template *t;

	put_text("debian.raw", "");
	put_xz("debian.xz");
	lib = open_one(".");
	t = find(lib, "debian", NULL);
	assert_string_equal(t->path, "./debian.xz");
	template_unref(t);
	assert_complaints(lib, "'./debian.raw' is empty\n");
	library_close(lib);
}

static mode_t rejected_mode(struct library *lib, const char *name)
{
	struct template *t = NULL;
	mode_t mode;

	assert_int_equal(library_find_rejected(lib, name, NULL, &t), 0);
	mode = t->mode & 0777;
	template_unref(t);
	return mode;
}

/* To whoever asks for it: of what stands there and is no template "no template" is not the whole truth. */
static void file_that_is_no_template_says_why(void **state)
{
	struct template *t = NULL;
	struct library *lib;

	assert_int_equal(chmod(".", 0750), 0);
	put_text("empty.raw", "");
	put_text("page.img", "<html>");
	put_text("text.xz", "404\n");
	put_text("both.raw", "");
	put_xz("both.xz");
	assert_int_equal(mkdir("secret", 0700), 0);
	put_text("secret/empty", "");
	assert_int_equal(symlink("secret", "way"), 0);
	assert_int_equal(symlink("way/absent", "dangling.raw"), 0);
	assert_int_equal(symlink("way/empty", "linked.raw"), 0);
	assert_int_equal(chmod("page.img", 0640), 0);
	lib = open_one(".");
	assert_not_found(lib, "empty", NULL, "no template 'empty': './empty.raw' is empty");
	assert_not_found(lib, "page", NULL, "no template 'page': './page.img' is a page of HTML or XML");
	assert_not_found(lib, "text", NULL,
			 "no template 'text': './text.xz' ends in .xz, but it is not xz data");
	assert_not_found(lib, "linked", NULL, "no template 'linked': './linked.raw' is empty");
	/* Where links lead is not for everybody. */
	assert_not_found(
		lib, "dangling", NULL,
		"no template 'dangling': './dangling.raw' does not exist, or is a link to what does not");
	assert_int_equal(rejected_mode(lib, "page"), 0640);
	assert_int_equal(rejected_mode(lib, "dangling"), 0750);
	/* What is there under another ending is what counts. */
	template_unref(find(lib, "both", NULL));
	assert_not_found(lib, "empty", "s390x", "no template 'empty'");
	assert_int_equal(library_find_rejected(lib, "absent", NULL, &t), -ENOENT);
	library_close(lib);
}

static void entry_that_is_no_template_says_why(void **state)
{
	struct library *lib;

	put_text("empty", "");
	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(symlink("dir", "link"), 0);
	put_text("index", "[a]\narch=s390x\nfile=link\n[b]\narch=s390x\nfile=empty\n"
			  "[c]\narch=s390x\nfile=absent\n");
	lib = open_one(".");
	assert_not_found(lib, "a", "s390x",
			 "no template 'a': './link' can't be opened: Invalid argument; the log says more");
	assert_not_found(lib, "b", "s390x", "no template 'b': './empty' is empty");
	assert_not_found(lib, "c", "s390x",
			 "no template 'c': './absent' does not exist, or is a link to what does not");
	library_close(lib);
}

static void reasons_are_few(void **state)
{
	struct library *lib;
	char name[20];

	for (int i = 0; i < REJECTED_MAX + 50; i++) {
		(void)snprintf(name, sizeof(name), "long-%03d.raw", i);
		put_text(name, "");
	}
	lib = open_two(".", ".");
	assert_int_equal(lib->now->n_rejected, 2 * REJECTED_MAX);
	assert_not_found(lib, "long-199", NULL, "no template 'long-199': './long-199.raw' is empty");
	assert_not_found(lib, "long-200", NULL, "no template 'long-200'");
	library_close(lib);
}

static void names_that_goals_cannot_have_are_skipped(void **state)
{
	struct library *lib;

	put_xz("good.xz");
	put_xz("ba d.xz");
	put_xz("b@d.raw");
	put_xz("\xc3\xa4.img");
	put_xz("new\nline.xz");
	put_xz("...xz");
	lib = open_one(".");
	assert_list(lib, "good/host");
	assert_complaints(lib, "./b@d.raw: skipped, a template's name has letters, digits, '.', '_' and '-' "
			       "only, at most 200\n"
			       "./ba d.xz: skipped, a template's name has letters, digits, '.', '_' and '-' "
			       "only, at most 200\n"
			       "./new\\x0aline.xz: skipped, a template's name has letters, digits, '.', '_' "
			       "and '-' only, at most 200\n"
			       "./\\xc3\\xa4.img: skipped, a template's name has letters, digits, '.', '_' and "
			       "'-' only, at most 200\n");
	library_close(lib);
}

static void what_is_no_file_is_skipped(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = "socket.raw" };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct library *lib;

	assert_int_equal(bind(s, (const struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(mkdir("dir.raw", 0755), 0);
	assert_int_equal(mkfifo("fifo.raw", 0644), 0);
	assert_int_equal(symlink("/dev/null", "null.raw"), 0);
	assert_int_equal(symlink(".", "here.raw"), 0);
	put_xz(".hidden.xz");
	put_xz(".xz");
	lib = open_one(".");
	assert_list(lib, "");
	assert_complaints(lib, "");
	library_close(lib);
	(void)close(s);
}

static void link_of_a_stranger_in_a_sticky_directory_is_not_followed(void **state)
{
	struct library *lib;

	assert_int_equal(mkdir("away", 0755), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(chmod("dir", 01777), 0);
	put_xz("away/x.xz");
	assert_int_equal(symlink("../away/x.xz", "dir/mine.xz"), 0);
	assert_int_equal(symlink("../away/x.xz", "dir/strange.xz"), 0);
	assert_int_equal(lchown("dir/strange.xz", 1234, 1234), 0);
	lib = open_one("dir");
	assert_list(lib, "mine/host");
	assert_complaints(lib, "'@/dir/strange.xz' can't be opened: Permission denied\n");
	library_close(lib);
	/* The directory's own owner may. */
	assert_int_equal(chown("dir", 1234, 1234), 0);
	lib = open_one("dir");
	assert_list(lib, "mine/host strange/host");
	library_close(lib);
	/* Where only he can make links, all are his. */
	assert_int_equal(chown("dir", 0, 0), 0);
	assert_int_equal(chmod("dir", 0755), 0);
	lib = open_one("dir");
	assert_list(lib, "mine/host strange/host");
	library_close(lib);
}

static void link_to_nothing_is_complained_about(void **state)
{
	struct library *lib;

	assert_int_equal(symlink("nowhere", "a.raw"), 0);
	assert_int_equal(symlink("b.raw", "b.raw"), 0);
	lib = open_one(".");
	assert_list(lib, "");
	assert_complaints(lib, "'@/a.raw' leads to '@/nowhere', which does not exist\n"
			       "'@/b.raw' can't be opened: Too many levels of symbolic links\n");
	library_close(lib);
}

/* First bytes. */

static const struct {
	size_t at, count;
	const char *bytes;
	const char *codec, *format, *refused;
} heads[] = {
	{ 0, 8, "QFI\xfb\0\0\0\3", NULL, "qcow2", NULL },
	{ 0, 8, "QFI\xfb\0\0\0\1", NULL, "qcow", NULL },
	{ 0, 4, "KDMV", NULL, "vmdk", NULL },
	{ 0, 21, "# Disk DescriptorFile", NULL, "vmdk", NULL },
	{ 64, 4, "\x7f\x10\xda\xbe", NULL, "vdi", NULL },
	{ 0, 8, "vhdxfile", NULL, "vhdx", NULL },
	{ 0, 8, "conectix", NULL, "vhd", NULL },
	{ 64 * KiB - 512, 8, "conectix", NULL, "vhd", NULL },
	{ 64 * KiB - 512, 4, "koly", NULL, "dmg", NULL },
	{ 0, 4, "QED\0", NULL, "qed", NULL },
	{ 0, 16, "WithouFreSpacExt", NULL, "parallels", NULL },
	{ 32 * KiB + 1, 5, "CD001", NULL, "iso", NULL },
	{ 0, 6, "\xfd\x37zXZ\0", "xz", NULL, NULL },
	{ 0, 3, "\x1f\x8b\x08", "gzip", NULL, NULL },
	{ 0, 4, "\x28\xb5\x2f\xfd", "zstd", NULL, NULL },
	{ 0, 4, "\x5e\x2a\x4d\x18", "zstd", NULL, NULL },
	{ 0, 10, "BZh91AY&SY", "bzip2", NULL, NULL },
	{ 257, 5, "ustar", "tar", NULL, NULL },
	{ 0, 4, "PK\3\4", NULL, NULL, "zip data" },
	{ 0, 6, "7z\xbc\xaf\x27\x1c", NULL, NULL, "7z data" },
	{ 0, 6, "LUKS\xba\xbe", NULL, NULL, "encrypted (LUKS), and there is no key" },
	{ 0, 4, "BZh9", NULL, "raw", NULL },
	{ 510, 2, "\x55\xaa", NULL, "raw", NULL },
};

static void assert_text(const char *have, const char *want)
{
	if (want)
		assert_string_equal(have, want);
	else
		assert_null(have);
}

static void first_bytes_say_what_a_file_is(void **state)
{
	static char file[64 * KiB];

	for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		char sentence[200] = "";
		struct library *lib;

		memset(file, 0, sizeof(file));
		(void)memcpy(file + heads[i].at, heads[i].bytes, heads[i].count);
		put("x.img", file, sizeof(file));
		lib = open_one(".");
		if (heads[i].refused)
			(void)snprintf(sentence, sizeof(sentence), "'./x.img' is %s\n", heads[i].refused);
		assert_complaints(lib, sentence);
		assert_list(lib, heads[i].refused ? "" : "x/host");
		if (!heads[i].refused) {
			struct template *t = find(lib, "x", NULL);

			assert_text(t->codec, heads[i].codec);
			assert_text(t->format, heads[i].format);
			template_unref(t);
		}
		library_close(lib);
	}
}

/* A guest may have written anything into the first sector of its disk. */
static void what_is_said_to_be_raw_is_raw(void **state)
{
	struct library *lib;
	struct template *t;

	put("x.raw", "QFI\xfb\0\0\0\3", 8);
	lib = open_one(".");
	t = find(lib, "x", NULL);
	assert_string_equal(t->format, "raw");
	template_unref(t);
	library_close(lib);
}

static void real_tools_files_are_known(void **state)
{
	static const char *const formats[] = { "qcow2", "vmdk", "vdi", "vhdx", "vpc" };
	struct library *lib;
	struct template *t;
	char command[200];

	for (size_t i = 0; i < 5; i++) {
		(void)snprintf(command, sizeof(command), "qemu-img create -q -f %s %s.img 1M", formats[i],
			       formats[i]);
		assert_int_equal(system(command), 0);
	}
	put_raw("packed.raw", 4096);
	assert_int_equal(system("xz packed.raw"), 0);
	lib = open_one(".");
	assert_list(lib, "packed/host qcow2/host vdi/host vhdx/host vmdk/host vpc/host");
	for (size_t i = 0; i < 5; i++) {
		t = find(lib, formats[i], NULL);
		assert_string_equal(t->format, strcmp(formats[i], "vpc") == 0 ? "vhd" : formats[i]);
		template_unref(t);
	}
	t = find(lib, "packed", NULL);
	assert_string_equal(t->codec, "xz");
	template_unref(t);
	library_close(lib);
}

static void xz_ending_without_xz_data_is_dropped(void **state)
{
	struct library *lib;

	put_text("a.xz", "404\n");
	put_xz("b.raw"); /* the bytes decide */
	put_text("c.xz", "<html>404</html>\n");
	lib = open_one(".");
	assert_list(lib, "b/host");
	assert_complaints(lib, "'./a.xz' ends in .xz, but it is not xz data\n"
			       "'./c.xz' is a page of HTML or XML\n");
	library_close(lib);
}

/* Sources. */

#define ENTRY(name, arch, more) "[" name "]\narch=" arch "\nfile=" name ".xz\n" more "\n"
#define OPEN			"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
#define CLOSE			"-----BEGIN PGP SIGNATURE-----\n"

static void directory_with_an_index_is_that_index(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("a.xz");
	put_xz("b.xz");
	put_text("index", ENTRY("a", "aarch64", "size=4096"));
	lib = open_one(root);
	assert_list(lib, "a/aarch64");
	t = find(lib, "a", "aarch64");
	assert_int_equal(t->size, 4096);
	template_unref(t);
	library_close(lib);
}

static void index_file_is_a_source(void **state)
{
	struct library *lib;
	struct template *t;

	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(mkdir("dir/sub", 0755), 0);
	put_xz("dir/sub/b.xz");
	put_text("dir/my.index", "[b]\narch=s390x\nfile=sub/b.xz\n");
	lib = open_one("dir/my.index");
	t = find(lib, "b", "s390x");
	assert_string_equal(t->path, "dir/sub/b.xz");
	template_unref(t);
	library_close(lib);
}

/* What is stored of a template is found again however the source was written. */
static void one_file_is_one_template_however_it_is_written(void **state)
{
	_cleanup_free_ char *absolute = text_new("%s/tpl", root), *uri = text_new("file://%s/tpl", root);
	const char *const sources[] = {
		"tpl", "./tpl", "tpl/", absolute, uri, "link", "tpl/a.xz", "link/a.xz"
	};
	_cleanup_free_ char *identity = NULL;

	assert_int_equal(mkdir("tpl", 0755), 0);
	assert_int_equal(symlink("tpl", "link"), 0);
	put_xz("tpl/a.xz");
	for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++) {
		struct library *lib = open_one(sources[i]);

		assert_int_equal(lib->now->n, 1);
		if (identity)
			assert_string_equal(lib->now->t[0]->identity, identity);
		else
			identity = strdup(lib->now->t[0]->identity);
		library_close(lib);
	}
}

static void file_uris_are_sources(void **state)
{
	static const char *const before[] = { "file://", "FILE://localhost" };
	char uri[5000];

	assert_int_equal(mkdir("my dir%", 0755), 0);
	put_raw("my dir%/a.raw", 512);
	for (size_t i = 0; i < 2; i++) {
		struct library *lib;

		(void)snprintf(uri, sizeof(uri), "%s%s/my%%20dir%%25/", before[i], root);
		lib = open_one(uri);
		assert_list(lib, "a/host");
		library_close(lib);
	}
}

static void sources_that_cannot_be_are_refused(void **state)
{
	assert_source_refused("https://h/index", -EOPNOTSUPP,
			      "source 'https://h/index': only local files and directories can be read here");
	assert_source_refused("file://host/dir", -EINVAL,
			      "source 'file://host/dir' is not on this machine, a local one is file:///PATH");
	assert_source_refused("file:///a%2", -EINVAL, "source 'file:///a%2' has a bad % in it");
	assert_source_refused("file:///a%00", -EINVAL, "source 'file:///a%00' has a bad % in it");
	assert_source_refused("", -EINVAL, "a source's name is empty");
	assert_source_refused("nowhere", -ENOENT,
			      "source 'nowhere' can't be opened: No such file or directory");
	assert_source_refused("/dev/null", -EINVAL, "source '/dev/null' is neither a directory nor a file");
	put_text("index.txt", "no index");
	assert_source_refused(
		"index.txt", -EBADMSG,
		"'./index.txt' is not a virt-builder index: line 1 does not end in a newline; is the "
		"file complete?");
}

/* One file. */

#define SUM8 "0123456789abcdef"

static void assert_texts(const char *have, const char *want)
{
	assert_string_equal(have ? have : "none", want ? want : "none");
}

static void one_file_is_a_source(void **state)
{
	static const struct {
		const char *file, *name, *format, *codec;
	} files[] = {
		{ "debian-12.xz", "debian-12/host", NULL, "xz" },
		{ "a b%20(c)!.qcow2.xz", "a-b-20-c/host", "qcow2", "xz" },
		{ "-x.raw", "-x/host", "raw", "xz" }, /* what is raw by its name may be packed all the same */
		{ "dump", "dump/host", NULL, "xz" },
		{ "index.xz", "index/host", NULL, "xz" },
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		struct library *lib;

		put_xz(files[i].file);
		lib = open_one(files[i].file);
		assert_list(lib, files[i].name);
		assert_texts(lib->now->t[0]->format, files[i].format);
		assert_texts(lib->now->t[0]->codec, files[i].codec);
		assert_null(lib->now->t[0]->checksum);
		library_close(lib);
	}
}

static void what_one_file_is_its_name_says_first(void **state)
{
	const char entry[] = "[evil]\narch=x86_64\nsize=512\nfile=other.raw\n";
	struct library *lib;

	put_text("other.raw", "other");
	/* A guest may have written that. */
	put_text("disk.img", entry);
	lib = open_one("disk.img");
	assert_list(lib, "disk/host");
	library_close(lib);
	put_text("catalogue", entry);
	lib = open_one("catalogue");
	assert_int_equal(lib->now->n, 1);
	assert_string_equal(lib->now->t[0]->name, "evil");
	library_close(lib);
}

static void file_that_is_no_template_is_refused(void **state)
{
	put_text("page.iso", "<!DOCTYPE html>\n");
	assert_source_refused("page.iso", -EINVAL, "'./page.iso' is a page of HTML or XML");
	put_text("page", "\n <HTML>");
	assert_source_refused(
		"page", -EBADMSG,
		"'./page' is not a virt-builder index: line 2 does not end in a newline; is the file "
		"complete?");
	put_text("zip.img", "PK\003\004 and so on");
	assert_source_refused("zip.img", -EINVAL, "'./zip.img' is zip data");
	put_text("empty.raw", "");
	assert_source_refused("empty.raw", -EINVAL, "'./empty.raw' is empty");
	put_text("text.xz", "no xz");
	assert_source_refused("text.xz", -EINVAL, "'./text.xz' ends in .xz, but it is not xz data");
	put_text("()!.raw", "x");
	assert_source_refused(
		"()!.raw", -EINVAL,
		"a single file gives its name to its goals, and of '()!.raw' nothing can be used");
	put_text("command.nbd", "[ nbdkit null ]\n");
	assert_source_refused("command.nbd", -EINVAL,
			      "'./command.nbd' names a command, and none is run without --allow-commands");
}

/* Nobody looks at a medium again before it is served. */
static void medium_is_what_it_is_called(void **state)
{
	struct library *lib;

	put_text("text.iso", "hello\n");
	put_raw("raw.iso", 64 * KiB);
	put("disk.iso", "QFI\xfb\0\0\0\3", 8);
	put_iso("good.iso");
	put_xz("later.iso.xz"); /* what is packed in it nobody has seen yet */
	lib = open_one(".");
	assert_list(lib, "good/host later/host");
	assert_complaints(lib, "'./disk.iso' is called an ISO 9660 image, and is qcow2\n"
			       "'./raw.iso' is called an ISO 9660 image, and is none\n"
			       "'./text.iso' is called an ISO 9660 image, and is none\n");
	library_close(lib);
	assert_source_refused("text.iso", -EINVAL, "'./text.iso' is called an ISO 9660 image, and is none");
}

static void export_file_is_a_source(void **state)
{
	struct library *lib;

	put_text("far.nbd", "nbd://localhost:1/x\n");
	lib = open_one("far.nbd");
	assert_list(lib, "far/host");
	assert_string_equal(lib->now->t[0]->nbd_uri, "nbd://localhost:1/x");
	library_close(lib);
}

static void one_file_may_carry_its_checksum(void **state)
{
	_cleanup_free_ char *uri = NULL, *identity = NULL;
	struct library *lib;

	put_xz("a.xz");
	uri = text_new("file://%s/a.xz#SHA256=" SUM8 SUM8 SUM8 SUM8, root);
	lib = open_one(uri);
	assert_list(lib, "a/host");
	assert_string_equal(lib->now->t[0]->checksum256, SUM8 SUM8 SUM8 SUM8);
	assert_null(lib->now->t[0]->checksum);
	identity = strdup(lib->now->t[0]->identity);
	library_close(lib);
	/* What was verified by one of them says nothing about the other. */
	uri[strlen(uri) - 1] = '0';
	lib = open_one(uri);
	assert_string_not_equal(lib->now->t[0]->identity, identity);
	library_close(lib);

	/* Of a path it is a part. */
	put_xz("a.xz#sha256=00");
	lib = open_one("a.xz#sha256=00");
	assert_list(lib, "a.xz-sha256-00/host");
	assert_null(lib->now->t[0]->checksum256);
	library_close(lib);
	assert_source_refused("file:///a.xz#sha256=00", -EINVAL,
			      "sha256 '00' is not a SHA-256 in 64 hexadecimal digits");
	assert_source_refused("file:///a.xz#md5=00", -EINVAL,
			      "'#md5=00' behind a source is no checksum: #sha256=HEX or #sha512=HEX");
	free(uri);
	uri = text_new("file://%s#sha256=" SUM8 SUM8 SUM8 SUM8, root);
	{
		_cleanup_free_ char *why =
			text_new("source '%s': a checksum goes with a single template file only", uri);

		assert_source_refused(uri, -EINVAL, why);
	}
}

static void of_two_files_with_one_name_the_hidden_one_is_named(void **state)
{
	struct library *lib;

	put_iso("a.iso");
	put_text("a.raw", "a disk");
	lib = open_two("a.iso", "a.raw");
	assert_list(lib, "a/host");
	assert_string_equal(lib->now->t[0]->format, "iso");
	assert_string_equal(lib->said.lines.chars, "'./a.raw' is not shown: './a.iso' has the name 'a', too\n");
	library_close(lib);
}

static void index_larger_than_any_is_refused(void **state)
{
	put_text("index", "");
	assert_int_equal(truncate("index", INT64_C(1) << 40), 0);
	assert_source_refused(".", -EFBIG, "'./index' has 1099511627776 bytes, an index may have 67108864");
}

#define UNCHECKED(path)                                                                         \
	"'" path "' is signed, but no key was given to check it by: name one with --gpgkey or " \
	"--fingerprint, or trust it as it is with --no-check-signature"

static void signed_index_is_refused_while_signatures_are_checked(void **state)
{
	const char *source = ".";
	struct library_options options = { .sources = &source, .n_sources = 1, .check_signature = true };
	struct library *lib;

	put_xz("a.xz");
	put_text("index", OPEN ENTRY("a", "x86_64", "") CLOSE);
	assert_open_fails(&options, -EACCES, UNCHECKED("./index"));
	lib = open_one(".");
	assert_int_equal(lib->now->n, 1);
	library_close(lib);
	/* Without a signature there is nothing to check. */
	put_text("index", ENTRY("a", "x86_64", ""));
	lib = open_with(&options);
	assert_int_equal(lib->now->n, 1);
	library_close(lib);
}

/* Also where there is nothing that it could check. */
static void key_file_without_a_key_is_refused(void **state)
{
	const char *source = ".", *key = "not.gpg", *fingerprint = "0123456789abcdef0123456789abcdef01234567";
	struct library_options options = {
		.sources = &source, .n_sources = 1, .key_files = &key, .n_key_files = 1, .check_signature = true
	};

	put_xz("a.xz");
	put_text("not.gpg", "no key\n");
	assert_open_fails(&options, -EBADMSG, "the key file 'not.gpg' holds no OpenPGP key that gpg takes");
	source = "a.xz";
	assert_open_fails(&options, -EBADMSG, "the key file 'not.gpg' holds no OpenPGP key that gpg takes");
	options.n_key_files = 0;
	options.fingerprints = &fingerprint;
	options.n_fingerprints = 1;
	assert_open_fails(&options, -ENOENT,
			  "the key 0123456789ABCDEF0123456789ABCDEF01234567 is in no key file and not in your "
			  "keyring");
	options.check_signature = false;
	library_close(open_with(&options));
}

static void signed_index_is_preferred_while_signatures_are_checked(void **state)
{
	const char *source = ".";

	put_xz("a.xz");
	put_text("index", ENTRY("a", "x86_64", ""));
	put_text("index.asc", OPEN ENTRY("a", "aarch64", "") CLOSE);
	assert_open_fails(
		&(struct library_options){ .sources = &source, .n_sources = 1, .check_signature = true },
		-EACCES, UNCHECKED("./index.asc"));
}

static void plain_index_is_preferred_while_signatures_are_not_checked(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("a.xz");
	put_text("index.asc", OPEN ENTRY("a", "aarch64", "") CLOSE);
	lib = open_one(".");
	t = find(lib, "a", "aarch64");
	template_unref(t);
	library_close(lib);
	put_text("index", ENTRY("a", "s390x", ""));
	lib = open_one(".");
	t = find(lib, "a", "s390x");
	template_unref(t);
	library_close(lib);
}

static void bad_entries_cost_themselves(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	put_text("d.xz", "");
	assert_int_equal(mkdir("e.xz", 0755), 0);
	put_text("index", ENTRY("a", "ppc64le", "") ENTRY("b", "ppc64le", "size=abc") ENTRY("c", "ppc64le", "")
				  ENTRY("d", "ppc64le", "") ENTRY("e", "ppc64le", ""));
	lib = open_one(".");
	assert_list(lib, "a/ppc64le");
	assert_complaints(lib, "./index:8: [b]: size 'abc' is not a number\n"
			       "./index:9: [c]: '@/c.xz' does not exist\n"
			       "./index:13: [d]: './d.xz' is empty\n"
			       "./index:17: [e]: '@/e.xz' is not a regular file\n");
	library_close(lib);
}

#define HEX16  "0123456789abcdef"
#define HEX128 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16

static void identity_follows_file_and_checksum(void **state)
{
	struct library *lib;
	struct template *t;
	struct stat st;
	char want[5000];

	put_xz("a.xz");
	put_xz("b.xz");
	put_text("index", ENTRY("a", "x86_64", "checksum=" HEX128) ENTRY("b", "x86_64", ""));
	assert_int_equal(stat("a.xz", &st), 0);
	lib = open_one(".");
	t = find(lib, "a", "x86_64");
	(void)snprintf(want, sizeof(want), "sha512:" HEX128 " bytes=8 mtime=%lld.%09ld inode=%llu",
		       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
	assert_string_equal(t->identity, want);
	template_unref(t);
	assert_int_equal(stat("b.xz", &st), 0);
	t = find(lib, "b", "x86_64");
	(void)snprintf(want, sizeof(want), "file:%s/b.xz bytes=8 mtime=%lld.%09ld inode=%llu", root,
		       (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec, (unsigned long long)st.st_ino);
	assert_string_equal(t->identity, want);
	template_unref(t);
	library_close(lib);
}

/* Finding. */

static void name_comes_before_alias(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("a.xz");
	put_xz("b.xz");
	put_text("index", ENTRY("a", "x86_64", "aliases=b c") ENTRY("b", "x86_64", ""));
	lib = open_one(".");
	t = find(lib, "b", "x86_64");
	assert_string_equal(t->name, "b");
	template_unref(t);
	t = find(lib, "c", "x86_64");
	assert_string_equal(t->name, "a");
	template_unref(t);
	library_close(lib);
}

static void alias_holds_for_all_architectures_of_its_name(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("f.xz");
	put_xz("g.xz");
	put_text("index", ENTRY("f", "x86_64", "aliases=latest") ENTRY("f", "aarch64", "")
				  ENTRY("g", "s390x", "aliases=latest"));
	lib = open_one(".");
	t = find(lib, "latest", "aarch64");
	assert_string_equal(t->name, "f");
	template_unref(t);
	/* But an entry that has it itself comes first. */
	t = find(lib, "latest", "s390x");
	assert_string_equal(t->name, "g");
	template_unref(t);
	library_close(lib);
}

static void name_of_another_architecture_is_no_alias(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	put_xz("b.xz");
	put_text("index", ENTRY("a", "x86_64", "aliases=b") ENTRY("b", "aarch64", ""));
	lib = open_one(".");
	assert_not_found(lib, "b", "x86_64", "'b' exists for aarch64 only, not for x86_64; ask for b@aarch64");
	library_close(lib);
}

static void highest_revision_wins(void **state)
{
	struct library *lib;
	struct template *t;

	assert_int_equal(mkdir("one", 0755), 0);
	assert_int_equal(mkdir("two", 0755), 0);
	put_xz("one/a.xz");
	put_xz("two/a.xz");
	put_text("one/index",
		 "[a]\narch=x86_64\nfile=a.xz\nrevision=9\n[a]\narch=x86_64\nfile=a.xz\nrevision=-3\n");
	put_text("two/index", ENTRY("a", "amd64", "revision=10"));
	lib = open_two("one", "two");
	t = find(lib, "a", "x86_64");
	assert_int_equal(t->revision, 10);
	assert_int_equal(lib->now->n, 1);
	template_unref(t);
	library_close(lib);
}

static void first_source_wins_among_equals(void **state)
{
	static const char *const orders[2][2] = { { "one", "two" }, { "two", "one" } };

	assert_int_equal(mkdir("one", 0755), 0);
	assert_int_equal(mkdir("two", 0755), 0);
	put_raw("one/a.raw", 512);
	put_raw("two/a.raw", 512);
	for (size_t i = 0; i < 2; i++) {
		struct library *lib = open_two(orders[i][0], orders[i][1]);
		struct template *t = find(lib, "a", NULL);

		assert_memory_equal(t->path, orders[i][0], 3);
		template_unref(t);
		library_close(lib);
	}
}

static void hidden_template_is_found(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("a.xz");
	put_text("index", ENTRY("a", "x86_64", "hidden=true"));
	lib = open_one(".");
	t = find(lib, "a", "x86_64");
	assert_true(t->hidden);
	template_unref(t);
	library_close(lib);
}

static void missing_template_is_explained(void **state)
{
	struct library *lib;

	put_xz("f.xz");
	put_text("index", "[fedora-30]\narch=aarch64\nfile=f.xz\naliases=f30\n"
			  "[debian-12]\narch=ppc64le\nfile=f.xz\n"
			  "[debian-12]\narch=aarch64\nfile=f.xz\n"
			  "[debian-12]\narch=s390x\nfile=f.xz\n"
			  "[secret-1]\narch=x86_64\nfile=f.xz\nhidden=true\n");
	lib = open_one(".");
	assert_not_found(lib, "gentoo", "x86_64", "no template 'gentoo'");
	assert_not_found(lib, "fedroa-30", "x86_64", "no template 'fedroa-30'; did you mean 'fedora-30'?");
	assert_not_found(lib, "debian12", "x86_64", "no template 'debian12'; did you mean 'debian-12'?");
	assert_not_found(lib, "secret-2", "x86_64", "no template 'secret-2'");
	assert_not_found(lib, "fedora-30", "x86_64",
			 "'fedora-30' exists for aarch64 only, not for x86_64; ask for fedora-30@aarch64");
	assert_not_found(lib, "f30", "x86_64",
			 "'f30' exists for aarch64 only, not for x86_64; ask for f30@aarch64");
	assert_not_found(lib, "debian-12", "x86_64",
			 "'debian-12' exists for aarch64, ppc64le and s390x only, not for x86_64; ask for "
			 "debian-12@aarch64");
	library_close(lib);
}

/* Opening templates. */

static struct template *only_template(const char *source, const char *avoid)
{
	struct library *lib =
		open_with(&(struct library_options){ .sources = &source, .n_sources = 1, .avoid = avoid });
	struct template *t = find(lib, "a", NULL);

	/* Templates outlive the library. */
	library_close(lib);
	return t;
}

static void assert_open(struct template *t, int want, const char *sentence)
{
	struct why why = { 0 };
	char shown[sizeof(root) + 100] = "";
	int fd = -1, r = template_open(t, &fd, &why);

	assert_int_equal(r, want);
	if (r == 0) {
		assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
		assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
		assert_int_equal(close(fd), 0);
		return;
	}
	assert_int_equal(fd, -1);
	if (sentence[0] == '@')
		(void)snprintf(shown, sizeof(shown), "'%s%s", root, sentence + 1);
	else
		(void)snprintf(shown, sizeof(shown), "%s", sentence);
	assert_string_equal(why.text, shown);
}

static void template_opens_after_the_library_closed(void **state)
{
	struct template *t;

	put_raw("a.raw", 512);
	t = only_template(".", NULL);
	assert_open(t, 0, NULL);
	template_unref(t);
}

static void replaced_file_is_stale(void **state)
{
	struct timespec times[2];
	struct template *t;

	put_raw("a.raw", 512);
	t = only_template(".", NULL);
	times[0] = times[1] = t->mtime;
	put_raw("new", 512);
	assert_int_equal(utimensat(AT_FDCWD, "new", times, 0), 0);
	assert_int_equal(rename("new", "a.raw"), 0);
	assert_open(t, -ESTALE, "'./a.raw' has changed since the library was read");
	template_unref(t);
}

static void grown_file_is_stale(void **state)
{
	struct template *t;
	struct timespec times[2];

	put_raw("a.raw", 512);
	t = only_template(".", NULL);
	times[0] = times[1] = t->mtime;
	put_raw("a.raw", 513);
	assert_int_equal(utimensat(AT_FDCWD, "a.raw", times, 0), 0);
	assert_open(t, -ESTALE, "'./a.raw' has changed since the library was read");
	template_unref(t);
}

static void touched_file_is_stale(void **state)
{
	struct timespec times[2] = { { .tv_sec = 12345, .tv_nsec = 6 }, { .tv_sec = 12345, .tv_nsec = 6 } };
	struct template *t;

	put_raw("a.raw", 512);
	assert_int_equal(utimensat(AT_FDCWD, "a.raw", times, 0), 0);
	t = only_template(".", NULL);
	assert_open(t, 0, NULL);
	times[1].tv_nsec = 7;
	assert_int_equal(utimensat(AT_FDCWD, "a.raw", times, 0), 0);
	assert_open(t, -ESTALE, "'./a.raw' has changed since the library was read");
	template_unref(t);
}

static void removed_file_is_stale(void **state)
{
	struct template *t;

	put_raw("a.raw", 512);
	t = only_template(".", NULL);
	assert_int_equal(unlink("a.raw"), 0);
	assert_open(t, -ESTALE, "'./a.raw' is gone since the library was read");
	template_unref(t);
}

static void pipe_in_its_place_is_refused_and_not_waited_for(void **state)
{
	struct template *t;

	put_raw("a.raw", 512);
	t = only_template(".", NULL);
	assert_int_equal(unlink("a.raw"), 0);
	assert_int_equal(mkfifo("a.raw", 0644), 0);
	assert_open(t, -EINVAL, "@/a.raw' is not a regular file");
	template_unref(t);
}

static void moved_directory_still_serves(void **state)
{
	struct template *t;

	assert_int_equal(mkdir("dir", 0755), 0);
	put_raw("dir/a.raw", 512);
	t = only_template("dir", NULL);
	assert_int_equal(rename("dir", "elsewhere"), 0);
	assert_open(t, 0, NULL);
	template_unref(t);
}

static void link_into_the_mountpoint_is_no_template(void **state)
{
	const char *source = "lib";
	struct library *lib;

	assert_int_equal(mkdir("lib", 0755), 0);
	assert_int_equal(mkdir("mnt", 0755), 0);
	assert_int_equal(mkdir("mnt/sub", 0755), 0);
	assert_int_equal(symlink("mnt/sub", "way"), 0);
	put_raw("mnt/a.raw", 512);
	put_raw("mnt/sub/a.raw", 512);
	put_raw("mntx.raw", 512);
	assert_int_equal(symlink("../mnt/a.raw", "lib/a.raw"), 0);
	assert_int_equal(symlink("../way/a.raw", "lib/b.raw"), 0);
	assert_int_equal(symlink("../mntx.raw", "lib/c.raw"), 0);
	assert_int_equal(symlink("../mnt", "lib/d.raw"), 0);
	lib = open_with(&(struct library_options){ .sources = &source, .n_sources = 1, .avoid = "mnt" });
	assert_list(lib, "c/host");
	library_close(lib);
}

static void link_into_the_mountpoint_made_later_is_refused(void **state)
{
	char want[sizeof(root) * 2 + 100];
	struct template *t;

	assert_int_equal(mkdir("mnt", 0755), 0);
	put_raw("mnt/real", 512);
	put_raw("a.raw", 512);
	t = only_template(".", "mnt");
	assert_int_equal(unlink("a.raw"), 0);
	assert_int_equal(symlink("mnt/real", "a.raw"), 0);
	(void)snprintf(want, sizeof(want), "'%s/a.raw' leads into the mountpoint '%s/mnt'", root, root);
	assert_open(t, -EDEADLK, want);
	template_unref(t);
}

/* The mountpoint lies over the library's own directory: what is reached from the descriptor is not in it. */
static void library_below_its_own_mountpoint_serves(void **state)
{
	char absolute[2 * sizeof(root) + 100];
	struct template *t;

	assert_int_equal(mkdir("lib", 0755), 0);
	put_raw("lib/real", 512);
	put_raw("other", 512);
	(void)snprintf(absolute, sizeof(absolute), "%s/lib/real", root);
	assert_int_equal(symlink(absolute, "lib/a.raw"), 0);
	t = only_template("lib", "lib");
	assert_open(t, 0, NULL);
	template_unref(t);
	t = only_template("lib", ".");
	assert_open(t, 0, NULL);
	assert_int_equal(unlink("lib/a.raw"), 0);
	assert_int_equal(symlink("../other", "lib/a.raw"), 0);
	(void)snprintf(absolute, sizeof(absolute), "'%s/lib/a.raw' leads into the mountpoint '%s'", root, root);
	assert_open(t, -EDEADLK, absolute);
	template_unref(t);
}

/* Walking. */

static const struct {
	const char *name;
	int r;
	const char *path;
} walks[] = {
	{ "a", 0, "/lib/a" },
	{ "./a", 0, "/lib/a" },
	{ "sub/b", 0, "/lib/sub/b" },
	{ "sub//b", 0, "/lib/sub/b" },
	{ "sub/../a", 0, "/lib/a" },
	{ "up", 0, "/c" },
	{ "absolute", 0, "/lib/a" },
	{ "through/b", 0, "/lib/sub/b" },
	{ "twice/../../c", 0, "/c" },
	{ "sub", 0, "/lib/sub" },
	{ "sub/..", 0, "/lib" },
	{ ".", 0, "/lib" },
	{ "missing", -ENOENT, "/lib/missing" },
	{ "sub/missing", -ENOENT, "/lib/sub/missing" },
	{ "dangling", -ENOENT, "/lib/sub/nothing" },
	{ "missing/b", -ENOENT, NULL },
	{ "a/b", -ENOTDIR, NULL },
	{ "loop", -ELOOP, NULL },
	{ "mnt", -EDEADLK, NULL },
	{ "mnt/x", -EDEADLK, NULL },
	{ "sub/../mnt/x", -EDEADLK, NULL },
};

static void walk_follows_names_to_their_files(void **state)
{
	char path[sizeof(root) + 100], avoid[sizeof(root) + 100];
	struct place *place;
	struct why why;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/lib", root);
	(void)snprintf(avoid, sizeof(avoid), "%s/lib/mnt", root);
	assert_int_equal(mkdir("lib", 0755), 0);
	assert_int_equal(mkdir("lib/sub", 0755), 0);
	assert_int_equal(mkdir("lib/mnt", 0755), 0);
	put_raw("c", 1);
	put_raw("lib/a", 1);
	put_raw("lib/sub/b", 1);
	put_raw("lib/mnt/x", 1);
	assert_int_equal(symlink("../c", "lib/up"), 0);
	assert_int_equal(symlink("sub", "lib/through"), 0);
	assert_int_equal(symlink("through/", "lib/twice"), 0);
	assert_int_equal(symlink("sub/nothing", "lib/dangling"), 0);
	assert_int_equal(symlink("loop", "lib/loop"), 0);
	(void)strcat(path, "/a");
	assert_int_equal(symlink(path, "lib/absolute"), 0);
	path[strlen(path) - 2] = '\0';
	fd = open("lib", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(place_new(fd, path, avoid, -1, &place), 0);
	for (size_t i = 0; i < sizeof(walks) / sizeof(walks[0]); i++) {
		struct spot spot;

		(void)memset(&why, 0, sizeof(why));
		assert_int_equal(place_walk(place, walks[i].name, &spot, &why), walks[i].r);
		assert_true(walks[i].r == 0 || why.text[0]);
		if (walks[i].path)
			assert_string_equal(spot.path + strlen(root), walks[i].path);
		else
			assert_null(spot.path);
		assert_true((spot.fd >= 0) == (walks[i].r == 0));
		assert_true((spot.parent >= 0) == (walks[i].path != NULL));
		spot_done(&spot);
	}
	place_unref(place);
}

static void walk_ends_however_long_the_links_are(void **state)
{
	struct place *place;
	char up[sizeof(root) + 3100], again[3000];
	struct spot spot;
	int fd;

	/* Each ".." begins at the root again, and each link brings a thousand of them. */
	for (size_t i = 0; i + 3 < sizeof(again); i += 3)
		(void)memcpy(again + i, "../", 4);
	for (int i = 0; i < 30; i++) {
		char name[8], target[8];

		(void)snprintf(name, sizeof(name), "l%d", i);
		(void)snprintf(target, sizeof(target), "l%d", i + 1);
		(void)snprintf(up, sizeof(up), "%s%s/%s", again, root, target);
		assert_int_equal(symlink(up, name), 0);
	}
	fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(place_new(fd, root, NULL, -1, &place), 0);
	assert_int_equal(place_walk(place, "l0", &spot, NULL), -ELOOP);
	place_unref(place);
}

/* A real mount over the library's directory, ours (to be avoided) or a stranger's, in a child with mounts of
 * its own. */
static int child_below_a_mount(const char *avoid, int relocated)
{
	const char *source = "lib";
	struct library *lib =
		open_with(&(struct library_options){ .sources = &source, .n_sources = 1, .avoid = avoid });
	struct template *t = find(lib, "a", NULL);
	struct why why = { 0 };
	int fd = -1;

	if (mount("none", "lib", "tmpfs", 0, NULL) < 0 || access("lib/a.raw", F_OK) == 0)
		return 2;
	put_raw("lib/b.raw", 512); /* in the mount: not the library's */
	if (template_open(t, &fd, &why) < 0 || source_relocate(&lib->source[0]) != relocated ||
	    source_scan(&lib->source[0], NULL, &why) < 0 || lib->source[0].n != 1 || lib->source[0].t[0] != t)
		return 3;
	(void)close(fd);
	template_unref(t);
	library_close(lib);
	return umount("lib") < 0 ? 4 : 0;
}

static void mount_over_the_library_hides_nothing_from_it(void **state)
{
	int status;
	pid_t pid;

	assert_int_equal(mkdir("lib", 0755), 0);
	put_raw("lib/a.raw", 512);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNS | (geteuid() ? CLONE_NEWUSER : 0)) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
			_exit(77);
		status = child_below_a_mount("lib", -EDEADLK);
		_exit(status ? status : child_below_a_mount(NULL, 0));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip(); /* a container that may not have mounts of its own */
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Watching. */

struct heard {
	pthread_mutex_t lock;
	struct text names; /* " NAME NAME " */
};

static void hear(void *arg, const char *name)
{
	struct heard *h = arg;

	(void)pthread_mutex_lock(&h->lock);
	text_add(&h->names, " %s ", name ? name : "*");
	(void)pthread_mutex_unlock(&h->lock);
}

/* Far beyond anything that happens unless it doesn't happen. */
#define WAIT_ROUNDS 6000

static struct heard heard = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct library *watch(const char *const *sources, size_t n)
{
	struct library *lib;

	text_done(&heard.names);
	lib = open_with(&(struct library_options){
		.sources = sources, .n_sources = n, .changed = hear, .arg = &heard });
	assert_int_equal(library_watch(lib, NULL), 0);
	for (int i = 0; i < WAIT_ROUNDS && !watch_settled(lib->watch); i++)
		(void)usleep(10000);
	assert_true(watch_settled(lib->watch));
	return lib;
}

static struct library *watch_one(const char *source)
{
	return watch(&source, 1);
}

static void close_watched(struct library *lib)
{
	library_close(lib);
	text_done(&heard.names);
}

static bool was_heard(const char *name)
{
	char padded[100];
	bool yes;

	(void)snprintf(padded, sizeof(padded), " %s ", name);
	(void)pthread_mutex_lock(&heard.lock);
	yes = heard.names.chars && strstr(heard.names.chars, padded);
	(void)pthread_mutex_unlock(&heard.lock);
	return yes;
}

static void wait_until_heard(const char *name)
{
	for (int i = 0; i < WAIT_ROUNDS && !was_heard(name); i++)
		(void)usleep(10000);
	assert_true(was_heard(name));
}

static bool is_there(struct library *lib, const char *name)
{
	struct template *t = NULL;

	if (library_find(lib, name, NULL, &t, NULL) < 0)
		return false;
	template_unref(t);
	return true;
}

static void wait_until_there(struct library *lib, const char *name, bool there)
{
	for (int i = 0; i < WAIT_ROUNDS && is_there(lib, name) != there; i++)
		(void)usleep(10000);
	assert_true(is_there(lib, name) == there);
}

static void wait_until_other_identity(struct library *lib, const char *name, const char *old)
{
	for (int i = 0; i < WAIT_ROUNDS; i++) {
		struct template *t = find(lib, name, NULL);
		bool other = strcmp(t->identity, old) != 0;

		template_unref(t);
		if (other)
			return;
		(void)usleep(10000);
	}
	assert_true(false);
}

static void added_template_appears(void **state)
{
	struct library *lib = watch_one(".");

	put_raw("new.raw", 512);
	wait_until_heard("new");
	assert_true(is_there(lib, "new"));
	close_watched(lib);
}

static void one_file_comes_and_goes(void **state)
{
	struct library *lib;
	struct template *t;

	put_raw("a.raw", 512);
	put_raw("b.raw", 512);
	lib = watch_one("a.raw");
	assert_list(lib, "a/host");
	t = find(lib, "a", NULL);
	put_raw("a.raw", 1024);
	wait_until_other_identity(lib, "a", t->identity);
	template_unref(t);
	assert_int_equal(unlink("a.raw"), 0);
	wait_until_there(lib, "a", false);
	assert_list(lib, "");
	put_raw("c.raw", 512);
	put_raw("a.raw", 512);
	wait_until_there(lib, "a", true);
	assert_list(lib, "a/host");
	close_watched(lib);
}

static void removed_template_disappears(void **state)
{
	struct library *lib;

	put_raw("old.raw", 512);
	lib = watch_one(".");
	assert_true(is_there(lib, "old"));
	assert_int_equal(unlink("old.raw"), 0);
	wait_until_heard("old");
	assert_false(is_there(lib, "old"));
	close_watched(lib);
}

static void renamed_template_changes_its_name(void **state)
{
	struct library *lib;

	put_raw("old.raw", 512);
	lib = watch_one(".");
	assert_int_equal(rename("old.raw", "new.raw"), 0);
	wait_until_heard("new");
	wait_until_heard("old");
	assert_list(lib, "new/host");
	close_watched(lib);
}

static void replaced_template_is_another_one(void **state)
{
	struct library *lib;
	struct template *t;

	put_raw("a.raw", 512);
	lib = watch_one(".");
	t = find(lib, "a", NULL);
	put_raw(".new", 1024);
	assert_int_equal(rename(".new", "a.raw"), 0);
	wait_until_other_identity(lib, "a", t->identity);
	wait_until_heard("a");
	assert_int_equal(t->bytes, 512); /* who holds it holds what it was */
	template_unref(t);
	t = find(lib, "a", NULL);
	assert_open(t, 0, NULL);
	template_unref(t);
	close_watched(lib);
}

static void unchanged_templates_stay_the_same_object(void **state)
{
	struct library *lib;
	struct template *before, *after;

	put_raw("a.raw", 512);
	lib = watch_one(".");
	before = find(lib, "a", NULL);
	put_raw("b.raw", 512);
	wait_until_heard("b");
	after = find(lib, "a", NULL);
	assert_ptr_equal(before, after);
	assert_false(was_heard("a"));
	template_unref(before);
	template_unref(after);
	close_watched(lib);
}

static void file_being_copied_is_not_there_yet(void **state)
{
	struct library *lib;
	int fd;

	watch_quiet_ms = 600000;
	lib = watch_one(".");
	fd = open("slow.raw", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "half", 4), 4);
	put_raw("quick.raw", 512);
	wait_until_heard("quick");
	assert_false(is_there(lib, "slow"));
	assert_int_equal(write(fd, "half", 4), 4);
	assert_int_equal(close(fd), 0);
	wait_until_heard("slow");
	assert_true(is_there(lib, "slow"));
	close_watched(lib);
	watch_quiet_ms = 2000;
}

static void writer_that_never_closes_is_not_waited_for(void **state)
{
	struct library *lib;
	int fd;

	watch_quiet_ms = 100;
	lib = watch_one(".");
	fd = open("slow.raw", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "all", 3), 3);
	wait_until_heard("slow");
	assert_true(is_there(lib, "slow"));
	assert_int_equal(close(fd), 0);
	close_watched(lib);
	watch_quiet_ms = 2000;
}

static void hard_linked_and_linked_files_appear(void **state)
{
	struct library *lib;

	put_raw("target", 512);
	lib = watch_one(".");
	assert_int_equal(link("target", "hard.raw"), 0);
	assert_int_equal(symlink("target", "soft.raw"), 0);
	wait_until_heard("hard");
	wait_until_heard("soft");
	close_watched(lib);
}

#define HOST_ENTRY "[%s]\narch=%s\nfile=%s\n%s\n"

static char *entry_text(const char *name, const char *file, const char *more)
{
	char *text;

	assert_true(asprintf(&text, HOST_ENTRY, name, library_host_arch(), file, more) > 0);
	return text;
}

static void put_index(const char *path, const char *name, const char *file, const char *more)
{
	char *text = entry_text(name, file, more);

	put_text(path, text);
	free(text);
}

static void index_replaced_by_rename_is_read(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	put_index("index", "one", "a.xz", "aliases=uno");
	lib = watch_one(".");
	put_index("new", "two", "a.xz", "aliases=due");
	assert_int_equal(rename("new", "index"), 0);
	wait_until_heard("two");
	wait_until_heard("one");
	wait_until_heard("uno");
	wait_until_heard("due");
	assert_list(lib, "two/host");
	close_watched(lib);
}

/*
 * Whether a source was scanned and nothing came of it shows in another source,
 * scanned after it: news are taken in order.
 */
static struct library *watch_with_marks(const char *source)
{
	const char *const sources[] = { source, "marks" };

	assert_int_equal(mkdir("marks", 0755), 0);
	return watch(sources, 2);
}

static void wait_until_scanned(void)
{
	put_raw("marks/mark.raw", 512);
	wait_until_heard("mark");
}

static void index_rewritten_in_place_is_read_when_it_is_complete(void **state)
{
	char *text = entry_text("two", "a.xz", "");
	struct library *lib;
	int fd;

	watch_quiet_ms = 600000;
	put_xz("a.xz");
	put_index("index", "one", "a.xz", "");
	lib = watch_with_marks(".");
	fd = open("index", O_WRONLY | O_TRUNC | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, 8), 8);
	/* Something else that makes the source be read again, in the middle of it. */
	assert_int_equal(utimensat(AT_FDCWD, "a.xz", NULL, 0), 0);
	wait_until_scanned();
	assert_list(lib, "mark/host one/host");
	assert_int_equal(write(fd, text + 8, strlen(text) - 8), strlen(text) - 8);
	assert_int_equal(close(fd), 0);
	wait_until_heard("two");
	assert_list(lib, "mark/host two/host");
	free(text);
	close_watched(lib);
	watch_quiet_ms = 2000;
}

static void broken_index_leaves_what_was_known(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	put_index("index", "one", "a.xz", "");
	lib = watch_with_marks(".");
	put_text("index", "<html>\n");
	wait_until_scanned();
	assert_list(lib, "mark/host one/host");
	put_index("index", "two", "a.xz", "");
	wait_until_heard("two");
	close_watched(lib);
}

static void scan_of_a_broken_index_keeps_the_old_templates(void **state)
{
	struct library *lib;
	struct why why = { 0 };

	put_xz("a.xz");
	put_index("index", "one", "a.xz", "");
	lib = open_one(".");
	put_text("index", "<html>\n");
	assert_int_equal(source_scan(&lib->source[0], NULL, &why), -EBADMSG);
	assert_string_equal(why.text, "'./index' is not a virt-builder index: line 1 is no section header, no "
				      "KEY=VALUE, no continuation and no comment");
	assert_int_equal(lib->source[0].n, 1);
	library_close(lib);
}

static void running_out_of_descriptors_costs_no_template(void **state)
{
	struct library *lib;
	struct rlimit before, none;

	put_raw("a.raw", 512);
	lib = open_one(".");
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	for (rlim_t spare = 0; spare < 4; spare++) {
		int fd = open("/", O_RDONLY | O_CLOEXEC), r;

		assert_int_equal(close(fd), 0);
		none = (struct rlimit){ .rlim_cur = fd + spare, .rlim_max = before.rlim_max };
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
		r = source_scan(&lib->source[0], NULL, NULL);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
		assert_true(r == 0 || r == -EMFILE);
		assert_true(spare > 0 || r == -EMFILE);
		assert_int_equal(lib->source[0].n, 1);
		assert_complaints(lib, "");
	}
	library_close(lib);
}

static void complaint_is_heard_once(void **state)
{
	struct complaints first = COMPLAINTS_NONE, second = COMPLAINTS_NONE, said = COMPLAINTS_NONE;
	char line[100] = "";
	int pipes[2], saved = dup(2);

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	complain(&first, "one");
	complain(&second, "one");
	complain(&second, "two");
	complaints_say(&first, &said);
	assert_int_equal(dup2(pipes[1], 2), 2);
	complaints_say(&second, &said);
	(void)fflush(stderr);
	assert_int_equal(dup2(saved, 2), 2);
	assert_int_equal(close(saved), 0);
	assert_int_equal(close(pipes[1]), 0);
	assert_true(read(pipes[0], line, sizeof(line) - 1) > 0);
	assert_string_equal(line, "goalfs: warning: two\n");
	assert_int_equal(close(pipes[0]), 0);
	assert_string_equal(said.lines.chars, "one\ntwo\n");
	complaints_done(&said);
}

static void file_behind_an_index_entry_is_watched(void **state)
{
	struct library *lib;
	struct template *t;

	assert_int_equal(mkdir("sub", 0755), 0);
	put_xz("sub/a.xz");
	put_index("index", "one", "sub/a.xz", "checksum=" HEX128);
	lib = watch_one("index");
	t = find(lib, "one", NULL);
	put_raw("sub/new", 600);
	assert_int_equal(rename("sub/new", "sub/a.xz"), 0);
	wait_until_other_identity(lib, "one", t->identity);
	template_unref(t);
	close_watched(lib);
}

static void file_that_an_index_entry_waits_for_appears(void **state)
{
	struct library *lib;

	put_index("index", "one", "sub/a.xz", "");
	lib = watch_one(".");
	assert_false(is_there(lib, "one"));
	assert_int_equal(mkdir("sub", 0755), 0);
	put_xz("sub/a.xz");
	wait_until_heard("one");
	assert_true(is_there(lib, "one"));
	close_watched(lib);
}

static void index_that_comes_and_goes_decides(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	lib = watch_one(".");
	assert_list(lib, "a/host");
	put_index(".index", "one", "a.xz", "");
	assert_int_equal(rename(".index", "index"), 0);
	wait_until_heard("one");
	assert_list(lib, "one/host");
	assert_int_equal(unlink("index"), 0);
	wait_until_there(lib, "a", true);
	assert_list(lib, "a/host");
	close_watched(lib);
}

static void removed_index_file_takes_its_templates_until_it_is_back(void **state)
{
	struct library *lib;

	put_xz("a.xz");
	put_index("my.index", "one", "a.xz", "");
	lib = watch_one("my.index");
	assert_int_equal(unlink("my.index"), 0);
	wait_until_there(lib, "one", false);
	put_index("my.index", "one", "a.xz", "");
	wait_until_there(lib, "one", true);
	close_watched(lib);
}

static void directory_made_anew_is_the_source_again(void **state)
{
	struct library *lib;

	assert_int_equal(mkdir("dir", 0755), 0);
	put_raw("dir/a.raw", 512);
	lib = watch_one("dir");
	assert_int_equal(unlink("dir/a.raw"), 0);
	assert_int_equal(rmdir("dir"), 0);
	wait_until_there(lib, "a", false);
	assert_int_equal(mkdir("dir", 0755), 0);
	put_raw("dir/b.raw", 512);
	wait_until_there(lib, "b", true);
	/* And watched as well. */
	put_raw("dir/c.raw", 512);
	wait_until_there(lib, "c", true);
	close_watched(lib);
}

static void empty_directory_made_anew_is_the_source_again(void **state)
{
	struct library *lib;

	assert_int_equal(mkdir("dir", 0755), 0);
	lib = watch_one("dir");
	assert_int_equal(rmdir("dir"), 0);
	assert_int_equal(mkdir("dir", 0755), 0);
	put_raw("dir/a.raw", 512);
	wait_until_there(lib, "a", true);
	close_watched(lib);
}

static void directory_exchanged_is_the_source(void **state)
{
	struct library *lib;
	struct template *t;

	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(mkdir("next", 0755), 0);
	put_raw("dir/a.raw", 512);
	put_raw("next/b.raw", 512);
	lib = watch_one("dir");
	t = find(lib, "a", NULL);
	assert_int_equal(rename("dir", "old"), 0);
	assert_int_equal(rename("next", "dir"), 0);
	wait_until_there(lib, "b", true);
	assert_false(is_there(lib, "a"));
	assert_open(t, 0, NULL); /* still where it was found */
	template_unref(t);
	close_watched(lib);
}

static void change_behind_a_link_is_noticed_when_it_is_met(void **state)
{
	struct library *lib;
	struct template *t;
	int fd;

	assert_int_equal(mkdir("dir", 0755), 0);
	assert_int_equal(mkdir("far", 0755), 0);
	assert_int_equal(mkdir("far/1", 0755), 0);
	assert_int_equal(mkdir("far/2", 0755), 0);
	put_raw("far/1/x", 512);
	put_raw("far/2/x", 1024);
	assert_int_equal(symlink("1", "far/now"), 0);
	assert_int_equal(symlink("../far/now/x", "dir/a.raw"), 0);
	lib = watch_one("dir");
	t = find(lib, "a", NULL);
	/* No directory that holds the library or the file hears of this. */
	assert_int_equal(symlink("2", "far/next"), 0);
	assert_int_equal(rename("far/next", "far/now"), 0);
	assert_int_equal(template_open(t, &fd, NULL), -ESTALE);
	wait_until_other_identity(lib, "a", t->identity);
	template_unref(t);
	close_watched(lib);
}

static void target_of_a_link_is_watched(void **state)
{
	struct library *lib;
	struct template *t;

	assert_int_equal(mkdir("dir", 0755), 0);
	put_raw("real", 512);
	assert_int_equal(symlink("../real", "dir/a.raw"), 0);
	lib = watch_one("dir");
	t = find(lib, "a", NULL);
	put_raw("new", 1024);
	assert_int_equal(rename("new", "real"), 0);
	wait_until_other_identity(lib, "a", t->identity);
	template_unref(t);
	close_watched(lib);
}

struct reader {
	struct library *lib;
	atomic_bool stop;
};

static void *read_all_the_time(void *arg)
{
	struct reader *r = arg;

	while (!r->stop) {
		struct template **list, *t;
		size_t n;

		if (library_list(r->lib, &list, &n) == 0)
			templates_free(list, n);
		if (library_find(r->lib, "a", NULL, &t, NULL) == 0)
			template_unref(t);
	}
	return NULL;
}

static void readers_and_changes_do_not_disturb_each_other(void **state)
{
	struct reader reader = { 0 };
	pthread_t threads[3];
	char name[20];

	put_raw("a.raw", 512);
	reader.lib = watch_one(".");
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &reader), 0);
	for (int i = 0; i < 5; i++) {
		(void)snprintf(name, sizeof(name), "n%d.raw", i);
		put_raw(name, 512);
		*strchr(name, '.') = '\0';
		wait_until_heard(name);
	}
	reader.stop = true;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	close_watched(reader.lib);
}

static void library_without_a_listener_is_not_watched(void **state)
{
	struct library *lib = open_one(".");

	assert_int_equal(library_watch(lib, NULL), 0);
	assert_null(lib->watch);
	library_close(lib);
}

/* Lists. */

static void put_listed(void)
{
	put_xz("f.xz");
	put_raw("r.raw", 1537);
	put_text("index",
		 "[fedora-30]\nname=Fedora\xc2\xae 30 Server\x1b[2J\nosinfo=fedora30\narch=x86_64\nfile=f.xz\n"
		 "format=raw\nsize=6442450944\ncompressed_size=332691880\nexpand=/dev/sda4\nrevision=2\n"
		 "aliases=fedora f30\nnotes=Fedora 30 \"Server\"\n \n second / line\n"
		 "notes[fr]=Bonjour\nchecksum=" HEX128 "\n"
		 "[fedora-30]\narch=aarch64\nfile=f.xz\n"
		 "[hid]\nname=\xff hidden\narch=s390x\nfile=f.xz\nsize=1\nhidden=true\n"
		 "[a-name-of-more-than-24-characters]\narch=x86_64\nfile=r.raw\n");
}

static uint64_t some_size(void *arg, struct template *t)
{
	return *(const uint64_t *)arg;
}

static void assert_listed(enum list_format format, uint64_t size, const char *want)
{
	struct library *lib = open_one(".");
	struct text text = TEXT_EMPTY;

	assert_int_equal(
		library_list_text(lib, format,
				  &(struct list_answers){ .size_of = size ? some_size : NULL, .arg = &size },
				  &text),
		0);
	assert_string_equal(text.chars, want);
	text_done(&text);
	library_close(lib);
}

static void short_list_is_virt_builders(void **state)
{
	put_listed();
	assert_listed(LIST_SHORT, 0,
		      "a-name-of-more-than-24-characters x86_64    \n"
		      "fedora-30                aarch64   \n"
		      "fedora-30                x86_64     Fedora\xc2\xae 30 Server?[2J\n");
}

static void long_list_is_virt_builders(void **state)
{
	put_listed();
	assert_int_equal(setenv("LC_ALL", "C", 1), 0);
	assert_listed(LIST_LONG, 1536 * 1024 * 1024ull,
		      "Source URI: .\n"
		      "Fingerprint: \n"
		      "\n"
		      "os-version:              a-name-of-more-than-24-characters\n"
		      "Architecture:            x86_64\n"
		      "Minimum/default size:    1.5K\n"
		      "\n"
		      "os-version:              fedora-30\n"
		      "Architecture:            aarch64\n"
		      "Minimum/default size:    1.5G\n"
		      "\n"
		      "os-version:              fedora-30\n"
		      "Full name:               Fedora\xc2\xae 30 Server?[2J\n"
		      "Architecture:            x86_64\n"
		      "Minimum/default size:    6.0G\n"
		      "Download size:           317.3M\n"
		      "Aliases:                 fedora f30\n"
		      "\n"
		      "Notes:\n"
		      "\n"
		      "Fedora 30 \"Server\"\n"
		      "\n"
		      "second / line\n"
		      "\n");
}

static void json_list_is_virt_builders(void **state)
{
	put_listed();
	assert_listed(LIST_JSON, 0,
		      "{\n"
		      "  \"version\": 1,\n"
		      "  \"sources\": [\n"
		      "    {\n"
		      "      \"fingerprint\": \"\",\n"
		      "      \"uri\": \".\"\n"
		      "    }\n"
		      "  ],\n"
		      "  \"templates\": [\n"
		      "    {\n"
		      "      \"os-version\": \"a-name-of-more-than-24-characters\",\n"
		      "      \"arch\": \"x86_64\",\n"
		      "      \"size\": 1537,\n"
		      "      \"hidden\": false\n"
		      "    },\n"
		      "    {\n"
		      "      \"os-version\": \"fedora-30\",\n"
		      "      \"arch\": \"aarch64\",\n"
		      "      \"hidden\": false\n"
		      "    },\n"
		      "    {\n"
		      "      \"os-version\": \"fedora-30\",\n"
		      "      \"full-name\": \"Fedora\xc2\xae 30 Server\\u001b[2J\",\n"
		      "      \"arch\": \"x86_64\",\n"
		      "      \"size\": 6442450944,\n"
		      "      \"compressed-size\": \"332691880\",\n"
		      "      \"notes\": {\n"
		      "        \"C\": \"Fedora 30 \\\"Server\\\"\\n\\nsecond / line\",\n"
		      "        \"fr\": \"Bonjour\"\n"
		      "      },\n"
		      "      \"aliases\": [\n"
		      "        \"fedora\",\n"
		      "        \"f30\"\n"
		      "      ],\n"
		      "      \"osinfo\": \"fedora30\",\n"
		      "      \"hidden\": false\n"
		      "    },\n"
		      "    {\n"
		      "      \"os-version\": \"hid\",\n"
		      "      \"full-name\": \"? hidden\",\n"
		      "      \"arch\": \"s390x\",\n"
		      "      \"size\": 1,\n"
		      "      \"hidden\": true\n"
		      "    }\n"
		      "  ]\n"
		      "}\n");
}

static void template_json_says_all(void **state)
{
	struct library *lib;
	struct template *t;
	struct text text = TEXT_EMPTY;

	put_listed();
	lib = open_one(".");
	t = find(lib, "f30", "x86_64");
	assert_int_equal(template_json(t, 0, NULL, NULL, &text), 0);
	assert_string_equal(text.chars, "{\n"
					"  \"os-version\": \"fedora-30\",\n"
					"  \"full-name\": \"Fedora\xc2\xae 30 Server\\u001b[2J\",\n"
					"  \"arch\": \"x86_64\",\n"
					"  \"size\": 6442450944,\n"
					"  \"compressed-size\": \"332691880\",\n"
					"  \"notes\": {\n"
					"    \"C\": \"Fedora 30 \\\"Server\\\"\\n\\nsecond / line\",\n"
					"    \"fr\": \"Bonjour\"\n"
					"  },\n"
					"  \"aliases\": [\n"
					"    \"fedora\",\n"
					"    \"f30\"\n"
					"  ],\n"
					"  \"osinfo\": \"fedora30\",\n"
					"  \"hidden\": false,\n"
					"  \"revision\": 2,\n"
					"  \"file\": \"./f.xz\",\n"
					"  \"file-size\": 8,\n"
					"  \"codec\": \"xz\",\n"
					"  \"format\": \"raw\",\n"
					"  \"expand\": 4,\n"
					"  \"checksum\": {\n"
					"    \"sha512\": \"" HEX128 "\"\n"
					"  }\n"
					"}\n");
	text_done(&text);
	template_unref(t);
	library_close(lib);
}

static const struct {
	const char *lc_all, *lc_messages, *lang, *notes;
} locales[] = {
	{ NULL, NULL, NULL, "default" },
	{ NULL, NULL, "fr_CA.UTF-8", "French" },
	{ NULL, NULL, "pt_BR.UTF-8", "Brazilian" },
	{ NULL, NULL, "pt_PT@euro", "default" },
	{ NULL, "fr", "pt_BR", "French" },
	{ "C", "fr_FR", "pt_BR", "default" },
	{ "", "fr_FR", "pt_BR", "French" },
	{ NULL, "de_DE", "fr_FR", "default" },
	{ NULL, NULL, "f", "default" },
	{ "fr@x", NULL, NULL, "French" },
};

static void set_or_unset(const char *name, const char *value)
{
	assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void notes_are_in_the_users_language(void **state)
{
	struct library *lib;
	struct template *t;

	put_xz("a.xz");
	put_text("index", ENTRY("a", "x86_64", "notes=default\nnotes[fr]=French\nnotes[pt_BR]=Brazilian")
				  ENTRY("b", "x86_64", ""));
	put_xz("b.xz");
	lib = open_one(".");
	t = find(lib, "a", "x86_64");
	for (size_t i = 0; i < sizeof(locales) / sizeof(locales[0]); i++) {
		set_or_unset("LC_ALL", locales[i].lc_all);
		set_or_unset("LC_MESSAGES", locales[i].lc_messages);
		set_or_unset("LANG", locales[i].lang);
		assert_string_equal(template_notes(t), locales[i].notes);
	}
	template_unref(t);
	t = find(lib, "b", "x86_64");
	assert_null(template_notes(t));
	template_unref(t);
	library_close(lib);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(file_names_say_name_and_format),
		TEST(plain_file_wins_over_packed_one),
		TEST(exports_are_known_by_their_addresses),
		TEST(file_that_is_no_template_leaves_its_name_to_the_next),
		TEST(file_that_is_no_template_says_why),
		TEST(entry_that_is_no_template_says_why),
		TEST(reasons_are_few),
		TEST(names_that_goals_cannot_have_are_skipped),
		TEST(what_is_no_file_is_skipped),
		TEST(link_of_a_stranger_in_a_sticky_directory_is_not_followed),
		TEST(link_to_nothing_is_complained_about),
		TEST(first_bytes_say_what_a_file_is),
		TEST(what_is_said_to_be_raw_is_raw),
		TEST(real_tools_files_are_known),
		TEST(xz_ending_without_xz_data_is_dropped),
		TEST(directory_with_an_index_is_that_index),
		TEST(index_file_is_a_source),
		TEST(file_uris_are_sources),
		TEST(one_file_is_one_template_however_it_is_written),
		TEST(sources_that_cannot_be_are_refused),
		TEST(one_file_is_a_source),
		TEST(what_one_file_is_its_name_says_first),
		TEST(file_that_is_no_template_is_refused),
		TEST(medium_is_what_it_is_called),
		TEST(export_file_is_a_source),
		TEST(one_file_may_carry_its_checksum),
		TEST(of_two_files_with_one_name_the_hidden_one_is_named),
		TEST(one_file_comes_and_goes),
		TEST(index_larger_than_any_is_refused),
		TEST(signed_index_is_refused_while_signatures_are_checked),
		TEST(key_file_without_a_key_is_refused),
		TEST(signed_index_is_preferred_while_signatures_are_checked),
		TEST(plain_index_is_preferred_while_signatures_are_not_checked),
		TEST(bad_entries_cost_themselves),
		TEST(identity_follows_file_and_checksum),
		TEST(name_comes_before_alias),
		TEST(alias_holds_for_all_architectures_of_its_name),
		TEST(name_of_another_architecture_is_no_alias),
		TEST(highest_revision_wins),
		TEST(first_source_wins_among_equals),
		TEST(hidden_template_is_found),
		TEST(missing_template_is_explained),
		TEST(template_opens_after_the_library_closed),
		TEST(replaced_file_is_stale),
		TEST(grown_file_is_stale),
		TEST(touched_file_is_stale),
		TEST(removed_file_is_stale),
		TEST(pipe_in_its_place_is_refused_and_not_waited_for),
		TEST(moved_directory_still_serves),
		TEST(link_into_the_mountpoint_is_no_template),
		TEST(link_into_the_mountpoint_made_later_is_refused),
		TEST(library_below_its_own_mountpoint_serves),
		TEST(walk_follows_names_to_their_files),
		TEST(walk_ends_however_long_the_links_are),
		TEST(mount_over_the_library_hides_nothing_from_it),
		TEST(added_template_appears),
		TEST(removed_template_disappears),
		TEST(renamed_template_changes_its_name),
		TEST(replaced_template_is_another_one),
		TEST(unchanged_templates_stay_the_same_object),
		TEST(file_being_copied_is_not_there_yet),
		TEST(writer_that_never_closes_is_not_waited_for),
		TEST(hard_linked_and_linked_files_appear),
		TEST(index_replaced_by_rename_is_read),
		TEST(index_rewritten_in_place_is_read_when_it_is_complete),
		TEST(broken_index_leaves_what_was_known),
		TEST(scan_of_a_broken_index_keeps_the_old_templates),
		TEST(running_out_of_descriptors_costs_no_template),
		TEST(complaint_is_heard_once),
		TEST(file_behind_an_index_entry_is_watched),
		TEST(file_that_an_index_entry_waits_for_appears),
		TEST(index_that_comes_and_goes_decides),
		TEST(removed_index_file_takes_its_templates_until_it_is_back),
		TEST(directory_made_anew_is_the_source_again),
		TEST(empty_directory_made_anew_is_the_source_again),
		TEST(directory_exchanged_is_the_source),
		TEST(change_behind_a_link_is_noticed_when_it_is_met),
		TEST(target_of_a_link_is_watched),
		TEST(readers_and_changes_do_not_disturb_each_other),
		TEST(library_without_a_listener_is_not_watched),
		TEST(short_list_is_virt_builders),
		TEST(long_list_is_virt_builders),
		TEST(json_list_is_virt_builders),
		TEST(template_json_says_all),
		TEST(notes_are_in_the_users_language),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
