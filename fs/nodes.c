/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/nodes.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "fs/journal.h"

/* Images that nobody has open stay open for a while, this many of them: nfsd and shells come back. */
#define MOST_IDLE 64

/* Of some entries each with 100,000 templates listed; pages that no hash falls into are never touched. */
#define N_CHAINS 65536

/* A name that the journal knows. */
struct known {
	uint64_t id;
	char *name;
	struct known *next;
};

struct nodes {
	pthread_mutex_t lock; /* guards all below */
	struct journal *journal;
	struct node *chain[N_CHAINS];
	struct known *known[N_CHAINS];
	struct node *newest, *oldest; /* idle images */
	unsigned n_idle;
};

static struct node **chain_of(struct nodes *nodes, uint64_t id)
{
	return &nodes->chain[id % N_CHAINS];
}

static const char *known_name(const struct nodes *nodes, uint64_t id)
{
	for (const struct known *k = nodes->known[id % N_CHAINS]; k; k = k->next)
		if (k->id == id)
			return k->name;
	return NULL;
}

/* False when it is known already, or memory ran out. */
static bool add_known(struct nodes *nodes, uint64_t id, const char *name)
{
	struct known *k;

	if (known_name(nodes, id))
		return false;
	k = calloc(1, sizeof(*k));
	if (!k || !(k->name = strdup(name))) {
		free(k);
		return false;
	}
	k->id = id;
	k->next = nodes->known[id % N_CHAINS];
	nodes->known[id % N_CHAINS] = k;
	return true;
}

static void journal_found(void *arg, uint64_t id, const char *name)
{
	(void)add_known(arg, id, name);
}

struct nodes *nodes_new(int dirfd)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	pthread_mutex_init(&nodes->lock, NULL);
	nodes->journal = journal_open(dirfd, journal_found, nodes);
	return nodes;
}

static void node_free(struct node *node)
{
	image_unref(node->image);
	free(node->name);
	free(node->template_name);
	free(node->identity);
	free(node->plan);
	free(node->text);
	free(node);
}

void nodes_free(struct nodes *nodes)
{
	if (!nodes)
		return;
	for (size_t i = 0; i < N_CHAINS; i++) {
		while (nodes->chain[i]) {
			struct node *node = nodes->chain[i];

			nodes->chain[i] = node->next;
			node_free(node);
		}
		while (nodes->known[i]) {
			struct known *k = nodes->known[i];

			nodes->known[i] = k->next;
			free(k->name);
			free(k);
		}
	}
	journal_close(nodes->journal);
	pthread_mutex_destroy(&nodes->lock);
	free(nodes);
}

uint64_t node_id(const char *name, const char *identity)
{
	/* The name's NUL parts the two. 0 is no id, 1 is the root's. */
	uint64_t h = XXH3_64bits_withSeed(name, strlen(name) + 1, XXH3_64bits(identity, strlen(identity)));

	return h > ROOT_ID ? h : h + 2;
}

/* Idle images. */

static void idle_remove(struct nodes *nodes, struct node *node)
{
	if (!node->idle)
		return;
	*(node->newer ? &node->newer->older : &nodes->newest) = node->older;
	*(node->older ? &node->older->newer : &nodes->oldest) = node->newer;
	node->older = node->newer = NULL;
	node->idle = 0;
	nodes->n_idle--;
}

/* Makes the node the latest used. Returns the image that has to make room for it; unref it without the lock. */
static struct image *idle_touch(struct nodes *nodes, struct node *node)
{
	struct node *oldest;

	idle_remove(nodes, node);
	node->idle = 1;
	node->older = nodes->newest;
	*(nodes->newest ? &nodes->newest->newer : &nodes->oldest) = node;
	nodes->newest = node;
	nodes->n_idle++;
	if (nodes->n_idle <= MOST_IDLE)
		return NULL;
	oldest = nodes->oldest;
	idle_remove(nodes, oldest);
	return take(oldest->image);
}

/* Nodes. */

static struct node *find_locked(struct nodes *nodes, uint64_t id)
{
	for (struct node *node = *chain_of(nodes, id); node; node = node->next)
		if (node->id == id)
			return node;
	return NULL;
}

