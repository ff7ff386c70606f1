/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our NBD server, asked by libnbd, by qemu-img, and by a client that does not keep to the protocol. */
#include "tests/unit/test.h"

#include <libnbd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/nbd/server.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "base/text.h"
#include "tests/unit/fds.h"

#define SIZE  (9 * MiB + 1234)
#define WHOLE (9 * MiB + 1536)

static uint8_t *disk;
static atomic_int error;
static atomic_bool is_stuck;
static atomic_uint reading, most_reading, begun;
static atomic_uint_least64_t told_ahead;

static int read_disk(void *arg, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const unsigned n = atomic_fetch_add(&reading, 1) + 1;

	if (n > atomic_load(&most_reading))
		atomic_store(&most_reading, n);
	while (atomic_load(&is_stuck) && !patience_lost())
		(void)usleep(1000);
	atomic_fetch_sub(&reading, 1);
	if (atomic_load(&is_stuck))
		return fail(why, -EINTR, "given up");
	if (atomic_load(&error))
		return fail(why, atomic_load(&error), "the disk is ill");
	if (!range_ok(offset, count, SIZE))
		abort();
	memcpy(buf, disk + offset, count);
	return 0;
}

static void ahead(void *arg, uint64_t offset, uint64_t length)
{
	atomic_store(&told_ahead, offset);
}

static void begin(void)
{
	atomic_fetch_add(&begun, 1);
}

static int setup(void **state)
{
	const struct nbd_export export = { SIZE, read_disk, ahead, begin, NULL };

	atomic_store(&error, 0);
	atomic_store(&is_stuck, false);
	disk = malloc(SIZE);
	for (size_t i = 0; i < SIZE; i++)
		disk[i] = (uint8_t)(i * 7 + i / 4096);
	*state = nbd_server_new(&export);
	return 0;
}

static int teardown(void **state)
{
	nbd_server_free(*state);
	free(disk);
	return 0;
}

static int connection(struct nbd_server *s)
{
	struct why why = { "" };
	int fd;

	if (nbd_server_connect(s, &fd, &why) < 0)
		fail_msg("%s", why.text);
	return fd;
}

/* ---- who keeps to the protocol ---- */

static struct nbd_handle *client(struct nbd_server *s)
{
	struct nbd_handle *nbd = nbd_create();

	assert_non_null(nbd);
	if (nbd_connect_socket(nbd, connection(s)) < 0)
		fail_msg("%s", nbd_get_error());
	return nbd;
}

static void libnbd_reads_it(void **state)
{
	struct nbd_handle *nbd = client(*state);
	_cleanup_free_ uint8_t *buf = malloc(MiB);

	assert_int_equal(nbd_get_size(nbd), WHOLE);
	assert_int_equal(nbd_is_read_only(nbd), 1);
	assert_int_equal(nbd_get_block_size(nbd, LIBNBD_SIZE_MAXIMUM), NBD_SERVER_READ_MAX);
	for (uint64_t at = 0; at < SIZE; at += MiB) {
		const size_t n = min_u64(MiB, SIZE - at);

		assert_int_equal(nbd_pread(nbd, buf, n, at, 0), 0);
		assert_memory_equal(buf, disk + at, n);
	}
	assert_int_equal(nbd_pread(nbd, buf, WHOLE - SIZE, SIZE, 0), 0);
	assert_true(bytes_are_zero(buf, WHOLE - SIZE));
	/* From one end to the other. */
	assert_int_equal(atomic_load(&told_ahead), 9 * MiB);
	assert_true(atomic_load(&begun) > 0);
	assert_int_equal(nbd_shutdown(nbd, 0), 0);
	nbd_close(nbd);
}

static void what_cannot_be_had_is_an_error(void **state)
{
	struct nbd_handle *nbd = client(*state);
	struct why why = { "" };
	uint8_t buf[512];

	(void)nbd_set_strict_mode(nbd, 0);
	assert_int_equal(nbd_pread(nbd, buf, 512, WHOLE - 511, 0), -1);
	assert_int_equal(nbd_get_errno(), EINVAL);
	assert_int_equal(nbd_pread(nbd, buf, 512, UINT64_MAX - 100, 0), -1);
	assert_int_equal(nbd_trim(nbd, 512, 0, 0), -1);
	assert_int_equal(nbd_server_failures(*state), 0);
	assert_int_equal(nbd_server_failure(*state, 0, &why), 0);
	atomic_store(&error, -EBADMSG);
	assert_int_equal(nbd_pread(nbd, buf, 512, 0, 0), -1);
	assert_int_equal(nbd_get_errno(), EIO);
	/* To each who asks. */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(nbd_server_failure(*state, 0, &why), -EBADMSG);
		assert_string_equal(why.text, "the disk is ill");
	}
	assert_int_equal(nbd_server_failures(*state), 1);
	assert_int_equal(nbd_server_failure(*state, 1, &why), 0);
	/* It goes on. */
	atomic_store(&error, 0);
	assert_int_equal(nbd_pread(nbd, buf, 512, SIZE - 512, 0), 0);
	assert_memory_equal(buf, disk + SIZE - 512, 512);
	nbd_close(nbd);
}

