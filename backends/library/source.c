/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SOURCE, as people write it: a directory, an index file, a single template file, a file:// URI
 * of any of them, or the URL of an index or a file on a server. A directory that holds an index is
 * that index; else its files are the templates.
 *
 * Of `index` and `index.asc` (virt-builder-repository leaves both) the signed one
 * is taken while signatures are to be checked: otherwise anybody who can add a
 * file could take the signature away by putting an unsigned one beside it. When they
 * are not checked the plain one is: it is what the other was made from, so it
 * can't be the older of the two.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "backends/library/index.h"
#include "backends/library/private.h"
#include "backends/library/value.h"
#include "backends/net/url.h"
#include "base/log.h"
#include "base/path.h"
#include "base/read.h"

/* What SOURCE means. */

/* A malloc'ed path. */
static int source_path(const char *given, char **ret, struct why *why)
{
	_cleanup_free_ char *path = NULL;
	int r = value_file_uri("source", given, &path, why);

	if (r == -EOPNOTSUPP)
		return fail(why, r, "source '%s': such URIs can't be fetched here", given);
	if (r < 0)
		return r;
	if (!path[0])
		return fail(why, -EINVAL, "a source's name is empty");
	*ret = take(path);
	return 0;
}

/* Cuts "dir/leaf" into its directory (as people would write it) and leaf. */
static int split_path(char *path, char **ret_dir, char **ret_leaf)
{
	char *slash = strrchr(path, '/');

	*ret_leaf = strdup(slash ? slash + 1 : path);
	if (slash)
		slash[slash == path] = '\0';
	*ret_dir = strdup(slash ? path : ".");
	return *ret_dir && *ret_leaf ? 0 : -ENOMEM;
}

static void cut_slashes(char *path)
{
	for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
}

static int open_place(struct source *s, const char *avoid, int bell, struct why *why)
{
	_cleanup_free_ char *canonical = realpath(s->shown, NULL);
	_cleanup_close_ int fd = -1;
	int r;

	if (canonical)
		fd = open(canonical, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return fail(why, -errno, "source '%s' can't be opened: %s", s->given, strerror(errno));
	r = place_new(fd, canonical, avoid, bell, &s->place);
	if (r == 0)
		fd = -1;
	return r;
}

static bool has_checksum(const struct source *s)
{
	return s->text.checksum || s->text.checksum256;
}

static int refuse_checksum(const char *given, struct why *why)
{
	return fail(why, -EINVAL, "source '%s': a checksum goes with a single template file only", given);
}

static int open_local(struct source *s, const char *avoid, int bell, struct why *why)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r = source_path(s->text.text, &path, why);

	if (r < 0)
		return r;
	if (s->config->format != SOURCE_NATIVE)
		return fail(why, -EOPNOTSUPP, "source '%s': simplestreams are read from a server only",
			    s->given);
	if (stat(path, &st) < 0)
		return fail(why, -errno, "source '%s' can't be opened: %s", s->given, strerror(errno));
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return fail(why, -EINVAL, "source '%s' is neither a directory nor a file", s->given);
	cut_slashes(path);
	if (S_ISDIR(st.st_mode))
		s->shown = take(path);
	else
		(void)split_path(path, &s->shown, &s->leaf);
	s->home = s->shown ? path_absolute(s->shown) : NULL;
	if (!s->home || (S_ISREG(st.st_mode) && !s->leaf))
		return -ENOMEM;
	if (has_checksum(s) && (!s->leaf || single_kind_of_name(s->leaf) == SINGLE_INDEX))
		return refuse_checksum(s->given, why);
	return open_place(s, avoid, bell, why);
}

static int open_remote(struct source *s, const struct library_options *options, int bell, struct why *why)
{
	const struct online_options online = {
		.config = s->config,
		.text = &s->text,
		.net = options->net,
		.kept_dirfd = options->kept_dirfd > 0 ? options->kept_dirfd : -1,
		.trust = s->trust,
		.refresh_s = options->refresh_s,
		.bell = bell,
	};

	if (!options->net)
		return fail(why, -EOPNOTSUPP, "source '%s': only local files and directories can be read here",
			    s->given);
	if (has_checksum(s) &&
	    (s->config->format != SOURCE_NATIVE || single_kind_of_name(s->text.leaf) == SINGLE_INDEX))
		return refuse_checksum(s->given, why);
	return online_new(&online, &s->online, why);
}

