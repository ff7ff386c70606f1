/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A physical volume at its new size:
 *
 *	label     the new size, and where the second area is
 *	metadata  the text with a few numbers changed, behind the old one in its ring
 *	extents   as they were, and new ones; all behind the last that is taken
 *	          go to one volume, and read as zeros but for what its filesystem paints there
 *	metadata  a second area, where there is one, moved to the new end
 *
 * The volume grows as any container does: an image of it at its new length, made of the
 * physical volume's extents, is given to its content, and what comes back is put where the extents are.
 */
#include "backends/content/lvm/grow.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "backends/content/lvm/choose.h"
#include "backends/content/lvm/copies.h"
#include "backends/content/lvm/edit.h"
#include "backends/content/lvm/extents.h"
#include "base/bytes.h"
#include "base/size.h"

/* What LVM itself counts extents with (MAX_EXTENT_COUNT of metadata-exported.h). */
#define EXTENTS_MAX UINT32_MAX
/* Where pvresize has a second area begin. */
#define AREA_ALIGN (64 * KiB)

struct plan {
	struct image *pv; /* at its new size; borrowed */
	struct lvm l;
	struct lvm_copies copies;
	struct lvm_extents extents;
	struct lvm_label label; /* to be written */
	uint64_t old_end;	/* byte behind the old extents */
	uint64_t n_extents;	/* of the physical volume, to be */
	uint64_t first, add;	/* the volume's new extents */
	struct lvm_choice choice;
	struct image *volume; /* grown; owned, NULL when there is none */
	char *text;	      /* the new one; owned */
	size_t count;
	struct text content; /* what its content says */
};

static void plan_done(struct plan *p)
{
	lvm_done(&p->l);
	lvm_copies_done(&p->copies);
	lvm_extents_done(&p->extents);
	image_unref(p->volume);
	free(p->text);
	text_done(&p->content);
}

/* ---- what LVM itself would refuse to touch ---- */

static int refuse(const struct plan *p, struct why *why, const char *reason)
{
	return fail(why, -EOPNOTSUPP, "volume group '%s' %s", p->l.group, reason);
}

static int check_volumes(const struct plan *p, struct why *why)
{
	for (unsigned i = 0; i < p->l.n_volumes; i++)
		if (lvm_node_lists(p->l.volume[i].node, "status", "PVMOVE") ||
		    lvm_node_lists(p->l.volume[i].node, "status", "LOCKED"))
			return refuse(p, why, "is in the middle of a pvmove");
	return 0;
}

static int check_group(const struct plan *p, struct why *why)
{
	const struct lvm_node *vg = p->l.section, *pv = p->l.physical;
	const char *lock = lvm_node_string(vg, "lock_type"), *format = lvm_node_string(vg, "format");

	if (format && strcmp(format, "lvm2") != 0)
		return refuse(p, why, "is not of the format lvm2");
	if (p->l.n_physical > 1)
		return fail(why, -EOPNOTSUPP,
			    "volume group '%s' has %u physical volumes, and only one that has a single one can "
			    "grow",
			    p->l.group, p->l.n_physical);
	if (lvm_node_lists(vg, "status", "EXPORTED") || lvm_node_lists(pv, "status", "EXPORTED"))
		return refuse(p, why, "is exported (vgimport makes it usable)");
	if (lvm_node_lists(vg, "status", "PARTIAL") || lvm_node_lists(pv, "flags", "MISSING"))
		return refuse(p, why, "is partial: a physical volume was missing when it was last changed");
	if (lvm_node_lists(vg, "status", "CLUSTERED") || (lock && strcmp(lock, "none") != 0))
		return refuse(p, why, "is locked for several hosts to share");
	if (!lvm_node_lists(vg, "status", "WRITE"))
		return refuse(p, why, "may only be read");
	if (!lvm_node_lists(pv, "status", "ALLOCATABLE"))
		return refuse(p, why, "has a physical volume that nothing may be allocated on (pvchange -x y)");
	return check_volumes(p, why);
}

