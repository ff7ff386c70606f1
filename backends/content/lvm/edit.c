/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/lvm/edit.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"

void lvm_edit_begin(struct lvm_edit *e, const char *bytes, size_t count)
{
	e->bytes = bytes;
	e->count = count;
	e->n = 0;
	e->failed = false;
}

static struct lvm_change *add_change(struct lvm_edit *e, size_t start, size_t end)
{
	struct lvm_change *c = &e->change[e->n];

	if (e->n == LVM_CHANGES_MAX || start > end || end > e->count) {
		e->failed = true;
		return NULL;
	}
	e->n++;
	c->start = start;
	c->end = end;
	return c;
}

/* From there to behind a comment that ends the line; there itself when something else comes first. */
static size_t behind_comment(const struct lvm_edit *e, size_t at)
{
	size_t i = at;

	while (i < e->count && (e->bytes[i] == ' ' || e->bytes[i] == '\t'))
		i++;
	if (i == e->count || e->bytes[i] != '#')
		return at;
	while (i < e->count && e->bytes[i] != '\n' && e->bytes[i] != '\0')
		i++;
	return i;
}

void lvm_edit_number(struct lvm_edit *e, const struct lvm_node *section, const char *name, uint64_t number)
{
	const struct lvm_node *n = lvm_node_find(section, name, LVM_NUMBER);
	struct lvm_change *c = NULL;

	if (n)
		c = add_change(e, n->start, behind_comment(e, n->end));
	if (!c)
		e->failed = true;
	else
		(void)snprintf(c->with, sizeof(c->with), "%" PRIu64, number);
}

void lvm_edit_insert(struct lvm_edit *e, size_t at, const char *format, ...)
{
	struct lvm_change *c = add_change(e, at, at);
	va_list ap;

	if (!c)
		return;
	va_start(ap, format);
	if (vsnprintf(c->with, sizeof(c->with), format, ap) >= (int)sizeof(c->with))
		e->failed = true;
	va_end(ap);
}

static int compare_start(const void *a, const void *b)
{
	const struct lvm_change *p = a, *q = b;

	return p->start < q->start ? -1 : p->start > q->start;
}

static size_t most(const struct lvm_edit *e)
{
	return e->count + e->n * sizeof(e->change[0].with);
}

int lvm_edit_end(struct lvm_edit *e, char **ret, size_t *ret_count, struct why *why)
{
	_cleanup_free_ char *text = malloc(most(e) + 1);
	size_t at = 0;
	char *to = text;

	if (!text)
		return -ENOMEM;
	qsort(e->change, e->n, sizeof(e->change[0]), compare_start);
	for (unsigned i = 0; i < e->n; i++) {
		const struct lvm_change *c = &e->change[i];

		if (e->failed || c->start < at)
			break;
		to = mempcpy(to, e->bytes + at, c->start - at);
		to = stpcpy(to, c->with);
		at = c->end;
		if (i + 1 < e->n)
			continue;
		to = mempcpy(to, e->bytes + at, e->count - at);
		*ret_count = (size_t)(to - text);
		*ret = take(text);
		return 0;
	}
	return fail(why, -EBADMSG, "the metadata of LVM is damaged: a setting that has to change isn't there");
}
