/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Meeting remote templates: what is asked, what is remembered, and for how long. */
#include "tests/unit/test.h"

#include <pthread.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "backends/library/private.h"
#include "backends/source/http.h"
#include "base/patience.h"
#include "tests/unit/far.h"

#define SIZE	 (MiB + 12345)
#define CHECKSUM "00112233"

static int setup(void **state)
{
	struct far *far = far_new();

	far_write(far, SIZE, 1);
	far_serve(far, NULL);
	far_open_net(far);
	bench_open_store(far->bench);
	far->bench->context.net = far->net;
	*state = far;
	return 0;
}

static int teardown(void **state)
{
	far_free(*state);
	return 0;
}

/* As the library makes it of an entry that promises `checksum` (NULL: nothing). */
static struct template *template_at(struct far *far, const char *faults, const char *checksum)
{
	_cleanup_free_ char *url = peer_url(&far->peer, "%s/file", faults);
	struct template *t = template_new();

	t->name = strdup("a");
	t->arch = strdup("x86_64");
	t->checksum = checksum ? strdup(checksum) : NULL;
	assert_int_equal(template_attach_url(t, url, "", &(struct timespec){ 0 }), 0);
	return t;
}

static struct template *meet(struct far *far, struct template *t)
{
	struct template *met;
	struct why why = { "" };
	int r = http_meet(&far->bench->context, t, &met, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return met;
}

static void assert_meets(struct far *far, struct template *t, unsigned requests)
{
	struct template *met = meet(far, t);

	assert_int_equal(met->bytes, far->size);
	assert_non_null(met->identity);
	template_unref(met);
	assert_int_equal(far_stats(far).requests, requests);
}

static void assert_no_meeting(struct far *far, struct template *t, int error, const char *part)
{
	struct template *met = NULL;
	struct why why = { "" };

	assert_int_equal(http_meet(&far->bench->context, t, &met, &why), error);
	assert_non_null(strstr(why.text, part));
	assert_null(met);
}

static struct image *open_met(struct far *far, struct template *met)
{
	const struct opening opening = { .context = &far->bench->context, .template = met };
	struct image *img;
	struct why why = { "" };

	if (http_backend.open(&opening, NULL, &img, &why) < 0)
		fail_msg("%s", why.text);
	return img;
}

/* Another daemon, later. */
static void restart(struct far *far)
{
	bench_close_store(far->bench);
	bench_open_store(far->bench);
}

#define STANDS_FOR "sha512:" CHECKSUM "\nformat= size=0 expand=0 lvexpand="

static void a_meeting_tells_what_it_is(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", CHECKSUM), *met;

	assert_null(t->identity);
	assert_null(template_met(t));
	assert_string_equal(t->stands_for, STANDS_FOR);
	met = meet(far, t);
	assert_int_equal(met->bytes, SIZE);
	assert_null(met->format); /* the first bytes of a raw disk tell nothing */
	assert_null(met->codec);
	assert_string_equal(met->stands_for, STANDS_FOR);
	assert_int_equal(strncmp(met->identity, "sha512:" CHECKSUM " url:http://", 27), 0);
	assert_memory_equal(met->object->head, far->bytes, OBJECT_HEAD);
	template_unref(met);
	met = template_met(t);
	assert_non_null(met);
	template_unref(met);
	assert_int_equal(far_stats(far).requests, 1);
	/* Nobody asks twice. */
	assert_meets(far, t, 0);
	template_unref(t);
}

/* One connection and one request: the first chunk is there afterwards, and the connection goes on. */
static void the_first_chunk_is_not_fetched_again(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", CHECKSUM), *met = meet(far, t);
	struct image *img = open_met(far, met);
	struct far_stats s;

	far_assert_reads(far, img, 0, FETCH_CHUNK);
	far_assert_reads(far, img, 5 * FETCH_CHUNK, FETCH_CHUNK);
	s = far_stats(far);
	assert_int_equal(s.requests, 2);
	assert_int_equal(s.connections, 1);
	assert_int_equal(s.bytes, 2 * FETCH_CHUNK);
	image_unref(img);
	template_unref(met);
	template_unref(t);
}

struct guest {
	pthread_t thread;
	struct far *far;
	struct template *t, *met;
};

static void *meet_as_guest(void *arg)
{
	struct guest *g = arg;

	g->met = meet(g->far, g->t);
	return NULL;
}

static void several_who_meet_it_at_once_ask_once(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "/fault/drip:8192,20", NULL);
	struct guest guest[4];

