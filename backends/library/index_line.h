/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_INDEX_LINE_H
#define GOALFS_LIBRARY_INDEX_LINE_H

/*
 * The lines of an index and what kinds of them there are. A pure function of the
 * bytes: nothing is copied, every slice points into the text it came from.
 */
#include <stdbool.h>
#include <stddef.h>

/* Borrowed bytes without a NUL behind them; `p` may be NULL when it is empty. */
struct slice {
	const char *p;
	size_t n;
};

bool slice_is(struct slice s, const char *text);

/* Less than, equal to or greater than 0, in the order of the bytes. */
int slice_compare(struct slice a, struct slice b);

enum line_kind {
	LINE_NOTHING, /* empty, or a comment */
	LINE_SECTION, /* `name` */
	LINE_FIELD,   /* `name`, `qualifier`, `value` */
	LINE_MORE,    /* `value`, without the blank in front */
	LINE_PGP_OPEN,
	LINE_PGP_CLOSE,
	LINE_BAD, /* `fault` */
};

struct line {
	enum line_kind kind;
	struct slice name;	/* of the section, or the key */
	struct slice qualifier; /* in brackets, may be empty */
	struct slice value;
	const char *fault; /* constant; completes "line ..." */
};

/*
 * Takes the next line of [*p, end) and moves `p` behind it; false at the end.
 * `ret` is without its newline; `ret_whole`: it had one.
 */
bool take_line(const char **p, const char *end, struct slice *ret, bool *ret_whole);

/* What a line of take_line is by itself, wherever it stands. One that is not whole is bad. */
struct line line_of(struct slice s, bool whole);

#endif
