/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon that opens a file inside its own mount waits for itself. Templates
 * come from foreign hands: a symbolic link among them may point into the mount,
 * and the mount may well lie over the library's own directory. So names are not
 * given to the kernel whole. They are walked component by component, each
 * opened with O_PATH | O_NOFOLLOW from the directory before it, links are read
 * and followed here, and beside the descriptor goes the canonical path, which
 * is compared with the mountpoint *before* the next component is touched: not
 * even a stat gets into the mount.
 *
 * The held directory counts as what it was before the mount covered it. A path
 * that arrives there goes on from the held descriptor, whatever lies over it now:
 *
 *	held /srv/lib, mount on /srv/lib   x.xz -> /srv/lib/real.xz    fine, from the descriptor
 *	held /srv/lib, mount on /srv       x.xz -> ../other/real.xz    refused
 *	held /srv/lib, mount on /srv/mnt   x.xz -> /srv/mnt/y.raw      refused
 *	held /srv/lib, mount on /srv/lib/m x.xz -> m/y.raw             refused
 *
 * What this can't see is a second way into the mount (a bind mount of it made
 * later, elsewhere), and a directory renamed between two steps.
 */
#include "backends/library/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/sandbox.h"
#include "base/text.h"

#define LINKS_MAX 40   /* the kernel's own limit */
#define STEPS_MAX 4096 /* ".." starts again at the root, so a walk could get long */

int place_new(int fd, const char *path, const char *avoid, int bell, struct place **ret)
{
	struct place *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->fd = -1;
	p->bell = bell < 0 ? -1 : fcntl(bell, F_DUPFD_CLOEXEC, 0);
	p->path = strdup(path);
	p->avoid = avoid ? strdup(avoid) : NULL;
	atomic_init(&p->refs, 1);
	if (!p->path || (avoid && !p->avoid)) {
		place_unref(p);
		return -ENOMEM;
	}
	p->fd = fd;
	*ret = p;
	return 0;
}

struct place *place_ref(struct place *p)
{
	atomic_fetch_add(&p->refs, 1);
	return p;
}

void place_unref(struct place *p)
{
	if (!p || atomic_fetch_sub(&p->refs, 1) > 1)
		return;
	closep(&p->fd);
	closep(&p->bell);
	free(p->path);
	free(p->avoid);
	free(p);
}

void place_ring(struct place *p)
{
	const uint64_t one = 1;

	if (p->bell >= 0 && write(p->bell, &one, sizeof(one)) < 0) {
		/* Full: it has been rung often enough. */
	}
}

void spot_done(struct spot *s)
{
	closep(&s->parent);
	closep(&s->fd);
	free(s->leaf);
	free(s->path);
	*s = (struct spot){ .parent = -1, .fd = -1 };
}

struct walk {
	struct place *place;
	struct why *why;
	int fd;		     /* where we stand, O_PATH, owned */
	char path[PATH_MAX]; /* its canonical path; "" for the root */
	char todo[PATH_MAX]; /* what is still to go, relative to it */
	unsigned links, steps;
};

static void walk_done(struct walk *w)
{
	closep(&w->fd);
}

