/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_CLEANUP_H
#define GOALFS_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * An owner is released where its declaration ends. Early returns need no code;
 * success takes the value away: `*ret = take(image);`
 */
#define _cleanup_(fn) __attribute__((cleanup(fn)))

#define take(p)                                     \
	({                                          \
		__typeof__(p) *take_from_ = &(p);   \
		__typeof__(p) taken_ = *take_from_; \
		*take_from_ = NULL;                 \
		taken_;                             \
	})

#define take_fd(fd)                   \
	({                            \
		int taken_fd_ = (fd); \
		(fd) = -1;            \
		taken_fd_;            \
	})

static inline void freep(void *p)
{
	free(*(void **)p);
}

/* A negative descriptor stands for none. */
static inline void closep(const int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void fclosep(FILE **f)
{
	if (*f)
		(void)fclose(*f);
}

#define _cleanup_free_	 _cleanup_(freep)
#define _cleanup_close_	 _cleanup_(closep)
#define _cleanup_fclose_ _cleanup_(fclosep)

/* Defines `void free_p(type **)` for _cleanup_ out of `void free_(type *)`. */
#define DEFINE_CLEANUP(type, free_fn)          \
	static inline void free_fn##p(type *p) \
	{                                      \
		if (*p)                        \
			free_fn(*p);           \
	}                                      \
	struct cleanup_needs_semicolon_

#endif
