/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: one thread that turns round and round,
 *
 *	ends what was cancelled -> lets libcurl work -> ends what it has finished, and
 *	what has stalled -> begins what waits, most urgent first -> sleeps until
 *	libcurl, a clock or somebody's wakeup has something for it
 *
 * Anybody may put a transfer at the end of the list; only the engine takes one out.
 * All that libcurl is told, it is told on this thread, but for curl_multi_wakeup.
 * The lock guards the list, and what transfer.h says; callbacks run without it, and
 * may start and cancel transfers.
 */
#include "backends/net/net.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "backends/net/transfer.h"
#include "base/digest.h"
#include "base/text.h"

/* The thread looks around at least so often, whatever libcurl's clocks say. */
#define TURN_MS 1000

struct net {
	struct net_config config; /* constant */
	struct net_counts counts;

	pthread_mutex_t lock;
	struct net_transfer *transfers, **tail; /* oldest first */
	bool stopping;
	bool has_thread;
	pthread_t thread; /* constant once has_thread */
	CURLM *multi;	  /* likewise */

	unsigned seed; /* the thread's */
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static CURLcode once_result;

/* libcurl initializes libssh2, and that libgcrypt, which others use already. */
static void init_library(void)
{
	(void)digest_ready();
	once_result = curl_global_init(CURL_GLOBAL_ALL);
}

/* ---- the list ---- */

static void link_transfer(struct net *net, struct net_transfer *t)
{
	*net->tail = t;
	net->tail = &t->next;
}

static void unlink_transfer(struct net *net, struct net_transfer *t)
{
	struct net_transfer **at = &net->transfers;
	LOCKED(&net->lock);

	while (*at != t)
		at = &(*at)->next;
	*at = t->next;
	if (!t->next)
		net->tail = at;
}

/* The next one that is to end because somebody said so; NULL: none. */
static struct net_transfer *find_cancelled(struct net *net)
{
	LOCKED(&net->lock);

	for (struct net_transfer *t = net->transfers; t; t = t->next)
		if (t->is_cancelled || net->stopping)
			return t;
	return NULL;
}

/* With the lock held. */
static bool has_room(const struct net *net, const struct net_transfer *wants)
{
	unsigned at_host = 0;

	for (const struct net_transfer *t = net->transfers; t; t = t->next)
		at_host += t->is_running && strcmp(t->at_url.origin, wants->start.origin) == 0;
	return at_host < net->config.per_host;
}

/* The most urgent that may begin now; of equals the oldest. */
static struct net_transfer *find_ready(struct net *net)
{
	const int64_t now = lock_now_ms();
	struct net_transfer *best = NULL;
	unsigned running = 0;
	LOCKED(&net->lock);

	for (const struct net_transfer *t = net->transfers; t; t = t->next)
		running += t->is_running;
	if (running >= net->config.in_flight)
		return NULL;
	for (struct net_transfer *t = net->transfers; t; t = t->next)
		if (!t->is_running && t->not_before <= now && (!best || t->priority < best->priority) &&
		    has_room(net, t))
			best = t;
	return best;
}

static struct net_transfer *find_stalled(struct net *net)
{
	const int64_t now = lock_now_ms();
	LOCKED(&net->lock);

	for (struct net_transfer *t = net->transfers; t; t = t->next)
		if (t->is_running && transfer_has_stalled(t, now))
			return t;
	return NULL;
}

/* How long the thread may sleep, if libcurl has nothing before. */
static int sleep_ms(struct net *net)
{
	const int64_t now = lock_now_ms();
	int64_t until = now + TURN_MS;
	LOCKED(&net->lock);

	for (const struct net_transfer *t = net->transfers; t; t = t->next) {
		int64_t when = t->is_running ? transfer_deadline(t) : t->not_before;

		/* One that is ready waits for another's end, not for a clock. */
		if (when < until && (t->is_running || when > now))
			until = when;
	}
	return until > now ? (int)(until - now) : 0;
}

/* ---- the thread ---- */

static void finish(struct net *net, struct net_transfer *t, int error, const struct why *why)
{
	if (t->is_running)
		(void)curl_multi_remove_handle(net->multi, t->easy);
	unlink_transfer(net, t);
	t->events.done(t->arg, error, why);
	transfer_free(t);
}

static void begin(struct net *net, struct net_transfer *t)
{
	struct why why = { 0 };
	int r;

	r = transfer_begin(t, &why);
	if (r == 0 && curl_multi_add_handle(net->multi, t->easy) != CURLM_OK)
		r = -ENOMEM;
	t->is_running = r == 0;
	if (r < 0)
		finish(net, t, r, &why);
}

static void end_attempt(struct net *net, struct net_transfer *t, CURLcode code)
{
	struct why why = { 0 };
	int error;

	(void)curl_multi_remove_handle(net->multi, t->easy);
	t->is_running = false;
	if (!transfer_end(t, code, rand_r(&net->seed), &error, &why))
		finish(net, t, error, &why);
}

static void end_cancelled(struct net *net)
{
	struct net_transfer *t;
	struct why why = { 0 };

	while ((t = find_cancelled(net))) {
		(void)fail(&why, -ECANCELED, "%s is no longer wanted", t->start.quoted);
		finish(net, t, -ECANCELED, &why);
	}
}

static void collect(struct net *net)
{
	struct net_transfer *t;
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(net->multi, &left))) {
		CURLcode code = m->data.result;

		if (m->msg != CURLMSG_DONE)
			continue;
		(void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&t);
		end_attempt(net, t, code);
	}
	while ((t = find_stalled(net)))
		end_attempt(net, t, CURLE_OPERATION_TIMEDOUT);
}

