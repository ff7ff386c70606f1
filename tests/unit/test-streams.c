/* SPDX-License-Identifier: GPL-2.0-or-later */
/* simplestreams: small trees in the shape of the real ones, and what may be wrong with one. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/library/private.h"
#include "backends/library/simplestreams.h"
#include "base/text.h"

/* What parses came to. */
struct outcome {
	int r;
	struct streams streams;
	struct index index;
	struct complaints said;
	struct why why;
};

/* An allocation of its own, so that reading past its end is seen. */
static char *copy_of(const char *bytes, size_t count)
{
	char *copy = malloc(count);

	assert_non_null(memcpy(copy, bytes, count));
	return copy;
}

static void parse_index(struct outcome *o, const char *text)
{
	char *copy = copy_of(text, strlen(text));

	*o = (struct outcome){ 0 };
	o->r = streams_parse(copy, strlen(text), "i.json", &o->streams, &o->said, &o->why);
	free(copy);
}

/* Adds to what is there. */
static void parse_products(struct outcome *o, const char *text)
{
	char *copy = copy_of(text, strlen(text));

	o->r = streams_products_parse(copy, strlen(text), "p.json", &o->index, &o->said, &o->why);
	free(copy);
}

static void outcome_done(struct outcome *o)
{
	streams_done(&o->streams);
	index_done(&o->index);
	complaints_done(&o->said);
}

static const char *said(const struct outcome *o)
{
	return o->said.lines.chars ? o->said.lines.chars : "";
}

/* "NAME/ARCH=FILE ..." */
static void assert_entries(const struct outcome *o, const char *want)
{
	struct text t = TEXT_EMPTY;

	assert_string_equal(o->why.text, "");
	assert_int_equal(o->r, 0);
	for (size_t i = 0; i < o->index.n; i++)
		text_add(&t, "%s%s/%s=%s", i ? " " : "", o->index.entry[i].template->name,
			 o->index.entry[i].template->arch, o->index.entry[i].file);
	assert_string_equal(t.chars ? t.chars : "", want);
	text_done(&t);
}

static void assert_aliases(const struct template *t, const char *want)
{
	struct text all = TEXT_EMPTY;

	for (char **alias = t->aliases; alias && *alias; alias++)
		text_add(&all, "%s%s", all.len ? " " : "", *alias);
	assert_string_equal(all.chars ? all.chars : "", want);
	text_done(&all);
}

/* The index. */

static const char ubuntu_index[] =
	"{\n"
	" \"format\": \"index:1.0\",\n"
	" \"index\": {\n"
	"  \"com.ubuntu.cloud:released:aws\": {\n"
	"   \"cloudname\": \"aws\", \"clouds\": [{\"endpoint\": \"https://ec2.sa-east-1.amazonaws.com\"}],\n"
	"   \"datatype\": \"image-ids\", \"format\": \"products:1.0\",\n"
	"   \"path\": \"streams/v1/com.ubuntu.cloud:released:aws.json\"\n"
	"  },\n"
	"  \"com.ubuntu.cloud:released:download\": {\n"
	"   \"datatype\": \"image-downloads\", \"format\": \"products:1.0\",\n"
	"   \"path\": \"streams/v1/com.ubuntu.cloud:released:download.json\",\n"
	"   \"products\": [ \"com.ubuntu.cloud:server:24.04:amd64\" ],\n"
	"   \"updated\": \"Tue, 23 Apr 2024 18:09:28 +0000\"\n"
	"  }\n"
	" },\n"
	" \"updated\": \"Tue, 23 Apr 2024 18:09:28 +0000\"\n"
	"}\n";

static void finds_where_the_downloads_are(void **state)
{
	struct outcome o;

	parse_index(&o, ubuntu_index);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.streams.n, 1);
	assert_string_equal(o.streams.path[0], "streams/v1/com.ubuntu.cloud:released:download.json");
	assert_string_equal(said(&o), "");
	outcome_done(&o);
}

#define MEMBER(path)  "{\"format\":\"products:1.0\",\"datatype\":\"image-downloads\"" path "}"
#define TREE(members) "{\"format\":\"index:1.0\",\"index\":{" members "}}"

/* Members "a", "b", ... of an index. */
static const char *const members[] = {
	MEMBER(""),
	MEMBER(",\"path\":1"),
	MEMBER(",\"path\":\"../x\""),
	MEMBER(",\"path\":\"http:\\/\\/h/x\""),
	MEMBER(",\"path\":\"x\\u0000y\""),
	"7",
	"null",
	MEMBER(",\"path\":\"good\""),
	MEMBER(",\"path\":\"good\""),
};

