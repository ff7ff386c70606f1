/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One thread that waits for inotify and scans sources again. The watches stand
 * on descriptors (/proc/self/fd/N), not on paths: mounting over a directory
 * changes nothing for them, and to add one never walks into the mount.
 *
 * A file that somebody writes passes through three states:
 *
 *	created, or written to     BUSY until it is closed, or was quiet for watch_quiet_ms
 *	closed, moved here, gone   the sources that looked at it are DIRTY
 *	dirty and no news for a    scanned
 *	moment
 *
 * What is busy counts as what it was before: a template that is just being copied
 * in is not there yet, an index that is being rewritten still says what it said.
 * The quiet spell ends the waiting for writers that never close.
 *
 * Watched are the source's directory and those where its files really are. What
 * else can change on the way there (a link in between, NFS) is noticed when
 * template_open meets it, which then rings.
 *
 * A directory may be deleted, or moved away and another put in its place. Its
 * descriptor goes on to show what it showed; until something stands where the
 * source's name says, the thread looks there once a second.
 */
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <time.h>

#include "backends/library/private.h"
#include "base/bytes.h"
#include "base/log.h"

#define CREATED_MS  300	 /* from its creation to its first byte; a new link never gets one */
#define QUIET_MS    150	 /* news come in bursts */
#define PATIENCE_MS 1000 /* but a burst without end is no reason to wait for ever */
#define ASTRAY_MS   1000
#define BUSY_MAX    1024

int watch_quiet_ms = 2000;

#define EVENTS                                                                                          \
	(IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | \
	 IN_DELETE_SELF | IN_MOVE_SELF)

struct busy {
	int wd;
	char *leaf;
	int64_t until;
};

struct watch {
	struct library *lib;
	pthread_t thread;
	int inotify;
	int stop; /* eventfd */
	struct busy busy[BUSY_MAX];
	size_t n_busy;
	bool *dirty;			 /* one a source */
	bool *astray;			 /* another directory may soon stand in its place */
	int64_t dirty_since, dirty_last; /* 0: nothing is dirty */
	bool complained;
	atomic_bool settled;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int watch_dir(struct watch *watch, int dir)
{
	char path[64];
	int wd;

	if (!watch)
		return -1;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	wd = inotify_add_watch(watch->inotify, path, EVENTS | IN_ONLYDIR);
	if (wd < 0 && !watch->complained) {
		log_warn("a directory of the library can't be watched, changes there may go unnoticed: %s",
			 errno == ENOSPC ? "fs.inotify.max_user_watches is used up" : strerror(errno));
		watch->complained = true;
	}
	return wd;
}

/* Busy files. */

static struct busy *find_busy(struct watch *w, int wd, const char *leaf)
{
	for (size_t i = 0; i < w->n_busy; i++)
		if (w->busy[i].wd == wd && strcmp(w->busy[i].leaf, leaf) == 0)
			return &w->busy[i];
	return NULL;
}

bool watch_busy(struct watch *watch, int wd, const char *leaf)
{
	return watch && find_busy(watch, wd, leaf) != NULL;
}

/* False when no more can be remembered; then the file counts as it is. */
static bool set_busy(struct watch *w, int wd, const char *leaf, int ms)
{
	struct busy *b = find_busy(w, wd, leaf);

	if (!b && w->n_busy < BUSY_MAX) {
		char *copy = strdup(leaf);

		if (!copy)
			return false;
		b = &w->busy[w->n_busy++];
		*b = (struct busy){ .wd = wd, .leaf = copy };
	}
	if (b)
		b->until = now_ms() + ms;
	return b != NULL;
}

static void drop_busy(struct watch *w, struct busy *b)
{
	free(b->leaf);
	*b = w->busy[--w->n_busy];
}

/* Dirty sources. */

static void set_dirty(struct watch *w, size_t i)
{
	w->dirty[i] = true;
	w->dirty_last = now_ms();
	if (!w->dirty_since)
		w->dirty_since = w->dirty_last;
}

static void set_all_dirty(struct watch *w)
{
	for (size_t i = 0; i < w->lib->n_sources; i++)
		set_dirty(w, i);
}

static bool is_looked_at(const struct source *s, int wd, const char *leaf)
{
	for (size_t i = 0; i < s->n_watched; i++) {
		const struct watched *seen = &s->watched[i];

		if (seen->wd == wd && (seen->leaf ? strcmp(seen->leaf, leaf) == 0 : leaf[0] != '.'))
			return true;
	}
	return false;
}

static bool anybody_looks_at(const struct watch *w, int wd, const char *leaf)
{
	for (size_t i = 0; i < w->lib->n_sources; i++)
		if (is_looked_at(&w->lib->source[i], wd, leaf))
			return true;
	return false;
}

static void set_dirty_for(struct watch *w, int wd, const char *leaf)
{
	for (size_t i = 0; i < w->lib->n_sources; i++)
		if (is_looked_at(&w->lib->source[i], wd, leaf))
			set_dirty(w, i);
}

/* Events. */

static void name_event(struct watch *w, int wd, uint32_t mask, const char *leaf)
{
	struct busy *b = find_busy(w, wd, leaf);

	if (!anybody_looks_at(w, wd, leaf))
		return;
	if (mask & IN_MODIFY && set_busy(w, wd, leaf, watch_quiet_ms))
		return;
	if (mask & IN_CREATE && !(mask & IN_ISDIR) && set_busy(w, wd, leaf, CREATED_MS))
		return;
	if (mask & (IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE) && b)
		drop_busy(w, b);
	set_dirty_for(w, wd, leaf);
}

/* The directory itself. A new one of its name may already be there. */
static void self_event(struct watch *w, uint32_t mask)
{
	if (mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_ATTRIB))
		set_all_dirty(w);
}

