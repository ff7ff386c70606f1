/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The catalogue: what all sources hold, seen as one. It is made anew whenever a
 * source has changed, and exchanged as a whole; readers take a ref under the
 * lock and read without it. The lock is never held across I/O.
 *
 * virt-builder resolves aliases before names, so that an alias can take the
 * place of a template, and its sources with one (name, arch) resolve to the
 * *lowest* revision, against its manual. Here a name is first of all a name, and
 * the highest revision wins.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/eventfd.h>

#include "backends/library/private.h"
#include "base/lock.h"
#include "base/log.h"

/* An entry of a source, on its way into the catalogue. */
struct candidate {
	struct template *t;
	size_t rank;
};

static int compare_candidates(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;
	int c = strcmp(x->t->name, y->t->name);

	if (c == 0)
		c = strcmp(x->t->arch, y->t->arch);
	if (c == 0)
		c = (x->t->revision < y->t->revision) - (x->t->revision > y->t->revision);
	return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

static int compare_aliases(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->rank > y->rank) - (x->rank < y->rank);
}

static bool same_key(const struct template *a, const struct template *b)
{
	return strcmp(a->name, b->name) == 0 && strcmp(a->arch, b->arch) == 0;
}

static int catalogue_add_aliases(struct catalogue *c, const struct candidate *from)
{
	for (char **alias = from->t->aliases; alias && *alias; alias++) {
		struct alias *all = reallocarray(c->alias, c->n_alias + 1, sizeof(*all));

		if (!all)
			return -ENOMEM;
		c->alias = all;
		c->alias[c->n_alias++] = (struct alias){ *alias, from->t, from->rank };
	}
	return 0;
}

void catalogue_unref(struct catalogue *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	templates_free(c->t, c->n);
	templates_free(c->rejected, c->n_rejected);
	free(c->alias);
	free(c);
}

/* `candidates` are sorted: the first of each name and architecture is the best. */
static int catalogue_new(const struct candidate *candidates, size_t n, struct catalogue **ret)
{
	_cleanup_(catalogue_unrefp) struct catalogue *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	atomic_init(&c->refs, 1);
	c->t = calloc(n + 1, sizeof(struct template *));
	if (!c->t)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (c->n && same_key(c->t[c->n - 1], candidates[i].t)) {
			log_detail("library: '%s' hides revision %" PRId64 " in '%s'", c->t[c->n - 1]->path,
				   candidates[i].t->revision, candidates[i].t->path);
			continue;
		}
		c->t[c->n++] = template_ref(candidates[i].t);
		r = catalogue_add_aliases(c, &candidates[i]);
		if (r < 0)
			return r;
	}
	if (c->n_alias)
		qsort(c->alias, c->n_alias, sizeof(*c->alias), compare_aliases);
	*ret = take(c);
	return 0;
}

static int catalogue_add_rejected(struct catalogue *c, const struct library *lib)
{
	size_t n = 0;

	for (size_t i = 0; i < lib->n_sources; i++)
		n += lib->source[i].n_rejected;
	c->rejected = calloc(n + 1, sizeof(struct template *));
	if (!c->rejected)
		return -ENOMEM;
	for (size_t i = 0; i < lib->n_sources; i++)
		for (size_t k = 0; k < lib->source[i].n_rejected; k++)
			c->rejected[c->n_rejected++] = template_ref(lib->source[i].rejected[k]);
	return 0;
}

