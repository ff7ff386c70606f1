/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is the text of a volume group. It is parsed as it is; then a physical volume
 * is made around it, with its checksums right, and all volumes of it are opened and read. It grows,
 * each volume of it in turn and as it likes, and is asked what of it is unused: what comes out must be
 * as good as what went in. Extent 0, where it stands at 1 MiB, holds a swap space; the rest are zeros.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/content/lvm/lvm.h"
#include "backends/content/unused.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

#define PV_SIZE	  (64 * MiB)
#define AREA_AT	  4096
#define AREA_SIZE (1 * MiB - AREA_AT)
#define DATA_AT	  (1 * MiB)
#define HEAD	  (DATA_AT + 4096)

/* Each node lies inside its section, behind the one before it. */
static void check_nodes(const struct lvm_node *section)
{
	size_t at = section->start;

	for (const struct lvm_node *n = section->child; n; n = n->next) {
		MUST(n->start >= at && n->end >= n->start && n->end <= section->end);
		MUST(n->name && (n->kind != LVM_STRING || n->text));
		at = n->end;
		check_nodes(n);
	}
}

static void check_text(const uint8_t *bytes, size_t count)
{
	_cleanup_(lvm_text_freep) struct lvm_text *t = NULL;
	struct why why = { "" };
	int r = lvm_text_parse((const char *)bytes, count, &t, &why);

	MUST(r <= 0);
	if (r < 0)
		MUST(why.text[0]);
	else
		check_nodes(lvm_text_root(t));
}

static void make_pv(uint8_t *pv, const uint8_t *bytes, size_t count)
{
	uint8_t *label = pv + 512, *area = pv + AREA_AT;

	memcpy(label, "LABELONE\1\0\0\0\0\0\0\0", 16);
	label[20] = 32;
	memcpy(label + 24, "LVM2 001", 8);
	/* The identifier in most of the corpus. */
	memcpy(label + 32, "abcdef0123456789abcdefghijklmnop", 32);
	put_le64(label + 64, PV_SIZE);
	put_le64(label + 72, DATA_AT);
	put_le64(label + 104, AREA_AT);
	put_le64(label + 112, AREA_SIZE);
	put_le32(label + 16, lvm_crc(label + 20, 512 - 20));
	memcpy(area + 512, bytes, count);
	memcpy(area + 4, " LVM2 x[5A%r0N*>", 16);
	put_le32(area + 20, 1);
	put_le64(area + 24, AREA_AT);
	put_le64(area + 32, AREA_SIZE);
	put_le64(area + 40, 512);
	put_le64(area + 48, count);
	put_le32(area + 56, lvm_crc(bytes, count));
	put_le32(area, lvm_crc(area + 4, 512 - 4));
	put_le32(pv + DATA_AT + 1024, 1);
	put_le32(pv + DATA_AT + 1028, 15); /* the last page */
	memcpy(pv + DATA_AT + 4086, "SWAPSPACE2", 10);
}

static void read_some(struct image *img)
{
	uint8_t buf[4096];

	MUST(img->size > 0);
	for (unsigned i = 0; i < 8; i++) {
		uint64_t n = min_u64(sizeof(buf), img->size), at = (img->size - n) / 7 * i;

		MUST(image_pread(img, buf, n, at, NULL) == 0);
		MUST(image_extent(img, at).length > 0);
	}
}

static void open_all(struct image *pv, const struct lvm *l)
{
	_cleanup_(text_done) struct text names = TEXT_EMPTY;

	lvm_names(l, &names);
	for (unsigned i = 0; i < l->n_volumes && i < 64; i++) {
		const struct lvm_volume *v = &l->volume[i];
		_cleanup_(text_done) struct text name = TEXT_EMPTY;
		_cleanup_(image_unrefp) struct image *img = NULL;
		struct why why = { "" };

		lvm_name(l, v, &name);
		MUST(v->hidden || lvm_find(l, name.chars));
		if (lvm_open(pv, l, v, &img, &why) == 0)
			read_some(img);
		else
			MUST(why.text[0]);
	}
}

