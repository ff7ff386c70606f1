/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_NEWS_H
#define GOALFS_FS_NEWS_H

/*
 * Telling the kernel what it has to forget: it keeps names, attributes and pages for a day, and
 * asks for none of them again by itself. Never on a thread that answers requests: the
 * kernel makes whoever tells it wait for requests that are under way.
 *
 * To forget a name it locks the directory, waits for every look at any name of it, and lets nobody else in
 * meanwhile, not even to list it. So names are told of by a thread of their own, when no look is under
 * way that may wait for a server. Until then stat(2) may tell what a name stood for; who opens it gets what it
 * stands for now, unless somebody has the other one open. Attributes need no lock, and are told of at once.
 */
struct mount;
struct news;

/* Starts the thread; m->nodes and m->session are there by then. Borrows `m`. NULL without memory. */
struct news *news_new(struct mount *m);

/*
 * Ends the thread, while requests are still answered; what was not told yet won't be.
 * Accepts NULL; twice is once.
 */
void news_end(struct news *news);
void news_free(struct news *news); /* accepts NULL */

/* Around a look at a name that may take long: from before it waits until it was answered. */
void news_look_begins(struct news *news);
void news_look_ends(struct news *news);

/*
 * For struct library_options.changed; `arg` is the struct mount, here and below. What the names of that
 * template's goals stand for, who may read them, and what a listing shows. NULL: of all templates.
 */
void news_changed(void *arg, const char *template_name);

/* For struct verdicts_options.rejected: what was served of that file. */
void news_rejected(void *arg, const char *identity);

#endif
