/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_CACHE_H
#define GOALFS_BACKENDS_CACHE_CACHE_H

/*
 * The cache: an image over one that is made in units. A unit is made once, by
 * one decoder, for all who wait for it, checked, kept in the store, and read
 * from there.
 */
#include "backends/backend.h"

/* `identity` keys the store; copied. Needs nothing of a plan. */
int cache_image_new(struct context *context, const char *identity, struct image *below, struct image **ret,
		    struct why *why);

extern const struct backend cache_backend;

#endif
