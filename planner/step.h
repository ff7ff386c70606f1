/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_PLANNER_STEP_H
#define GOALFS_PLANNER_STEP_H

/*
 * Where planner and backends meet, and the only place. A backend offers steps
 * for a state; the planner chains them. Offering is pure: text in, text out, no
 * I/O, the same answer every time.
 *
 * The facts (tags) in use:
 *
 *	template=NAME  the state is an unopened template of the library (start only)
 *	at=file        where its bytes are: file, url or nbd (start only)
 *	codec=gzip,xz  what the bytes are wrapped in, the outermost first (gzip, bzip2, zstd, xz,
 *	               tar); absent when they are plain
 *	made=unit      the bytes come decoded unit by unit and are not kept: each
 *	               read would make its unit again
 *	format=raw     the disk format of the plain bytes
 *	unread=yes     the disk stands in its format as somebody else wrote it; what is
 *	               served in that format is ours, so this doesn't hold at the end
 *	reader=qemu    the format's in-process reader can't read this one
 *	size=BYTES     the virtual size
 *	arch=x86_64    normalised
 *	grow=N         the partition that the library says takes the room (start only, optional)
 *	lvgrow=LV      the logical volume that the library says takes it (start only, optional)
 *	expand=N|none  asked for: the partition that takes the room; none grows the disk alone
 *	content=none   asked for: grow disk and partition, leave the filesystem alone
 *	partition=N    the state is that partition alone; `size` stays the disk's, for nobody
 *		       knows the partition's before the disk is read
 *	lv=VG-LV       the state is that logical volume alone; the same holds
 *	sparse         what the contents of the disk don't use reads as zeros
 *
 * and what else can be asked for, see planner/goal.h: lvexpand, compat, ...
 *
 * A goal's state must hold format and size, must not hold template, at, codec,
 * made and unread; its other facts are arguments to the steps (a backend sees the
 * goal's facts when it offers). A step that heeds a fact of the goal repeats it,
 * key and value, among its arguments: a fact that holds neither at the end nor
 * among the arguments of a step taken makes the goal unreachable (plan.h).
 */
#include <stdint.h>

#include "planner/tags.h"

/* One transition of a plan. Owned by the plan. */
struct step {
	const char *backend; /* borrowed from the backend's table row */
	struct tags args;    /* what the backend needs to carry it out: resize{size=.., expand=2} */
	struct tags after;   /* the state it leads to */
	uint64_t cost;	     /* estimated microseconds, at least 1 */
};

/* Collects what a backend offers for one state; opaque to backends. */
struct offers;

/*
 * A step that is being put together: it begins with the state it starts from and
 * no arguments. None of these fails: memory that ran out on the way is
 * remembered by `offers`, and the search ends with it.
 *
 *	struct offer x;
 *	offer_begin(&x, o, state);
 *	offer_drop(&x, "codec");
 *	offer_set(&x, "made", "unit");
 *	offer_end(&x, cost);
 */
struct offer {
	struct offers *to;
	struct tags args, after;
	int error;
};

void offer_begin(struct offer *x, struct offers *o, const struct tags *state);
void offer_set(struct offer *x, const char *key, const char *value); /* a fact that holds afterwards */
void offer_drop(struct offer *x, const char *key);		     /* one that doesn't any more */
void offer_arg(struct offer *x, const char *key,
	       const char *value); /* what the backend needs to carry it out */
void offer_end(struct offer *x, uint64_t cost);

/* Whether the state is a raw disk that may be read anywhere: what resize, layouts and the like stand on. */
bool offer_is_raw_disk(const struct tags *state);

/*
 * Whether the state is a raw disk that steps may change or cut: what the goal wants zero
 * (`sparse`) is, for that is told by the template's own disk. One order, so that the bytes
 * don't depend on what a plan costs.
 */
bool offer_is_disk_to_change(const struct tags *state, const struct tags *want);

/* Whether this codec is the outermost one, around bytes that may be read anywhere. */
bool offer_is_wrapped(const struct tags *state, const char *codec);

/* A fact that holds afterwards: the outermost codec is off. */
void offer_unwrap(struct offer *x);

/* Whether the state is a disk in this format, whose bytes may be read anywhere. */
bool offer_is_disk(const struct tags *state, const char *format);

/* What holds afterwards: the disk is read, and raw. */
void offer_read_disk(struct offer *x);

/* The same at once. The sets are copied. */
void offer_step(struct offers *o, const struct tags *args, const struct tags *after, uint64_t cost);

/*
 * Says why a step that the goal would need can't be taken from this state:
 * "'debian-12' is 6G, a goal can't be smaller". Shown when there is no plan, and
 * in the explanation. Lower case, no full stop.
 */
void offer_refusal(struct offers *o, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A row of the table that the planner searches. */
struct transition {
	const char *backend;
	/* `want`: the facts that the goal asks for. */
	void (*offer)(const struct tags *state, const struct tags *want, struct offers *o);
};

#endif
