/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The loop: a fixed number of threads, each reading the next request and running
 * it. libfuse's own loop grows its number as requests come, up to a limit that
 * its versions set differently; a fixed number is what the gate counts on.
 *
 * The end comes in two ways. Unmounted from outside, the device reads as gone.
 * On a signal the main thread sets the session's exit flag and interrupts the
 * threads' reads with SIGUSR1 until all have seen it.
 */
#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "backends/cache/verdicts.h"
#include "backends/library/library.h"
#include "base/log.h"
#include "base/text.h"
#include "fs/buffer.h"
#include "fs/handle.h"
#include "fs/news.h"
#include "fs/notify.h"

#define READ_AHEAD_KIB "1024" /* the largest request */

struct loop {
	struct fuse_session *session;
	pthread_t thread[LOOP_THREADS];
	unsigned n;
	sem_t ended; /* posted by each thread that leaves */
};

static void *loop_thread(void *arg)
{
	struct loop *loop = arg;
	struct fuse_buf buf = { 0 };

	while (!fuse_session_exited(loop->session)) {
		int r = fuse_session_receive_buf(loop->session, &buf);

		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			break;
		fuse_session_process_buf(loop->session, &buf);
	}
	fuse_session_exit(loop->session);
	free(buf.mem);
	buffer_thread_done();
	sem_post(&loop->ended);
	/* The one in main waits for a signal: this is it. */
	(void)kill(getpid(), SIGTERM);
	return NULL;
}

static void nothing(int signal)
{
}

static int start(struct loop *loop, struct why *why)
{
	struct sigaction interrupt = { .sa_handler = nothing }; /* without SA_RESTART */
	int r = 0;

	(void)sigaction(SIGUSR1, &interrupt, NULL);
	while (loop->n < LOOP_THREADS && r == 0) {
		r = pthread_create(&loop->thread[loop->n], NULL, loop_thread, loop);
		loop->n += r == 0;
	}
	return r ? fail(why, -r, "threads can't be started: %s", strerror(r)) : 0;
}

/*
 * The kernel reads 128 KiB ahead of whoever reads in sequence, and INIT can only make
 * that less: each request would be as small. Its own knob takes root, and a writable /sys.
 */
static void read_further_ahead(const char *mountpoint)
{
	_cleanup_free_ char *knob = NULL;
	_cleanup_close_ int fd = -1;
	struct statx st;

	/* Of what the kernel has in mind already: nobody need answer us. */
	if (!mountpoint || statx(AT_FDCWD, mountpoint, AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT, 0, &st) < 0)
		return;
	knob = text_new("/sys/class/bdi/%u:%u/read_ahead_kb", st.stx_dev_major, st.stx_dev_minor);
	fd = knob ? open(knob, O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0 || write(fd, READ_AHEAD_KIB, strlen(READ_AHEAD_KIB)) < 0)
		log_detail("the kernel's readahead stays as it is: %s", strerror(errno));
}

void mount_tell_ready(struct mount *m)
{
	_cleanup_free_ char *status = text_new("Serving '%s'", m->context->mountpoint);

	notify_ready(m->notify, status ?: "");
}

/* SIGHUP asks for the library to be read again; the others, for the end. */
static void wait_for_end(struct mount *m)
{
	sigset_t set;
	int signal;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	while (sigwait(&set, &signal) == 0 && signal == SIGHUP) {
		notify_reloading(m->notify);
		library_refresh(m->library);
		mount_tell_ready(m);
	}
	notify_stopping(m->notify, "Ending");
	/* Not after an unmount: then what seems open was closed, and we were not told yet. */
	if (!fuse_session_exited(m->session))
		handles_say_open(m);
}

/* A thread may check the flag just before it reads, so they are interrupted again until they left. */
static void end(struct loop *loop)
{
	for (unsigned left = loop->n; left;) {
		struct timespec until;

		for (unsigned i = 0; i < loop->n; i++)
			(void)pthread_kill(loop->thread[i], SIGUSR1);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_nsec += 20 * 1000 * 1000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		while (left && sem_timedwait(&loop->ended, &until) == 0)
			left--;
	}
	for (unsigned i = 0; i < loop->n; i++)
		(void)pthread_join(loop->thread[i], NULL);
}

int mount_serve(struct mount *m, struct why *why)
{
	struct loop loop = { .session = m->session };
	int r;

	sem_init(&loop.ended, 0, 0);
	r = start(&loop, why);
	if (r == 0) {
		read_further_ahead(m->context->mountpoint);
		wait_for_end(m);
	}
	atomic_store(&m->ending, true);
	/*
	 * Who may be telling the kernel of something waits for requests under way, and
	 * has to end while these are still answered.
	 */
	library_unwatch(m->library);
	verdicts_end(m->context->verdicts);
	news_end(m->news);
	fuse_session_exit(m->session);
	end(&loop);
	sem_destroy(&loop.ended);
	return r;
}
