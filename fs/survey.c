/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/survey.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/lock.h"
#include "base/log.h"
#include "base/patience.h"
#include "fs/plain.h"

/* They wait for servers, not for processors. */
#define SURVEYORS 12

struct survey {
	struct context *context;
	struct library *library;
	const char *const *formats;
	atomic_bool ending;
	pthread_mutex_t lock; /* guards all below */
	pthread_t thread[SURVEYORS];
	unsigned n_threads;
	pthread_cond_t moved;
	struct template **todo; /* owned refs, taken from the end */
	size_t n_todo;
	bool again; /* list the library anew */
};

static bool is_ending(void *arg)
{
	return ((struct survey *)arg)->ending;
}

/*
 * Raw images of the size that the index says are promised by its word alone; of
 * the others each format's size has to be found out. A failure is nobody's yet: it
 * will be told to the one who asks for the name.
 */
static void look_at(struct survey *s, const struct template *t)
{
	for (const char *const *format = s->formats; *format && !s->ending; format++) {
		_cleanup_(resolved_done) struct resolved resolved = { 0 };
		_cleanup_free_ char *name = plain_goal(t, *format);
		struct why why = { "" };
		int r = name ? resolve_promise(s->context, s->library, name, &resolved, &why) : -ENOMEM;

		if (r < 0 && r != -EINTR)
			log_detail("survey: %s: %s", name ?: t->name, why_text(&why, r));
	}
}

/* With the lock held, which it gives up. False when there is nothing to list. */
static bool list_again(struct survey *s)
{
	struct template **list;
	size_t n = 0;
	int r;

	if (!s->again)
		return false;
	s->again = false;
	(void)pthread_mutex_unlock(&s->lock);
	r = library_list(s->library, &list, &n);
	(void)pthread_mutex_lock(&s->lock);
	if (r < 0)
		return false;
	templates_free(s->todo, s->n_todo);
	s->todo = list;
	s->n_todo = n;
	(void)pthread_cond_broadcast(&s->moved);
	return true;
}

static struct template *next(struct survey *s)
{
	LOCKED(&s->lock);

	while (!s->ending) {
		if (s->n_todo && !s->again)
			return s->todo[--s->n_todo];
		if (!list_again(s))
			(void)pthread_cond_wait(&s->moved, &s->lock);
	}
	return NULL;
}

static void *run(void *arg)
{
	struct survey *s = arg;
	struct template *t;

	patience_set(is_ending, s);
	(void)patience_casual(true);
	while ((t = next(s))) {
		if (t->url && !t->hidden)
			look_at(s, t);
		template_unref(t);
	}
	return NULL;
}

struct survey *survey_new(struct context *context, struct library *library, const char *const *formats)
{
	struct survey *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->context = context;
	s->library = library;
	s->formats = formats;
	(void)pthread_mutex_init(&s->lock, NULL);
	lock_cond_init(&s->moved);
	return s;
}

void survey_begin(struct survey *s)
{
	LOCKED(&s->lock);

	s->again = true;
	while (s->n_threads < SURVEYORS && !s->ending &&
	       lock_thread_start(&s->thread[s->n_threads], "survey", run, s) == 0)
		s->n_threads++;
	(void)pthread_cond_broadcast(&s->moved);
}

void survey_end(struct survey *s)
{
	unsigned n;

	if (!s)
		return;
	{
		LOCKED(&s->lock);

		s->ending = true;
		n = s->n_threads;
		s->n_threads = 0;
		(void)pthread_cond_broadcast(&s->moved);
	}
	for (unsigned i = 0; i < n; i++)
		(void)pthread_join(s->thread[i], NULL);
}

void survey_free(struct survey *s)
{
	if (!s)
		return;
	survey_end(s);
	templates_free(s->todo, s->n_todo);
	(void)pthread_cond_destroy(&s->moved);
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}
