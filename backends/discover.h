/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DISCOVER_H
#define GOALFS_BACKENDS_DISCOVER_H

/*
 * What a template is, as the planner wants to know it: what its bytes are wrapped in,
 * the disk format inside, the virtual size. The library's word counts where it says
 * something; the rest is found out of the bytes, one wrapping after the other, and
 * remembered in the store.
 */
#include "backends/backend.h"

/*
 * The facts that a plan for this template (which was met) starts from; see
 * planner/step.h. `ret_image` (a ref; NULL when nothing had to be opened) is what was opened for it: as
 * long as it is held, a plan that begins alike finds it open. -EBADMSG when it is not
 * what the library says, or damaged; -EOPNOTSUPP when it is something that can't be
 * read; with the reason.
 */
int discover(struct context *context, struct template *t, struct tags *ret, struct image **ret_image,
	     struct why *why);

#endif
