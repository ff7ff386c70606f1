/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/resolve.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "backends/cache/fetched.h"
#include "backends/cache/verified.h"
#include "backends/describe.h"
#include "backends/discover.h"
#include "base/bytes.h"
#include "base/patience.h"
#include "base/size.h"
#include "fs/judge.h"

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
	return r->text ?: r->template->stands_for;
}

uint64_t resolve_size(struct context *context, struct template *t)
{
	_cleanup_(tags_done) struct tags start = { 0 };
	_cleanup_(template_unrefp) struct template *met = NULL;
	uint64_t size = 0;
	bool was_casual;

	/* An index's word for a remote one: to ask the server would take as long as the network does. */
	if (t->url && t->size)
		return t->size;
	was_casual = patience_casual(true);
	if (registry_meet(context, t, &met, NULL) == 0 && discover(context, met, &start, NULL, NULL) == 0)
		(void)tags_get_u64(&start, "size", &size);
	(void)patience_casual(was_casual);
	return size;
}

/* ---- the library's promises ---- */

static enum verify verify_how(const struct context *context, const struct template *t)
{
	if (!is_promised(t))
		return VERIFY_OFF;
	if (context->verify != VERIFY_AS_FITS)
		return context->verify;
	return t->url ? VERIFY_BEFORE : VERIFY_BEHIND;
}

const char *resolve_verdict(struct context *context, struct template *t, char *buf)
{
	_cleanup_(template_unrefp) struct template *met = NULL;
	enum verdict_state state = VERDICT_UNVERIFIED;
	unsigned percent = 0;

	if (!is_promised(t))
		return NULL;
	if (registry_recall(context, t, &met) == 0)
		state = verdicts_state(context->verdicts, met->identity, &percent, NULL);
	return verdict_text(buf, state, percent);
}

/* The file, under all that was made of it. */
static struct image *file_of(struct image *img)
{
	struct image *fetched = fetched_below(img);

	while (!fetched && img->below)
		img = img->below;
	return fetched ?: img;
}

/* Puts the verdict on its file before an image's data. */
static int guard(struct context *context, struct template *t, struct image **img, struct why *why)
{
	_cleanup_(judge_unrefp) struct judge *judge = NULL;
	struct promise promise;
	const enum verify how = verify_how(context, t);
	struct image *guarded;
	int r;

	if (how == VERIFY_OFF)
		return 0;
	r = judge_by_signature(context->net, t, &judge);
	if (r < 0)
		return r;
	promise = promise_of(t, judge);
	r = verified_image_new(context->verdicts, &promise, how, *img, file_of(*img), &guarded, why);
	if (r < 0)
		return r;
	image_unref(*img);
	*img = guarded;
	return 0;
}

enum purpose {
	TO_TELL, /* what is right */
	TO_LOOK, /* whether it can be met: reads may still have to wait for a check */
	TO_READ, /* at once */
};

/* The way to an image goal; what was reached before an error stays for the explanation. */
struct way {
	enum purpose purpose;
	struct goal goal;
	struct template *listed;   /* as the library has it */
	struct template *template; /* as it was met */
	struct tags start;
	struct image *opened; /* holds the shared beginning open meanwhile */
	struct plan *plan;
	struct image *image;
};

static void way_done(struct way *w)
{
	goal_done(&w->goal);
	template_unref(w->listed);
	template_unref(w->template);
	tags_done(&w->start);
	image_unref(w->opened);
	plan_free(w->plan);
	image_unref(w->image);
}

/*
 * A file that was rejected stays so, but its server may have got a right one
 * since. Then 0; else why it was rejected.
 */
static int check_rejected(struct context *context, struct way *w, struct why *why)
{
	struct why reason = { "" };

	if (verify_how(context, w->template) == VERIFY_OFF ||
	    verdicts_state(context->verdicts, w->template->identity, NULL, &reason) != VERDICT_REJECTED)
		return 0;
	if (registry_recheck(context, w->listed, w->template, NULL) <= 0)
		return fail(why, -EBADMSG, "%s", reason.text);
	template_unref(take(w->template));
	return registry_meet(context, w->listed, &w->template, why);
}