static void read_events(struct watch *w)
{
	_Alignas(struct inotify_event) char buf[16 * 1024];
	ssize_t n = read(w->inotify, buf, sizeof(buf));

	for (char *p = buf; n > 0 && p < buf + n;) {
		const struct inotify_event *e = (const struct inotify_event *)p;

		if (e->mask & IN_Q_OVERFLOW)
			set_all_dirty(w);
		else if (e->len)
			name_event(w, e->wd, e->mask, e->name);
		else
			self_event(w, e->mask);
		p += sizeof(*e) + e->len;
	}
}

static void expire_busy(struct watch *w)
{
	int64_t now = now_ms();

	for (size_t i = w->n_busy; i-- > 0;)
		if (w->busy[i].until <= now) {
			set_dirty_for(w, w->busy[i].wd, w->busy[i].leaf);
			drop_busy(w, &w->busy[i]);
		}
}

/* Scanning. */

/* A directory that was not there when the daemon confined itself. Said once. */
static void say_out_of_reach(struct source *s, int home)
{
	const bool is = home == -EACCES;

	if (is && !s->is_out_of_reach)
		log_warn("source '%s' is another directory now, which the daemon may not read since it started "
			 "(--allow-read names more); going on with the one before",
			 s->given);
	s->is_out_of_reach = is;
}

static void scan_source(struct watch *w, size_t i)
{
	struct source *s = &w->lib->source[i];
	struct complaints complaints = COMPLAINTS_NONE;
	struct why why = { 0 };
	int r, home = source_relocate(s);

	say_out_of_reach(s, home);
	r = source_scan(s, w, &why);
	/*
	 * Nothing stands there, and it isn't our own mount that hides it. Or it is
	 * empty: the removal of a directory that is held open is told to nobody.
	 */
	w->astray[i] = !s->online && ((home < 0 && home != -EDEADLK) || s->n == 0);
	log_detail("library: '%s' read again, %zu templates", s->given, s->n);
	/* -EAGAIN: it is being written; its end will be heard of. */
	if (r == 0 || r == -EAGAIN)
		return;
	if (is_shortage(r))
		set_dirty(w, i);
	complain(&complaints, "%s; going on with what was known before", why_text(&why, r));
	complaints_say(&complaints, &s->said);
}

static void scan_dirty(struct watch *w)
{
	bool any = false;

	w->dirty_since = 0;
	for (size_t i = 0; i < w->lib->n_sources; i++)
		if (w->dirty[i]) {
			w->dirty[i] = false;
			scan_source(w, i);
			any = true;
		}
	if (any && library_renew(w->lib, /* tell= */ true) < 0) {
		log_warn("out of memory, the library stays as it was for now");
		set_all_dirty(w);
	}
}

