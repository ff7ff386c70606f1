/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_SINGLE_H
#define GOALFS_LIBRARY_SINGLE_H

/*
 * A SOURCE that is one single file: an index, or a template by itself. Pure
 * functions of text and bytes.
 *
 *	http://user@host/path/debian%2012.iso?key#sha512=0123...
 *	                      --------------      --------------
 *	                      its leaf            what it must hash to
 *
 * The checksum stands where pip and others have it, so that it goes wherever a
 * URL goes: into repos.d, fstab, and scripts. A path is a path, whatever is in it.
 */
#include <stddef.h>

#include "base/why.h"

struct ending;

/* All owned. */
struct given {
	char *text;	   /* as it was given, without a checksum */
	char *leaf;	   /* the last name of a URL's path, decoded; "" when it has none; NULL for a path */
	char *checksum;	   /* lowercase hex SHA-512, or NULL */
	char *checksum256; /* lowercase hex SHA-256, or NULL */
};

/* -EINVAL for a fragment that is no checksum: what was meant to be checked never goes unchecked. */
int given_parse(const char *text, struct given *ret, struct why *why);
void given_done(struct given *g);

enum single_kind {
	SINGLE_UNCLEAR,
	SINGLE_INDEX,	 /* or what had better be one: whoever parses it says why it is not */
	SINGLE_TEMPLATE, /* or an image that can't be read */
	SINGLE_PAGE,	 /* HTML or XML: a list of files, a form to log in */
};

/*
 * What the name promises: `index` and NAME.asc are indexes, what ends as a
 * template's file in a directory does is one. Bytes don't change that: a guest can
 * write an index's first lines into the first sector of its disk.
 */
enum single_kind single_kind_of_name(const char *leaf);

/* What bytes show whose name is unclear: the first ones, 512 of them or all there are. Never UNCLEAR. */
#define SINGLE_HEAD 512
enum single_kind single_kind_of_head(const void *head, size_t count);

/*
 * The template's name, malloc'ed: the leaf without its ending (`ret_ending`, which has
 * no format and no codec when there is none), a '-' for each run of bytes that no name
 * has. -EINVAL when nothing is left.
 */
int single_name(const char *leaf, struct ending *ret_ending, char **ret, struct why *why);

#endif
