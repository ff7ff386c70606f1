/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_REPOS_H
#define GOALFS_LIBRARY_REPOS_H

/*
 * Which sources there are when none is given: the repos.d directories of
 * virt-builder, and our own. What virt-builder reads is read as it is, so that a
 * machine that has it needs nothing (guestfs-tools, builder/sources.ml, paths.ml).
 *
 *	[libguestfs.org]
 *	uri=http://builder.libguestfs.org/index.asc    (required)
 *	gpgkey=file:///etc/virt-builder/repos.d/libguestfs.gpg
 *	proxy=system     no, off: none; system or not said: the environment's; else its URL
 *	format=native    or simplestreams; native when empty or not said
 *
 * Other keys are for other programs. In one thing we are stricter: virt-builder
 * takes a gpgkey that is no file:// URI for no key at all, and so checks nothing.
 * Here a key that can't be used costs its section, so that what was meant to be checked
 * never goes unchecked. A path with a '/' in front is a key, too.
 */
#include <stdbool.h>
#include <stddef.h>

#include "backends/library/complaints.h"

#define REPOS_BYTES_MAX	   1048576 /* one file */
#define REPOS_SECTIONS_MAX 4096	   /* of all files */

enum source_format {
	SOURCE_NATIVE,	      /* virt-builder's index */
	SOURCE_SIMPLESTREAMS, /* a tree with streams/v1/index.json */
};

/* All texts are owned. */
struct source_config {
	char *name;   /* the section's; NULL for one that was given on the command line */
	char *where;  /* "FILE:LINE" it stands in, for complaints; NULL likewise */
	char *uri;    /* as it stands there: a URI or a path; without control characters */
	char *gpgkey; /* absolute path of a key file; NULL: the source says none */
	char *proxy;  /* NULL: as the environment says; "": none; else its URL */
	enum source_format format;
};
void source_config_done(struct source_config *c);

/* Zero-initialized it is empty. */
struct repos {
	struct source_config *config; /* in the order in which they count */
	size_t n;
	char **seen; /* names of all sections that were met, the bad ones too; n_seen of them, owned */
	size_t n_seen;
};
void repos_done(struct repos *r);

/*
 * Reads the *.conf files of all directories, our own first:
 *
 *	$XDG_CONFIG_HOME/goalfs/repos.d (or $HOME/.config/...), /etc/goalfs/repos.d,
 *	$XDG_CONFIG_HOME/virt-builder/repos.d,
 *	each directory of $VIRT_BUILDER_DIRS (default /etc) + /virt-builder/repos.d
 *
 * in the files' alphabetical order; a file name, and a section's name, that was
 * seen before masks the later one, were it only to be skipped: who has put his own
 * in its place doesn't want the other one for a slip of the pen. A link to
 * /dev/null masks, too. A missing directory is no fault; a bad line or value costs
 * its section, a bad file itself, with a complaint. Returns 0 or -ENOMEM; what was
 * read by then is in `ret`.
 */
int repos_read(struct repos *ret, struct complaints *complaints);

/* One file's text; a pure function of the bytes. `shown` serves complaints. Adds to `ret`. */
int repos_parse(const char *bytes, size_t count, const char *shown, struct repos *ret,
		struct complaints *complaints);

#endif