/* ---- the room ---- */

/* Where there are no extents to tell, the first MiB is where LVM has the first area. */
static bool is_at_end(const struct plan *p, const struct lvm_area *area)
{
	return p->l.text ? area->offset >= p->old_end
			 : area->offset >= MiB && area->offset > p->l.label.size / 2;
}

/* A second area moves. What is behind the label, and whatever size it has, stays. */
static int place_areas(struct plan *p, uint64_t size, uint64_t *ret_limit, struct why *why)
{
	unsigned moved = 0;

	*ret_limit = size;
	for (unsigned i = 0; i < p->label.n_areas; i++) {
		struct lvm_area *area = &p->label.area[i];

		if (!is_at_end(p, area))
			continue;
		if (moved++)
			return fail(why, -EOPNOTSUPP,
				    "the physical volume has several areas of metadata at its end");
		if (area->size + AREA_ALIGN > size)
			return fail(why, -EBADMSG,
				    "an area of LVM's metadata is larger than the physical volume");
		area->offset = align_down(size - area->size, AREA_ALIGN);
		area->size = size - area->offset;
		*ret_limit = area->offset;
	}
	return 0;
}

/* 0, CONTENT_FITS or an error. */
static int plan_room(struct plan *p, struct why *why)
{
	uint64_t size = align_down(p->pv->size, SECTOR), limit;
	int r;

	p->label = p->l.label;
	p->label.size = size;
	p->old_end = p->l.start + p->l.n_extents * p->l.extent;
	r = place_areas(p, size, &limit, why);
	if (r < 0 || !p->l.text)
		return r;
	r = lvm_extents_read(&p->l, &p->extents, why);
	if (r < 0)
		return r;
	if (limit < p->old_end)
		return CONTENT_FITS;
	p->n_extents = min_u64((limit - p->l.start) / p->l.extent, EXTENTS_MAX);
	p->first = lvm_extents_end(&p->extents);
	if (p->n_extents <= p->first || p->n_extents < p->l.n_extents)
		return CONTENT_FITS;
	p->add = p->n_extents - p->first;
	return 0;
}

/* ---- the volume ---- */

/* Puts its new extents behind the old ones. */
static int grow_volume(struct plan *p, struct why *why)
{
	_cleanup_(image_unrefp) struct image *longer = NULL;
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	const struct lvm_volume *v = p->choice.volume;
	const struct content *c = &p->choice.content;
	int r;

	r = lvm_open_longer(p->pv, &p->l, v, p->add, &longer, why);
	if (r < 0)
		return r;
	draft = map_draft_new(longer->size, longer);
	if (!draft)
		return -ENOMEM;
	r = c->ops->grow(longer, c, &(struct growth){ 0 }, draft, &p->content, why);
	if (r < 0)
		return fail_at(why, r, "logical volume '%s' of '%s'", v->name, p->l.group);
	if (r == 0)
		return map_seal(take(draft), "lv", /* describe= */ NULL, &p->volume, why);
	text_add(&p->content, "its %s stays as it is: too little room for more of it", c->kind ?: c->ops->name);
	p->volume = take(longer);
	return 0;
}

/* ---- the text ---- */

static const struct lvm_node *last_segment(const struct lvm_node *volume)
{
	const struct lvm_node *last = NULL;

	for (const struct lvm_node *n = volume->child; n; n = n->next)
		if (n->kind == LVM_SECTION && strncmp(n->name, "segment", 7) == 0)
			last = n;
	return last;
}