static void writing_ends_the_connection(void **state)
{
	_cleanup_free_ uint8_t *was = malloc(512);
	struct nbd_handle *nbd = client(*state);
	uint8_t buf[512] = { 0 };

	memcpy(was, disk, 512);
	(void)nbd_set_strict_mode(nbd, 0);
	assert_int_equal(nbd_pwrite(nbd, buf, 512, 0, 0), -1);
	assert_int_equal(nbd_pread(nbd, buf, 512, 0, 0), -1);
	nbd_close(nbd);
	assert_memory_equal(disk, was, 512);
}

static void export_has_no_name(void **state)
{
	struct nbd_handle *nbd = nbd_create();

	assert_int_equal(nbd_set_export_name(nbd, "other"), 0);
	assert_int_equal(nbd_connect_socket(nbd, connection(*state)), -1);
	nbd_close(nbd);
}

static void run(char *command)
{
	char *const argv[] = { (char *)"sh", (char *)"-c", command, NULL };
	const pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)execv("/bin/sh", argv);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void qemu_reads_it(void **state)
{
	char file[] = "/tmp/goalfs-test-nbd-server-XXXXXX";
	const int fd = mkstemp(file), end = connection(*state), as = dup(end);
	_cleanup_free_ char *command =
		text_new("qemu-img convert -O raw "
			 "'json:{\"driver\":\"nbd\",\"server\":{\"type\":\"fd\",\"str\":\"%d\"}}' %s",
			 as, file);
	_cleanup_free_ uint8_t *have = malloc(WHOLE);

	(void)close(end);
	run(command);
	(void)close(as);
	assert_int_equal(pread(fd, have, WHOLE, 0), WHOLE);
	assert_memory_equal(have, disk, SIZE);
	(void)close(fd);
	(void)unlink(file);
}

/* ---- at once, and not at all ---- */

static void *read_some(void *arg)
{
	static uint8_t buf[512];

	return nbd_pread(arg, buf, sizeof(buf), 0, 0) == 0 ? NULL : arg;
}

static void reads_go_on_side_by_side(void **state)
{
	struct nbd_handle *nbd = client(*state);
	static uint8_t buf[4][512];
	int64_t cookie[4];

	atomic_store(&is_stuck, true);
	for (int i = 0; i < 4; i++)
		cookie[i] = nbd_aio_pread(nbd, buf[i], 512, (uint64_t)i * MiB, NBD_NULL_COMPLETION, 0);
	while (atomic_load(&reading) < 4)
		(void)nbd_poll(nbd, 10);
	atomic_store(&is_stuck, false);
	for (int i = 0; i < 4; i++) {
		while (nbd_aio_command_completed(nbd, (uint64_t)cookie[i]) == 0)
			(void)nbd_poll(nbd, -1);
		assert_memory_equal(buf[i], disk + i * MiB, 512);
	}
	nbd_close(nbd);
}

static void its_end_releases_who_waits(void **state)
{
	struct nbd_handle *nbd = client(*state);
	pthread_t thread;
	int fd;
	void *ret;

	atomic_store(&is_stuck, true);
	assert_int_equal(pthread_create(&thread, NULL, read_some, nbd), 0);
	while (atomic_load(&reading) == 0)
		(void)usleep(1000);
	nbd_server_end(*state);
	assert_int_equal(pthread_join(thread, &ret), 0);
	assert_ptr_equal(ret, nbd);
	nbd_close(nbd);
	assert_int_equal(nbd_server_connect(*state, &fd, NULL), -ECANCELED);
}

/* As a child does that is killed, again and again. */
static void those_who_left_are_forgotten(void **state)
{
	const unsigned before = fds_open();

	for (int i = 0; i < 50; i++) {
		struct nbd_handle *nbd = client(*state);
		uint8_t buf[512];

		assert_int_equal(nbd_pread(nbd, buf, 512, 0, 0), 0);
		nbd_close(nbd);
	}
	/* Who comes finds them gone, sooner or later. */
	while (fds_open() > before + 1) {
		(void)close(connection(*state));
		(void)usleep(1000);
	}
}

