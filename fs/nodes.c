/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/nodes.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#include "base/lock.h"
#include "fs/known.h"

/* So many images that nobody has open stay open: nfsd and shells come back. */
#define MOST_IDLE 64

/* How often it is looked for images that have lingered, and the journal is synced. */
#define STEP_MS (LINGER_MS / 12)

/* Of some entries each with 100,000 templates listed; pages that no hash falls into are never touched. */
#define N_CHAINS 65536

struct nodes {
	pthread_mutex_t lock; /* guards all below */
	struct knowns *knowns;
	struct node *chain[N_CHAINS];
	struct node *newest, *oldest; /* with open images */
	unsigned n_lingering;
	pthread_t keeper;
	bool has_keeper, ending;
	bool has_work; /* for the keeper */
	pthread_cond_t moved;
};

/* What has to be released when the lock is. */
struct leaving {
	struct image *image;
	struct node *node;
};

static struct node **chain_of(struct nodes *nodes, uint64_t id)
{
	return &nodes->chain[id % N_CHAINS];
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

static void leave(struct leaving leaving)
{
	image_unref(leaving.image);
	if (leaving.node)
		node_free(leaving.node);
}

static uint64_t hash_of(const char *identity)
{
	return XXH3_64bits(identity, strlen(identity));
}

/*
 * The name's NUL parts it from the count, which is above 0 when other names have
 * the ids before. 0 is no id, 1 the root's.
 */
static uint64_t nth_id(const char *name, uint64_t identity, uint8_t n)
{
	char bytes[GOAL_NAME_MAX + 2] = { 0 };
	size_t len = strnlen(name, GOAL_NAME_MAX);
	uint64_t h;

	memcpy(bytes, name, len);
	bytes[len + 1] = (char)n;
	h = XXH3_64bits_withSeed(bytes, len + 1 + (n > 0), identity);
	return h > ROOT_ID ? h : h + 2;
}

uint64_t node_id(const char *name, const char *identity)
{
	return nth_id(name, hash_of(identity), 0);
}

/* Images that linger. */

static void give_work(struct nodes *nodes)
{
	if (!nodes->has_work)
		(void)pthread_cond_signal(&nodes->moved);
	nodes->has_work = true;
}

static void linger_unlink(struct nodes *nodes, struct node *node)
{
	*(node->newer ? &node->newer->older : &nodes->newest) = node->older;
	*(node->older ? &node->older->newer : &nodes->oldest) = node->newer;
	node->older = node->newer = NULL;
}

/* Returns the node when that was its last ref: free it without the lock. */
static struct node *put_locked(struct nodes *nodes, struct node *node)
{
	node->used = lock_now_ms();
	if (--node->refs)
		return NULL;
	for (struct node **at = chain_of(nodes, node->id); *at; at = &(*at)->next)
		if (*at == node) {
			*at = node->next;
			break;
		}
	return node;
}

/* Ends it, with the image that it kept open. */
static struct leaving linger_end(struct nodes *nodes, struct node *node)
{
	struct leaving leaving = { take(node->image), NULL };

	node->let_go = false;
	if (!node->lingers)
		return leaving;
	linger_unlink(nodes, node);
	node->lingers = false;
	nodes->n_lingering--;
	leaving.node = put_locked(nodes, node);
	return leaving;
}

/* Only the node has it: no more can come to have it without the lock. */
static bool is_idle(const struct node *node)
{
	return node->image && !image_is_shared(node->image);
}

/*
 * Makes the node, which has an image, the latest used. Returns what has to make
 * room for it. What somebody has open would not be closed by giving it up, but opened a second time.
 */
static struct leaving linger(struct nodes *nodes, struct node *node)
{
	struct node *victim;

