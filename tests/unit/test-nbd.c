/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/nbd/address.h"
#include "backends/nbd/client.h"
#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"
#include "tests/unit/fds.h"

#define SIZE  "16M"
#define BYTES (16 * MiB)

static char dir[] = "/tmp/goalfs-test-nbd-XXXXXX";
static char socket_path[64], uri[128];
static pid_t running; /* the server; 0: none */

/* ---- servers ---- */

/* nbdkit with these arguments, ready to be connected to; behind `listener` when that is a descriptor. */
static pid_t start(int listener, const char *const *arguments)
{
	const char *argv[32] = { "nbdkit", "--foreground", "--exit-with-parent" };
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	unsigned n = 3;
	pid_t pid;

	if (listener < 0) {
		argv[n++] = "-U";
		argv[n++] = socket_path;
		(void)unlink(socket_path);
	}
	for (; *arguments; arguments++)
		argv[n++] = *arguments;
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (listener >= 0) {
			char text[32];

			(void)dup2(listener, 3);
			(void)fcntl(3, F_SETFD, 0);
			(void)snprintf(text, sizeof(text), "%d", (int)getpid());
			(void)setenv("LISTEN_PID", text, 1);
			(void)setenv("LISTEN_FDS", "1", 1);
		}
		(void)execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	(void)strcpy(at.sun_path, socket_path);
	while (listener < 0) {
		_cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (connect(s, (const struct sockaddr *)&at, sizeof(at)) == 0)
			break;
		if (waitpid(pid, NULL, WNOHANG) != 0)
			fail_msg("nbdkit did not start");
		(void)usleep(10000);
	}
	running = pid;
	return pid;
}

#define START(...) start(-1, (const char *const[]){ __VA_ARGS__, NULL })

/* Not gently: nbdkit would wait for its clients. */
static void stop(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	running = 0;
}

