/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-builder gives up the whole file for one bad character. Here a bad line
 * costs the section it stands in: reading goes on at the next section's header,
 * which can't be mistaken, since text lines begin with a blank.
 *
 * A field keeps pointers into the text. An entry is made of the fields when their
 * section has ended without a bad line. What a line is says index_line.c, what a
 * field means index_entry.c.
 */
#include "backends/library/index.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/library/index_entry.h"
#include "backends/library/index_line.h"
#include "base/cleanup.h"

struct parser {
	const char *p, *end;
	unsigned number; /* of the line read last */
	const char *path;
	struct section section; /* its fields are owned, reused from section to section */
	size_t room;		/* for them */
	bool open;		/* false before the first header */
	bool bad;		/* the section has been complained about */
	bool continues;		/* a continuation is welcome */
	unsigned sections;
	unsigned fault_line; /* the first bad line, for files that are no index at all */
	const char *fault;
	struct index *index;
	struct complaints *complaints;
	struct why *why;
};

/* Sections. */

static int keep_entry(struct index *index, const struct index_entry *e)
{
	if (index->n == index->room) {
		size_t room = index->room ? 2 * index->room : 64;
		struct index_entry *entry = reallocarray(index->entry, room, sizeof(*entry));

		if (!entry)
			return -ENOMEM;
		index->entry = entry;
		index->room = room;
	}
	index->entry[index->n++] = *e;
	return 0;
}

/* The section is complete: makes an entry of it, or a complaint. */
static int section_end(struct parser *p)
{
	struct index_entry entry;
	int r;

	if (!p->open || p->bad)
		return 0;
	r = index_entry_build(&p->section, p->path, p->complaints, &entry);
	if (r <= 0)
		return r;
	r = keep_entry(p->index, &entry);
	if (r < 0)
		index_entry_drop(&entry);
	return r;
}

static void section_spoil(struct parser *p, const char *fault)
{
	char text[160];

	if (!p->fault) {
		p->fault = fault;
		p->fault_line = p->number;
	}
	if (p->bad)
		return;
	p->bad = true;
	(void)snprintf(text, sizeof(text), "line %s", fault);
	section_complain(&p->section, p->path, p->number, text, p->complaints);
}

/* `name` is empty when the header was bad. */
static int section_begin(struct parser *p, struct slice name)
{
	struct section *s = &p->section;
	int r = section_end(p);

	if (r < 0)
		return r;
	*s = (struct section){ .name = name, .line = p->number, .field = s->field };
	p->open = true;
	p->bad = false;
	p->continues = false;
	if (name.n && ++p->sections > INDEX_SECTIONS_MAX)
		return fail(p->why, -EFBIG, "'%s' has more than %u sections", p->path, INDEX_SECTIONS_MAX);
	return 0;
}

static int section_field(struct parser *p, const struct line *line)
{
	struct section *s = &p->section;

	if (s->n == INDEX_FIELDS_MAX) {
		section_spoil(p, "is one field too many for a section");
		return 0;
	}
	if (s->n == p->room) {
		size_t room = p->room ? 2 * p->room : 32;
		struct field *field = reallocarray(s->field, room, sizeof(*field));

		if (!field)
			return -ENOMEM;
		s->field = field;
		p->room = room;
	}
	s->field[s->n++] = (struct field){
		.key = line->name,
		.qualifier = line->qualifier,
		.first = line->value,
		.more = p->p,
		.end = p->p,
		.line = p->number,
	};
	p->continues = true;
	return 0;
}

static int accept_line(struct parser *p, const struct line *line)
{
	struct section *s = &p->section;
	bool in_section = p->open && !p->bad;

	switch (line->kind) {
	case LINE_SECTION:
		return section_begin(p, line->name);
	case LINE_FIELD:
		if (!p->open)
			section_spoil(p, "stands before the first section");
		return in_section ? section_field(p, line) : 0;
	case LINE_MORE:
		if (!p->continues)
			section_spoil(
				p, p->open ? "begins with a blank, but there is no field that it could continue"
					   : "stands before the first section");
		else if (in_section)
			s->field[s->n - 1].end = p->p;
		return 0;
	case LINE_PGP_OPEN:
		section_spoil(p, "begins a signed message in the middle of the file");
		return 0;
	case LINE_PGP_CLOSE:
		section_spoil(p, "begins a signature, but nothing was signed");
		return 0;
	case LINE_BAD:
		section_spoil(p, line->fault);
		return 0;
	case LINE_NOTHING:
		break;
	}
	return 0;
}

/* The armor's headers: everything to the first empty line. */
static int skip_armor(struct parser *p)
{
	struct slice s;
	bool whole;

	while (take_line(&p->p, p->end, &s, &whole)) {
		p->number++;
		if (s.n == 0)
			return 0;
	}
	return fail(p->why, -EBADMSG, "'%s' is cut off: its signed message has no text", p->path);
}

/* Returns 1 at the end of the signed text. */
static int parse_line(struct parser *p, struct slice s, bool whole)
{
	struct line line = line_of(s, whole);

	if (line.kind == LINE_PGP_OPEN && !p->sections && !p->fault && !p->index->is_signed) {
		p->index->is_signed = true;
		return skip_armor(p);
	}
	if (line.kind == LINE_PGP_CLOSE && p->index->is_signed)
		return 1;
	/* A header that can't be read still ends the section before it. */
	if (line.kind == LINE_BAD && s.p[0] == '[') {
		int r = section_begin(p, (struct slice){ 0 });

		if (r < 0)
			return r;
	}
	return accept_line(p, &line);
}

static int parse_lines(struct parser *p)
{
	struct slice s;
	bool whole;
	int r = 0;

	while (r == 0 && take_line(&p->p, p->end, &s, &whole)) {
		p->number++;
		r = parse_line(p, s, whole);
	}
	if (r < 0)
		return r;
	if (p->index->is_signed && r == 0)
		return fail(p->why, -EBADMSG, "'%s' is cut off: the signature at its end is missing", p->path);
	if (p->fault && !p->sections)
		return fail(p->why, -EBADMSG, "'%s' is not a virt-builder index: line %u %s", p->path,
			    p->fault_line, p->fault);
	return section_end(p);
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
	struct parser p = { .p = bytes,
			    .end = bytes + count,
			    .path = path,
			    .index = &index,
			    .complaints = complaints,
			    .why = why };
	int r;

	*ret = index;
	if (count > INDEX_BYTES_MAX)
		return fail(why, -EFBIG, "'%s' has %zu bytes, an index may have %" PRIu64, path, count,
			    INDEX_BYTES_MAX);
	r = parse_lines(&p);
	if (r == 0)
		r = drop_duplicates(&p);
	free(p.section.field);
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
