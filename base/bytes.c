/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/bytes.h"

bool bytes_are_zero(const void *buf, size_t count)
{
	const unsigned char *p = buf;

	if (count < 16) {
		for (size_t i = 0; i < count; i++)
			if (p[i])
				return false;
		return true;
	}
	/* A buffer whose first 16 bytes are zero and that equals itself 16 bytes further on is all zero. */
	return bytes_are_zero(p, 8) && bytes_are_zero(p + 8, 8) && memcmp(p, p + 16, count - 16) == 0;
}
