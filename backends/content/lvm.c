/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text of a volume group, as far as reading volumes needs it:
 *
 *	vg {
 *	id = "..."  seqno = 3  extent_size = 8192	(sectors)
 *	physical_volumes { pv0 { id = "..."  pe_start = 2048  pe_count = 15 } }
 *	logical_volumes { root {
 *		status = ["READ", "WRITE", "VISIBLE"]  segment_count = 1
 *		segment1 { start_extent = 0  extent_count = 4  type = "striped"
 *			   stripe_count = 1  stripes = ["pv0", 0] } } }
 *	}
 *
 * Everything but type "striped" needs a target of the device mapper that keeps records of
 * its own. A snapshot is two volumes: a hidden one of type snapshot that names the origin
 * and a store for what was changed, and the store, which is striped and bears the snapshot's name.
 */
#include "backends/content/lvm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/bytes.h"
#include "base/size.h"

/* LVM's own limit: NAME_LEN - 1. */
#define NAME_MAX_LVM 127
#define NAME_BYTES   "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-"
/* As many disks as the device mapper takes for one device. */
#define STRIPES_MAX 128
/* More than any disk image has, and few enough to look through for each of them. */
#define VOLUMES_MAX  4096
#define PHYSICAL_MAX 1024

void lvm_done(struct lvm *l)
{
	for (unsigned i = 0; i < l->n_volumes; i++) {
		for (unsigned k = 0; k < l->volume[i].n_segments; k++)
			free(l->volume[i].segment[k].extent);
		free(l->volume[i].segment);
	}
	free(l->volume);
	lvm_text_free(l->text);
	*l = (struct lvm){ 0 };
}

static bool name_ok(const char *name)
{
	size_t n = strlen(name);

	return n > 0 && n <= NAME_MAX_LVM && strspn(name, NAME_BYTES) == n;
}

/* ---- the text's meaning ---- */

/* One reading of a text. */
struct reader {
	struct lvm *to;
	uint64_t size; /* of the physical volume's image, bytes */
	const struct lvm_node *group, *pvs, *lvs;
	const char *pv; /* what the text calls this physical volume */
	struct why *why;
};

static int damaged(const struct reader *d, const char *what)
{
	return fail(d->why, -EBADMSG, "the metadata of LVM is damaged: %s", what);
}

static void copy_uuid(char to[40], const struct lvm_node *section)
{
	const char *id = lvm_node_string(section, "id");

	to[0] = '\0';
	if (id && strlen(id) == 38 && strspn(id, NAME_BYTES "!#") == 38)
		memcpy(to, id, 39);
}

/* The only section at the top. */
static int find_group(struct reader *d)
{
	const struct lvm_node *root = lvm_text_root(d->to->text);
	const char *contents = lvm_node_string(root, "contents");

	if (!contents || strcmp(contents, "Text Format Volume Group") != 0)
		return damaged(d, "it is not about a volume group");
	for (const struct lvm_node *n = root->child; n; n = n->next)
		if (n->kind == LVM_SECTION && d->group)
			return damaged(d, "it is about several volume groups");
		else if (n->kind == LVM_SECTION)
			d->group = n;
	if (!d->group || !name_ok(d->group->name))
		return damaged(d, "the volume group has no name");
	d->to->group = d->group->name;
	copy_uuid(d->to->group_uuid, d->group);
	d->pvs = lvm_node_find(d->group, "physical_volumes", LVM_SECTION);
	d->lvs = lvm_node_find(d->group, "logical_volumes", LVM_SECTION);
	return 0;
}

static int read_extents(struct reader *d, const struct lvm_node *pv)
{
	struct lvm *l = d->to;
	uint64_t extent, start, all, end;
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];

	if (!lvm_node_number(d->group, "extent_size", &extent) || !lvm_node_number(pv, "pe_start", &start) ||
	    !lvm_node_number(pv, "pe_count", &l->n_extents) || extent == 0 ||
	    __builtin_mul_overflow(extent, SECTOR, &l->extent) ||
	    __builtin_mul_overflow(start, SECTOR, &l->start) ||
	    __builtin_mul_overflow(l->extent, l->n_extents, &all) ||
	    __builtin_add_overflow(l->start, all, &end))
		return damaged(d, "the extents of the physical volume");
	if (end > d->size)
		return fail(
			d->why, -EBADMSG,
			"truncated image: volume group '%s' takes %s of the physical volume, but only %s are "
			"there",
			l->group, size_human(claimed, end), size_human(there, d->size));
	return 0;
}

