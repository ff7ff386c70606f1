/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_SIGNALS_H
#define GOALFS_FS_SIGNALS_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Whether a signal that it has not blocked waits for that thread of whatever process.
 * True as well when that can't be told (0 for one of another pid namespace, no /proc).
 *
 * The kernel interrupts a FUSE request for more than signals: a thread that waits for it
 * is also woken to do work of its own, as for a poll that it asked an io_uring for. Had
 * it been reading a file of a disk it would just have gone on; an answer of EINTR to it
 * is an error to its program, and one that threads of QEMU's event loops meet all the time.
 */
bool signals_wait_for(pid_t thread);

#endif
