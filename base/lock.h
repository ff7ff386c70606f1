/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_LOCK_H
#define GOALFS_BASE_LOCK_H

/* A mutex held to the end of the scope, conditions that wait by the clock that nobody sets, and threads. */
#include <pthread.h>
#include <stdint.h>

#include "base/cleanup.h"

static inline pthread_mutex_t *lock_take_(pthread_mutex_t *m)
{
	(void)pthread_mutex_lock(m);
	return m;
}

static inline void lock_release_(pthread_mutex_t **m)
{
	(void)pthread_mutex_unlock(*m);
}

#define LOCKED(m) _cleanup_(lock_release_) __attribute__((unused)) pthread_mutex_t *locked_ = lock_take_(m)

/* Milliseconds of CLOCK_MONOTONIC. */
int64_t lock_now_ms(void);

/* A condition whose timed waits go by CLOCK_MONOTONIC. */
void lock_cond_init(pthread_cond_t *cond);

/* Waits until woken or until lock_now_ms() reaches `until`. */
void lock_cond_wait_until(pthread_cond_t *cond, pthread_mutex_t *m, int64_t until);

/*
 * A thread of ours: named (15 characters at most), and deaf to signals, which
 * belong to the thread that serves the mount. 0 or a negative errno.
 */
int lock_thread_start(pthread_t *ret, const char *name, void *(*run)(void *), void *arg);

#endif
