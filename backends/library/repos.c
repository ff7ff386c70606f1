/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files are the administrator's or the user's own, yet they are read as if
 * they were not: bounded, and never waited for (a FIFO in the directory).
 */
#include "backends/library/repos.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "backends/library/section.h"
#include "backends/library/value.h"
#include "base/cleanup.h"
#include "base/text.h"

void source_config_done(struct source_config *c)
{
	free(c->name);
	free(c->where);
	free(c->uri);
	free(c->gpgkey);
	free(c->proxy);
	*c = (struct source_config){ 0 };
}

void repos_done(struct repos *r)
{
	for (size_t i = 0; i < r->n; i++)
		source_config_done(&r->config[i]);
	for (size_t i = 0; i < r->n_seen; i++)
		free(r->seen[i]);
	free(r->config);
	free(r->seen);
	*r = (struct repos){ 0 };
}

/* Values. */

static bool has_control(const char *value)
{
	for (const char *p = value; *p; p++)
		if (iscntrl((unsigned char)*p))
			return true;
	return false;
}

static int take_uri(struct source_config *c, const char *value, struct why *why)
{
	if (!value[0])
		return fail(why, -EINVAL, "uri is empty");
	c->uri = strdup(value);
	return c->uri ? 0 : -ENOMEM;
}

static int take_gpgkey(struct source_config *c, const char *value, struct why *why)
{
	int r = value_file_uri("gpgkey", value, &c->gpgkey, why);

	if (r == -EOPNOTSUPP || (r == 0 && c->gpgkey[0] != '/'))
		return fail(why, -EINVAL,
			    "gpgkey '%s' is no file:///PATH, and without its key the source can't be checked",
			    value);
	if (r == 0 && has_control(c->gpgkey))
		return fail(why, -EINVAL, "gpgkey '%s' holds a control character", value);
	return r;
}

static int take_proxy(struct source_config *c, const char *value, struct why *why)
{
	bool none = strcmp(value, "no") == 0 || strcmp(value, "off") == 0;

	if (strcmp(value, "system") == 0)
		return 0;
	c->proxy = strdup(none ? "" : value);
	return c->proxy ? 0 : -ENOMEM;
}

static int take_format(struct source_config *c, const char *value, struct why *why)
{
	if (strcmp(value, "simplestreams") == 0)
		c->format = SOURCE_SIMPLESTREAMS;
	else if (value[0] && strcmp(value, "native") != 0)
		return fail(why, -EINVAL, "format '%s' is neither native nor simplestreams", value);
	return 0;
}

static const struct {
	const char *key;
	int (*read)(struct source_config *c, const char *value, struct why *why);
} keys[] = {
	{ "uri", take_uri },
	{ "gpgkey", take_gpgkey },
	{ "proxy", take_proxy },
	{ "format", take_format },
};

/* Sections. */

struct reading {
	const char *shown;
	struct repos *repos;
	size_t before; /* sections seen in other files */
	struct complaints *complaints;
};

static int take_field(struct source_config *c, const struct field *f, size_t key, struct why *why)
{
	_cleanup_free_ char *value = field_value(f);
	char q[QUOTE_MAX];

	if (!value)
		return -ENOMEM;
	/* Also what keeps the sentences about it in one line. */
	if (has_control(value))
		return fail(why, -EINVAL, "%s '%s' holds a control character", keys[key].key,
			    quote(q, value, strlen(value)));
	return keys[key].read(c, value, why);
}

/* `line` is the one to complain about. */
static int take_fields(struct source_config *c, struct section *s, unsigned *line, struct why *why)
{
	int r = section_sort(s, line, why);

	for (size_t i = 0; r == 0 && i < sizeof(keys) / sizeof(keys[0]); i++) {
		const struct field *f = section_field(s, keys[i].key, "");

		if (!f)
			continue;
		*line = f->line;
		r = take_field(c, f, i, why);
	}
	if (r < 0)
		return r;
	*line = s->line;
	return c->uri ? 0 : fail(why, -EINVAL, "has no uri=");
}