	if (node->lingers) {
		linger_unlink(nodes, node);
	} else {
		node->lingers = true;
		node->refs++;
		nodes->n_lingering++;
	}
	node->used = lock_now_ms();
	node->older = nodes->newest;
	*(nodes->newest ? &nodes->newest->newer : &nodes->oldest) = node;
	nodes->newest = node;
	if (nodes->n_lingering <= MOST_IDLE)
		return (struct leaving){ 0 };
	give_work(nodes);
	for (victim = nodes->oldest; victim && (victim == node || !is_idle(victim));)
		victim = victim->newer;
	return victim ? linger_end(nodes, victim) : (struct leaving){ 0 };
}

/* Nobody has it but we, and for long enough. */
static bool has_lingered(const struct node *node, int64_t now)
{
	return node->lookups == 0 && node->refs == 1 && is_idle(node) && now - node->used >= LINGER_MS;
}

/*
 * One that has lingered, or of too many that were in use at one time the one that
 * was not for longest; whether it has to be looked for more of them later.
 */
static struct leaving find_lingered(struct nodes *nodes, bool *ret_others)
{
	const bool too_many = nodes->n_lingering > MOST_IDLE;
	const int64_t now = lock_now_ms();

	*ret_others = too_many;
	for (struct node *node = nodes->oldest; node; node = node->newer) {
		if (has_lingered(node, now) || (too_many && is_idle(node)))
			return linger_end(nodes, node);
		*ret_others |= node->lookups == 0;
	}
	return (struct leaving){ 0 };
}

static void end_lingered(struct nodes *nodes)
{
	struct leaving leaving;
	bool others;

	do {
		pthread_mutex_lock(&nodes->lock);
		leaving = find_lingered(nodes, &others);
		if (!leaving.image && others)
			nodes->has_work = true;
		pthread_mutex_unlock(&nodes->lock);
		leave(leaving);
	} while (leaving.image);
}

/* Waits for work, and then for a while, so that more of it comes together. False at the end. */
static bool await_work(struct nodes *nodes, int *ret_fd)
{
	int64_t until;

	LOCKED(&nodes->lock);
	while (!nodes->has_work && !nodes->ending)
		(void)pthread_cond_wait(&nodes->moved, &nodes->lock);
	until = lock_now_ms() + STEP_MS;
	while (!nodes->ending && lock_now_ms() < until)
		lock_cond_wait_until(&nodes->moved, &nodes->lock, until);
	nodes->has_work = false;
	*ret_fd = knowns_take_unsynced(nodes->knowns);
	return !nodes->ending;
}

static void *keep(void *arg)
{
	struct nodes *nodes = arg;
	bool more;

	do {
		_cleanup_close_ int journal = -1;

		more = await_work(nodes, &journal);
		if (journal >= 0)
			(void)fdatasync(journal);
		end_lingered(nodes);
	} while (more);
	return NULL;
}

struct nodes *nodes_new(int dirfd)
{
	struct nodes *nodes = calloc(1, sizeof(*nodes));

	if (!nodes)
		return NULL;
	nodes->knowns = knowns_new(dirfd);
	if (!nodes->knowns) {
		free(nodes);
		return NULL;
	}
	(void)pthread_mutex_init(&nodes->lock, NULL);
	lock_cond_init(&nodes->moved);
	nodes->has_keeper = lock_thread_start(&nodes->keeper, "nodes", keep, nodes) == 0;
	return nodes;
}

static void end_keeper(struct nodes *nodes)
{
	if (!nodes->has_keeper)
		return;
	pthread_mutex_lock(&nodes->lock);
	nodes->ending = true;
	(void)pthread_cond_signal(&nodes->moved);
	pthread_mutex_unlock(&nodes->lock);
	(void)pthread_join(nodes->keeper, NULL);
}

void nodes_free(struct nodes *nodes)
{
	if (!nodes)
		return;
	end_keeper(nodes);
	for (size_t i = 0; i < N_CHAINS; i++)
		while (nodes->chain[i]) {
			struct node *node = nodes->chain[i];

			nodes->chain[i] = node->next;
			node_free(node);
		}
	knowns_free(nodes->knowns);
	(void)pthread_cond_destroy(&nodes->moved);
	pthread_mutex_destroy(&nodes->lock);
	free(nodes);
}

/* Nodes. */

static struct node *find_locked(struct nodes *nodes, uint64_t id)
{
	for (struct node *node = *chain_of(nodes, id); node; node = node->next)
		if (node->id == id)
			return node;
	return NULL;
}

static void count_lookup(struct node *node)
{
	if (node->lookups++ == 0)
		node->refs++;
}

void node_set_owner(struct node *node, const struct template *t)
{
	node->mode = t->mode & 0444;
	node->uid = t->uid;
	node->gid = t->gid;
}

bool node_is_of(const struct node *node, struct template *t)
{
	_cleanup_free_ char *identity = node->text ? NULL : resolve_stands_for(t);

	return identity && strcmp(identity, node->identity) == 0;
}

static struct node *node_new(const char *name, struct resolved *r)
{
	struct node *node = calloc(1, sizeof(*node));