/* Its last segment gets longer where it ends at the new extents; else there is one more. */
static void edit_volume(struct plan *p, struct lvm_edit *e)
{
	const struct lvm_volume *v = p->choice.volume;
	const struct lvm_segment *last = &v->segment[v->n_segments - 1];
	const struct lvm_node *node = last_segment(v->node);

	if (last->extent[0] + last->count == p->first) {
		lvm_edit_number(e, node, "extent_count", last->count + p->add);
		return;
	}
	lvm_edit_number(e, v->node, "segment_count", v->n_segments + UINT64_C(1));
	lvm_edit_insert(e, node->end,
			"\nsegment%u {\nstart_extent = %" PRIu64 "\nextent_count = %" PRIu64
			"\n\ntype = \"striped\"\nstripe_count = 1\n\nstripes = [\n\"%s\", %" PRIu64 "\n]\n}",
			v->n_segments + 1, v->size / p->l.extent, p->add, p->l.physical->name, p->first);
}

static int make_text(struct plan *p, struct why *why)
{
	struct lvm_edit e;
	uint64_t ignored;

	if (p->l.sequence >= UINT32_MAX)
		return fail(why, -EBADMSG, "the metadata of LVM is damaged: its sequence number is %" PRIu64,
			    p->l.sequence);
	lvm_edit_begin(&e, p->copies.text, p->copies.count);
	lvm_edit_number(&e, p->l.section, "seqno", p->l.sequence + 1);
	lvm_edit_number(&e, p->l.physical, "pe_count", p->n_extents);
	/* Very old versions don't write it. */
	if (lvm_node_number(p->l.physical, "dev_size", &ignored))
		lvm_edit_number(&e, p->l.physical, "dev_size", p->label.size / SECTOR);
	if (p->choice.volume)
		edit_volume(p, &e);
	return lvm_edit_end(&e, &p->text, &p->count, why);
}

/* LVM writes no text that would leave no room for the next one beside it. */
static int check_length(const struct plan *p, struct why *why)
{
	for (unsigned i = 0; i < p->label.n_areas; i++) {
		const uint64_t ring = p->label.area[i].size - LVM_AREA_HEADER;

		if (p->count + SECTOR > ring / 2)
			return fail(
				why, -EOPNOTSUPP,
				"volume group '%s' has %zu bytes of metadata, too many for an area of %" PRIu64,
				p->l.group, p->count, p->label.area[i].size);
	}
	return 0;
}

/* ---- painting ---- */

/* Into the ring of an area, from byte `at` of the area on. */
static void paint_text(const struct plan *p, const struct lvm_area *area, uint64_t at, struct map_draft *draft)
{
	size_t first = min_u64(p->count, area->size - at), rest = p->count - first;
	uint64_t ring = area->offset + LVM_AREA_HEADER;

	map_draft_bytes(draft, area->offset + at, p->text, first);
	map_draft_bytes(draft, ring, p->text + first, rest);
	/* LVM pads to whole sectors. */
	if (rest)
		map_draft_zero(draft, ring + rest, align_up(rest, SECTOR) - rest);
	else
		map_draft_zero(draft, area->offset + at + first, align_up(first, SECTOR) - first);
}

/* In the sector behind the old text, which stays as the history that LVM keeps. */
static uint64_t behind_old_text(const struct lvm_slot *slot, const struct lvm_area *area)
{
	uint64_t end = slot->at + slot->count;

	if (end > area->size)
		end -= area->size - LVM_AREA_HEADER;
	end = align_up(end, SECTOR);
	return end >= area->size ? LVM_AREA_HEADER : end;
}

static int paint_area(const struct plan *p, unsigned i, struct map_draft *draft, struct why *why)
{
	const struct lvm_area *from = &p->l.label.area[i], *to = &p->label.area[i];
	struct lvm_slot slot = p->copies.slot[i];
	uint8_t header[512];
	int r;

	if (p->text)
		slot = (struct lvm_slot){ .at = behind_old_text(&slot, from),
					  .count = p->count,
					  .crc = lvm_crc(p->text, p->count) };
	if (p->text && is_at_end(p, from))
		slot.at = LVM_AREA_HEADER;
	r = lvm_area_change(p->pv, from, to, &slot, header, why);
	if (r < 0)
		return r;
	if (is_at_end(p, from))
		map_draft_zero(draft, to->offset, to->size);
	map_draft_bytes(draft, to->offset, header, sizeof(header));
	if (p->text)
		paint_text(p, to, slot.at, draft);
	return 0;
}

