/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_PLANNER_TAGS_H
#define GOALFS_PLANNER_TAGS_H

/*
 * Facts, key=value, in a small set sorted by key; a key stands in it once. The
 * set owns its strings. Zero-initialized it is empty. Functions that set return
 * 0 or -ENOMEM and then leave the set as it was.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/text.h"

struct tag {
	char *key;
	char *value; /* "" for a fact without a value, never NULL */
};

struct tags {
	struct tag *tag; /* sorted by key (strcmp) */
	size_t n;
};

void tags_done(struct tags *t);
int tags_copy(const struct tags *from, struct tags *ret);

int tags_set(struct tags *t, const char *key, const char *value);
int tags_set_u64(struct tags *t, const char *key, uint64_t value);
void tags_drop(struct tags *t, const char *key);

/* NULL when there is none; else borrowed, until the set changes. */
const char *tags_get(const struct tags *t, const char *key);
bool tags_has(const struct tags *t, const char *key);
bool tags_is(const struct tags *t, const char *key, const char *value);
/* False when there is none, or it is not a decimal number. */
bool tags_get_u64(const struct tags *t, const char *key, uint64_t *ret);

/* A total order, for search: 0 when equal. */
int tags_compare(const struct tags *a, const struct tags *b);

/* "format=raw size=20G": blank-separated, sizes as size_format writes them, a fact without value as its key. */
void tags_text(const struct tags *t, struct text *out);

#endif