/* ---- who doesn't keep to the protocol ---- */

struct bytes {
	uint8_t byte[128];
	size_t n;
};

static void add(struct bytes *b, uint64_t value, size_t n)
{
	for (size_t i = n; i-- > 0;)
		b->byte[b->n++] = i < 8 ? (uint8_t)(value >> (8 * i)) : 0;
}

static void add_option(struct bytes *b, uint32_t option, uint32_t count)
{
	add(b, UINT64_C(0x49484156454f5054), 8);
	add(b, option, 4);
	add(b, count, 4);
}

static void add_go(struct bytes *b, uint32_t name, uint16_t kinds)
{
	add_option(b, 7, 6);
	add(b, name, 4);
	add(b, kinds, 2);
}

static void add_read(struct bytes *b, uint32_t magic, uint32_t count)
{
	add(b, magic, 4);
	add(b, 0, 2 + 2);
	add(b, 0x0123456789abcdef, 8);
	add(b, 0, 8);
	add(b, count, 4);
}

/* What is answered behind the greeting, until the connection is closed for us. */
static size_t said(struct nbd_server *s, const struct bytes *b, uint8_t *buf, size_t room)
{
	const int fd = connection(s);
	size_t n = 0;
	ssize_t k;

	assert_int_equal(send(fd, b->byte, b->n, MSG_NOSIGNAL), b->n);
	(void)shutdown(fd, SHUT_WR);
	while ((k = recv(fd, buf + n, room - n, 0)) > 0)
		n += (size_t)k;
	(void)close(fd);
	assert_true(n >= 18);
	assert_memory_equal(buf, "NBDMAGICIHAVEOPT\0\3", 18);
	memmove(buf, buf + 18, n - 18);
	return n - 18;
}

static void damage_ends_the_connection(void **state)
{
	static const uint32_t options[] = { 0, 1, 5, 8, 0x7fffffff };
	uint8_t buf[1024];
	struct bytes b = { .n = 0 };

	/* Flags that are none. */
	add(&b, 0x80000003, 4);
	add_go(&b, 0, 0);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 0);
	/* No option at all; one of 4 GiB. */
	b.n = 0;
	add(&b, 3, 4);
	add(&b, 0x4141414141414141, 8);
	add(&b, 0, 8);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 0);
	b.n = 4;
	add_option(&b, 7, UINT32_MAX);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 0);
	/* One that ends too early. */
	b.n = 4;
	add_option(&b, 7, 100);
	add(&b, 0, 50);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 0);
	/* What is not known is refused: 20 bytes each. */
	b.n = 4;
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		add_option(&b, options[i], 0);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 100);
	assert_int_equal(get_be32(buf + 12), 1u << 31 | 1);
}

static void a_wrong_go_is_refused(void **state)
{
	uint8_t buf[1024];
	struct bytes b = { .n = 0 };

	add(&b, 3, 4);
	add_go(&b, 1, 0);
	add_go(&b, UINT32_MAX, 0);
	add_go(&b, UINT32_MAX - 5, 0);
	add_go(&b, 0, UINT16_MAX);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 80);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(get_be32(buf + 20 * i + 12), 1u << 31 | 3);
}

static void a_wrong_request_is_refused(void **state)
{
	uint8_t buf[1024];
	struct bytes b = { .n = 0 };

	/* 32 and 34 bytes of information, 20 that end it; then 16 for each request. */
	add(&b, 3, 4);
	add_go(&b, 0, 0);
	add_read(&b, 0x25609513, NBD_SERVER_READ_MAX + 1);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 86 + 16);
	assert_int_equal(get_be32(buf + 86), 0x67446698);
	assert_int_equal(get_be32(buf + 90), EINVAL);
	assert_true(get_be64(buf + 94) == 0x0123456789abcdef);
	b.n = 4 + 16 + 6;
	add_read(&b, 0x25609514, 1);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 86);
	b.n = 4 + 16 + 6;
	add_read(&b, 0x25609513, 100);
	assert_int_equal(said(*state, &b, buf, sizeof(buf)), 86 + 16 + 100);
	assert_memory_equal(buf + 102, disk, 100);
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(libnbd_reads_it),
		TEST(what_cannot_be_had_is_an_error),
		TEST(writing_ends_the_connection),
		TEST(export_has_no_name),
		TEST(qemu_reads_it),
		TEST(reads_go_on_side_by_side),
		TEST(its_end_releases_who_waits),
		TEST(those_who_left_are_forgotten),
		TEST(damage_ends_the_connection),
		TEST(a_wrong_go_is_refused),
		TEST(a_wrong_request_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
