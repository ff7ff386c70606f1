/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_CLIENT_H
#define GOALFS_BACKENDS_NBD_CLIENT_H

/*
 * An NBD export, read: over one connection or, where the server says that they all see
 * the same (multi-conn), over several that are made as they are needed. Many requests are
 * under way at once. A server that dies is connected to again, with growing pauses; a
 * read waits meanwhile, up to the timeout.
 *
 * Threads: all calls on libnbd are made by one thread of the client; whoever reads
 * hands his request to it and sleeps until it is answered, into his own buffer.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "backends/nbd/child.h"
#include "backends/nbd/zeros.h"
#include "base/cleanup.h"
#include "base/why.h"

/* More don't make it faster: one thread reads them all. */
#define NBD_CONNECTIONS 4
#define NBD_TIMEOUT_MS	30000

struct nbd_client;

struct nbd_client_options {
	const char *name; /* of what is read, for sentences and log lines; copied */
	/* Where the server is: a URI, copied; or a child to start, borrowed as long as the client lives. */
	const char *uri;
	const struct nbd_child_options *child;
	unsigned connections; /* at most; 0: NBD_CONNECTIONS */
	int timeout_ms;	      /* of a server that doesn't answer; 0: NBD_TIMEOUT_MS */
	/*
	 * Each read is to be answered in one piece (NBD_CMD_FLAG_DF), of what length soever, which not every server
	 * does: but qemu-nbd, in pieces, has no answer to a read that fails and closes the connection.
	 */
	bool undivided;
};

/*
 * Connects. Waits until the export is open, or why it can't be is known: -EHOSTUNREACH when the server
 * can't be reached, -ETIMEDOUT when it doesn't answer, -ENOENT when it has no such export or a child no program,
 * -EIO, all with the sentence; -EINTR when this thread's patience is lost.
 */
int nbd_client_open(const struct nbd_client_options *options, struct nbd_client **ret, struct why *why);
void nbd_client_close(struct nbd_client *c); /* nobody may be reading; accepts NULL */
DEFINE_CLEANUP(struct nbd_client *, nbd_client_close);

uint64_t nbd_client_size(const struct nbd_client *c); /* bytes; constant */

/* For people: "2 connections, TLS". */
void nbd_client_describe(struct nbd_client *c, char *buf, size_t count);

/*
 * Reads the range, which must lie in the export. -EIO when the server said so, or could not be
 * reached for as long as the timeout; -ESTALE when the server that came back has an export
 * of another size; -EINTR. The next read tries again in any case.
 */
int nbd_client_pread(struct nbd_client *c, void *buf, size_t count, uint64_t offset, struct why *why);

/*
 * Asks for all ranges that read as zeros; none when the server can't tell. A range that
 * is merely a hole isn't one. Errors as nbd_client_pread.
 */
int nbd_client_zeros(struct nbd_client *c, struct zeros *ret, struct why *why);

/* Whether the server has an export of another size by now. */
bool nbd_client_is_stale(struct nbd_client *c);

#endif