/* What was given on the command line is checked by what was given there; repos.d speaks for itself. */
static void set_trust(struct source *s, const struct library_options *o, size_t i)
{
	s->trust = (struct trust){ .check = o->check_signature, .key_file = s->config->gpgkey };
	if (i >= o->n_sources)
		return;
	s->trust.key_files = o->key_files;
	s->trust.n_key_files = o->n_key_files;
	s->trust.fingerprints = o->n_fingerprints > 1 ? o->fingerprints + i : o->fingerprints;
	s->trust.n_fingerprints = o->n_fingerprints ? 1 : 0;
}

/* Keys for a bucket, and the like, are for whoever asks for it to miss. */
static int check_url(const char *url, struct why *why)
{
	_cleanup_(url_done) struct url parsed = URL_NONE;
	struct why mine = { "" };
	int r = url_parse(url, &parsed, &mine);

	return r == -EINVAL ? fail(why, r, "%s", mine.text) : 0;
}

int source_check(const char *given, struct why *why)
{
	_cleanup_(given_done) struct given text = { 0 };
	_cleanup_free_ char *brief = net_url_brief(given), *path = NULL;
	int r = brief ? given_parse(given, &text, why) : -ENOMEM;

	if (r < 0)
		return r;
	if (!net_is_url(given))
		return source_path(text.text, &path, why);
	if ((text.checksum || text.checksum256) && single_kind_of_name(text.leaf) == SINGLE_INDEX)
		return refuse_checksum(brief, why);
	return check_url(text.text, why);
}

int source_open(const struct library_options *options, size_t i, const char *avoid, int bell, struct source *s,
		struct why *why)
{
	int r;

	s->allow_commands = options->allow_commands;
	s->config = i < options->n_sources ? &s->own : &options->configs[i - options->n_sources];
	if (i < options->n_sources)
		s->own.uri = strdup(options->sources[i]);
	if (!s->config->uri)
		return -ENOMEM;
	s->given = net_url_brief(s->config->uri);
	if (!s->given)
		return -ENOMEM;
	r = given_parse(s->config->uri, &s->text, why);
	if (r < 0)
		return r;
	set_trust(s, options, i);
	return net_is_url(s->config->uri) ? open_remote(s, options, bell, why)
					  : open_local(s, avoid, bell, why);
}

static void free_watched(struct watched *w, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(w[i].leaf);
	free(w);
}

void source_done(struct source *s)
{
	online_free(s->online);
	source_config_done(&s->own);
	free(s->fingerprints);
	templates_free(s->t, s->n);
	templates_free(s->rejected, s->n_rejected);
	free_watched(s->watched, s->n_watched);
	complaints_done(&s->said);
	place_unref(s->place);
	free(s->given);
	free(s->shown);
	free(s->home);
	free(s->leaf);
	given_done(&s->text);
}

/* Whether the held directory is still where it was opened, be it under a mount or not. */
static bool is_in_place(const struct place *p)
{
	char link[64], path[PATH_MAX];
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", p->fd);
	n = readlink(link, path, sizeof(path));
	return n >= 0 && (size_t)n == strlen(p->path) && memcmp(path, p->path, n) == 0;
}

int source_relocate(struct source *s)
{
	_cleanup_(place_unrefp) struct place *root = NULL, *place = NULL;
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	_cleanup_close_ int fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC), dir = -1;
	struct stat held;
	int r;

	if (s->online)
		return 0;
	if (fd < 0)
		return -errno;
	r = place_new(fd, "/", s->place->avoid, -1, &root);
	if (r < 0)
		return r;
	fd = -1;
	r = place_walk(root, s->home, &spot, NULL);
	if (r < 0 || fstat(s->place->fd, &held) < 0)
		return r < 0 ? r : -errno;
	if (spot.st.st_dev == held.st_dev && spot.st.st_ino == held.st_ino)
		return 0;
	/* Something was mounted over it. What was opened before that is what the user meant. */
	if (strcmp(spot.path, s->place->path) == 0 && is_in_place(s->place))
		return 0;
	dir = openat(spot.fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	r = place_new(dir, spot.path, s->place->avoid, s->place->bell, &place);
	if (r < 0)
		return r;
	dir = -1;
	place_unref(s->place);
	s->place = take(place);
	return 1;
}

/* A scan. */

static int compare_templates(const void *a, const void *b)
{
	const struct template *const *x = a, *const *y = b;
	int c = strcmp((*x)->name, (*y)->name);

	if (c == 0)
		c = strcmp((*x)->arch, (*y)->arch);
	if (c == 0)
		c = ((*x)->revision > (*y)->revision) - ((*x)->revision < (*y)->revision);
	return c;
}

