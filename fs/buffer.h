/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_BUFFER_H
#define GOALFS_FS_BUFFER_H

/*
 * What reads are made with: a buffer for each thread, kept for its next read. Where many read at a
 * time most threads sleep: what they have read with is not to add up beside --memory.
 */
#include <stddef.h>
#include <stdint.h>

/*
 * This thread's, of `count` bytes at least, at a page's boundary; NULL without memory.
 * buffer_put follows in any case.
 */
uint8_t *buffer_get(size_t count);

/* Its bytes are not needed any more. Of `memory` (bytes, for everything) all buffers keep but a part. */
void buffer_put(uint64_t memory);

/* Before a thread that has called buffer_get ends. */
void buffer_thread_done(void);

#endif