/*
 * Reads will wait for all of the file: it may as well come while it is being found
 * out what is in it. If it can't be begun, the first read says so.
 */
static void begin_verdict(struct context *context, struct template *t)
{
	_cleanup_(judge_unrefp) struct judge *judge = NULL;
	_cleanup_(image_unrefp) struct image *file = NULL;
	struct promise promise;

	if (registry_open_file(context, t, &file, NULL) < 0 || judge_by_signature(context->net, t, &judge) < 0)
		return;
	promise = promise_of(t, judge);
	(void)verdicts_begin(context->verdicts, &promise, file, NULL);
}

static int open_way(struct context *context, struct way *w, struct why *why)
{
	int r = registry_meet(context, w->listed, &w->template, why);

	if (r == 0)
		r = check_rejected(context, w, why);
	if (r == 0 && w->purpose == TO_READ && verify_how(context, w->template) == VERIFY_BEFORE)
		begin_verdict(context, w->template);
	if (r == 0)
		r = discover(context, w->template, &w->start, &w->opened, why);
	if (r == 0)
		r = plan_make(registry_transitions(), &w->start,
			      &(struct plan_goal){ &w->goal.want, plan_image_must, plan_image_without },
			      &w->plan, why);
	if (r == 0)
		r = (w->purpose == TO_LOOK ? registry_look : registry_open)(context, w->template, w->plan,
									    &w->image, why);
	return r;
}

/* What was opened, given back, so that it can be opened anew. */
static void close_way(struct way *w)
{
	template_unref(take(w->template));
	tags_done(&w->start);
	image_unref(take(w->opened));
	plan_free(take(w->plan));
	image_unref(take(w->image));
}

/*
 * Whether the file was replaced on its server: what is there now is what the name
 * stands for. What is damaged may have been put right, or have been something
 * else that somebody on the way had put in its place.
 */
static bool is_outdated(struct context *context, struct way *w, int r)
{
	if (r == -EBADMSG && w->template)
		return registry_recheck(context, w->listed, w->template, NULL) > 0;
	if (r != -ESTALE && (r < 0 || !image_is_stale(w->image)))
		return false;
	registry_forget(context, w->listed);
	return true;
}

static int open_current_way(struct context *context, struct way *w, struct why *why)
{
	int r = open_way(context, w, why);

	if (w->listed->url && is_outdated(context, w, r)) {
		close_way(w);
		r = open_way(context, w, why);
	}
	return r;
}

static int begin_way(struct library *library, const char *name, struct way *w, struct why *why)
{
	int r = goal_parse(name, &w->goal, why);

	if (r < 0)
		return r;
	if (w->goal.kind != GOAL_IMAGE)
		return fail(why, -EINVAL, "'%s' is a text, and texts have no plan", name);
	return library_find(library, w->goal.template, w->goal.arch, &w->listed, why);
}

static int end_way(struct context *context, struct way *w, struct why *why)
{
	int r = open_current_way(context, w, why);

	return r < 0 ? r : guard(context, w->template, &w->image, why);
}

/* Of a way that was begun. */
static int resolve_image(struct context *context, struct way *w, struct resolved *ret, struct why *why)
{
	_cleanup_(text_done) struct text line = TEXT_EMPTY;
	int r = end_way(context, w, why);

	if (r < 0)
		return r;
	plan_line(w->plan, &line);
	r = text_take(&line, &ret->plan);
	if (r < 0)
		return r;
	ret->template = take(w->template);
	ret->image = take(w->image);
	ret->size = ret->image->size;
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
		    int *ret_goal, struct why *why)
{
	_cleanup_(way_done) struct way w = { 0 };
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	int r = begin_way(library, name, &w, why);

	if (r == 0)
		r = end_way(context, &w, why);
	if (r == -ENOMEM || r == -EINTR)
		return r;
	text_add(&t, "name      %s\n", name);
	if (r == 0) {
		plan_text(w.plan, &t);
		explain_opened(&w, &t);
	} else if (w.plan) {
		/* A plan that can't be carried out with this template. */
		text_add(&t, "refused   %s\n\n", why_text(why, r));
		plan_text(w.plan, &t);
	} else {
		plan_none_text(&w.start, &w.goal.want, why_text(why, r), &t);
	}
	*ret_goal = r;
	return text_take(&t, ret);
}