static int setup(void **state)
{
	(void)strcpy(dir + sizeof(dir) - 7, "XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(socket_path, sizeof(socket_path), "%s/socket", dir);
	(void)snprintf(uri, sizeof(uri), "nbd+unix:///?socket=%s", socket_path);
	return 0;
}

static int teardown(void **state)
{
	_cleanup_free_ char *command = text_new("rm -rf '%s'", dir);

	/* Of a test that failed. */
	if (running) {
		(void)kill(running, SIGKILL);
		(void)waitpid(running, NULL, 0);
		running = 0;
	}
	return system(command);
}

/* ---- clients ---- */

static struct nbd_client *open_at(const char *at, int timeout_ms)
{
	const struct nbd_client_options options = { .name = "it", .uri = at, .timeout_ms = timeout_ms };
	struct nbd_client *c;
	struct why why = { "" };
	int r = nbd_client_open(&options, &c, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return c;
}

static int open_error(const char *at, struct why *why)
{
	const struct nbd_client_options options = { .name = "it", .uri = at, .timeout_ms = 20000 };
	struct nbd_client *c = NULL;
	int r = nbd_client_open(&options, &c, why);

	nbd_client_close(c);
	return r;
}

/* nbdkit's pattern: each eight bytes are their own offset. */
static void assert_pattern(const uint8_t *buf, size_t count, uint64_t offset)
{
	for (size_t i = 0; i < count; i++) {
		const uint64_t word = align_down(offset + i, 8);

		if (buf[i] != (uint8_t)(word >> (8 * (7 - (offset + i) % 8))))
			fail_msg("byte %llu is wrong", (unsigned long long)(offset + i));
	}
}

static void assert_reads(struct nbd_client *c, size_t count, uint64_t offset)
{
	_cleanup_free_ uint8_t *buf = malloc(count);
	struct why why = { "" };
	int r = nbd_client_pread(c, buf, count, offset, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	assert_pattern(buf, count, offset);
}

static void assert_read_fails(struct nbd_client *c, int error, const char *what)
{
	uint8_t buf[4096];
	struct why why = { "" };

	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, &why), error);
	if (!strstr(why.text, what))
		fail_msg("'%s' lacks '%s'", why.text, what);
}

static void assert_describes(struct nbd_client *c, const char *want)
{
	char buf[128];

	nbd_client_describe(c, buf, sizeof(buf));
	assert_string_equal(buf, want);
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	static const struct {
		const char *text, *uri, *words;
	} rows[] = {
		{ "nbd://host/export\n", "nbd://host/export", NULL },
		{ "\n \tnbds://host:1234/?tls-certificates=/etc/pki\r\n\n",
		  "nbds://host:1234/?tls-certificates=/etc/pki", NULL },
		{ "nbd+unix:///?socket=/run/x", "nbd+unix:///?socket=/run/x", NULL },
		{ "nbds+unix:///?socket=/run/x", "nbds+unix:///?socket=/run/x", NULL },
		{ "nbd+vsock://2:10809/", "nbd+vsock://2:10809/", NULL },
		{ "[ nbdkit memory 1G ]", NULL, "nbdkit|memory|1G|" },
		{ "[\tnbdkit  \"a b\" 'c \\ d' e\\ f g\"h\"'i' \"\\\"$x\" '' ]\n", NULL,
		  "nbdkit|a b|c \\ d|e f|ghi|\"$x||" },
		{ "nbd+ssh://host/export", NULL, NULL },
		{ "http://host/export", NULL, NULL },
		{ "nbd://host/a b", NULL, NULL },
		{ "nbd://host/a\nnbd://host/b", NULL, NULL },
		{ "nbd://host/\x01", NULL, NULL },
		{ "", NULL, NULL },
		{ "[ ]", NULL, NULL },
		{ "[ '' ]", NULL, NULL },
		{ "[nbdkit memory 1G]", NULL, NULL },
		{ "[ nbdkit memory 1G", NULL, NULL },
		{ "[ nbdkit 'memory ]", NULL, NULL },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		_cleanup_(nbd_address_done) struct nbd_address a = { 0 };
		_cleanup_(text_done) struct text words = TEXT_EMPTY;
		struct why why = { "" };
		int r = nbd_address_parse(rows[i].text, strlen(rows[i].text), "x.nbd", &a, &why);

		assert_int_equal(r, rows[i].uri || rows[i].words ? 0 : -EINVAL);
		if (r < 0)
			assert_non_null(strstr(why.text, "'x.nbd'"));
		if (rows[i].uri)
			assert_string_equal(a.uri, rows[i].uri);
		for (char **w = a.command; w && *w; w++)
			text_add(&words, "%s|", *w);
		if (rows[i].words)
			assert_string_equal(words.chars, rows[i].words);
	}
}

static void test_zeros_are_granules(void **state)
{
	struct zeros z = { 0 };
	bool is_zero;

	/* In pieces, unaligned; one too small to count; one at a short end. */
	assert_int_equal(zeros_add(&z, 1000, 100000, 1000000), 0);
	assert_int_equal(zeros_add(&z, 100000, 300000, 1000000), 0);
	assert_int_equal(zeros_add(&z, 330000, 400000, 1000000), 0);
	assert_int_equal(zeros_add(&z, 900000, 1000000, 1000000), 0);
	assert_int_equal(zeros_end(&z, 1000000), 0);
	assert_int_equal(z.n, 2);
	assert_int_equal(zeros_at(&z, 0, 1000000, &is_zero), 65536);
	assert_false(is_zero);
	assert_int_equal(zeros_at(&z, 70000, 1000000, &is_zero), 262144 - 70000);
	assert_true(is_zero);
	assert_int_equal(zeros_at(&z, 262144, 1000000, &is_zero), 917504 - 262144);
	assert_false(is_zero);
	assert_int_equal(zeros_at(&z, 999999, 1000000, &is_zero), 1);
	assert_true(is_zero);
	zeros_done(&z);
}

/* ---- reading ---- */

static void test_reads_any_range(void **state)
{
	pid_t server = START("pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);

	assert_int_equal(nbd_client_size(c), BYTES);
	assert_describes(c, "up to 4 connections");
	for (uint64_t at = 1; at < BYTES; at = at * 3 + 1)
		assert_reads(c, min_u64(at * 2, BYTES - at), at);
	assert_reads(c, BYTES, 0);
	stop(server);
}

struct reader {
	struct nbd_client *client;
	unsigned number;
	int result;
	struct why why;
};

static void *read_all_over(void *arg)
{
	struct reader *reader = arg;
	uint8_t *buf = malloc(512 * KiB);

	for (unsigned i = 0; i < 40 && reader->result == 0; i++) {
		const uint64_t at = (reader->number * 7919 + i * 104729) * 137 % (BYTES - 512 * KiB);

		reader->result = nbd_client_pread(reader->client, buf, 512 * KiB - i, at, &reader->why);
		if (reader->result == 0)
			assert_pattern(buf, 512 * KiB - i, at);
	}
	free(buf);
	return NULL;
}

#define READERS 8

static void read_with_many(struct nbd_client *c)
{
	struct reader readers[READERS] = { 0 };
	pthread_t threads[READERS];

	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .client = c, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_over, &readers[i]), 0);
	}
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		if (readers[i].result < 0)
			fail_msg("%s", why_text(&readers[i].why, readers[i].result));
	}
}

