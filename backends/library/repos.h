/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_REPOS_H
#define GOALFS_LIBRARY_REPOS_H

/*
 * Which sources there are when none is given: the repos.d directories of
 * virt-builder, and our own. What virt-builder reads is read as it is, so that a
 * machine that has it needs nothing (guestfs-tools, builder/sources.ml, paths.ml).
 */
#include <stddef.h>

#include "backends/library/complaints.h"

enum source_format {
	SOURCE_NATIVE,	      /* virt-builder's index */
	SOURCE_SIMPLESTREAMS, /* a tree with streams/v1/index.json */
};

/* All texts are owned. */
struct source_config {
	char *name;  /* the section's; NULL for one that was given on the command line */
	char *where; /* "FILE:LINE" it stands in, for complaints; NULL likewise */
	char *uri;
	char *gpgkey; /* path of a key file; NULL: the source says none */
	char *proxy;  /* NULL: as the environment says; "": none; else its URL */
	enum source_format format;
};
void source_config_done(struct source_config *c);

/* Zero-initialized it is empty. */
struct repos {
	struct source_config *config; /* in the order in which they count */
	size_t n;
};
void repos_done(struct repos *r);

/*
 * Reads the *.conf files of all directories, our own first:
 *
 *	$XDG_CONFIG_HOME/goalfs/repos.d (or $HOME/.config/...), /etc/goalfs/repos.d,
 *	$XDG_CONFIG_HOME/virt-builder/repos.d, each directory of $VIRT_BUILDER_DIRS (default /etc) + /virt-builder/repos.d
 *
 * in the files' alphabetical order; a file name, and a section's name, that was seen before masks the
 * later one. A missing directory is no fault; a bad line or value costs its section, a bad file itself, with a
 * complaint. Returns 0 or -ENOMEM.
 */
int repos_read(struct repos *ret, struct complaints *complaints);

/* One file's text; a pure function of the bytes. `shown` serves complaints. Adds to `ret`. */
int repos_parse(const char *bytes, size_t count, const char *shown, struct repos *ret,
		struct complaints *complaints);

#endif
