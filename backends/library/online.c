/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/online.h"

#include <errno.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "backends/library/index.h"
#include "backends/library/kept.h"
#include "backends/library/private.h"
#include "backends/library/simplestreams.h"
#include "backends/magic.h"
#include "backends/net/first.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/patience.h"

/* After a failure: so long, doubling up to the regular interval or this. */
#define AGAIN_FIRST_S 5
#define AGAIN_LAST_S  300

struct online {
	struct online_options options;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct found *found;  /* nobody has taken it; guarded, like what follows */
	bool answered;	      /* the first attempt has ended */
	bool now;	      /* ask again at once */
	atomic_bool stopping; /* written under the lock */
};

void found_done(struct found *f)
{
	templates_free(f->t, f->n);
	complaints_done(&f->complaints);
	free(f->fingerprints);
	*f = (struct found){ 0 };
}

/* ---- one attempt ---- */

struct attempt {
	const struct online_options *options;
	struct keyring *keyring; /* NULL: nothing is checked */
	struct found *found;
	bool is_offline; /* only what was kept counts: the server is not asked */
	bool was_found;	 /* an earlier attempt has found what there is */
	bool has_old;	 /* something came from what was kept, because it could not be fetched */
	bool (*look)(const void *head, size_t count); /* what is to be fetched at all; NULL: anything */
};

/* Something that was fetched, or kept. */
struct document {
	char *shown;	  /* owned: its URL for people */
	char *key;	  /* owned: its URL for the kept copy, without a password */
	struct kept kept; /* as it came */
	char *text;	  /* owned: what the signature stands for, or the same as it came */
	size_t count;
	bool is_new;
};

static void document_done(struct document *d)
{
	kept_done(&d->kept);
	free(d->shown);
	free(d->key);
	free(d->text);
}

static void take_body(struct net_body *body, struct document *d)
{
	kept_done(&d->kept);
	d->kept = (struct kept){ take(body->bytes), body->count, take(body->etag), take(body->last_modified) };
	d->is_new = true;
}

/*
 * The newest there is: the server's, or the kept one when that is the same, or
 * when the server can't be asked.
 */
static int fetch(struct attempt *a, const char *url, struct document *d, struct why *why)
{
	_cleanup_(net_body_done) struct net_body body = { 0 };
	const bool has_kept = kept_read(a->options->kept_dirfd, d->key, &d->kept) == 0;
	const struct net_request request = {
		.url = url,
		.proxy = a->options->config->proxy,
		.unless_etag = d->kept.etag,
		.unless_modified = d->kept.etag ? NULL : d->kept.last_modified,
		.priority = NET_WAITED_FOR,
	};
	int r = 0;

	if (a->is_offline)
		return has_kept ? 0 : fail(why, -ENOENT, "'%s' was never fetched", d->shown);
	r = net_get_if(a->options->net, &request, INDEX_BYTES_MAX, a->look, &body, why);
	if (r == -EINTR || r == -ENOMEM || r == -EMEDIUMTYPE || (r < 0 && !has_kept))
		return r;
	if (r < 0) {
		complain(&a->found->complaints, "%s; what was fetched of it on %s is used", why_text(why, r),
			 d->kept.last_modified ?: "an earlier day");
		a->has_old = true;
	} else if (!body.unchanged) {
		take_body(&body, d);
	} else if (!has_kept) {
		return fail(why, -EPROTO, "'%s' is said to be unchanged, but was not known", d->shown);
	}
	return 0;
}

static int name_document(struct document *d, const char *url)
{
	d->shown = net_url_brief(url);
	d->key = net_url_shown(url);
	return d->shown && d->key ? 0 : -ENOMEM;
}

static int get(struct attempt *a, const char *url, struct document *d, struct why *why)
{
	int r = name_document(d, url);

	if (r == 0)
		r = fetch(a, url, d, why);
	/* What is parsed is what was verified, and nothing else. */
	return r < 0 ? r
		     : trust_text(a->keyring, d->kept.bytes, d->kept.count, d->shown, &d->text, &d->count, why);
}

/* It was understood: from now on this one is kept. */
static void keep(struct attempt *a, const struct document *d)
{
	int r = d->is_new ? kept_write(a->options->kept_dirfd, d->key, &d->kept) : 0;

	if (r < 0 && r != -EBADF)
		log_detail("library: '%s' can't be kept: %s", d->shown, strerror(-r));
}

