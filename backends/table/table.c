/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/table/table.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>

#include "base/bytes.h"
#include "base/size.h"

/*
 * A gpt comes with an mbr that protects it, so it is asked first; an mbr that
 * holds such an entry and no gpt is damaged, which only gpt can tell.
 */
static const struct table_ops *const kinds[] = {
	&gpt_table,
	&mbr_table,
};

#define DYNAMIC	  "belongs to a dynamic disk of Windows, which only Windows can grow"
#define DATABASE  "its dynamic disk has a database of where everything stands"
#define BSD_LABEL "its bsd label may count from the start of the disk"

/*
 * The types that matter here. GUIDs: the UEFI specification, 5.3.3, and those who
 * made them up; numbers of an mbr: as fdisk lists them.
 */
static const struct partition_use uses[] = {
	{ "21686148-6449-6e6f-744e-656564454649", "BIOS boot", .service = true,
	  .stays = "the boot code in the disk's first sector finds it by its place" },
	{ "c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system", .service = true },
	{ "9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PReP boot", .service = true },
	{ "83bd6b9d-7f41-11dc-be0b-001560b84f0f", "FreeBSD boot", .service = true },
	{ "e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved", .service = true },
	{ "de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery", .service = true },
	{ "5808c8aa-7e8f-42e0-85d2-e1e90434cfb3", "dynamic disk's database", .service = true,
	  .no_growth = DYNAMIC, .stays = DATABASE },
	{ "af9b60a0-1431-4f62-bc68-3311714a69ad", "dynamic disk", .no_growth = DYNAMIC, .stays = DATABASE },
	{ "12", "diagnostics", .service = true },
	{ "27", "Windows recovery", .service = true },
	{ "41", "PReP boot", .service = true },
	{ "42", "dynamic disk", .no_growth = DYNAMIC, .stays = DATABASE },
	{ "a5", "FreeBSD", .stays = BSD_LABEL },
	{ "a6", "OpenBSD", .stays = BSD_LABEL },
	{ "a9", "NetBSD", .stays = BSD_LABEL },
	{ "ef", "EFI system", .service = true },
};

static const struct partition_use *find_use(const char *kind)
{
	for (size_t i = 0; i < sizeof(uses) / sizeof(*uses); i++)
		if (strcmp(uses[i].kind, kind) == 0)
			return &uses[i];
	return NULL;
}

void table_done(struct table *t)
{
	free(t->partition);
	free(t->raw);
	free(t->own);
	*t = (struct table){ 0 };
}

const struct partition *table_last(const struct table *t)
{
	return t->n ? &t->partition[t->n - 1] : NULL;
}

const struct partition *table_number(const struct table *t, unsigned number)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->partition[i].number == number)
			return &t->partition[i];
	return NULL;
}

int table_add(struct table *t, const struct partition *p, struct why *why)
{
	struct partition *more;

	if (t->n == PARTITIONS_MAX)
		return fail(why, -EBADMSG, "%s table holds more than %d partitions", t->ops->name,
			    PARTITIONS_MAX);
	more = reallocarray(t->partition, t->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	more[t->n] = *p;
	more[t->n++].use = find_use(p->kind);
	t->partition = more;
	return 0;
}

int table_own(struct table *t, uint64_t start, uint64_t length)
{
	struct area *more = reallocarray(t->own, t->n_own + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	more[t->n_own++] = (struct area){ start, length };
	t->own = more;
	return 0;
}

static int by_start(const void *left, const void *right)
{
	const struct partition *a = left, *b = right;

	if (a->start != b->start)
		return a->start < b->start ? -1 : 1;
	if (a->logical != b->logical)
		return a->logical ? 1 : -1;
	return a->number < b->number ? -1 : a->number > b->number;
}

static int check_apart(const struct table *t, bool logical, struct why *why)
{
	const struct partition *before = NULL;

	for (unsigned i = 0; i < t->n; i++) {
		const struct partition *p = &t->partition[i];

		if (p->logical != logical)
			continue;
		if (before && before->start + before->length > p->start)
			return fail(why, -EBADMSG, "%s table is damaged: partitions %u and %u overlap",
				    t->ops->name, before->number, p->number);
		before = p;
	}
	return 0;
}

int table_sort(struct table *t, struct why *why)
{
	int r;

	if (t->n)
		qsort(t->partition, t->n, sizeof(*t->partition), by_start);
	r = check_apart(t, /* logical= */ false, why);
	return r < 0 ? r : check_apart(t, /* logical= */ true, why);
}

int table_no_number(const struct table *t, unsigned number, struct why *why)
{
	_cleanup_(text_done) struct text there = TEXT_EMPTY;

	if (t->n == 0)
		return fail(why, -EOPNOTSUPP, "the image has no partition %u: its %s table is empty", number,
			    t->ops->name);
	/* By number, not by place: that is how people look for one. */
	for (unsigned least = 0; there.len < 200;) {
		unsigned next = UINT_MAX;

		for (unsigned i = 0; i < t->n; i++)
			if (t->partition[i].number > least && t->partition[i].number < next)
				next = t->partition[i].number;
		if (next == UINT_MAX)
			break;
		text_add(&there, "%s%u", there.len ? ", " : "", next);
		least = next;
	}
	return fail(why, -EOPNOTSUPP, "the image has no partition %u; it has %s%s", number,
		    there.chars ?: "others", there.len < 200 ? "" : ", ...");
}

/* Tables that no template is expected to have; named, so that nobody takes the disk for an empty one. */
static const char *foreign_kind(const uint8_t head[static 1024])
{
	uint16_t sum = 0;

	if (memcmp(head, "ER", 2) == 0 && memcmp(head + 512, "PM", 2) == 0)
		return "an apple";
	if (get_be32(head) == 0x0be5a941)
		return "an sgi";
	if (get_le32(head) == 0x82564557 || get_le32(head + 512) == 0x82564557)
		return "a bsd";
	for (size_t i = 0; i < 512; i += 2)
		sum ^= get_be16(head + i);
	if (get_be16(head + 508) == 0xdabe && sum == 0)
		return "a sun";
	return NULL;
}

static int refuse_foreign(struct image *disk, struct why *why)
{
	uint8_t head[1024];
	const char *kind;
	int r;

	if (disk->size < sizeof(head))
		return 1;
	r = image_pread(disk, head, sizeof(head), 0, why);
	if (r < 0)
		return r;
	kind = foreign_kind(head);
	if (kind)
		return fail(why, -EOPNOTSUPP,
			    "the disk has %s partition table; only gpt and mbr are known how to grow", kind);
	return 1;
}

int table_read(struct image *disk, struct table *ret, struct why *why)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
		int r = kinds[i]->read(disk, ret, why);

		if (r <= 0)
			return r;
	}
	return refuse_foreign(disk, why);
}
