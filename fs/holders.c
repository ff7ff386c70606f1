/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/holders.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/mountinfo.h"

/* More than this of one process are not looked through: one name is enough. */
#define FILES_MAX 65536

struct search {
	const char *path;
	size_t most;
	int found;
	struct text *out;
};

static void dir_close(DIR *dir)
{
	(void)closedir(dir);
}
DEFINE_CLEANUP(DIR *, dir_close);

/* What of `name` stands below the mountpoint, "." for itself; NULL when it is elsewhere. */
static const char *part_below(const char *path, const char *name)
{
	size_t len = strlen(path);

	if (strncmp(path, name, len) != 0)
		return NULL;
	if (path[len - 1] == '/')
		return name[len] ? name + len : ".";
	return !name[len] ? "." : name[len] == '/' ? name + len + 1 : NULL;
}

static void found(struct search *s, const char *who, const char *verb, const char *what)
{
	if ((size_t)s->found++ < s->most)
		text_add(s->out, "%s%s %s '%s'", s->found > 1 ? "\n" : "", who, verb, what);
}

/* The name that a link of /proc shows; false when it may not be seen. */
static bool read_link(int dirfd, const char *link, char name[static PATH_MAX])
{
	ssize_t n = readlinkat(dirfd, link, name, PATH_MAX - 1);

	name[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* A line of text without its newline; "" when it can't be had. */
static void read_line(int dirfd, const char *path, char *line, size_t room)
{
	_cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, line, room - 1);

	line[n > 0 ? n : 0] = '\0';
	line[strcspn(line, "\n")] = '\0';
}

static bool has_open(struct search *s, int process, const char *who)
{
	int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(dir_closep) DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char name[PATH_MAX];
	struct dirent *d;

	for (unsigned n = 0; dir && n < FILES_MAX && (d = readdir(dir)); n++) {
		const char *part = read_link(dirfd(dir), d->d_name, name) ? part_below(s->path, name) : NULL;

		if (part) {
			found(s, who, "has open", part);
			return true;
		}
	}
	return false;
}

static bool stands_there(struct search *s, int process, const char *who)
{
	static const char *const links[] = { "cwd", "root", "exe" };
	static const char *const verbs[] = { "has its working directory in", "has its root in", "runs" };
	char name[PATH_MAX];

	for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++) {
		const char *part = read_link(process, links[i], name) ? part_below(s->path, name) : NULL;

		if (part) {
			found(s, who, verbs[i], part);
			return true;
		}
	}
	return false;
}

/* proc_pid_maps(5): five fields, then, for a mapped file, its name. */
static bool has_mapped(struct search *s, int process, const char *who)
{
	int fd = openat(process, "maps", O_RDONLY | O_CLOEXEC);
	_cleanup_fclose_ FILE *f = fd < 0 ? NULL : fdopen(fd, "r");
	_cleanup_free_ char *line = NULL;
	size_t room = 0;

	for (unsigned n = 0; f && n < FILES_MAX && getline(&line, &room, f) > 0; n++) {
		const char *name = strchr(line, '/'), *part;

		line[strcspn(line, "\n")] = '\0';
		part = name ? part_below(s->path, name) : NULL;
		if (part) {
			found(s, who, "has mapped", part);
			return true;
		}
	}
	return false;
}

static void look_at_process(struct search *s, int proc, const char *number)
{
	_cleanup_close_ int process = openat(proc, number, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *who = NULL;
	char name[64];

	if (process < 0)
		return;
	read_line(process, "comm", name, sizeof(name));
	who = text_new("%s (process %s)", name, number);
	if (!who)
		s->out->error = -ENOMEM;
	else if (!has_open(s, process, who) && !stands_there(s, process, who))
		(void)has_mapped(s, process, who);
}

static void look_at_processes(struct search *s)
{
	_cleanup_(dir_closep) DIR *proc = opendir("/proc");
	struct dirent *d;

	while (proc && (d = readdir(proc)))
		if (isdigit((unsigned char)d->d_name[0]) && strtol(d->d_name, NULL, 10) != getpid())
			look_at_process(s, dirfd(proc), d->d_name);
}

static void look_at_loop_devices(struct search *s)
{
	_cleanup_(dir_closep) DIR *block = opendir("/sys/block");
	struct dirent *d;

	while (block && (d = readdir(block))) {
		_cleanup_free_ char *path = text_new("%s/loop/backing_file", d->d_name);
		char name[PATH_MAX];
		const char *part;

		if (!path || strncmp(d->d_name, "loop", 4) != 0)
			continue;
		read_line(dirfd(block), path, name, sizeof(name));
		part = part_below(s->path, name);
		if (part)
			found(s, d->d_name, "stands on", part);
	}
}

static int see_mount_below(void *arg, const struct mountinfo *m)
{
	struct search *s = arg;
	const char *part = part_below(s->path, m->point);

	if (part && strcmp(part, ".") != 0)
		found(s, m->type, "is mounted on", part);
	return 0;
}

int holders_of(const char *path, size_t most, struct text *out)
{
	struct search s = { path, most, 0, out };

	look_at_processes(&s);
	look_at_loop_devices(&s);
	(void)mountinfo_each(see_mount_below, &s);
	return out->error ? out->error : s.found;
}
