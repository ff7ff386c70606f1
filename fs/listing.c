/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/listing.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "fs/nodes.h"
#include "fs/plain.h"

void listing_free(struct listing *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->entry[i].name);
	free(l->entry);
	free(l);
}

/* Takes the name over. */
static int listing_add(struct listing *l, char *name, const char *identity)
{
	/* Cookies 1 and 2 are "." and ".."; readdir(3) takes them for signed. */
	uint64_t cookie = name ? (node_id(name, "") >> 1 | 4) & (INT64_MAX >> 1) : 0;

	if (!name)
		return -ENOMEM;
	if (l->n == l->room) {
		size_t room = l->room ? 2 * l->room : 64;
		struct listed *grown = realloc(l->entry, room * sizeof(*grown));

		if (!grown) {
			free(name);
			return -ENOMEM;
		}
		l->entry = grown;
		l->room = room;
	}
	l->entry[l->n++] = (struct listed){ cookie, node_id(name, identity), name };
	return 0;
}

/* Two names of one cookie: the second one moves, lest it be left out where one call ends. */
static void part_cookies(struct listing *l)
{
	for (size_t i = 1; i < l->n; i++)
		if (l->entry[i].cookie <= l->entry[i - 1].cookie)
			l->entry[i].cookie = l->entry[i - 1].cookie + 1;
}

static int compare_cookie(const void *a, const void *b)
{
	const struct listed *x = a, *y = b;

	if (x->cookie != y->cookie)
		return x->cookie < y->cookie ? -1 : 1;
	return strcmp(x->name, y->name);
}

/* The goals of a template that a listing shows. Installation media are wanted as they are. */
static int list_template(struct listing *l, const struct template *t, const char *const *formats)
{
	static const char *const media[] = { "iso", NULL };
	const bool is_media = t->format && strcmp(t->format, "iso") == 0;
	int r = 0;

	for (const char *const *f = is_media ? media : formats; *f && r == 0 && !t->hidden; f++)
		r = listing_add(l, plain_goal(t, *f), t->stands_for ?: "");
	return r;
}

static int list_templates(struct listing *l, struct library *library, const char *const *formats)
{
	struct template **list;
	size_t n;
	int r = library_list(library, &list, &n);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n && r == 0; i++)
		r = list_template(l, list[i], formats);
	templates_free(list, n);
	return r;
}

int listing_new(struct library *library, const char *const *formats, struct listing **ret)
{
	_cleanup_(listing_freep) struct listing *l = calloc(1, sizeof(*l));
	int r = l ? list_templates(l, library, formats) : -ENOMEM;

	if (r < 0)
		return r;
	if (l->n)
		qsort(l->entry, l->n, sizeof(*l->entry), compare_cookie);
	part_cookies(l);
	*ret = take(l);
	return 0;
}

char *listing_name_of(const struct listing *l, uint64_t id)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->entry[i].id == id)
			return strdup(l->entry[i].name);
	return NULL;
}
