/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_BACKGROUND_H
#define GOALFS_FS_BACKGROUND_H

/*
 * Going into the background: the process that was started returns only when the
 * mount is usable, or with the reason why it won't be.
 */
#include <stdbool.h>

#include "base/cleanup.h"
#include "base/why.h"

struct background;

/*
 * Forks unless `foreground`, before anything is opened or any thread runs.
 * Returns in the process that goes on (the child), which still has the working
 * directory and the standard streams; the parent stays in here until
 * background_ready or the child's end, and exits with its status.
 */
int background_enter(bool foreground, struct background **ret, struct why *why);

/* Lets the parent go: from now on log lines go to syslog, and nothing holds the terminal or the directory. */
void background_ready(struct background *bg);

void background_done(struct background *bg);
DEFINE_CLEANUP(struct background *, background_done);

#endif
