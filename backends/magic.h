/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_MAGIC_H
#define GOALFS_BACKENDS_MAGIC_H

/*
 * What bytes are, by how they begin (or end): a codec they are wrapped in, a disk
 * format, or something that can't be read here. A new decoder or disk format has its row
 * in magic.c.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

enum magic_kind {
	MAGIC_CODEC,	  /* a value of the fact `codec` */
	MAGIC_FORMAT,	  /* a value of the fact `format` */
	MAGIC_UNREADABLE, /* to serve it as a raw disk would be wrong for certain */
};

struct magic {
	enum magic_kind kind;
	const char *name; /* "xz", "qcow2"; of what is unreadable, what it is: "7z data" */
};

/* An ISO 9660 image says so behind its system area of 32 KiB. */
#define MAGIC_HEAD (32 * KiB + 8)
#define MAGIC_TAIL 512

/*
 * `head`: the first bytes, `count` of them, fewer than MAGIC_HEAD when there are no more
 * or no more are known. NULL when they tell nothing: a raw disk, most likely.
 */
const struct magic *magic_of_head(const void *head, size_t count);

/* The last MAGIC_TAIL bytes, for formats that begin as a raw disk does. */
const struct magic *magic_of_tail(const void *tail);

/* Whether a fact of this kind can have this value. */
bool magic_knows(enum magic_kind kind, const char *name);

#endif
