/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_PLANNER_GOAL_H
#define GOALFS_PLANNER_GOAL_H

/*
 * The grammar of file names, goalfs-goals(7):
 *
 *	goal     = template *( "@" tag ) "." format
 *	template = [A-Za-z0-9._-]+
 *	tag      = size | arch | "p" N | key [ "=" value ]
 *
 * and of the text goals NAME.plan (NAME a goal, or what was meant as one),
 * TEMPLATE.notes and TEMPLATE.json (TEMPLATE with or without @arch).
 *
 * Templates' names and sizes hold dots, so the ending is what follows the last
 * one. The facts that tags make, each may be given once:
 *
 *	written         fact                 says
 *	20G 1.5G 512    size=BYTES           the virtual size, rounded up to 512
 *	aarch64 amd64   arch=NAME            which entry of the library, normalised
 *	p2              partition=2          the partition alone, not the disk
 *	expand=2|none   expand=2|none        the partition that takes the room (serves size)
 *	content=none    content=none         leave the filesystem as it is (serves size)
 *	sparse          sparse               what the filesystem doesn't use is zero
 *	lv=VG-LV        lv=VG-LV             the logical volume alone
 *	lvexpand=VG-LV  lvexpand=VG-LV       the logical volume that takes the room
 *	compat=1.1      compat=1.1           version of the output format
 *	cluster=2M      cluster=BYTES        cluster size of the output format
 *	fixed           fixed                the output format's fully allocated kind
 *
 * A name is a goal when it is well-formed. Whether some backend can do what it
 * asks for is the planner's to say.
 */
#include "base/why.h"
#include "planner/tags.h"

enum goal_kind {
	GOAL_IMAGE,
	GOAL_PLAN, /* `image_name` is the name that is to be explained */
	GOAL_NOTES,
	GOAL_JSON,
};

struct goal {
	enum goal_kind kind;
	char *template; /* as written; NULL for GOAL_PLAN */
	char *arch;	/* normalised, NULL when not given */
	/*
	 * GOAL_PLAN only: what stands before ".plan". It may be no goal, so that
	 * people can read why not; it never is a text goal.
	 */
	char *image_name;
	/*
	 * GOAL_IMAGE: the facts asked for, format always among them (img is raw),
	 * size in bytes rounded up to 512; see planner/step.h. Else empty.
	 */
	struct tags want;
};

/* The longest name that can be a goal; FUSE and NFS take no more. */
#define GOAL_NAME_MAX 255

/*
 * No side effects, no I/O. Returns 0; -EINVAL with the reason when the name is
 * no goal at all (the same whatever the library holds, so that it may be cached
 * for ever); -ENOMEM. The reason is fit for a log: it repeats no byte of the
 * name that can't stand in a goal.
 */
int goal_parse(const char *name, struct goal *ret, struct why *why);
void goal_done(struct goal *g);

/* Whether `format` (qcow2, raw, img, ...) is an image format that goal names know; the canonical name or NULL. */
const char *goal_format(const char *format);

/* The formats that goal names know, aliases included, one by one from 0 on; NULL behind the last. */
const char *goal_format_name(size_t i);

/* A tag that is neither a size nor an architecture. */
struct goal_key {
	const char *key;  /* of its fact */
	const char *form; /* as people write it: "expand=N|none" */
	const char *
		serves; /* "size": it only says how that comes about, and is void where nothing has to; or NULL */
	enum { GOAL_FLAG, GOAL_NUMBER, GOAL_NUMBER_OR_NONE, GOAL_ONLY_NONE, GOAL_SIZE, GOAL_WORD } value;
};

/* All of them; the last row's key is NULL. */
const struct goal_key *goal_keys(void);

/* The `serves` of the row with this key; NULL when there is no such row. */
const char *goal_key_serves(const char *key);

/* The normal form of an architecture's name ("amd64" is "x86_64"), or NULL when it is not the name of one. */
const char *goal_arch(const char *name);

#endif
