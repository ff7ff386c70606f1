/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The engine against servers that are real, or really bad. Every fault ends in right bytes or an error. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backends/net/first.h"
#include "backends/net/headers.h"
#include "backends/net/net.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "base/text.h"
#include "tests/unit/peer.h"
#include "tests/unit/test.h"

#define SIZE 300000

static char top[] = "/tmp/goalfs-net.XXXXXX";
static uint8_t *right; /* of file "a" */
static struct peer bad, nginx;
static struct net *net;

/* ---- one transfer, and what its callbacks must keep to ---- */

struct fetch {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	bool is_done, has_head;
	int error;
	struct why why;

	uint8_t *bytes;
	uint64_t first, count;
	struct net_head head; /* without texts */
	char url[256], etag[64];
	int head_error, data_error;
	uint64_t gate; /* data stops being taken from here on, by cancelling; 0: never */
	struct net_transfer *transfer;
	unsigned *order; /* of those done, for who wants to know */
	unsigned turn;
};

#define FETCH                                                                        \
	{                                                                            \
		.lock = PTHREAD_MUTEX_INITIALIZER, .moved = PTHREAD_COND_INITIALIZER \
	}

/* cmocka's asserts jump, which the engine's thread must not. */
static void must(bool holds, const char *what)
{
	if (holds)
		return;
	(void)fprintf(stderr, "broken contract: %s\n", what);
	abort();
}

static int on_head(void *arg, const struct net_head *head, struct why *why)
{
	struct fetch *f = arg;

	must(!f->has_head && !f->is_done, "head comes once");
	must(head->url, "head has a URL");
	f->has_head = true;
	f->head = *head;
	(void)snprintf(f->url, sizeof(f->url), "%s", head->url);
	(void)snprintf(f->etag, sizeof(f->etag), "%s", head->etag ? head->etag : "");
	f->first = head->offset;
	return f->head_error;
}

static int on_data(void *arg, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct fetch *f = arg;

	must(f->has_head && !f->is_done, "data comes between head and done");
	must(offset == f->first + f->count, "data has no gaps");
	f->bytes = realloc(f->bytes, f->count + count);
	must(f->bytes, "memory");
	memcpy(f->bytes + f->count, buf, count);
	f->count += count;
	if (f->gate && f->count >= f->gate)
		net_cancel(net, f->transfer);
	return f->data_error ? fail(why, f->data_error, "no more of it") : 0;
}

static void on_done(void *arg, int error, const struct why *why)
{
	struct fetch *f = arg;

	(void)pthread_mutex_lock(&f->lock);
	must(!f->is_done, "done comes once");
	f->is_done = true;
	f->error = error;
	f->why = *why;
	if (f->order)
		f->turn = (*f->order)++;
	(void)pthread_cond_broadcast(&f->moved);
	(void)pthread_mutex_unlock(&f->lock);
}

static const struct net_events events = { on_head, on_data, on_done };

static void start(struct fetch *f, const struct net_request *request)
{
	struct why why = { 0 };

	if (net_start(net, request, &events, f, &f->transfer, &why) < 0)
		fail_msg("%s: %s", request->url, why.text);
}

static void await(struct fetch *f)
{
	(void)pthread_mutex_lock(&f->lock);
	while (!f->is_done)
		(void)pthread_cond_wait(&f->moved, &f->lock);
	(void)pthread_mutex_unlock(&f->lock);
}

static void done_fetch(struct fetch *f)
{
	free(f->bytes);
	f->bytes = NULL;
}

static void run(struct fetch *f, const char *url, uint64_t offset, uint64_t length)
{
	start(f, &(struct net_request){ .url = url, .offset = offset, .length = length, .proxy = "" });
	await(f);
}

static struct net *make_net(struct net_options o)
{
	struct why why = { 0 };
	struct net *made;

	if (!o.tries)
		o.tries = 4;
	if (!o.first_pause_ms)
		o.first_pause_ms = 1;
	if (net_new(&o, &made, &why) < 0)
		fail_msg("%s", why.text);
	return made;
}

static struct net_body get(const char *url)
{
	struct net_body body = { 0 };
	struct why why = { 0 };

	if (net_get(net, &(struct net_request){ .url = url, .proxy = "" }, MiB, &body, &why) < 0)
		fail_msg("%s", why.text);
	return body;
}

/* malloc'ed text of the fault server's figures, which begin anew. */
static char *reset_stats(void)
{
	_cleanup_free_ char *url = peer_url(&bad, "/reset");
	struct net_body body = get(url);
	char *text = strdup(body.bytes);

	net_body_done(&body);
	assert_non_null(text);
	return text;
}

static void forget_stats(void)
{
	free(reset_stats());
}

static unsigned stat_of(const char *stats, const char *name)
{
	_cleanup_free_ char *key = text_new("\"%s\": ", name);
	const char *at = strstr(stats, key);

	assert_non_null(at);
	return strtoul(at + strlen(key), NULL, 10);
}

/* ---- the fixture ---- */

static void put_file(const char *name, const void *bytes, size_t count)
{
	_cleanup_free_ char *path = text_new("%s/files/%s", top, name);
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, count, f), count);
	assert_int_equal(fclose(f), 0);
}

static void setup_files(void)
{
	_cleanup_free_ char *files = NULL, *bucket = NULL;
	uint32_t x = 1;

	assert_non_null(mkdtemp(top));
	files = text_new("%s/files", top);
	bucket = text_new("%s/files/a.bucket", top);
	assert_int_equal(mkdir(files, 0755), 0);
	assert_int_equal(mkdir(bucket, 0755), 0);
	right = malloc(SIZE);
	assert_non_null(right);
	for (size_t i = 0; i < SIZE; i++)
		right[i] = (x = x * 1664525 + 1013904223) >> 24;
	put_file("a", right, SIZE);
	put_file("text", "some text\n", 10);
	put_file("empty", "", 0);
	put_file("a.bucket/a key+with (odd) bytes", right, SIZE);
}