static void test_many_read_over_many_connections(void **state)
{
	pid_t server = START("--filter=delay", "pattern", SIZE, "rdelay=2ms");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);
	const unsigned before = fds_open();

	read_with_many(c);
	/* One was there before. */
	assert_int_equal(fds_open() - before, NBD_CONNECTIONS - 1);
	stop(server);
}

static void test_many_read_over_one_connection(void **state)
{
	pid_t server = START("--filter=multi-conn", "pattern", SIZE, "multi-conn-mode=disable");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);
	const unsigned before = fds_open();

	assert_describes(c, "1 connection");
	read_with_many(c);
	assert_int_equal(fds_open(), before);
	stop(server);
}

/* A listening socket on a free port of this host. */
static int listen_on_tcp(unsigned *ret_port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t length = sizeof(at);

	assert_int_equal(bind(s, (const struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(listen(s, 8), 0);
	assert_int_equal(getsockname(s, (struct sockaddr *)&at, &length), 0);
	*ret_port = ntohs(at.sin_port);
	return s;
}

static void test_reads_over_tcp(void **state)
{
	_cleanup_(nbd_client_closep) struct nbd_client *c = NULL;
	_cleanup_free_ char *tcp = NULL;
	unsigned port;
	int listener = listen_on_tcp(&port);
	pid_t server = start(listener, (const char *const[]){ "pattern", SIZE, NULL });

	(void)close(listener);
	tcp = text_new("nbd://127.0.0.1:%u", port);
	c = open_at(tcp, 0);
	assert_reads(c, 3 * MiB + 5, 77);
	stop(server);
}

static void test_blocks_of_the_server_are_heeded(void **state)
{
	pid_t server = START("--filter=blocksize-policy", "pattern", SIZE, "blocksize-minimum=4096",
			     "blocksize-maximum=128K", "blocksize-error-policy=error");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);

	assert_reads(c, 1, 4095);
	assert_reads(c, 4097, 4096);
	assert_reads(c, 1 * MiB, 12345);
	assert_reads(c, 100, BYTES - 100);
	stop(server);
}

static void test_zero_ranges_are_asked_for(void **state)
{
	pid_t server = START("data", "@0x100000 0x55*65536 @0x400000 0x66*1", "size=" SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);
	struct zeros z;

	assert_int_equal(nbd_client_zeros(c, &z, NULL), 0);
	assert_int_equal(z.n, 3);
	assert_int_equal(z.run[0].start, 0);
	assert_int_equal(z.run[0].end, 0x100000);
	assert_int_equal(z.run[1].end, 0x400000);
	assert_int_equal(z.run[2].end, BYTES);
	zeros_done(&z);
	stop(server);
}

static void test_a_mere_hole_is_data(void **state)
{
	pid_t server = START("eval", "get_size=echo 4M", "pread=dd if=/dev/zero count=$3 iflag=count_bytes",
			     "can_extents=exit 0",
			     "extents=echo 0 1M hole; echo 1M 1M zero; echo 2M 1M hole,zero; echo 3M 1M");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);
	struct zeros z;

	assert_int_equal(nbd_client_zeros(c, &z, NULL), 0);
	assert_int_equal(z.n, 1);
	assert_int_equal(z.run[0].start, 1 * MiB);
	assert_int_equal(z.run[0].end, 3 * MiB);
	zeros_done(&z);
	stop(server);
}

static void test_who_can_not_tell_has_no_zeros(void **state)
{
	pid_t server = START("--no-sr", "memory", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);
	struct zeros z;

	assert_describes(c, "up to 4 connections, zeros not known");
	assert_int_equal(nbd_client_zeros(c, &z, NULL), 0);
	assert_int_equal(z.n, 0);
	stop(server);
}

/* ---- what goes wrong ---- */

static void test_error_of_the_server_is_not_kept(void **state)
{
	_cleanup_free_ char *file = text_new("%s/fail", dir), *option = text_new("error-file=%s", file);
	pid_t server = START("--filter=error", "pattern", SIZE, "error-pread-rate=100%", option);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 0);

	assert_reads(c, 4096, 0);
	(void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_read_fails(c, -EIO, "'it': the server can't read 4096 bytes at 0");
	(void)unlink(file);
	assert_reads(c, 4096, 0);
	stop(server);
}

static void test_what_can_not_be_opened_says_why(void **state)
{
	struct why why = { "" };
	pid_t server;

	assert_true(open_error(uri, &why) < 0);
	assert_non_null(strstr(why.text, "'it' can't be opened: "));
	server = START("--filter=exportname", "pattern", SIZE, "exportname=a", "exportname-strict=true");
	assert_int_equal(open_error(uri, &why), -ENOENT);
	stop(server);
	assert_int_equal(open_error("nbd+ssh://host/", &why), -EIO);
	server = START("memory", "0");
	assert_int_equal(open_error(uri, &why), -EBADMSG);
	assert_non_null(strstr(why.text, "empty"));
	stop(server);
}

static void *read_a_page(void *arg)
{
	struct reader *reader = arg;
	uint8_t buf[4096];

	reader->result = nbd_client_pread(reader->client, buf, sizeof(buf), 8192, &reader->why);
	if (reader->result == 0)
		assert_pattern(buf, sizeof(buf), 8192);
	return NULL;
}

static void test_reads_wait_for_a_server_that_comes_back(void **state)
{
	pid_t server = START("pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 120000);
	struct reader reader = { .client = c };
	pthread_t thread;

	read_with_many(c);
	stop(server);
	assert_int_equal(pthread_create(&thread, NULL, read_a_page, &reader), 0);
	/* Let it find out, and try a few times. */
	(void)usleep(700000);
	server = START("pattern", SIZE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(reader.result, 0);
	read_with_many(c);
	stop(server);
}

static void test_server_that_dies_again_and_again(void **state)
{
	struct reader readers[READERS] = { 0 };
	pid_t server = START("--filter=delay", "pattern", SIZE, "rdelay=5ms");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 120000);
	pthread_t threads[READERS];

	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){ .client = c, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, read_all_over, &readers[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		(void)usleep(50000);
		stop(server);
		server = START("--filter=delay", "pattern", SIZE, "rdelay=5ms");
	}
	for (unsigned i = 0; i < READERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(readers[i].result, 0);
	}
	stop(server);
}

static void test_a_read_fails_in_the_end_and_the_next_tries_again(void **state)
{
	pid_t server = START("pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 1000);

	stop(server);
	assert_read_fails(c, -EIO, "there has been no answer for 1 s");
	server = START("pattern", SIZE);
	for (unsigned i = 0; i < 100 && nbd_client_pread(c, &(uint8_t){ 0 }, 1, 0, NULL) < 0; i++)
		continue;
	assert_reads(c, 100000, 5);
	stop(server);
}

static void test_stalled_server_is_given_up(void **state)
{
	pid_t server = START("pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 1000);

	(void)kill(server, SIGSTOP);
	assert_int_equal(waitpid(server, NULL, WUNTRACED), server);
	assert_read_fails(c, -EIO, "there has been no answer for 1 s");
	(void)kill(server, SIGCONT);
	for (unsigned i = 0; i < 100 && nbd_client_pread(c, &(uint8_t){ 0 }, 1, 0, NULL) < 0; i++)
		continue;
	assert_reads(c, 100000, 5);
	stop(server);
}

static void test_other_export_behind_the_address_is_refused(void **state)
{
	pid_t server = START("pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 120000);

	stop(server);
	server = START("pattern", "17M");
	assert_read_fails(c, -ESTALE,
			  "the server has another export by now, of 17825792 bytes; it had 16777216");
	assert_true(nbd_client_is_stale(c));
	stop(server);
	server = START("pattern", SIZE);
	/* As long as nobody else has looked, the pause may be that of the last failure. */
	for (unsigned i = 0; i < 100 && nbd_client_pread(c, &(uint8_t){ 0 }, 1, 0, NULL) < 0; i++)
		continue;
	assert_reads(c, 10, 0);
	assert_false(nbd_client_is_stale(c));
	stop(server);
}

static bool always(void *arg)
{
	return true;
}

static void test_interrupted_reader_leaves_and_others_stay(void **state)
{
	_cleanup_free_ char *file = text_new("%s/stall", dir);
	_cleanup_free_ char *pread = text_new("pread=while [ -e %s ]; do sleep 0.01; done; "
					      "dd if=/dev/zero count=$3 iflag=count_bytes status=none",
					      file);
	pid_t server = START("eval", "get_size=echo 4M", pread);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(uri, 120000);
	uint8_t buf[4096];

	(void)close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	patience_set(always, NULL);
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), -EINTR);
	/* In the queue, or while it connects. */
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), -EINTR);
	patience_set(NULL, NULL);
	(void)unlink(file);
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), 0);
	stop(server);
	patience_set(always, NULL);
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), -EINTR);
	patience_set(NULL, NULL);
}

