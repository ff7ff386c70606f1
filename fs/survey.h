/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_SURVEY_H
#define GOALFS_FS_SURVEY_H

/*
 * Looks at remote templates before anybody asks: the exact size of a qcow2 image
 * takes a few requests to a server, and a listing asks for all sizes one after the
 * other. Done side by side from mount time on, and kept in the store.
 */
#include "fs/resolve.h"

struct survey;

/* `formats` as readdir shows them, NULL-terminated; all is borrowed. NULL when memory ran out. */
struct survey *survey_new(struct context *context, struct library *library, const char *const *formats);

/* There may be templates that were not looked at: begins, or goes on. From any thread. */
void survey_begin(struct survey *s);

/* Ends what is under way. Before the library is closed. Accepts NULL; twice is once. */
void survey_end(struct survey *s);
void survey_free(struct survey *s); /* accepts NULL */

#endif