static void bad_member_costs_itself(void **state)
{
	struct text t = TEXT_EMPTY;
	struct outcome o;

	text_add(&t, "{\"format\":\"index:1.0\",\"index\":{");
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		text_add(&t, "%s\"%c\":%s", i ? "," : "", (char)('a' + i), members[i]);
	text_add(&t, "}}");
	parse_index(&o, t.chars);
	text_done(&t);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.streams.n, 1);
	assert_string_equal(o.streams.path[0], "good");
	assert_string_equal(said(&o),
			    "i.json: 'a': has no path\n"
			    "i.json: 'b': path is not a string\n"
			    "i.json: 'c': path '../x' leads out of the tree's directory\n"
			    "i.json: 'd': path 'http://h/x' is a URI, it must be a path relative to the tree\n"
			    "i.json: 'e': path holds a NUL\n");
	outcome_done(&o);
}

static const struct {
	const char *text, *why;
} no_index[] = {
	{ "", "'i.json' is cut off: its JSON does not end" },
	{ "{\"format\":\"index:1.0\"", "'i.json' is cut off: its JSON does not end" },
	{ "null\n", "'i.json' is not a JSON object" },
	{ "[]", "'i.json' is not a JSON object" },
	{ "<html>", "'i.json' is not JSON: unexpected character at byte 0" },
	{ "{}", "'i.json' is not of simplestreams' format index:1.0" },
	{ "{\"format\":\"products:1.0\",\"index\":{}}", "'i.json' is not of simplestreams' format index:1.0" },
	{ "{\"format\":[\"index:1.0\"],\"index\":{}}", "'i.json' is not of simplestreams' format index:1.0" },
	{ "{\"format\":\"index:1.0\"}", "'i.json' has no object 'index'" },
	{ "{\"format\":\"index:1.0\",\"index\":[]}", "'i.json' has no object 'index'" },
	{ "{\"format\":\"index:1.0\",\"index\":{\"a\":{},\"a\":{}}}",
	  "'i.json' has an object in which a key stands twice" },
	{ "{\"format\":\"index:2.0\",\"format\":\"index:1.0\",\"index\":{}}",
	  "'i.json' has an object in which a key stands twice" },
	{ "{\"format\":\"index:1.0\",\"index\":{\"a:\\\"\":{\"b\":1,\"b\":\":\"}}}",
	  "'i.json' has an object in which a key stands twice" },
	{ "{\"format\":\"index:1.0\",\"index\":{\"a\":1,\"\\u0061\":2}}",
	  "'i.json' has an object in which a key stands twice" },
	{ "{\"format\":\"index:1.0\",\"index\":{'a':1}}",
	  "'i.json' is not JSON: it holds what stands in strings only" },
	{ "{\"format\":\"index:1.0\",/* : */\"index\":{}}",
	  "'i.json' is not JSON: it holds what stands in strings only" },
};

static void refuses_what_is_no_index(void **state)
{
	for (size_t i = 0; i < sizeof(no_index) / sizeof(no_index[0]); i++) {
		struct outcome o;

		print_message("case %zu\n", i);
		parse_index(&o, no_index[i].text);
		assert_int_equal(o.r, -EBADMSG);
		assert_string_equal(o.why.text, no_index[i].why);
		assert_int_equal(o.streams.n, 0);
		outcome_done(&o);
	}
}

/* Whatever json-c calls it. */
static void refuses_text_behind_the_end(void **state)
{
	static const char *const texts[] = { TREE("") "x", TREE("") "{}", TREE("") "]", "{\"a\":1,}",
					     "{\"a\" 1}" };
	struct outcome o;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		parse_index(&o, texts[i]);
		assert_int_equal(o.r, -EBADMSG);
		assert_ptr_equal(strstr(o.why.text, "'i.json' is not JSON: "), o.why.text);
		outcome_done(&o);
	}
	parse_index(&o, TREE("") " \n\t\n");
	assert_int_equal(o.r, 0);
	outcome_done(&o);
}

static void refuses_a_nul(void **state)
{
	static const char text[] = TREE("") "\0x";
	struct complaints c = COMPLAINTS_NONE;
	struct streams streams;
	struct why why = { 0 };

	assert_int_equal(streams_parse(text, sizeof(text) - 1, "i.json", &streams, &c, &why), -EBADMSG);
	assert_string_equal(why.text, "'i.json' is not JSON: it holds what stands in strings only");
}

