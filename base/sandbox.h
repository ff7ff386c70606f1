/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_SANDBOX_H
#define GOALFS_BASE_SANDBOX_H

/*
 * What a thread, and all that it starts, gives up for good. Three walls, none of which needs a
 * privilege; where the kernel lacks one the others stand all the same:
 *
 *	files, TCP ports, signals   Landlock (5.13; ports 6.7; signals 6.12):
 *	                            Documentation/userspace-api/landlock.rst
 *	system calls                seccomp, on processors that this was written for
 *	capabilities                capabilities(7)
 *
 * All of it is the calling thread's, so it is to be called before there are others.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/why.h"

/* What may be done with a file, or with all that lies below a directory. */
enum {
	SANDBOX_READ = 1,   /* open to read */
	SANDBOX_LIST = 2,   /* read directories */
	SANDBOX_RUN = 4,    /* execute */
	SANDBOX_WRITE = 8,  /* open to write, truncate */
	SANDBOX_MAKE = 16,  /* make and remove files, directories and sockets; rename within a directory */
	SANDBOX_RMDIR = 32, /* remove directories; of MAKE, too */
	SANDBOX_TIGHT = 64, /* of sandbox_new: no TCP connections either, no signals to who is outside */
};

struct sandbox {
	int ruleset; /* -1: the kernel has no Landlock */
};

/*
 * Without a rule everything is forbidden. 0, or -ENOSYS or -EOPNOTSUPP where the kernel has
 * no Landlock or has it switched off; the calls below then do nothing.
 */
int sandbox_new(struct sandbox *s, unsigned flags);
void sandbox_done(struct sandbox *s);

/* Rules. What does not exist is passed over, and so are rights that make no sense for a plain file. */
void sandbox_allow(struct sandbox *s, int fd, unsigned access);
void sandbox_allow_path(struct sandbox *s, const char *path, unsigned access);

/*
 * Puts the wall up, and sees to it that no program gains a privilege by being started. Async-signal-safe.
 * 0 or a negative errno.
 */
int sandbox_enter(const struct sandbox *s);

/*
 * These system calls fail with `error` from now on, and calls of another processor's kind
 * (32 bits, x32) all do. At most SANDBOX_CALLS_MAX; sandbox_enter comes first. Async-signal-safe.
 */
#define SANDBOX_CALLS_MAX 96
int sandbox_forbid_calls(const int *calls, size_t n, int error);

/* No new namespaces, and no input put into terminals. */
int sandbox_forbid_namespaces(void);

/*
 * No file gets a mode that lets others at it, or makes it set-user-ID: Landlock leaves modes alone, of files behind
 * the wall, too, and the owner needs no privilege.
 */
int sandbox_forbid_opening_up(void);

/*
 * Keeps of the capabilities that there are those in `mask` (1 << CAP_...), for good: the bounding and the
 * ambient set, too. Programs that are started as root get the same ones. 0 or a negative errno.
 */
int sandbox_keep_capabilities(uint64_t mask);
bool sandbox_has_capability(int cap);

/* Whether sandbox_enter has put up a wall around files: what can't be opened may lie behind it. */
bool sandbox_is_up(void);

#endif
