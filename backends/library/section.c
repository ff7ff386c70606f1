/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virt-builder gives up the whole file for one bad character. Here a bad line
 * costs the section it stands in: reading goes on at the next section's header,
 * which can't be mistaken, since text lines begin with a blank.
 *
 * A field keeps pointers into the text. A section is handed on when the next one
 * begins, or the text ends. What a line is says index_line.c.
 */
#include "backends/library/section.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"

struct parser {
	const char *p, *end;
	unsigned number; /* of the line read last */
	const char *path;
	const struct section_reader *reader;
	struct section section; /* its fields are owned, reused from section to section */
	size_t room;		/* for them */
	bool open;		/* false before the first header */
	bool bad;		/* the section has been complained about */
	bool continues;		/* a continuation is welcome */
	bool is_signed;
	unsigned sections;
	unsigned fault_line; /* the first bad line, for files that are nothing of the kind */
	const char *fault;
	struct complaints *complaints;
	struct why *why;
};

void section_complain(const struct section *s, const char *path, unsigned line, const char *text,
		      struct complaints *complaints)
{
	if (s->name.n)
		complain(complaints, "%s:%u: [%.*s]: %s", path, line, (int)min_u64(s->name.n, 255), s->name.p,
			 text);
	else
		complain(complaints, "%s:%u: %s", path, line, text);
}

static int end_section(struct parser *p)
{
	return p->open ? p->reader->end(p->reader->arg, &p->section, p->bad) : 0;
}

static void spoil_section(struct parser *p, const char *fault)
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
static int begin_section(struct parser *p, struct slice name)
{
	struct section *s = &p->section;
	int r = end_section(p);

	if (r < 0)
		return r;
	*s = (struct section){ .name = name, .line = p->number, .field = s->field };
	p->open = true;
	p->bad = false;
	p->continues = false;
	if (name.n && ++p->sections > p->reader->max)
		return fail(p->why, -EFBIG, "'%s' has more than %u sections", p->path, p->reader->max);
	return 0;
}

static int add_field(struct parser *p, const struct line *line)
{
	struct section *s = &p->section;

	if (s->n == SECTION_FIELDS_MAX) {
		spoil_section(p, "is one field too many for a section");
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

static void continue_field(struct parser *p)
{
	struct section *s = &p->section;

	if (!p->continues)
		spoil_section(p, p->open ? "begins with a blank, but there is no field that it could continue"
					 : "stands before the first section");
	else if (!p->bad)
		s->field[s->n - 1].end = p->p;
}

static int accept_line(struct parser *p, const struct line *line)
{
	switch (line->kind) {
	case LINE_SECTION:
		return begin_section(p, line->name);
	case LINE_FIELD:
		if (!p->open)
			spoil_section(p, "stands before the first section");
		return p->open && !p->bad ? add_field(p, line) : 0;
	case LINE_MORE:
		continue_field(p);
		return 0;
	case LINE_PGP_OPEN:
		spoil_section(p, "begins a signed message in the middle of the file");
		return 0;
	case LINE_PGP_CLOSE:
		spoil_section(p, "begins a signature, but nothing was signed");
		return 0;
	case LINE_BAD:
		spoil_section(p, line->fault);
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

	if (line.kind == LINE_PGP_OPEN && !p->sections && !p->fault && !p->is_signed) {
		p->is_signed = true;
		return skip_armor(p);
	}
	if (line.kind == LINE_PGP_CLOSE && p->is_signed)
		return 1;
	/* A header that can't be read still ends the section before it. */
	if (line.kind == LINE_BAD && s.p[0] == '[') {
		int r = begin_section(p, (struct slice){ 0 });

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
	if (p->is_signed && r == 0)
		return fail(p->why, -EBADMSG, "'%s' is cut off: the signature at its end is missing", p->path);
	if (p->fault && !p->sections)
		return fail(p->why, -EBADMSG, "'%s' is not %s: line %u %s", p->path, p->reader->noun,
			    p->fault_line, p->fault);
	return end_section(p);
}

int sections_read(const char *bytes, size_t count, const char *path, const struct section_reader *reader,
		  bool *ret_signed, struct complaints *complaints, struct why *why)
{
	struct parser p = { .p = bytes,
			    .end = bytes + count,
			    .path = path,
			    .reader = reader,
			    .complaints = complaints,
			    .why = why };
	int r = parse_lines(&p);

	free(p.section.field);
	*ret_signed = p.is_signed;
	return r;
}

/* Fields. */

static int compare_fields(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	int c = slice_compare(x->key, y->key);

	if (c == 0)
		c = slice_compare(x->qualifier, y->qualifier);
	return c ? c : (x->line > y->line) - (x->line < y->line);
}

static bool same_key(const struct field *a, const struct field *b)
{
	return slice_compare(a->key, b->key) == 0 && slice_compare(a->qualifier, b->qualifier) == 0;
}

int section_sort(struct section *s, unsigned *ret_line, struct why *why)
{
	char q[QUOTE_MAX];

	if (s->n)
		qsort(s->field, s->n, sizeof(s->field[0]), compare_fields);
	for (size_t i = 1; i < s->n; i++)
		if (same_key(&s->field[i - 1], &s->field[i])) {
			*ret_line = s->field[i].line;
			return fail(why, -EINVAL, "field '%s' stands here and in line %u",
				    quote(q, s->field[i].key.p, s->field[i].key.n), s->field[i - 1].line);
		}
	return 0;
}

const struct field *section_field(const struct section *s, const char *key, const char *qualifier)
{
	struct field want = { .key = { key, strlen(key) }, .qualifier = { qualifier, strlen(qualifier) } };
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (compare_fields(&s->field[mid], &want) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < s->n && same_key(&s->field[low], &want) ? &s->field[low] : NULL;
}

char *field_value(const struct field *f)
{
	char *value = malloc(f->first.n + (f->end - f->more) + 1), *to;
	const char *p = f->more;
	struct slice s;
	bool whole;

	if (!value)
		return NULL;
	to = mempcpy(value, f->first.p, f->first.n);
	while (take_line(&p, f->end, &s, &whole)) {
		struct line line = line_of(s, whole);

		if (line.kind == LINE_MORE) {
			*to++ = '\n';
			to = mempcpy(to, line.value.p, line.value.n);
		}
	}
	*to = '\0';
	return value;
}
