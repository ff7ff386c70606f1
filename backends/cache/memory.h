/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_MEMORY_H
#define GOALFS_BACKENDS_CACHE_MEMORY_H

/*
 * Units held in memory, because the disk is full: bounded, the least recently
 * used goes first. A unit is counted from memory_alloc to its last unref,
 * whether it is being made, kept, or read.
 */
#include <stdint.h>

#include "base/cleanup.h"

struct memory;

struct held {
	uint8_t *bytes; /* constant once kept */
	uint64_t length;
	/* Private. */
	const void *owner;
	uint64_t index;
	struct held *bucket_next;
	struct held *newer, *older; /* while kept */
	unsigned refs;
	struct memory *memory;
};

struct memory *memory_new(uint64_t limit); /* NULL when memory ran out */
void memory_free(struct memory *m);	   /* accepts NULL; everything is unref'ed by then */

uint64_t memory_limit(const struct memory *m);
uint64_t memory_taken(struct memory *m); /* bytes, now */

/*
 * Room for a unit, one ref, the caller's; throws out what was not used for long.
 * -ENOSPC when `length` is above the limit, -ENOMEM.
 */
int memory_alloc(struct memory *m, uint64_t length, struct held **ret);

/* From now on memory_find finds it, until it is thrown out. Takes a ref of its own. */
void memory_keep(struct held *h, const void *owner, uint64_t index);

/* A ref, or NULL. */
struct held *memory_find(struct memory *m, const void *owner, uint64_t index);

/* Throws out all that `owner` keeps. */
void memory_forget(struct memory *m, const void *owner);

struct held *held_ref(struct held *h);
void held_unref(struct held *h); /* accepts NULL */
DEFINE_CLEANUP(struct held *, held_unref);

#endif