/* ---- TLS ---- */

static void run(const char *command)
{
	_cleanup_free_ char *all =
		text_new("cd '%s' && { %s; } >log 2>&1 || { cat log; exit 1; }", dir, command);

	assert_int_equal(system(all), 0);
}

static void test_tls_with_certificates(void **state)
{
	_cleanup_free_ char *pki = text_new("--tls-certificates=%s/server", dir), *right = NULL, *wrong = NULL,
			    *plain = NULL;
	struct why why = { "" };
	unsigned port;
	int listener = listen_on_tcp(&port);
	pid_t server;

	run("mkdir server client other && for who in client other; do "
	    "openssl req -x509 -newkey rsa:2048 -nodes -keyout $who.key -out $who/ca-cert.pem -days 2 "
	    "-subj /CN=ca-$who; done && "
	    "openssl req -newkey rsa:2048 -nodes -keyout server/server-key.pem -out server.csr "
	    "-subj /CN=localhost && printf subjectAltName=DNS:localhost >ext && "
	    "openssl x509 -req -in server.csr -CA client/ca-cert.pem -CAkey client.key -CAcreateserial -days 2 "
	    "-extfile ext -out server/server-cert.pem && cp client/ca-cert.pem server");
	right = text_new("nbds://localhost:%u/?tls-certificates=%s/client", port, dir);
	wrong = text_new("nbds://localhost:%u/?tls-certificates=%s/other", port, dir);
	plain = text_new("nbd://localhost:%u/", port);
	server = start(listener, (const char *const[]){ "--tls=require", pki, "pattern", SIZE, NULL });
	{
		_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(right, 0);

		assert_describes(c, "up to 4 connections, TLS");
		read_with_many(c);
	}
	assert_true(open_error(wrong, &why) < 0);
	assert_non_null(strstr(why.text, "certificate"));
	/* A server that wants TLS isn't spoken to without. */
	assert_true(open_error(plain, &why) < 0);
	stop(server);
	/* Nor the reverse. */
	server = start(listener, (const char *const[]){ "pattern", SIZE, NULL });
	assert_true(open_error(right, &why) < 0);
	stop(server);
	(void)close(listener);
}