	if (!node)
		return NULL;
	node->name = strdup(name);
	node->identity = strdup(resolved_identity(r));
	if (r->template) {
		node->template_name = strdup(r->template->name);
		node->mtime = r->template->mtime;
		node_set_owner(node, r->template);
	} else {
		(void)clock_gettime(CLOCK_REALTIME, &node->mtime);
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
	node->made = lock_now_ms();
	return node;
}

static bool is_it(const struct node *node, const char *name, const char *identity)
{
	return strcmp(node->name, name) == 0 && strcmp(node->identity, identity) == 0;
}

/* Whether that id was given to something else, as far as anybody remembers. */
static bool is_taken(struct nodes *nodes, uint64_t id, const char *name, const char *identity)
{
	const struct node *node = find_locked(nodes, id);
	const struct known *known = knowns_find(nodes->knowns, id);

	return (node && !is_it(node, name, identity)) ||
	       (known && (known->identity != hash_of(identity) || strcmp(known->name, name) != 0));
}

/*
 * Whether a node can't be what is looked for. A size is told early, before all that it was computed from
 * was checked: who finds another one later must not find the kernel going by the first one.
 */
static bool is_of_other_size(const struct node *node, const uint64_t *size)
{
	return size ? node->size != *size : node->refuted;
}

/*
 * The id that this name has, or will have; of two with one hash the second one gets another. `size`: what
 * was found out to be its own, NULL: whatever was. 0: all are taken.
 */
static uint64_t choose_id(struct nodes *nodes, const char *name, const char *identity, const uint64_t *size)
{
	for (unsigned n = 0; n <= UINT8_MAX; n++) {
		uint64_t id = nth_id(name, hash_of(identity), (uint8_t)n);
		const struct node *node = find_locked(nodes, id);

		if (!is_taken(nodes, id, name, identity) && !(node && is_of_other_size(node, size)))
			return id;
	}
	return 0;
}

/* Remembers the id for good, as the latest used. NULL without memory. */
static const struct known *remember(struct nodes *nodes, const struct node *node)
{
	const struct journal_record record = { node->id, hash_of(node->identity), node->mtime, node->name };

	return knowns_add(nodes->knowns, &record);
}

/* Hands over what was opened later than the name was promised. */
static void set_image(struct node *node, struct node *from)
{
	node->image = take(from->image);
	if (!node->plan)
		node->plan = atomic_exchange(&from->plan, NULL);
}

/* Puts it among the others. */
static struct node *insert(struct nodes *nodes, struct node *node)
{
	const struct known *known = remember(nodes, node);

	/* A time that was told with this id once stays. */
	if (known)
		node->mtime = known->mtime;
	give_work(nodes);
	node->next = *chain_of(nodes, node->id);
	*chain_of(nodes, node->id) = node;
	return node;
}

struct node *nodes_add(struct nodes *nodes, const char *name, struct resolved *r)
{
	struct node *made = node_new(name, r), *node = NULL;
	struct leaving leaving = { 0 };

	if (!made)
		return NULL;
	pthread_mutex_lock(&nodes->lock);
	made->id = choose_id(nodes, name, made->identity, &made->size);
	node = find_locked(nodes, made->id);
	if (!node && made->id) {
		node = insert(nodes, take(made));
	} else if (node && !node->image && made->image) {
		set_image(node, made);
	}
	if (node) {
		node->made = lock_now_ms();
		node->refuted = false;
		if (node->image)
			leaving = linger(nodes, node);
		count_lookup(node);
		node->refs++;
	}
	pthread_mutex_unlock(&nodes->lock);
	leave(leaving);
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
	uint64_t id;

