/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/resize.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/choice.h"
#include "backends/costs.h"
#include "backends/moved.h"
#include "backends/tenant.h"
#include "base/bytes.h"
#include "base/size.h"

/* What the library says of the volume goes with what it says of the partition. */
static const char *volume_of(const struct tags *state, const struct tags *want)
{
	if (tags_has(want, "expand") || tags_has(want, "content"))
		return tags_get(want, "lvexpand");
	return tags_get(want, "lvexpand") ?: tags_get(state, "lvgrow");
}

/* One tag names a volume that is to grow, another says that nothing in the disk does. */
static bool is_contradiction(const struct tags *want, struct offers *o)
{
	const char *volume = tags_get(want, "lvexpand"), *none;

	none = tags_is(want, "expand", "none") ? "expand" : tags_has(want, "content") ? "content" : NULL;
	if (!volume || !none)
		return false;
	offer_refusal(o, "@lvexpand=%s names a volume that takes the room, and with @%s=none no volume does",
		      volume, none);
	return true;
}

static void resize_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	char have_text[SIZE_TEXT_MAX], want_text[SIZE_TEXT_MAX];
	const char *expand = tags_get(want, "expand") ?: tags_get(state, "grow");
	const char *volume = volume_of(state, want);
	uint64_t have_size, want_size;
	struct offer x;

	if (!offer_is_disk_to_change(state, want) || tags_has(state, "partition") || tags_has(state, "lv") ||
	    !tags_get_u64(state, "size", &have_size) || !tags_get_u64(want, "size", &want_size) ||
	    want_size == have_size)
		return;
	if (want_size < have_size) {
		offer_refusal(o,
			      "the template is %s, and images can't be made smaller than their template: "
			      "%s is too small, %s (%" PRIu64 " bytes) is the least",
			      size_format(have_text, have_size), size_format(want_text, want_size), have_text,
			      have_size);
		return;
	}
	if (is_contradiction(want, o))
		return;
	offer_begin(&x, o, state);
	offer_arg(&x, "size", tags_get(want, "size"));
	if (expand)
		offer_arg(&x, "expand", expand);
	if (volume)
		offer_arg(&x, "lvexpand", volume);
	if (tags_has(want, "content"))
		offer_arg(&x, "content", tags_get(want, "content"));
	offer_set(&x, "size", tags_get(want, "size"));
	offer_drop(&x, "grow");
	offer_drop(&x, "lvgrow");
	offer_end(&x, COST_RESIZE_OPEN + COST_MAP_PER_MIB * (want_size >> 20));
}

/*
 * One resize in the making. What grows is the container: a partition's window,
 * or the whole disk where a filesystem takes it all. `draft` is the grown disk.
 */
struct job {
	const struct resize *how; /* borrowed, as is `below` */
	struct image *below;
	struct table table;
	struct tenants tenants;
	struct map_draft *draft;
	char container[32]; /* "partition 2", "the disk": for sentences */
	struct text describe;
};

static void job_done(struct job *j)
{
	tenants_done(&j->tenants);
	table_done(&j->table);
	map_draft_free(j->draft);
	text_done(&j->describe);
}

/* Puts the ways out behind the reason that is there: a bare disk has one less than a partition. */
static int add_ways_out(const struct job *j, int error, struct why *why)
{
	struct why reason;

	if (!why || (error != -EOPNOTSUPP && error != -EBADMSG) || !why->text[0])
		return error;
	reason = *why;
	return fail(why, error, "%.320s; %s", reason.text,
		    j->table.ops ? "@content=none grows disk and partition and leaves the rest to the guest, "
				   "@expand=none grows the disk alone"
				 : "@content=none or @expand=none grows the disk alone and leaves the rest to "
				   "the guest");
}

/* "ext4" rather than "ext", where the content tells. */
static const char *name_of(const struct content *c)
{
	return c->kind ? c->kind : c->ops->name;
}

static int check_content(const struct job *j, const struct content *c, uint64_t length, struct why *why)
{
	char size_text[SIZE_TEXT_MAX], length_text[SIZE_TEXT_MAX];

	if (!c->ops->grow)
		return fail(why, -EOPNOTSUPP, "%s is %s and can't be grown: %s", j->container, name_of(c),
			    c->ops->why_not);
	if (c->size > length)
		return fail(why, -EBADMSG, "truncated image: %s is %s of %s, but only %s are there",
			    j->container, name_of(c), size_human(size_text, c->size),
			    size_human(length_text, length));
	return 0;
}

