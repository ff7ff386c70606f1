/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_PLAIN_H
#define GOALFS_FS_PLAIN_H

/*
 * The goals that a listing of the directory shows, of all those that exist. Each
 * form of --formats makes one of a template: "qcow2" NAME.qcow2, "@20G.qcow2"
 * NAME@20G.qcow2; where the architecture is not the host's, NAME@ARCH goes before.
 */
#include "backends/library/library.h"

/* Whether a form can stand behind any template's name. 0, -EINVAL with the reason, or -ENOMEM. */
int plain_check(const char *form, struct why *why);

/* Free it; NULL without memory. */
char *plain_goal(const struct template *t, const char *form);

#endif
