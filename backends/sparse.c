/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A disk is sparse in two ways: inside its partitions, where each content tells what it
 * doesn't use; and between and behind them, where nothing is but what belongs to the
 * table. All that stands before the first partition stays: the table, the boot loader.
 *
 * To take bytes for unused that somebody reads is the one mistake that matters here. So
 * the room between partitions is left alone unless the table is beyond doubt: none of the
 * partitions' contents reaches out of its partition, at least one of them is known (a table
 * read with a wrong sector size finds none), and the disk as a whole is nothing else at the
 * same time, as installation media are. For the same reason what stands in a partition behind
 * the end of its filesystem is used.
 */
#include "backends/sparse.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/content.h"
#include "backends/content/unused.h"
#include "backends/costs.h"
#include "backends/table/table.h"
#include "base/bytes.h"
#include "base/size.h"

static void sparse_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!tags_has(want, "sparse") || tags_has(state, "sparse") || !offer_is_raw_disk(state))
		return;
	offer_begin(&x, o, state);
	offer_arg(&x, "sparse", tags_get(want, "sparse"));
	offer_set(&x, "sparse", tags_get(want, "sparse"));
	offer_end(&x, cost_of(state, COST_SPARSE_OPEN, COST_MAP_PER_MIB));
}

/* One disk in the making. `draft` stands over it. */
struct job {
	struct image *disk; /* borrowed */
	struct table table;
	struct map_draft *draft;
	uint64_t bytes, runs; /* unused, painted so far */
	bool is_known;	      /* one of the partitions holds something that is known */
	bool is_doubtful;     /* one of them is damaged, or holds more than there is of it */
	struct text describe;
};

static void job_done(struct job *j)
{
	table_done(&j->table);
	map_draft_free(j->draft);
	text_done(&j->describe);
}

/* What the bytes say, which is the same at every time; other errors may be gone at the next. */
static bool is_verdict(int error)
{
	return error == -EBADMSG || error == -EOPNOTSUPP;
}

static const char *name_of(const struct content *c)
{
	return c->kind ? c->kind : c->ops->name;
}

/*
 * What a container holds: 0 and the content; 1 when all of it is used, and the line for
 * the plan is written; or an error. `what`: "partition 2", "the disk".
 */
static int probe(struct job *j, struct image *container, const char *what, struct content *ret, struct why *why)
{
	char size_text[SIZE_TEXT_MAX];
	struct why reason = { "" };
	int r = content_probe(container, ret, &reason);

	if (r < 0 && !is_verdict(r))
		return fail(why, r, "%s: %s", what, why_text(&reason, r));
	if (r < 0)
		text_add(&j->describe, "    %s: all of it counts as used: %s\n", what, why_text(&reason, r));
	else if (r == 1)
		text_add(&j->describe, "    %s: nothing that is known here, all of it counts as used\n", what);
	else if (ret->size > container->size)
		text_add(&j->describe,
			 "    %s: all of it counts as used: its %s claims %s, more than there is\n", what,
			 name_of(ret), size_human(size_text, ret->size));
	else
		return 0;
	j->is_doubtful |= r != 1;
	return 1;
}

/*
 * Paints zeros where the content uses nothing, into a draft over its container. 0 and the
 * map; 1 when there is nothing to paint; or an error. Writes the line for the plan.
 */
static int paint_unused(struct job *j, struct image *container, const struct content *c, const char *what,
			struct image **ret, struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	char unused_text[SIZE_TEXT_MAX], size_text[SIZE_TEXT_MAX];
	struct why reason = { "" };
	struct unused u;
	int r;

	if (!c->ops->unused) {
		text_add(&j->describe, "    %s: %s, all of it counts as used\n", what, name_of(c));
		return 1;
	}
	draft = map_draft_new(container->size, container);
	if (!draft)
		return -ENOMEM;
	unused_begin(&u, draft, j->runs);
	r = c->ops->unused(container, c, &u, &reason);
	if (r < 0 && !is_verdict(r))
		return fail(why, r, "%s: %s", what, why_text(&reason, r));
	if (r < 0) {
		text_add(&j->describe, "    %s: %s, all of it counts as used: %s\n", what, name_of(c),
			 why_text(&reason, r));
		return 1;
	}
	unused_end(&u);
	j->runs = u.runs;
	j->bytes += u.bytes;
	text_add(&j->describe, "    %s: %s, %s of %s unused\n", what, name_of(c),
		 size_human(unused_text, u.bytes), size_human(size_text, container->size));
	return map_seal(take(draft), "unused", /* describe= */ NULL, ret, why);
}

static int add_partition(struct job *j, const struct partition *p, struct why *why)
{
	_cleanup_(image_unrefp) struct image *window = NULL, *painted = NULL;
	struct content c = { 0 };
	char what[32];
	int r;

	(void)snprintf(what, sizeof(what), "partition %u", p->number);
	r = map_window(j->disk, p->start, p->length, &window, why);
	if (r == 0)
		r = probe(j, window, what, &c, why);
	if (r == 0) {
		j->is_known = true;
		r = paint_unused(j, window, &c, what, &painted, why);
	}
	if (r < 0)
		return r;
	map_draft_map(j->draft, p->start, p->length, r == 0 ? painted : window, 0);
	return 0;
}