/* RFC 9110, section 5.6.7; what can't be read, or was not said, is the epoch. */
static struct timespec time_of(const char *last_modified)
{
	struct tm tm = { 0 };
	const char *end = last_modified ? strptime(last_modified, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;

	return (struct timespec){ .tv_sec = end && !*end ? timegm(&tm) : 0 };
}

/* Where there is a checksum, that counts alone. */
static int attach_sig(struct attempt *a, const struct index_entry *e, const char *base, struct why *why)
{
	_cleanup_free_ char *url = NULL;
	int r;

	if (!e->sig || e->template->checksum || e->template->checksum256)
		return 0;
	r = net_url_below(base, e->sig, &url, why);
	return r < 0 ? r : template_attach_sig(e->template, url, /* path= */ NULL, &a->options->trust);
}

/* Makes the entries remote templates, whose files are below `base`. */
static int attach(struct attempt *a, struct index *index, const char *base, const struct document *d,
		  struct why *why)
{
	const struct timespec mtime = time_of(d->kept.last_modified);
	struct found *f = a->found;

	f->t = calloc(index->n + 1, sizeof(struct template *));
	if (!f->t)
		return -ENOMEM;
	for (size_t i = 0; i < index->n; i++) {
		struct index_entry *e = &index->entry[i];
		_cleanup_free_ char *url = NULL;
		struct why reason = { "" };
		int r = net_url_below(base, e->file, &url, &reason);

		if (r == 0)
			r = template_attach_url(e->template, url, a->options->config->proxy, &mtime);
		if (r == 0)
			r = attach_sig(a, e, base, &reason);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			complain(&f->complaints, "%s:%u: [%s]: %s", d->shown, e->line, e->template->name,
				 why_text(&reason, r));
		else
			f->t[f->n++] = take(e->template);
	}
	return 0;
}

static int attempt_index(struct attempt *a, struct why *why)
{
	_cleanup_(document_done) struct document d = { 0 };
	_cleanup_(index_done) struct index index = { 0 };
	const char *url = a->options->text->text;
	int r = get(a, url, &d, why);

	if (r == 0)
		r = index_parse(d.text, d.count, d.shown, &index, &a->found->complaints, why);
	if (r < 0)
		return r;
	if (index.is_signed && a->options->trust.check)
		return trust_fail_unchecked(d.shown, why);
	keep(a, &d);
	return attach(a, &index, url, &d, why);
}

/* ---- a single file ---- */

/* What is no index; a page is looked at closer by attempt_single, which knows what to say of it. */
static bool is_index(const void *head, size_t count)
{
	return single_kind_of_head(head, count) == SINGLE_INDEX;
}

static bool has_checksum(const struct attempt *a)
{
	return a->options->text->checksum || a->options->text->checksum256;
}

/* By its name; or because there are keys for it: no other file may take the place of what they sign. */
static bool must_be_index(const struct attempt *a)
{
	const enum single_kind kind = single_kind_of_name(a->options->text->leaf);

	return kind == SINGLE_INDEX || (kind == SINGLE_UNCLEAR && a->keyring && !has_checksum(a));
}

/* What its name says, or else what it was last time. */
static enum single_kind expected_kind(const struct attempt *a)
{
	const struct given *text = a->options->text;
	_cleanup_(kept_done) struct kept kept = { 0 };
	_cleanup_free_ char *key = NULL;
	enum single_kind kind;

	if (must_be_index(a))
		return SINGLE_INDEX;
	kind = has_checksum(a) ? SINGLE_TEMPLATE : single_kind_of_name(text->leaf);
	if (kind != SINGLE_UNCLEAR)
		return kind;
	key = net_url_shown(text->text);
	if (!key || kept_read(a->options->kept_dirfd, key, &kept) < 0)
		return SINGLE_UNCLEAR;
	return single_kind_of_head(kept.bytes, kept.count);
}

static int refuse_page(const struct document *d, struct why *why)
{
	if (d->kept.count == 0 || single_kind_of_head(d->kept.bytes, d->kept.count) != SINGLE_PAGE)
		return 0;
	return fail(why, -EOPNOTSUPP,
		    "'%s' is a page of HTML or XML, neither an index nor a disk: give the URL of one "
		    "file, or of an index",
		    d->shown);
}

/* What the first bytes show has to agree with the name; 0 bytes are not known yet. */
static int judge_head(struct template *t, const struct document *d, const struct ending *ending,
		      struct why *why)
{
	const struct magic *m = magic_of_head(d->kept.bytes, d->kept.count);
	const bool is_codec = m && m->kind == MAGIC_CODEC;

