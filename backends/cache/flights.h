/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_FLIGHTS_H
#define GOALFS_BACKENDS_CACHE_FLIGHTS_H

/*
 * Which chunks of an object are asked for, in which requests, and for whom.
 * Private to fetched.c, which reads what flights.c has put on the shelf.
 */
#include <pthread.h>

#include "backends/net/object.h"
#include "backends/cache/shelf.h"

struct fetched;

/* Chunks [from, end). */
struct run_of_chunks {
	uint64_t from, end;
};

/* A request under way. Its chunks come in order. */
struct flight {
	struct fetched *fetched;
	struct net_transfer *transfer; /* NULL: no request */
	struct run_of_chunks run;
	uint64_t at;	/* the chunk that is coming; guarded by the lock, moved by the engine's thread */
	uint8_t *chunk; /* what came of it so far; the engine's thread's, kept from flight to flight */
	size_t count;
	bool is_misplaced;    /* the answer is for other bytes than were asked for */
	bool is_to_final_url; /* it went there, not to where all began */
};

/* One who waits, on his own stack. */
struct waiter {
	struct run_of_chunks run; /* what he will read next; the first one he needs now */
	int error;		  /* 0, or why it won't come */
	struct why why;
	struct waiter *next;
};

/* Wanted soon, in the order in which it was asked for; what goes over is forgotten. */
#define WISHES_MAX 64

struct flights {
	pthread_mutex_t lock; /* guards all below; taken before the shelf's and the engine's */
	pthread_cond_t moved;
	struct flight flight[FETCH_FLIGHTS];
	struct waiter *waiters, **last_waiter;
	struct run_of_chunks wish[WISHES_MAX];
	size_t n_wishes;
	bool is_final_url_bad; /* it answered with an error: ask where it all began */
	bool no_ranges;	       /* the server gives all or nothing */
	bool closing;
};

void flights_init(struct fetched *f);

/* Ends what is under way and waits for its end. */
void flights_done(struct fetched *f);

/* Asks for the chunks when there is a slot free: at once when `now`, else with the next request. */
void flights_wish(struct fetched *f, struct run_of_chunks run, bool now);

/* Whether all of the run is on the shelf or in memory. */
bool flights_are_there(const struct fetched *f, struct run_of_chunks run);

/*
 * Waits until the first chunk of the run is on the shelf or in memory. 0, -EINTR
 * when this thread's patience is lost, or what became of the request.
 */
int flights_await(struct fetched *f, struct run_of_chunks run, struct why *why);

/* Puts a chunk where it belongs, before any flight or during one. 0 or a negative errno. */
int flights_place(struct fetched *f, uint64_t chunk, const void *bytes, size_t count, struct why *why);

/* A row of reads, each beginning where the last one ended. */
struct stream {
	uint64_t begun;	 /* byte */
	uint64_t next;	 /* byte */
	uint64_t window; /* bytes that are read ahead; 0: nothing yet */
	uint64_t wished; /* byte up to which that was asked for */
	uint64_t used;	 /* by the clock of fetched.c */
};

#define STREAMS 8

struct fetched {
	struct image image; /* its `below` cuts the object into chunks */
	struct object object;
	char *url;   /* asked for, unless it is the object's final_url */
	char *proxy; /* may be NULL */
	struct net *net;
	struct shelf *shelf;
	atomic_bool is_stale;
	struct flights flights;
	pthread_mutex_t streams_lock; /* guards what follows */
	struct stream stream[STREAMS];
	uint64_t clock;
};

static inline uint64_t fetched_chunks(const struct fetched *f)
{
	return div_up(f->image.size, FETCH_CHUNK);
}

/* Bytes of a chunk: the last one may be short. */
static inline size_t fetched_chunk_bytes(const struct fetched *f, uint64_t chunk)
{
	return min_u64(FETCH_CHUNK, f->image.size - chunk * FETCH_CHUNK);
}

#endif