static void test_tls_with_a_shared_key(void **state)
{
	_cleanup_free_ char *keys = text_new("--tls-psk=%s/keys", dir);
	_cleanup_free_ char *right =
		text_new("nbds+unix://alice@localhost/?socket=%s&tls-psk-file=%s/keys", socket_path, dir);
	_cleanup_free_ char *wrong =
		text_new("nbds+unix://alice@localhost/?socket=%s&tls-psk-file=%s/other", socket_path, dir);
	struct why why = { "" };
	pid_t server;

	run("echo alice:$(openssl rand -hex 32) >keys; echo alice:$(openssl rand -hex 32) >other");
	server = START("--tls=require", keys, "pattern", SIZE);
	{
		_cleanup_(nbd_client_closep) struct nbd_client *c = open_at(right, 0);

		assert_describes(c, "up to 4 connections, TLS");
		read_with_many(c);
	}
	assert_true(open_error(wrong, &why) < 0);
	stop(server);
}

/* ---- children ---- */

#define CHILD(...) \
	((struct nbd_child_options){ .name = "it", .argv = (const char *const[]){ __VA_ARGS__, NULL } })

/* The one process that this one has started, 0 for none. */
static pid_t only_child(void)
{
	char path[64], line[64] = "";
	pid_t pid = 0;
	DIR *d = opendir("/proc/self/task");
	struct dirent *entry;

	while ((entry = readdir(d))) {
		_cleanup_fclose_ FILE *f = NULL;

		(void)snprintf(path, sizeof(path), "/proc/self/task/%.20s/children", entry->d_name);
		f = entry->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (f && fgets(line, sizeof(line), f))
			pid = atoi(line);
	}
	(void)closedir(d);
	return pid;
}

