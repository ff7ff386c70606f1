/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backends/cache/seals.h"
#include "backends/content/btrfs/super.h"
#include "backends/layout/layout.h"

enum { THREADS = 8, PROCESSES = 300 };

static pthread_barrier_t start;

/* sha256sum says so of "seed\n1\nx"; two nibbles are the version and the variant. */
static const uint8_t uuid[] = {
	0xeb, 0x5d, 0xa3, 0xf0, 0x81, 0x8a, 0x47, 0x8f, 0x88, 0x7b, 0xbe, 0x71, 0xff, 0x0f, 0x25, 0xfb,
};

static bool makes_uuid(void)
{
	uint8_t made[16];

	layout_uuid(&(struct layout){ .seed = "seed" }, 1, "x", made);
	return memcmp(made, uuid, sizeof(made)) == 0;
}

static bool seals_a_chunk(void)
{
	_cleanup_(seals_freep) struct seals *s = seals_new(1);

	return s && seals_note(s, 0, "chunk", 5) && seals_note(s, 0, "chunk", 5) &&
	       !seals_note(s, 0, "other", 5);
}

static bool sums_a_block(void)
{
	uint8_t block[64] = { 0 }, sum[BTRFS_CHECKSUM_SIZE];
	struct why why = { "" };

	if (btrfs_checksum(BTRFS_SHA256, block, sizeof(block), sum, &why) < 0)
		return false;
	memcpy(block, sum, sizeof(sum));
	return btrfs_checksum_check(BTRFS_SHA256, block, sizeof(block), &why) == 0;
}

struct user {
	pthread_t thread;
	size_t first; /* of the ways to use it */
	bool is_wrong;
};

static void *use(void *arg)
{
	static bool (*const ways[])(void) = { makes_uuid, seals_a_chunk, sums_a_block };
	const size_t n = sizeof(ways) / sizeof(ways[0]);
	struct user *u = arg;

	(void)pthread_barrier_wait(&start);
	for (size_t i = 0; i < n; i++)
		u->is_wrong |= !ways[(u->first + i) % n]();
	return NULL;
}

static void be_first(void) __attribute__((noreturn));

/* Exits with 1 where a digest came out wrong; libgcrypt itself aborts. */
static void be_first(void)
{
	struct user users[THREADS] = { 0 };
	int status = 0;

	(void)pthread_barrier_init(&start, NULL, THREADS);
	for (size_t i = 0; i < THREADS; i++) {
		users[i].first = i;
		if (pthread_create(&users[i].thread, NULL, use, &users[i]) != 0)
			_exit(2);
	}
	for (size_t i = 0; i < THREADS; i++) {
		(void)pthread_join(users[i].thread, NULL);
		status |= users[i].is_wrong;
	}
	_exit(status);
}

/* Only the first of a process can fail, so there are many processes. */
static void threads_may_all_be_the_first(void **state)
{
	for (int i = 0; i < PROCESSES; i++) {
		const pid_t pid = fork();
		int status;

		assert_true(pid >= 0);
		if (pid == 0)
			be_first();
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_may_all_be_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