static int scan_begin(struct scan *scan, struct source *s, struct watch *watch)
{
	*scan = (struct scan){ .source = s, .watch = watch, .base = watch_dir(watch, s->place->fd) };
	scan->old = calloc(s->n + 1, sizeof(*scan->old));
	if (!scan->old)
		return -ENOMEM;
	if (s->n) {
		(void)memcpy(scan->old, s->t, s->n * sizeof(*scan->old));
		qsort(scan->old, s->n, sizeof(*scan->old), compare_templates);
	}
	return 0;
}

static void scan_done(struct scan *scan)
{
	templates_free(scan->t, scan->n);
	templates_free(scan->rejected, scan->n_rejected);
	free_watched(scan->watched, scan->n_watched);
	complaints_done(&scan->complaints);
	free(scan->old);
}

/* What the last scan made of the same entry, or NULL. Borrowed. */
static struct template *scan_old(const struct scan *scan, const struct template *t, const char *relative)
{
	struct template **old = bsearch(&t, scan->old, scan->source->n, sizeof(*old), compare_templates);

	return old && strcmp((*old)->file->relative, relative) == 0 ? *old : NULL;
}

/* Takes `leaf` (may be NULL) over. */
static int scan_watched(struct scan *scan, int wd, char *leaf)
{
	if (wd < 0) {
		free(leaf);
		return 0;
	}
	if (scan->n_watched == scan->watched_room) {
		size_t room = scan->watched_room ? 2 * scan->watched_room : 64;
		struct watched *w = reallocarray(scan->watched, room, sizeof(*w));

		if (!w) {
			free(leaf);
			return -ENOMEM;
		}
		scan->watched = w;
		scan->watched_room = room;
	}
	scan->watched[scan->n_watched++] = (struct watched){ wd, leaf };
	return 0;
}

/*
 * Watches where a name led, and where the way there began (it may have been a
 * link, or a directory that is exchanged as a whole), before the file is looked
 * at. `ret_busy`: somebody is writing it.
 */
static int scan_watch(struct scan *scan, const char *relative, const struct spot *spot, bool *ret_busy)
{
	char *first = strndup(relative, strcspn(relative, "/")), *leaf;
	int wd, r;

	*ret_busy = false;
	if (!first)
		return -ENOMEM;
	r = scan_watched(scan, scan->base, first);
	if (r < 0 || !spot->leaf)
		return r;
	wd = watch_dir(scan->watch, spot->parent);
	*ret_busy = wd >= 0 && watch_busy(scan->watch, wd, spot->leaf);
	if (wd == scan->base && strcmp(spot->leaf, relative) == 0)
		return 0;
	leaf = strdup(spot->leaf);
	return leaf ? scan_watched(scan, wd, leaf) : -ENOMEM;
}

static int scan_keep(struct scan *scan, struct template *t)
{
	if (scan->n == scan->room) {
		size_t room = scan->room ? 2 * scan->room : 64;
		struct template **all = reallocarray(scan->t, room, sizeof(struct template *));

		if (!all) {
			template_unref(t);
			return -ENOMEM;
		}
		scan->t = all;
		scan->room = room;
	}
	scan->t[scan->n++] = t;
	return 0;
}

int scan_reject(struct scan *scan, struct template *t, const char *reason)
{
	if (!scan->rejected)
		scan->rejected = calloc(REJECTED_MAX, sizeof(struct template *));
	if (!scan->rejected || text_copy(&t->rejected, reason) < 0) {
		template_unref(t);
		return -ENOMEM;
	}
	/* No name stands for it. */
	free(take(t->stands_for));
	if (scan->n_rejected < REJECTED_MAX)
		scan->rejected[scan->n_rejected++] = t;
	else
		template_unref(t);
	return 0;
}

/* Where a link leads is for the log: who may read about the file need not be let in there. */
static void public_reason(int found, int r, const char *shown, const struct spot *spot, struct why *why)
{
	if (found == -ENOENT)
		(void)fail(why, found, "'%s' does not exist, or is a link to what does not", shown);
	else if (found == -EDEADLK)
		(void)fail(why, found, "'%s' is a link into the mountpoint", shown);
	else if (found < 0 || (strstr(why->text, spot->path) && strcmp(spot->path, shown) != 0))
		(void)fail(why, r, "'%s' can't be opened: %s; the log says more", shown, strerror(-r));
}

