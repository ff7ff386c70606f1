/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_NET_TRANSFER_H
#define GOALFS_BACKENDS_NET_TRANSFER_H

/*
 * One transfer, from the first try to the last. The engine (net.c) owns it, and runs
 * an attempt at a time: one request, one answer.
 *
 *	queued --begin--> running --end--> queued again    (a redirect at once; another try after a pause)
 *	   ^_________________________|____> ended           (done is called)
 *
 * An answer is judged once, when its head is complete and before a byte of its body
 * is let through: `is_judged`. What it is worth is its `verdict`.
 */
#include <curl/curl.h>
#include <stdatomic.h>

#include "backends/net/headers.h"
#include "backends/net/net.h"
#include "backends/net/url.h"
#include "base/lock.h"

struct net_config {
	char *ca_file, *ca_dir; /* owned; NULL: libcurl's own */
	char *known_hosts;	/* owned; of ssh; NULL: nobody is known */
	unsigned in_flight, per_host, connect_ms, stall_ms, tries, first_pause_ms;
};

struct net_counts {
	atomic_uint_fast64_t requests, bytes;
};

/* What became of an answer, or of an attempt without one. */
struct verdict {
	int error;
	bool is_passing;  /* it may be different next time */
	int64_t pause_ms; /* that the server asks for, at least */
	struct why why;
};

#define UNKNOWN UINT64_MAX

struct net_transfer {
	/* Constant. */
	const struct net_config *config;
	struct net_counts *counts;
	struct net_events events;
	void *arg;
	struct url start;
	char *proxy, *unless_etag, *unless_modified; /* owned; may be NULL */
	uint64_t offset, length;

	/* Guarded by the engine's lock. */
	struct net_transfer *next;
	enum net_priority priority;
	bool is_cancelled;

	/* All below belongs to the engine's thread. */
	bool is_running;
	int64_t not_before; /* lock_now_ms(); the next attempt */
	CURL *easy;
	struct curl_slist *lines; /* owned; headers that are sent */
	char error_text[CURL_ERROR_SIZE];

	/* Where this attempt goes: a redirect's end is kept, once an answer from there was good. */
	struct url at_url;
	unsigned redirects;
	bool is_pinned;

	/* The object, as the first good answer told it: the others must say the same. */
	bool has_head;
	bool is_range;
	char *etag, *last_modified; /* owned */
	int64_t mtime;
	uint64_t object_length; /* UNKNOWN: not told */
	uint64_t first, at,
		end; /* bytes of the object: first and next for `data`, and where it ends, or UNKNOWN */

	unsigned failures;  /* without a byte between them */
	unsigned attempts;  /* all that failed or came short */
	uint64_t at_before; /* `at` when the attempt began */

	/* This attempt. */
	struct answer answer;
	bool is_judged, is_redirect, is_enough, is_stalled;
	struct verdict verdict;
	uint64_t body_at, body_end; /* in the object; the latter UNKNOWN when not told */
	uint64_t dropped;	    /* bytes of a body that nobody wants */
	uint64_t talk;		    /* bytes of all that is no body */
	int64_t began, quiet_since; /* lock_now_ms() */
	uint64_t heard;		    /* bytes since `quiet_since` */
};

int transfer_new(const struct net_request *request, const struct net_events *events, void *arg,
		 struct net_transfer **ret, struct why *why);
void transfer_free(struct net_transfer *t);
DEFINE_CLEANUP(struct net_transfer *, transfer_free);

/* Makes `t->easy` ready for the next attempt. A negative errno ends the transfer. */
int transfer_begin(struct net_transfer *t, struct why *why);

/* When an attempt that stays as quiet as it is has stalled; lock_now_ms(). */
int64_t transfer_deadline(const struct net_transfer *t);

/* Whether it has said less than it must by now; begins the next period else. */
bool transfer_has_stalled(struct net_transfer *t, int64_t now);

/*
 * An attempt is over. True: another one is to begin at `t->not_before`. False: the
 * transfer is, with what `ret_error` and `why` say. `jitter` is any number.
 */
bool transfer_end(struct net_transfer *t, CURLcode code, unsigned jitter, int *ret_error, struct why *why);

/* ---- request.c: what is sent ---- */

/* Every option of `t->easy` but the callbacks. -ENOMEM, or -EPROTO when the library's build can't do it. */
int request_set(struct net_transfer *t, struct why *why);

/* ---- answer.c: what comes back ---- */

/* Reads the head that is complete, and calls the `head` event for the first good one. Sets the verdict. */
void answer_judge(struct net_transfer *t);

/* ---- fault.c: what libcurl says went wrong ---- */

void fault_judge(const struct net_transfer *t, CURLcode code, struct verdict *ret);

#endif