	if (d->kept.count == 0)
		return 0;
	if (m && m->kind == MAGIC_UNREADABLE && (!t->format || strcmp(t->format, "raw") != 0))
		return fail(why, -EOPNOTSUPP, "'%s' is %s", d->shown, m->name);
	if (ending->codec && (!is_codec || strcmp(m->name, ending->codec) != 0))
		return fail(why, -EBADMSG, "'%s' should be %s data by its name, and is not", d->shown,
			    ending->codec);
	/* What a listing shows depends on it. */
	if (m && m->kind == MAGIC_FORMAT && (!t->format || strcmp(t->format, "raw") != 0)) {
		free(t->format);
		t->format = strdup(m->name);
		return t->format ? 0 : -ENOMEM;
	}
	return 0;
}

static int new_single(const struct attempt *a, const struct document *d, struct template **ret, struct why *why)
{
	const struct given *text = a->options->text;
	const struct timespec mtime = time_of(d->kept.last_modified);
	_cleanup_(template_unrefp) struct template *t = NULL;
	_cleanup_free_ char *name = NULL;
	struct ending ending;
	int r = single_name(text->leaf, &ending, &name, why);

	if (r < 0)
		return r;
	if (ending.is_export)
		return fail(why, -EOPNOTSUPP, "'%s': the address of an export is read from this machine only",
			    d->shown);
	t = template_by_name(name, strlen(name), ending.format);
	if (!t || text_copy(&t->checksum, text->checksum) < 0 ||
	    text_copy(&t->checksum256, text->checksum256) < 0)
		return -ENOMEM;
	r = judge_head(t, d, &ending, why);
	if (r == 0)
		r = template_attach_url(t, text->text, a->options->config->proxy, &mtime);
	if (r == 0 && (d->kept.etag || d->kept.last_modified)) {
		t->seen = text_new("%s %s", d->kept.etag ?: "", d->kept.last_modified ?: "");
		r = t->seen ? 0 : -ENOMEM;
	}
	if (r == 0)
		*ret = take(t);
	return r;
}

static int take_head(struct document *d, const struct net_first *first)
{
	const struct object *o = first->object;

	kept_done(&d->kept);
	d->kept = (struct kept){ .bytes = malloc(first->count + 1), .count = first->count };
	if (!d->kept.bytes || text_copy(&d->kept.etag, o->etag) < 0 ||
	    text_copy(&d->kept.last_modified, o->last_modified) < 0)
		return -ENOMEM;
	memcpy(d->kept.bytes, first->bytes, first->count);
	d->kept.bytes[first->count] = '\0';
	d->is_new = true;
	return 0;
}

/* What may be over by itself; and by what is known the template may be there in full. */
static bool is_away(int error)
{
	return error == -EHOSTUNREACH || error == -ETIMEDOUT || error == -EIO;
}

static int ask_first(struct attempt *a, struct document *d, struct net_first *first, struct why *why)
{
	const bool has_kept = kept_read(a->options->kept_dirfd, d->key, &d->kept) == 0;
	const bool is_known = has_kept || single_kind_of_name(a->options->text->leaf) == SINGLE_TEMPLATE;
	const struct net_request request = {
		.url = a->options->text->text,
		.proxy = a->options->config->proxy,
		.unless_etag = d->kept.etag,
		.unless_modified = d->kept.etag ? NULL : d->kept.last_modified,
		.priority = NET_WAITED_FOR,
	};
	int r;

	if (a->is_offline)
		return is_known ? 0 : fail(why, -ENOENT, "'%s' was never fetched", d->shown);
	r = net_first(a->options->net, &request, d->shown, first, why);
	/* What was there before stays by itself, with all that it turned out to be. */
	if (r < 0 && is_away(r) && is_known && (has_kept || !a->was_found)) {
		complain(&a->found->complaints, "%s; its server is asked again", why_text(why, r));
		a->has_old = true;
		return 0;
	}
	if (r < 0)
		return r;
	if (first->unchanged)
		return has_kept ? 0
				: fail(why, -EPROTO, "'%s' is said to be unchanged, but was not known",
				       d->shown);
	return take_head(d, first);
}

static int attempt_single(struct attempt *a, struct why *why)
{
	_cleanup_(document_done) struct document d = { 0 };
	_cleanup_(net_first_done) struct net_first first = { 0 };
	_cleanup_(template_unrefp) struct template *t = NULL;
	int r = name_document(&d, a->options->text->text);

	if (r == 0)
		r = ask_first(a, &d, &first, why);
	if (r == 0 && d.is_new && !has_checksum(a) &&
	    single_kind_of_name(a->options->text->leaf) == SINGLE_UNCLEAR &&
	    is_index(d.kept.bytes, d.kept.count))
		return fail(why, -EMEDIUMTYPE, "'%s' has become an index", d.shown);
	if (r == 0)
		r = refuse_page(&d, why);
	if (r == 0)
		r = new_single(a, &d, &t, why);
	if (r < 0)
		return r;
	keep(a, &d);
	if (first.object)
		template_give_first(t, &first);
	a->found->t = calloc(1, sizeof(struct template *));
	if (!a->found->t)
		return -ENOMEM;
	a->found->t[a->found->n++] = take(t);
	a->found->is_single = true;
	return 0;
}

static int attempt_native(struct attempt *a, struct why *why)
{
	int r = expected_kind(a) == SINGLE_TEMPLATE ? attempt_single(a, why) : -EMEDIUMTYPE;

	if (r != -EMEDIUMTYPE)
		return r;
	a->look = must_be_index(a) ? NULL : is_index;
	r = attempt_index(a, why);
	return r == -EMEDIUMTYPE ? attempt_single(a, why) : r;
}

/* ---- simplestreams ---- */

static int add_products(struct attempt *a, const char *base, const char *path, struct index *index,
			struct why *why)
{
	_cleanup_(document_done) struct document d = { 0 };
	_cleanup_free_ char *url = NULL;
	int r = net_url_below(base, path, &url, why);

