/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A remote template: an entry and a URL. What its file is shows only when
 * somebody asks for its bytes; then a second template is made of the first one and of
 * what was met, and stands behind it from there on. The first one stays what it
 * is, so that names go on standing for the same thing.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "backends/library/private.h"
#include "base/bytes.h"
#include "backends/net/first.h"
#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"

struct template_met {
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t moved;
	bool is_meeting;	/* somebody asks its server */
	struct template *t;	/* owns a ref; NULL: nobody has met it, or it has changed since */
	struct net_first first; /* for who meets it first; empty: there is nothing, or it was taken */
};

void template_met_free(struct template_met *met)
{
	if (!met)
		return;
	template_unref(met->t);
	net_first_done(&met->first);
	(void)pthread_cond_destroy(&met->moved);
	(void)pthread_mutex_destroy(&met->lock);
	free(met);
}

/* Other names for the promised bytes would do as well; the checksum is what everybody can compute. */
static int make_claim(struct template *t)
{
	if (t->checksum)
		t->claim = text_new("sha512:%s", t->checksum);
	else if (t->checksum256)
		t->claim = text_new("sha256:%s", t->checksum256);
	else
		return 0;
	return t->claim ? 0 : -ENOMEM;
}

int template_attach_url(struct template *t, const char *url, const char *proxy, const struct timespec *mtime)
{
	t->met = calloc(1, sizeof(*t->met));
	if (!t->met)
		return -ENOMEM;
	(void)pthread_mutex_init(&t->met->lock, NULL);
	lock_cond_init(&t->met->moved);
	t->mtime = *mtime;
	t->mode = 0444;
	t->uid = geteuid();
	t->gid = getegid();
	t->path = net_url_brief(url);
	if (!t->path || text_copy(&t->url, url) < 0 || text_copy(&t->proxy, proxy) < 0)
		return -ENOMEM;
	return make_claim(t) < 0 ? -ENOMEM : template_name_it(t);
}

void template_give_first(struct template *t, struct net_first *first)
{
	LOCKED(&t->met->lock);

	net_first_done(&t->met->first);
	t->met->first = *first;
	*first = (struct net_first){ 0 };
}

bool template_take_first(struct template *t, struct net_first *ret)
{
	LOCKED(&t->met->lock);

	*ret = t->met->first;
	t->met->first = (struct net_first){ 0 };
	return ret->object != NULL;
}

/* What there is of a trust's keys; none of them: nothing could be checked, and so nothing is promised. */
static int copy_trust(struct template *t, const struct trust *trust)
{
	t->sig_keys = calloc(trust->n_key_files + 2, sizeof(*t->sig_keys));
	t->sig_fingerprints = calloc(trust->n_fingerprints + 1, sizeof(*t->sig_fingerprints));
	if (!t->sig_keys || !t->sig_fingerprints)
		return -ENOMEM;
	for (size_t i = 0; i < trust->n_key_files; i++)
		if (text_copy(&t->sig_keys[i], trust->key_files[i]) < 0)
			return -ENOMEM;
	for (size_t i = 0; i < trust->n_fingerprints; i++)
		if (text_copy(&t->sig_fingerprints[i], trust->fingerprints[i]) < 0)
			return -ENOMEM;
	return text_copy(&t->sig_keys[trust->n_key_files], trust->key_file);
}

int template_attach_sig(struct template *t, const char *url, const char *path, const struct trust *trust)
{
	if (!trust_has_keys(trust))
		return 0;
	return text_copy(&t->sig_url, url) < 0 || text_copy(&t->sig_path, path) < 0 ? -ENOMEM
										    : copy_trust(t, trust);
}

/* ---- the second template ---- */

static int copy_notes(struct template *to, const struct template *from)
{
	to->notes = calloc(from->n_notes + 1, sizeof(*to->notes));
	if (!to->notes)
		return -ENOMEM;
	for (; to->n_notes < from->n_notes; to->n_notes++) {
		const struct notes *n = &from->notes[to->n_notes];

		if (text_copy(&to->notes[to->n_notes].lang, n->lang) < 0 ||
		    text_copy(&to->notes[to->n_notes].text, n->text) < 0) {
			free(to->notes[to->n_notes].lang);
			return -ENOMEM;
		}
	}
	return 0;
}