static int catalogue_of_sources(const struct library *lib, struct catalogue **ret)
{
	_cleanup_(catalogue_unrefp) struct catalogue *c = NULL;
	_cleanup_free_ struct candidate *all = NULL;
	size_t n = 0;
	int r;

	for (size_t i = 0; i < lib->n_sources; i++)
		n += lib->source[i].n;
	all = calloc(n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	n = 0;
	for (size_t i = 0; i < lib->n_sources; i++)
		for (size_t k = 0; k < lib->source[i].n; k++) {
			all[n] = (struct candidate){ lib->source[i].t[k], n };
			n++;
		}
	qsort(all, n, sizeof(*all), compare_candidates);
	r = catalogue_new(all, n, &c);
	if (r == 0)
		r = catalogue_add_rejected(c, lib);
	if (r == 0)
		*ret = take(c);
	return r;
}

struct catalogue *library_catalogue(struct library *lib)
{
	struct catalogue *c;

	(void)pthread_mutex_lock(&lib->lock);
	c = lib->now;
	atomic_fetch_add(&c->refs, 1);
	(void)pthread_mutex_unlock(&lib->lock);
	return c;
}

/* Changes. */

struct names {
	const char **name; /* borrowed */
	size_t n, room;
	bool failed;
};

static void names_add(struct names *names, const char *name)
{
	if (names->n == names->room) {
		size_t room = names->room ? 2 * names->room : 64;
		const char **all = reallocarray(names->name, room, sizeof(*all));

		if (!all) {
			names->failed = true;
			return;
		}
		names->name = all;
		names->room = room;
	}
	names->name[names->n++] = name;
}

static void names_add_template(struct names *names, const struct template *t)
{
	names_add(names, t->name);
	for (char **alias = t->aliases; alias && *alias; alias++)
		names_add(names, *alias);
}

static int compare_keys(const struct template *a, const struct template *b)
{
	int c = strcmp(a->name, b->name);

	return c ? c : strcmp(a->arch, b->arch);
}

/* Both are sorted: one walk along the two finds what only one has, and what is not the same in both. */
static void names_of_change(const struct catalogue *old, const struct catalogue *new, struct names *names)
{
	size_t i = 0, k = 0;

	while (i < old->n || k < new->n) {
		int c = i == old->n ? 1 : k == new->n ? -1 : compare_keys(old->t[i], new->t[k]);

		if (c != 0 || old->t[i] != new->t[k]) {
			if (c <= 0)
				names_add_template(names, old->t[i]);
			if (c >= 0)
				names_add_template(names, new->t[k]);
		}
		i += c <= 0;
		k += c >= 0;
	}
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name is called once. So many at once are cheaper to forget wholesale. */
#define CHANGED_MAX 1000

static void call_changed(const struct library *lib, struct names *names)
{
	if (!lib->changed || !names->n)
		return;
	if (names->failed || names->n > CHANGED_MAX) {
		lib->changed(lib->arg, NULL);
		return;
	}
	qsort(names->name, names->n, sizeof(*names->name), compare_texts);
	for (size_t i = 0; i < names->n; i++)
		if (i == 0 || strcmp(names->name[i - 1], names->name[i]) != 0)
			lib->changed(lib->arg, names->name[i]);
}

static struct template *find_exact(const struct catalogue *c, const char *name, const char *arch);

/*
 * A file that was given by itself was given to be seen. Of two with one name only
 * one is; among the entries of indexes that is what revisions and orders are for.
 */
static void complain_of_hidden(struct library *lib, const struct catalogue *c)
{
	struct complaints complaints = COMPLAINTS_NONE;

	for (size_t i = 0; i < lib->n_sources; i++) {
		const struct source *s = &lib->source[i];
		const struct template *t = s->is_single && s->n ? s->t[0] : NULL;
		const struct template *seen = t ? find_exact(c, t->name, t->arch) : NULL;

		if (seen && seen != t)
			complain(&complaints, "'%s' is not shown: '%s' has the name '%s', too", t->path,
				 seen->path, t->name);
	}
	complaints_say(&complaints, &lib->said);
}

int library_renew(struct library *lib, bool tell)
{
	_cleanup_(catalogue_unrefp) struct catalogue *new = NULL, *old = NULL;
	struct names names = { 0 };
	int r = catalogue_of_sources(lib, &new);

	if (r < 0)
		return r;
	complain_of_hidden(lib, new);
	old = library_catalogue(lib);
	names_of_change(old, new, &names);
	(void)pthread_mutex_lock(&lib->lock);
	catalogue_unref(lib->now); /* not the last ref, `old` is one */
	lib->now = new;
	atomic_fetch_add(&new->refs, 1);
	(void)pthread_mutex_unlock(&lib->lock);
	if (tell)
		call_changed(lib, &names);
	free(names.name);
	return 0;
}

/* Opening. */

/* The mountpoint without links in it. It may not exist, or be a dead mount: then as it is written. */
static char *canonical_avoid(const char *avoid)
{
	char *path = realpath(avoid, NULL);

	if (!path)
		path = avoid[0] == '/' ? strdup(avoid) : NULL;
	for (size_t n = path ? strlen(path) : 0; n > 1 && path[n - 1] == '/'; n--)
		path[n - 1] = '\0';
	return path;
}

static int library_new(const struct library_options *options, struct library **ret, struct why *why)
{
	struct library *lib = calloc(1, sizeof(*lib));

	if (!lib)
		return -ENOMEM;
	(void)pthread_mutex_init(&lib->lock, NULL);
	lib->changed = options->changed;
	lib->arg = options->arg;
	*ret = lib;
	lib->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (lib->bell < 0)
		return fail(why, -errno, "eventfd: %s", strerror(errno));
	lib->source = calloc(options->n_sources + options->n_configs + 1, sizeof(*lib->source));
	return lib->source ? catalogue_new(NULL, 0, &lib->now) : -ENOMEM;
}

/*
 * How long a mount waits for remote sources, all together: whoever mounts at boot
 * wants the mount, and what a late source holds comes into it by itself. One who only asks waits longer.
 */
#define MOUNT_WAIT_MS 10000
#define ASK_WAIT_MS   120000

/* What may be over by itself, and is no word about the source as such. */
static bool is_passing(int error)
{
	return error == -EHOSTUNREACH || error == -ETIMEDOUT || error == -EIO || error == -EAGAIN;
}

static int open_sources(struct library *lib, const struct library_options *options, const char *avoid,
			struct why *why)
{
	for (size_t i = 0; i < options->n_sources + options->n_configs; i++) {
		struct source *s = &lib->source[lib->n_sources];
		struct why reason = { "" };
		int r = source_open(options, i, avoid, lib->bell, s, &reason);

		/* What somebody else configured, perhaps for another program, must not keep the rest away. */
		if (r < 0 && i >= options->n_sources) {
			log_warn("%s: %s", s->config->where ?: "repos.d", why_text(&reason, r));
			source_done(s);
			*s = (struct source){ 0 };
			continue;
		}
		lib->n_sources++;
		if (r < 0) {
			if (why)
				*why = reason;
			return r;
		}
	}
	return 0;
}

/* First the local ones, then those that meanwhile had time to answer. */
static int scan_sources(struct library *lib, struct why *why)
{
	const int64_t until = lock_now_ms() + (lib->changed ? MOUNT_WAIT_MS : ASK_WAIT_MS);
	struct why last = { "" };
	size_t n_failed = 0;
	bool passing = false;
	int error = 0;

	for (size_t i = 0; i < lib->n_sources; i++) {
		int r = lib->source[i].online ? 0 : source_scan(&lib->source[i], /* watch= */ NULL, why);

		if (r < 0)
			return r;
	}
	for (size_t i = 0; i < lib->n_sources; i++) {
		struct source *s = &lib->source[i];
		struct why reason = { "" };
		int r;

		if (!s->online)
			continue;
		if (!online_wait(s->online, (int)(until > lock_now_ms() ? until - lock_now_ms() : 0)))
			log_warn("source '%s' has not answered yet", s->given);
		r = source_scan(s, /* watch= */ NULL, &reason);
		if (r == 0)
			continue;
		if (n_failed++)
			log_warn("%s", why_text(&last, error));
		passing |= is_passing(r);
		error = r;
		last = reason;
	}
	if (n_failed == 0)
		return 0;
	/* A mount goes on asking; but what is refused for good had better be heard. */
	if (n_failed == lib->n_sources && (!passing || !lib->changed)) {
		if (why)
			*why = last;
		return error;
	}
	log_warn("%s", why_text(&last, error));
	return 0;
}

/*
 * An index that is checked tells whether keys are any good. Where none was read nobody would hear that there is
 * nothing to check by, until an index is put there.
 */
static int check_idle_keys(const struct library *lib, const struct library_options *options, struct why *why)
{
	const struct trust trust = {
		.check = options->check_signature,
		.key_files = options->key_files,
		.n_key_files = options->n_key_files,
		.fingerprints = options->fingerprints,
		.n_fingerprints = options->n_fingerprints,
	};
	_cleanup_(keyring_freep) struct keyring *keyring = NULL;

	for (size_t i = 0; i < lib->n_sources; i++)
		if (lib->source[i].fingerprints)
			return 0;
	return trust_keyring(&trust, &keyring, why);
}

int library_check_options(const struct library_options *o, struct why *why)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < o->n_sources; i++)
		r = source_check(o->sources[i], why);
	for (size_t i = 0; r == 0 && i < o->n_fingerprints; i++)
		r = fingerprint_check(o->fingerprints[i], why);
	if (r == 0 && o->n_sources > 0 && o->n_fingerprints > 1 && o->n_fingerprints != o->n_sources)
		return fail(why, -EINVAL,
			    "%zu fingerprints for %zu sources: give one for all, or one for each in the same "
			    "order",
			    o->n_fingerprints, o->n_sources);
	return r;
}