static int find_physical(struct reader *d)
{
	const struct lvm_node *ours = NULL;

	for (const struct lvm_node *n = d->pvs ? d->pvs->child : NULL; n; n = n->next) {
		const char *id = lvm_node_string(n, "id");

		if (n->kind != LVM_SECTION)
			continue;
		d->to->n_physical++;
		if (id && strcmp(id, d->to->label.uuid) == 0)
			ours = n;
	}
	if (d->to->n_physical > PHYSICAL_MAX)
		return damaged(d, "too many physical volumes");
	if (!ours)
		return damaged(d, "it doesn't know the physical volume that it stands on");
	d->pv = ours->name;
	return read_extents(d, ours);
}

/* ---- volumes ---- */

__attribute__((format(printf, 2, 3))) static int cannot(struct lvm_volume *v, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	if (!v->why_not[0])
		(void)vsnprintf(v->why_not, sizeof(v->why_not), format, ap);
	va_end(ap);
	return 0;
}

/* Stripes name the physical volumes that they lie on. 1: fine. 0: not on this one alone, which is noted. */
static int take_place(struct reader *d, const struct lvm_node *n, struct lvm_volume *v)
{
	if (n->kind != LVM_STRING)
		return damaged(d, "a stripe that lies nowhere");
	if (strcmp(n->text, d->pv) == 0)
		return 1;
	if (lvm_node_find(d->pvs, n->text, LVM_SECTION))
		return cannot(v, "a part of it lies on another physical volume of its group");
	return cannot(v, "it stands on another volume");
}

static int read_stripes(struct reader *d, const struct lvm_node *list, struct lvm_volume *v,
			struct lvm_segment *s)
{
	const struct lvm_node *n = list ? list->child : NULL;
	uint64_t each = s->count / s->n_stripes;

	s->extent = calloc(s->n_stripes, sizeof(*s->extent));
	if (!s->extent)
		return -ENOMEM;
	for (unsigned i = 0; i < s->n_stripes; i++, n = n->next->next) {
		int r;

		if (!n || !n->next || n->next->kind != LVM_NUMBER || n->next->number < 0)
			return damaged(d, "a segment lacks stripes");
		r = take_place(d, n, v);
		if (r < 1)
			return r;
		s->extent[i] = (uint64_t)n->next->number;
		if (!range_ok(s->extent[i], each, d->to->n_extents))
			return damaged(d, "a segment lies behind the end of its physical volume");
	}
	return n ? damaged(d, "a segment has stripes too many") : 0;
}

static int read_striped(struct reader *d, const struct lvm_node *n, struct lvm_volume *v, struct lvm_segment *s)
{
	uint64_t stripes, size = 0;

	if (!lvm_node_number(n, "stripe_count", &stripes) || stripes == 0 || stripes > STRIPES_MAX ||
	    s->count % stripes)
		return damaged(d, "a segment with a wrong number of stripes");
	if (stripes > 1 && (!lvm_node_number(n, "stripe_size", &size) || size == 0 ||
			    __builtin_mul_overflow(size, SECTOR, &s->stripe) ||
			    (s->count / stripes * d->to->extent) % s->stripe))
		return damaged(d, "stripes of a wrong size");
	s->n_stripes = (unsigned)stripes;
	return read_stripes(d, lvm_node_find(n, "stripes", LVM_LIST), v, s);
}

/* `at` is the extent where the segment has to begin. */
static int read_segment(struct reader *d, const struct lvm_node *n, uint64_t at, struct lvm_volume *v,
			struct lvm_segment *s)
{
	const char *type = lvm_node_string(n, "type");

