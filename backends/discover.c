/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/discover.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/store.h"
#include "backends/library/library.h"
#include "backends/magic.h"
#include "base/text.h"

/* A qcow2 in a tar in a gzip is what people have; more than this is a trap. */
#define WRAPPINGS_MAX 4

#define SIDECAR		"facts"
#define SIDECAR_VERSION 2 /* 1: media were what they were called */

/* The template's facts, as far as the library knows them. */
static int start_tags(const struct template *t, struct tags *ret)
{
	int r = tags_set(ret, "template", t->name);

	if (r == 0)
		r = tags_set(ret, "at", t->url ? "url" : template_is_export(t) ? "nbd" : "file");
	if (r == 0)
		r = tags_set(ret, "arch", t->arch);
	if (r == 0 && t->codec)
		r = tags_set(ret, "codec", t->codec);
	if (r == 0 && t->format)
		r = tags_set(ret, "format", t->format);
	if (r == 0 && t->expand)
		r = tags_set_u64(ret, "grow", t->expand);
	if (r == 0 && t->lvexpand)
		r = tags_set(ret, "lvgrow", t->lvexpand);
	return r;
}

/* ---- what is remembered ---- */

static const char *const remembered[] = { "codec", "format", "reader", "size", "unread" };

#define N_REMEMBERED (sizeof(remembered) / sizeof(remembered[0]))

/* A line for each fact, "codec=xz,tar"; first what the library had said, which the others follow from. */
static char *said_line(const struct template *t)
{
	return text_new("said=%s %s\n", t->codec ?: "", t->format ?: "");
}

static void remember(struct context *context, const struct template *t, const struct tags *facts)
{
	_cleanup_free_ char *said = said_line(t);
	_cleanup_(text_done) struct text lines = TEXT_EMPTY;

	text_add(&lines, "%s", said ?: "");
	for (size_t i = 0; i < N_REMEMBERED; i++)
		if (tags_has(facts, remembered[i]))
			text_add(&lines, "%s=%s\n", remembered[i], tags_get(facts, remembered[i]));
	if (said && !lines.error)
		store_sidecar_write(context->store, t->identity, SIDECAR, SIDECAR_VERSION, lines.chars,
				    lines.len);
}

static int take_line(const char *line, size_t count, struct tags *facts)
{
	char value[128];

	for (size_t i = 0; i < N_REMEMBERED; i++) {
		const size_t n = strlen(remembered[i]);

		if (count <= n || count - n > sizeof(value) || line[n] != '=' ||
		    memcmp(line, remembered[i], n) != 0)
			continue;
		memcpy(value, line + n + 1, count - n - 1);
		value[count - n - 1] = '\0';
		return tags_set(facts, remembered[i], value);
	}
	return -ENOENT;
}

