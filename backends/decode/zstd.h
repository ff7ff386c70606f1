/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_ZSTD_H
#define GOALFS_BACKENDS_DECODE_ZSTD_H

/*
 * The Zstandard format (RFC 8878), any number of frames one after the other, and its
 * seekable form (zstd's contrib/seekable_format): a table of the frames in a skippable
 * frame at the end. Frames are decoded by themselves, and never in part: an image made
 * in units of one large or some small frames.
 */
#include "backends/backend.h"

/*
 * Opens zstd bytes. Where all frames say what they hold, and none is large, nothing
 * but zeros is decoded; else all of the file is, unless the store has the index.
 * `opening` lends the store and says how much memory there is; NULL does without.
 *
 * Half of context->memory, divided by the pool's threads, is what one decoder may
 * take, but never less than zstd itself takes without being asked (--long=27).
 * Frames of versions before 0.8 and those that need a dictionary are refused.
 */
int zstd_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend zstd_backend;

#endif
