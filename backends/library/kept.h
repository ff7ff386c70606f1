/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_KEPT_H
#define GOALFS_LIBRARY_KEPT_H

/*
 * Indexes of remote sources, kept as they came (signature included, so that it is
 * checked at each use) with what the server said of them: enough to ask whether
 * there is a newer one, and to go on without the server. One file an URL, in a
 * directory that all daemons of a user share; replaced as a whole, never changed.
 *
 *	goalfs-index 2 0f3e...     XXH3-128 (canonical) of all that follows this line
 *	url: http://...
 *	etag: "..."
 *	modified: Sat, 21 Nov 2026 ...
 *	bytes: 50321
 *	(an empty line, then the bytes)
 */
#include <stddef.h>

struct kept {
	char *bytes; /* owned, with a NUL behind them that is not counted */
	size_t count;
	char *etag, *last_modified; /* owned; NULL when the server gave none */
};

/* 0, -ENOENT (also when it is damaged), -ENOMEM. */
int kept_read(int dirfd, const char *url, struct kept *ret);

/* Best effort: 0 or a negative errno that nobody has to act on. */
int kept_write(int dirfd, const char *url, const struct kept *k);

void kept_done(struct kept *k);

/* Bytes of the first line, the newline included. */
#define KEPT_LINE 48

/* The first line of a file that goes on with these bytes; not terminated. */
void kept_line(const char *rest, size_t count, char ret[static KEPT_LINE]);

/* The file's bytes, for kept_read and the fuzzer; a pure function. -EBADMSG. */
int kept_parse(const char *file, size_t count, const char *url, struct kept *ret);

#endif
