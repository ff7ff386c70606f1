/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_TEXT_H
#define GOALFS_BACKENDS_CONTENT_LVM_TEXT_H

/*
 * The text in which LVM2 keeps a volume group: the grammar of lvm.conf(5) and of
 * libdevmapper's parser (libdm-config.c), without a word of what it means.
 *
 *	file    = *( section | setting )
 *	section = name "{" *( section | setting ) "}"
 *	setting = name "=" ( value | "[" *( value [ "," ] ) "]" )
 *	value   = integer | real | "text" with \" and \\ | 'text' | bare word
 *
 * A # begins a comment, to the end of the line. Each node remembers the bytes that it
 * was read from, so that one number can be changed and the rest stay as it is.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/why.h"

enum lvm_kind {
	LVM_SECTION,
	LVM_LIST,
	LVM_NUMBER, /* an integer */
	LVM_STRING, /* anything else: texts, words, reals */
};

/* Texts are the ones of `lvm_text`, and live as long. */
struct lvm_node {
	enum lvm_kind kind;
	const char *name; /* of a section or a setting; "" of what stands in a list */
	const char *text; /* of a string */
	int64_t number;
	const struct lvm_node *child; /* the first one in a section or list, in the text's order */
	const struct lvm_node *next;  /* behind it in the same section or list */
	/* Bytes of the text: of a section from its name to behind its brace; of a setting its value alone. */
	size_t start, end;
};

struct lvm_text;

/*
 * `count` bytes, which need not end with a NUL but may end with several; borrowed
 * for the call. 0; -EBADMSG with the line; -ENOMEM. What a hostile text can make us take
 * is some 40 times its length, and no more nodes than LVM_NODES_MAX.
 */
int lvm_text_parse(const char *bytes, size_t count, struct lvm_text **ret, struct why *why);
void lvm_text_free(struct lvm_text *t); /* accepts NULL */
DEFINE_CLEANUP(struct lvm_text *, lvm_text_free);

#define LVM_NODES_MAX 400000
#define LVM_DEPTH_MAX 16

/* A section without a name, which holds all. */
const struct lvm_node *lvm_text_root(const struct lvm_text *t);

/* The first one of that name and kind in the section; NULL when there is none. `section` may be NULL. */
const struct lvm_node *lvm_node_find(const struct lvm_node *section, const char *name, enum lvm_kind kind);

/* The setting's number when it is there and not negative; else false. */
bool lvm_node_number(const struct lvm_node *section, const char *name, uint64_t *ret);
const char *lvm_node_string(const struct lvm_node *section, const char *name); /* NULL when there is none */

/* Whether the list of that name holds the text: status = ["READ", "VISIBLE"]. */
bool lvm_node_lists(const struct lvm_node *section, const char *name, const char *text);

#endif