static struct nbd_client *open_child(const struct nbd_child_options *child)
{
	const struct nbd_client_options options = { .name = "it", .child = child };
	struct nbd_client *c;
	struct why why = { "" };
	int r = nbd_client_open(&options, &c, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return c;
}

static void test_child_serves_and_leaves_nothing_behind(void **state)
{
	const struct nbd_child_options child = CHILD("nbdkit", "-f", "pattern", SIZE);
	const unsigned before = fds_open();
	struct nbd_client *c = open_child(&child);

	assert_true(only_child() > 0);
	read_with_many(c);
	nbd_client_close(c);
	assert_int_equal(only_child(), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(fds_open(), before);
}

static void test_child_that_dies_is_replaced(void **state)
{
	const struct nbd_child_options child = CHILD("nbdkit", "-f", "pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_child(&child);

	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = only_child();

		assert_true(pid > 0);
		(void)kill(pid, SIGKILL);
		assert_reads(c, 1 * MiB, i);
		assert_true(only_child() != pid);
	}
}

static void test_child_that_goes_with_its_last_client(void **state)
{
	const struct nbd_child_options child = CHILD("nbdkit", "-f", "--filter=exitlast", "pattern", SIZE);
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_child(&child);

	read_with_many(c);
}

static void test_child_that_dies_of_a_read_is_given_up(void **state)
{
	const struct nbd_child_options child = CHILD("nbdkit", "-f", "eval", "get_size=echo 4M",
						     "pread=if [ $4 -ge 1048576 ]; then kill -9 $PPID; fi; "
						     "dd if=/dev/zero count=$3 iflag=count_bytes status=none");
	_cleanup_(nbd_client_closep) struct nbd_client *c = open_child(&child);
	struct why why = { "" };
	uint8_t buf[512];

	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), 0);
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 1 * MiB, &why), -EIO);
	assert_string_equal(why.text, "'it': its server dies whenever this is read");
	assert_int_equal(nbd_client_pread(c, buf, sizeof(buf), 0, NULL), 0);
}

