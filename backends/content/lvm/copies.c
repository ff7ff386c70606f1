/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/lvm/copies.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

void lvm_copies_done(struct lvm_copies *c)
{
	free(c->text);
	*c = (struct lvm_copies){ 0 };
}

/* The label's sectors and the areas must not be extents of a volume, too. */
static int check_place(const struct lvm *l, const struct lvm_area *area, struct why *why)
{
	uint64_t data_end = l->start + l->n_extents * l->extent, end;

	if (area->offset % SECTOR || area->size % SECTOR ||
	    __builtin_add_overflow(area->offset, area->size, &end) ||
	    area->offset < (l->label.sector + 1) * SECTOR ||
	    (l->text && end > l->start && area->offset < data_end))
		return fail(why, -EBADMSG,
			    "the metadata of LVM at byte %" PRIu64 ", %" PRIu64
			    " bytes long, stands where something else is",
			    area->offset, area->size);
	return 0;
}

static int check_places(const struct lvm *l, struct why *why)
{
	const struct lvm_label *label = &l->label;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < label->n_areas; i++) {
		r = check_place(l, &label->area[i], why);
		for (unsigned k = 0; r == 0 && k < i; k++)
			if (label->area[k].offset < label->area[i].offset + label->area[i].size &&
			    label->area[i].offset < label->area[k].offset + label->area[k].size)
				r = fail(why, -EBADMSG, "two areas of LVM's metadata overlap");
	}
	if (r == 0 && l->text && l->start < (label->sector + 1) * SECTOR)
		r = fail(why, -EBADMSG, "the metadata of LVM is damaged: extents begin where the label is");
	return r;
}

static int check_slot(const struct lvm_slot *slot, struct why *why)
{
	if (slot->pending)
		return fail(why, -EOPNOTSUPP,
			    "a change of LVM's metadata was interrupted, which the guest's own tools have to "
			    "settle");
	if (slot->ignored)
		return fail(why, -EOPNOTSUPP,
			    "a copy of LVM's metadata is switched off (pvchange --metadataignore)");
	return 0;
}

/* Takes the area's text; or holds it against the one that is there. */
static int read_copy(struct image *pv, const struct lvm *l, unsigned i, struct lvm_copies *c, struct why *why)
{
	_cleanup_free_ char *text = NULL;
	size_t count = 0;
	int r = lvm_area_slot(pv, &l->label.area[i], &c->slot[i], why);

	if (r == 0)
		r = check_slot(&c->slot[i], why);
	if (r == 0)
		r = lvm_area_read(pv, &l->label.area[i], &text, &count, why);
	if (r < 0)
		return r;
	if (i > 0 && (count != c->count || (count && memcmp(text, c->text, count) != 0)))
		return fail(why, -EOPNOTSUPP,
			    "the copies of LVM's metadata differ, which the guest's own tools have to settle");
	if (i == 0) {
		c->text = take(text);
		c->count = count;
	}
	return 0;
}

int lvm_copies_read(struct image *pv, const struct lvm *l, struct lvm_copies *ret, struct why *why)
{
	_cleanup_(lvm_copies_done) struct lvm_copies c = { 0 };
	int r = check_places(l, why);

	for (unsigned i = 0; r == 0 && i < l->label.n_areas; i++)
		r = read_copy(pv, l, i, &c, why);
	if (r < 0)
		return r;
	if (!c.text != !l->text)
		return fail(why, -EBADMSG, "the metadata of LVM isn't what it was");
	*ret = c;
	c = (struct lvm_copies){ 0 };
	return 0;
}
