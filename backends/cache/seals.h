/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_SEALS_H
#define GOALFS_BACKENDS_CACHE_SEALS_H

/*
 * What the chunks of a remote object were when they came first. A chunk may come more than once: the disk was full, room
 * was wanted, somebody emptied the store. By then something may have been made of it, or its checksum been found right;
 * and length, date and ETag are what the server says, or whoever stands before it. Another chunk than the first one
 * ends all that was known of the object.
 *
 * Threads: all functions from any thread.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct store;
struct seals;

struct seals *seals_new(uint64_t chunks); /* nothing is known yet; NULL when memory ran out */
void seals_free(struct seals *s);	  /* accepts NULL */
DEFINE_CLEANUP(struct seals *, seals_free);

/* True when it is what it was, or comes for the first time. Hashes it, so not under a lock that others want. */
bool seals_note(struct seals *s, uint64_t chunk, const void *bytes, size_t count);

/* All of them in one, once each chunk has come: hex. False before. */
#define SEALS_SUM 65
bool seals_sum(struct seals *s, char ret[static SEALS_SUM]);

/* Whether one came that was not what it was. */
bool seals_are_broken(struct seals *s);

/* Whatever comes next is the first. */
void seals_clear(struct seals *s);

/* As a sidecar of this identity's. Save: best effort, when there is something new; load: into empty ones. */
void seals_save(struct seals *s, struct store *store, const char *identity);
void seals_load(struct seals *s, struct store *store, const char *identity);

#endif