static void test_child_that_can_not_start_says_why(void **state)
{
	static const struct {
		const char *program, *argument;
		const char *what;
		int error;
	} rows[] = {
		{ "goalfs-no-such-program", NULL, "'goalfs-no-such-program' can't be run: No such file",
		  -ENOENT },
		{ "/etc/passwd", NULL, "'/etc/passwd' can't be run: Permission denied", -EACCES },
		{ "false", NULL, "'it' can't be opened", 0 },
		{ "sh", "echo first; echo it is no disk >&2; exit 1", "'it' can't be opened: it is no disk",
		  0 },
	};
	const unsigned before = fds_open();

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct nbd_child_options child =
			CHILD(rows[i].program, rows[i].argument ? "-c" : NULL, rows[i].argument);
		const struct nbd_client_options options = { .name = "it", .child = &child };
		struct nbd_client *c;
		struct why why = { "" };
		int r = nbd_client_open(&options, &c, &why);

		assert_true(r < 0);
		if (rows[i].error)
			assert_int_equal(r, rows[i].error);
		if (!strstr(why.text, rows[i].what))
			fail_msg("'%s' lacks '%s'", why.text, rows[i].what);
	}
	assert_int_equal(fds_open(), before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

/* Given a file of ours, and told to look at others. */
static void test_confined_child_has_its_descriptors_only(void **state)
{
	_cleanup_free_ char *mine = text_new("%s/mine", dir);
	_cleanup_close_ int fd = open(mine, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	_cleanup_free_ char *script =
		text_new("cat /proc/self/fd/4; cat %s/other; echo made >%s/made; "
			 "echo written >/proc/self/fd/4; "
			 "(exec 9<>/dev/tcp/127.0.0.1/1) 2>&1 | grep -o socket:.*; "
			 "echo $GOALFS_TEST_SECRET; [ -e /dev/fd/5 ] && echo more; echo end",
			 dir, dir);
	const struct nbd_child_options options = {
		.name = "confined",
		.argv = (const char *const[]){ "bash", "-c", script, NULL },
		.fds = &fd,
		.n_fds = 1,
		.confined = true,
	};
	_cleanup_free_ char *log = text_new("%s/log", dir), *check = NULL;
	_cleanup_close_ int before = dup(STDERR_FILENO);
	struct nbd_child *child;
	struct why why = { "" };
	int to;

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, 1) < 1)
		skip();
	to = open(log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	run("echo secret >other");
	(void)setenv("GOALFS_TEST_SECRET", "secret", 1);
	assert_int_equal(write(fd, "mine\n", 5), 5);
	assert_true(dup2(to, STDERR_FILENO) >= 0);
	assert_int_equal(nbd_child_start(&options, &child, &why), 0);
	while (nbd_child_output_fd(child) >= 0) {
		nbd_child_output(child);
		(void)usleep(1000);
	}
	nbd_child_end(child, NULL);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	(void)close(to);
	/* Sockets are refused by seccomp, files by Landlock where there is one. */
	check = text_new("cd %s && cat log && grep -q 'confined: mine' log && grep -q 'confined: end' log && "
			 "grep -q 'confined: socket: Permission denied' log && ! grep -q more log && "
			 "! grep -q secret log && ! [ -e made ] && [ \"$(cat mine)\" = mine ]",
			 dir);
	assert_int_equal(system(check), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_zeros_are_granules),
		cmocka_unit_test_setup_teardown(test_reads_any_range, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_read_over_many_connections, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_read_over_one_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reads_over_tcp, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks_of_the_server_are_heeded, setup, teardown),
		cmocka_unit_test_setup_teardown(test_zero_ranges_are_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_mere_hole_is_data, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_can_not_tell_has_no_zeros, setup, teardown),
		cmocka_unit_test_setup_teardown(test_error_of_the_server_is_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(test_what_can_not_be_opened_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reads_wait_for_a_server_that_comes_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_server_that_dies_again_and_again, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_read_fails_in_the_end_and_the_next_tries_again, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_stalled_server_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_export_behind_the_address_is_refused, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_interrupted_reader_leaves_and_others_stay, setup,
						teardown),
		cmocka_unit_test_setup_teardown(test_tls_with_certificates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tls_with_a_shared_key, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_serves_and_leaves_nothing_behind, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_that_dies_is_replaced, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_that_goes_with_its_last_client, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_that_dies_of_a_read_is_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_child_that_can_not_start_says_why, setup, teardown),
		cmocka_unit_test_setup_teardown(test_confined_child_has_its_descriptors_only, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