/* Lets the content paint over the grown container; the result is `grown` itself where nothing changes. */
static int grow_content(struct job *j, const struct content *c, struct image *grown, struct image **ret,
			struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = map_draft_new(grown->size, grown);
	_cleanup_(text_done) struct text line = TEXT_EMPTY;
	const struct growth how = { .volume = j->how->volume };
	int r;

	if (!draft)
		return -ENOMEM;
	if (how.volume && !c->ops->has_volumes)
		return fail(why, -EOPNOTSUPP, "%s is %s and has no logical volume '%.150s'", j->container,
			    name_of(c), how.volume);
	r = c->ops->grow(grown, c, &how, draft, &line, why);
	if (r < 0)
		return fail_at(why, r, "%s", j->container);
	if (r == CONTENT_FITS) {
		text_add(&j->describe, "    %s stays as it is: too little room for more of it\n", name_of(c));
		*ret = image_ref(grown);
		return 0;
	}
	text_add(&j->describe, "    %s\n", line.chars ? line.chars : name_of(c));
	return map_seal(take(draft), "content", /* describe= */ NULL, ret, why);
}

/* The container at its new length: its old bytes, then zeros. */
static int extend(struct image *window, uint64_t length, struct image **ret, struct why *why)
{
	struct map_draft *draft = map_draft_new(length, window);

	if (!draft)
		return -ENOMEM;
	return map_seal(draft, "grown", /* describe= */ NULL, ret, why);
}

/* What of it has to grow? 0 with no `ops` when the container may grow whatever it holds. */
static int check_tenant(const struct job *j, const struct tenant *t, struct content *ret, struct why *why)
{
	int r = t->found;

	*ret = (struct content){ 0 };
	if (r == 0 && t->content.ops->at_end)
		return fail(why, -EOPNOTSUPP, "%s is %s and can't grow at all: %s%s", j->container,
			    t->content.ops->name, t->content.ops->why_not,
			    j->table.ops ? "; @expand=none grows the disk alone" : "");
	if (j->how->keep_content || j->how->disk_only)
		return 0;
	if (r == 1)
		r = fail(why, -EOPNOTSUPP, "%s holds nothing that is known here, so nothing that can be grown",
			 j->container);
	else if (r == 0)
		r = check_content(j, &t->content, t->window->size, why);
	else
		r = fail(why, r, "%s: %s", j->container, why_text(&t->why, r));
	if (r < 0)
		return add_ways_out(j, r, why);
	*ret = t->content;
	return 0;
}

/* Grows what stands at `offset` of the disk to `want` bytes and puts it into the draft. */
static int grow_container(struct job *j, const struct tenant *t, uint64_t offset, uint64_t want,
			  struct why *why)
{
	_cleanup_(image_unrefp) struct image *grown = NULL, *result = NULL;
	struct content c;
	int r;

	r = check_tenant(j, t, &c, why);
	if (r == 0)
		r = extend(t->window, want, &grown, why);
	if (r < 0)
		return r;
	if (c.ops) {
		r = grow_content(j, &c, grown, &result, why);
		if (r < 0)
			return add_ways_out(j, r, why);
	} else {
		text_add(&j->describe, "    its content is left to the guest\n");
		result = image_ref(grown);
	}
	map_draft_map(j->draft, offset, want, result, 0);
	return 0;
}

static int no_such_partition(const struct job *j, struct why *why)
{
	if (j->table.n > 0)
		return table_no_number(&j->table, j->how->partition, why);
	return fail(why, -EOPNOTSUPP,
		    "the %s table of the image is empty: no partition can take the room; "
		    "@expand=none grows the disk alone",
		    j->table.ops->name);
}

static int choose(struct job *j, const struct partition **ret, struct why *why)
{
	const struct partition *p = NULL;
	int r;

	*ret = NULL;
	if (j->how->disk_only)
		return 0;
	if (j->table.n == 0 || (j->how->partition && !table_number(&j->table, j->how->partition)))
		return no_such_partition(j, why);
	p = table_number(&j->table, j->how->partition);
	if (!p) {
		r = choice_make(&j->tenants, j->how, &p, why);
		if (r < 0)
			return r;
	}
	if (p->use && p->use->no_growth)
		return fail(why, -EOPNOTSUPP, "partition %u %s; @expand=none grows the disk alone", p->number,
			    p->use->no_growth);
	*ret = p;
	return 0;
}

