/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_NEWS_H
#define GOALFS_FS_NEWS_H

/*
 * Telling the kernel what it has to forget: it keeps names, attributes and pages for a day, and
 * asks for none of them again by itself. Never on a thread that answers requests: the
 * kernel makes whoever tells it wait for requests that are under way.
 *
 * `arg` is the struct mount.
 */

/*
 * For struct library_options.changed: what the names of that template's goals stand for, who
 * may read them, and what a listing shows. NULL: of all templates.
 */
void news_changed(void *arg, const char *template_name);

/* For struct verdicts_options.rejected: what was served of that file. */
void news_rejected(void *arg, const char *identity);

#endif