static int setup(void **state)
{
	/* What the machine is set up to must not reach the tests. */
	static const char *const variables[] = { "http_proxy",	  "https_proxy", "all_proxy", "ALL_PROXY",
						 "HTTPS_PROXY",	  "no_proxy",	 "NO_PROXY",  "CURL_CA_BUNDLE",
						 "SSL_CERT_FILE", "SSL_CERT_DIR" };
	_cleanup_free_ char *files = NULL, *prefix = NULL;

	for (unsigned i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		(void)unsetenv(variables[i]);
	setup_files();
	(void)setenv("HOME", top, 1);
	files = text_new("%s/files", top);
	prefix = text_new("%s/nginx", top);
	bad = peer_faulty(files, NULL);
	nginx = peer_nginx(prefix, files);
	net = make_net((struct net_options){ 0 });
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = text_new("rm -rf '%s'", top);

	net_free(net);
	peer_stop(&bad);
	peer_stop(&nginx);
	free(right);
	return system(command);
}

/* ---- right bytes ---- */

static void assert_right(const struct fetch *f, const char *what, uint64_t first, uint64_t count)
{
	if (f->error < 0)
		fail_msg("%s: %s", what, why_text(&f->why, f->error));
	assert_true(f->has_head);
	assert_int_equal(f->first, first);
	if (f->count != count)
		fail_msg("%s: %llu bytes, not %llu", what, (unsigned long long)f->count,
			 (unsigned long long)count);
	if (count)
		assert_memory_equal(f->bytes, right + first, count);
}

static void range_of_a_file(void **state)
{
	static const uint64_t ranges[][2] = { { 0, 1 },		 { 0, SIZE },	{ 7, 4096 },
					      { SIZE - 1, 1 },	 { 100, SIZE }, { SIZE - 5, 0 },
					      { 0, SIZE + 100 }, { 0, 0 } };
	const struct peer *peers[] = { &bad, &nginx };

	for (unsigned p = 0; p < 2; p++) {
		_cleanup_free_ char *url = peer_url(peers[p], "/a");

		for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
			const uint64_t offset = ranges[i][0], length = ranges[i][1];
			struct fetch f = FETCH;

			run(&f, url, offset, length);
			assert_right(&f, url, offset, length ? min_u64(length, SIZE - offset) : SIZE - offset);
			assert_true(f.head.has_length);
			assert_int_equal(f.head.length, SIZE);
			assert_int_equal(f.head.is_range, offset || length);
			assert_true(f.head.mtime > 0);
			assert_string_equal(f.url, url);
			assert_true(f.etag[0] == '"');
			done_fetch(&f);
		}
	}
}

static void range_behind_the_end(void **state)
{
	_cleanup_free_ char *url = peer_url(&nginx, "/a"), *empty = peer_url(&nginx, "/empty");
	struct fetch f = FETCH, g = FETCH;

	run(&f, url, SIZE, 1);
	assert_int_equal(f.error, -ERANGE);
	run(&g, empty, 0, 0);
	assert_right(&g, empty, 0, 0);
	assert_true(g.head.has_length);
}

static void connections_are_kept(void **state)
{
	_cleanup_free_ char *url = peer_url(&bad, "/a");
	_cleanup_free_ char *stats = NULL;
	struct net_figures before, after;

	forget_stats();
	net_figures(net, &before);
	for (unsigned i = 0; i < 10; i++) {
		struct fetch f = FETCH;

		run(&f, url, i * 1000, 1000);
		assert_right(&f, url, i * 1000, 1000);
		done_fetch(&f);
	}
	net_figures(net, &after);
	assert_int_equal(after.requests - before.requests, 10);
	assert_int_equal(after.bytes - before.bytes, 10000);
	stats = reset_stats();
	assert_int_equal(stat_of(stats, "requests"), 10);
	assert_int_equal(stat_of(stats, "bytes"), 10000);
	assert_true(stat_of(stats, "connections") <= 1);
	assert_non_null(strstr(stats, "\"User-Agent\": \"goalfs/"));
	assert_non_null(strstr(stats, "\"Accept-Encoding\": \"identity\""));
}

/* ---- faults that pass ---- */

static void passing_faults_end_in_right_bytes(void **state)
{
	static const struct {
		const char *fault;
		uint64_t offset, length;
	} cases[] = {
		{ "status:503,2", 0, 0 },
		{ "status:500,1", 1000, 5000 },
		{ "status:502,1", 0, 0 },
		{ "status:504,1", 0, 0 },
		{ "status:429,3", 0, 0 },
		{ "status:408,1", 0, 0 },
		{ "drop:2", 0, 0 },
		{ "cut:1000,1", 0, 0 },
		{ "cut:1000,1", 5000, 100000 },
		{ "cut:50000", 0, 0 }, /* always, but each time further */
		{ "reset:20000,3", 10, 200000 },
		{ "cut:0,2", 0, 0 },
		{ "cut:70000,1+no-range:2", 0, 0 }, /* the second answer is whole again */
		{ "cut:70000,1+no-range:2", 500, 100000 },
		{ "cut:70000,1+no-range", 0, 0 },
		{ "cut:70000,1+chunked", 0, 0 },
		{ "cut:70000,1+chunked", 7, 80000 },
		{ "cut:70000,1+range-total:*", 7, 80000 },
		{ "range-total:*", 100, 5000 },
		{ "range-total:*", 100, SIZE }, /* 416 tells that it was the end */
		{ "range-total:*", 100, 0 },
		{ "short-range:99000", 10, 0 },
		{ "short-range:99000", 10, 250000 },
		{ "short-range:99000+range-total:*", 10, 0 },
		{ "drip:60000,1", 0, 0 },
		{ "chunked", 0, 0 },
		{ "chunked", 17, 1700 },
		{ "close", 0, 0 },
		{ "close", 17, 1700 },
		{ "no-validators", 17, 1700 },
		{ "head:400", 0, 0 },
		{ "redirect:301", 0, 0 },
		{ "redirect:302", 17, 1700 },
		{ "redirect:303", 17, 1700 },
		{ "redirect:307", 17, 1700 },
		{ "redirect:308", 17, 1700 },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint64_t offset = cases[i].offset, length = cases[i].length;
		_cleanup_free_ char *url = peer_url(&bad, "/fault/%s/a", cases[i].fault);
		struct fetch f = FETCH;

		forget_stats();
		run(&f, url, offset, length);
		assert_right(&f, url, offset, length ? min_u64(length, SIZE - offset) : SIZE - offset);
		done_fetch(&f);
	}
}

