/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mount goes into the background first, so that all that follows, errors on
 * the terminal included, happens in the process that stays. What is opened
 * before the mount (library, store) stands on descriptors, so that mounting over
 * a source is harmless.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "backends/cache/pool.h"
#include "backends/cache/store.h"
#include "backends/cache/verdicts.h"
#include "backends/library/repos.h"
#include "backends/net/net.h"
#include "base/bytes.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/path.h"
#include "config.h"
#include "fs/background.h"
#include "fs/cached.h"
#include "fs/confine.h"
#include "fs/handle.h"
#include "fs/mount.h"
#include "fs/mountpoint.h"
#include "fs/news.h"
#include "fs/notify.h"
#include "fs/options.h"
#include "fs/passthrough.h"
#include "fs/session.h"
#include "fs/survey.h"
#include "fs/unmount.h"
#include "fs/warden.h"
#include "base/text.h"

/* goalfs(1), EXIT STATUS; goalfs@.service does not start again after a wrong command line. */
enum { STATUS_FAILED = 1, STATUS_USAGE = 2 };

/* The least of a store's filesystem that is left free. */
#define MIN_FREE (1 * GiB)

/* With however little --memory: for one goal of a disk in a million pieces, and each of its steps has a map. */
#define MAPS_LEAST (192 * MiB)

/* What a command works with; released in the reverse order. */
struct world {
	struct context context;
	struct library *library;
	struct repos repos;
	int kept_dirfd;	  /* of the remote indexes; -1: nowhere */
	char *mountpoint; /* canonical, or NULL */
};

/* Who wants to hear of what happens behind the goals; zero: nobody. */
struct listener {
	void (*changed)(void *arg, const char *template_name);
	void (*rejected)(void *arg, const char *identity);
	void *arg;
};

#define WORLD_NONE ((struct world){ .kept_dirfd = -1 })

static void world_done(struct world *w)
{
	if (w->context.net)
		net_end(w->context.net);
	library_close(w->library);
	verdicts_free(w->context.verdicts);
	/* Jobs that were abandoned hold images until the pool has ended. */
	pool_free(w->context.pool);
	registry_free(w->context.registry);
	net_free(w->context.net);
	store_close(w->context.store);
	repos_done(&w->repos);
	closep(&w->kept_dirfd);
	free(w->mountpoint);
}

static bool is_about_cache(const struct options *o)
{
	return o->command == COMMAND_CACHE_ALL || o->command == COMMAND_PRINT_CACHE ||
	       o->command == COMMAND_DELETE_CACHE;
}

/*
 * A directory that another daemon uses is no reason to refuse a mount that did
 * not name it: blocks are then kept in temporary files.
 */
static int open_store(const struct options *o, struct world *w, struct why *why)
{
	bool keeps = (o->command == COMMAND_MOUNT && !o->no_cache) || is_about_cache(o);
	struct store_options options = {
		.dir = keeps ? o->cache : NULL,
		.look = o->command == COMMAND_MOUNT ? NULL : o->cache,
		.holder = w->mountpoint,
		.limit = o->cache_limit,
		.min_free = MIN_FREE,
		.memory = o->memory / 4,
	};
	int r = store_open(&options, &w->context.store, why);

	if (r == -EBUSY && (o->cache_given || is_about_cache(o))) {
		struct why busy = *why;

		return fail(why, r, "%.400s; %s", busy.text,
			    is_about_cache(o) ? "unmount that first" : "each mount wants a --cache of its own");
	}
	if (r < 0 && keeps && !o->cache_given && !is_about_cache(o)) {
		log_warn("%s; decoded blocks are kept until the unmount only", why_text(why, r));
		why->text[0] = '\0';
		options.dir = NULL;
		r = store_open(&options, &w->context.store, why);
	}
	return r;
}

