/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a remote object was, and whether it still is. */
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "backends/net/object.h"

#define URL  "http://example.org/a.xz"
#define DATE "Sat, 21 Nov 2026 10:00:00 GMT"

static struct net_head head_of(const char *etag, const char *last_modified, uint64_t length)
{
	return (struct net_head){
		.url = URL,
		.etag = etag,
		.last_modified = last_modified,
		.mtime = last_modified ? 1795255200 : -1,
		.has_length = length > 0,
		.length = length,
		.is_range = true,
	};
}

static struct object object_of(const char *url, struct net_head head)
{
	struct object o = { 0 };

	assert_int_equal(object_new(url, &head, &o, NULL), 0);
	return o;
}

static void is_what_the_answer_says(void **state)
{
	struct object o = object_of(URL, head_of("\"1\"", DATE, 1000));

	assert_string_equal(o.url, URL);
	assert_null(o.final_url);
	assert_string_equal(o.etag, "\"1\"");
	assert_string_equal(o.last_modified, DATE);
	assert_int_equal(o.mtime, 1795255200);
	assert_int_equal(o.length, 1000);
	assert_true(o.has_ranges);
	object_done(&o);
	o = object_of(URL, head_of(NULL, NULL, 1));
	assert_null(o.etag);
	assert_null(o.last_modified);
	assert_int_equal(o.mtime, -1);
	object_done(&o);
}

static void needs_a_length(void **state)
{
	struct net_head head = head_of("\"1\"", DATE, 0);
	struct object o = { 0 };
	struct why why = { "" };

	assert_int_equal(object_new(URL, &head, &o, &why), -EOPNOTSUPP);
	assert_string_equal(why.text, "the server does not say how long '" URL "' is");
	head.has_length = true;
	assert_int_equal(object_new(URL, &head, &o, &why), -EBADMSG);
	assert_string_equal(why.text, "'" URL "' is empty");
	assert_null(o.url);
}