/* Takes `t` over. What nobody could look into is as private as the list of files is. */
static int reject(struct scan *scan, struct template *t, const char *shown, const struct spot *spot, int found,
		  int r, struct why *why)
{
	struct stat st = spot->st;

	if ((found < 0 || r == -EACCES) && fstat(scan->source->place->fd, &st) < 0)
		st = (struct stat){ 0 };
	t->mode = st.st_mode;
	t->uid = st.st_uid;
	t->gid = st.st_gid;
	t->mtime = st.st_mtim;
	public_reason(found, r, shown, spot, why);
	return scan_reject(scan, t, why_text(why, r));
}

bool is_shortage(int error)
{
	return error == -ENOMEM || error == -EMFILE || error == -ENFILE;
}

static int attach(struct scan *scan, struct template *t, const char *relative, const char *shown,
		  const struct spot *spot, bool is_export, struct why *why)
{
	if (is_export)
		return template_attach_export(t, scan->source->place, relative, shown, spot,
					      scan->source->allow_commands, why);
	return template_attach(t, scan->source->place, relative, shown, spot, why);
}

static int scan_any(struct scan *scan, struct template *given, const char *relative, const char *where,
		    bool is_export)
{
	_cleanup_(template_unrefp) struct template *t = given;
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	_cleanup_free_ char *shown = text_new("%s/%s", scan->source->shown, relative);
	struct template *old = scan_old(scan, t, relative);
	struct why why = { 0 };
	bool busy = false;
	int r, found;

	if (!shown)
		return -ENOMEM;
	found = place_walk(scan->source->place, relative, &spot, &why);
	r = scan_watch(scan, relative, &spot, &busy);
	if (r < 0)
		return r;
	if (busy)
		return old ? scan_keep(scan, template_ref(old)) : 0;
	/* Directories, sockets and the like are no templates, and nobody's mistake. */
	if (found == 0 && !where[0] && !S_ISREG(spot.st.st_mode))
		return 0;
	r = found < 0 ? found : attach(scan, t, relative, shown, &spot, is_export, &why);
	if (is_shortage(r))
		return r;
	if (r < 0)
		complain(&scan->complaints, "%s%s", where, why_text(&why, r));
	/* Not read isn't bad: who opens it will hear of it, or find it well again. */
	if (r == -EIO || r == -ETIMEDOUT)
		return old ? scan_keep(scan, template_ref(old)) : 0;
	if (r < 0)
		return reject(scan, take(t), shown, &spot, found, r, &why);
	/* The old one, if it is the same: whoever compares pointers shall see that nothing changed. */
	return scan_keep(scan, old && template_same(old, t) ? template_ref(old) : take(t));
}

int scan_file(struct scan *scan, struct template *t, const char *relative, const char *where)
{
	return scan_any(scan, t, relative, where, /* is_export= */ false);
}

int scan_export(struct scan *scan, struct template *t, const char *relative)
{
	return scan_any(scan, t, relative, /* where= */ "", /* is_export= */ true);
}

/* Reads the whole file, which must not be written meanwhile: -EAGAIN. malloc'ed. */
static int read_whole(int fd, const struct stat *st, const char *shown, char **ret, struct why *why)
{
	_cleanup_free_ char *bytes = NULL;
	struct stat after;
	size_t have;
	int r;

	if ((uint64_t)st->st_size > INDEX_BYTES_MAX)
		return fail(why, -EFBIG, "'%s' has %" PRIu64 " bytes, an index may have %" PRIu64, shown,
			    (uint64_t)st->st_size, INDEX_BYTES_MAX);
	bytes = malloc(st->st_size + 1);
	if (!bytes)
		return -ENOMEM;
	r = read_up_to(fd, shown, bytes, (size_t)st->st_size, 0, &have, why);
	if (r < 0)
		return r;
	if (fstat(fd, &after) < 0 || after.st_size != st->st_size || have != (size_t)st->st_size ||
	    after.st_mtim.tv_sec != st->st_mtim.tv_sec || after.st_mtim.tv_nsec != st->st_mtim.tv_nsec)
		return fail(why, -EAGAIN, "'%s' is being written", shown);
	*ret = take(bytes);
	return 0;
}

static int attach_sig(const struct scan *scan, const struct index_entry *e)
{
	const struct template *t = e->template;

	return e->sig && !t->checksum && !t->checksum256
		       ? template_attach_sig(e->template, /* url= */ NULL, e->sig, &scan->source->trust)
		       : 0;
}