/* `n` times `one`, between `head` and `tail`. */
static char *repeated(const char *head, const char *one, size_t n, const char *tail)
{
	size_t length = strlen(one);
	char *text = malloc(strlen(head) + n * length + strlen(tail) + 1), *to;

	assert_non_null(text);
	to = mempcpy(text, head, strlen(head));
	for (size_t i = 0; i < n; i++)
		to = mempcpy(to, one, length);
	(void)strcpy(to, tail);
	return text;
}

static void refuses_what_would_grow_in_memory(void **state)
{
	static const struct {
		const char *head, *one;
		size_t n;
		const char *tail, *why;
		int r;
	} large[] = {
		{ "{\"a\":[", "[],", 200000, "0]}", "'i.json' has more than 131072 objects or 1048576 values",
		  -EFBIG },
		{ "{\"a\":[", "{},", 200000, "0]}", "'i.json' has more than 131072 objects or 1048576 values",
		  -EFBIG },
		{ "{\"a\":[", "1,", 1100000, "0]}", "'i.json' has more than 131072 objects or 1048576 values",
		  -EFBIG },
		{ "{\"a\":", "[", 40, "", "'i.json' is not JSON: nesting too deep at byte 36", -EBADMSG },
	};
	struct complaints c = COMPLAINTS_NONE;
	struct streams streams;
	struct why why = { 0 };

	for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++) {
		char *text = repeated(large[i].head, large[i].one, large[i].n, large[i].tail);
		struct outcome o;

		parse_index(&o, text);
		assert_int_equal(o.r, large[i].r);
		assert_string_equal(o.why.text, large[i].why);
		outcome_done(&o);
		free(text);
	}
	/* Only the count is looked at. */
	assert_int_equal(streams_parse("", INDEX_BYTES_MAX + 1, "i.json", &streams, &c, &why), -EFBIG);
	assert_string_equal(why.text, "'i.json' has 67108865 bytes, a file of a tree may have 67108864");
}

static void refuses_too_many_files(void **state)
{
	struct text t = TEXT_EMPTY;
	struct outcome o;

	text_add(&t, "{\"format\":\"index:1.0\",\"index\":{");
	for (unsigned i = 0; i <= STREAMS_PATHS_MAX; i++)
		text_add(&t, "%s\"%u\":" MEMBER(",\"path\":\"%u\""), i ? "," : "", i, i);
	text_add(&t, "}}");
	parse_index(&o, t.chars);
	assert_int_equal(o.r, -EFBIG);
	assert_string_equal(o.why.text, "'i.json' names more than 1024 files");
	assert_int_equal(o.streams.n, 0);
	outcome_done(&o);
	text_done(&t);
}

/* Products. */

#define SHA256 "32a9d30d18803da72f5936cf2b7b9efcb4d0bb63c67933f17e3bdfd1751de3f3"
#define HEX16  "0123456789abcdef"
#define SHA512 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16 HEX16