/* A second area goes before the new extents come: they may stand where it was. */
static void paint_extents(const struct plan *p, struct map_draft *draft)
{
	const struct lvm *l = &p->l;

	for (unsigned i = 0; i < l->label.n_areas; i++)
		if (is_at_end(p, &l->label.area[i]))
			map_draft_zero(draft, l->label.area[i].offset, l->label.area[i].size);
	if (l->text)
		map_draft_zero(draft, p->old_end, map_draft_size(draft) - p->old_end);
	if (!p->volume)
		return;
	lvm_put_back(l, p->choice.volume, p->volume, draft);
	map_draft_map(draft, l->start + p->first * l->extent, p->add * l->extent, p->volume,
		      p->choice.volume->size);
}

static int paint(const struct plan *p, struct map_draft *draft, struct why *why)
{
	uint8_t label[512];
	int r = lvm_label_change(p->pv, &p->label, label, why);

	if (r < 0)
		return r;
	paint_extents(p, draft);
	map_draft_bytes(draft, p->label.sector * SECTOR, label, sizeof(label));
	for (unsigned i = 0; r == 0 && i < p->label.n_areas; i++)
		r = paint_area(p, i, draft, why);
	return r;
}

static void describe_growth(const struct plan *p, struct text *describe)
{
	char have[SIZE_TEXT_MAX], want[SIZE_TEXT_MAX];
	const struct lvm_volume *v = p->choice.volume;

	if (!describe)
		return;
	if (p->l.text)
		text_add(describe, "lvm2 group '%s': ", p->l.group);
	else
		text_add(describe, "lvm2: ");
	text_add(describe, "physical volume grown from %s to %s", size_human(have, p->l.label.size),
		 size_human(want, p->label.size));
	if (!p->l.text)
		text_add(describe, ", which belongs to no group");
	else if (!v)
		text_add(describe, ", no volumes in it");
	else
		text_add(describe, ", volume '%s' from %s to %s; %s", v->name, size_human(have, v->size),
			 size_human(want, v->size + p->add * p->l.extent), p->content.chars ?: "");
}

/* ---- all of it ---- */

/* 0, CONTENT_FITS or an error. */
static int make_plan(struct plan *p, const char *name, struct why *why)
{
	int r = lvm_read(p->pv, &p->l, why);

	if (r == 1)
		return fail(why, -EBADMSG, "there is no label of LVM");
	if (r == 0)
		r = lvm_copies_read(p->pv, &p->l, &p->copies, why);
	if (r == 0 && p->l.text)
		r = check_group(p, why);
	if (r == 0 && !p->l.text && name)
		r = fail(why, -EOPNOTSUPP,
			 "there is no logical volume '%.150s': the physical volume belongs to no volume group",
			 name);
	if (r == 0)
		r = plan_room(p, why);
	if (r < 0 || !p->l.text)
		return r;
	/* A wrong name is refused even where there is nothing to give. */
	return r == CONTENT_FITS && !name ? r : lvm_choose(p->pv, &p->l, name, &p->choice, why) ?: r;
}

int lvm_grow(struct image *grown, const struct content *c, const struct growth *how, struct map_draft *draft,
	     struct text *describe, struct why *why)
{
	_cleanup_(plan_done) struct plan p = { .pv = grown };
	int r = make_plan(&p, how->volume, why);

	if (r == 0 && p.choice.volume)
		r = grow_volume(&p, why);
	if (r == 0 && p.l.text) {
		r = make_text(&p, why);
		if (r == 0)
			r = check_length(&p, why);
	}
	if (r != 0)
		return r;
	r = paint(&p, draft, why);
	if (r == 0)
		describe_growth(&p, describe);
	return p.content.error ? p.content.error : r;
}
