/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/news.h"

#include <string.h>
#include <time.h>

#include "base/lock.h"
#include "fs/mount.h"
#include "fs/survey.h"

/* So many templates' names at once are cheaper to forget wholesale. */
#define MOST_NAMES 1000

struct news {
	struct mount *mount;
	pthread_t thread;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t moved;
	bool has_thread, ending;
	unsigned looks; /* under way */
	char *name[MOST_NAMES];
	size_t n;
	bool all; /* of all templates; no names then */
};

/* Names. */

static bool await_looks(struct news *news)
{
	LOCKED(&news->lock);

	while (news->looks && !news->ending)
		(void)pthread_cond_wait(&news->moved, &news->lock);
	return !news->ending;
}

static void forget_entry(void *arg, uint64_t id, const char *name)
{
	struct news *news = arg;

	/* -ENOENT: the kernel has forgotten it by itself. */
	if (await_looks(news))
		(void)fuse_lowlevel_notify_inval_entry(news->mount->session, ROOT_ID, name, strlen(name));
}

/* False at the end. `ret` is the caller's; NULL: of all templates. */
static bool next_name(struct news *news, char **ret)
{
	LOCKED(&news->lock);

	while (!news->n && !news->all && !news->ending)
		(void)pthread_cond_wait(&news->moved, &news->lock);
	*ret = news->n ? news->name[--news->n] : NULL;
	news->all = false;
	return !news->ending;
}

static void *run(void *arg)
{
	struct news *news = arg;
	char *name;

	while (next_name(news, &name)) {
		(void)nodes_each(news->mount->nodes, name, forget_entry, news);
		free(name);
	}
	free(name);
	return NULL;
}

static void drop_names(struct news *news)
{
	while (news->n)
		free(news->name[--news->n]);
}

static bool is_there(const struct news *news, const char *name)
{
	for (size_t i = 0; i < news->n; i++)
		if (strcmp(news->name[i], name) == 0)
			return true;
	return false;
}

static void add_name(struct news *news, const char *name)
{
	LOCKED(&news->lock);

	if (news->all || (name && is_there(news, name)))
		return;
	if (name && news->n < MOST_NAMES && (news->name[news->n] = strdup(name))) {
		news->n++;
	} else {
		drop_names(news);
		news->all = true;
	}
	(void)pthread_cond_broadcast(&news->moved);
}

struct news *news_new(struct mount *m)
{
	struct news *news = calloc(1, sizeof(*news));

	if (!news)
		return NULL;
	news->mount = m;
	(void)pthread_mutex_init(&news->lock, NULL);
	lock_cond_init(&news->moved);
	news->has_thread = lock_thread_start(&news->thread, "news", run, news) == 0;
	if (news->has_thread)
		return news;
	news_free(news);
	return NULL;
}

void news_end(struct news *news)
{
	if (!news || !news->has_thread)
		return;
	{
		LOCKED(&news->lock);

		news->ending = true;
		(void)pthread_cond_broadcast(&news->moved);
	}
	(void)pthread_join(news->thread, NULL);
	news->has_thread = false;
}

void news_free(struct news *news)
{
	if (!news)
		return;
	news_end(news);
	drop_names(news);
	(void)pthread_cond_destroy(&news->moved);
	(void)pthread_mutex_destroy(&news->lock);
	free(news);
}

void news_look_begins(struct news *news)
{
	LOCKED(&news->lock);

	news->looks++;
}

void news_look_ends(struct news *news)
{
	LOCKED(&news->lock);

	if (--news->looks == 0)
		(void)pthread_cond_broadcast(&news->moved);
}

/* What changed in the library. */

static void change(struct mount *m, struct node *node)
{
	_cleanup_(template_unrefp) struct template *t = NULL;

	if (resolve_template(m->library, node->name, &t) == 0 && node->template_name)
		node_set_owner(node, t);
	/* What the kernel knows of it, names apart: permissions are checked by that. */
	(void)fuse_lowlevel_notify_inval_inode(m->session, node->id, /* offset= */ -1, 0);
	/* A file that is gone from the library is not to be held open by what lingers. */
	if (!t || !node_is_of(node, t))
		nodes_let_go(m->nodes, node);
}

static void changed(void *arg, uint64_t id, const char *name)
{
	struct mount *m = arg;
	struct node *node = nodes_get(m->nodes, id);

	if (!node)
		return;
	change(m, node);
	node_put(m->nodes, node);
}

void news_changed(void *arg, const char *template_name)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->lock);
	clock_gettime(CLOCK_REALTIME, &m->changed);
	pthread_mutex_unlock(&m->lock);
	(void)nodes_each(m->nodes, template_name, changed, m);
	add_name(m->news, template_name);
	(void)fuse_lowlevel_notify_inval_inode(m->session, ROOT_ID, 0, 0);
	survey_begin(m->survey);
}

/* What was rejected. */

struct rejection {
	struct mount *m;
	const char *identity; /* of the file; begins with what the library promised of it */
};

static bool is_of_file(const struct node *node, const char *identity)
{
	const size_t n = strcspn(node->identity, "\n");

	return !node->text && strncmp(identity, node->identity, n) == 0 && (!identity[n] || identity[n] == ' ');
}

static void forget_pages(void *arg, uint64_t id, const char *name)
{
	const struct rejection *rejection = arg;
	struct mount *m = rejection->m;
	struct node *node = nodes_get(m->nodes, id);

	if (!node)
		return;
	/* No other one's: the kernel would wait for the reads of it that are under way. */
	if (is_of_file(node, rejection->identity))
		(void)fuse_lowlevel_notify_inval_inode(m->session, id, 0, 0);
	node_put(m->nodes, node);
}

void news_rejected(void *arg, const char *identity)
{
	struct rejection rejection = { arg, identity };

	(void)nodes_each(rejection.m->nodes, NULL, forget_pages, &rejection);
}
