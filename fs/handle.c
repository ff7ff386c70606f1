/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/handle.h"

#include "backends/cache/fetched.h"
#include "base/bytes.h"
#include "base/log.h"
#include "fs/mount.h"
#include "fs/passthrough.h"

/* Bytes of data that readahead tells the decoders about. */
#define READ_AHEAD (96 * MiB)

/* Of the files that are open when the daemon is told to end, so many are named in the log. */
#define OPEN_SAID_MAX 10

/*
 * What is fetched and not decoded reads ahead by itself, as far as keeps a line busy. Told
 * of more it would fetch what an installer, who reads a file here and a file there, never asks for.
 */
static uint64_t read_ahead_of(struct image *img)
{
	const struct image *fetched = fetched_below(img);

	for (; img && img != fetched; img = img->below)
		if (image_units(img) != 0)
			return READ_AHEAD;
	return fetched ? 0 : READ_AHEAD;
}

struct handle *handle_new(struct mount *m, struct node *node, struct image *img, pid_t opener)
{
	struct handle *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->node = node;
	h->image = img;
	h->opener = opener;
	readahead_init(&h->readahead, read_ahead_of(img));
	pthread_mutex_lock(&m->lock);
	h->next = m->handles;
	h->prev = &m->handles;
	if (h->next)
		h->next->prev = &h->next;
	m->handles = h;
	h->passes = passthrough_opened(m->passthrough, &node->passing, img);
	pthread_mutex_unlock(&m->lock);
	return h;
}

void handle_close(struct mount *m, struct handle *h)
{
	pthread_mutex_lock(&m->lock);
	*h->prev = h->next;
	if (h->next)
		h->next->prev = h->prev;
	passthrough_closed(m->passthrough, &h->node->passing);
	pthread_mutex_unlock(&m->lock);
	image_unref(h->image);
	node_put(m->nodes, h->node);
	readahead_done(&h->readahead);
	free(h);
}

void handles_say_open(struct mount *m)
{
	unsigned n = 0;

	pthread_mutex_lock(&m->lock);
	for (struct handle *h = m->handles; h; h = h->next)
		if (n++ < OPEN_SAID_MAX)
			log_note("'%s' is still open, by process %ld; who reads it gets errors from now on",
				 h->node->name, (long)h->opener);
	pthread_mutex_unlock(&m->lock);
	if (n > OPEN_SAID_MAX)
		log_note("and %u more", n - OPEN_SAID_MAX);
}
