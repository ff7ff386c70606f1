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
#include "backends/content/lvm/lvm.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "backends/content/lvm/grow.h"
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
	d->to->section = d->group;
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
	d->to->physical = ours;
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
	uint64_t stripes, size = 0, each;

	if (!lvm_node_number(n, "stripe_count", &stripes) || stripes == 0 || stripes > STRIPES_MAX ||
	    s->count % stripes)
		return damaged(d, "a segment with a wrong number of stripes");
	if (stripes > 1 &&
	    (!lvm_node_number(n, "stripe_size", &size) || size == 0 ||
	     __builtin_mul_overflow(size, SECTOR, &s->stripe) ||
	     __builtin_mul_overflow(s->count / stripes, d->to->extent, &each) || each % s->stripe))
		return damaged(d, "stripes of a wrong size");
	s->n_stripes = (unsigned)stripes;
	return read_stripes(d, lvm_node_find(n, "stripes", LVM_LIST), v, s);
}

/* `at` is the extent where the segment has to begin. */
static int read_segment(struct reader *d, const struct lvm_node *n, uint64_t at, struct lvm_volume *v,
			struct lvm_segment *s)
{
	const char *type = lvm_node_string(n, "type");
	int r;

	if (!lvm_node_number(n, "start_extent", &s->first) || !lvm_node_number(n, "extent_count", &s->count) ||
	    s->first != at || s->count == 0 || !type)
		return damaged(d, "a segment that doesn't follow on the one before it");
	if (strcmp(type, "striped") != 0)
		return cannot(v, "it is of type '%s'; only linear and striped volumes can be read",
			      name_ok(type) ? type : "unknown");
	/* Damage is not to wait until the physical volume has grown, and the segment is no longer too large. */
	r = read_striped(d, n, v, s);
	if (r == 0 && (s->count > d->to->n_extents || s->first > d->to->n_extents - s->count))
		return cannot(v, "it is larger than the physical volume");
	return r;
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
	v->node = n;
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

static void mark_origin(struct lvm_volume *v)
{
	if (v)
		v->origin = true;
}

/* What looks like a plain volume, but is the store of a snapshot; or is changed back by one. */
static void mark_snapshot(struct reader *d, const struct lvm_node *segment)
{
	const char *type = lvm_node_string(segment, "type");
	const char *merging = lvm_node_string(segment, "merging_store");

	mark_origin(volume_named(d->to, lvm_node_string(segment, "external_origin")));
	if (!type || strcmp(type, "snapshot") != 0)
		return;
	mark_origin(volume_named(d->to, lvm_node_string(segment, "origin")));
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

/* Byte behind all that LVM knows of; the label's size may be older than the last pvresize. */
static uint64_t known_end(const struct lvm *l)
{
	uint64_t end = max_u64(l->label.size, l->start + l->n_extents * l->extent);

	for (unsigned i = 0; i < l->label.n_areas; i++)
		end = max_u64(end, l->label.area[i].offset + l->label.area[i].size);
	return end;
}

static int lvm_probe(struct image *container, struct content *ret, struct why *why)
{
	_cleanup_(lvm_done) struct lvm l = { 0 };
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	int r = lvm_read(container, &l, why);

	if (r != 0)
		return r;
	if (l.label.size > container->size)
		return fail(why, -EBADMSG,
			    "the physical volume takes %s, but there are only %s: truncated image",
			    size_format(claimed, l.label.size), size_format(there, container->size));
	*ret = (struct content){ .ops = &lvm_content, .size = known_end(&l) };
	memcpy(ret->uuid, l.label.uuid, sizeof(ret->uuid));
	return 0;
}

const struct content_ops lvm_content = {
	.name = "lvm2",
	.type = "LVM2_member",
	.probe = lvm_probe,
	.grow = lvm_grow,
	.has_volumes = true,
	.unused = lvm_unused,
};