static void server_without_ranges_sends_all(void **state)
{
	_cleanup_free_ char *url = peer_url(&bad, "/fault/no-range/a");
	struct fetch f = FETCH;

	run(&f, url, 1000, 10);
	assert_right(&f, url, 0, SIZE);
	assert_false(f.head.is_range);
	done_fetch(&f);
}

static void resumes_at_the_byte_reached(void **state)
{
	_cleanup_free_ char *url = peer_url(&bad, "/fault/cut:1000,1/a");
	_cleanup_free_ char *stats = NULL;
	struct fetch f = FETCH;

	forget_stats();
	run(&f, url, 5000, 100000);
	assert_right(&f, url, 5000, 100000);
	done_fetch(&f);
	stats = reset_stats();
	assert_non_null(strstr(stats, "\"ranges\": [\"bytes=5000-104999\", \"bytes=6000-104999\"]"));
	assert_int_equal(stat_of(stats, "bytes"), 100000);
}

static void retry_after_is_honoured(void **state)
{
	static const char *const forms[] = { "/fault/retry-after:1/a", "/fault/retry-after:2,date/a" };

	/* It is the server who finds that we came too early. */
	for (unsigned i = 0; i < 2; i++) {
		_cleanup_free_ char *url = peer_url(&bad, "%s", forms[i]);
		struct fetch f = FETCH;

		forget_stats();
		run(&f, url, 0, 100);
		assert_right(&f, url, 0, 100);
		done_fetch(&f);
	}
}

static void stall_that_passes_ends_in_right_bytes(void **state)
{
	static const char *const faults[] = { "stall:-1,1", "stall:0,1", "stall:70000,2" };
	struct net *other = net;

	net = make_net((struct net_options){ .stall_ms = 500, .tries = 8 });
	for (unsigned i = 0; i < 3; i++) {
		_cleanup_free_ char *url = peer_url(&bad, "/fault/%s/a", faults[i]);
		struct fetch f = FETCH;

		forget_stats();
		run(&f, url, 0, 0);
		assert_right(&f, url, 0, SIZE);
		done_fetch(&f);
	}
	net_free(net);
	net = other;
}

/* ---- faults that stay ---- */