static bool is_over(struct net *net)
{
	LOCKED(&net->lock);

	return net->stopping && !net->transfers;
}

static void *run(void *arg)
{
	struct net *net = arg;
	struct net_transfer *t;
	int running;

	while (!is_over(net)) {
		end_cancelled(net);
		(void)curl_multi_perform(net->multi, &running);
		collect(net);
		while ((t = find_ready(net)))
			begin(net, t);
		if (!is_over(net))
			(void)curl_multi_poll(net->multi, NULL, 0, sleep_ms(net), NULL);
	}
	return NULL;
}

/* With the lock held. */
static int start_thread(struct net *net, struct why *why)
{
	int r;

	if (net->has_thread)
		return 0;
	net->multi = curl_multi_init();
	if (!net->multi)
		return -ENOMEM;
	(void)curl_multi_setopt(net->multi, CURLMOPT_MAXCONNECTS, (long)net->config.in_flight);
	net->seed = (unsigned)lock_now_ms();
	r = lock_thread_start(&net->thread, "goalfs-net", run, net);
	if (r < 0) {
		(void)curl_multi_cleanup(net->multi);
		net->multi = NULL;
		return fail(why, r, "no thread for the network: %s", strerror(-r));
	}
	net->has_thread = true;
	return 0;
}

/* ---- from other threads ---- */

int net_start(struct net *net, const struct net_request *request, const struct net_events *events, void *arg,
	      struct net_transfer **ret, struct why *why)
{
	_cleanup_(transfer_freep) struct net_transfer *t = NULL;
	int r;

	r = transfer_new(request, events, arg, &t, why);
	if (r < 0)
		return r;
	t->config = &net->config;
	t->counts = &net->counts;
	LOCKED(&net->lock);
	if (net->stopping)
		return fail(why, -ECANCELED, "%s is not fetched any more: the network is shut down",
			    t->start.quoted);
	r = start_thread(net, why);
	if (r < 0)
		return r;
	if (ret)
		*ret = t;
	link_transfer(net, take(t));
	(void)curl_multi_wakeup(net->multi);
	return 0;
}

void net_cancel(struct net *net, struct net_transfer *t)
{
	LOCKED(&net->lock);

	t->is_cancelled = true;
	(void)curl_multi_wakeup(net->multi);
}

void net_raise(struct net *net, struct net_transfer *t, enum net_priority priority)
{
	LOCKED(&net->lock);

	if (priority < t->priority)
		t->priority = priority;
}

void net_figures(struct net *net, struct net_figures *ret)
{
	*ret = (struct net_figures){ .requests = net->counts.requests, .bytes = net->counts.bytes };
}

bool net_is_here(struct net *net)
{
	LOCKED(&net->lock);

	return net->has_thread && pthread_equal(net->thread, pthread_self());
}

/* ---- birth and death ---- */

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value && *value ? value : NULL;
}

/* The first that is set, in the order of curl's own tool. */
static int choose_trust(struct net_config *c, const char *ca_file)
{
	const char *home = variable("HOME"), *dir = ca_file ? NULL : variable("SSL_CERT_DIR");

	ca_file = ca_file ? ca_file : variable("CURL_CA_BUNDLE");
	ca_file = ca_file ? ca_file : variable("SSL_CERT_FILE");
	if (ca_file && !(c->ca_file = strdup(ca_file)))
		return -ENOMEM;
	if (dir && !(c->ca_dir = strdup(dir)))
		return -ENOMEM;
	if (home && !(c->known_hosts = text_new("%s/.ssh/known_hosts", home)))
		return -ENOMEM;
	return 0;
}

int net_new(const struct net_options *options, struct net **ret, struct why *why)
{
	const struct net_options none = { 0 }, *o = options ? options : &none;
	_cleanup_(net_freep) struct net *net = NULL;
	int r;

	(void)pthread_once(&once, init_library);
	if (once_result != CURLE_OK)
		return fail(why, -EIO, "libcurl can't start: %s", curl_easy_strerror(once_result));
	net = calloc(1, sizeof(*net));
	if (!net)
		return -ENOMEM;
	(void)pthread_mutex_init(&net->lock, NULL);
	net->tail = &net->transfers;
	net->config = (struct net_config){
		.in_flight = o->in_flight ? o->in_flight : 16,
		.per_host = o->per_host ? o->per_host : 8,
		.connect_ms = o->connect_ms ? o->connect_ms : 15000,
		.stall_ms = o->stall_ms ? o->stall_ms : 30000,
		.tries = o->tries ? o->tries : 5,
		.first_pause_ms = o->first_pause_ms ? o->first_pause_ms : 250,
	};
	r = choose_trust(&net->config, o->ca_file);
	if (r < 0)
		return r;
	*ret = take(net);
	return 0;
}

void net_end(struct net *net)
{
	LOCKED(&net->lock);

	net->stopping = true;
	if (net->has_thread)
		(void)curl_multi_wakeup(net->multi);
}

void net_free(struct net *net)
{
	if (!net)
		return;
	net_end(net);
	if (net->has_thread) {
		(void)pthread_join(net->thread, NULL);
		(void)curl_multi_cleanup(net->multi);
	}
	(void)pthread_mutex_destroy(&net->lock);
	free(net->config.ca_file);
	free(net->config.ca_dir);
	free(net->config.known_hosts);
	free(net);
}