/* As https://cloud-images.ubuntu.com/releases has it. */
static const char ubuntu[] =
	"{\n"
	" \"content_id\": \"com.ubuntu.cloud:released:download\",\n"
	" \"datatype\": \"image-downloads\",\n"
	" \"format\": \"products:1.0\",\n"
	" \"license\": \"https://ubuntu.com/legal/intellectual-property-policy\",\n"
	" \"products\": {\n"
	"  \"com.ubuntu.cloud:server:10.10:amd64\": {\n"
	"   \"aliases\": \"10.10,m,maverick\", \"arch\": \"amd64\", \"os\": \"ubuntu\", \"version\": "
	"\"10.10\",\n"
	"   \"versions\": { \"20120410\": {\n"
	"    \"items\": { \"tar.gz\": { \"ftype\": \"tar.gz\", \"path\": \"x.tar.gz\", \"size\": 186758662 } "
	"},\n"
	"    \"pubname\": \"ubuntu-maverick-10.10-amd64-server-20120410\" } }\n"
	"  },\n"
	"  \"com.ubuntu.cloud:server:24.04:amd64\": {\n"
	"   \"aliases\": \"24.04,n,noble,lts,default\", \"arch\": \"amd64\", \"os\": \"ubuntu\",\n"
	"   \"release\": \"noble\", \"release_codename\": \"Noble Numbat\", \"release_title\": \"24.04 LTS\",\n"
	"   \"support_eol\": \"2029-05-31\", \"supported\": true, \"version\": \"24.04\",\n"
	"   \"versions\": {\n"
	"    \"20240423\": {\n"
	"     \"items\": {\n"
	"      \"disk1.img\": { \"ftype\": \"disk1.img\", \"md5\": \"b0dcd67e1\",\n"
	"       \"path\": \"server/releases/noble/release-20240423/ubuntu-24.04-server-cloudimg-amd64.img\",\n"
	"       \"sha256\": \"" SHA256 "\", \"size\": 603979776 },\n"
	"      \"lxd.tar.xz\": { \"ftype\": \"lxd.tar.xz\", \"path\": \"y\", \"size\": 812 }\n"
	"     },\n"
	"     \"label\": \"release\", \"pubname\": \"ubuntu-noble-24.04-amd64-server-20240423\"\n"
	"    },\n"
	"    \"20240416\": {\n"
	"     \"items\": { \"disk1.img\": { \"ftype\": \"disk1.img\", \"path\": \"old.img\", \"size\": 1 } },\n"
	"     \"pubname\": \"ubuntu-noble-24.04-amd64-server-20240416\"\n"
	"    },\n"
	"    \"20240501\": { \"items\": { \"manifest\": { \"ftype\": \"manifest\", \"path\": \"m\" } },\n"
	"     \"pubname\": \"ubuntu-noble-24.04-amd64-server-20240501\" }\n"
	"   }\n"
	"  },\n"
	"  \"com.ubuntu.cloud:server:24.04:arm64\": {\n"
	"   \"aliases\": \"24.04,n,noble,lts,default\", \"arch\": \"arm64\", \"os\": \"ubuntu\",\n"
	"   \"release_title\": \"24.04 LTS\",\n"
	"   \"versions\": { \"20240423\": { \"items\": { \"disk1.img\": { \"ftype\": \"disk1.img\",\n"
	"     \"path\": \"arm64.img\", \"size\": 5 } }, \"pubname\": "
	"\"ubuntu-noble-24.04-arm64-server-20240423\" } }\n"
	"  }\n"
	" },\n"
	" \"updated\": \"Tue, 23 Apr 2024 18:09:28 +0000\"\n"
	"}\n";

static void reads_ubuntu(void **state)
{
	struct outcome o = { 0 };
	const struct template *t;

	parse_products(&o, ubuntu);
	assert_entries(&o,
		       "ubuntu-noble-24.04-amd64-server-20240423/x86_64=server/releases/noble/release-20240423/"
		       "ubuntu-24.04-server-cloudimg-amd64.img "
		       "ubuntu-noble-24.04-arm64-server-20240423/aarch64=arm64.img");
	assert_string_equal(said(&o), "");
	t = o.index.entry[0].template;
	assert_string_equal(t->title, "ubuntu 24.04 LTS");
	assert_string_equal(t->checksum256, SHA256);
	assert_null(t->checksum);
	assert_null(t->format);
	assert_null(t->notes);
	assert_false(t->hidden);
	assert_int_equal(t->size, 0);
	assert_int_equal(t->compressed_size, 603979776);
	assert_int_equal(t->revision, INT64_C(2024042300000));
	assert_int_equal(o.index.entry[0].line, 0);
	assert_null(o.index.entry[0].sig);
	assert_aliases(t, "com.ubuntu.cloud-server-24.04-amd64 ubuntu-24.04 ubuntu-noble ubuntu-lts "
			  "ubuntu-default");
	assert_aliases(o.index.entry[1].template, "com.ubuntu.cloud-server-24.04-arm64 ubuntu-24.04 "
						  "ubuntu-noble ubuntu-lts ubuntu-default");
	outcome_done(&o);
}

