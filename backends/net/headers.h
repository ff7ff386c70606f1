/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_HEADERS_H
#define GOALFS_BACKENDS_NET_HEADERS_H

/*
 * What the head of an HTTP answer says: pure functions over foreign bytes, which
 * are bounded and checked here, and nowhere else. RFC 9110 for the fields.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/* "bytes FIRST-LAST/TOTAL", where TOTAL may be an asterisk; so may FIRST-LAST, in a 416. */
struct content_range {
	bool has_range;
	uint64_t first, last; /* both belong to it */
	bool has_total;
	uint64_t total;
};

/* -EPROTO when it is none, or its numbers contradict each other. */
int content_range_parse(const char *text, struct content_range *ret);

#define REASON_MAX 64

struct answer {
	unsigned status; /* 0 until the status line was seen */
	char reason[REASON_MAX];
	bool is_complete;	    /* the empty line was seen */
	char *etag, *last_modified; /* owned; NULL: not there */
	char *location, *encoding;  /* owned; NULL: not there */
	char *range;		    /* owned; Content-Range as it stands */
	char *retry_after;	    /* owned */
	char *type;		    /* owned */
	char *length_text;	    /* owned; Content-Length as it stands */
	bool has_length;	    /* of the body, not of the object */
	uint64_t length;
	size_t bytes;	   /* of the head so far */
	int error;	   /* sticks: 0, -ENOMEM, or -EPROTO for a head that makes no sense */
	const char *fault; /* static; behind -EPROTO: "sends ..." */
};

#define ANSWER_NONE ((struct answer){ 0 })

/*
 * Takes the next line of the head, with or without its line end. A status line
 * begins the answer anew: after a redirect, or an interim answer, comes another. What was
 * found wrong is remembered in `error`; lines behind it change nothing.
 */
void answer_line(struct answer *a, const char *line, size_t count);
void answer_done(struct answer *a);

/* Whether the body is as the object is: no Content-Encoding, or "identity". */
bool answer_is_identity(const struct answer *a);

/* Milliseconds, `limit_ms` at most; 0 when nothing is said. `now` are the seconds since 1970. */
int64_t answer_pause_ms(const struct answer *a, int64_t now, int64_t limit_ms);

/* The seconds since 1970 of an HTTP date; -1 when it is NULL or none. */
int64_t http_date(const char *text);

#endif