static void remembers_where_redirects_led(void **state)
{
	static const struct {
		const char *url, *final;
	} rows[] = {
		{ "http://mirror.example.org/a.xz", URL },
		{ URL, NULL },
		/* Asked again each time: the final one stands there without what lets one in. */
		{ "http://user:password@mirror.example.org/a.xz", NULL },
		{ "http://mirror.example.org/a@b", URL },
		{ "s3://bucket/a.xz", NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object o = object_of(rows[i].url, head_of("\"1\"", DATE, 1000));

		if (rows[i].final)
			assert_string_equal(o.final_url, rows[i].final);
		else
			assert_null(o.final_url);
		object_done(&o);
	}
}

static void tells_the_same_from_another(void **state)
{
	static const struct {
		const char *etag, *date;
		uint64_t length;
		const char *etag2, *date2;
		uint64_t length2;
		const char *differs; /* NULL: nothing */
	} rows[] = {
		{ "\"1\"", DATE, 1000, "\"1\"", DATE, 1000, NULL },
		/* A strong ETag is all there is to know: mirrors have other dates for the same bytes. */
		{ "\"1\"", DATE, 1000, "\"1\"", "another", 1000, NULL },
		{ "\"1\"", DATE, 1000, "\"1\"", NULL, 1000, NULL },
		{ "\"1\"", NULL, 1000, "\"1\"", DATE, 0, NULL },
		{ "\"1\"", DATE, 1000, "\"2\"", DATE, 1000, "its ETag was \"1\", now it is \"2\"" },
		{ "\"1\"", DATE, 1000, NULL, DATE, 1000, "its ETag was \"1\", now it is missing" },
		{ NULL, DATE, 1000, "\"1\"", DATE, 1000, "its ETag was missing, now it is \"1\"" },
		{ "\"1\"", DATE, 1000, "W/\"1\"", DATE, 1000, "its ETag was \"1\", now it is W/\"1\"" },
		{ "\"1\"", DATE, 1000, "\"1\"", DATE, 1001, "it had 1000 bytes, now 1001" },
		{ "W/\"1\"", DATE, 1000, "W/\"1\"", DATE, 1000, NULL },
		{ "W/\"1\"", DATE, 1000, "W/\"1\"", "later", 1000, "it was of " DATE ", now it is of later" },
		{ "W/\"1\"", DATE, 1000, "W/\"1\"", NULL, 1000, "it was of " DATE ", now it is of no date" },
		{ NULL, DATE, 1000, NULL, DATE, 1000, NULL },
		{ NULL, DATE, 1000, NULL, DATE, 0, NULL },
		{ NULL, NULL, 1000, NULL, DATE, 1000, "it was of no date, now it is of " DATE },
		{ NULL, NULL, 1000, NULL, NULL, 1000, NULL },
		{ NULL, NULL, 1000, NULL, NULL, 999, "it had 1000 bytes, now 999" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct object o = object_of(URL, head_of(rows[i].etag, rows[i].date, rows[i].length));
		struct net_head head = head_of(rows[i].etag2, rows[i].date2, rows[i].length2);
		struct why why = { "" };
		char want[512];

		assert_int_equal(object_check(&o, &head, &why), rows[i].differs ? -ESTALE : 0);
		(void)snprintf(want, sizeof(want), "'" URL "' changed on its server: %s",
			       rows[i].differs ? rows[i].differs : "");
		assert_string_equal(why.text, rows[i].differs ? want : "");
		object_done(&o);
	}
}

static void assert_identity(struct net_head head, const char *want)
{
	struct object o = object_of(URL, head);
	_cleanup_free_ char *identity = object_identity(&o);

	assert_string_equal(identity, want);
	object_done(&o);
}

static void identity_holds_what_decides(void **state)
{
	assert_identity(head_of("\"1\"", DATE, 1000), "url:" URL " bytes=1000 etag=\"1\" modified=");
	assert_identity(head_of("W/\"1\"", DATE, 1000), "url:" URL " bytes=1000 etag=W/\"1\" modified=" DATE);
	assert_identity(head_of(NULL, DATE, 1000), "url:" URL " bytes=1000 etag= modified=" DATE);
	assert_identity(head_of(NULL, NULL, 1000), "url:" URL " bytes=1000 etag= modified=");
}

static void assert_same_text(const char *a, const char *b)
{
	assert_int_equal(a != NULL, b != NULL);
	if (a)
		assert_string_equal(a, b);
}

static void assert_round_trip(struct object *o)
{
	_cleanup_free_ char *bytes = NULL;
	struct object back = { 0 };
	size_t count;

	for (size_t i = 0; i < OBJECT_HEAD; i++)
		o->head[i] = (uint8_t)(i * 7);
	assert_int_equal(object_pack(o, &bytes, &count), 0);
	assert_int_equal(object_unpack(bytes, count, &back), 0);
	assert_same_text(back.url, o->url);
	assert_same_text(back.final_url, o->final_url);
	assert_same_text(back.etag, o->etag);
	assert_same_text(back.last_modified, o->last_modified);
	assert_int_equal(back.mtime, o->mtime);
	assert_int_equal(back.length, o->length);
	assert_int_equal(back.has_ranges, o->has_ranges);
	assert_memory_equal(back.head, o->head, OBJECT_HEAD);
	object_done(&back);
}

static void comes_back_as_it_was_packed(void **state)
{
	struct net_head head = head_of("W/\"1\"", DATE, UINT64_C(1) << 60);
	struct object o = object_of("http://mirror.example.org/a.xz", head);

	assert_round_trip(&o);
	object_done(&o);
	head = head_of(NULL, NULL, 1);
	head.is_range = false;
	o = object_of(URL, head);
	assert_round_trip(&o);
	object_done(&o);
}

/* In a buffer of its very length, so that a read behind it shows. */
static int unpack(const char *bytes, size_t count)
{
	_cleanup_free_ char *copy = malloc(count ? count : 1);
	struct object o = { 0 };
	int r;

	memcpy(copy, bytes, count);
	r = object_unpack(copy, count, &o);
	assert_int_equal(o.url != NULL, r == 0);
	object_done(&o);
	return r;
}

static void damaged_sidecars_are_refused(void **state)
{
	struct object o = object_of("http://mirror.example.org/a.xz", head_of("\"1\"", DATE, 1000));
	_cleanup_free_ char *bytes = NULL, *longer = NULL;
	size_t count, texts;

	assert_int_equal(object_pack(&o, &bytes, &count), 0);
	texts = count - 24 - OBJECT_HEAD;
	for (size_t n = 0; n < count; n++)
		assert_int_equal(unpack(bytes, n), -EBADMSG);
	assert_int_equal(unpack(bytes, count), 0);
	longer = calloc(1, count + 1);
	memcpy(longer, bytes, count);
	assert_int_equal(unpack(longer, count + 1), -EBADMSG);
	/* A NUL more or less moves all that follows. */
	for (size_t i = 0; i < texts; i++) {
		char was = bytes[i];

		bytes[i] = was ? '\0' : 'x';
		assert_int_equal(unpack(bytes, count), -EBADMSG);
		bytes[i] = was;
	}
	memset(bytes + texts + 8, 0, 8); /* no length */
	assert_int_equal(unpack(bytes, count), -EBADMSG);
	object_done(&o);
}

static void endless_texts_are_refused(void **state)
{
	struct object o = object_of(URL, head_of("\"1\"", DATE, 1000));
	_cleanup_free_ char *bytes = NULL;
	size_t count;

	free(o.etag);
	o.etag = calloc(1, 20000);
	memset(o.etag, 'x', 19999);
	assert_int_equal(object_pack(&o, &bytes, &count), 0);
	assert_int_equal(unpack(bytes, count), -EBADMSG);
	object_done(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_what_the_answer_says),	 cmocka_unit_test(needs_a_length),
		cmocka_unit_test(remembers_where_redirects_led), cmocka_unit_test(tells_the_same_from_another),
		cmocka_unit_test(identity_holds_what_decides),	 cmocka_unit_test(comes_back_as_it_was_packed),
		cmocka_unit_test(damaged_sidecars_are_refused),	 cmocka_unit_test(endless_texts_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
