/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_TEXT_H
#define GOALFS_BASE_TEXT_H

#include <stddef.h>
#include <stdint.h>

/*
 * A growing text. `chars` is NUL-terminated once anything was added, else NULL.
 * Out of memory is remembered, so that a writer may check once, at the end:
 *
 *	struct text t = TEXT_EMPTY;
 *	text_add(&t, "%s\n", a);
 *	r = text_take(&t, &chars);
 */
struct text {
	char *chars; /* owned */
	size_t len;
	size_t room;
	int error; /* 0 or -ENOMEM */
};

#define TEXT_EMPTY ((struct text){ 0 })

void text_add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Hands the text over to the caller (free it), "" for an empty one; or returns -ENOMEM. */
int text_take(struct text *t, char **ret);

void text_done(struct text *t);

/* A copy, or NULL of NULL. 0 or -ENOMEM. */
int text_copy(char **to, const char *from);

/* Lists of texts, NULL-terminated and owned; NULL is an empty one. */
size_t texts_count(char *const *texts);
int texts_copy(char ***to, char *const *from); /* 0 or -ENOMEM; free what is there in either case */
void texts_free(char **texts);

/* malloc'ed printf; NULL when memory ran out. */
char *text_new(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