/* Returns the node when that was its last ref: free it without the lock. */
static struct node *put_locked(struct nodes *nodes, struct node *node)
{
	if (--node->refs)
		return NULL;
	for (struct node **at = chain_of(nodes, node->id); *at; at = &(*at)->next)
		if (*at == node) {
			*at = node->next;
			break;
		}
	idle_remove(nodes, node);
	return node;
}

static void count_lookup(struct node *node)
{
	if (node->lookups++ == 0)
		node->refs++;
}

static struct node *node_new(const char *name, struct resolved *r)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->id = node_id(name, resolved_identity(r));
	node->name = strdup(name);
	node->identity = strdup(resolved_identity(r));
	if (r->template) {
		node->template_name = strdup(r->template->name);
		node->mtime = r->template->mtime;
		node->mode = r->template->mode & 0444;
		node->uid = r->template->uid;
		node->gid = r->template->gid;
	}
	if (!node->name || !node->identity || (r->template && !node->template_name)) {
		node_free(node);
		return NULL;
	}
	node->size = r->text ? strlen(r->text) : r->size;
	node->data = r->image ? image_data_bytes(r->image) : node->size;
	node->text = take(r->text);
	node->plan = take(r->plan);
	node->image = take(r->image);
	return node;
}

/* Hands over what was opened later than the name was promised. */
static void set_image(struct node *node, struct node *from)
{
	node->image = take(from->image);
	if (!node->plan)
		node->plan = atomic_exchange(&from->plan, NULL);
}

struct node *nodes_add(struct nodes *nodes, const char *name, struct resolved *r)
{
	struct node *made = node_new(name, r), *node;
	struct image *closing = NULL;

	if (!made)
		return NULL;
	pthread_mutex_lock(&nodes->lock);
	node = find_locked(nodes, made->id);
	if (node && (strcmp(node->name, name) != 0 || strcmp(node->identity, made->identity) != 0)) {
		/* Two names of one hash: what comes second can't be had while the kernel knows the first. */
		pthread_mutex_unlock(&nodes->lock);
		node_free(made);
		return NULL;
	}
	if (!node) {
		node = take(made);
		node->next = *chain_of(nodes, node->id);
		*chain_of(nodes, node->id) = node;
		if (add_known(nodes, node->id, name))
			journal_add(nodes->journal, node->id, name);
	} else if (!node->image && made->image) {
		set_image(node, made);
	}
	if (node->image)
		closing = idle_touch(nodes, node);
	count_lookup(node);
	node->refs++;
	pthread_mutex_unlock(&nodes->lock);
	image_unref(closing);
	if (made)
		node_free(made);
	return node;
}

struct node *nodes_get(struct nodes *nodes, uint64_t id)
{
	struct node *node;

	pthread_mutex_lock(&nodes->lock);
	node = find_locked(nodes, id);
	if (node)
		node->refs++;
	pthread_mutex_unlock(&nodes->lock);
	return node;
}

struct node *nodes_look_up(struct nodes *nodes, const char *name, const char *identity)
{
	struct node *node;

	pthread_mutex_lock(&nodes->lock);
	node = find_locked(nodes, node_id(name, identity));
	if (node && (strcmp(node->name, name) != 0 || strcmp(node->identity, identity) != 0))
		node = NULL;
	if (node) {
		count_lookup(node);
		node->refs++;
	}
	pthread_mutex_unlock(&nodes->lock);
	return node;
}

void node_put(struct nodes *nodes, struct node *node)
{
	struct node *last;

	pthread_mutex_lock(&nodes->lock);
	last = put_locked(nodes, node);
	pthread_mutex_unlock(&nodes->lock);
	if (last)
		node_free(last);
}

void nodes_forget(struct nodes *nodes, uint64_t id, uint64_t lookups)
{
	struct node *node, *last = NULL;

	pthread_mutex_lock(&nodes->lock);
	node = find_locked(nodes, id);
	if (node && node->lookups) {
		node->lookups -= lookups < node->lookups ? lookups : node->lookups;
		if (node->lookups == 0)
			last = put_locked(nodes, node);
	}
	pthread_mutex_unlock(&nodes->lock);
	if (last)
		node_free(last);
}

