/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_MOUNT_H
#define GOALFS_FS_MOUNT_H

/*
 * The mounted directory. Threads: loop threads read requests from the kernel and
 * answer them; those that may wait for data pass the gate (gate.h), so that some
 * threads are always free for the others; decoders work in the pool; one thread
 * waits for signals; the library's thread watches the sources, and one more has the
 * kernel forget what changed (news.h).
 */
#define FUSE_USE_VERSION 35
#include <fuse_lowlevel.h>

#include <pthread.h>
#include <stdatomic.h>

#include "backends/backend.h"
#include "fs/gate.h"
#include "fs/nodes.h"

struct mount {
	struct context *context;
	struct library *library; /* NULL until it is open */
	struct nodes *nodes;
	struct gate *reading;	/* reads pass this gate, */
	struct gate *resolving; /* names and images that have to be opened this one */
	struct fuse_session *session;
	struct warden *warden;
	dev_t device; /* of what is in the mount; 0: it could not be told */
	struct passthrough *passthrough;
	struct survey *survey;
	struct news *news;
	const char *const *formats; /* that readdir shows; NULL-terminated */
	uid_t uid;		    /* of the directory and of texts that belong to no template */
	gid_t gid;
	bool has_uid, has_gid; /* of templates' files, too */
	mode_t umask;
	pthread_mutex_t lock;
	struct handle *handles; /* all open files; guarded by lock */
	struct timespec
		changed; /* the root directory's times: NFS clients keep a listing until they move; guarded */
	atomic_bool ending;	  /* nobody's request is waited for any more */
	void (*ready)(void *arg); /* called once, when the kernel's INIT was answered */
	void *ready_arg;
	int notify; /* where a service manager listens (notify.h), or -1 */
};

/* The operations; each gets the struct mount as userdata. */
extern const struct fuse_lowlevel_ops mount_ops;

/*
 * Answers requests until the directory is unmounted or SIGTERM or SIGINT comes; at
 * SIGHUP the library is read again. All of them must be blocked in the calling thread. Returns 0 or a negative errno.
 */
int mount_serve(struct mount *m, struct why *why);

/* Tells the service manager, if there is one, that the mount can be used. */
void mount_tell_ready(struct mount *m);

/*
 * How many requests are worked on at once; of these, how many may wait in reads,
 * and how many while a name is resolved: a first look at a name is not to queue
 * behind reads of others. Most of those that wait, wait for a server or for the
 * verdict on a file, for minutes if it must be, and others are to be served
 * meanwhile; a thread that sleeps costs little.
 */
#define LOOP_THREADS   64
#define LOOP_READING   46
#define LOOP_RESOLVING 14

#endif
