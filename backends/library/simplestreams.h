/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_SIMPLESTREAMS_H
#define GOALFS_LIBRARY_SIMPLESTREAMS_H

/*
 * simplestreams, as cloud vendors publish images (format index:1.0 and
 * products:1.0; virt-builder reads them in builder/simplestreams_parser.ml). Text in, entries out; opens nothing, logs nothing.
 */
#include "backends/library/index.h"

/* Where the products of a tree are: paths relative to the tree's base, checked like an index's file=. */
struct streams {
	char **path; /* n of them, owned */
	size_t n;
};
void streams_done(struct streams *s);

/*
 * The tree's streams/v1/index.json (or the signed text of index.sjson): the members of format
 * products:1.0 and datatype image-downloads. Returns 0; -EBADMSG when this is no such
 * index; -EFBIG; -ENOMEM.
 */
int streams_parse(const char *bytes, size_t count, const char *shown, struct streams *ret,
		  struct complaints *complaints, struct why *why);

/*
 * One products file. Adds to `ret` one entry per product that has a disk image, its latest version. A bad product
 * costs that product. Names: see the implementation; the entry's `file` is relative to the tree's base.
 */
int streams_products_parse(const char *bytes, size_t count, const char *shown, struct index *ret,
			   struct complaints *complaints, struct why *why);

#endif
