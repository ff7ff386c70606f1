/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_SERVER_H
#define GOALFS_BACKENDS_NBD_SERVER_H

/*
 * An export for a child of ours that can read a file or an NBD server, where there is no file
 * yet: bytes are fetched or made as it asks for them. Fixed newstyle, read only, one export without a name,
 * simple replies: doc/proto.md of the NBD project. It serves connected sockets that are handed out; there is nothing
 * that anybody else could connect to.
 *
 * Threads: each connection has a few that read requests and answer them, side by side. The functions
 * here are called from any thread, but nbd_server_free when no other is under way.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/why.h"

/* What it serves. From several threads at once. */
struct nbd_export {
	/*
	 * Bytes. Clients are told of whole sectors, with zeros in the last one: QEMU would wait for ever for the rest
	 * of one (7.2, block/nbd.c, with simple replies).
	 */
	uint64_t size;
	/* Reads the range, which is in the export, or fails with the sentence. May wait; patience (base/patience.h) ends it. */
	int (*read)(void *arg, void *buf, size_t count, uint64_t offset, struct why *why);
	/* The child reads from one end to the other: this may be next. Never waits. NULL: nothing. */
	void (*ahead)(void *arg, uint64_t offset, uint64_t length);
	/* On each thread, before it reads. NULL: nothing. */
	void (*begin)(void);
	void *arg; /* of the two; borrowed as long as the server lives */
};

/* Longer reads are refused; clients are told so. */
#define NBD_SERVER_READ_MAX (1 << 20)

struct nbd_server;

/* Copies `export`. NULL when memory ran out. */
struct nbd_server *nbd_server_new(const struct nbd_export *export);

/*
 * Another connection: `ret_fd` is the client's end, the caller's to close. -ECANCELED after
 * nbd_server_end; else an errno with the sentence. `server` is a struct nbd_server: it fits struct nbd_child_options.
 */
int nbd_server_connect(void *server, int *ret_fd, struct why *why);

/* How many reads have failed by now. A read that fails is counted before its client knows. */
uint64_t nbd_server_failures(struct nbd_server *s);

/*
 * Why the last read failed, if one has since there were `since` failures: its errno, and the sentence; 0 if none
 * has. Whoever asked the client for something meanwhile may have had it fail for that.
 */
int nbd_server_failure(struct nbd_server *s, uint64_t since, struct why *why);

/* Ends all connections; reads that wait lose their patience. There won't be others. Accepts NULL. */
void nbd_server_end(struct nbd_server *s);

/* The same, and waits for the threads. Accepts NULL. */
void nbd_server_free(struct nbd_server *s);
DEFINE_CLEANUP(struct nbd_server *, nbd_server_free);

#endif
