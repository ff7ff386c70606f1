/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "planner/tags.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/size.h"

/* Where `key` stands, or would stand. */
static size_t find(const struct tags *t, const char *key, bool *ret_found)
{
	size_t low = 0, high = t->n;

	*ret_found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int c = strcmp(t->tag[middle].key, key);

		if (c == 0) {
			*ret_found = true;
			return middle;
		}
		if (c < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

void tags_done(struct tags *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->tag[i].key);
		free(t->tag[i].value);
	}
	free(t->tag);
	*t = (struct tags){ 0 };
}

int tags_copy(const struct tags *from, struct tags *ret)
{
	_cleanup_(tags_done) struct tags copy = { 0 };

	if (from->n == 0) {
		*ret = copy;
		return 0;
	}
	copy.tag = calloc(from->n, sizeof(*copy.tag));
	if (!copy.tag)
		return -ENOMEM;
	for (; copy.n < from->n; copy.n++) {
		_cleanup_free_ char *key = strdup(from->tag[copy.n].key);
		_cleanup_free_ char *value = strdup(from->tag[copy.n].value);

		if (!key || !value)
			return -ENOMEM;
		copy.tag[copy.n] = (struct tag){ take(key), take(value) };
	}
	*ret = copy;
	copy = (struct tags){ 0 };
	return 0;
}

int tags_set(struct tags *t, const char *key, const char *value)
{
	_cleanup_free_ char *new_key = NULL, *new_value = strdup(value);
	struct tag *tag;
	bool found;
	size_t at = find(t, key, &found);

	if (!new_value)
		return -ENOMEM;
	if (found) {
		free(t->tag[at].value);
		t->tag[at].value = take(new_value);
		return 0;
	}
	new_key = strdup(key);
	tag = new_key ? reallocarray(t->tag, t->n + 1, sizeof(*tag)) : NULL;
	if (!tag)
		return -ENOMEM;
	memmove(tag + at + 1, tag + at, (t->n - at) * sizeof(*tag));
	tag[at] = (struct tag){ take(new_key), take(new_value) };
	t->tag = tag;
	t->n++;
	return 0;
}

int tags_set_u64(struct tags *t, const char *key, uint64_t value)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return tags_set(t, key, digits);
}

void tags_drop(struct tags *t, const char *key)
{
	bool found;
	size_t at = find(t, key, &found);

	if (!found)
		return;
	free(t->tag[at].key);
	free(t->tag[at].value);
	t->n--;
	memmove(t->tag + at, t->tag + at + 1, (t->n - at) * sizeof(*t->tag));
}

const char *tags_get(const struct tags *t, const char *key)
{
	bool found;
	size_t at = find(t, key, &found);

	return found ? t->tag[at].value : NULL;
}

bool tags_has(const struct tags *t, const char *key)
{
	return tags_get(t, key) != NULL;
}

bool tags_is(const struct tags *t, const char *key, const char *value)
{
	const char *have = tags_get(t, key);

	return have && strcmp(have, value) == 0;
}

bool tags_get_u64(const struct tags *t, const char *key, uint64_t *ret)
{
	const char *p = tags_get(t, key);
	uint64_t value = 0;

	if (!p || !*p)
		return false;
	for (; *p; p++)
		if (*p < '0' || *p > '9' || __builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *p - '0', &value))
			return false;
	*ret = value;
	return true;
}

int tags_compare(const struct tags *a, const struct tags *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		int c = strcmp(a->tag[i].key, b->tag[i].key);

		if (c == 0)
			c = strcmp(a->tag[i].value, b->tag[i].value);
		if (c != 0)
			return c;
	}
	return (a->n > b->n) - (a->n < b->n);
}

void tags_text(const struct tags *t, struct text *out)
{
	char size_text[SIZE_TEXT_MAX];

	for (size_t i = 0; i < t->n; i++) {
		const struct tag *tag = &t->tag[i];
		bool is_size = strcmp(tag->key, "size") == 0 || strcmp(tag->key, "cluster") == 0;
		uint64_t size;

		text_add(out, "%s%s", i ? " " : "", tag->key);
		if (is_size && tags_get_u64(t, tag->key, &size))
			text_add(out, "=%s", size_format(size_text, size));
		else if (*tag->value)
			text_add(out, "=%s", tag->value);
	}
}