static int copy_texts(struct template *to, const struct template *from)
{
	const struct {
		char **to;
		const char *from;
	} texts[] = {
		{ &to->name, from->name },
		{ &to->title, from->title },
		{ &to->arch, from->arch },
		{ &to->osinfo, from->osinfo },
		{ &to->format, from->format },
		{ &to->lvexpand, from->lvexpand },
		{ &to->checksum, from->checksum },
		{ &to->checksum256, from->checksum256 },
		{ &to->path, from->path },
		{ &to->url, from->url },
		{ &to->stands_for, from->stands_for },
		{ &to->sig_url, from->sig_url },
		{ &to->proxy, from->proxy },
		{ &to->claim, from->claim },
		{ &to->seen, from->seen },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (text_copy(texts[i].to, texts[i].from) < 0)
			return -ENOMEM;
	return 0;
}

static int copy_template(const struct template *from, struct template **ret)
{
	_cleanup_(template_unrefp) struct template *t = template_new();

	if (!t || copy_texts(t, from) < 0 || copy_notes(t, from) < 0 ||
	    texts_copy(&t->aliases, from->aliases) < 0 || texts_copy(&t->sig_keys, from->sig_keys) < 0 ||
	    texts_copy(&t->sig_fingerprints, from->sig_fingerprints) < 0)
		return -ENOMEM;
	t->size = from->size;
	t->compressed_size = from->compressed_size;
	t->revision = from->revision;
	t->expand = from->expand;
	t->hidden = from->hidden;
	t->mtime = from->mtime;
	t->mode = from->mode;
	t->uid = from->uid;
	t->gid = from->gid;
	*ret = take(t);
	return 0;
}

/*
 * What is promised belongs to it: a file that shows the same ETag under another
 * checksum, or is to be judged by another signature, has yet to prove itself.
 */
static int make_identity(struct template *t)
{
	_cleanup_free_ char *object = object_identity(t->object);
	_cleanup_free_ char *sig = t->sig_url ? net_url_shown(t->sig_url) : NULL;
	const char *promise = t->claim ?: sig;

	if (object)
		t->identity = text_new("%s%s%s", promise ?: "", promise ? " " : "", object);
	return t->identity ? 0 : -ENOMEM;
}

int template_as_met(const struct template *t, struct object *object, struct template **ret, struct why *why)
{
	_cleanup_(template_unrefp) struct template *met = NULL;
	int r = copy_template(t, &met);

	if (r < 0) {
		object_free(object);
		return r;
	}
	met->object = object;
	met->bytes = object->length;
	r = template_sniff(met, object->head, min_u64(object->length, OBJECT_HEAD), why);
	if (r == 0)
		r = make_identity(met);
	/* Where there is a claim the name goes on standing for what it stood for before. */
	if (r == 0 && !met->stands_for)
		r = template_name_it(met);
	if (r == 0)
		*ret = take(met);
	return r;
}

struct template *template_met(struct template *t)
{
	struct template *met;

	if (!t->met)
		return template_ref(t);
	(void)pthread_mutex_lock(&t->met->lock);
	met = t->met->t ? template_ref(t->met->t) : NULL;
	(void)pthread_mutex_unlock(&t->met->lock);
	return met;
}

int template_meeting_begin(struct template *t, struct template **ret)
{
	struct template_met *met = t->met;
	LOCKED(&met->lock);

	while (met->is_meeting) {
		bool lost;

		lock_cond_wait_until(&met->moved, &met->lock, lock_now_ms() + PATIENCE_POLL_MS);
		(void)pthread_mutex_unlock(&met->lock);
		lost = patience_lost();
		(void)pthread_mutex_lock(&met->lock);
		if (lost)
			return -EINTR;
	}
	if (met->t) {
		*ret = template_ref(met->t);
		return 1;
	}
	met->is_meeting = true;
	return 0;
}

void template_meeting_end(struct template *t)
{
	LOCKED(&t->met->lock);

	t->met->is_meeting = false;
	(void)pthread_cond_broadcast(&t->met->moved);
}

int template_meet(struct template *t, struct object *object, struct template **ret, struct why *why)
{
	struct template *met = NULL, *before;
	int r = object ? template_as_met(t, object, &met, why) : 0;

	if (r < 0)
		return r;
	(void)pthread_mutex_lock(&t->met->lock);
	before = t->met->t;
	t->met->t = met ? template_ref(met) : NULL;
	(void)pthread_mutex_unlock(&t->met->lock);
	template_unref(before);
	if (met)
		*ret = met;
	return 0;
}
