/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/log.h"
#include "tests/unit/cachebench.h"
#include "tests/unit/test.h"

int bench_set_up(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	(void)snprintf(b->dir, sizeof(b->dir), "/tmp/test-cache-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->options = (struct store_options){ .dir = b->dir, .memory = 64 * MiB };
	b->context.memory = 512 * MiB;
	b->zero_every = 3;
	log_set_level(LOG_ERROR);
	*state = b;
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void bench_close(struct bench *b)
{
	image_unref(b->cache);
	b->cache = NULL;
	if (b->below)
		image_unref(&b->below->image);
	b->below = NULL;
}

void bench_close_store(struct bench *b)
{
	bench_close(b);
	pool_free(b->context.pool);
	store_close(b->context.store);
	b->context.pool = NULL;
	b->context.store = NULL;
}

int bench_tear_down(void **state)
{
	struct bench *b = *state;
	char inner[128];

	bench_close_store(b);
	(void)snprintf(inner, sizeof(inner), "%s/mnt", b->dir);
	(void)umount2(inner, MNT_DETACH);
	(void)umount2(b->dir, MNT_DETACH); /* where a test mounted something */
	(void)nftw(b->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(b);
	return 0;
}

void bench_open_store(struct bench *b)
{
	struct why why = { 0 };

	if (!b->context.pool)
		b->context.pool = pool_new(2);
	if (!b->context.store && store_open(&b->options, &b->context.store, &why) < 0)
		fail_msg("%s", why.text);
}

struct image *bench_cache(struct bench *b, const char *identity, struct unitimage *below)
{
	struct image *cache;
	struct why why = { 0 };

	if (cache_image_new(&b->context, identity, &below->image, &cache, &why) < 0)
		fail_msg("%s", why.text);
	return cache;
}

void bench_open(struct bench *b, uint64_t size, uint64_t unit)
{
	bench_open_store(b);
	b->below = unitimage_new(size, unit, 1);
	b->below->zero_every = b->zero_every;
	b->below->proved_every = b->proved_every;
	b->cache = bench_cache(b, ID, b->below);
}

void assert_reads(struct image *cache, const struct unitimage *below, uint64_t offset, size_t count)
{
	uint8_t *have = malloc(count + 1), *want = malloc(count + 1);
	struct why why = { 0 };
	int r;

	memset(have, 0xee, count);
	unitimage_bytes(below, want, count, offset);
	r = image_pread(cache, have, count, offset, &why);
	if (r < 0)
		fail_msg("read of %zu at %llu: %s", count, (unsigned long long)offset, why_text(&why, r));
	if (memcmp(have, want, count) != 0)
		fail_msg("wrong bytes in %zu at %llu", count, (unsigned long long)offset);
	free(have);
	free(want);
}

void assert_reads_all(struct image *cache, const struct unitimage *below)
{
	for (uint64_t at = 0; at < cache->size; at += 300000)
		assert_reads(cache, below, at, min_u64(300000, cache->size - at));
}

void bench_file(const struct bench *b, const char *identity, const char *name, char ret[static 256])
{
	char key[KEY_TEXT];

	store_key(identity, key);
	(void)snprintf(ret, 256, "%s/%s.%s", b->dir, key, name);
}

struct store_figures bench_figures(struct bench *b)
{
	struct store_figures f;

	store_figures(b->context.store, &f);
	return f;
}

struct shelf *bench_shelf(struct bench *b)
{
	char key[KEY_TEXT];
	struct entry *e;
	LOCKED(&b->context.store->lock);

	store_key(ID, key);
	e = store_entry(b->context.store, key);
	return e->shelf;
}