	if (r == 0)
		r = get(a, url, &d, why);
	if (r == 0)
		r = streams_products_parse(d.text, d.count, d.shown, index, &a->found->complaints, why);
	if (r == 0)
		keep(a, &d);
	return r;
}

static int attempt_streams_below(struct attempt *a, const char *base, struct why *why)
{
	_cleanup_(document_done) struct document d = { 0 };
	_cleanup_(streams_done) struct streams streams = { 0 };
	_cleanup_(index_done) struct index index = { 0 };
	_cleanup_free_ char *url = text_new("%sstreams/v1/index.%s", base, a->keyring ? "sjson" : "json");
	int r = url ? get(a, url, &d, why) : -ENOMEM;

	if (r == 0)
		r = streams_parse(d.text, d.count, d.shown, &streams, &a->found->complaints, why);
	for (size_t i = 0; r == 0 && i < streams.n; i++)
		r = add_products(a, base, streams.path[i], &index, why);
	if (r < 0)
		return r;
	keep(a, &d);
	return attach(a, &index, base, &d, why);
}

static int attempt_streams(struct attempt *a, struct why *why)
{
	const char *uri = a->options->config->uri;
	const size_t n = strlen(uri);
	_cleanup_free_ char *base = text_new("%s%s", uri, n && uri[n - 1] == '/' ? "" : "/");

	return base ? attempt_streams_below(a, base, why) : -ENOMEM;
}

static void attempt(const struct online_options *options, bool is_offline, bool was_found, struct found *ret)
{
	_cleanup_(keyring_freep) struct keyring *keyring = NULL;
	struct attempt a = {
		.options = options,
		.found = ret,
		.is_offline = is_offline,
		.was_found = was_found,
	};
	int r = trust_keyring(&options->trust, &keyring, &ret->why);

	a.keyring = keyring;
	if (r == 0)
		r = options->config->format == SOURCE_SIMPLESTREAMS ? attempt_streams(&a, &ret->why)
								    : attempt_native(&a, &ret->why);
	ret->error = r;
	if (r == 0 && keyring)
		ret->fingerprints = strdup(keyring_fingerprints(keyring));
	if (r < 0) {
		templates_free(ret->t, ret->n);
		ret->t = NULL;
		ret->n = 0;
	} else if (a.has_old) {
		ret->error = -EHOSTUNREACH; /* there are templates all the same, but it has to be asked again */
	}
}

/* ---- the thread ---- */

static bool is_stopping(void *arg)
{
	return ((struct online *)arg)->stopping;
}

static void publish(struct online *o, struct found *found, bool is_answer)
{
	const uint64_t one = 1;
	struct found *before;

	{
		LOCKED(&o->lock);

		before = o->found;
		o->found = found;
		o->answered |= is_answer;
		(void)pthread_cond_broadcast(&o->moved);
	}
	if (before)
		found_done(before);
	free(before);
	/* A full counter is rung already. */
	if (o->options.bell >= 0 && write(o->options.bell, &one, sizeof(one)) < 0)
		return;
}

/* Seconds until the next attempt, 0 for never; `failures` in a row. */
static unsigned pause_after(const struct online *o, unsigned failures)
{
	const unsigned regular = o->options.refresh_s;
	unsigned again;

	if (failures == 0)
		return regular;
	again = AGAIN_FIRST_S << (failures < 8 ? failures - 1 : 7);
	again = again > AGAIN_LAST_S ? AGAIN_LAST_S : again;
	return regular && regular < again ? regular : again;
}

static void wait_for_turn(struct online *o, unsigned seconds)
{
	const int64_t until = seconds ? lock_now_ms() + INT64_C(1000) * seconds : INT64_MAX;
	LOCKED(&o->lock);

	while (!o->stopping && !o->now && lock_now_ms() < until)
		lock_cond_wait_until(&o->moved, &o->lock, min_u64(until, lock_now_ms() + 3600000));
	o->now = false;
}

/* What was kept is there at once; a server may take its time. */
static void publish_kept(struct online *o)
{
	struct found *found = calloc(1, sizeof(*found));

	if (!found)
		return;
	attempt(&o->options, /* is_offline= */ true, /* was_found= */ false, found);
	if (found->error == 0) {
		publish(o, found, /* is_answer= */ false);
		return;
	}
	found_done(found);
	free(found);
}

static void *run(void *arg)
{
	struct online *o = arg;
	unsigned failures = 0;
	bool was_found = false;

	patience_set(is_stopping, o);
	publish_kept(o);
	while (!o->stopping) {
		struct found *found = calloc(1, sizeof(*found));

		if (found) {
			attempt(&o->options, /* is_offline= */ false, was_found, found);
			failures = found->error ? failures + 1 : 0;
			was_found |= found->error == 0;
			log_detail("library: %zu templates found", found->n);
			publish(o, found, /* is_answer= */ true);
		}
		wait_for_turn(o, found ? pause_after(o, failures) : AGAIN_FIRST_S);
	}
	return NULL;
}

int online_new(const struct online_options *options, struct online **ret, struct why *why)
{
	struct online *o = calloc(1, sizeof(*o));
	int r;

	if (!o)
		return -ENOMEM;
	o->options = *options;
	(void)pthread_mutex_init(&o->lock, NULL);
	lock_cond_init(&o->moved);
	r = lock_thread_start(&o->thread, "source", run, o);
	if (r < 0) {
		free(o);
		return fail(why, r, "no thread could be started for a source: %s", strerror(-r));
	}
	*ret = o;
	return 0;
}

void online_free(struct online *o)
{
	if (!o)
		return;
	{
		LOCKED(&o->lock);

		o->stopping = true;
		(void)pthread_cond_broadcast(&o->moved);
	}
	(void)pthread_join(o->thread, NULL);
	if (o->found)
		found_done(o->found);
	free(o->found);
	(void)pthread_cond_destroy(&o->moved);
	(void)pthread_mutex_destroy(&o->lock);
	free(o);
}

bool online_wait(struct online *o, int ms)
{
	const int64_t until = lock_now_ms() + ms;
	LOCKED(&o->lock);

	while (!o->answered && lock_now_ms() < until)
		lock_cond_wait_until(&o->moved, &o->lock, until);
	return o->answered;
}

bool online_take(struct online *o, struct found *ret)
{
	struct found *found;

	{
		LOCKED(&o->lock);

		found = take(o->found);
	}
	if (!found)
		return false;
	*ret = *found;
	free(found);
	return true;
}

void online_refresh(struct online *o)
{
	LOCKED(&o->lock);

	o->now = true;
	(void)pthread_cond_broadcast(&o->moved);
}
