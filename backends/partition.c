/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/partition.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/costs.h"
#include "backends/table/table.h"
#include "base/bytes.h"
#include "base/size.h"

bool partition_is_ready(const struct tags *state, const struct tags *want)
{
	const char *size = tags_get(want, "size");

	return offer_is_disk_to_change(state, want) && tags_has(state, "size") &&
	       (!size || tags_is(state, "size", size));
}

static void partition_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	const char *number = tags_get(want, "partition");
	struct offer x;

	if (!number || !partition_is_ready(state, want) || tags_has(state, "partition") ||
	    tags_has(state, "lv"))
		return;
	offer_begin(&x, o, state);
	offer_arg(&x, "partition", number);
	offer_set(&x, "partition", number);
	offer_drop(&x, "grow");
	offer_drop(&x, "lvgrow");
	offer_end(&x, cost_of(state, COST_PARTITION_OPEN, COST_MAP_PER_MIB));
}

static int refuse_extended(const struct table *t, const struct partition *extended, struct why *why)
{
	_cleanup_(text_done) struct text inside = TEXT_EMPTY;

	for (unsigned i = 0; i < t->n && inside.len < 200; i++)
		if (t->partition[i].logical)
			text_add(&inside, "%s%u", inside.len ? ", " : "", t->partition[i].number);
	return fail(why, -EOPNOTSUPP, "partition %u is an extended one, which only holds others: %s%s",
		    extended->number, inside.len ? "ask for one of " : "there are none in it",
		    inside.chars ?: "");
}

/* `describe` is for people who read the plan. */
static int seal_window(struct image *disk, const struct table *t, const struct partition *p, struct image **ret,
		       struct why *why)
{
	struct map_draft *draft = map_draft_new(p->length, disk);
	char size[SIZE_TEXT_MAX], describe[96];

	if (!draft)
		return -ENOMEM;
	map_draft_below(draft, 0, p->length, p->start);
	(void)snprintf(describe, sizeof(describe), "    %s: partition %u, %s from byte %" PRIu64 " on\n",
		       t->ops->name, p->number, size_human(size, p->length), p->start);
	return map_seal(draft, "partition", describe, ret, why);
}

int partition_open(struct image *disk, unsigned number, struct image **ret, struct why *why)
{
	_cleanup_(table_done) struct table t = { 0 };
	const struct partition *p;
	int r = table_read(disk, &t, why);

	if (r == 1)
		return fail(why, -EOPNOTSUPP, "the image has no partition %u: it has no partition table",
			    number);
	if (r < 0)
		return r;
	p = table_number(&t, number);
	if (!p)
		return table_no_number(&t, number, why);
	if (p->extended)
		return refuse_extended(&t, p, why);
	return seal_window(disk, &t, p, ret, why);
}

static int partition_open_step(const struct opening *opening, struct image *below, struct image **ret,
			       struct why *why)
{
	uint64_t number;

	if (!tags_get_u64(&opening->step->args, "partition", &number) || number == 0 || number > UINT32_MAX)
		return fail(why, -EINVAL, "a partition step without a number");
	return partition_open(below, (unsigned)number, ret, why);
}

const struct backend partition_backend = {
	.name = "partition",
	.offer = partition_offer,
	.open = partition_open_step,
};
