/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A table of the first SEAL bytes of each chunk's SHA-256, all zero where it has not come yet. To put another chunk
 * in its place somebody has to find a second one with these bytes: half of the digest's length protects from that.
 */
#include "backends/cache/seals.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backends/cache/store.h"
#include "base/digest.h"
#include "base/lock.h"

#define SEAL	16
#define DIGEST	32
#define SIDECAR "seals"
#define VERSION 1

struct seals {
	uint64_t n; /* constant */

	pthread_mutex_t lock; /* guards all below */
	uint64_t n_known;
	bool is_broken;
	bool is_new; /* there is more than was loaded or saved */
	uint8_t seal[][SEAL];
};

struct seals *seals_new(uint64_t chunks)
{
	struct seals *s;
	size_t bytes;

	if (!digest_ready() || __builtin_mul_overflow(chunks, (size_t)SEAL, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*s), &bytes))
		return NULL;
	s = calloc(1, bytes);
	if (!s)
		return NULL;
	s->n = chunks;
	(void)pthread_mutex_init(&s->lock, NULL);
	return s;
}

void seals_free(struct seals *s)
{
	if (!s)
		return;
	(void)pthread_mutex_destroy(&s->lock);
	free(s);
}

static bool is_known(const uint8_t seal[SEAL])
{
	static const uint8_t none[SEAL];

	return memcmp(seal, none, SEAL) != 0;
}

bool seals_note(struct seals *s, uint64_t chunk, const void *bytes, size_t count)
{
	uint8_t digest[DIGEST];

	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, bytes, count);
	LOCKED(&s->lock);

	if (is_known(s->seal[chunk])) {
		const bool is_same = memcmp(s->seal[chunk], digest, SEAL) == 0;

		s->is_broken |= !is_same;
		return is_same;
	}
	memcpy(s->seal[chunk], digest, SEAL);
	s->n_known++;
	s->is_new = true;
	return true;
}

bool seals_sum(struct seals *s, char ret[static SEALS_SUM])
{
	uint8_t digest[DIGEST];
	LOCKED(&s->lock);

	if (s->n_known < s->n)
		return false;
	gcry_md_hash_buffer(GCRY_MD_SHA256, digest, s->seal, s->n * SEAL);
	for (unsigned i = 0; i < DIGEST; i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", digest[i]);
	return true;
}

bool seals_are_broken(struct seals *s)
{
	LOCKED(&s->lock);

	return s->is_broken;
}

void seals_clear(struct seals *s)
{
	LOCKED(&s->lock);

	memset(s->seal, 0, s->n * SEAL);
	s->n_known = 0;
	s->is_broken = s->is_new = false;
}

void seals_save(struct seals *s, struct store *store, const char *identity)
{
	_cleanup_free_ void *copy = NULL;

	{
		LOCKED(&s->lock);

		if (!s->is_new)
			return;
		copy = malloc(s->n * SEAL);
		if (!copy)
			return;
		memcpy(copy, s->seal, s->n * SEAL);
		s->is_new = false;
	}
	store_sidecar_write(store, identity, SIDECAR, VERSION, copy, s->n * SEAL);
}

void seals_load(struct seals *s, struct store *store, const char *identity)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;

	if (store_sidecar_read(store, identity, SIDECAR, VERSION, &bytes, &count) < 0 || count != s->n * SEAL)
		return;
	LOCKED(&s->lock);

	memcpy(s->seal, bytes, count);
	for (uint64_t i = 0; i < s->n; i++)
		s->n_known += is_known(s->seal[i]);
}
