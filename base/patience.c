/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/patience.h"

#include <stddef.h>

static _Thread_local patience_lost_fn *lost_fn;
static _Thread_local void *lost_arg;

void patience_set(patience_lost_fn *lost, void *arg)
{
	lost_fn = lost;
	lost_arg = arg;
}

bool patience_lost(void)
{
	return lost_fn && lost_fn(lost_arg);
}