/* For whom the text is all there is. */
static int explain(struct context *context, struct library *library, const char *name, char **ret)
{
	struct why why = { "" };
	int goal;

	return resolve_explain(context, library, name, ret, &goal, &why);
}

/* How long the server of a template is waited for, only to tell what is on its disk. */
#define DESCRIBE_PATIENCE_MS 60000

/*
 * What is on the template's own disk. Unguarded: names, sizes and identifiers are told as
 * lookups find them out, before there is a verdict, and reading must not wait for one.
 */
static int describe_disk(struct context *context, struct template *t, struct json_object *into, struct why *why)
{
	_cleanup_(way_done) struct way w = { .listed = template_ref(t) };
	_cleanup_free_ char *name = text_new("%s.raw", t->name);
	int r = name ? goal_parse(name, &w.goal, why) : -ENOMEM;

	if (r == 0)
		r = open_current_way(context, &w, why);
	return r < 0 ? r : disk_describe(w.image, into);
}

/* Fails only if memory ran out, or who asked has gone: all else is a part of what there is to tell. */
static int describe_template(struct context *context, struct template *t, struct json_object *into)
{
	struct patience_limit limit;
	struct why why = { "" };
	int r;

	if (t->url)
		patience_limit_begin(&limit, DESCRIBE_PATIENCE_MS);
	r = describe_disk(context, t, into, &why);
	if (t->url)
		patience_limit_end(&limit);
	if (r == 0 || r == -ENOMEM || (r == -EINTR && patience_lost()))
		return r;
	if (r == -EINTR)
		(void)fail(&why, r, "its server takes its time: what is told here is not all there is");
	(void)json_object_object_add(into, "why", json_object_new_string(why_text(&why, r)));
	return 0;
}

static int json_of_template(struct context *context, struct template *t, struct text *out)
{
	_cleanup_(template_unrefp) struct template *met = NULL;
	struct json_object *disk = json_object_new_object();
	char verdict[VERDICT_TEXT_MAX];
	int r = describe_template(context, t, disk);

	if (r < 0) {
		(void)json_object_put(disk);
		return r;
	}
	(void)registry_recall(context, t, &met);
	return template_json(met ?: t, resolve_size(context, t), resolve_verdict(context, t, verdict), disk,
			     out);
}

static int text_of_template(struct context *context, const struct goal *goal, struct template *t, char **ret,
			    struct why *why)
{
	_cleanup_(text_done) struct text out = TEXT_EMPTY;
	const char *notes = template_notes(t);
	int r = 0;

	if (goal->kind == GOAL_JSON)
		r = json_of_template(context, t, &out);
	else if (notes)
		text_add(&out, "%s%s", notes, *notes && notes[strlen(notes) - 1] == '\n' ? "" : "\n");
	return r < 0 ? r : text_take(&out, ret);
}

int resolve_template(struct library *library, const char *name, struct template **ret)
{
	_cleanup_(goal_done) struct goal goal = { 0 };
	int r = goal_parse(name, &goal, NULL);

	if (r < 0)
		return r;
	if (goal.kind == GOAL_PLAN)
		return resolve_template(library, goal.image_name, ret);
	r = library_find(library, goal.template, goal.arch, ret, NULL);
	return r == -ENOENT ? library_find_rejected(library, goal.template, goal.arch, ret) : r;
}

char *resolve_stands_for(struct template *t)
{
	_cleanup_(template_unrefp) struct template *met = template_met(t);
	const char *identity = (met ?: t)->stands_for;

	return identity ? strdup(identity) : NULL;
}