	if (!lvm_node_number(n, "start_extent", &s->first) || !lvm_node_number(n, "extent_count", &s->count) ||
	    s->first != at || s->count == 0 || !type)
		return damaged(d, "a segment that doesn't follow on the one before it");
	if (strcmp(type, "striped") != 0)
		return cannot(v, "it is of type '%s'; only linear and striped volumes can be read",
			      name_ok(type) ? type : "unknown");
	if (s->count > d->to->n_extents || s->first > d->to->n_extents - s->count)
		return cannot(v, "it is larger than the physical volume");
	return read_striped(d, n, v, s);
}

static bool is_segment(const struct lvm_node *n)
{
	return n->kind == LVM_SECTION && strncmp(n->name, "segment", 7) == 0;
}

/* What can't be read is noted; the rest of its segments then doesn't matter. */
static int read_segments(struct reader *d, const struct lvm_node *volume, struct lvm_volume *v)
{
	uint64_t count, at = 0;
	int r = 0;

	if (!lvm_node_number(volume, "segment_count", &count) || count == 0)
		return damaged(d, "a volume without segments");
	for (const struct lvm_node *n = volume->child; r == 0 && n && !v->why_not[0]; n = n->next) {
		struct lvm_segment *more;

		if (!is_segment(n))
			continue;
		/* By halves as it fills: doubled whenever the number is a power of two. */
		if ((v->n_segments & (v->n_segments - 1)) == 0) {
			more = reallocarray(v->segment, v->n_segments ? 2 * v->n_segments : 1, sizeof(*more));
			if (!more)
				return -ENOMEM;
			v->segment = more;
		}
		v->segment[v->n_segments] = (struct lvm_segment){ 0 };
		r = read_segment(d, n, at, v, &v->segment[v->n_segments++]);
		at += v->segment[v->n_segments - 1].count;
	}
	if (r == 0 && !v->why_not[0] && v->n_segments != count)
		r = damaged(d, "a volume lacks segments");
	if (r == 0 && !v->why_not[0])
		v->size = at * d->to->extent;
	return r;
}

static int read_volume(struct reader *d, const struct lvm_node *n, struct lvm_volume *v)
{
	if (!name_ok(n->name))
		return damaged(d, "a volume's name");
	v->name = n->name;
	v->hidden = !lvm_node_lists(n, "status", "VISIBLE");
	copy_uuid(v->uuid, n);
	return read_segments(d, n, v);
}

static struct lvm_volume *volume_named(struct lvm *l, const char *name)
{
	for (unsigned i = 0; name && i < l->n_volumes; i++)
		if (strcmp(l->volume[i].name, name) == 0)
			return &l->volume[i];
	return NULL;
}

/* People know it by its name, though the text has the store itself hidden. */
static void no_plain_volume(struct lvm_volume *v, const char *why_not)
{
	if (!v)
		return;
	v->hidden = false;
	(void)snprintf(v->why_not, sizeof(v->why_not), "%s", why_not);
	v->size = 0;
}

/* What looks like a plain volume, but is the store of a snapshot; or is changed back by one. */
static void mark_snapshot(struct reader *d, const struct lvm_node *segment)
{
	const char *type = lvm_node_string(segment, "type");
	const char *merging = lvm_node_string(segment, "merging_store");

	if (!type || strcmp(type, "snapshot") != 0)
		return;
	no_plain_volume(volume_named(d->to, lvm_node_string(segment, "cow_store")), "it is a snapshot");
	if (!merging)
		return;
	no_plain_volume(volume_named(d->to, merging), "it is a snapshot");
	no_plain_volume(volume_named(d->to, lvm_node_string(segment, "origin")),
			"a snapshot is being merged into it");
}

static int read_volumes(struct reader *d)
{
	unsigned n = 0;

	for (const struct lvm_node *v = d->lvs ? d->lvs->child : NULL; v; v = v->next)
		n += v->kind == LVM_SECTION;
	if (n > VOLUMES_MAX)
		return damaged(d, "too many logical volumes");
	if (n > 0 && !(d->to->volume = calloc(n, sizeof(*d->to->volume))))
		return -ENOMEM;
	for (const struct lvm_node *v = d->lvs ? d->lvs->child : NULL; v; v = v->next) {
		int r = v->kind == LVM_SECTION ? read_volume(d, v, &d->to->volume[d->to->n_volumes++]) : 0;

		if (r < 0)
			return r;
	}
	for (const struct lvm_node *v = d->lvs ? d->lvs->child : NULL; v; v = v->next)
		mark_snapshot(d, lvm_node_find(v, "segment1", LVM_SECTION));
	return 0;
}

