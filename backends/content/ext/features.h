/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_EXT_FEATURES_H
#define GOALFS_BACKENDS_CONTENT_EXT_FEATURES_H

/*
 * What keeps our hands off a filesystem: -EOPNOTSUPP with the reason, or
 * -EBADMSG for what can't be.
 */
#include "backends/content/ext/super.h"

/* Features that change the layout in ways not known here. A journal to replay is not among them. */
int ext_features_check(const struct ext_super *s, struct why *why);

/* Whether it was left in order: to be asked after the journal was replayed. */
int ext_state_check(const struct ext_super *s, struct why *why);

/* Whether somebody has it open (multiple mount protection). Reads its block, if it has one. */
int ext_mmp_check(struct image *img, const struct ext_super *s, struct why *why);

#endif