static int resolve_text(struct context *context, struct library *library, const struct goal *goal,
			struct resolved *ret, struct why *why)
{
	_cleanup_(template_unrefp) struct template *t = NULL;
	int r;

	if (goal->kind == GOAL_PLAN) {
		/* What is found out about a template is as private as it is. */
		(void)resolve_template(library, goal->image_name, &ret->template);
		r = explain(context, library, goal->image_name, &ret->text);
		if (r == 0 && !ret->template)
			(void)resolve_template(library, goal->image_name, &ret->template);
		return r;
	}
	r = library_find(library, goal->template, goal->arch, &t, why);
	if (r == 0)
		r = text_of_template(context, goal, t, &ret->text, why);
	if (r == 0)
		ret->template = take(t);
	return r;
}

/* Whether the image is the very one that the index describes. */
static bool is_as_listed(const struct goal *goal, const struct template *t)
{
	for (size_t i = 0; i < goal->want.n; i++) {
		const char *key = goal->want.tag[i].key;
		uint64_t size;

		if (strcmp(key, "size") == 0 ? !tags_get_u64(&goal->want, key, &size) || size != t->size
					     : strcmp(key, "format") != 0 && strcmp(key, "arch") != 0)
			return false;
	}
	return t->size && t->format && strcmp(t->format, "raw") == 0 && tags_is(&goal->want, "format", "raw");
}

static bool is_rejected(struct context *context, struct template *t)
{
	char verdict[VERDICT_TEXT_MAX];
	const char *text = resolve_verdict(context, t, verdict);

	return text && strcmp(text, "rejected") == 0;
}

static void promise_as_listed(struct template *t, struct resolved *ret)
{
	ret->size = t->size;
	ret->template = template_ref(t);
}

bool resolve_at_once(struct context *context, const struct goal *goal, struct template *t, struct resolved *ret)
{
	if (!t->url || !t->claim || !is_as_listed(goal, t) || is_rejected(context, t))
		return false;
	promise_as_listed(t, ret);
	return true;
}

/*
 * A local template's file is here, and may say itself what it unpacks to: to look for its zeros
 * as well, and to begin a file in the store, takes longer than all else that a long listing asks for.
 */
static bool is_promised_by_file(struct context *context, const struct goal *goal, struct template *t,
				struct resolved *ret)
{
	uint64_t size;

	if (t->url || !is_as_listed(goal, t) || registry_size(context, t, &size, NULL) < 0 || size != t->size ||
	    is_rejected(context, t))
		return false;
	promise_as_listed(t, ret);
	return true;
}

/* Without opening what the way leads through. */
static bool is_promised_unopened(struct context *context, const struct way *w, struct resolved *ret)
{
	return resolve_at_once(context, &w->goal, w->listed, ret) ||
	       is_promised_by_file(context, &w->goal, w->listed, ret);
}

static int resolve_name(struct context *context, struct library *library, const char *name,
			enum purpose purpose, struct resolved *ret, struct why *why)
{
	_cleanup_(way_done) struct way w = { .purpose = purpose };
	_cleanup_(goal_done) struct goal goal = { 0 };
	int r = goal_parse(name, &goal, why);

	if (r < 0)
		return r;
	if (goal.kind != GOAL_IMAGE)
		return resolve_text(context, library, &goal, ret, why);
	r = begin_way(library, name, &w, why);
	if (r < 0 || (purpose == TO_LOOK && is_promised_unopened(context, &w, ret)))
		return r;
	return resolve_image(context, &w, ret, why);
}

int resolve(struct context *context, struct library *library, const char *name, struct resolved *ret,
	    struct why *why)
{
	return resolve_name(context, library, name, TO_TELL, ret, why);
}

int resolve_to_read(struct context *context, struct library *library, const char *name, struct resolved *ret,
		    struct why *why)
{
	return resolve_name(context, library, name, TO_READ, ret, why);
}

int resolve_promise(struct context *context, struct library *library, const char *name, struct resolved *ret,
		    struct why *why)
{
	return resolve_name(context, library, name, TO_LOOK, ret, why);
}
