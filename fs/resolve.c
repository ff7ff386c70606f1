/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/resolve.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"

void resolved_done(struct resolved *r)
{
	template_unref(r->template);
	image_unref(r->image);
	free(r->text);
	free(r->plan);
	*r = (struct resolved){ 0 };
}

const char *resolved_identity(const struct resolved *r)
{
	return r->text ?: r->template->identity;
}

/* The template's facts, as far as the library knows them. */
static int start_tags(const struct template *t, struct tags *ret)
{
	int r = tags_set(ret, "template", t->name);

	if (r == 0)
		r = tags_set(ret, "at", "file");
	if (r == 0)
		r = tags_set(ret, "arch", t->arch);
	if (r == 0 && t->codec == CODEC_XZ)
		r = tags_set(ret, "codec", "xz");
	if (r == 0 && t->format)
		r = tags_set(ret, "format", t->format);
	if (r == 0 && t->expand)
		r = tags_set_u64(ret, "grow", t->expand);
	return r;
}

/* The file, opened and decodable, but nothing more: enough to know its size. */
static int open_decoded(struct context *context, struct template *t, const struct tags *start,
			struct image **ret, struct why *why)
{
	static const char *const must[] = { NULL };
	static const char *const without[] = { "template", "at", "codec", NULL };
	_cleanup_(tags_done) struct tags want = { 0 };
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = plan_make(registry_transitions(), start, &(struct plan_goal){ &want, must, without }, &plan,
			  why);

	return r < 0 ? r : registry_open(context, t, plan, ret, why);
}

struct peek {
	struct sink sink;
	uint8_t *buf;
	size_t want;
};

static int peek_write(struct sink *sink, const void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct peek *p = (struct peek *)sink;

	if (offset < p->want)
		memcpy(p->buf + offset, buf, min_u64(count, p->want - offset));
	return offset + count >= p->want ? -ECANCELED : 0;
}

/*
 * The image's first bytes, cheaply and unchecked: a unit is given up as soon as
 * they are there. They only decide which format nobody stated; what is served
 * comes from units that were made to their end.
 */
static int peek(struct image *img, uint8_t *buf, size_t count, struct why *why)
{
	struct peek p = { { peek_write }, buf, min_u64(count, img->size) };
	struct unit unit;
	int r;

	memset(buf, 0, count);
	if (image_units(img) == 0)
		return image_pread(img, buf, p.want, 0, why);
	unit = image_unit(img, 0);
	r = image_make(img, &unit, &p.sink, why);
	return r == -ECANCELED ? 0 : r;
}

/* Adds to a template's facts what only its bytes can tell: size, and the format when nobody says. */
static int measure(struct context *context, struct template *t, struct tags *start, struct image **ret,
		   struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	uint8_t head[512];
	const char *format;
	int r = open_decoded(context, t, start, &img, why);

	if (r < 0)
		return r;
	if (!t->format) {
		r = peek(img, head, sizeof(head), why);
		if (r < 0)
			return r;
		format = template_magic_format(head, sizeof(head));
		r = tags_set(start, "format", format ?: "raw");
	}
	/* Other formats hold the virtual size inside; whoever reads them will say it. */
	if (r == 0 && tags_is(start, "format", "raw")) {
		if (t->size && t->size != img->size)
			return fail(why, -EBADMSG,
				    "'%s' holds an image of %" PRIu64 " bytes, the index says size=%" PRIu64,
				    t->path, img->size, t->size);
		r = tags_set_u64(start, "size", img->size);
	}
	if (r == 0)
		*ret = take(img);
	return r;
}

uint64_t resolve_size(struct context *context, struct template *t)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(tags_done) struct tags start = { 0 };
	uint64_t size = 0;

	if (start_tags(t, &start) == 0 && measure(context, t, &start, &img, NULL) == 0)
		(void)tags_get_u64(&start, "size", &size);
	return size;
}

/* The way to an image goal; what was reached before an error stays for the explanation. */
struct way {
	struct goal goal;
	struct template *template;
	struct tags start;
	struct image *decoded; /* holds the shared beginning open meanwhile */
	struct plan *plan;
	struct image *image;
};

