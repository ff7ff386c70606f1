/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/news.h"

#include <string.h>
#include <time.h>

#include "fs/mount.h"
#include "fs/survey.h"

/* What changed in the library. */

/* A file that is gone from the library is not to be held open by what lingers. */
static void let_go(struct mount *m, uint64_t id)
{
	struct node *node = nodes_get(m->nodes, id);
	_cleanup_(goal_done) struct goal goal = { 0 };
	_cleanup_free_ char *identity = NULL;

	if (!node)
		return;
	if (!node->text && goal_parse(node->name, &goal, NULL) == 0)
		identity = resolve_stands_for(m->library, &goal);
	if (!identity || strcmp(identity, node->identity) != 0)
		nodes_let_go(m->nodes, node);
	node_put(m->nodes, node);
}

/* What the kernel knows of it, names apart: permissions are checked by that. */
static void forget_attributes(struct mount *m, uint64_t id)
{
	struct node *node = nodes_get(m->nodes, id);

	if (!node)
		return;
	node_renew_owner(node, m->library);
	node_put(m->nodes, node);
	(void)fuse_lowlevel_notify_inval_inode(m->session, id, /* offset= */ -1, 0);
}

static void forget_entry(void *arg, uint64_t id, const char *name)
{
	struct mount *m = arg;

	forget_attributes(m, id);
	/* -ENOENT: the kernel has forgotten it by itself. */
	(void)fuse_lowlevel_notify_inval_entry(m->session, ROOT_ID, name, strlen(name));
	let_go(m, id);
}

void news_changed(void *arg, const char *template_name)
{
	struct mount *m = arg;

	pthread_mutex_lock(&m->lock);
	clock_gettime(CLOCK_REALTIME, &m->changed);
	pthread_mutex_unlock(&m->lock);
	/* On the watching thread: from inside a request this would deadlock with the kernel. */
	(void)nodes_each(m->nodes, template_name, forget_entry, m);
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
