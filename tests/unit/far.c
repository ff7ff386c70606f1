/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/far.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "tests/unit/test.h"

struct far *far_new(void)
{
	struct far *far = calloc(1, sizeof(*far));

	assert_non_null(far);
	assert_int_equal(bench_set_up((void **)&far->bench), 0);
	(void)snprintf(far->www, sizeof(far->www), "%s/www", far->bench->dir);
	assert_int_equal(mkdir(far->www, 0700), 0);
	far->options = (struct net_options){
		.connect_ms = 5000,
		.stall_ms = 1000,
		.tries = 3,
		.first_pause_ms = 10,
	};
	return far;
}

void far_free(struct far *far)
{
	for (size_t i = 0; i < sizeof(far->open) / sizeof(far->open[0]); i++)
		image_unref(far->open[i]);
	bench_close_store(far->bench);
	net_free(far->net);
	peer_stop(&far->peer);
	(void)bench_tear_down((void **)&far->bench);
	free(far->bytes);
	free(far);
}

void far_put(struct far *far, const char *name, const void *bytes, size_t count)
{
	_cleanup_free_ char *path = text_new("%s/%s", far->www, name), *tmp = text_new("%s.tmp", path);
	_cleanup_fclose_ FILE *f = fopen(tmp, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	assert_int_equal(fflush(f), 0);
	assert_int_equal(rename(tmp, path), 0);
}

void far_write(struct far *far, uint64_t size, uint64_t seed)
{
	uint64_t x = seed;

	free(far->bytes);
	far->bytes = malloc(size + 8);
	assert_non_null(far->bytes);
	far->size = size;
	for (uint64_t i = 0; i < size; i += 8) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		put_le64(far->bytes + i, x ^ x >> 29);
	}
	far_put(far, "file", far->bytes, size);
}

void far_serve(struct far *far, const char *const *options)
{
	far->peer = peer_faulty(far->www, options);
}

void far_open_net(struct far *far)
{
	struct why why = { "" };

	if (!far->net && net_new(&far->options, &far->net, &why) < 0)
		fail_msg("%s", why.text);
}

void far_close_net(struct far *far)
{
	net_free(far->net);
	far->net = NULL;
	far->bytes_before = 0;
}

/* ---- what the server has counted ---- */

static uint64_t number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	assert_non_null(at);
	return strtoull(at + strlen(key), NULL, 10);
}

static struct far_stats ask_stats(struct far *far, struct net *net, const char *path)
{
	_cleanup_(net_body_done) struct net_body body = { 0 };
	_cleanup_free_ char *url = peer_url(&far->peer, "%s", path);
	const struct net_request request = { .url = url, .proxy = "" };
	struct why why = { "" };

	if (net_get(net, &request, MiB, &body, &why) < 0)
		fail_msg("%s", why.text);
	return (struct far_stats){
		.requests = (unsigned)number_behind(body.bytes, "\"requests\": "),
		.connections = (unsigned)number_behind(body.bytes, "\"connections\": "),
		.in_flight_most = (unsigned)number_behind(body.bytes, "\"in_flight_most\": "),
		.bytes = number_behind(body.bytes, "\"bytes\": "),
	};
}

struct far_stats far_peek(struct far *far)
{
	_cleanup_(net_freep) struct net *net = NULL;

	assert_int_equal(net_new(NULL, &net, NULL), 0);
	return ask_stats(far, net, "/stats");
}

/* By an engine of its own. The server counts what it sent a moment after it was sent. */
struct far_stats far_stats(struct far *far)
{
	_cleanup_(net_freep) struct net *net = NULL;
	struct net_figures figures = { 0 };

	assert_int_equal(net_new(NULL, &net, NULL), 0);
	if (far->net)
		net_figures(far->net, &figures);
	while (ask_stats(far, net, "/stats").bytes < figures.bytes - far->bytes_before)
		(void)usleep(1000);
	far->bytes_before = figures.bytes;
	return ask_stats(far, net, "/reset");
}

/* ---- meeting it ---- */