/* The store answers for the bytes; they are ours, or not there. */
static int recall(struct context *context, const struct template *t, struct tags *facts)
{
	_cleanup_free_ char *said = said_line(t);
	_cleanup_free_ void *bytes = NULL;
	const char *at, *end, *newline;
	size_t count;
	int r = store_sidecar_read(context->store, t->identity, SIDECAR, SIDECAR_VERSION, &bytes, &count);

	if (r < 0 || !said)
		return r < 0 ? r : -ENOMEM;
	if (count <= strlen(said) || memcmp(bytes, said, strlen(said)) != 0)
		return -ENOENT;
	at = (const char *)bytes + strlen(said);
	end = (const char *)bytes + count;
	for (; r == 0 && at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
		r = take_line(at, (size_t)(newline - at), facts);
	return r < 0 ? r : tags_has(facts, "size") ? 0 : -ENOENT;
}

/* ---- looking ---- */

static int open_to(struct context *context, struct template *t, const struct tags *start, const char *format,
		   struct image **ret, struct why *why)
{
	static const char *const without[] = { "template", "at", "codec", NULL };
	const char *const must[] = { format ? "format" : NULL, NULL };
	_cleanup_(tags_done) struct tags want = { 0 };
	_cleanup_(plan_freep) struct plan *plan = NULL;
	int r = format ? tags_set(&want, "format", format) : 0;

	if (r == 0)
		r = plan_make(registry_transitions(), start, &(struct plan_goal){ &want, must, without }, &plan,
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
 * they are there. They only decide what nobody stated; what is served comes
 * from units that were made to their end.
 */
static int peek(struct image *img, uint8_t *buf, size_t *count, struct why *why)
{
	struct peek p = { { peek_write }, buf, min_u64(*count, img->size) };
	struct unit unit;
	int r;

	if (image_units(img) == 0) {
		*count = p.want;
		return image_pread(img, buf, p.want, 0, why);
	}
	unit = image_unit(img, 0);
	*count = p.want = min_u64(p.want, unit.length);
	r = image_make(img, &unit, &p.sink, why);
	return r == -ECANCELED ? 0 : r;
}

static int find_magic(struct image *img, bool and_tail, const struct magic **ret, struct why *why)
{
	_cleanup_free_ uint8_t *head = calloc(1, MAGIC_HEAD);
	uint8_t tail[MAGIC_TAIL];
	size_t count = MAGIC_HEAD;
	int r = head ? peek(img, head, &count, why) : -ENOMEM;

	if (r < 0)
		return r;
	*ret = magic_of_head(head, count);
	if (*ret || !and_tail || image_units(img) != 0 || img->size < sizeof(tail))
		return 0;
	r = image_pread(img, tail, sizeof(tail), img->size - sizeof(tail), why);
	*ret = r < 0 ? NULL : magic_of_tail(tail);
	return r;
}

/* Where the first unit is too short to show what a medium is. */
static int find_medium(struct context *context, struct template *t, const struct tags *facts,
		       const struct magic **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_free_ uint8_t *head = malloc(MAGIC_HEAD);
	int r = head ? open_to(context, t, facts, "raw", &img, why) : -ENOMEM;

	if (r < 0 || img->size < MAGIC_HEAD)
		return r;
	r = image_pread(img, head, MAGIC_HEAD, 0, why);
	*ret = r < 0 ? NULL : magic_of_head(head, MAGIC_HEAD);
	return r;
}

/* A medium is served as it is: no reader would find out later that it is none. */
static int check_medium(struct context *context, struct template *t, const struct tags *facts,
			struct image *img, const struct magic *m, struct why *why)
{
	int r = !m && image_units(img) != 0 ? find_medium(context, t, facts, &m, why) : 0;

	if (r < 0 || (m && strcmp(m->name, "iso") == 0))
		return r;
	return fail(why, -EBADMSG, "'%s' is called an ISO 9660 image, and is %s", t->path,
		    m ? m->name : "none");
}

static int add_codec(struct tags *facts, const char *codec)
{
	const char *chain = tags_get(facts, "codec");
	_cleanup_free_ char *longer = text_new("%s%s%s", chain ?: "", chain ? "," : "", codec);

	return longer ? tags_set(facts, "codec", longer) : -ENOMEM;
}

/*
 * Takes off what is known, and looks at what comes out: another wrapping, or the disk.
 * Bytes that show a format are believed more than a name or an index that says another
 * one, but for raw: what stands in a raw disk may have been written by a guest. What is
 * called a medium is one.
 */
static int unwrap(struct context *context, struct template *t, struct tags *facts, struct image **ret,
		  struct why *why)
{
	for (unsigned depth = 0; depth <= WRAPPINGS_MAX; depth++) {
		_cleanup_(image_unrefp) struct image *img = NULL;
		const struct magic *m = NULL;
		int r = open_to(context, t, facts, /* format= */ NULL, &img, why);

		if (r == 0 && !tags_is(facts, "format", "raw"))
			r = find_magic(img, !tags_has(facts, "format"), &m, why);
		if (r < 0)
			return r;
		if (m && m->kind == MAGIC_UNREADABLE)
			return fail(why, -EOPNOTSUPP, "'%s' holds what is %s", t->path, m->name);
		if (m && m->kind == MAGIC_CODEC) {
			r = add_codec(facts, m->name);
			if (r < 0)
				return r;
			continue;
		}
		if (tags_is(facts, "format", "iso"))
			r = check_medium(context, t, facts, img, m, why);
		else if (m || !tags_has(facts, "format"))
			r = tags_set(facts, "format", m ? m->name : "raw");
		if (r == 0)
			*ret = take(img);
		return r;
	}
	return fail(why, -EOPNOTSUPP, "'%s' is wrapped more than %u times", t->path, WRAPPINGS_MAX);
}

/* Opens the disk in the format, in the process or, where that does not know how, by QEMU. */
static int open_disk(struct context *context, struct template *t, struct tags *facts, struct image **img,
		     struct why *why)
{
	struct image *disk = NULL;
	int r = open_to(context, t, facts, "raw", &disk, why);

	if (r == -EOPNOTSUPP && tags_is(facts, "format", "qcow2") && tags_set(facts, "reader", "qemu") == 0 &&
	    open_to(context, t, facts, "raw", &disk, NULL) == 0)
		r = 0;
	if (r < 0)
		return r;
	image_unref(*img);
	*img = disk;
	return 0;
}

static int look(struct context *context, struct template *t, struct tags *facts, struct image **ret,
		struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = unwrap(context, t, facts, &img, why);

	if (r == 0 && !tags_is(facts, "format", "raw") && !tags_is(facts, "format", "iso")) {
		r = tags_set(facts, "unread", "yes");
		if (r == 0)
			r = open_disk(context, t, facts, &img, why);
	}
	if (r == 0)
		r = tags_set_u64(facts, "size", img->size);
	if (r == 0)
		*ret = take(img);
	return r;
}

int discover(struct context *context, struct template *t, struct tags *ret, struct image **ret_image,
	     struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	uint64_t size = 0;
	int r = start_tags(t, ret);

	if (r == 0 && recall(context, t, ret) < 0) {
		tags_done(ret);
		r = start_tags(t, ret);
		if (r == 0)
			r = look(context, t, ret, &img, why);
		/* Of a plain raw file there is nothing to remember. */
		if (r == 0 && (tags_has(ret, "codec") || !tags_is(ret, "format", "raw")))
			remember(context, t, ret);
	}
	if (r < 0)
		return r;
	(void)tags_get_u64(ret, "size", &size);
	if (t->size && t->size != size)
		return fail(why, -EBADMSG,
			    "'%s' holds an image of %" PRIu64 " bytes, the index says size=%" PRIu64, t->path,
			    size, t->size);
	if (ret_image)
		*ret_image = take(img);
	return 0;
}