/* ---- the newest of the copies ---- */

/* Takes the area's text when it is newer than what is there. 0, 1: nothing in it, or an error. */
static int consider(struct image *pv, const struct lvm_area *area, struct lvm *l, struct why *why)
{
	_cleanup_(lvm_text_freep) struct lvm_text *text = NULL;
	_cleanup_free_ char *bytes = NULL;
	uint64_t sequence = 0;
	size_t count;
	int r = lvm_area_read(pv, area, &bytes, &count, why);

	if (r == 0)
		r = lvm_text_parse(bytes, count, &text, why);
	if (r != 0)
		return r;
	for (const struct lvm_node *n = lvm_text_root(text)->child; n; n = n->next)
		if (n->kind == LVM_SECTION && lvm_node_number(n, "seqno", &sequence))
			break;
	if (l->text && sequence <= l->sequence)
		return 0;
	lvm_text_free(l->text);
	l->text = take(text);
	l->sequence = sequence;
	return 0;
}

/* A damaged copy is an error only if there is no other one. */
static int read_text(struct image *pv, struct lvm *l, struct why *why)
{
	struct why first = { "" };
	int error = 0;

	for (unsigned i = 0; i < l->label.n_areas; i++) {
		struct why reason = { "" };
		int r = consider(pv, &l->label.area[i], l, &reason);

		if (r == -EBADMSG && error == 0) {
			error = r;
			first = reason;
		} else if (r < 0 && r != -EBADMSG) {
			return fail(why, r, "%s", why_text(&reason, r));
		}
	}
	return error == 0 || l->text ? 0 : fail(why, error, "%s", first.text);
}

int lvm_read(struct image *pv, struct lvm *ret, struct why *why)
{
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct reader d = { .to = &l, .size = pv->size, .why = why };
	int r = lvm_label_read(pv, &l.label, why);

	if (r == 0)
		r = read_text(pv, &l, why);
	if (r != 0)
		return r;
	if (l.text) {
		r = find_group(&d);
		if (r == 0)
			r = find_physical(&d);
		if (r == 0)
			r = read_volumes(&d);
		if (r < 0)
			return r;
	}
	*ret = l;
	l = (struct lvm){ 0 };
	return 0;
}

/* ---- names ---- */

static void add_doubled(const char *name, struct text *out)
{
	for (; *name; name++)
		text_add(out, *name == '-' ? "--" : "%c", *name);
}

void lvm_name(const struct lvm *l, const struct lvm_volume *v, struct text *out)
{
	add_doubled(l->group, out);
	text_add(out, "-");
	add_doubled(v->name, out);
}

static bool is_called(const struct lvm *l, const struct lvm_volume *v, const char *name, bool by_mapper)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	if (by_mapper)
		lvm_name(l, v, &t);
	else
		text_add(&t, "%s-%s", l->group, v->name);
	return t.error == 0 && strcmp(t.chars, name) == 0;
}

const struct lvm_volume *lvm_find(const struct lvm *l, const char *name)
{
	for (int by_mapper = 1; by_mapper >= 0; by_mapper--)
		for (unsigned i = 0; i < l->n_volumes; i++)
			if (!l->volume[i].hidden && is_called(l, &l->volume[i], name, by_mapper))
				return &l->volume[i];
	return NULL;
}

void lvm_names(const struct lvm *l, struct text *out)
{
	for (unsigned i = 0; i < l->n_volumes; i++) {
		if (l->volume[i].hidden)
			continue;
		if (out->len > 200) {
			text_add(out, ", ...");
			return;
		}
		text_add(out, "%s", out->len ? ", " : "");
		lvm_name(l, &l->volume[i], out);
	}
}

/* ---- a volume as an image ---- */

/* A striped segment: chunk i stands in stripe i % n. Too many pieces to paint, so they are computed. */
struct stripes {
	struct computed computed;
	struct image *pv; /* owns a ref */
	uint64_t stripe;  /* bytes */
	unsigned n;
	uint64_t at[]; /* n of them: bytes of the physical volume */
};