static int scan_entries(struct scan *scan, struct index *index, const char *shown)
{
	for (size_t i = 0; i < index->n; i++) {
		struct index_entry *e = &index->entry[i];
		_cleanup_free_ char *where = text_new("%s:%u: [%s]: ", shown, e->line, e->template->name);
		int r = where ? attach_sig(scan, e) : -ENOMEM;

		if (r == 0)
			r = scan_file(scan, take(e->template), e->file, where);

		if (r < 0)
			return r;
	}
	return 0;
}

static int index_scan(struct scan *scan, const struct spot *spot, const char *leaf, struct why *why)
{
	struct source *s = scan->source;
	_cleanup_free_ char *shown = text_new("%s/%s", s->shown, leaf), *bytes = NULL, *text = NULL;
	_cleanup_(keyring_freep) struct keyring *keyring = NULL;
	_cleanup_(index_done) struct index index = { 0 };
	size_t count;
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	if (!shown)
		return -ENOMEM;
	r = spot_open(spot, &fd, &st, why);
	if (r == 0)
		r = read_whole(fd, &st, shown, &bytes, why);
	if (r == 0)
		r = trust_keyring(&s->trust, &keyring, why);
	if (r == 0)
		r = trust_text(keyring, bytes, st.st_size, shown, &text, &count, why);
	if (r == 0)
		r = index_parse(text, count, shown, &index, &scan->complaints, why);
	if (r < 0)
		return r;
	if (index.is_signed && s->trust.check)
		return trust_fail_unchecked(shown, why);
	free(s->fingerprints);
	s->fingerprints = keyring ? strdup(keyring_fingerprints(keyring)) : NULL;
	return scan_entries(scan, &index, shown);
}

/*
 * Scans the index `leaf`. Returns 1 when it is there and was read, 0 when there
 * is none, -EAGAIN when it is being written.
 */
static int try_index(struct scan *scan, const char *leaf, struct why *why)
{
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	bool busy = false;
	int found = place_walk(scan->source->place, leaf, &spot, why), r;

	r = scan_watch(scan, leaf, &spot, &busy);
	if (r < 0)
		return r;
	if (busy)
		return fail(why, -EAGAIN, "'%s/%s' is being written", scan->source->shown, leaf);
	if (found == -ENOENT || (found == 0 && !S_ISREG(spot.st.st_mode)))
		return 0;
	r = found < 0 ? found : index_scan(scan, &spot, leaf, why);
	return r < 0 ? r : 1;
}

/* Of a file whose name does not say whether it is an index. What can't be looked at now is what it was. */
static enum single_kind look_at(struct scan *scan)
{
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	const char *leaf = scan->source->leaf;
	_cleanup_close_ int fd = -1;
	char head[SINGLE_HEAD];
	struct stat st;
	size_t count;

	if (place_walk(scan->source->place, leaf, &spot, NULL) < 0 || spot_open(&spot, &fd, &st, NULL) < 0 ||
	    read_up_to(fd, leaf, head, sizeof(head), 0, &count, NULL) < 0 || count == 0)
		return scan->source->is_single ? SINGLE_TEMPLATE : SINGLE_INDEX;
	return single_kind_of_head(head, count);
}

static enum single_kind kind_of(struct scan *scan)
{
	enum single_kind kind =
		has_checksum(scan->source) ? SINGLE_TEMPLATE : single_kind_of_name(scan->source->leaf);

	if (kind != SINGLE_UNCLEAR)
		return kind;
	/* No other file may take the place of one that is signed. */
	return trust_has_keys(&scan->source->trust) ? SINGLE_INDEX : look_at(scan);
}

/* What the one file suffers from is all there is to say of the source. */
static int fail_complaint(struct scan *scan, struct why *why)
{
	const char *lines = scan->complaints.lines.chars;

	return lines ? fail(why, -EINVAL, "%.*s", (int)strcspn(lines, "\n"), lines) : 0;
}

static int scan_single(struct scan *scan, struct why *why)
{
	_cleanup_(template_unrefp) struct template *t = NULL;
	_cleanup_free_ char *name = NULL;
	struct source *s = scan->source;
	struct ending ending;
	int r = single_name(s->leaf, &ending, &name, why);

	if (r < 0)
		return r;
	t = template_by_name(name, strlen(name), ending.format);
	if (!t || text_copy(&t->checksum, s->text.checksum) < 0 ||
	    text_copy(&t->checksum256, s->text.checksum256) < 0)
		return -ENOMEM;
	r = scan_ended(scan, take(t), s->leaf, &ending);
	/* A file that never was a template is a mistake of who named it; one that was may be put right. */
	return r == 0 && scan->n == 0 && !scan->watch ? fail_complaint(scan, why) : r;
}

