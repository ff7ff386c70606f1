/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_CHILD_H
#define GOALFS_BACKENDS_NBD_CHILD_H

/*
 * A server of our own: a child process that is handed a listening socket as its
 * descriptor 3 (systemd's socket activation, sd_listen_fds(3)). The socket has no name that
 * others could connect to, and leaves nothing behind in a file system.
 *
 * Threads: one starts, watches and ends it, the client's (client_thread.c); the child is killed
 * when that thread ends, however it comes to that.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/why.h"

struct nbd_child_options {
	const char *name;	 /* begins its log lines */
	const char *const *argv; /* NULL-terminated; [0] is looked for along PATH */
	const int *fds;		 /* n_fds, which it gets as 4, 5, ... */
	size_t n_fds;
	/* Makes one more at each start, to come behind those: a connection can't be used twice. NULL: there is none. */
	int (*connect)(void *arg, int *ret_fd, struct why *why);
	void *arg; /* of connect */
	/* Whether a line that it writes says nothing to an admin. NULL: none is like that. */
	bool (*is_dull)(const char *line);
	/*
	 * Held to its descriptors (confine.h), with an environment of nothing but PATH. Else it runs
	 * as the admin's own program, with the environment of the daemon.
	 */
	bool confined;
};

struct nbd_child;

/* Where [0] of a command is: malloc'ed. -ENOENT when it is nowhere, -EACCES when it can't be run. */
int nbd_child_find(const char *program, char **ret);

/* 0, or a negative errno with the sentence; -ENOENT: there is no such program. The options are borrowed for the call. */
int nbd_child_start(const struct nbd_child_options *options, struct nbd_child **ret, struct why *why);

/* What to connect to; borrowed. */
const char *nbd_child_socket(const struct nbd_child *child);

/* To poll for input: when it writes lines, and when it has ended. -1 when its output is closed. */
int nbd_child_output_fd(const struct nbd_child *child);
int nbd_child_pidfd(const struct nbd_child *child);

/* Hands what it wrote on to the log, line by line. */
void nbd_child_output(struct nbd_child *child);

/*
 * Ends it, gently at first, with all that it has started, and frees it; accepts NULL.
 * `ret_last` (may be NULL, has room for NBD_CHILD_LINE_MAX) gets the last line that it wrote, or "".
 */
void nbd_child_end(struct nbd_child *child, char *ret_last);

#define NBD_CHILD_LINE_MAX 256

#endif
