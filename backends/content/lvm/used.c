/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of a physical volume nobody needs. Everything in front of the first extent is used: the label,
 * the metadata and its history, a boot loader's area. A volume that isn't linear, that others
 * show parts of, or whose filesystem can't tell, is used as a whole; what stands in
 * one behind the end of its filesystem is used, as it is in a partition.
 */
#include <errno.h>

#include "backends/content/lvm/copies.h"
#include "backends/content/lvm/extents.h"
#include "backends/content/lvm/grow.h"
#include "backends/content/unused.h"
#include "base/bytes.h"

static bool in_doubt(int error)
{
	return error == -EOPNOTSUPP || error == -EBADMSG;
}

/* 0; 1 when the volume is used as a whole; or an error. */
static int probe_volume(struct image *img, const struct lvm_volume *v, struct content *ret)
{
	int r = content_probe(img, ret, /* why= */ NULL);

	if (r != 0)
		return in_doubt(r) ? 1 : r;
	return ret->ops->unused && ret->ops != &lvm_content && ret->size <= v->size ? 0 : 1;
}

/* What the filesystem in a volume doesn't use, painted there; then the volume is put where its extents are. */
static int add_inside(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct unused *u,
		      struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL, *sparse = NULL;
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct content c = { 0 };
	struct unused inner;
	int r = lvm_open(pv, l, v, &img, why);

	if (r == 0)
		r = probe_volume(img, v, &c);
	if (r != 0)
		return r == 1 ? 0 : r;
	draft = map_draft_new(img->size, img);
	if (!draft)
		return -ENOMEM;
	unused_begin(&inner, draft, u->runs);
	r = c.ops->unused(img, &c, &inner, why);
	if (r < 0)
		return in_doubt(r) ? 0 : r;
	unused_end(&inner);
	r = map_seal(take(draft), "lv", /* describe= */ NULL, &sparse, why);
	if (r < 0)
		return r;
	lvm_put_back(l, v, sparse, u->draft);
	u->runs = inner.runs;
	u->bytes += inner.bytes;
	return 0;
}

static void add_extents(const struct lvm *l, uint64_t from, uint64_t to, struct unused *u)
{
	if (to > from)
		unused_add(u, l->start + from * l->extent, (to - from) * l->extent);
}

/* Behind the last extent there may be an area of metadata, and what doesn't fill an extent. */
static void add_behind(const struct lvm *l, uint64_t size, struct unused *u)
{
	uint64_t at = l->start + l->n_extents * l->extent, end = size;

	for (unsigned i = 0; i < l->label.n_areas; i++)
		if (l->label.area[i].offset >= at)
			end = min_u64(end, l->label.area[i].offset);
	if (end > at)
		unused_add(u, at, end - at);
}

int lvm_unused(struct image *container, const struct content *c, struct unused *u, struct why *why)
{
	_cleanup_(lvm_done) struct lvm l = { 0 };
	_cleanup_(lvm_copies_done) struct lvm_copies copies = { 0 };
	_cleanup_(lvm_extents_done) struct lvm_extents taken = { 0 };
	uint64_t at = 0;
	int r = lvm_read(container, &l, why);

	if (r == 0)
		r = lvm_copies_read(container, &l, &copies, why);
	if (r == 0 && !l.text)
		r = fail(why, -EOPNOTSUPP, "the physical volume belongs to no volume group");
	if (r == 0)
		r = lvm_extents_read(&l, &taken, why);
	for (unsigned i = 0; r == 0 && i < l.n_volumes; i++) {
		const struct lvm_volume *v = &l.volume[i];

		if (!v->hidden && !v->origin && lvm_is_linear(v))
			r = add_inside(container, &l, v, u, why);
	}
	if (r != 0)
		return r == 1 ? fail(why, -EBADMSG, "there is no label of LVM") : r;
	for (size_t i = 0; i < taken.n; i++) {
		add_extents(&l, at, taken.run[i].first, u);
		at = taken.run[i].first + taken.run[i].count;
	}
	add_extents(&l, at, l.n_extents, u);
	add_behind(&l, container->size, u);
	return 0;
}
