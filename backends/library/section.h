/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_SECTION_H
#define GOALFS_LIBRARY_SECTION_H

/*
 * From lines to sections with their fields: the grammar that virt-builder's
 * indexes and its repos.d files share. What a field means, others know. A pure
 * function of the bytes.
 */
#include <stdbool.h>

#include "backends/library/complaints.h"
#include "backends/library/index_line.h"
#include "base/why.h"

#define SECTION_FIELDS_MAX 4096

/* Borrows from the text. */
struct field {
	struct slice key, qualifier, first;
	const char *more, *end; /* the lines that may continue it, all of them whole */
	unsigned line;
};

struct section {
	struct slice name; /* empty when the header itself was bad */
	unsigned line;
	struct field *field; /* n of them, in the order of the text until they are sorted */
	size_t n;
};

struct section_reader {
	const char *
		noun; /* "a virt-builder index": what a text without a single section, but with bad lines, isn't */
	unsigned max; /* sections; one more is -EFBIG */
	/*
	 * A section is complete. `bad`: one of its lines was, which has been complained
	 * about, and its fields are not all there. May sort the fields. A negative errno
	 * ends the reading.
	 */
	int (*end)(void *arg, struct section *s, bool bad);
	void *arg;
};

/*
 * Reads the text of `path`, which serves complaints only. A bad line is complained
 * about once a section. `ret_signed` (also on failure): it stands in a clear-signed
 * message; the signature itself was not looked at. Returns 0; -EBADMSG when the
 * text is no such thing, or a clear-signed one that is cut off; -EFBIG; -ENOMEM;
 * what `end` returned.
 */
int sections_read(const char *bytes, size_t count, const char *path, const struct section_reader *reader,
		  bool *ret_signed, struct complaints *complaints, struct why *why);

/* "PATH:LINE: [SECTION]: TEXT", without the section when it has no name. */
void section_complain(const struct section *s, const char *path, unsigned line, const char *text,
		      struct complaints *complaints);

/* Sorts the fields, for section_field. -EINVAL when one stands there twice; then `ret_line` is the second's. */
int section_sort(struct section *s, unsigned *ret_line, struct why *why);

/* The field KEY=, or KEY[QUALIFIER]=, of a sorted section; NULL when there is none. */
const struct field *section_field(const struct section *s, const char *key, const char *qualifier);

/* A field and its continuations put together; malloc'ed, NULL when memory ran out. */
char *field_value(const struct field *f);

#endif