char *nodes_name_of(struct nodes *nodes, uint64_t id)
{
	const char *name;
	char *copy;

	pthread_mutex_lock(&nodes->lock);
	name = known_name(nodes, id);
	copy = name ? strdup(name) : NULL;
	pthread_mutex_unlock(&nodes->lock);
	return copy;
}

struct image *node_image(struct nodes *nodes, struct node *node)
{
	struct image *img = NULL, *closing = NULL;

	pthread_mutex_lock(&nodes->lock);
	if (node->image && image_is_stale(node->image)) {
		idle_remove(nodes, node);
		closing = take(node->image);
	} else if (node->image) {
		img = image_ref(node->image);
		closing = idle_touch(nodes, node);
	}
	pthread_mutex_unlock(&nodes->lock);
	image_unref(closing);
	return img;
}

int node_set_image(struct nodes *nodes, struct node *node, struct resolved *r, struct image **ret)
{
	struct image *closing;

	/* The promised size is what the kernel goes by. */
	if (!r->image || r->image->size != node->size || strcmp(resolved_identity(r), node->identity) != 0)
		return -ESTALE;
	pthread_mutex_lock(&nodes->lock);
	if (!node->image)
		node->image = take(r->image);
	if (!node->plan)
		node->plan = take(r->plan);
	*ret = image_ref(node->image);
	closing = idle_touch(nodes, node);
	pthread_mutex_unlock(&nodes->lock);
	image_unref(closing);
	return 0;
}

struct seen {
	uint64_t id;
	char *name;
};

/*
 * A name may be an alias's: what it stood for has another name, and then a
 * template comes that takes it over. Texts that stand for none count always.
 */
static bool is_of_template(const struct node *node, const char *template_name)
{
	size_t len;

	if (!template_name || !node->template_name || strcmp(node->template_name, template_name) == 0)
		return true;
	len = strlen(template_name);
	return strncmp(node->name, template_name, len) == 0 &&
	       (node->name[len] == '@' || node->name[len] == '.');
}

/* False without memory. */
static bool see(struct seen **seen, size_t *n, size_t *room, const struct node *node)
{
	if (*n == *room) {
		struct seen *grown = reallocarray(*seen, 2 * *room + 16, sizeof(*grown));

		if (!grown)
			return false;
		*seen = grown;
		*room = 2 * *room + 16;
	}
	(*seen)[*n] = (struct seen){ node->id, strdup(node->name) };
	if (!(*seen)[*n].name)
		return false;
	++*n;
	return true;
}

int nodes_each(struct nodes *nodes, const char *template_name,
	       void (*fn)(void *arg, uint64_t id, const char *name), void *arg)
{
	struct seen *seen = NULL;
	size_t n = 0, room = 0;
	int r = 0;

	pthread_mutex_lock(&nodes->lock);
	for (size_t i = 0; i < N_CHAINS; i++)
		for (struct node *node = nodes->chain[i]; node; node = node->next)
			if (is_of_template(node, template_name) && !see(&seen, &n, &room, node))
				r = -ENOMEM;
	pthread_mutex_unlock(&nodes->lock);
	for (size_t i = 0; i < n; i++) {
		fn(arg, seen[i].id, seen[i].name);
		free(seen[i].name);
	}
	free(seen);
	return r;
}

/* The image of the least recently used node that nobody else holds; the caller's now. NULL: there is none. */
static struct image *take_unused(struct nodes *nodes)
{
	struct image *img = NULL;

	pthread_mutex_lock(&nodes->lock);
	for (struct node *node = nodes->oldest; node; node = node->newer)
		if (!image_is_shared(node->image)) {
			img = take(node->image);
			idle_remove(nodes, node);
			break;
		}
	pthread_mutex_unlock(&nodes->lock);
	return img;
}

bool nodes_close_unused(struct nodes *nodes)
{
	struct image *closing;
	bool any = false;

	while ((closing = take_unused(nodes))) {
		image_unref(closing);
		any = true;
	}
	return any;
}

void nodes_close_images(struct nodes *nodes)
{
	struct image *closing;

	do {
		pthread_mutex_lock(&nodes->lock);
		closing = nodes->oldest ? take(nodes->oldest->image) : NULL;
		if (nodes->oldest)
			idle_remove(nodes, nodes->oldest);
		pthread_mutex_unlock(&nodes->lock);
		image_unref(closing);
	} while (closing);
}