/* The room that nobody takes. */

static int by_start(const void *left, const void *right)
{
	const struct area *a = left, *b = right;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* What is taken, sorted: the table's own, and the partitions but for those that only hold others. */
static struct area *taken_areas(const struct table *t, size_t *ret_n)
{
	struct area *area = calloc(t->n_own + (size_t)t->n + 1, sizeof(*area));
	size_t n = t->n_own;

	if (!area)
		return NULL;
	for (unsigned i = 0; i < t->n_own; i++)
		area[i] = t->own[i];
	for (unsigned i = 0; i < t->n; i++)
		if (!t->partition[i].extended)
			area[n++] = (struct area){ t->partition[i].start, t->partition[i].length };
	qsort(area, n, sizeof(*area), by_start);
	*ret_n = n;
	return area;
}

static int paint_gaps(struct job *j)
{
	size_t n = 0;
	_cleanup_free_ struct area *area = taken_areas(&j->table, &n);
	uint64_t at = j->table.partition[0].start;
	char size_text[SIZE_TEXT_MAX];
	struct unused u;

	if (!area)
		return -ENOMEM;
	unused_begin(&u, j->draft, j->runs);
	for (size_t i = 0; i < n; i++) {
		if (area[i].start > at)
			unused_add(&u, at, area[i].start - at);
		at = max_u64(at, area[i].start + area[i].length);
	}
	if (at < j->disk->size)
		unused_add(&u, at, j->disk->size - at);
	unused_end(&u);
	j->runs = u.runs;
	j->bytes += u.bytes;
	if (u.bytes)
		text_add(&j->describe, "    outside of partitions: %s unused\n",
			 size_human(size_text, u.bytes));
	return 0;
}

/* Kinds of disks. */

/* Whether the disk is something as a whole, too; then nobody knows what stands between the partitions. */
static int check_nothing_else(struct job *j, struct why *why)
{
	struct content c = { 0 };
	struct why reason = { "" };
	int r = content_probe(j->disk, &c, &reason);

	if (r == 1)
		return 0;
	if (r == 0)
		text_add(&j->describe, "    the disk: %s as well as partitions, all of it counts as used\n",
			 name_of(&c));
	else if (is_verdict(r))
		text_add(&j->describe, "    the disk: all of it counts as used: %s\n", why_text(&reason, r));
	else
		return fail(why, r, "%s", why_text(&reason, r));
	return 1;
}

static int add_partitioned(struct job *j, struct why *why)
{
	const struct table *t = &j->table;
	int r = check_nothing_else(j, why);

	if (r != 0)
		return r < 0 ? r : 0;
	for (unsigned i = 0; i < t->n && r == 0; i++)
		if (!t->partition[i].extended)
			r = add_partition(j, &t->partition[i], why);
	if (r < 0)
		return r;
	return j->is_known && !j->is_doubtful ? paint_gaps(j) : 0;
}

static int add_bare(struct job *j, struct why *why)
{
	_cleanup_(image_unrefp) struct image *painted = NULL;
	struct content c = { 0 };
	int r = probe(j, j->disk, "the disk", &c, why);

	if (r == 0)
		r = paint_unused(j, j->disk, &c, "the disk", &painted, why);
	if (r == 0)
		map_draft_map(j->draft, 0, j->disk->size, painted, 0);
	return r < 0 ? r : 0;
}

static int add_disk(struct job *j, struct why *why)
{
	struct why reason = { "" };
	int r = table_read(j->disk, &j->table, &reason);

	if (r == 1)
		return add_bare(j, why);
	if (r == 0)
		return add_partitioned(j, why);
	if (!is_verdict(r))
		return fail(why, r, "%s", why_text(&reason, r));
	text_add(&j->describe, "    the disk: all of it counts as used: %s\n", why_text(&reason, r));
	return 0;
}

static void describe_total(struct job *j)
{
	char unused_text[SIZE_TEXT_MAX], size_text[SIZE_TEXT_MAX];

	if (j->table.n > 0 && j->bytes > 0)
		text_add(&j->describe, "    in all: %s of %s unused\n", size_human(unused_text, j->bytes),
			 size_human(size_text, j->disk->size));
}

int sparse_open(struct image *disk, struct image **ret, struct why *why)
{
	_cleanup_(job_done) struct job j = { .disk = disk };
	int r;

	j.draft = map_draft_new(disk->size, disk);
	if (!j.draft)
		return -ENOMEM;
	r = add_disk(&j, why);
	if (r < 0)
		return r;
	describe_total(&j);
	if (j.describe.error)
		return j.describe.error;
	return map_seal(take(j.draft), "sparse", j.describe.chars, ret, why);
}

static int sparse_open_step(const struct opening *opening, struct image *below, struct image **ret,
			    struct why *why)
{
	return sparse_open(below, ret, why);
}

const struct backend sparse_backend = {
	.name = "sparse",
	.offer = sparse_offer,
	.open = sparse_open_step,
};
