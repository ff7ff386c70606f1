/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_SPAN_H
#define GOALFS_BASE_SPAN_H

/*
 * A reader over foreign bytes that knows what is left and cannot overrun.
 * Every take returns 0, or -EBADMSG (and takes nothing) when too little is left.
 * The span borrows its bytes.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct span {
	const uint8_t *p;
	size_t len;
};

static inline int span_take(struct span *s, size_t count, const uint8_t **ret)
{
	if (count > s->len)
		return -EBADMSG;
	*ret = s->p;
	s->p += count;
	s->len -= count;
	return 0;
}

#define DEFINE_SPAN_TAKE(bits, order)                                                  \
	static inline int span_take_##order##bits(struct span *s, uint##bits##_t *ret) \
	{                                                                              \
		const uint8_t *p;                                                      \
		int r = span_take(s, sizeof(*ret), &p);                                \
		if (r == 0)                                                            \
			*ret = get_##order##bits(p);                                   \
		return r;                                                              \
	}                                                                              \
	struct needs_semicolon_

DEFINE_SPAN_TAKE(16, le);
DEFINE_SPAN_TAKE(32, le);
DEFINE_SPAN_TAKE(64, le);
DEFINE_SPAN_TAKE(16, be);
DEFINE_SPAN_TAKE(32, be);
DEFINE_SPAN_TAKE(64, be);

#undef DEFINE_SPAN_TAKE

#endif