/* As virt-builder's own test tree and https://download.cirros-cloud.net have it. */
static void reads_cirros(void **state)
{
	struct outcome o = { 0 };

	parse_products(
		&o, "{\"datatype\":\"image-downloads\",\"format\":\"products:1.0\",\"products\":{"
		    "\"net.cirros-cloud:standard:0.3:arm\":{\"arch\":\"arm\",\"versions\":{\"20150507\":{"
		    "\"items\":{"
		    "\"uec.tar.gz\":{\"ftype\":\"uec.tar.gz\",\"path\":\"0.3.4/cirros-0.3.4-arm-uec.tar.gz\"}},"
		    "\"pubname\":\"cirros-0.3.4-arm\",\"version\":\"0.3.4\"}}},"
		    "\"net.cirros-cloud:standard:0.3:powerpc\":{\"arch\":\"powerpc\",\"versions\":{"
		    "\"20150507\":{\"items\":{"
		    "\"disk.img\":{\"ftype\":\"disk.img\",\"path\":\"0.3.4/cirros-0.3.4-powerpc-disk.img\","
		    "\"sha256\":\"" SHA256 "\",\"sha512\":\"" SHA512
		    "\",\"md5\":\"79b4436412283bb63c2cba4ac796bcd9\","
		    "\"size\":17128960}},\"pubname\":\"cirros-0.3.4-powerpc\",\"version\":\"0.3.4\"}}}}}");
	assert_entries(&o, "cirros-0.3.4-powerpc/ppc=0.3.4/cirros-0.3.4-powerpc-disk.img");
	assert_string_equal(said(&o), "");
	assert_string_equal(o.index.entry[0].template->title, "cirros-0.3.4-powerpc");
	assert_string_equal(o.index.entry[0].template->checksum, SHA512);
	assert_string_equal(o.index.entry[0].template->checksum256, SHA256);
	assert_aliases(o.index.entry[0].template, "net.cirros-cloud-standard-0.3-powerpc");
	outcome_done(&o);
}

/* As https://images.linuxcontainers.org has it: no pubname, several variants of a release. */
static void reads_lxd(void **state)
{
	struct outcome o = { 0 };

	parse_products(
		&o,
		"{\"content_id\":\"images\",\"datatype\":\"image-downloads\",\"format\":\"products:1.0\","
		"\"products\":{"
		"\"ubuntu:noble:amd64:cloud\":{\"aliases\":\"ubuntu/noble/"
		"cloud\",\"arch\":\"amd64\",\"os\":\"Ubuntu\","
		"\"release\":\"noble\",\"release_title\":\"noble\",\"variant\":\"cloud\",\"versions\":{"
		"\"20260319_07:42\":{\"items\":{"
		"\"disk.20260318_07:42.qcow2.vcdiff\":{\"ftype\":\"disk-kvm.img.vcdiff\",\"path\":\"no\"},"
		"\"root.squashfs\":{\"ftype\":\"squashfs\",\"path\":\"no\"},"
		"\"disk.qcow2\":{\"ftype\":\"disk-kvm.img\",\"path\":\"images/ubuntu/noble/amd64/cloud/"
		"20260319_07:42/"
		"disk.qcow2\",\"size\":9}}}}},"
		"\"ubuntu:noble:amd64:default\":{\"aliases\":\"ubuntu/noble/default,ubuntu/"
		"noble\",\"arch\":\"amd64\","
		"\"os\":\"Ubuntu\",\"release\":\"noble\",\"release_title\":\"noble\",\"variant\":\"default\","
		"\"versions\":{\"20260319_07:42\":{\"items\":{\"disk.qcow2\":{\"ftype\":\"disk-kvm.img\","
		"\"path\":\"d.qcow2\"}}}}}}}");
	assert_entries(
		&o, "ubuntu-noble-amd64-cloud/x86_64=images/ubuntu/noble/amd64/cloud/20260319_07:42/disk.qcow2 "
		    "ubuntu-noble-amd64-default/x86_64=d.qcow2");
	assert_string_equal(said(&o), "");
	assert_aliases(o.index.entry[0].template, "ubuntu-noble-cloud");
	assert_aliases(o.index.entry[1].template, "ubuntu-noble-default ubuntu-noble");
	assert_string_equal(o.index.entry[0].template->title, "Ubuntu noble");
	assert_int_equal(o.index.entry[0].template->revision, 1);
	outcome_done(&o);
}

static void what_was_read_can_be_shown(void **state)
{
	struct outcome o = { 0 };
	struct text t = TEXT_EMPTY;

	parse_products(&o, ubuntu);
	o.index.entry[0].template->path = strdup("x");
	assert_int_equal(template_json(o.index.entry[0].template, 0, NULL, NULL, &t), 0);
	assert_non_null(strstr(t.chars, "\"sha256\": \"" SHA256 "\""));
	text_done(&t);
	outcome_done(&o);
}

#define PRODUCTS(products) "{\"format\":\"products:1.0\",\"products\":{" products "}}"
/* Product `id` for x86_64 with one version. */
#define PRODUCT(id, more, version, pubname, items)                                \
	"\"" id "\":{\"arch\":\"x86_64\"" more ",\"versions\":{\"" version "\":{" \
	"\"pubname\":\"" pubname "\",\"items\":{" items "}}}}"
