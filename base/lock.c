/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/lock.h"

#include <signal.h>
#include <time.h>

int64_t lock_now_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void lock_cond_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	(void)pthread_condattr_init(&attr);
	(void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	(void)pthread_cond_init(cond, &attr);
	(void)pthread_condattr_destroy(&attr);
}

void lock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *m, int64_t until)
{
	struct timespec when = { .tv_sec = until / 1000, .tv_nsec = until % 1000 * 1000000 };

	(void)pthread_cond_timedwait(cond, m, &when);
}

int lock_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(ret, NULL, run, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(*ret, name);
	return -r;
}
