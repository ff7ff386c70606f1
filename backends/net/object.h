/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_OBJECT_H
#define GOALFS_BACKENDS_NET_OBJECT_H

/*
 * What a remote object was when it was first met: enough to tell, at every
 * later answer, whether it still is the same one. Kept as a sidecar, so that a
 * template once met needs no server to be known.
 */
#include <stdbool.h>

#include "backends/net/net.h"

/* Change it with the sidecar's layout. */
#define OBJECT_VERSION 1

#define OBJECT_HEAD 512

/* All texts are owned; constant once filled in. */
struct object {
	char *url;	     /* as the library has it, but without user and password */
	char *final_url;     /* where its redirects led; NULL: nowhere else */
	char *etag;	     /* NULL when the server gave none */
	char *last_modified; /* likewise */
	int64_t mtime;	     /* seconds since 1970; -1 when unknown */
	uint64_t length;     /* bytes, above 0 */
	bool has_ranges;
	uint8_t head[OBJECT_HEAD]; /* its first bytes, zeros behind its end */
};

/*
 * By the first answer to `url`. -EOPNOTSUPP when the server doesn't say how long
 * the object is, -EBADMSG when it is empty.
 */
int object_new(const char *url, const struct net_head *head, struct object *ret, struct why *why);
void object_done(struct object *o);
void object_free(struct object *o); /* done, and then free; accepts NULL */
DEFINE_CLEANUP(struct object *, object_free);

/*
 * Whether another answer is about the same object: 0, or -ESTALE with a sentence
 * that says what differs. A strong ETag alone decides; else ETag, Last-Modified and length must all agree.
 */
int object_check(const struct object *o, const struct net_head *head, struct why *why);

/* What makes it this object and no other, a line of text; malloc'ed, NULL when memory ran out. */
char *object_identity(const struct object *o);

/* A sidecar's bytes, malloc'ed, and back; -EBADMSG. */
int object_pack(const struct object *o, char **ret, size_t *ret_count);
int object_unpack(const void *bytes, size_t count, struct object *ret);

#endif