#define DISK "\"disk1.img\":{\"path\":\"d\"}"

/* Several items; the path that is taken. */
static const struct {
	const char *items, *path;
} disks[] = {
	{ "\"disk.img\":{\"path\":\"1\"},\"disk1.img\":{\"path\":\"2\"}", "1" },
	{ "\"disk1.img\":{\"path\":\"1\"},\"disk.img\":{\"path\":\"2\"}", "1" },
	{ "\"a\":{\"ftype\":\"disk1.img\",\"path\":\"1\"},\"disk.img\":{\"ftype\":\"x\",\"path\":\"2\"}", "2" },
	{ "\"a\":{\"ftype\":\"disk-kvm.img\",\"path\":\"1\"},\"b\":{\"ftype\":\"disk1.img\",\"path\":\"2\"}",
	  "2" },
	{ "\"a\":{\"ftype\":\"qcow2\",\"path\":\"1\"},\"b\":{\"ftype\":\"disk-kvm.img\",\"path\":\"2\"}", "2" },
	{ "\"a\":{\"ftype\":\"uefi1.img\",\"path\":\"1\"},\"b\":{\"ftype\":\"x.qcow2\",\"path\":\"2\"}", "2" },
	{ "\"a\":{\"ftype\":\"tar.gz\",\"path\":\"1\"},\"b\":{\"ftype\":\"uefi1.img\",\"path\":\"2\"}", "2" },
	{ "\"a\":{\"ftype\":\"qcow2\",\"path\":\"1\"},\"b\":{\"ftype\":\"qcow2\",\"path\":\"2\"}", "1" },
	{ "\"disk.img\":7,\"a\":null,\"b\":{\"ftype\":1},\"c\":{\"ftype\":\"qcow2\",\"path\":\"2\"}", "2" },
};

static void takes_the_best_disk_image(void **state)
{
	for (size_t i = 0; i < sizeof(disks) / sizeof(disks[0]); i++) {
		struct outcome o = { 0 };
		char *text;

		assert_true(asprintf(&text, PRODUCTS(PRODUCT("i", "", "1", "n", "%s")), disks[i].items) > 0);
		parse_products(&o, text);
		assert_int_equal(o.index.n, 1);
		assert_string_equal(o.index.entry[0].file, disks[i].path);
		outcome_done(&o);
		free(text);
	}
}

static const struct {
	const char *version;
	int64_t revision;
} revisions[] = {
	{ "0", 0 },
	{ "1", 100000 },
	{ "20240423", INT64_C(2024042300000) },
	{ "20240423.1", INT64_C(2024042300100) },
	{ "20240423.2", INT64_C(2024042300200) },
	{ "20240423.10", INT64_C(2024042301000) },
	{ "20240423.10.3", INT64_C(2024042301003) },
	{ "20240423.10.3.7", INT64_C(2024042301003) },
	{ "20240423.5000.3", INT64_C(2024042399903) },
	{ "20240424", INT64_C(2024042400000) },
	{ "20240423074200", INT64_C(2024042307420000000) },
	{ "20240423074200.1", INT64_C(2024042307420000100) },
	{ "99999999999999999999999999", INT64_C(9000000000000000000) },
	{ "99999999999999999999999999.99999.99999", INT64_C(9000000000000099999) },
	{ "20260319_07:42", 1 },
	{ ".5", 1 },
	{ "v1", 1 },
	{ "", 1 },
};

static void revision_grows_with_the_version(void **state)
{
	for (size_t i = 0; i < sizeof(revisions) / sizeof(revisions[0]); i++) {
		struct outcome o = { 0 };
		char *text;

		assert_true(asprintf(&text, PRODUCTS(PRODUCT("i", "", "%s", "n", DISK)), revisions[i].version) >
			    0);
		parse_products(&o, text);
		assert_int_equal(o.index.n, 1);
		assert_true(o.index.entry[0].template->revision == revisions[i].revision);
		outcome_done(&o);
		free(text);
	}
}

#define LONG50	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define LONG200 LONG50 LONG50 LONG50 LONG50

