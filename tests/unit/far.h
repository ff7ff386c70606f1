/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_FAR_H
#define GOALFS_TESTS_FAR_H

/*
 * A remote object for tests: a file of known bytes behind tests/lib/faulty.py, a
 * store, an engine, and what the server has counted.
 */
#include "backends/cache/fetched.h"
#include "tests/unit/cachebench.h"
#include "tests/unit/peer.h"

struct far {
	struct bench *bench; /* its store */
	char www[96];	     /* what the server serves; "file" is the object */
	uint8_t *bytes;	     /* of the object */
	uint64_t size;
	struct peer peer;
	struct net *net;
	uint64_t bytes_before;	    /* that the engine had received when the server was asked last */
	struct net_options options; /* short times, few tries */
	struct image *open[8];	    /* that far_image made, until far_close; a test that fails leaves some */
};

/* What the server has seen since it was asked last. */
struct far_stats {
	unsigned requests, connections, in_flight_most;
	uint64_t bytes;
};

struct far *far_new(void);
void far_free(struct far *far);

/* Writes the object anew, of other bytes for another seed; the server notices by itself. */
void far_write(struct far *far, uint64_t size, uint64_t seed);

/* A file beside it. */
void far_put(struct far *far, const char *name, const void *bytes, size_t count);

void far_serve(struct far *far, const char *const *options); /* of faulty.py; NULL: none */
void far_open_net(struct far *far);
void far_close_net(struct far *far);

/* Of what was counted since the last time; begins anew. */
struct far_stats far_stats(struct far *far);
struct far_stats far_peek(struct far *far); /* the same, without beginning anew */

/* The object as the server tells it, at FAULTS ("" for none, else "/fault/..."). */
struct object far_object(struct far *far, const char *faults);

/* An image of it, on the shelf "fetched:NAME". */
struct image *far_image(struct far *far, const char *name, const struct object *object);

/*
 * The same in one, named "a": an image of what is at `faults`, met at `meet` (NULL:
 * there, too). What was counted for it is forgotten.
 */
struct image *far_open(struct far *far, const char *meet, const char *faults);

void far_close(struct far *far, struct image *img);

void far_assert_reads(struct far *far, struct image *img, uint64_t offset, size_t count);
void far_assert_reads_all(struct far *far, struct image *img, size_t step);

/* The read fails with `error`, and the sentence has `part` in it. */
void far_assert_fails(struct image *img, uint64_t offset, size_t count, int error, const char *part);

#endif