/* The same group, changed once, with all its volumes, none of them shorter. */
static void check_grown(struct image *img, const struct lvm *old)
{
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct content c = { 0 };

	MUST(lvm_read(img, &l, NULL) == 0 && content_probe(img, &c, NULL) == 0);
	MUST(c.size <= img->size && !l.text == !old->text);
	if (!l.text)
		return;
	MUST(l.sequence == old->sequence + 1 && l.n_extents >= old->n_extents);
	MUST(l.n_volumes == old->n_volumes && strcmp(l.group, old->group) == 0);
	for (unsigned i = 0; i < l.n_volumes; i++)
		MUST(l.volume[i].size >= old->volume[i].size &&
		     strcmp(l.volume[i].name, old->volume[i].name) == 0);
	open_all(img, &l);
}

/* 0 and the grown image, or what grow says. */
static int grow(struct image *pv, const struct content *c, const char *volume, struct image **ret)
{
	_cleanup_(image_unrefp) struct image *at_size = NULL;
	struct map_draft *draft;
	struct why why = { "" };
	int r;

	MUST(map_seal(map_draft_new(2 * pv->size, pv), "fuzz", NULL, &at_size, NULL) == 0);
	draft = map_draft_new(2 * pv->size, at_size);
	MUST(draft);
	r = c->ops->grow(at_size, c, &(struct growth){ .volume = volume }, draft, NULL, &why);
	MUST(r >= 0 || why.text[0]);
	if (r != 0) {
		map_draft_free(draft);
		return r;
	}
	MUST(map_seal(draft, "fuzz", NULL, ret, NULL) == 0);
	return 0;
}

static void check_growth(struct image *pv, const struct content *c, const struct lvm *l)
{
	for (unsigned i = 0; i <= l->n_volumes && i < 8; i++) {
		_cleanup_(text_done) struct text name = TEXT_EMPTY;
		_cleanup_(image_unrefp) struct image *grown = NULL;

		if (i > 0)
			lvm_name(l, &l->volume[i - 1], &name);
		if (grow(pv, c, name.chars, &grown) == 0)
			check_grown(grown, l);
	}
}

/* What is left without it must be read, and grow, as before. */
static void check_unused(struct image *pv, const struct content *c)
{
	_cleanup_(image_unrefp) struct image *sparse = NULL, *one = NULL, *other = NULL;
	struct map_draft *draft = map_draft_new(pv->size, pv);
	struct content again = { 0 };
	struct unused u;
	struct why why = { "" };
	int r;

	MUST(draft);
	unused_begin(&u, draft, 0);
	r = c->ops->unused(pv, c, &u, &why);
	MUST(r <= 0 && (r == 0 || why.text[0]));
	unused_end(&u);
	if (r < 0) {
		map_draft_free(draft);
		return;
	}
	MUST(u.bytes <= pv->size && map_seal(draft, "fuzz", NULL, &sparse, NULL) == 0);
	MUST(content_probe(sparse, &again, NULL) == 0 && again.ops == c->ops && again.size == c->size);
	MUST(grow(pv, c, NULL, &one) == grow(sparse, &again, NULL, &other));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static uint8_t head[HEAD];
	_cleanup_(image_unrefp) struct image *pv = NULL;
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct content c = { 0 };
	struct why why = { "" };
	int r;

	count = min_u64(count, 256 * KiB);
	check_text(bytes, count);
	memset(head, 0, sizeof(head));
	make_pv(head, bytes, count);
	pv = memimage_new(head, sizeof(head), PV_SIZE);
	r = lvm_read(pv, &l, &why);
	MUST(r <= 0);
	if (r < 0)
		MUST(why.text[0]);
	else if (l.text)
		open_all(pv, &l);
	if (content_probe(pv, &c, NULL) == 0 && c.ops == &lvm_content) {
		check_growth(pv, &c, &l);
		check_unused(pv, &c);
	}
	return 0;
}
