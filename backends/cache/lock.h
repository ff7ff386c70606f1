/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_LOCK_H
#define GOALFS_BACKENDS_CACHE_LOCK_H

/*
 * The locks of this room, in the order they may be taken:
 *
 *	shelf->placing	who puts down fetched chunks, while they are written
 *	shelf->lock	makings and the setting of bits of one template
 *	store->lock	what there is, who uses it, bytes counted, the flusher's list
 *	memory->lock	units in memory
 *	pool->lock	queues
 *
 * None is held across I/O, decoding, or a call to the image below that could wait.
 */
#include "base/lock.h"

#endif