static void way_done(struct way *w)
{
	goal_done(&w->goal);
	template_unref(w->template);
	tags_done(&w->start);
	image_unref(w->decoded);
	plan_free(w->plan);
	image_unref(w->image);
}

static int find_way(struct context *context, struct library *library, const char *name, struct way *w,
		    struct why *why)
{
	int r = goal_parse(name, &w->goal, why);

	if (r < 0)
		return r;
	if (w->goal.kind != GOAL_IMAGE)
		return fail(why, -EINVAL, "'%s' is not an image", name);
	r = library_find(library, w->goal.template, w->goal.arch, &w->template, why);
	if (r == 0)
		r = start_tags(w->template, &w->start);
	if (r == 0)
		r = measure(context, w->template, &w->start, &w->decoded, why);
	if (r == 0)
		r = plan_make(registry_transitions(), &w->start,
			      &(struct plan_goal){ &w->goal.want, plan_image_must, plan_image_without },
			      &w->plan, why);
	if (r == 0)
		r = registry_open(context, w->template, w->plan, &w->image, why);
	return r;
}

static int resolve_image(struct context *context, struct library *library, const char *name,
			 struct resolved *ret, struct why *why)
{
	_cleanup_(way_done) struct way w = { 0 };
	_cleanup_(text_done) struct text line = TEXT_EMPTY;
	int r = find_way(context, library, name, &w, why);

	if (r < 0)
		return r;
	plan_line(w.plan, &line);
	r = text_take(&line, &ret->plan);
	if (r < 0)
		return r;
	ret->template = take(w.template);
	ret->image = take(w.image);
	return 0;
}

/* What opening found out, besides the steps' own lines. */
static void explain_opened(const struct way *w, struct text *t)
{
	char bytes[SIZE_TEXT_MAX], data[SIZE_TEXT_MAX];

	text_add(t, "\nopened    %s\n", w->template->path);
	image_describe(w->image, t);
	text_add(t, "    the file has %" PRIu64 " bytes (%s), %s of them data\n", w->image->size,
		 size_human(bytes, w->image->size), size_human(data, image_data_bytes(w->image)));
}

int resolve_explain(struct context *context, struct library *library, const char *name, char **ret,
		    struct why *why)
{
	_cleanup_(way_done) struct way w = { 0 };
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	struct why reason = { "" };
	int r = find_way(context, library, name, &w, &reason);

	if (r == -ENOMEM || r == -EINTR)
		return r;
	text_add(&t, "name      %s\n", name);
	if (r == 0) {
		plan_text(w.plan, &t);
		explain_opened(&w, &t);
	} else if (w.plan) {
		/* A plan that can't be carried out with this template. */
		text_add(&t, "refused   %s\n\n", why_text(&reason, r));
		plan_text(w.plan, &t);
	} else {
		plan_none_text(&w.start, &w.goal.want, why_text(&reason, r), &t);
	}
	return text_take(&t, ret);
}

static int text_of_template(struct context *context, const struct goal *goal, struct template *t, char **ret,
			    struct why *why)
{
	_cleanup_(text_done) struct text out = TEXT_EMPTY;
	const char *notes = template_notes(t);
	int r = 0;

	if (goal->kind == GOAL_JSON)
		r = template_json(t, resolve_size(context, t), &out);
	else if (notes)
		text_add(&out, "%s%s", notes, *notes && notes[strlen(notes) - 1] == '\n' ? "" : "\n");
	return r < 0 ? r : text_take(&out, ret);
}

int resolve(struct context *context, struct library *library, const char *name, struct resolved *ret,
	    struct why *why)
{
	_cleanup_(goal_done) struct goal goal = { 0 };
	_cleanup_(template_unrefp) struct template *t = NULL;
	int r = goal_parse(name, &goal, why);

	if (r < 0)
		return r;
	if (goal.kind == GOAL_IMAGE)
		return resolve_image(context, library, name, ret, why);
	if (goal.kind == GOAL_PLAN)
		return resolve_explain(context, library, goal.image_name, &ret->text, why);
	r = library_find(library, goal.template, goal.arch, &t, why);
	if (r == 0)
		r = text_of_template(context, &goal, t, &ret->text, why);
	if (r == 0)
		ret->template = take(t);
	return r;
}
