/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_VERDICTS_H
#define GOALFS_BACKENDS_CACHE_VERDICTS_H

/*
 * Whether a template's file is the one that the library promises: its checksum,
 * taken over all of it, once. The verdict is remembered with the file's identity,
 * over restarts, and never trusted for another file, nor for one that shows other bytes under the same identity.
 *
 * Threads: all functions from any thread. One thread at work per file that is being verified.
 */
#include <stdbool.h>

#include "backends/cache/store.h"
#include "backends/image.h"

struct verdicts;

/*
 * Another way to judge a file than by its checksum, after all of its bytes have
 * come: a detached signature. Embedded by whoever has one; counted.
 */
struct judge {
	atomic_uint refs; /* 1 from its maker */
	/* 0; -EBADMSG or -EACCES with the reason: rejected; another error: not found out. */
	int (*judge)(struct judge *j, struct image *file, struct why *why);
	void (*free)(struct judge *j);
};

struct judge *judge_ref(struct judge *j); /* accepts NULL */
void judge_unref(struct judge *j);	  /* accepts NULL */
DEFINE_CLEANUP(struct judge *, judge_unref);

/* What the library promises of a file. Copied by whoever keeps it. */
struct promise {
	const char *identity; /* of the file; keys the verdict */
	const char *shown;    /* the file, for sentences */
	const char *sha512;   /* lowercase hex, or NULL */
	const char *sha256;   /* likewise; all that are given must be met */
	struct judge *judge;  /* or NULL; borrowed, whoever keeps it takes a ref */
};

enum verdict_state {
	VERDICT_NONE, /* nothing is promised */
	VERDICT_UNVERIFIED,
	VERDICT_VERIFYING,
	VERDICT_VERIFIED,
	VERDICT_REJECTED,
};

/* "unverified", "verifying 43%", ... */
#define VERDICT_TEXT_MAX 32

struct verdicts_options {
	struct store *store; /* remembers; what was stored of a rejected file is dropped from it; borrowed */
	/* A file was rejected: what was served of it is not to be trusted. Without a lock; may be NULL. */
	void (*rejected)(void *arg, const char *identity);
	void *arg;
};

struct verdicts *verdicts_new(const struct verdicts_options *options);

/* Ends what is under way: those who wait get -ECANCELED. Before the images are closed. Twice is once. */
void verdicts_end(struct verdicts *v);
void verdicts_free(struct verdicts *v); /* accepts NULL; after verdicts_end */
DEFINE_CLEANUP(struct verdicts *, verdicts_free);

/*
 * What is known of the file, without doing anything; `ret_percent` (may be NULL)
 * while it is being verified, `why` when it was rejected.
 */
enum verdict_state verdicts_state(struct verdicts *v, const char *identity, unsigned *ret_percent,
				  struct why *why);

/* Whether all that can be read of this very image is known to be right, from now on. */
bool verdicts_is_good(struct verdicts *v, const char *identity, struct image *file);

/* As people read it. Returns `buf`. */
const char *verdict_text(char buf[static VERDICT_TEXT_MAX], enum verdict_state state, unsigned percent);

/*
 * Begins to verify `file` (all of its bytes are read, a ref is kept as long) unless it is being or has been.
 */
int verdicts_begin(struct verdicts *v, const struct promise *promise, struct image *file, struct why *why);

/*
 * Waits for the verdict of what was begun, for at most `ms`: 0 when verified, -EBADMSG with the reason when rejected,
 * -EAGAIN when it is not there yet, -EINTR when this thread's patience is lost, or
 * why it could not be found out; the next verdicts_begin tries again.
 */
int verdicts_wait(struct verdicts *v, const char *identity, int ms, struct why *why);

#endif
