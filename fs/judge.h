/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_JUDGE_H
#define GOALFS_FS_JUDGE_H

#include "backends/cache/verdicts.h"
#include "backends/library/library.h"

/*
 * Judges a template's file by its detached signature (sig= of an index), which is
 * fetched for it. NULL in `ret` when it has none. Keeps a ref to the template; `net` is borrowed.
 */
int judge_by_signature(struct net *net, struct template *t, struct judge **ret);

/* Whether the library promises anything of the template's file. */
bool is_promised(const struct template *t);

/* What it promises of one that was met; borrows from it. */
struct promise promise_of(const struct template *t, struct judge *judge);

#endif
