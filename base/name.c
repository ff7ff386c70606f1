/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/name.h"

#include <string.h>

bool template_name_ok(const char *name)
{
	size_t n = strspn(name, TEMPLATE_NAME_BYTES);

	return n > 0 && n <= TEMPLATE_NAME_MAX && !name[n] && strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}
