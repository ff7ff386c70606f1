/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_READ_H
#define GOALFS_BASE_READ_H

#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/*
 * As much of [offset, offset + count) as the file has; `ret_count` is less than `count`
 * only at its end. `shown` names the file in the sentence. 0 or a negative errno.
 */
int read_up_to(int fd, const char *shown, void *buf, size_t count, uint64_t offset, size_t *ret_count,
	       struct why *why);

#endif
