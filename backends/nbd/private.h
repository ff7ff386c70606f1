/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NBD_PRIVATE_H
#define GOALFS_BACKENDS_NBD_PRIVATE_H

/*
 * What the client's files share.
 *
 *	address.c	  the text of a NAME.nbd -> URI or command	pure
 *	zeros.c		  ranges that are zero				pure
 *	child.c		  a server of our own, confine.c what it may do
 *	server.c	  what such a child reads, where there is no file for it
 *	link.c		  one connection
 *	client_thread.c	  the client's thread: connections, timeouts, the child
 *	client.c	  those who ask it
 *
 * A request is in the queue, or in flight on one link, or done. The lock guards the
 * queue, what is done, and the facts; links and the child are the thread's alone, and so is
 * a request that is in flight, except that its asker may have it cancelled.
 *
 * libnbd can't take a request back. So one that is given up, because its asker has lost
 * patience or the server has stalled, takes its connection with it: that is closed, which ends
 * all writing into buffers, and what else was in flight on it is sent again on another.
 */
#include <libnbd.h>
#include <pthread.h>

#include "backends/nbd/client.h"

/* What is asked for at once, and waited for together. */
struct call {
	struct nbd_client *client;
	pthread_cond_t moved;
	unsigned n_left; /* guarded, like the rest */
	int error;	 /* the first one */
	struct why why;
	bool is_cancelled;
};

struct request {
	struct request *next;
	struct call *call;
	uint8_t *buf;	 /* to read into; NULL: asks which ranges are zero */
	uint64_t offset; /* in the export */
	uint64_t count;
	/* The answer, when it asks for that: pairs of length and flags; owned. */
	uint32_t *entries;
	size_t n_entries;
	int64_t since;	  /* when it was asked, lock_now_ms() */
	unsigned n_lost;  /* how often a child has died with it */
	bool is_answered; /* in flight, and the server said something; the thread's */
	int64_t cookie;	  /* libnbd's number for it */
	int answer;	  /* a positive errno, or 0 */
};

/* What the server is asked in one go, at most. */
#define STATUS_BYTES   (UINT64_C(1) << 31)
#define STATUS_ENTRIES (UINT32_C(1) << 20)
#define LINK_REQUESTS  32 /* in flight on one connection */

enum link_state {
	LINK_NONE,
	LINK_CONNECTING,
	LINK_READY,
};

struct link {
	enum link_state state;
	struct nbd_handle *nbd;	  /* NULL: LINK_NONE */
	struct request *requests; /* in flight */
	unsigned n;
	int64_t since;	   /* when it began to connect */
	int64_t progress;  /* when something came at last */
	bool has_answered; /* a request, since it connected */
};

/* What a connection says of the export. */
struct facts {
	uint64_t size;
	uint64_t block; /* reads must be aligned to it; 1 mostly */
	uint64_t most;	/* bytes of one read */
	bool has_status, is_multi, is_tls;
};

struct nbd_client {
	char *name, *uri; /* uri: NULL with a child */
	const struct nbd_child_options *child_options;
	unsigned connections;
	int timeout_ms;
	bool undivided;
	pthread_t thread;
	int bell; /* an eventfd: the thread is to look */

	pthread_mutex_t lock; /* guards all below up to the thread's */
	pthread_cond_t opened;
	struct request *queue, **queue_end;
	bool is_rung, is_ending;
	bool is_looking_up; /* libnbd connects, which may take as long as a name server does; nothing ends it */
	bool has_ended;	    /* the thread, but for its last steps */
	bool is_orphan;	    /* nobody has it open: who ends last frees it, and that is the thread */
	bool is_open, is_stale;
	int open_error;	    /* 0 until it is known that it can't be opened */
	struct why why;	    /* the last failure to connect */
	struct facts facts; /* constant once is_open */

	/* The thread's. */
	struct link link[NBD_CONNECTIONS];
	struct nbd_child *child;
	unsigned wanted;   /* connections that are worth having now */
	unsigned failures; /* in a row */
	int64_t next_try;
	int64_t progress; /* when a request was answered at last, on any connection */
};

/* ---- link.c; -EIO or another errno with the sentence ---- */

/* Begins to connect, to the URI or (when that is NULL) to the socket. */
int link_connect(struct link *l, const char *uri, const char *socket, struct why *why);

/* What to poll for; 0 for a link that is none. */
short link_events(const struct link *l);
int link_fd(const struct link *l);

/* Takes note of what happened. An error means that the connection is lost. */
int link_turn(struct link *l, short revents, struct why *why);

/* What the server said as it connected: LINK_READY from then on. */
int link_facts(struct link *l, struct facts *ret, struct why *why);

/* Sends it; `undivided` as the client's option. False when it could not be sent; it is then not in flight. */
bool link_send(struct link *l, struct request *rq, bool undivided, struct why *why);

/* It was answered, and is no longer in flight. */
void link_forget(struct link *l, const struct request *rq);

/* Closes the connection. What was in flight is given back, as a list. */
struct request *link_close(struct link *l);

/* ---- client.c ---- */

/* Its thread has ended, or is the caller and does so now. */
void client_free(struct nbd_client *c);

/* ---- client_thread.c ---- */

void *serve(void *client);

#endif