/* One product that is bad; the good one behind it stays. */
static const struct {
	const char *product, *said;
} bad[] = {
	{ "\"b\":7", "is not an object" },
	{ "\"b\":{}", "has no versions" },
	{ "\"b\":{\"versions\":[]}", "has no versions" },
	{ "\"b\":{\"versions\":{\"1\":{\"items\":{" DISK "}}}}", "has no arch" },
	{ "\"b\":{\"arch\":7,\"versions\":{\"1\":{\"items\":{" DISK "}}}}", "arch is not a string" },
	{ "\"b\":{\"arch\":\"pdp11\",\"versions\":{\"1\":{\"items\":{" DISK "}}}}",
	  "arch 'pdp11' is not known" },
	{ PRODUCT("b", ",\"os\":{}", "1", "n", DISK), "os is not a string" },
	{ PRODUCT("b", ",\"os\":\"x\\u0000y\"", "1", "n", DISK), "os holds a NUL" },
	{ PRODUCT("b", ",\"aliases\":[\"x\"]", "1", "n", DISK), "aliases is not a string" },
	{ PRODUCT("b", "", "1", "", DISK), "the name '' can't be part of a file name" },
	{ PRODUCT("b", "", "1", "..", DISK), "the name '..' can't be part of a file name" },
	{ PRODUCT("b", "", "1", LONG200 "a", DISK),
	  "the name 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...' can't be part of a file name" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{}"), "has a disk image without a path" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"\"}"), "path is empty" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"/x\"}"),
	  "path '/x' begins with '/', it must be a path relative to the tree" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"a/../../x\"}"),
	  "path 'a/../../x' leads out of the tree's directory" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"a\\u001b[2J\"}"),
	  "path 'a\\x1b[2J' holds a control character" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"size\":\"7\"}"),
	  "size is not a whole number" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"size\":1.5}"),
	  "size is not a whole number" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"size\":-1}"), "size -1 is out of range" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"sha256\":\"12\"}"),
	  "sha256 '12' is not a SHA-256 in 64 hexadecimal digits" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"sha256\":null}"),
	  "sha256 is not a string" },
	{ PRODUCT("b", "", "1", "n", "\"disk.img\":{\"path\":\"x\",\"sha512\":\"" SHA256 "\"}"),
	  "sha512 '32a9d30d18803da72f5936cf2b7b9efcb4d0bb63c67933f1...' is not a SHA-512 in 128 hexadecimal "
	  "digits" },
};

static void bad_product_costs_itself(void **state)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct outcome o = { 0 };
		char *text, *complaint;

		print_message("case %zu\n", i);
		assert_true(asprintf(&text, PRODUCTS("%s," PRODUCT("g", "", "1", "good", DISK)),
				     bad[i].product) > 0);
		assert_true(asprintf(&complaint, "p.json: product 'b': %s\n", bad[i].said) > 0);
		parse_products(&o, text);
		assert_entries(&o, "good/x86_64=d");
		assert_string_equal(said(&o), complaint);
		outcome_done(&o);
		free(complaint);
		free(text);
	}
}

static void names_and_aliases_are_legal(void **state)
{
	struct outcome o = { 0 };

	parse_products(&o,
		       PRODUCTS(PRODUCT("a:b c",
					",\"os\":\"My OS\",\"aliases\":\" x@1 ,,\xc3\xa4,my os/z,my oss,x@1\"",
					"1", "Big,Name:1@2", DISK)));
	assert_entries(&o, "Big-Name-1-2/x86_64=d");
	assert_aliases(o.index.entry[0].template, "a-b-c my-os-x-1 my-os--- my-os-z my-os-my-oss");
	outcome_done(&o);
}

static void uppercase_hashes_are_lowered(void **state)
{
	struct outcome o = { 0 };

	parse_products(
		&o,
		PRODUCTS(PRODUCT("a", "", "1", "n",
				 "\"disk.img\":{\"path\":\"x\",\"sha256\":\"ABCDEF0123456789" HEX16 HEX16 HEX16
				 "\"}")));
	assert_entries(&o, "n/x86_64=x");
	assert_string_equal(o.index.entry[0].template->checksum256, "abcdef0123456789" HEX16 HEX16 HEX16);
	outcome_done(&o);
}

static void long_ids_give_no_alias(void **state)
{
	struct outcome o = { 0 };

	parse_products(&o, PRODUCTS(PRODUCT(LONG200 ":a", "", "1", "n", DISK)));
	assert_entries(&o, "n/x86_64=d");
	assert_null(o.index.entry[0].template->aliases);
	outcome_done(&o);
}

