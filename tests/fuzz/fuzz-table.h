/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_FUZZ_TABLE_H
#define GOALFS_TESTS_FUZZ_TABLE_H

/*
 * What fuzz-gpt and fuzz-mbr share: an arbitrary disk is read and, if it has a
 * table, grown by each of its partitions and by none. What grows must read back
 * as the same table with that one partition longer, and those behind it higher, with
 * the bytes they had.
 */
#include <stdlib.h>
#include <string.h>

#include "backends/table/table.h"
#include "base/bytes.h"
#include "tests/unit/memimage.h"

#define FUZZ_DISK  (64 * MiB)
#define FUZZ_GROWN (100 * MiB + 512)

#define MUST(condition)           \
	do {                      \
		if (!(condition)) \
			abort();  \
	} while (0)

static inline void fuzz_check_text(const char *text)
{
	for (; *text; text++)
		MUST((unsigned char)*text >= 0x20 && *text != 0x7f);
}

/* The disk is large and mostly zeros: a few places of each partition are enough. */
static inline void fuzz_check_bytes(struct image *disk, const struct partition *before, struct image *img,
				    const struct partition *after)
{
	uint8_t want[512], have[512];

	if (before->extended)
		return;
	for (unsigned i = 0; i <= 8; i++) {
		uint64_t at = (before->length - 512) / 8 * i;

		MUST(image_pread(disk, want, sizeof(want), before->start + at, NULL) == 0);
		MUST(image_pread(img, have, sizeof(have), after->start + at, NULL) == 0);
		MUST(memcmp(want, have, sizeof(want)) == 0);
	}
}

static inline bool fuzz_holds(const struct partition *outer, const struct partition *p)
{
	return outer->extended && p->logical;
}

/* Where growing puts `p`; an extended partition may become longer than that by as much as it holds. */
static inline void fuzz_expect(const struct partition *p, const struct partition *grown,
			       const struct table_growth *growth, struct partition *want)
{
	*want = *p;
	if (p == grown)
		want->length = growth->length;
	else if (grown && p->start > grown->start)
		want->start += growth->shift;
	else if (grown && fuzz_holds(p, grown))
		want->length += growth->shift;
}

/* Reading it back also tells that nothing overlaps. */
static inline void fuzz_check_grown(struct image *disk, struct image *img, const struct table *before,
				    const struct partition *grown, const struct table_growth *growth)
{
	_cleanup_(table_done) struct table after = { 0 };

	MUST(table_read(img, &after, NULL) == 0);
	MUST(after.ops == before->ops && after.n == before->n && after.sector == before->sector);
	MUST(!grown || growth->length >= grown->length);
	MUST(growth->shift % MiB == 0);
	for (unsigned i = 0; i < after.n; i++) {
		struct partition want;

		fuzz_expect(&before->partition[i], grown, growth, &want);
		if (grown && fuzz_holds(&want, grown) && growth->shift == 0) {
			MUST(after.partition[i].length >= want.length);
			want.length = after.partition[i].length;
		}
		MUST(range_ok(want.start, want.length, img->size));
		MUST(memcmp(&want, &after.partition[i], sizeof(want)) == 0);
		fuzz_check_bytes(disk, &before->partition[i], img, &after.partition[i]);
	}
}

static inline void fuzz_grow(struct image *disk, const struct table *t, const struct partition *p)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(FUZZ_GROWN, disk);
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct table_growth growth = { 0 };
	struct why why = { "" };
	int r;

	MUST(draft);
	r = t->ops->grow(disk, t, p, draft, &growth, &why);
	if (r < 0) {
		MUST(why.text[0]);
		fuzz_check_text(why.text);
		return;
	}
	MUST(r == 0);
	MUST(map_seal(take(draft), "fuzz", NULL, &img, &why) == 0);
	fuzz_check_grown(disk, img, t, p, &growth);
}

static inline void fuzz_table(const uint8_t *bytes, size_t count)
{
	_cleanup_(image_unrefp) struct image *disk = memimage_new(bytes, min_u64(count, FUZZ_DISK), FUZZ_DISK);
	_cleanup_(table_done) struct table t = { 0 };
	struct why why = { "" };
	int r = table_read(disk, &t, &why);

	MUST(r <= 1);
	if (r < 0)
		MUST(why.text[0]);
	fuzz_check_text(why.text);
	if (r != 0)
		return;
	fuzz_grow(disk, &t, NULL);
	for (unsigned i = 0; i < t.n; i++)
		fuzz_check_text(t.partition[i].kind);
	/* The first and the last few: a thousand partitions would make a run of one input a thousand long. */
	for (unsigned i = 0; i < t.n; i += i == 2 && t.n > 6 ? t.n - 4 : 1)
		fuzz_grow(disk, &t, &t.partition[i]);
}

#endif
