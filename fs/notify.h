/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_NOTIFY_H
#define GOALFS_FS_NOTIFY_H

/*
 * What a service manager is told, after sd_notify(3): each message is a datagram
 * of lines KEY=VALUE for the socket that NOTIFY_SOCKET names. Any thread may
 * send. Nobody listens when the daemon was not started as a service, or when
 * the manager has gone; then nothing is said, and that is no error.
 */
#include "base/why.h"

/*
 * Connects to the socket that the environment names, and takes it out of there:
 * children are not to speak for us. Before any thread is started. `ret` is a
 * descriptor, or -1 when nobody is to be told. -EINVAL for an address that is
 * none, -ECONNREFUSED and others when nobody listens there.
 */
int notify_open(int *ret, struct why *why);

/* READY=1 and, for people, what is served. `fd` may be -1, as below. */
void notify_ready(int fd, const char *status);

/* RELOADING=1; ends with the next notify_ready. */
void notify_reloading(int fd);

/* STOPPING=1 and why it takes its time. */
void notify_stopping(int fd, const char *status);

#endif