static int keep_config(struct repos *repos, struct source_config *c)
{
	struct source_config *all = reallocarray(repos->config, repos->n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	repos->config = all;
	repos->config[repos->n++] = *c;
	*c = (struct source_config){ 0 };
	return 0;
}

static int build_config(struct reading *reading, struct section *s)
{
	_cleanup_(source_config_done) struct source_config c = { 0 };
	unsigned line = s->line;
	struct why why = { 0 };
	int r;

	c.name = strndup(s->name.p, s->name.n);
	c.where = text_new("%s:%u", reading->shown, s->line);
	if (!c.name || !c.where)
		return -ENOMEM;
	r = take_fields(&c, s, &line, &why);
	if (r == 0)
		return keep_config(reading->repos, &c);
	if (r == -ENOMEM)
		return r;
	section_complain(s, reading->shown, line, why.text, reading->complaints);
	return 0;
}

static int add_seen(struct repos *repos, const struct section *s)
{
	char **all = reallocarray(repos->seen, repos->n_seen + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	repos->seen = all;
	all[repos->n_seen] = strndup(s->name.p, s->name.n);
	return all[repos->n_seen] ? (repos->n_seen++, 0) : -ENOMEM;
}

static int take_section(void *arg, struct section *s, bool bad)
{
	struct reading *reading = arg;
	struct repos *repos = reading->repos;
	int r;

	if (s->name.n == 0)
		return 0;
	for (size_t i = 0; i < repos->n_seen; i++)
		if (slice_is(s->name, repos->seen[i])) {
			/* In another file it is how one masks. */
			if (i >= reading->before)
				section_complain(s, reading->shown, s->line,
						 "stands in this file already; the first one is used",
						 reading->complaints);
			return 0;
		}
	r = add_seen(repos, s);
	return r < 0 || bad ? r : build_config(reading, s);
}

int repos_parse(const char *bytes, size_t count, const char *shown, struct repos *ret,
		struct complaints *complaints)
{
	struct reading reading = {
		.shown = shown, .repos = ret, .before = ret->n_seen, .complaints = complaints
	};
	const struct section_reader reader = {
		.noun = "a file of sources",
		.max = REPOS_SECTIONS_MAX - ret->n_seen,
		.end = take_section,
		.arg = &reading,
	};
	struct why why = { 0 };
	bool is_signed;
	int r = 0;

	if (ret->n_seen == REPOS_SECTIONS_MAX)
		r = fail(&why, -EFBIG, "'%s' is not read: there are %d sections already", shown,
			 REPOS_SECTIONS_MAX);
	else if (count > REPOS_BYTES_MAX)
		r = fail(&why, -EFBIG, "'%s' has %zu bytes, a file of sources may have %d", shown, count,
			 REPOS_BYTES_MAX);
	else
		r = sections_read(bytes, count, shown, &reader, &is_signed, complaints, &why);
	if (r < 0 && r != -ENOMEM)
		complain(complaints, "%s", why.text);
	return r == -ENOMEM ? r : 0;
}

/* Files. */

/* At most `room` bytes; negative errno. */
static ssize_t read_most(int fd, char *buf, size_t room)
{
	size_t have = 0;

	while (have < room) {
		ssize_t n = read(fd, buf + have, room - have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		have += n;
	}
	return (ssize_t)have;
}

static bool is_dev_null(const struct stat *st)
{
	return S_ISCHR(st->st_mode) && st->st_rdev == makedev(1, 3);
}

static int read_file(int dir, const char *leaf, const char *shown, struct repos *ret,
		     struct complaints *complaints)
{
	_cleanup_close_ int fd = openat(dir, leaf, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	_cleanup_free_ char *bytes = NULL;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		complain(complaints, "'%s' can't be opened: %s", shown, strerror(errno));
		return 0;
	}
	if (is_dev_null(&st))
		return 0;
	if (!S_ISREG(st.st_mode)) {
		complain(complaints, "'%s' is no regular file", shown);
		return 0;
	}
	bytes = malloc(REPOS_BYTES_MAX + 1);
	if (!bytes)
		return -ENOMEM;
	n = read_most(fd, bytes, REPOS_BYTES_MAX + 1);
	if (n >= 0)
		return repos_parse(bytes, n, shown, ret, complaints);
	complain(complaints, "'%s' can't be read: %s", shown, strerror((int)-n));
	return 0;
}

/* Names in the order in which they were met, owned. */
struct leaves {
	char **name;
	size_t n;
};

static void leaves_done(struct leaves *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->name[i]);
	free(l->name);
}

static int leaves_add(struct leaves *l, const char *name)
{
	char **all = reallocarray(l->name, l->n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	l->name = all;
	all[l->n] = strdup(name);
	return all[l->n] ? (l->n++, 0) : -ENOMEM;
}

static bool leaves_have(const struct leaves *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (strcmp(l->name[i], name) == 0)
			return true;
	return false;
}

static bool is_conf(const char *name)
{
	size_t n = strlen(name);

	return name[0] != '.' && n > 5 && strcmp(name + n - 5, ".conf") == 0;
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_dir(DIR *dir, const char *path, struct leaves *ret, struct complaints *complaints)
{
	struct dirent *entry;
	int r = 0;

	for (errno = 0; r == 0 && (entry = readdir(dir)); errno = 0)
		if (is_conf(entry->d_name))
			r = leaves_add(ret, entry->d_name);
	if (r == 0 && errno)
		complain(complaints, "'%s' can't be read: %s", path, strerror(errno));
	if (ret->n)
		qsort(ret->name, ret->n, sizeof(*ret->name), compare_names);
	return r;
}

static void closedirp(DIR **dir)
{
	if (*dir)
		(void)closedir(*dir);
}

/* `path` is taken over, NULL: memory ran out. `seen` gets the names of its files. */
static int read_dir(char *path_taken, struct leaves *seen, struct repos *ret, struct complaints *complaints)
{
	_cleanup_free_ char *path = path_taken;
	_cleanup_(closedirp) DIR *dir = path ? opendir(path) : NULL;
	_cleanup_(leaves_done) struct leaves leaves = { 0 };
	int r;

	if (!path)
		return -ENOMEM;
	if (!dir) {
		if (errno != ENOENT && errno != ENOTDIR)
			complain(complaints, "'%s' can't be read: %s", path, strerror(errno));
		return 0;
	}
	r = list_dir(dir, path, &leaves, complaints);
	for (size_t i = 0; r == 0 && i < leaves.n; i++) {
		_cleanup_free_ char *shown = text_new("%s/%s", path, leaves.name[i]);

		if (!shown)
			return -ENOMEM;
		if (leaves_have(seen, leaves.name[i]))
			continue;
		r = leaves_add(seen, leaves.name[i]);
		if (r == 0)
			r = read_file(dirfd(dir), leaves.name[i], shown, ret, complaints);
	}
	return r;
}

/* The user's own configuration of `program`, "" when there is no place for one; malloc'ed. */
static char *user_dir(const char *program)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");

	/* The XDG specification: relative ones are to be ignored. */
	if (xdg && xdg[0] == '/')
		return text_new("%s/%s/repos.d", xdg, program);
	return home && home[0] ? text_new("%s/.config/%s/repos.d", home, program) : strdup("");
}

static int read_virt_builder_dirs(struct leaves *seen, struct repos *ret, struct complaints *complaints)
{
	const char *given = getenv("VIRT_BUILDER_DIRS");
	_cleanup_free_ char *dirs = strdup(given ? given : "/etc");
	char *rest = dirs, *dir;
	int r = dirs ? 0 : -ENOMEM;

	while (r == 0 && (dir = strsep(&rest, ":")))
		if (dir[0])
			r = read_dir(text_new("%s/virt-builder/repos.d", dir), seen, ret, complaints);
	return r;
}

int repos_read(struct repos *ret, struct complaints *complaints)
{
	_cleanup_(leaves_done) struct leaves seen = { 0 };
	int r = read_dir(user_dir("goalfs"), &seen, ret, complaints);

	if (r == 0)
		r = read_dir(strdup("/etc/goalfs/repos.d"), &seen, ret, complaints);
	if (r == 0)
		r = read_dir(user_dir("virt-builder"), &seen, ret, complaints);
	return r < 0 ? r : read_virt_builder_dirs(&seen, ret, complaints);
}
