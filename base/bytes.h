/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_BYTES_H
#define GOALFS_BASE_BYTES_H

/*
 * Integers as they stand on disk, at any alignment, and arithmetic on sizes.
 * Decode once, at the border, into a host struct; nothing behind it swaps bytes.
 */
#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_GET_PUT(bits, order)                                     \
	static inline uint##bits##_t get_##order##bits(const void *p)   \
	{                                                               \
		uint##bits##_t v;                                       \
		memcpy(&v, p, sizeof(v));                               \
		return order##bits##toh(v);                             \
	}                                                               \
	static inline void put_##order##bits(void *p, uint##bits##_t v) \
	{                                                               \
		v = hto##order##bits(v);                                \
		memcpy(p, &v, sizeof(v));                               \
	}                                                               \
	struct needs_semicolon_

DEFINE_GET_PUT(16, le);
DEFINE_GET_PUT(32, le);
DEFINE_GET_PUT(64, le);
DEFINE_GET_PUT(16, be);
DEFINE_GET_PUT(32, be);
DEFINE_GET_PUT(64, be);

#undef DEFINE_GET_PUT

#define KiB (UINT64_C(1) << 10)
#define MiB (UINT64_C(1) << 20)
#define GiB (UINT64_C(1) << 30)
#define TiB (UINT64_C(1) << 40)

#define SECTOR UINT64_C(512)

static inline uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t align_down(uint64_t n, uint64_t to)
{
	return n - n % to;
}

/* The caller makes sure that the result fits. */
static inline uint64_t align_up(uint64_t n, uint64_t to)
{
	return align_down(n + to - 1, to);
}

static inline uint64_t div_up(uint64_t n, uint64_t by)
{
	return n / by + (n % by != 0);
}

/* Whether [offset, offset + count) lies in [0, size), without overflow. */
static inline bool range_ok(uint64_t offset, uint64_t count, uint64_t size)
{
	return offset <= size && count <= size - offset;
}

/* True when every byte is zero. */
bool bytes_are_zero(const void *buf, size_t count);

#endif
