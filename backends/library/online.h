/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_ONLINE_H
#define GOALFS_LIBRARY_ONLINE_H

/*
 * A remote source: one thread that fetches its index, checks it, makes templates
 * of it, and does so again from time to time. Whoever scans takes what it found.
 * A source that can't be reached is served from the copy that was kept, and
 * asked again in the background.
 *
 * A URL may also be one template's file. Its name mostly says so; else the first bytes
 * do, and no more than them is fetched of what is no index. They are kept as an index is, and
 * handed on to whoever reads the template first.
 */
#include <stdbool.h>

#include "backends/library/complaints.h"
#include "backends/library/library.h"
#include "backends/library/repos.h"
#include "backends/library/single.h"
#include "backends/library/trust.h"
#include "backends/net/net.h"

struct online;

struct online_options {
	const struct source_config *config; /* borrowed, like all here, as long as the source lives */
	const struct given *text;	    /* its URL, taken apart */
	struct net *net;
	int kept_dirfd; /* where indexes are kept; -1: nowhere */
	struct trust trust;
	unsigned refresh_s; /* 0: never */
	int bell;	    /* an eventfd that is rung when there is something to take; -1: none */
};

/* What the last attempt came to. Owned. */
struct found {
	struct template **t; /* n refs; NULL on failure */
	size_t n;
	struct complaints complaints;
	bool is_single;	    /* the source is one file, and that is the template */
	char *fingerprints; /* whose signature was checked; NULL: none was */
	int error;	    /* 0, or why there is nothing, or only what was known before */
	struct why why;
};
void found_done(struct found *f);

/* Starts the thread. */
int online_new(const struct online_options *options, struct online **ret, struct why *why);
void online_free(struct online *o); /* accepts NULL; joins the thread, soon */
DEFINE_CLEANUP(struct online *, online_free);

/* Waits until the server was asked once, at most `ms`; whether it was. */
bool online_wait(struct online *o, int ms);

/* What was found since the last time; false when there is nothing new. */
bool online_take(struct online *o, struct found *ret);

/* Asks again now. */
void online_refresh(struct online *o);

#endif
