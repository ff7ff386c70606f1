/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/read.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

int read_up_to(int fd, const char *shown, void *buf, size_t count, uint64_t offset, size_t *ret_count,
	       struct why *why)
{
	size_t have = 0;

	while (have < count) {
		ssize_t n = pread(fd, (char *)buf + have, count - have, (off_t)(offset + have));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(why, -errno, "'%s' can't be read: %s", shown, strerror(errno));
		if (n == 0)
			break;
		have += (size_t)n;
	}
	*ret_count = have;
	return 0;
}