struct meeting {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	const char *url;
	struct object object;
	bool is_done;
	int error;
	struct why why;
};

static int on_head(void *arg, const struct net_head *head, struct why *why)
{
	struct meeting *m = arg;
	int r = object_new(m->url, head, &m->object, why);

	/* A server that ignores ranges would send all of it. */
	return r < 0 || head->is_range ? r : -ECANCELED;
}

static void on_done(void *arg, int error, const struct why *why)
{
	struct meeting *m = arg;

	(void)pthread_mutex_lock(&m->lock);
	m->is_done = true;
	m->error = error;
	m->why = *why;
	(void)pthread_cond_signal(&m->moved);
	(void)pthread_mutex_unlock(&m->lock);
}

struct object far_object(struct far *far, const char *faults)
{
	static const struct net_events events = { .head = on_head, .done = on_done };
	_cleanup_free_ char *url = peer_url(&far->peer, "%s/file", faults);
	struct meeting m = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, .url = url };
	const struct net_request request = { .url = url, .proxy = "", .length = 1 };
	struct why why = { "" };

	far_open_net(far);
	if (net_start(far->net, &request, &events, &m, NULL, &why) < 0)
		fail_msg("%s", why.text);
	(void)pthread_mutex_lock(&m.lock);
	while (!m.is_done)
		(void)pthread_cond_wait(&m.moved, &m.lock);
	(void)pthread_mutex_unlock(&m.lock);
	if (m.error < 0 && m.error != -ECANCELED)
		fail_msg("%s", m.why.text);
	return m.object;
}

struct image *far_image(struct far *far, const char *name, const struct object *object)
{
	_cleanup_free_ char *identity = text_new(STORE_FETCHED "%s", name);
	struct why why = { "" };
	struct image *img;

	far_open_net(far);
	bench_open_store(far->bench);
	if (fetched_image_new(far->bench->context.store, far->net, identity, object, object->url, "", NULL, 0,
			      &img, &why) < 0)
		fail_msg("%s", why.text);
	for (size_t i = 0;; i++) {
		assert_true(i < sizeof(far->open) / sizeof(far->open[0]));
		if (!far->open[i])
			return far->open[i] = img;
	}
}

void far_close(struct far *far, struct image *img)
{
	for (size_t i = 0; i < sizeof(far->open) / sizeof(far->open[0]); i++)
		if (far->open[i] == img)
			far->open[i] = NULL;
	image_unref(img);
}

struct image *far_open(struct far *far, const char *meet, const char *faults)
{
	struct object o = far_object(far, meet ? meet : faults);
	struct image *img;

	free(o.url);
	o.url = peer_url(&far->peer, "%s/file", faults);
	(void)far_stats(far);
	img = far_image(far, "a", &o);
	object_done(&o);
	return img;
}

/* ---- reading it ---- */

void far_assert_reads(struct far *far, struct image *img, uint64_t offset, size_t count)
{
	_cleanup_free_ uint8_t *have = malloc(count + 1);
	struct why why = { "" };
	int r;

	memset(have, 0xee, count);
	r = image_pread(img, have, count, offset, &why);
	if (r < 0)
		fail_msg("read of %zu at %" PRIu64 ": %s", count, offset, why_text(&why, r));
	if (memcmp(have, far->bytes + offset, count) != 0)
		fail_msg("wrong bytes in %zu at %" PRIu64, count, offset);
}

void far_assert_reads_all(struct far *far, struct image *img, size_t step)
{
	for (uint64_t at = 0; at < far->size; at += step)
		far_assert_reads(far, img, at, min_u64(step, far->size - at));
}

void far_assert_fails(struct image *img, uint64_t offset, size_t count, int error, const char *part)
{
	_cleanup_free_ uint8_t *buf = malloc(count);
	struct why why = { "" };
	int r = image_pread(img, buf, count, offset, &why);

	if (r != error || !strstr(why.text, part))
		fail_msg("got %d and '%s', wanted %d and '%s'", r, why.text, error, part);
}
