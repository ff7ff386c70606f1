/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/patience.h"

#include <stddef.h>

#include "base/lock.h"

static _Thread_local patience_lost_fn *lost_fn;
static _Thread_local void *lost_arg;
static _Thread_local bool is_casual;

void patience_set(patience_lost_fn *lost, void *arg)
{
	lost_fn = lost;
	lost_arg = arg;
}

bool patience_lost(void)
{
	return lost_fn && lost_fn(lost_arg);
}

static bool limit_reached(void *arg)
{
	const struct patience_limit *limit = arg;

	return lock_now_ms() >= limit->until || (limit->outer && limit->outer(limit->outer_arg));
}

void patience_limit_begin(struct patience_limit *limit, int64_t ms)
{
	*limit = (struct patience_limit){ lost_fn, lost_arg, lock_now_ms() + ms };
	patience_set(limit_reached, limit);
}

void patience_limit_end(struct patience_limit *limit)
{
	patience_set(limit->outer, limit->outer_arg);
}

bool patience_casual(bool casual)
{
	const bool was = is_casual;

	is_casual = casual;
	return was;
}

bool patience_is_casual(void)
{
	return is_casual;
}
