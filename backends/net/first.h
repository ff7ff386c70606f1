/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_FIRST_H
#define GOALFS_BACKENDS_NET_FIRST_H

/*
 * What one request tells of an object that nobody has asked for before: its first
 * bytes, and what the server says of it.
 */
#include "backends/net/object.h"

/* As long as a chunk of the store, so that what was asked for once is not asked for again. */
#define FIRST_BYTES 65536

/* Owned; zero-initialized it is empty. */
struct net_first {
	struct object *object; /* NULL when unchanged; its head is filled in */
	uint8_t *bytes;
	size_t count; /* FIRST_BYTES, or all there are */
	bool unchanged;
};
void net_first_done(struct net_first *f);

/*
 * The request's offset is 0, its length is set here; `shown` is its URL for sentences.
 * Waits: not on the engine's own thread. The errors are net_get's and object_new's;
 * -EINTR when this thread's patience is lost, -EBADMSG for an empty object.
 */
int net_first(struct net *net, const struct net_request *request, const char *shown, struct net_first *ret,
	      struct why *why);

#endif