static int grow_partition(struct job *j, const struct partition *p, const struct table_growth *growth,
			  struct why *why)
{
	const struct moved moved = { &j->tenants, p, growth->shift };
	char have_text[SIZE_TEXT_MAX], want_text[SIZE_TEXT_MAX];
	const struct tenant *t;
	int r = 0;

	text_add(&j->describe, "    %s: partition %u grown from %s to %s\n", j->table.ops->name, p->number,
		 size_human(have_text, p->length), size_human(want_text, growth->length));
	if (growth->shift) {
		r = moved_check(&moved, why);
		if (r == 0)
			r = moved_describe(&moved, &j->describe, why);
	}
	if (r == 0)
		r = tenants_look(&j->tenants, p, &t, why);
	if (r == 0)
		r = grow_container(j, t, p->start, growth->length, why);
	if (r == 0 && growth->shift)
		r = moved_paint(&moved, j->draft, why);
	return r;
}

static int grow_partitioned(struct job *j, struct why *why)
{
	const struct table *t = &j->table;
	const struct partition *p = NULL;
	struct table_growth growth = { 0 };
	char have_text[SIZE_TEXT_MAX];
	int r;

	r = tenants_init(&j->tenants, j->below, t);
	if (r == 0)
		r = choose(j, &p, why);
	if (r == 0)
		r = t->ops->grow(j->below, t, p, j->draft, &growth, why);
	if (r < 0)
		return r;
	if (!p) {
		text_add(&j->describe, "    %s: the disk grown alone, its partitions stay\n", t->ops->name);
		return 0;
	}
	(void)snprintf(j->container, sizeof(j->container), "partition %u", p->number);
	if (growth.length == p->length) {
		text_add(&j->describe, "    %s: partition %u stays %s: too little room for a MiB more\n",
			 t->ops->name, p->number, size_human(have_text, p->length));
		return 0;
	}
	return grow_partition(j, p, &growth, why);
}

static int grow_bare(struct job *j, struct why *why)
{
	_cleanup_(tenant_done) struct tenant t = { 0 };
	int r;

	if (j->how->partition)
		return fail(why, -EOPNOTSUPP, "the image has no partition %u: it has no partition table",
			    j->how->partition);
	(void)snprintf(j->container, sizeof(j->container), "the bare disk");
	text_add(&j->describe, "    no partition table: the disk holds one thing, if any\n");
	r = tenant_look(&t, j->below, 0, j->below->size, why);
	return r < 0 ? r : grow_container(j, &t, 0, j->how->size, why);
}

static int check_size(const struct resize *how, struct image *below, struct why *why)
{
	char have_text[SIZE_TEXT_MAX], want_text[SIZE_TEXT_MAX];

	if (how->size >= below->size)
		return 0;
	return fail(why, -EOPNOTSUPP,
		    "the template holds %s, and images can't be made smaller than that: %s is too small",
		    size_format(have_text, below->size), size_format(want_text, how->size));
}

int resize_open(const struct resize *how, struct image *below, struct image **ret, struct why *why)
{
	_cleanup_(job_done) struct job j = { .how = how, .below = below };
	int r;

	r = check_size(how, below, why);
	if (r < 0)
		return r;
	if (how->size == below->size) {
		*ret = image_ref(below);
		return 0;
	}
	j.draft = map_draft_new(how->size, below);
	if (!j.draft)
		return -ENOMEM;
	r = table_read(below, &j.table, why);
	if (r >= 0)
		r = r == 0 ? grow_partitioned(&j, why) : grow_bare(&j, why);
	if (r < 0)
		return r;
	if (j.describe.error)
		return j.describe.error;
	return map_seal(take(j.draft), "resize", j.describe.chars, ret, why);
}

static int resize_open_step(const struct opening *opening, struct image *below, struct image **ret,
			    struct why *why)
{
	const struct tags *args = &opening->step->args;
	struct resize how = { .keep_content = tags_is(args, "content", "none"),
			      .volume = tags_get(args, "lvexpand") };
	uint64_t number = 0;

	if (!tags_get_u64(args, "size", &how.size))
		return fail(why, -EINVAL, "a resize step without a size");
	if (tags_is(args, "expand", "none"))
		how.disk_only = true;
	else if (tags_get_u64(args, "expand", &number) && number)
		how.partition = (unsigned)min_u64(number, UINT32_MAX);
	else if (tags_has(args, "expand"))
		return fail(why, -EINVAL, "expand=%s names no partition", tags_get(args, "expand"));
	return resize_open(&how, below, ret, why);
}

const struct backend resize_backend = {
	.name = "resize",
	.offer = resize_offer,
	.open = resize_open_step,
};