static void first_of_equal_names_stays(void **state)
{
	struct outcome o = { 0 };

	parse_products(&o, PRODUCTS(PRODUCT("z", "", "1", "n", "\"disk.img\":{\"path\":\"1\"}") "," PRODUCT(
				   "y", "", "2", "n", "\"disk.img\":{\"path\":\"2\"}")));
	assert_entries(&o, "n/x86_64=1");
	parse_products(&o, PRODUCTS(PRODUCT("x", "", "3", "n", "\"disk.img\":{\"path\":\"3\"}") "," PRODUCT(
				   "w", "", "3", "m", "\"disk.img\":{\"path\":\"4\"}")));
	assert_entries(&o, "n/x86_64=1 m/x86_64=4");
	assert_string_equal(said(&o), "p.json: product 'y': another one is called 'n' for x86_64 already\n"
				      "p.json: product 'x': another one is called 'n' for x86_64 already\n");
	outcome_done(&o);
}

static void names_of_others_are_no_aliases(void **state)
{
	struct outcome o = { 0 };

	parse_products(&o, PRODUCTS(PRODUCT("a", ",\"os\":\"os\",\"aliases\":\"bb,cc,dd\"", "1", "n", DISK)));
	assert_aliases(o.index.entry[0].template, "a os-bb os-cc os-dd");
	parse_products(&o, PRODUCTS(PRODUCT("n", ",\"os\":\"os\",\"aliases\":\"dd\"", "1", "os-cc", DISK)));
	assert_aliases(o.index.entry[0].template, "a os-bb os-dd");
	assert_aliases(o.index.entry[1].template, "os-dd");
	outcome_done(&o);
}

static void refused_file_leaves_what_was_there(void **state)
{
	struct outcome o = { 0 };

	parse_products(&o, PRODUCTS(PRODUCT("a", "", "1", "n", DISK)));
	parse_products(&o, PRODUCTS(PRODUCT("b", "", "1", "m", DISK) "," PRODUCT("b", "", "2", "m", DISK)));
	assert_int_equal(o.r, -EBADMSG);
	assert_string_equal(o.why.text, "'p.json' has an object in which a key stands twice");
	assert_int_equal(o.index.n, 1);
	parse_products(&o, "{\"format\":\"products:1.0\",\"products\":[]}");
	assert_int_equal(o.r, -EBADMSG);
	assert_string_equal(o.why.text, "'p.json' has no object 'products'");
	parse_products(&o, "{\"format\":\"index:1.0\",\"products\":{}}");
	assert_int_equal(o.r, -EBADMSG);
	assert_string_equal(o.why.text, "'p.json' is not of simplestreams' format products:1.0");
	assert_int_equal(o.index.n, 1);
	outcome_done(&o);
}

/* Wherever it is cut, it is an error and not fewer products. */
static void every_cut_is_noticed(void **state)
{
	for (size_t n = 0; n < sizeof(ubuntu) - 2; n++) {
		struct outcome o = { 0 };
		char *copy = copy_of(ubuntu, n ? n : 1);

		o.r = streams_products_parse(copy, n, "p.json", &o.index, &o.said, &o.why);
		assert_int_equal(o.r, -EBADMSG);
		assert_int_equal(o.index.n, 0);
		outcome_done(&o);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_where_the_downloads_are),
		cmocka_unit_test(bad_member_costs_itself),
		cmocka_unit_test(refuses_what_is_no_index),
		cmocka_unit_test(refuses_text_behind_the_end),
		cmocka_unit_test(refuses_a_nul),
		cmocka_unit_test(refuses_what_would_grow_in_memory),
		cmocka_unit_test(refuses_too_many_files),
		cmocka_unit_test(reads_ubuntu),
		cmocka_unit_test(reads_cirros),
		cmocka_unit_test(reads_lxd),
		cmocka_unit_test(what_was_read_can_be_shown),
		cmocka_unit_test(takes_the_best_disk_image),
		cmocka_unit_test(revision_grows_with_the_version),
		cmocka_unit_test(bad_product_costs_itself),
		cmocka_unit_test(names_and_aliases_are_legal),
		cmocka_unit_test(uppercase_hashes_are_lowered),
		cmocka_unit_test(long_ids_give_no_alias),
		cmocka_unit_test(first_of_equal_names_stays),
		cmocka_unit_test(names_of_others_are_no_aliases),
		cmocka_unit_test(refused_file_leaves_what_was_there),
		cmocka_unit_test(every_cut_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
