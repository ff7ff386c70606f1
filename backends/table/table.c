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

void table_done(struct table *t)
{
	free(t->partition);
	free(t->raw);
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
	more[t->n++] = *p;
	t->partition = more;
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

int table_check_last(const struct table *t, const struct partition *p, struct why *why)
{
	const struct partition *next = p + 1, *last = table_last(t);
	char next_size[SIZE_TEXT_MAX];

	if (p == last)
		return 0;
	if (next == last)
		return fail(why, -EOPNOTSUPP,
			    "partition %u can't grow: partition %u (%s) stands behind it, and moving it is not "
			    "built yet; @expand=%u grows that one, @expand=none grows the disk alone",
			    p->number, next->number, size_human(next_size, next->length), next->number);
	return fail(why, -EOPNOTSUPP,
		    "partition %u can't grow: %u others stand behind it, from partition %u (%s) to partition "
		    "%u, and "
		    "moving them is not built yet; @expand=%u grows the last one, @expand=none grows the disk "
		    "alone",
		    p->number, (unsigned)(last - p), next->number, size_human(next_size, next->length),
		    last->number, last->number);
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
