/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sections to entries. How a section is found says section.c, what its fields
 * mean index_entry.c.
 */
#include "backends/library/index.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/library/index_entry.h"
#include "backends/library/section.h"
#include "base/cleanup.h"

struct parser {
	const char *path;
	struct index *index;
	struct complaints *complaints;
};

int index_add(struct index *index, struct index_entry *e)
{
	if (index->n == index->room) {
		size_t room = index->room ? 2 * index->room : 64;
		struct index_entry *entry = reallocarray(index->entry, room, sizeof(*entry));

		if (!entry) {
			index_entry_drop(e);
			return -ENOMEM;
		}
		index->entry = entry;
		index->room = room;
	}
	index->entry[index->n++] = *e;
	*e = (struct index_entry){ 0 };
	return 0;
}

/* The section is complete: makes an entry of it, or a complaint. */
static int take_section(void *arg, struct section *s, bool bad)
{
	struct parser *p = arg;
	struct index_entry entry;
	int r = bad ? 0 : index_entry_build(s, p->path, p->complaints, &entry);

	return r > 0 ? index_add(p->index, &entry) : r;
}

/* Entries of one name and architecture. */

static int compare_entries(const void *a, const void *b)
{
	const struct index_entry *const *x = a, *const *y = b;
	const struct template *s = (*x)->template, *t = (*y)->template;
	int c = strcmp(s->name, t->name);

	if (c == 0)
		c = strcmp(s->arch, t->arch);
	if (c == 0)
		c = (s->revision > t->revision) - (s->revision < t->revision);
	return c ? c : ((*x)->line > (*y)->line) - ((*x)->line < (*y)->line);
}

/* Of equal name, architecture and revision the first one stays. */
static int drop_duplicates(struct parser *p)
{
	struct index *index = p->index;
	_cleanup_free_ struct index_entry **sorted = calloc(index->n + 1, sizeof(*sorted));
	size_t n = 0;

	if (!sorted)
		return -ENOMEM;
	for (size_t i = 0; i < index->n; i++)
		sorted[i] = &index->entry[i];
	qsort(sorted, index->n, sizeof(sorted[0]), compare_entries);
	for (size_t i = 1, first = 0; i < index->n; i++) {
		const struct template *a = sorted[first]->template, *b = sorted[i]->template;

		if (strcmp(a->name, b->name) != 0 || strcmp(a->arch, b->arch) != 0 ||
		    a->revision != b->revision) {
			first = i;
			continue;
		}
		complain(p->complaints, "%s:%u: [%s]: %s of revision %" PRId64 " stands here and in line %u",
			 p->path, sorted[i]->line, b->name, b->arch, b->revision, sorted[first]->line);
		index_entry_drop(sorted[i]);
	}
	for (size_t i = 0; i < index->n; i++)
		if (index->entry[i].template)
			index->entry[n++] = index->entry[i];
	index->n = n;
	return 0;
}

int index_parse(const char *bytes, size_t count, const char *path, struct index *ret,
		struct complaints *complaints, struct why *why)
{
	struct index index = { 0 };
	struct parser p = { .path = path, .index = &index, .complaints = complaints };
	const struct section_reader reader = {
		.noun = "a virt-builder index",
		.max = INDEX_SECTIONS_MAX,
		.end = take_section,
		.arg = &p,
	};
	int r;

	*ret = index;
	if (count > INDEX_BYTES_MAX)
		return fail(why, -EFBIG, "'%s' has %zu bytes, an index may have %" PRIu64, path, count,
			    INDEX_BYTES_MAX);
	r = sections_read(bytes, count, path, &reader, &index.is_signed, complaints, why);
	if (r == 0)
		r = drop_duplicates(&p);
	if (r < 0) {
		index_done(&index);
		return r;
	}
	*ret = index;
	return 0;
}

void index_done(struct index *index)
{
	for (size_t i = 0; i < index->n; i++)
		index_entry_drop(&index->entry[i]);
	free(index->entry);
	*index = (struct index){ 0 };
}