static int scan_index_file(struct scan *scan, struct why *why)
{
	int r = try_index(scan, scan->source->leaf, why);

	if (r == 0)
		complain(&scan->complaints, "source '%s' is gone", scan->source->given);
	return r < 0 ? r : 0;
}

static int scan_one_file(struct scan *scan, struct why *why)
{
	const enum single_kind kind = kind_of(scan);
	int r = kind == SINGLE_TEMPLATE ? scan_single(scan, why) : scan_index_file(scan, why);

	if (r == 0)
		scan->source->is_single = kind == SINGLE_TEMPLATE;
	return r;
}

static int scan_directory(struct scan *scan, struct why *why)
{
	static const char *const names[] = { "index", "index.asc" };
	bool signed_first = scan->source->trust.check;
	int r;

	for (int i = 0; i < 2; i++) {
		r = try_index(scan, names[signed_first ? 1 - i : i], why);
		if (r != 0)
			return r < 0 ? r : 0;
	}
	r = scan_watched(scan, scan->base, NULL);
	return r < 0 ? r : directory_scan(scan, why);
}

static bool is_watched(const struct source *s, const struct watched *w)
{
	for (size_t i = 0; i < s->n_watched; i++)
		if (s->watched[i].wd == w->wd && s->watched[i].leaf && w->leaf &&
		    strcmp(s->watched[i].leaf, w->leaf) == 0)
			return true;
	return false;
}

/* A scan that failed: all that was watched before stays, and what this scan got to see comes to it. */
static void add_watched(struct source *s, struct scan *scan)
{
	for (size_t i = 0; i < scan->n_watched; i++) {
		struct watched *all;

		if (is_watched(s, &scan->watched[i]))
			continue;
		all = reallocarray(s->watched, s->n_watched + 1, sizeof(*all));
		if (!all)
			return;
		s->watched = all;
		s->watched[s->n_watched++] = scan->watched[i];
		scan->watched[i].leaf = NULL;
	}
}

/*
 * Where nobody could tell a new template from an old one the old one stays: it
 * knows what it turned out to be. Both in the order of compare_templates.
 */
static void keep_old(struct source *s, struct found *f)
{
	size_t i = 0;

	if (s->n)
		qsort(s->t, s->n, sizeof(struct template *), compare_templates);
	if (f->n)
		qsort(f->t, f->n, sizeof(struct template *), compare_templates);
	for (size_t k = 0; k < f->n; k++) {
		while (i < s->n && compare_templates(&s->t[i], &f->t[k]) < 0)
			i++;
		if (i == s->n || !template_same(s->t[i], f->t[k]))
			continue;
		template_unref(f->t[k]);
		f->t[k] = template_ref(s->t[i]);
	}
}

static int take_online(struct source *s, struct why *why)
{
	_cleanup_(found_done) struct found f = { 0 };

	if (!online_take(s->online, &f))
		return 0;
	if (!f.t) {
		if (why)
			*why = f.why;
		return f.error;
	}
	complaints_say(&f.complaints, &s->said);
	keep_old(s, &f);
	templates_free(s->t, s->n);
	s->t = take(f.t);
	s->n = f.n;
	f.n = 0;
	s->is_single = f.is_single;
	free(s->fingerprints);
	s->fingerprints = take(f.fingerprints);
	return 0;
}

static int scan_local(struct source *s, struct watch *watch, struct why *why)
{
	_cleanup_(scan_done) struct scan scan;
	int r;

	r = scan_begin(&scan, s, watch);
	if (r == 0)
		r = s->leaf ? scan_one_file(&scan, why) : scan_directory(&scan, why);
	if (r < 0) {
		add_watched(s, &scan);
		return r;
	}
	complaints_say(&scan.complaints, &s->said);
	templates_free(s->t, s->n);
	free_watched(s->watched, s->n_watched);
	s->t = take(scan.t);
	s->n = scan.n;
	templates_free(s->rejected, s->n_rejected);
	s->rejected = take(scan.rejected);
	s->n_rejected = scan.n_rejected;
	s->watched = take(scan.watched);
	s->n_watched = scan.n_watched;
	scan.n = scan.n_rejected = scan.n_watched = 0;
	return 0;
}

int source_scan(struct source *s, struct watch *watch, struct why *why)
{
	return s->online ? take_online(s, why) : scan_local(s, watch, why);
}
