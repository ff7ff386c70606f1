/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_PEER_H
#define GOALFS_TESTS_PEER_H

/*
 * A server in a process of its own, for tests: tests/lib/faulty.py, or a real nginx
 * (tests/lib/nginx.sh). It ends when the test does, however that happens.
 */
#include <sys/types.h>

struct peer {
	pid_t pid;
	int in;			    /* its standard input; closed, it ends */
	unsigned port, secure_port; /* of 127.0.0.1; the second nginx's alone, for localhost */
};

/* `options` of faulty.py, up to the NULL; a command that ftp.py refuses, or NULL. A server that doesn't start is a test's failure. */
struct peer peer_faulty(const char *directory, const char *const *options);
struct peer peer_ftp(const char *directory, const char *refused);
struct peer peer_nginx(const char *prefix, const char *directory);

/* Returns when it is gone. */
void peer_stop(struct peer *peer);

/* malloc'ed "http://127.0.0.1:PORT" and the formatted rest behind it. */
char *peer_url(const struct peer *peer, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* malloc'ed path of a file in the source tree. */
char *source_path(const char *path);

#endif
