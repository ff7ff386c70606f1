/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/buffer.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "base/cleanup.h"

/* One a loop thread, as large as its largest request so far. */
static _Thread_local struct {
	uint8_t *bytes;
	size_t room;
	bool is_used; /* it takes memory, and is counted */
} buffer;

/* Bytes of those that take memory. */
static atomic_size_t in_use;

static void uncount(void)
{
	if (buffer.is_used)
		atomic_fetch_sub(&in_use, buffer.room);
	buffer.is_used = false;
}

void buffer_thread_done(void)
{
	uncount();
	free(take(buffer.bytes));
	buffer.room = 0;
}

uint8_t *buffer_get(size_t count)
{
	if (count > buffer.room) {
		buffer_thread_done();
		buffer.bytes = aligned_alloc(4096, align_up(count, 4096));
		buffer.room = buffer.bytes ? align_up(count, 4096) : 0;
	}
	if (!buffer.is_used)
		atomic_fetch_add(&in_use, buffer.room);
	buffer.is_used = true;
	return buffer.bytes;
}

void buffer_put(uint64_t memory)
{
	/* Freed, it would stay with the heap of each thread. */
	if (atomic_load(&in_use) <= memory / 16 || madvise(buffer.bytes, buffer.room, MADV_DONTNEED) < 0)
		return;
	uncount();
}
