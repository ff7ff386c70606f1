/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/describe.h"

#include <errno.h>
#include <string.h>

#include <json-c/json.h>

#include "backends/content/lvm/lvm.h"
#include "backends/table/table.h"

/*
 * A hostile table may have a thousand partitions, each in a block of its own that would
 * have to be decoded; real ones have a dozen. What comes later is listed, but not looked into.
 */
#define CONTENTS_MAX 64

struct look {
	unsigned left; /* contents that may still be looked into */
};

/* JSON. json-c frees what it was given also when it can't add it; out of memory ends as a missing key. */

static void put(struct json_object *to, const char *key, struct json_object *value)
{
	(void)json_object_object_add(to, key, value);
}

static void put_text(struct json_object *to, const char *key, const char *text)
{
	if (text && *text)
		put(to, key, json_object_new_string(text));
}

static void put_bytes(struct json_object *to, const char *key, uint64_t value)
{
	put(to, key, json_object_new_int64((int64_t)value));
}

static void put_flag(struct json_object *to, const char *key, bool is_so)
{
	if (is_so)
		put(to, key, json_object_new_boolean(true));
}

/* What went wrong becomes a part of the description; but for what would be another thing the next time. */
static int put_why(struct json_object *to, int error, const struct why *why)
{
	if (error == -EINTR || error == -ENOMEM)
		return error;
	put_text(to, "why", why_text(why, error));
	return 0;
}

static int describe_content(struct image *container, bool in_group, struct look *look,
			    struct json_object *owner);

/* ---- LVM ---- */

static int describe_volume(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct look *look,
			   struct json_object *into)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text name = TEXT_EMPTY;
	struct why why = { "" };
	int r;

	lvm_name(l, v, &name);
	put_text(into, "name", v->name);
	put_text(into, "lv", name.chars);
	put_text(into, "uuid", v->uuid);
	if (v->why_not[0]) {
		put_text(into, "why", v->why_not);
		return 0;
	}
	put_bytes(into, "size", v->size);
	r = lvm_open(pv, l, v, &img, &why);
	if (r < 0)
		return put_why(into, r, &why);
	return describe_content(img, /* in_group= */ true, look, into);
}

static int describe_volumes(struct image *pv, const struct lvm *l, struct look *look, struct json_object *group)
{
	struct json_object *volumes = json_object_new_array();
	int r = 0;

	put(group, "volumes", volumes);
	for (unsigned i = 0; r == 0 && i < l->n_volumes; i++) {
		struct json_object *volume;

		if (l->volume[i].hidden)
			continue;
		volume = json_object_new_object();
		(void)json_object_array_add(volumes, volume);
		r = describe_volume(pv, l, &l->volume[i], look, volume);
	}
	return r;
}

static int describe_group(struct image *pv, struct look *look, struct json_object *content)
{
	_cleanup_(lvm_done) struct lvm l = { 0 };
	struct json_object *group = json_object_new_object();
	struct why why = { "" };
	int r = lvm_read(pv, &l, &why);

	put(content, "group", group);
	if (r < 0)
		return put_why(group, r, &why);
	if (r == 1 || !l.text) {
		json_object_object_del(content, "group");
		return 0;
	}
	put_text(group, "name", l.group);
	put_text(group, "uuid", l.group_uuid);
	return describe_volumes(pv, &l, look, group);
}

/* ---- contents ---- */

static int fill_content(struct image *container, const struct content *c, bool in_group, struct look *look,
			struct json_object *into)
{
	put_text(into, "type", content_type(c));
	put_text(into, "label", c->label);
	put_text(into, "uuid", c->uuid);
	if (c->size)
		put_bytes(into, "size", c->size);
	/* A group in a volume of another: possible, but nobody's disk, and without an end. */
	return c->ops == &lvm_content && !in_group ? describe_group(container, look, into) : 0;
}

static int describe_content(struct image *container, bool in_group, struct look *look,
			    struct json_object *owner)
{
	struct json_object *content;
	struct content c;
	struct why why = { "" };
	int r = 0;

	if (look->left == 0) {
		(void)fail(&why, -E2BIG, "not looked into: only the first %d contents of a disk are",
			   CONTENTS_MAX);
		r = -E2BIG;
	} else {
		look->left--;
		r = content_probe(container, &c, &why);
	}
	if (r == 1)
		return 0;
	content = json_object_new_object();
	put(owner, "content", content);
	return r == 0 ? fill_content(container, &c, in_group, look, content) : put_why(content, r, &why);
}

/* ---- the table ---- */

static int describe_partition(struct image *disk, const struct partition *p, struct look *look,
			      struct json_object *into)
{
	_cleanup_(image_unrefp) struct image *window = NULL;
	int r;

	put_bytes(into, "number", p->number);
	put_text(into, "type", p->kind);
	put_text(into, "id", p->id);
	put_text(into, "name", p->label);
	put_bytes(into, "start", p->start);
	put_bytes(into, "size", p->length);
	put_flag(into, "bootable", p->bootable);
	put_flag(into, "extended", p->extended);
	put_flag(into, "logical", p->logical);
	if (p->extended)
		return 0;
	r = map_window(disk, p->start, p->length, &window, /* why= */ NULL);
	return r < 0 ? r : describe_content(window, /* in_group= */ false, look, into);
}

static int describe_table(struct image *disk, const struct table *t, struct look *look,
			  struct json_object *into)
{
	struct json_object *partitions = json_object_new_array();
	int r = 0;

	put_text(into, "table", t->ops->name);
	put_text(into, "id", t->id);
	put_bytes(into, "sector-size", t->sector);
	put(into, "partitions", partitions);
	for (unsigned i = 0; r == 0 && i < t->n; i++) {
		struct json_object *partition = json_object_new_object();

		(void)json_object_array_add(partitions, partition);
		r = describe_partition(disk, &t->partition[i], look, partition);
	}
	return r;
}

int disk_describe(struct image *disk, struct json_object *into)
{
	_cleanup_(table_done) struct table t = { 0 };
	struct look look = { .left = CONTENTS_MAX };
	struct why why = { "" };
	int r = table_read(disk, &t, &why);

	if (r == 0)
		r = describe_table(disk, &t, &look, into);
	else if (r < 0)
		r = put_why(into, r, &why);
	/* Behind a bad table there may be something all the same: an image for CDs that sticks boot from, too. */
	return r < 0 || t.n > 0 ? r : describe_content(disk, /* in_group= */ false, &look, into);
}