int library_open(const struct library_options *options, struct library **ret, struct why *why)
{
	_cleanup_(library_closep) struct library *lib = NULL;
	_cleanup_free_ char *avoid = NULL;
	int r = library_check_options(options, why);

	if (r == 0)
		r = library_new(options, &lib, why);
	if (r < 0)
		return r;
	if (options->avoid) {
		avoid = canonical_avoid(options->avoid);
		if (!avoid)
			return fail(why, -ENOENT, "mountpoint '%s' does not exist", options->avoid);
	}
	r = open_sources(lib, options, avoid, why);
	if (r == 0)
		r = scan_sources(lib, why);
	if (r == 0)
		r = check_idle_keys(lib, options, why);
	if (r == 0)
		r = library_renew(lib, /* tell= */ false);
	if (r == 0)
		*ret = take(lib);
	return r;
}

void library_refresh(struct library *lib)
{
	const uint64_t one = 1;

	for (size_t i = 0; i < lib->n_sources; i++)
		if (lib->source[i].online)
			online_refresh(lib->source[i].online);
	/* A full counter is rung already. */
	if (write(lib->bell, &one, sizeof(one)) < 0)
		return;
}

void library_unwatch(struct library *lib)
{
	watch_stop(take(lib->watch));
}

void library_close(struct library *lib)
{
	if (!lib)
		return;
	library_unwatch(lib);
	for (size_t i = 0; i < lib->n_sources; i++)
		source_done(&lib->source[i]);
	free(lib->source);
	complaints_done(&lib->said);
	catalogue_unref(lib->now);
	closep(&lib->bell);
	(void)pthread_mutex_destroy(&lib->lock);
	free(lib);
}

