/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/vhdi.h"

#include <stdio.h>
#include <stdlib.h>

/* With the distribution's own Python: what is first in $PATH need not know its packages. */
#define COMPARE "/usr/bin/python3 \"$GOALFS_SOURCE_ROOT/tests/lib/vhdi-compare.py\""

bool vhdi_is_there(void)
{
	return system(COMPARE " 2>/dev/null") == 0;
}

void vhdi_compare(const struct place *p, const char *kind)
{
	free(run(COMPARE " %s %s %s 2>&1", p->file, p->raw, kind));
}
