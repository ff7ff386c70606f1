/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/memory.h"

#include <assert.h>
#include <errno.h>

#include "backends/cache/lock.h"

/* Units are rarely below 64 KiB, so that 512 MiB of them make chains of two. */
#define BUCKETS 4096

/*
 * How long to wait for others to let go of memory. They do, as soon as a unit is
 * made or a read copied; but a maker may, through the images below it, stand and
 * wait for the very unit that wants this room. Then the bound gives way.
 */
#define WAIT_MS 1000

struct memory {
	pthread_mutex_t lock; /* guards all below, and the private fields of what is held */
	pthread_cond_t freed;
	uint64_t limit, taken;
	struct held *newest, *oldest;
	struct held *bucket[BUCKETS];
};

struct memory *memory_new(uint64_t limit)
{
	struct memory *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->limit = limit;
	(void)pthread_mutex_init(&m->lock, NULL);
	lock_cond_init(&m->freed);
	return m;
}

static struct held **bucket_of(struct memory *m, const void *owner, uint64_t index)
{
	uint64_t h = ((uintptr_t)owner / 64 + index) * UINT64_C(0x9e3779b97f4a7c15);

	return &m->bucket[h >> 52];
}
static_assert(BUCKETS == 1 << 12, "bucket_of takes the upper 12 bits");

static void unref_locked(struct held *h)
{
	struct memory *m = h->memory;

	if (--h->refs)
		return;
	m->taken -= h->length + sizeof(*h);
	free(h->bytes);
	free(h);
	(void)pthread_cond_broadcast(&m->freed);
}

static void unlink_used(struct memory *m, struct held *h)
{
	*(h->newer ? &h->newer->older : &m->newest) = h->older;
	*(h->older ? &h->older->newer : &m->oldest) = h->newer;
}

static void link_newest(struct memory *m, struct held *h)
{
	h->newer = NULL;
	h->older = m->newest;
	*(m->newest ? &m->newest->newer : &m->oldest) = h;
	m->newest = h;
}

static void throw_out(struct memory *m, struct held *h)
{
	struct held **at = bucket_of(m, h->owner, h->index);

	while (*at != h)
		at = &(*at)->bucket_next;
	*at = h->bucket_next;
	unlink_used(m, h);
	unref_locked(h);
}

void memory_free(struct memory *m)
{
	if (!m)
		return;
	while (m->oldest)
		throw_out(m, m->oldest);
	(void)pthread_cond_destroy(&m->freed);
	(void)pthread_mutex_destroy(&m->lock);
	free(m);
}

uint64_t memory_limit(const struct memory *m)
{
	return m->limit;
}

uint64_t memory_taken(struct memory *m)
{
	LOCKED(&m->lock);

	return m->taken;
}

static void make_room(struct memory *m, uint64_t want)
{
	const int64_t until = lock_now_ms() + WAIT_MS;

	while (m->taken + want > m->limit) {
		if (m->oldest)
			throw_out(m, m->oldest);
		else if (m->taken == 0 || lock_now_ms() >= until)
			return;
		else
			lock_cond_wait_until(&m->freed, &m->lock, until);
	}
}

int memory_alloc(struct memory *m, uint64_t length, struct held **ret)
{
	struct held *h;

	if (length > m->limit)
		return -ENOSPC;
	h = calloc(1, sizeof(*h));
	if (!h)
		return -ENOMEM;
	h->memory = m;
	h->length = length;
	h->refs = 1;
	{
		LOCKED(&m->lock);

		make_room(m, length + sizeof(*h));
		m->taken += length + sizeof(*h);
	}
	h->bytes = malloc(length);
	if (!h->bytes) {
		held_unref(h);
		return -ENOMEM;
	}
	*ret = h;
	return 0;
}

void memory_keep(struct held *h, const void *owner, uint64_t index)
{
	struct memory *m = h->memory;
	struct held **bucket = bucket_of(m, owner, index);
	LOCKED(&m->lock);

	h->owner = owner;
	h->index = index;
	h->refs++;
	h->bucket_next = *bucket;
	*bucket = h;
	link_newest(m, h);
}

struct held *memory_find(struct memory *m, const void *owner, uint64_t index)
{
	LOCKED(&m->lock);

	for (struct held *h = *bucket_of(m, owner, index); h; h = h->bucket_next)
		if (h->owner == owner && h->index == index) {
			unlink_used(m, h);
			link_newest(m, h);
			h->refs++;
			return h;
		}
	return NULL;
}

void memory_forget(struct memory *m, const void *owner)
{
	LOCKED(&m->lock);

	for (struct held *h = m->newest, *older; h; h = older) {
		older = h->older;
		if (h->owner == owner)
			throw_out(m, h);
	}
}

struct held *held_ref(struct held *h)
{
	LOCKED(&h->memory->lock);

	h->refs++;
	return h;
}

void held_unref(struct held *h)
{
	struct memory *m;

	if (!h)
		return;
	m = h->memory;
	LOCKED(&m->lock);

	unref_locked(h);
}