/* Where a byte of the segment stands, and how many follow it there. */
static uint64_t stripe_place(const struct stripes *s, uint64_t offset, uint64_t *ret_length)
{
	uint64_t chunk = offset / s->stripe, in_chunk = offset % s->stripe;

	*ret_length = s->stripe - in_chunk;
	return s->at[chunk % s->n] + chunk / s->n * s->stripe + in_chunk;
}

static int stripes_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct stripes *s = (const struct stripes *)c;

	while (count > 0) {
		uint64_t n, at = stripe_place(s, offset, &n);
		int r;

		n = min_u64(n, count);
		r = image_pread(s->pv, buf, n, at, why);
		if (r < 0)
			return r;
		buf = (uint8_t *)buf + n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void stripes_extent(const struct computed *c, uint64_t offset, struct extent *ret)
{
	const struct stripes *s = (const struct stripes *)c;
	uint64_t n, at = stripe_place(s, offset, &n);

	*ret = image_extent(s->pv, at);
	ret->length = min_u64(ret->length, n);
	if (ret->kind != EXTENT_ZERO)
		ret->kind = EXTENT_DATA;
}

static void stripes_free(struct computed *c)
{
	image_unref(((struct stripes *)c)->pv);
	free(c);
}

static struct stripes *stripes_new(struct image *pv, const struct lvm *l, const struct lvm_segment *segment)
{
	struct stripes *s = calloc(1, sizeof(*s) + segment->n_stripes * sizeof(s->at[0]));

	if (!s)
		return NULL;
	s->computed.read = stripes_read;
	s->computed.extent = stripes_extent;
	s->computed.free = stripes_free;
	computed_init(&s->computed);
	s->pv = image_ref(pv);
	s->stripe = segment->stripe;
	s->n = segment->n_stripes;
	for (unsigned i = 0; i < s->n; i++)
		s->at[i] = l->start + segment->extent[i] * l->extent;
	return s;
}

static int paint_segment(struct image *pv, const struct lvm *l, const struct lvm_segment *s,
			 struct map_draft *draft)
{
	struct stripes *stripes;

	if (s->n_stripes == 1) {
		map_draft_below(draft, s->first * l->extent, s->count * l->extent,
				l->start + s->extent[0] * l->extent);
		return 0;
	}
	stripes = stripes_new(pv, l, s);
	if (!stripes)
		return -ENOMEM;
	map_draft_computed(draft, s->first * l->extent, s->count * l->extent, &stripes->computed, 0);
	computed_unref(&stripes->computed);
	return 0;
}

int lvm_open(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct image **ret,
	     struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	_cleanup_(text_done) struct text line = TEXT_EMPTY;
	char size[SIZE_TEXT_MAX];
	int r = 0;

	if (v->why_not[0])
		return fail(why, -EOPNOTSUPP, "logical volume '%s' of '%s' can't be read: %s", v->name,
			    l->group, v->why_not);
	draft = map_draft_new(v->size, pv);
	if (!draft)
		return -ENOMEM;
	map_draft_zero(draft, 0, v->size);
	for (unsigned i = 0; r == 0 && i < v->n_segments; i++)
		r = paint_segment(pv, l, &v->segment[i], draft);
	if (r < 0)
		return r;
	text_add(&line, "    lvm2: logical volume ");
	lvm_name(l, v, &line);
	text_add(&line, ", %s, segments: %u\n", size_human(size, v->size), v->n_segments);
	return map_seal(take(draft), "lv", line.chars, ret, why);
}

static int lvm_probe(struct image *container, struct content *ret, struct why *why)
{
	struct lvm_label label;
	int r = lvm_label_read(container, &label, why);

	if (r != 0)
		return r;
	*ret = (struct content){ .ops = &lvm_content, .size = label.size };
	memcpy(ret->uuid, label.uuid, sizeof(ret->uuid));
	return 0;
}

const struct content_ops lvm_content = {
	.name = "lvm2",
	.type = "LVM2_member",
	.probe = lvm_probe,
	.why_not = "growing LVM and the volumes in it is not built yet",
};
