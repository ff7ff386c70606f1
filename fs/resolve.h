/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_RESOLVE_H
#define GOALFS_FS_RESOLVE_H

/*
 * From a name to what it stands for: goal, template, plan, open image. Shared by
 * lookup and by goalfs --plan; knows no FUSE.
 */
#include "backends/backend.h"
#include "backends/library/library.h"
#include "planner/goal.h"

struct resolved {
	struct template *template; /* owns a ref */
	struct image *image;	   /* owns a ref; NULL for a text, and for what was promised unopened */
	uint64_t size;		   /* bytes, of an image */
	char *text;		   /* owned: a text goal's content; NULL for an image */
	char *plan;		   /* owned: the plan's line; NULL when there is no image */
};

/*
 * Keeps promise 1: 0 only when the goal can be met. Errors:
 *	-EINVAL      the name is no goal, whatever the library holds
 *	-ENOENT      no such template, or no plan
 *	-EOPNOTSUPP  the template can't be made into this
 *	-EBADMSG     the template is damaged
 *	others       it could not be found out
 * `ret` must be zero; it is filled in on success only.
 */
int resolve(struct context *context, struct library *library, const char *name, struct resolved *ret,
	    struct why *why);
void resolved_done(struct resolved *r);

/* The same for somebody who is about to read: what has to be here before his first byte is begun with. */
int resolve_to_read(struct context *context, struct library *library, const char *name, struct resolved *ret,
		    struct why *why);

/*
 * The same for a lookup, which may take the index's word for a remote template that
 * promises a checksum, and for a local one whose file says the same size: its raw image of
 * the size that the index says is not opened, nor its server asked, until somebody
 * opens the file.
 */
int resolve_promise(struct context *context, struct library *library, const char *name, struct resolved *ret,
		    struct why *why);

/*
 * As much of that as takes no opening of a file, and no asking, for an image goal of the library's
 * template `t`: true, and `ret` filled in, or false when resolve_promise has to find out.
 */
bool resolve_at_once(struct context *context, const struct goal *goal, struct template *t,
		     struct resolved *ret);

/* What makes the result this and no other: the template, or a text's content. Borrowed. */
const char *resolved_identity(const struct resolved *r);

/*
 * The text of NAME.plan: the plan for the image goal `name`, or why there is
 * none; that, too, is a success. `ret_goal` gets 0, or what resolve would fail with, and
 * `why` its sentence.
 */
int resolve_explain(struct context *context, struct library *library, const char *name, char **ret,
		    int *ret_goal, struct why *why);

/*
 * What is known of the template's checksum: "verified", "verifying 43%", ... in
 * `buf`, of VERDICT_TEXT_MAX bytes, which is returned; NULL when nothing is promised.
 */
const char *resolve_verdict(struct context *context, struct template *template, char *buf);

/* The template's virtual size, read off its file; 0 when it can't be told. */
uint64_t resolve_size(struct context *context, struct template *template);

/*
 * What names stand for that stand for the library's template `t`: a copy (free it), or NULL when
 * that can't be told without asking.
 */
char *resolve_stands_for(struct template *t);

/*
 * The template that a name is about, as the library has it now, or the file that was rejected; its plan's is that of
 * the name. A ref, or an errno.
 */
int resolve_template(struct library *library, const char *name, struct template **ret);

#endif
