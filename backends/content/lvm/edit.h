/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_EDIT_H
#define GOALFS_BACKENDS_CONTENT_LVM_EDIT_H

/*
 * Changes a text of LVM in a few places and leaves every other byte of it as it is:
 * identifiers, times, comments, and what this program doesn't know.
 */
#include "backends/content/lvm/text.h"

/* As many as anybody makes at once. */
#define LVM_CHANGES_MAX 8

struct lvm_change {
	size_t start, end; /* of the old text; what stands there goes */
	char with[256];	   /* and this comes */
};

struct lvm_edit {
	const char *bytes; /* borrowed */
	size_t count;
	struct lvm_change change[LVM_CHANGES_MAX];
	unsigned n;
	bool failed; /* a change that can't be made */
};

/* `bytes` is what the nodes were read from. */
void lvm_edit_begin(struct lvm_edit *e, const char *bytes, size_t count);

/* The setting of that name gets another number; a comment behind it, which tells the old one, goes. */
void lvm_edit_number(struct lvm_edit *e, const struct lvm_node *section, const char *name, uint64_t number);

/* Text at a byte's place. */
void lvm_edit_insert(struct lvm_edit *e, size_t at, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The new text, the caller's to free. 0; -EBADMSG when a change can't be made: no such
 * setting, or two changes of one place; -ENOMEM.
 */
int lvm_edit_end(struct lvm_edit *e, char **ret, size_t *ret_count, struct why *why);

#endif