	LOCKED(&nodes->lock);
	id = choose_id(nodes, name, identity, NULL);
	node = find_locked(nodes, id);
	if (!node)
		return NULL;
	(void)remember(nodes, node);
	count_lookup(node);
	node->refs++;
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
		if (node->lookups == 0) {
			last = put_locked(nodes, node);
			give_work(nodes);
		}
	}
	pthread_mutex_unlock(&nodes->lock);
	if (last)
		node_free(last);
}

char *nodes_name_of(struct nodes *nodes, uint64_t id)
{
	const struct known *known;

	LOCKED(&nodes->lock);
	known = knowns_find(nodes->knowns, id);
	return known ? strdup(known->name) : NULL;
}

bool nodes_know_other(struct nodes *nodes, uint64_t id, const char *name, const char *identity)
{
	LOCKED(&nodes->lock);

	return is_taken(nodes, id, name, identity);
}

bool nodes_are_kept(const struct nodes *nodes)
{
	return knowns_are_kept(nodes->knowns);
}

void nodes_let_go(struct nodes *nodes, struct node *node)
{
	struct leaving leaving = { 0 };

	pthread_mutex_lock(&nodes->lock);
	if (is_idle(node))
		leaving = linger_end(nodes, node);
	else
		node->let_go = node->image != NULL;
	pthread_mutex_unlock(&nodes->lock);
	leave(leaving);
}

static bool is_to_be_closed(const struct node *node)
{
	return image_is_stale(node->image) || (node->let_go && is_idle(node));
}

struct image *node_image(struct nodes *nodes, struct node *node)
{
	struct leaving leaving = { 0 };
	struct image *img = NULL;

	pthread_mutex_lock(&nodes->lock);
	if (node->image && is_to_be_closed(node)) {
		leaving = linger_end(nodes, node);
	} else if (node->image) {
		img = image_ref(node->image);
		leaving = linger(nodes, node);
	}
	pthread_mutex_unlock(&nodes->lock);
	leave(leaving);
	return img;
}

int node_set_image(struct nodes *nodes, struct node *node, struct resolved *r, struct image **ret)
{
	struct leaving leaving;

	if (!r->image || strcmp(resolved_identity(r), node->identity) != 0)
		return -ESTALE;
	pthread_mutex_lock(&nodes->lock);
	/* The promised size is what the kernel goes by. */
	if (r->image->size != node->size) {
		node->refuted = true;
		pthread_mutex_unlock(&nodes->lock);
		return -ESTALE;
	}
	if (!node->image)
		node->image = take(r->image);
	if (!node->plan)
		node->plan = take(r->plan);
	*ret = image_ref(node->image);
	leaving = linger(nodes, node);
	pthread_mutex_unlock(&nodes->lock);
	leave(leaving);
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

static struct leaving find_unused(struct nodes *nodes)
{
	for (struct node *node = nodes->oldest; node; node = node->newer)
		if (is_idle(node))
			return linger_end(nodes, node);
	return (struct leaving){ 0 };
}

bool nodes_close_unused(struct nodes *nodes)
{
	struct leaving leaving;
	bool any = false;

	do {
		pthread_mutex_lock(&nodes->lock);
		leaving = find_unused(nodes);
		pthread_mutex_unlock(&nodes->lock);
		any |= leaving.image != NULL;
		leave(leaving);
	} while (leaving.image);
	return any;
}

void nodes_close_images(struct nodes *nodes)
{
	struct leaving leaving;

	do {
		pthread_mutex_lock(&nodes->lock);
		leaving = nodes->oldest ? linger_end(nodes, nodes->oldest) : (struct leaving){ 0 };
		pthread_mutex_unlock(&nodes->lock);
		leave(leaving);
	} while (leaving.image);
}
