/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of template files: the file's name is the template's, what the
 * name ends in says the format, or that the file only says where the template is.
 *
 * A name must have one file. Where several stand side by side (somebody has
 * unpacked debian.xz into debian.raw and kept both) the one that is cheapest to
 * read wins: plain files before compressed ones.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "backends/library/private.h"
#include "base/log.h"

/* As many as an index may have entries. Which of more would be left out is chance, so it is all or nothing. */
#define FILES_MAX 65536U

struct file_name {
	char *name;
	struct ending ending;
};

struct file_names {
	struct file_name *name;
	size_t n, room;
};

static void names_done(struct file_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->name[i].name);
	free(names->name);
}

static int names_add(struct file_names *names, const char *name, const struct ending *ending)
{
	struct file_name *to;

	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 64;

		to = reallocarray(names->name, room, sizeof(*to));
		if (!to)
			return -ENOMEM;
		names->name = to;
		names->room = room;
	}
	to = &names->name[names->n];
	to->name = strdup(name);
	to->ending = *ending;
	if (!to->name)
		return -ENOMEM;
	names->n++;
	return 0;
}

static int compare_names(const void *a, const void *b)
{
	const struct file_name *x = a, *y = b;
	const size_t m = x->ending.base, n = y->ending.base;
	int c = memcmp(x->name, y->name, m < n ? m : n);

	if (c == 0)
		c = (m > n) - (m < n);
	if (c == 0)
		c = (x->ending.rank > y->ending.rank) - (x->ending.rank < y->ending.rank);
	return c ? c : strcmp(x->name, y->name);
}

static int read_names(struct scan *scan, struct file_names *names, struct why *why)
{
	/* "." of a descriptor stays below whatever has been mounted over the directory. */
	int fd = openat(scan->source->place->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct dirent *entry;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	int r = 0;

	if (!dir) {
		r = fail(why, -errno, "'%s' can't be read: %s", scan->source->shown, strerror(errno));
		closep(&fd);
		return r;
	}
	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0) {
		struct ending ending;

		if (entry->d_name[0] == '.' || !ending_of(entry->d_name, &ending))
			continue;
		if (names->n == FILES_MAX)
			r = fail(why, -EFBIG, "'%s' has more than %u files that could be templates",
				 scan->source->shown, FILES_MAX);
		else
			r = names_add(names, entry->d_name, &ending);
	}
	if (r == 0 && errno)
		r = fail(why, -errno, "'%s' can't be read: %s", scan->source->shown, strerror(errno));
	(void)closedir(dir);
	if (names->n)
		qsort(names->name, names->n, sizeof(names->name[0]), compare_names);
	return r;
}

int scan_ended(struct scan *scan, struct template *t, const char *relative, const struct ending *ending)
{
	const size_t n = scan->n;
	struct why why = { "" };
	int r;

	if (ending->is_export)
		return scan_export(scan, t, relative);
	r = scan_file(scan, t, relative, "");
	if (r < 0 || scan->n == n)
		return r;
	t = scan->t[n];
	if (!ending->codec || (t->codec && strcmp(t->codec, ending->codec) == 0))
		return 0;
	/* The ending is a promise; what breaks it (a download that failed, an HTML page) is no raw disk. */
	(void)fail(&why, -EBADMSG, "'%s' ends in %s, but it is not %s data", t->path, strrchr(t->path, '.'),
		   ending->codec);
	complain(&scan->complaints, "%s", why.text);
	scan->n--;
	return scan_reject(scan, t, why.text);
}

static int scan_name(struct scan *scan, const struct file_name *file)
{
	_cleanup_(template_unrefp) struct template *t =
		template_by_name(file->name, file->ending.base, file->ending.format);
	char q[QUOTE_MAX];

	if (!t)
		return -ENOMEM;
	if (!template_name_ok(t->name)) {
		complain(&scan->complaints,
			 "%s/%s: skipped, a template's name has letters, digits, '.', '_' and '-' only, at "
			 "most %d",
			 scan->source->shown, quote(q, file->name, strlen(file->name)), TEMPLATE_NAME_MAX);
		return 0;
	}
	return scan_ended(scan, take(t), file->name, &file->ending);
}

int directory_scan(struct scan *scan, struct why *why)
{
	_cleanup_(names_done) struct file_names names = { 0 };
	const struct file_name *winner = NULL;
	int r = read_names(scan, &names, why);

	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const struct file_name *file = &names.name[i];
		size_t n = scan->n;

		if (winner && winner->ending.base == file->ending.base &&
		    memcmp(winner->name, file->name, file->ending.base) == 0) {
			complain(&scan->complaints, "%s: '%s' and '%s' give one name, the first is used",
				 scan->source->shown, winner->name, file->name);
			continue;
		}
		r = scan_name(scan, file);
		winner = scan->n > n ? file : NULL;
	}
	return r;
}