/* Both without a slash at the end; "" is the root. */
static bool is_within(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

static bool is_avoided(const struct place *p, const char *path)
{
	if (!p->avoid || !is_within(path, p->avoid))
		return false;
	/* Below the held directory, which itself lies under the mount: the descriptor led there. */
	return !(is_within(path, p->path) && is_within(p->path, p->avoid));
}

/* One after the other, with a bound; `to` has room for PATH_MAX, and may be one of the two. */
static int put(char *to, const char *a, const char *b)
{
	char joined[PATH_MAX];
	int n = snprintf(joined, sizeof(joined), "%s%s", a, b);

	if (n < 0 || (size_t)n >= sizeof(joined))
		return -ENAMETOOLONG;
	(void)memcpy(to, joined, n + 1);
	return 0;
}

static int put_below(char *to, const char *dir, const char *name)
{
	char rest[PATH_MAX];
	int r = put(rest, "/", name);

	return r < 0 ? r : put(to, dir, rest);
}

/* Stands at the held directory, with `rest` to go. */
static int walk_from_place(struct walk *w, const char *rest)
{
	int fd = fcntl(w->place->fd, F_DUPFD_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	closep(&w->fd);
	w->fd = fd;
	(void)put(w->path, strcmp(w->place->path, "/") == 0 ? "" : w->place->path, "");
	return put(w->todo, rest, "");
}

/* Goes on with an absolute path: from the held directory if it leads through it, else from the root. */
static int walk_from_root(struct walk *w, const char *path)
{
	const char *held = w->place->path;
	size_t n = strlen(held);
	int fd;

	if (strncmp(path, held, n) == 0 && path[n] == '/')
		return walk_from_place(w, path + n);
	fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	closep(&w->fd);
	w->fd = fd;
	w->path[0] = '\0';
	return put(w->todo, path, "");
}

/* Takes the next component off `todo`; "" when nothing is left. */
static int walk_next(struct walk *w, char name[static NAME_MAX + 1])
{
	const char *p = w->todo + strspn(w->todo, "/");
	size_t n = strcspn(p, "/");

	if (n > NAME_MAX)
		return -ENAMETOOLONG;
	(void)memcpy(name, p, n);
	name[n] = '\0';
	(void)memmove(w->todo, p + n, strlen(p + n) + 1);
	return 0;
}

/* Not openat(".."): the held directory may have been moved, and its parent be anything by now. */
static int walk_up(struct walk *w)
{
	char again[PATH_MAX];
	char *slash = strrchr(w->path, '/');
	int r;

	if (slash)
		*slash = '\0';
	r = put_below(again, w->path, w->todo);
	return r < 0 ? r : walk_from_root(w, again);
}

static int walk_link(struct walk *w, int link)
{
	char target[PATH_MAX], all[PATH_MAX];
	ssize_t n = readlinkat(link, "", target, sizeof(target));
	int r;

	if (n < 0)
		return -errno;
	if (n == 0 || n == sizeof(target))
		return n ? -ENAMETOOLONG : -ENOENT;
	if (++w->links > LINKS_MAX)
		return -ELOOP;
	target[n] = '\0';
	r = put_below(all, target, w->todo);
	if (r < 0)
		return r;
	if (target[0] == '/')
		return walk_from_root(w, all);
	return put(w->todo, all, "");
}

/*
 * Where everybody may put links among those of others, only the directory's owner, root and ourselves are heard: the
 * kernel's fs.protected_symlinks, which doesn't see that we follow.
 */
static bool may_follow(const struct walk *w, const struct stat *link)
{
	struct stat dir;

	if (fstat(w->fd, &dir) < 0)
		return false;
	return (dir.st_mode & (S_ISVTX | S_IWOTH)) != (S_ISVTX | S_IWOTH) || link->st_uid == dir.st_uid ||
	       link->st_uid == 0 || link->st_uid == geteuid();
}

static int walk_fill(struct walk *w, const char *name, const char *path, int *fd, const struct stat *st,
		     struct spot *ret)
{
	struct spot s = { .parent = take_fd(w->fd), .fd = -1, .leaf = strdup(name), .path = strdup(path) };

	if (!s.leaf || !s.path) {
		spot_done(&s);
		return -ENOMEM;
	}
	if (st) {
		s.fd = take_fd(*fd);
		s.st = *st;
	}
	*ret = s;
	return 0;
}

/* One component. Returns 1 when there is more to go, 0 when `ret` is filled. */
static int walk_step(struct walk *w, const char *name, struct spot *ret)
{
	_cleanup_close_ int fd = -1;
	char path[PATH_MAX];
	bool last = w->todo[strspn(w->todo, "/")] == '\0';
	struct stat st;
	int r;

	if (strcmp(name, ".") == 0)
		return 1;
	if (strcmp(name, "..") == 0) {
		r = walk_up(w);
		return r < 0 ? r : 1;
	}
	r = put_below(path, w->path, name);
	if (r < 0)
		return r;
	if (is_avoided(w->place, path))
		return -EDEADLK;
	if (strcmp(path, w->place->path) == 0)
		fd = fcntl(w->place->fd, F_DUPFD_CLOEXEC, 0);
	else
		fd = openat(w->fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT && last) {
		r = walk_fill(w, name, path, NULL, NULL, ret);
		return r < 0 ? r : -ENOENT;
	}
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISLNK(st.st_mode)) {
		r = may_follow(w, &st) ? walk_link(w, fd) : -EACCES;
		return r < 0 ? r : 1;
	}
	if (last)
		return walk_fill(w, name, path, &fd, &st, ret);
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	closep(&w->fd);
	w->fd = take_fd(fd);
	return put(w->path, path, "") < 0 ? -ENAMETOOLONG : 1;
}

/* `todo` ran out at a directory that was reached by "..", or at the place itself. */
static int walk_end(struct walk *w, struct spot *ret)
{
	_cleanup_close_ int fd = fcntl(w->fd, F_DUPFD_CLOEXEC, 0);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	return walk_fill(w, ".", w->path[0] ? w->path : "/", &fd, &st, ret);
}

int place_walk(struct place *p, const char *name, struct spot *ret, struct why *why)
{
	_cleanup_(walk_done) struct walk w = { .place = p, .fd = -1 };
	const char *from = name[0] == '/' ? "" : p->path, *slash = name[0] == '/' ? "" : "/";
	char next[NAME_MAX + 1] = "";
	int r;

	*ret = (struct spot){ .parent = -1, .fd = -1 };
	r = name[0] == '/' ? walk_from_root(&w, name) : walk_from_place(&w, name);
	if (r == 0)
		r = 1;
	while (r > 0) {
		r = ++w.steps > STEPS_MAX ? -ELOOP : walk_next(&w, next);
		if (r == 0)
			r = next[0] ? walk_step(&w, next, ret) : walk_end(&w, ret);
	}
	if (r == -EDEADLK)
		return fail(why, r, "'%s%s%s' leads into the mountpoint '%s'", from, slash, name, p->avoid);
	if (r == -ENOENT && w.links > 0)
		return fail(why, r, "'%s%s%s' leads to '%s/%s', which does not exist", from, slash, name,
			    w.path, next);
	if (r == -ENOENT)
		return fail(why, r, "'%s/%s' does not exist", w.path, next);
	if (r < 0)
		return fail(why, r, "'%s%s%s' can't be opened: %s", from, slash, name, strerror(-r));
	return 0;
}

int spot_open(const struct spot *s, int *ret_fd, struct stat *ret_st, struct why *why)
{
	_cleanup_close_ int fd = -1;

	/* Before the open, because opening a device can do things. */
	if (!S_ISREG(s->st.st_mode))
		return fail(why, -EINVAL, "'%s' is not a regular file", s->path);
	/* NONBLOCK: it could have become a pipe without writers meanwhile. On a regular file it means nothing.
	 */
	fd = openat(s->parent, s->leaf, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 && errno == EACCES && sandbox_is_up())
		return fail(why, -EACCES,
			    "'%s' can't be opened: it is not readable, or outside of what the daemon may read "
			    "since it "
			    "started (--allow-read names more)",
			    s->path);
	if (fd < 0 || fstat(fd, ret_st) < 0)
		return fail(why, -errno, "'%s' can't be opened: %s", s->path, strerror(errno));
	if (ret_st->st_ino != s->st.st_ino || ret_st->st_dev != s->st.st_dev)
		return fail(why, -ESTALE, "'%s' was replaced just now", s->path);
	*ret_fd = take_fd(fd);
	return 0;
}