/* Questions. */

/* The first template with that name; c->n when there is none. */
static size_t find_name(const struct catalogue *c, const char *name)
{
	size_t low = 0, high = c->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(c->t[mid]->name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n && strcmp(c->t[low]->name, name) == 0 ? low : c->n;
}

static size_t find_alias(const struct catalogue *c, const char *name)
{
	size_t low = 0, high = c->n_alias;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (strcmp(c->alias[mid].name, name) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < c->n_alias && strcmp(c->alias[low].name, name) == 0 ? low : c->n_alias;
}

static struct template *find_exact(const struct catalogue *c, const char *name, const char *arch)
{
	for (size_t i = find_name(c, name); i < c->n && strcmp(c->t[i]->name, name) == 0; i++)
		if (strcmp(c->t[i]->arch, arch) == 0)
			return c->t[i];
	return NULL;
}

/*
 * An alias says another name for the same system: where it stands on the entry
 * of one architecture only, it is good for the others of that name too. But an
 * entry that carries it itself comes first.
 */
static struct template *find_by_alias(const struct catalogue *c, const char *name, const char *arch)
{
	size_t first = find_alias(c, name);

	for (size_t i = first; i < c->n_alias && strcmp(c->alias[i].name, name) == 0; i++)
		if (strcmp(c->alias[i].t->arch, arch) == 0)
			return c->alias[i].t;
	for (size_t i = first; i < c->n_alias && strcmp(c->alias[i].name, name) == 0; i++) {
		struct template *t = find_exact(c, c->alias[i].t->name, arch);

		if (t)
			return t;
	}
	return NULL;
}

/* Edits between two names, adjacent letters exchanged counting as one; stops counting above 2. */
static unsigned distance(const char *a, const char *b)
{
	unsigned row[3][64];
	size_t n = strlen(a), m = strlen(b);

	if (n > 63 || m > 63 || (n > m ? n - m : m - n) > 2)
		return 3;
	for (size_t j = 0; j <= m; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		unsigned *now = row[i % 3], *up = row[(i + 2) % 3], *upper = row[(i + 1) % 3];

		now[0] = (unsigned)i;
		for (size_t j = 1; j <= m; j++) {
			unsigned best = up[j - 1] + (a[i - 1] != b[j - 1]);

			if (up[j] + 1 < best)
				best = up[j] + 1;
			if (now[j - 1] + 1 < best)
				best = now[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    upper[j - 2] + 1 < best)
				best = upper[j - 2] + 1;
			now[j] = best;
		}
	}
	return row[n % 3][m];
}

/* Failed look-ups are frequent and must stay cheap. */
#define HINTS_MAX 2000

static const char *nearest_name(const struct catalogue *c, const char *name)
{
	size_t n = strlen(name);
	unsigned best = n < 4 ? 1 : n < 6 ? 2 : 3; /* the first that is too far */
	const char *nearest = NULL;

	for (size_t i = 0; i < c->n && i < HINTS_MAX; i++) {
		unsigned d = c->t[i]->hidden ? 3 : distance(name, c->t[i]->name);

		if (d < best) {
			best = d;
			nearest = c->t[i]->name;
		}
	}
	return nearest;
}

static struct template *find_rejected(const struct catalogue *c, const char *name, const char *arch)
{
	for (size_t i = 0; i < c->n_rejected; i++)
		if (strcmp(c->rejected[i]->name, name) == 0 && strcmp(c->rejected[i]->arch, arch) == 0)
			return c->rejected[i];
	return NULL;
}

/* "a", "a and b", "a, b and c" */
static void list_archs(const struct catalogue *c, size_t from, struct text *out)
{
	size_t n = 1;

	while (from + n < c->n && strcmp(c->t[from + n]->name, c->t[from]->name) == 0)
		n++;
	for (size_t i = 0; i < n; i++)
		text_add(out, "%s%s", i == 0 ? "" : i + 1 == n ? " and " : ", ", c->t[from + i]->arch);
}

static int not_found(const struct catalogue *c, const char *name, const char *arch, struct why *why)
{
	size_t alias = find_alias(c, name), at = find_name(c, name);
	const struct template *rejected = find_rejected(c, name, arch);
	struct text archs = TEXT_EMPTY;
	const char *near;
	int r;

	if (rejected)
		return fail(why, -ENOENT, "no template '%s': %s", name, rejected->rejected);
	if (at == c->n && alias < c->n_alias)
		at = find_name(c, c->alias[alias].t->name);
	if (at < c->n) {
		list_archs(c, at, &archs);
		r = fail(why, -ENOENT, "'%s' exists for %s only, not for %s; ask for %s@%s", name,
			 archs.chars ? archs.chars : "another architecture", arch, name, c->t[at]->arch);
		text_done(&archs);
		return r;
	}
	near = nearest_name(c, name);
	if (near)
		return fail(why, -ENOENT, "no template '%s'; did you mean '%s'?", name, near);
	return fail(why, -ENOENT, "no template '%s'", name);
}

int library_find(struct library *lib, const char *name, const char *arch, struct template **ret,
		 struct why *why)
{
	_cleanup_(catalogue_unrefp) struct catalogue *c = library_catalogue(lib);
	struct template *t;

	if (!arch)
		arch = library_host_arch();
	t = find_exact(c, name, arch);
	/* A name that exists for other architectures only is still that name, not an alias of something else.
	 */
	if (!t && find_name(c, name) == c->n)
		t = find_by_alias(c, name, arch);
	if (!t)
		return not_found(c, name, arch, why);
	*ret = template_ref(t);
	return 0;
}

int library_find_rejected(struct library *lib, const char *name, const char *arch, struct template **ret)
{
	_cleanup_(catalogue_unrefp) struct catalogue *c = library_catalogue(lib);
	struct template *t = find_rejected(c, name, arch ?: library_host_arch());

	if (!t)
		return -ENOENT;
	*ret = template_ref(t);
	return 0;
}

int library_list(struct library *lib, struct template ***ret, size_t *ret_n)
{
	_cleanup_(catalogue_unrefp) struct catalogue *c = library_catalogue(lib);
	struct template **list = calloc(c->n + 1, sizeof(struct template *));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < c->n; i++)
		list[i] = template_ref(c->t[i]);
	*ret = list;
	*ret_n = c->n;
	return 0;
}

void templates_free(struct template **list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		template_unref(list[i]);
	free(list);
}
