/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The input is the text of a volume group. It is parsed as it is; then a physical volume
 * is made around it, with its checksums right, and all volumes of it are opened and read.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/content/lvm.h"
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
#define AREA_SIZE (1 * MiB)
#define HEAD	  (AREA_AT + AREA_SIZE)

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
	put_le64(label + 72, HEAD);
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

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static uint8_t head[HEAD];
	_cleanup_(image_unrefp) struct image *pv = NULL;
	_cleanup_(lvm_done) struct lvm l = { 0 };
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
	return 0;
}