	for (size_t i = 0; i < 4; i++) {
		guest[i] = (struct guest){ .far = far, .t = t };
		assert_int_equal(pthread_create(&guest[i].thread, NULL, meet_as_guest, &guest[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(pthread_join(guest[i].thread, NULL), 0);
		assert_ptr_equal(guest[i].met, guest[0].met);
		template_unref(guest[i].met);
	}
	assert_int_equal(far_stats(far).requests, 1);
	template_unref(t);
}

static void an_object_of_one_chunk(void **state)
{
	struct far *far = *state;
	struct template *t, *met;
	struct image *img;

	far_write(far, 1000, 5);
	t = template_at(far, "", CHECKSUM);
	met = meet(far, t);
	img = open_met(far, met);
	far_assert_reads_all(far, img, 300);
	assert_int_equal(far_stats(far).requests, 1);
	image_unref(img);
	template_unref(met);
	template_unref(t);
}

static void servers_that_know_no_ranges(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "/fault/no-range", CHECKSUM), *met = meet(far, t);
	struct image *img = open_met(far, met);

	assert_false(met->object->has_ranges);
	far_assert_reads_all(far, img, 100000);
	image_unref(img);
	template_unref(met);
	template_unref(t);
}

/* What is promised is asked for once, for all daemons to come; what isn't, once by each. */
static void it_is_remembered_over_a_restart(void **state)
{
	struct far *far = *state;

	for (int promised = 0; promised < 2; promised++) {
		const char *checksum = promised ? CHECKSUM : NULL;
		/* Its own URL: the memory is the URL's. */
		struct template *t = template_at(far, promised ? "/fault/head:1" : "", checksum);

		assert_meets(far, t, 1);
		template_unref(t);
		restart(far);
		t = template_at(far, promised ? "/fault/head:1" : "", checksum);
		assert_meets(far, t, promised ? 0 : 1);
		assert_int_equal(far_stats(far).bytes, 0);
		template_unref(t);
	}
}

static void it_is_taken_for_what_it_was_while_nobody_answers(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", NULL);

	assert_meets(far, t, 1);
	template_unref(t);
	t = template_at(far, "", NULL);
	peer_stop(&far->peer);
	template_unref(meet(far, t));
	template_unref(t);
	/* Nobody knows this one. */
	t = template_at(far, "/other", NULL);
	assert_no_meeting(far, t, -EHOSTUNREACH, "can't be reached");
	template_unref(t);
}

static void a_server_that_has_no_such_file_is_believed(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", NULL);
	_cleanup_free_ char *path = text_new("%s/file", far->www);

	assert_meets(far, t, 1);
	template_unref(t);
	assert_int_equal(remove(path), 0);
	t = template_at(far, "", NULL);
	assert_no_meeting(far, t, -ENOENT, "answers 404");
	template_unref(t);
}

static void what_changed_is_met_anew(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", NULL);

	assert_meets(far, t, 1);
	template_unref(t);
	far_write(far, 2 * MiB, 2);
	t = template_at(far, "", NULL);
	assert_meets(far, t, 1);
	template_unref(t);
}

/* The promise holds until the server says otherwise; then http_forget lets it be asked. */
static void what_was_promised_may_change_too(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", CHECKSUM), *met = meet(far, t);
	struct image *img = open_met(far, met);

	far_write(far, 2 * MiB, 2);
	far_assert_fails(img, MiB, 1, -ESTALE, "changed on its server");
	image_unref(img);
	template_unref(met);
	http_forget(&far->bench->context, t);
	assert_null(template_met(t));
	met = meet(far, t);
	img = open_met(far, met);
	far_assert_reads_all(far, img, 100000);
	image_unref(img);
	template_unref(met);
	template_unref(t);
}

/* As a hotel's network answers. What can't be a template is nothing to remember. */
static void what_is_no_template_is_not_remembered(void **state)
{
	static const char zip[] = "PK\3\4";
	struct far *far = *state;
	struct template *t = template_at(far, "", CHECKSUM);

	far_put(far, "file", zip, sizeof(zip));
	assert_no_meeting(far, t, -EOPNOTSUPP, "is zip data");
	template_unref(t);
	restart(far);
	far_write(far, SIZE, 1);
	t = template_at(far, "", CHECKSUM);
	assert_meets(far, t, 2);
	template_unref(t);
}

static void empty_and_endless_files(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "/fault/chunked+no-range", CHECKSUM);

	assert_no_meeting(far, t, -EOPNOTSUPP, "does not say how long");
	template_unref(t);
	far_put(far, "file", "", 0);
	t = template_at(far, "", CHECKSUM);
	assert_no_meeting(far, t, -EBADMSG, "is empty");
	template_unref(t);
}

static void a_recheck_tells_what_changed(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "", CHECKSUM), *met = meet(far, t), *again;
	struct why why = { "" };

	assert_int_equal(http_recheck(&far->bench->context, t, met, &why), 0);
	far_write(far, 2 * MiB, 2);
	assert_int_equal(http_recheck(&far->bench->context, t, met, &why), 1);
	again = meet(far, t);
	assert_int_equal(again->bytes, 2 * MiB);
	assert_int_equal(http_recheck(&far->bench->context, t, again, &why), 0);
	peer_stop(&far->peer);
	assert_int_equal(http_recheck(&far->bench->context, t, again, &why), -EHOSTUNREACH);
	template_unref(again);
	template_unref(met);
	template_unref(t);
}

static bool is_lost(void *arg)
{
	return true;
}

static void who_loses_patience_leaves(void **state)
{
	struct far *far = *state;
	struct template *t = template_at(far, "/fault/stall:-1", CHECKSUM);

	far_close_net(far);
	far->options.stall_ms = 3600 * 1000;
	far_open_net(far);
	far->bench->context.net = far->net;
	patience_set(is_lost, NULL);
	assert_no_meeting(far, t, -EINTR, "given up waiting for 'http://");
	patience_set(NULL, NULL);
	template_unref(t);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_meeting_tells_what_it_is),
		TEST(the_first_chunk_is_not_fetched_again),
		TEST(several_who_meet_it_at_once_ask_once),
		TEST(an_object_of_one_chunk),
		TEST(servers_that_know_no_ranges),
		TEST(it_is_remembered_over_a_restart),
		TEST(it_is_taken_for_what_it_was_while_nobody_answers),
		TEST(a_server_that_has_no_such_file_is_believed),
		TEST(what_changed_is_met_anew),
		TEST(what_was_promised_may_change_too),
		TEST(what_is_no_template_is_not_remembered),
		TEST(empty_and_endless_files),
		TEST(a_recheck_tells_what_changed),
		TEST(who_loses_patience_leaves),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