/* Best effort: without it every start needs the servers. */
static void open_kept(const struct options *o, struct world *w)
{
	_cleanup_free_ char *dir = o->no_cache ? NULL : text_new("%s/indexes", o->cache);

	if (!dir || path_make_dirs(dir) < 0)
		return;
	w->kept_dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int read_repos(struct world *w)
{
	struct complaints complaints = COMPLAINTS_NONE, said = COMPLAINTS_NONE;
	int r = repos_read(&w->repos, &complaints);

	complaints_say(&complaints, &said);
	complaints_done(&said);
	return r;
}

static int open_library(const struct options *o, const struct listener *listener, struct world *w,
			struct why *why)
{
	const struct library_options options = {
		.sources = (const char *const *)o->sources,
		.n_sources = o->n_sources,
		.configs = w->repos.config,
		.n_configs = w->repos.n,
		.check_signature = o->check_signature,
		.allow_commands = o->allow_commands,
		.key_files = (const char *const *)o->key_files,
		.n_key_files = texts_count(o->key_files),
		.fingerprints = (const char *const *)o->fingerprints,
		.n_fingerprints = texts_count(o->fingerprints),
		.net = w->context.net,
		.kept_dirfd = w->kept_dirfd,
		.refresh_s = o->refresh_s,
		.avoid = w->mountpoint,
		.changed = listener->changed,
		.arg = listener->arg,
	};

	if (o->n_sources + w->repos.n == 0)
		return fail(why, -EDESTADDRREQ,
			    "no source was given, and none is configured: there is no .conf file with one in "
			    "goalfs/repos.d or virt-builder/repos.d");
	return library_open(&options, &w->library, why);
}

static int open_context(const struct options *o, const struct listener *listener, struct world *w,
			struct why *why)
{
	const struct net_options net = { .ca_file = o->ca_file };
	int r = open_store(o, w, why);

	if (r == 0)
		r = net_new(&net, &w->context.net, why);
	if (r < 0)
		return r;
	w->context.memory = o->memory;
	w->context.verify = o->verify;
	w->context.mountpoint = w->mountpoint;
	w->context.pool = pool_new(o->decoders);
	w->context.registry = registry_new();
	w->context.verdicts =
		verdicts_new(&(struct verdicts_options){ w->context.store, listener->rejected, listener->arg });
	return w->context.pool && w->context.registry && w->context.verdicts ? 0 : -ENOMEM;
}

static int world_open(const struct options *o, const struct listener *listener, struct world *w,
		      struct why *why)
{
	int r = o->n_sources ? 0 : read_repos(w);

	if (r == 0)
		r = confine_daemon(o, &w->repos, why);
	if (r == 0)
		r = open_context(o, listener, w, why);
	if (r < 0)
		return r;
	open_kept(o, w);
	return open_library(o, listener, w, why);
}

static uint64_t size_of(void *arg, struct template *t)
{
	struct world *w = arg;

	return resolve_size(&w->context, t);
}

static const char *verdict_of(void *arg, struct template *t, char *buf)
{
	struct world *w = arg;

	return resolve_verdict(&w->context, t, buf);
}

static int list(const struct options *o, struct world *w, struct text *out, struct why *why)
{
	const struct list_answers answers = { size_of, verdict_of, w };

	return library_list_text(w->library, o->list_format, &answers, out);
}

static int notes(const struct options *o, struct world *w, struct text *out, struct why *why)
{
	_cleanup_free_ char *name = text_new("%s.notes", o->subject);
	_cleanup_(resolved_done) struct resolved resolved = { 0 };
	int r = name ? resolve(&w->context, w->library, name, &resolved, why) : -ENOMEM;

	if (r == 0)
		text_add(out, "%s", resolved.text);
	return r;
}

static int plan(const struct options *o, struct world *w, struct text *out, struct why *why)
{
	_cleanup_free_ char *text = NULL;
	int goal = 0, r = resolve_explain(&w->context, w->library, o->subject, &text, &goal, why);

	/* The explanation is printed either way; the exit status tells whether the goal can be met. */
	if (r == 0)
		text_add(out, "%s", text);
	return r < 0 ? r : goal;
}

static int print_cache(const struct options *o, struct world *w, struct text *out, struct why *why)
{
	return cached_print(&w->context, w->library, o->cache, out);
}

static int cache_all(const struct options *o, struct world *w, struct text *out, struct why *why)
{
	return cached_fetch_all(&w->context, w->library, why);
}

static int delete_cache(const struct options *o, struct why *why)
{
	_cleanup_(world_done) struct world w = WORLD_NONE;
	int r = open_context(o, &(struct listener){ 0 }, &w, why);

	if (r < 0)
		return r;
	open_kept(o, &w);
	return cached_delete(&w.context, w.kept_dirfd, why);
}

static int run_text(const struct options *o,
		    int (*make)(const struct options *, struct world *, struct text *, struct why *),
		    struct why *why)
{
	_cleanup_(world_done) struct world w = WORLD_NONE;
	_cleanup_(text_done) struct text out = TEXT_EMPTY;
	int r = world_open(o, &(struct listener){ 0 }, &w, why);

	if (r == 0)
		r = make(o, &w, &out, why);
	if (out.chars && (fputs(out.chars, stdout) < 0 || fflush(stdout) < 0))
		return fail(why, -errno, "standard output: %s", strerror(errno));
	return r;
}

struct starting {
	struct background *background;
	struct mount *mount;
};

/* The library is open by then, or what of it can't be had yet was said: whoever waits for us finds goals. */
static void ready(void *arg)
{
	const struct starting *s = arg;

	background_ready(s->background);
	mount_tell_ready(s->mount);
}

static void mount_done(struct mount *m)
{
	registry_bound_maps(0, NULL, NULL);
	if (m->context)
		store_when_scarce(m->context->store, NULL, NULL);
	/* Files that were open when the mount ended. */
	while (m->handles)
		handle_close(m, m->handles);
	if (m->nodes)
		nodes_close_images(m->nodes);
	news_free(m->news);
	if (m->session)
		fuse_session_destroy(m->session);
	warden_end(m->warden);
	passthrough_free(m->passthrough);
	survey_free(m->survey);
	nodes_free(m->nodes);
	gate_free(m->reading);
	gate_free(m->resolving);
	closep(&m->notify);
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static int mount_and_serve(const struct options *o, struct world *w, struct mount *m, struct why *why)
{
	int r = session_mount(o, w->mountpoint, m, why);

	if (r < 0)
		return r;
	m->passthrough = passthrough_new(m->session, m->warden, nodes_are_kept(m->nodes));
	m->survey = survey_new(&w->context, w->library, m->formats);
	m->news = news_new(m);
	r = m->passthrough && m->survey && m->news ? library_watch(w->library, why) : -ENOMEM;
	if (r == 0) {
		survey_begin(m->survey);
		r = mount_serve(m, why);
	}
	/* Decoders that wait for a server are nobody's readers any more. */
	net_end(w->context.net);
	survey_end(m->survey);
	/* The library's thread ends before the session that it notifies. */
	library_close(take(w->library));
	session_unmount(m, w->mountpoint);
	return r;
}

/* For store_when_scarce, and registry_bound_maps. */
static bool close_unused(void *arg)
{
	struct mount *m = arg;

	return nodes_close_unused(m->nodes);
}

static int open_mount(const struct options *o, struct world *w, struct mount *m, struct why *why)
{
	_cleanup_free_ char *options = session_options(o);
	int r = options ? mountpoint_find(o->mountpoint, &w->mountpoint, why) : -ENOMEM;

	if (r == 0 && o->n_sources == 0)
		r = mountpoint_check_empty(w->mountpoint, why);
	if (r == 0)
		r = warden_start(w->mountpoint, options, &m->warden, why);
	if (r == 0)
		r = world_open(o, &(struct listener){ news_changed, news_rejected, m }, w, why);
	if (r < 0)
		return r;
	clock_gettime(CLOCK_REALTIME, &m->changed);
	m->context = &w->context;
	m->library = w->library;
	m->nodes = nodes_new(store_dirfd(w->context.store));
	m->reading = gate_new(LOOP_READING);
	m->resolving = gate_new(LOOP_RESOLVING);
	if (!m->nodes || !m->reading || !m->resolving)
		return -ENOMEM;
	store_when_scarce(w->context.store, close_unused, m);
	registry_bound_maps(max_u64(o->memory / 2, MAPS_LEAST), close_unused, m);
	return 0;
}

static int run_mount(const struct options *o, struct why *why)
{
	_cleanup_(background_donep) struct background *bg = NULL;
	_cleanup_(world_done) struct world w = WORLD_NONE;
	_cleanup_(mount_done) struct mount m = {
		.formats = (const char *const *)o->formats,
		.uid = o->has_uid ? o->uid : geteuid(),
		.gid = o->has_gid ? o->gid : getegid(),
		.has_uid = o->has_uid,
		.has_gid = o->has_gid,
		.umask = o->umask,
		.ready = ready,
		.notify = -1,
	};
	struct starting starting = { .mount = &m };
	int r = background_enter(o->foreground, &bg, why);

	if (r < 0)
		return r;
	/* Whoever gave us a bad address is no reason not to serve. */
	if (notify_open(&m.notify, why) < 0)
		log_warn("%s", why->text);
	why->text[0] = '\0';
	starting.background = bg;
	m.ready_arg = &starting;
	pthread_mutex_init(&m.lock, NULL);
	block_signals();
	r = open_mount(o, &w, &m, why);
	if (r == 0)
		r = mount_and_serve(o, &w, &m, why);
	return r;
}

/* An open template is a descriptor or two. */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int run(const struct options *o, struct why *why)
{
	switch (o->command) {
	case COMMAND_HELP:
		options_help();
		return 0;
	case COMMAND_VERSION:
		printf("goalfs " GOALFS_VERSION "\n");
		return 0;
	case COMMAND_LIST:
		return run_text(o, list, why);
	case COMMAND_NOTES:
		return run_text(o, notes, why);
	case COMMAND_PLAN:
		return run_text(o, plan, why);
	case COMMAND_CACHE_ALL:
		return run_text(o, cache_all, why);
	case COMMAND_PRINT_CACHE:
		return run_text(o, print_cache, why);
	case COMMAND_DELETE_CACHE:
		return delete_cache(o, why);
	case COMMAND_UNMOUNT:
		return unmount(o, why);
	default:
		return run_mount(o, why);
	}
}

/*
 * What we open must not become a standard stream that was closed: log lines
 * would be written into the store, and going into the background would close it.
 */
static void hold_standard_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		(void)close(fd);
}

/*
 * Besides what options_parse refuses: no source at all, or a mountpoint that looks like one, and nothing else fails
 * with these two.
 */
static int status_of(int r)
{
	if (r == -EDESTADDRREQ || r == -ENOTEMPTY)
		return STATUS_USAGE;
	return r < 0 ? STATUS_FAILED : 0;
}

int main(int argc, char **argv)
{
	_cleanup_(options_done) struct options o = { 0 };
	struct why why = { "" };
	int r;

	hold_standard_streams();
	log_begin();
	r = options_parse(argc, argv, &o, &why);
	if (r == 0 && o.command == COMMAND_MOUNT)
		r = session_check(&o, &why);
	if (r < 0) {
		log_error("%s", why_text(&why, r));
		return r == -ENOMEM ? STATUS_FAILED : STATUS_USAGE;
	}
	if (o.verbose)
		log_set_level(LOG_DETAIL);
	raise_descriptor_limit();
	/* Before the daemon is confined and has threads. */
	r = digest_ready() ? run(&o, &why) : fail(&why, -ENOSYS, "libgcrypt is older than 1.8");
	confine_end();
	if (r < 0)
		log_error("%s", why_text(&why, r));
	return status_of(r);
}