static void look_for_strays(struct watch *w)
{
	for (size_t i = 0; i < w->lib->n_sources; i++)
		if (w->astray[i] && source_relocate(&w->lib->source[i]) > 0)
			set_dirty(w, i);
}

static int64_t dirty_until(const struct watch *w)
{
	int64_t quiet = w->dirty_last + QUIET_MS, longest = w->dirty_since + PATIENCE_MS;

	return quiet < longest ? quiet : longest;
}

static int poll_timeout(const struct watch *w)
{
	int64_t now = now_ms(), until = INT64_MAX;

	if (w->dirty_since)
		until = dirty_until(w);
	for (size_t i = 0; i < w->n_busy; i++)
		until = w->busy[i].until < until ? w->busy[i].until : until;
	for (size_t i = 0; i < w->lib->n_sources; i++)
		if (w->astray[i] && now + ASTRAY_MS < until)
			until = now + ASTRAY_MS;
	if (until == INT64_MAX)
		return -1;
	return until <= now ? 0 : (int)min_u64(until - now, INT_MAX);
}

static void *watch_main(void *arg)
{
	struct watch *w = arg;
	struct pollfd fds[] = {
		{ .fd = w->stop, .events = POLLIN },
		{ .fd = w->lib->bell, .events = POLLIN },
		{ .fd = w->inotify, .events = POLLIN },
	};
	uint64_t rung;

	/* What happened between reading the library and now. */
	set_all_dirty(w);
	scan_dirty(w);
	w->settled = true;
	for (;;) {
		int n = poll(fds, 3, poll_timeout(w));

		if (n < 0 && errno != EINTR)
			break;
		if (n > 0 && fds[0].revents)
			break;
		if (n > 0 && fds[1].revents && read(w->lib->bell, &rung, sizeof(rung)) > 0)
			set_all_dirty(w);
		if (n > 0 && fds[2].revents)
			read_events(w);
		if (n == 0)
			look_for_strays(w);
		expire_busy(w);
		if (w->dirty_since && now_ms() >= dirty_until(w))
			scan_dirty(w);
	}
	return NULL;
}

bool watch_settled(struct watch *watch)
{
	return watch->settled;
}

static void watch_free(struct watch *w)
{
	closep(&w->inotify);
	closep(&w->stop);
	for (size_t i = 0; i < w->n_busy; i++)
		free(w->busy[i].leaf);
	free(w->dirty);
	free(w->astray);
	free(w);
}
DEFINE_CLEANUP(struct watch *, watch_free);

/* Signals are for the daemon's other threads. */
static int start_thread(struct watch *w)
{
	sigset_t all, before;
	int r;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, watch_main, w);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r == 0)
		(void)pthread_setname_np(w->thread, "library");
	return -r;
}

int library_watch(struct library *lib, struct why *why)
{
	_cleanup_(watch_freep) struct watch *w = NULL;
	int r;

	if (!lib->changed || lib->watch)
		return 0;
	w = calloc(1, sizeof(*w));
	if (!w)
		return -ENOMEM;
	w->lib = lib;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->stop = eventfd(0, EFD_CLOEXEC);
	w->dirty = calloc(lib->n_sources + 1, sizeof(*w->dirty));
	w->astray = calloc(lib->n_sources + 1, sizeof(*w->astray));
	if (w->inotify < 0 || w->stop < 0)
		return fail(why, -errno, "the library can't be watched: %s",
			    errno == EMFILE ? "fs.inotify.max_user_instances is used up" : strerror(errno));
	if (!w->dirty || !w->astray)
		return -ENOMEM;
	r = start_thread(w);
	if (r < 0)
		return fail(why, r, "the library can't be watched: %s", strerror(-r));
	lib->watch = take(w);
	return 0;
}

void watch_stop(struct watch *watch)
{
	const uint64_t one = 1;

	if (!watch)
		return;
	if (write(watch->stop, &one, sizeof(one)) != sizeof(one))
		abort(); /* an eventfd takes a 1 unless it is broken, and then the join would never end */
	(void)pthread_join(watch->thread, NULL);
	watch_free(watch);
}