static void lasting_faults_end_in_errors(void **state)
{
	static const struct {
		const char *fault;
		uint64_t offset, length;
		int error;
		const char *says;
	} cases[] = {
		{ "status:404", 0, 0, -ENOENT, "answers 404 Not Found" },
		{ "status:410", 0, 0, -ENOENT, "answers 410 Gone" },
		{ "status:403", 0, 0, -EACCES, "answers 403 Forbidden" },
		{ "status:401", 0, 0, -EACCES, "answers 401" },
		{ "status:400", 0, 0, -EIO, "answers 400" },
		{ "status:501", 0, 0, -EIO, "answers 501" },
		{ "status:204", 0, 0, -EIO, "answers 204" },
		{ "status:503", 0, 0, -EIO, "answers 503 Service Unavailable (tried 4 times)" },
		{ "status:302", 0, 0, -EPROTO, "does not say where" },
		{ "416", 0, 100, -ERANGE, "answers 416" },
		{ "drop", 0, 0, -EIO, "without an answer (tried 4 times)" },
		{ "cut:0", 0, 0, -EIO, "in the middle" },
		{ "cut:1", 0, 0, -EIO, "in the middle" }, /* progress, but for ever */
		{ "cut:1000,1+no-validators", 0, 0, -EIO, "can't go on" },
		{ "length:-5", 100, 1000, -EPROTO, "contradict" },
		{ "length:5", 100, 1000, -EPROTO, "contradict" },
		{ "range-start:1", 100, 1000, -EPROTO, "another range" },
		{ "range-start:-1", 100, 1000, -EPROTO, "another range" },
		{ "range-end:1", 100, 1000, -EPROTO, "another range" },
		{ "range-total:-200000", 150000, 1000, -EPROTO, "makes no sense" },
		{ "no-content-range", 100, 1000, -EPROTO, "does not say which" },
		{ "bad-content-range", 100, 1000, -EPROTO, "makes no sense" },
		{ "multipart", 100, 1000, -EPROTO, "several ranges" },
		{ "gzip", 0, 0, -EPROTO, "encoded as 'gzip'" },
		{ "gzip", 100, 1000, -EPROTO, "encoded as 'gzip'" },
		{ "changes:2+cut:1000", 0, 0, -ESTALE, "ETag" },
		{ "changes:2+cut:1000", 100, 5000, -ESTALE, "ETag" },
		{ "changes:2+cut:1000+no-range:2", 100, 5000, -ESTALE, "ETag" },
		{ "changes-etag:2+cut:1000,1", 0, 0, -ESTALE, "ETag" },
		{ "changes-time:2+cut:1000,1", 0, 0, -ESTALE, "time" },
		{ "changes-length:2+cut:1000,1", 0, 0, -ESTALE, "ength" },
		{ "range-total:*+short-range:1001+changes-length:2", 298999, 0, -ESTALE, "length" },
		{ "length:500", 0, 0, -ESTALE, "length" }, /* as if it was cut, but then there is no more */
		{ "head:1000", 0, 0, -EPROTO, "head that does not end" },
		{ "chunked+trailers", 0, 0, -EPROTO, "sends lines without end" },
		{ "interim", 0, 0, -EPROTO, "sends lines without end" },
		{ "loop", 0, 0, -EPROTO, "redirects" },
		{ "to:file:%2F%2F%2Fetc%2Fpasswd", 0, 0, -EPROTO, "redirects to" },
		{ "to:gopher:%2F%2F127.0.0.1%2F", 0, 0, -EPROTO, "redirects to 'gopher://'" },
		{ "to:scp:%2F%2F127.0.0.1%2F", 0, 0, -EPROTO, "redirects to 'scp://'" },
		{ "to:http:%2F%2F127.0.0.1:1%2F", 0, 0, -EHOSTUNREACH, "onnection refused" },
		{ "unchanged", 0, 0, -EPROTO, "was not asked" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *url = peer_url(&bad, "/fault/%s/a", cases[i].fault);
		_cleanup_free_ char *good = peer_url(&bad, "/a");
		struct fetch f = FETCH, g = FETCH;

		forget_stats();
		run(&f, url, cases[i].offset, cases[i].length);
		if (f.error != cases[i].error || !strstr(f.why.text, cases[i].says))
			fail_msg("%s: %d, %s", url, f.error, f.why.text);
		/* What came before the error was right as well. */
		if (f.count)
			assert_memory_equal(f.bytes, right + f.first, f.count);
		run(&g, good, cases[i].offset, cases[i].length);
		if (g.error < 0)
			fail_msg("after %s: %s", cases[i].fault, g.why.text);
		done_fetch(&f);
		done_fetch(&g);
	}
}

static void lasting_stall_is_a_timeout(void **state)
{
	static const char *const faults[] = { "stall:-1", "stall:0", "stall:1", "drip:1,10" };
	struct net *other = net;

	net = make_net((struct net_options){ .stall_ms = 100, .tries = 2 });
	for (unsigned i = 0; i < 4; i++) {
		_cleanup_free_ char *url = peer_url(&bad, "/fault/%s/a", faults[i]);
		struct fetch f = FETCH;

		forget_stats();
		run(&f, url, 0, 0);
		if (f.error != -ETIMEDOUT)
			fail_msg("%s: %d, %s", url, f.error, f.why.text);
		assert_non_null(strstr(f.why.text, "sends nothing"));
		done_fetch(&f);
	}
	net_free(net);
	net = other;
}

static void nobody_there(void **state)
{
	static const struct {
		const char *url, *says;
	} cases[] = {
		{ "http://127.0.0.1:1/x.xz", "'http://127.0.0.1:1/x.xz' can't be reached: connection refused" },
		{ "http://user:secret@127.0.0.1:1/x.xz?token=secret",
		  "'http://127.0.0.1:1/x.xz?...' can't be reached: connection refused" },
		{ "http://no-such-host.invalid/x",
		  "'http://no-such-host.invalid/x' can't be reached: its host" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fetch f = FETCH;

		run(&f, cases[i].url, 0, 0);
		if (f.error != -EHOSTUNREACH)
			fail_msg("%s: %d, %s", cases[i].url, f.error, f.why.text);
		assert_false(f.has_head);
		if (!strstr(f.why.text, cases[i].says) || strstr(f.why.text, "secret"))
			fail_msg("%s", f.why.text);
	}
}

static void what_is_no_url_is_refused(void **state)
{
	static const char *const urls[] = { "file:///etc/passwd",
					    "/etc/passwd",
					    "scp://host/x",
					    "http://",
					    "http://host:99999/",
					    "http://ho st/",
					    "http://host/\n",
					    "",
					    "s3://",
					    "s3://bucket",
					    "s3://bucket/",
					    "s3://Bucket/key" };

	for (unsigned i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct fetch f = FETCH;
		struct why why = { 0 };

		assert_int_equal(
			net_start(net, &(struct net_request){ .url = urls[i] }, &events, &f, NULL, &why),
			-EINVAL);
		assert_true(why.text[0]);
	}
}

static void callbacks_can_refuse(void **state)
{
	_cleanup_free_ char *url = peer_url(&bad, "/a");
	struct fetch f = FETCH, g = FETCH;

	f.head_error = -ENOTSUP;
	run(&f, url, 0, 0);
	assert_int_equal(f.error, -ENOTSUP);
	assert_int_equal(f.count, 0);
	g.data_error = -ENOSPC;
	run(&g, url, 0, 0);
	assert_int_equal(g.error, -ENOSPC);
	assert_string_equal(g.why.text, "no more of it");
	done_fetch(&g);
}

/* ---- redirects ---- */

static void redirect_is_kept_to(void **state)
{
	_cleanup_free_ char *once = peer_url(&bad, "/fault/redirect-once:302/fault/cut:1000,1/a");
	struct fetch f = FETCH;

	/* The way there is gone when the body is cut; the place isn't. */
	forget_stats();
	run(&f, once, 0, 0);
	assert_right(&f, once, 0, SIZE);
	assert_non_null(strstr(f.url, "/fault/cut:1000,1/a"));
	assert_null(strstr(f.url, "redirect"));
	done_fetch(&f);
}

static void password_does_not_travel(void **state)
{
	struct peer other = peer_faulty(top, NULL);
	_cleanup_free_ char *there = peer_url(&other, "/files/text");
	_cleanup_free_ char *url = NULL, *stats_url = peer_url(&other, "/stats");
	struct net_body body, stats;

	url = text_new("http://user:secret@127.0.0.1:%u/fault/to:http:%%2F%%2F127.0.0.1:%u%%2Ffiles%%2Ftext/x",
		       bad.port, other.port);
	body = get(url);
	assert_string_equal(body.bytes, "some text\n");
	assert_string_equal(body.url, there);
	stats = get(stats_url);
	assert_null(strstr(stats.bytes, "Authorization"));
	net_body_done(&body);
	net_body_done(&stats);
	peer_stop(&other);
}

/* ---- who may ---- */

static void password_in_the_url(void **state)
{
	_cleanup_free_ char *good = text_new("http://user:pass%%20word@127.0.0.1:%u/private/text", nginx.port);
	_cleanup_free_ char *wrong = text_new("http://user:word@127.0.0.1:%u/private/text", nginx.port);
	_cleanup_free_ char *none = peer_url(&nginx, "/private/text");
	struct net_body body = get(good);
	struct fetch f = FETCH, g = FETCH;

	assert_string_equal(body.bytes, "some text\n");
	assert_string_equal(body.url, none);
	net_body_done(&body);
	run(&f, wrong, 0, 0);
	assert_int_equal(f.error, -EACCES);
	assert_null(strstr(f.why.text, "word"));
	run(&g, none, 0, 0);
	assert_int_equal(g.error, -EACCES);
}

static void password_of_netrc(void **state)
{
	_cleanup_free_ char *path = text_new("%s/.netrc", top), *url = peer_url(&nginx, "/private/text");
	FILE *file = fopen(path, "w");
	struct net_body body;

	assert_non_null(file);
	(void)fprintf(file, "machine 127.0.0.1 login user password \"pass word\"\n");
	assert_int_equal(fclose(file), 0);
	body = get(url);
	assert_string_equal(body.bytes, "some text\n");
	net_body_done(&body);
	assert_int_equal(unlink(path), 0);
}

static void proxy_of_request_and_environment(void **state)
{
	_cleanup_free_ char *proxy = peer_url(&bad, "/"), *direct = peer_url(&nginx, "/text");
	const char *far = "http://no-such-host.invalid/text";
	struct net_request request = { .url = far, .proxy = proxy };
	struct net_body body;
	struct why why = { 0 };

	forget_stats();
	assert_int_equal(net_get(net, &request, 100, &body, &why), 0);
	assert_string_equal(body.bytes, "some text\n");
	net_body_done(&body);
	(void)setenv("http_proxy", proxy, 1);
	request.proxy = NULL;
	assert_int_equal(net_get(net, &request, 100, &body, &why), 0);
	net_body_done(&body);
	/* None at all, whatever the environment says. */
	request = (struct net_request){ .url = direct, .proxy = "" };
	assert_int_equal(net_get(net, &request, 100, &body, &why), 0);
	net_body_done(&body);
	(void)unsetenv("http_proxy");
	{
		_cleanup_free_ char *stats = reset_stats();

		assert_int_equal(stat_of(stats, "proxied"), 2);
		assert_int_equal(stat_of(stats, "requests"), 2);
	}
}

/* ---- TLS ---- */

static void get_with_ca(const char *ca, const char *url, int error, const char *says)
{
	_cleanup_free_ char *path = ca ? text_new("%s/nginx/%s", top, ca) : NULL;
	struct net *tls = make_net((struct net_options){ .ca_file = path, .tries = 2 });
	struct net_body body = { 0 };
	struct why why = { 0 };
	int r = net_get(tls, &(struct net_request){ .url = url, .proxy = "" }, 100, &body, &why);

	if (r != error || (says && !strstr(why.text, says)))
		fail_msg("%s with %s: %d, %s", url, ca ? ca : "the system's", r, why.text);
	if (r == 0)
		assert_string_equal(body.bytes, "some text\n");
	net_body_done(&body);
	net_free(tls);
}

static void certificates_are_checked(void **state)
{
	_cleanup_free_ char *good = text_new("https://localhost:%u/text", nginx.secure_port);
	_cleanup_free_ char *other_name = text_new("https://127.0.0.1:%u/text", nginx.secure_port);
	_cleanup_free_ char *down = text_new("https://localhost:%u/down/text", nginx.secure_port);
	_cleanup_free_ char *plain = text_new("https://localhost:%u/text", nginx.port);
	_cleanup_free_ char *up = peer_url(&nginx, "/secure/text");
	_cleanup_free_ char *ca = text_new("%s/nginx/ca.pem", top);

	get_with_ca("ca.pem", good, 0, NULL);
	get_with_ca("other-ca.pem", good, -EPROTO, "certificate that can't be trusted");
	get_with_ca(NULL, good, -EPROTO, "certificate that can't be trusted");
	get_with_ca("ca.pem", other_name, -EPROTO, "certificate that can't be trusted");
	get_with_ca("missing.pem", good, -EPROTO, "CA certificates");
	get_with_ca("ca.pem", down, -EPROTO, "redirects to 'http://'");
	get_with_ca("ca.pem", up, 0, NULL);
	get_with_ca("ca.pem", plain, -EPROTO, "TLS failed");
	(void)setenv("CURL_CA_BUNDLE", ca, 1);
	get_with_ca(NULL, good, 0, NULL);
	(void)unsetenv("CURL_CA_BUNDLE");
	(void)setenv("SSL_CERT_FILE", ca, 1);
	get_with_ca(NULL, good, 0, NULL);
	(void)unsetenv("SSL_CERT_FILE");
}

static void compressing_server_does_not_compress(void **state)
{
	_cleanup_free_ char *url = peer_url(&nginx, "/gzip/a");
	struct fetch f = FETCH;

	run(&f, url, 100, 100000);
	assert_right(&f, url, 100, 100000);
	done_fetch(&f);
}

/* ---- ftp ---- */

static void ftp_gives_ranges(const char *refused)
{
	static const uint64_t ranges[][2] = {
		{ 0, 0 }, { 7, 4096 }, { 0, 5000 }, { SIZE - 5, 0 }, { 100, SIZE }
	};
	_cleanup_free_ char *files = text_new("%s/files", top);
	struct peer ftp = peer_ftp(files, refused);
	_cleanup_free_ char *url = text_new("ftp://127.0.0.1:%u/a", ftp.port);
	_cleanup_free_ char *missing = text_new("ftp://127.0.0.1:%u/missing", ftp.port);
	struct fetch g = FETCH;

	for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const uint64_t offset = ranges[i][0], length = ranges[i][1];
		struct fetch f = FETCH;

		run(&f, url, offset, length);
		assert_right(&f, url, offset, length ? min_u64(length, SIZE - offset) : SIZE - offset);
		assert_true(!f.head.has_length || f.head.length == SIZE);
		done_fetch(&f);
	}
	/* What it is when it is met for the first time: its length too, unless the server can't tell it. */
	if (!refused || strcmp(refused, "SIZE") != 0) {
		_cleanup_(net_first_done) struct net_first first = { 0 };
		const struct net_request request = { .url = url };

		assert_int_equal(net_first(net, &request, url, &first, NULL), 0);
		assert_int_equal(first.count, SIZE < FIRST_BYTES ? SIZE : FIRST_BYTES);
		assert_int_equal(first.object->length, SIZE);
		assert_true(first.object->has_ranges);
		assert_int_equal(first.object->last_modified != NULL, refused == NULL);
	}
	run(&g, missing, 0, 0);
	if (g.error != -ENOENT)
		fail_msg("%d, %s", g.error, g.why.text);
	peer_stop(&ftp);
}

static void ftp_gives_ranges_too(void **state)
{
	ftp_gives_ranges(NULL);
	ftp_gives_ranges("SIZE");
	ftp_gives_ranges("MDTM");
}

/* ---- buckets ---- */

static void set_s3(const char *fault, const char *key, const char *secret, const char *token)
{
	_cleanup_free_ char *endpoint = peer_url(&bad, "/fault/%s/", fault);

	(void)setenv("AWS_ENDPOINT_URL", endpoint, 1);
	(void)setenv("AWS_REGION", "eu-test-1", 1);
	(key ? setenv("AWS_ACCESS_KEY_ID", key, 1) : unsetenv("AWS_ACCESS_KEY_ID"));
	(secret ? setenv("AWS_SECRET_ACCESS_KEY", secret, 1) : unsetenv("AWS_SECRET_ACCESS_KEY"));
	(token ? setenv("AWS_SESSION_TOKEN", token, 1) : unsetenv("AWS_SESSION_TOKEN"));
}

static void bucket_is_signed_for(void **state)
{
	const char *url = "s3://a.bucket/a%20key+with%20(odd)%20bytes";
	struct fetch f = FETCH, g = FETCH, h = FETCH;

	set_s3("s3", "KEY", "SECRET", NULL);
	run(&f, url, 100, 100000);
	assert_right(&f, url, 100, 100000);
	assert_string_equal(f.url, url);
	done_fetch(&f);
	set_s3("s3-token", "KEY", "SECRET", "TOKEN");
	run(&g, url, 0, 0);
	assert_right(&g, url, 0, SIZE);
	done_fetch(&g);
	set_s3("s3", "KEY", "WRONG", NULL);
	run(&h, url, 0, 0);
	assert_int_equal(h.error, -EACCES);
	assert_non_null(strstr(h.why.text, "wrong signature"));
	assert_null(strstr(h.why.text, "WRONG"));
}

static void bucket_without_keys_names_the_variable(void **state)
{
	struct fetch f = FETCH;
	struct why why = { 0 };
	const struct net_request request = { .url = "s3://a.bucket/key" };

	set_s3("s3", NULL, NULL, NULL);
	assert_int_equal(net_start(net, &request, &events, &f, NULL, &why), -EACCES);
	assert_non_null(strstr(why.text, "AWS_ACCESS_KEY_ID"));
	set_s3("s3", "KEY", NULL, NULL);
	assert_int_equal(net_start(net, &request, &events, &f, NULL, &why), -EACCES);
	assert_non_null(strstr(why.text, "AWS_SECRET_ACCESS_KEY"));
}

static void bucket_signature_does_not_travel(void **state)
{
	struct peer other = peer_faulty(top, NULL);
	_cleanup_free_ char *fault = text_new("to:http:%%2F%%2F127.0.0.1:%u%%2Ffiles%%2Ftext", other.port);
	_cleanup_free_ char *stats_url = peer_url(&other, "/stats");
	struct net_body body, stats;

	set_s3(fault, "KEY", "SECRET", "TOKEN");
	body = get("s3://a.bucket/x");
	assert_string_equal(body.bytes, "some text\n");
	stats = get(stats_url);
	assert_null(strstr(stats.bytes, "Authorization"));
	assert_null(strcasestr(stats.bytes, "x-amz"));
	net_body_done(&body);
	net_body_done(&stats);
	peer_stop(&other);
}

/* ---- many at once ---- */

#define MANY 24

static void fetch_many(struct net_options options, unsigned limit)
{
	_cleanup_free_ char *url = peer_url(&bad, "/fault/drip:5000,2/a");
	_cleanup_free_ char *stats = NULL;
	static struct fetch f[MANY];
	struct net *other = net;

	forget_stats();
	net = make_net(options);
	for (unsigned i = 0; i < MANY; i++) {
		f[i] = (struct fetch)FETCH;
		start(&f[i],
		      &(struct net_request){ .url = url, .offset = i * 10000, .length = 10000, .proxy = "" });
	}
	for (unsigned i = 0; i < MANY; i++) {
		await(&f[i]);
		assert_right(&f[i], url, i * 10000, 10000);
		done_fetch(&f[i]);
	}
	net_free(net);
	net = other;
	stats = reset_stats();
	assert_int_equal(stat_of(stats, "requests"), MANY);
	assert_in_range(stat_of(stats, "in_flight_most"), 1, limit);
	if (stat_of(stats, "connections") > limit)
		fail_msg("%s", stats);
}

static void no_more_at_once_than_allowed(void **state)
{
	fetch_many((struct net_options){ .in_flight = 6, .per_host = 3 }, 3);
	fetch_many((struct net_options){ .in_flight = 2, .per_host = 3 }, 2);
}

static void urgent_ones_go_first(void **state)
{
	_cleanup_free_ char *slow = peer_url(&bad, "/fault/stall:-1/a"), *url = peer_url(&bad, "/a");
	static const enum net_priority priorities[] = { NET_BACKGROUND, NET_AHEAD, NET_BACKGROUND,
							NET_WAITED_FOR, NET_AHEAD };
	struct fetch first = FETCH, f[5];
	struct net *other = net;
	unsigned order = 0;

	net = make_net((struct net_options){ .in_flight = 1 });
	start(&first, &(struct net_request){ .url = slow, .proxy = "" });
	for (unsigned i = 0; i < 5; i++) {
		f[i] = (struct fetch)FETCH;
		f[i].order = &order;
		start(&f[i], &(struct net_request){
				     .url = url, .length = 10, .proxy = "", .priority = priorities[i] });
		if (i == 0) {
			/* Only one at a time, and that one has begun before these came. */
			struct net_figures n = { 0 };

			while (n.requests == 0)
				net_figures(net, &n);
		}
	}
	net_raise(net, f[2].transfer, NET_WAITED_FOR);
	net_cancel(net, first.transfer);
	await(&first);
	for (unsigned i = 0; i < 5; i++) {
		await(&f[i]);
		assert_right(&f[i], url, 0, 10);
		done_fetch(&f[i]);
	}
	net_free(net);
	net = other;
	/* The third was raised to the most urgent, and is older than the fourth. */
	assert_int_equal(f[2].turn, 0);
	assert_int_equal(f[3].turn, 1);
	assert_int_equal(f[1].turn, 2);
	assert_int_equal(f[4].turn, 3);
	assert_int_equal(f[0].turn, 4);
}

/* ---- ends ---- */

static void cancelled_transfers_end(void **state)
{
	_cleanup_free_ char *stalls = peer_url(&bad, "/fault/stall:1000/a"), *url = peer_url(&bad, "/a");
	struct fetch f = FETCH, g = FETCH;

	/* On the engine's own thread, in the middle. */
	f.gate = 500;
	start(&f, &(struct net_request){ .url = stalls, .proxy = "" });
	await(&f);
	assert_int_equal(f.error, -ECANCELED);
	done_fetch(&f);
	/* From here, at any time. */
	start(&g, &(struct net_request){ .url = stalls, .proxy = "" });
	net_cancel(net, g.transfer);
	await(&g);
	assert_int_equal(g.error, -ECANCELED);
	done_fetch(&g);
	{
		struct fetch h = FETCH;

		run(&h, url, 0, 0);
		assert_right(&h, url, 0, SIZE);
		done_fetch(&h);
	}
}

static void free_ends_all(void **state)
{
	_cleanup_free_ char *stalls = peer_url(&bad, "/fault/stall:1000/a"),
			    *busy = peer_url(&bad, "/fault/status:503/a");
	static struct fetch f[MANY];
	struct net *other = net;

	net = make_net((struct net_options){ .in_flight = 4, .first_pause_ms = 60000 });
	for (unsigned i = 0; i < MANY; i++) {
		f[i] = (struct fetch)FETCH;
		start(&f[i], &(struct net_request){ .url = i % 2 ? stalls : busy, .proxy = "" });
	}
	net_free(net);
	net = other;
	for (unsigned i = 0; i < MANY; i++) {
		assert_true(f[i].is_done);
		assert_int_equal(f[i].error, -ECANCELED);
		done_fetch(&f[i]);
	}
	/* One that never had anything to do. */
	net_free(make_net((struct net_options){ 0 }));
	net_free(NULL);
}

/* ---- net_get ---- */

static bool lose_patience(void *arg)
{
	return true;
}

static void get_can_be_given_up(void **state)
{
	_cleanup_free_ char *url = peer_url(&bad, "/fault/stall:-1/a");
	struct net_body body;
	struct why why = { 0 };

	patience_set(lose_patience, NULL);
	assert_int_equal(net_get(net, &(struct net_request){ .url = url, .proxy = "" }, SIZE, &body, &why),
			 -EINTR);
	patience_set(NULL, NULL);
}

static void get_has_a_limit(void **state)
{
	static const char *const paths[] = { "/a", "/fault/chunked/a", "/fault/close/a" };
	struct net_body body;

	for (unsigned i = 0; i < 3; i++) {
		_cleanup_free_ char *url = peer_url(&bad, "%s", paths[i]);
		struct net_request request = { .url = url, .proxy = "" };
		struct why why = { 0 };

		assert_int_equal(net_get(net, &request, SIZE - 1, &body, &why), -EFBIG);
		assert_non_null(strstr(why.text, url));
		assert_int_equal(net_get(net, &request, SIZE, &body, &why), 0);
		assert_int_equal(body.count, SIZE);
		assert_memory_equal(body.bytes, right, SIZE);
		assert_int_equal(body.bytes[SIZE], 0);
		net_body_done(&body);
	}
}

static void get_asks_whether_it_changed(void **state)
{
	const struct peer *peers[] = { &bad, &nginx };

	for (unsigned p = 0; p < 2; p++) {
		_cleanup_free_ char *url = peer_url(peers[p], "/text");
		struct net_body first = get(url), again = { 0 };
		struct net_request request = { .url = url, .proxy = "", .unless_etag = first.etag };
		struct why why = { 0 };

		assert_false(first.unchanged);
		assert_int_equal(net_get(net, &request, 100, &again, &why), 0);
		assert_true(again.unchanged);
		assert_null(again.bytes);
		assert_string_equal(again.etag, first.etag);
		net_body_done(&again);
		request.unless_etag = NULL;
		request.unless_modified = first.last_modified;
		assert_int_equal(net_get(net, &request, 100, &again, &why), 0);
		assert_true(again.unchanged);
		net_body_done(&again);
		request.unless_modified = NULL;
		request.unless_etag = "\"other\"";
		assert_int_equal(net_get(net, &request, 100, &again, &why), 0);
		assert_false(again.unchanged);
		assert_string_equal(again.bytes, "some text\n");
		net_body_done(&again);
		net_body_done(&first);
	}
}

/* ---- pure functions ---- */

static void urls_are_known(void **state)
{
	assert_true(net_is_url("http://host/x"));
	assert_true(net_is_url("HTTPS://host"));
	assert_true(net_is_url("s3://bucket/key"));
	assert_true(net_is_url("sftp://host/x"));
	assert_false(net_is_url("file:///x"));
	assert_false(net_is_url("/x"));
	assert_false(net_is_url("http:/x"));
	assert_false(net_is_url("x/http://y"));
	assert_false(net_is_url(""));
	assert_false(net_is_url("scp://host/x"));
}

static void paths_stay_below(void **state)
{
	static const struct {
		const char *base, *path, *url; /* NULL: refused */
	} cases[] = {
		{ "http://h/b/index.asc", "debian-12.xz", "http://h/b/debian-12.xz" },
		{ "http://h/b/", "x/y.xz", "http://h/b/x/y.xz" },
		{ "http://h", "x", "http://h/x" },
		{ "http://h/index?a=/b/c#/d", "x", "http://h/x" },
		{ "http://u:p@h/b/index", "a b%20c%zz?#\"", "http://u:p@h/b/a%20b%20c%25zz%3F%23%22" },
		{ "http://h/i", "a+(b)~c:d@e", "http://h/a+(b)~c:d@e" },
		{ "http://h/i", "\xc3\xa4", "http://h/%C3%A4" },
		{ "http://h/i", "..x/...", "http://h/..x/..." },
		{ "s3://bucket/dir/index", "x.xz", "s3://bucket/dir/x.xz" },
		{ "http://h/i", "", NULL },
		{ "http://h/i", "/x", NULL },
		{ "http://h/i", "%2fx", NULL },
		{ "http://h/i", "..", NULL },
		{ "http://h/i", "a/../b", NULL },
		{ "http://h/i", "a/%2e%2E/b", NULL },
		{ "http://h/i", "a%2f..%2fb", NULL },
		{ "http://h/i", "..\\b", NULL },
		{ "http://h/i", "http://other/x", NULL },
		{ "http://h/i", "a%00b", NULL },
		{ "http://h/i", "a\nb", NULL },
		{ "http://h/i", "a%0ab", NULL },
		{ "/srv/index", "x", NULL },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_cleanup_free_ char *url = NULL;
		struct why why = { 0 };
		int r = net_url_below(cases[i].base, cases[i].path, &url, &why);

		assert_int_equal(r, cases[i].url ? 0 : -EINVAL);
		if (cases[i].url)
			assert_string_equal(url, cases[i].url);
		else
			assert_true(why.text[0]);
	}
}

static void content_ranges(void **state)
{
	static const char *const bad_ones[] = { "",
						"bytes",
						"bytes ",
						"bytes 1-2",
						"bytes 2-1/5",
						"bytes 1-5/5",
						"bytes */*",
						"bytes 1-2/",
						"bytes 1-2/3x",
						"bytes -1-2/3",
						"bytes 1--2/3",
						"items 1-2/3",
						"bytes=1-2/3",
						"bytes 0x1-2/3",
						"bytes 1-2/ 3",
						"bytes 0-18446744073709551616/*",
						"bytes 0-18446744073709551615/*" };
	struct content_range r;

	assert_int_equal(content_range_parse("bytes 0-9/10", &r), 0);
	assert_true(r.has_range && r.has_total && r.first == 0 && r.last == 9 && r.total == 10);
	assert_int_equal(content_range_parse("Bytes 5-9/*", &r), 0);
	assert_true(r.has_range && !r.has_total);
	assert_int_equal(content_range_parse("bytes */10", &r), 0);
	assert_true(!r.has_range && r.has_total && r.total == 10);
	for (unsigned i = 0; i < sizeof(bad_ones) / sizeof(bad_ones[0]); i++)
		if (content_range_parse(bad_ones[i], &r) == 0)
			fail_msg("'%s' is taken for a Content-Range", bad_ones[i]);
}

static void heads_that_make_no_sense(void **state)
{
	static const char *const heads[] = { "HTTP/1.1 2x0 OK",	   "HTTP/1.1",
					     "HTTP/1.1 2000",	   "ETag: \"a\"\nETag: \"b\"",
					     "Content-Length: -1", "Content-Length: 99999999999999999999",
					     "ETag: \"\001\"" };

	for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct answer a = ANSWER_NONE;

		for (const char *p = heads[i]; *p;) {
			size_t n = strcspn(p, "\n");

			answer_line(&a, p, n);
			p += n + (p[n] == '\n');
		}
		if (a.error != -EPROTO || !a.fault)
			fail_msg("'%s' is taken for a head", heads[i]);
		answer_done(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_known),
		cmocka_unit_test(paths_stay_below),
		cmocka_unit_test(content_ranges),
		cmocka_unit_test(heads_that_make_no_sense),
		cmocka_unit_test(range_of_a_file),
		cmocka_unit_test(range_behind_the_end),
		cmocka_unit_test(connections_are_kept),
		cmocka_unit_test(passing_faults_end_in_right_bytes),
		cmocka_unit_test(server_without_ranges_sends_all),
		cmocka_unit_test(resumes_at_the_byte_reached),
		cmocka_unit_test(retry_after_is_honoured),
		cmocka_unit_test(stall_that_passes_ends_in_right_bytes),
		cmocka_unit_test(lasting_faults_end_in_errors),
		cmocka_unit_test(lasting_stall_is_a_timeout),
		cmocka_unit_test(nobody_there),
		cmocka_unit_test(what_is_no_url_is_refused),
		cmocka_unit_test(callbacks_can_refuse),
		cmocka_unit_test(redirect_is_kept_to),
		cmocka_unit_test(password_does_not_travel),
		cmocka_unit_test(password_in_the_url),
		cmocka_unit_test(password_of_netrc),
		cmocka_unit_test(proxy_of_request_and_environment),
		cmocka_unit_test(certificates_are_checked),
		cmocka_unit_test(compressing_server_does_not_compress),
		cmocka_unit_test(ftp_gives_ranges_too),
		cmocka_unit_test(bucket_is_signed_for),
		cmocka_unit_test(bucket_without_keys_names_the_variable),
		cmocka_unit_test(bucket_signature_does_not_travel),
		cmocka_unit_test(no_more_at_once_than_allowed),
		cmocka_unit_test(urgent_ones_go_first),
		cmocka_unit_test(cancelled_transfers_end),
		cmocka_unit_test(free_ends_all),
		cmocka_unit_test(get_can_be_given_up),
		cmocka_unit_test(get_has_a_limit),
		cmocka_unit_test(get_asks_whether_it_changed),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
