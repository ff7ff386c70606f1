/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_GZIP_H
#define GOALFS_BACKENDS_DECODE_GZIP_H

/*
 * The gzip format (RFC 1952), any number of members one after the other, bgzip's
 * among them. An image made in units of some MiB: decoding can go on at any
 * deflate block (RFC 1951) if the 32 KiB in front of it are known.
 */
#include "backends/backend.h"

/*
 * Opens gzip bytes. Unless the store has the index, all of the file is decoded: all
 * checks of all members are looked at then. `opening` lends the store and says how
 * much memory there is; NULL does without. What follows the last member must be
 * zeros: gzip ignores something else, with a warning and exit status 2, but it may
 * be a member whose first bytes are damaged.
 */
int gzip_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend gzip_backend;

#endif
