/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/lvm/choose.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/size.h"

/* Each look reads 20 KiB, or 56 where nothing known is found. */
#define LOOKS_MAX 32

/*
 * What installers and vendors call the volume of the root filesystem: anaconda "root", of old
 * "lv_root" and, when it knows no better, numbers; debian-installer "root"; Ubuntu's subiquity "ubuntu-lv";
 * Azure's images "rootlv"; Oracle's and others' "lvroot", "rootvol".
 */
static const char *const root_names[] = { "root",      "lv_root",     "lv-root", "lvroot",   "root_lv",
					  "root-lv",   "rootlv",      "rootvol", "root_vol", "rootfs",
					  "ubuntu-lv", "ubuntu-root", "sysroot", "slash" };

static bool is_root_name(const char *name)
{
	for (size_t i = 0; i < sizeof(root_names) / sizeof(*root_names); i++)
		if (strcasecmp(name, root_names[i]) == 0)
			return true;
	return false;
}

static bool is_root_label(const char *label)
{
	return strcmp(label, "/") == 0 || strcasecmp(label, "cloudimg-rootfs") == 0 || is_root_name(label);
}

/* The first of its segments' types that isn't plain; NULL when all are. */
static const char *odd_type(const struct lvm_volume *v)
{
	for (const struct lvm_node *n = v->node->child; n; n = n->next) {
		const char *type = lvm_node_string(n, "type");

		if (n->kind == LVM_SECTION && type && strcmp(type, "striped") != 0)
			return type[strspn(type, "abcdefghijklmnopqrstuvwxyz0123456789_-+")] ? "unknown" : type;
	}
	return NULL;
}

static int cannot(const struct lvm *l, const struct lvm_volume *v, struct why *why, const char *reason)
{
	return fail(why, -EOPNOTSUPP, "logical volume '%s' of '%s' can't be grown: %s", v->name, l->group,
		    reason);
}

/* Whether the volume itself can get longer, whatever it holds. */
static int check_volume(const struct lvm *l, const struct lvm_volume *v, struct why *why)
{
	const char *type = odd_type(v);

	if (type)
		return fail(
			why, -EOPNOTSUPP,
			"logical volume '%s' of '%s' can't be grown: it is of type '%.40s', and only linear "
			"ones can",
			v->name, l->group, type);
	if (v->why_not[0])
		return cannot(l, v, why, v->why_not);
	if (!lvm_is_linear(v))
		return cannot(l, v, why, "it is striped, and only linear ones can");
	if (v->origin)
		return cannot(l, v, why, "it has snapshots");
	return 0;
}

/* 0, 1: nothing known is in it, or an error. */
static int probe(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct content *ret,
		 struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = lvm_open(pv, l, v, &img, why);

	if (r == 0)
		r = content_probe(img, ret, why);
	if (r == 0 && ret->size > v->size)
		return fail(why, -EBADMSG, "its %s is larger than the volume", content_type(ret));
	return r;
}

static int check_content(const struct lvm *l, const struct lvm_volume *v, const struct content *c,
			 struct why *why)
{
	if (c->ops == &lvm_content)
		return cannot(l, v, why, "it holds a physical volume of another group");
	if (!c->ops->grow)
		return fail(why, -EOPNOTSUPP, "logical volume '%s' of '%s' is %s and can't be grown: %s",
			    v->name, l->group, c->kind ?: c->ops->name, c->ops->why_not);
	return 0;
}

static int take_volume(struct image *pv, const struct lvm *l, const struct lvm_volume *v,
		       struct lvm_choice *ret, struct why *why)
{
	struct content c = { 0 };
	int r = check_volume(l, v, why);

	if (r < 0)
		return r;
	r = probe(pv, l, v, &c, why);
	if (r == 1)
		return cannot(l, v, why, "it holds nothing that is known here");
	if (r < 0)
		return fail_at(why, r, "logical volume '%s' of '%s'", v->name, l->group);
	r = check_content(l, v, &c, why);
	if (r == 0)
		*ret = (struct lvm_choice){ v, c };
	return r;
}

static int take_named(struct image *pv, const struct lvm *l, const char *name, struct lvm_choice *ret,
		      struct why *why)
{
	_cleanup_(text_done) struct text names = TEXT_EMPTY;
	const struct lvm_volume *v = lvm_find(l, name);

	if (v)
		return take_volume(pv, l, v, ret, why);
	lvm_names(l, &names);
	return fail(why, -EOPNOTSUPP, "there is no logical volume '%.150s'; %s%s", name,
		    names.len ? "there are: " : "the volume group is empty", names.chars ?: "");
}

/* How many have devices, and the last of them; how many of these are called as a root is. */
static unsigned count_visible(const struct lvm *l, const struct lvm_volume **ret, unsigned *ret_roots,
			      const struct lvm_volume **ret_root)
{
	unsigned n = 0;

	*ret_roots = 0;
	for (unsigned i = 0; i < l->n_volumes; i++) {
		const struct lvm_volume *v = &l->volume[i];

		if (v->hidden)
			continue;
		n++;
		*ret = v;
		if (!is_root_name(v->name))
			continue;
		++*ret_roots;
		*ret_root = v;
	}
	return n;
}

/* What a look into all volumes has found. */
struct found {
	struct lvm_choice last, last_root; /* that can grow; and whose label is a root's */
	unsigned n, n_roots;
	struct text names; /* of those that can grow */
};

static void found_done(struct found *f)
{
	text_done(&f->names);
}

/* What is damaged, or can't grow, doesn't count. */
static int look_into(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct found *f,
		     struct why *why)
{
	struct lvm_choice c;
	int r = take_volume(pv, l, v, &c, why);

	if (r == -EOPNOTSUPP || r == -EBADMSG)
		return 0;
	if (r < 0 || c.content.ops->only_named)
		return r;
	f->n++;
	f->last = c;
	if (f->names.len < 160) {
		text_add(&f->names, "%s", f->names.len ? ", " : "");
		lvm_name(l, v, &f->names);
	}
	if (is_root_label(c.content.label)) {
		f->n_roots++;
		f->last_root = c;
	}
	return 0;
}

static int look_into_all(struct image *pv, const struct lvm *l, struct lvm_choice *ret, struct why *why)
{
	_cleanup_(found_done) struct found f = { 0 };
	int r = 0;

	for (unsigned i = 0; r == 0 && i < l->n_volumes; i++)
		if (!l->volume[i].hidden)
			r = look_into(pv, l, &l->volume[i], &f, why);
	if (r < 0)
		return r;
	if (f.n == 0)
		return fail(why, -EOPNOTSUPP, "none of the logical volumes of '%s' holds what can be grown",
			    l->group);
	if (f.n > 1 && f.n_roots != 1)
		return fail(why, -EOPNOTSUPP,
			    "several logical volumes of '%s' could take the room (%s); '@lvexpand=VG-LV' says "
			    "which",
			    l->group, f.names.chars ?: "");
	*ret = f.n == 1 ? f.last : f.last_root;
	return 0;
}

static int too_many(const struct lvm *l, unsigned n, struct why *why)
{
	_cleanup_(text_done) struct text names = TEXT_EMPTY;

	lvm_names(l, &names);
	return fail(
		why, -EOPNOTSUPP,
		"any of the %u logical volumes of '%s' could take the room (%s); '@lvexpand=VG-LV' says which",
		n, l->group, names.chars ?: "");
}

int lvm_choose(struct image *pv, const struct lvm *l, const char *name, struct lvm_choice *ret, struct why *why)
{
	const struct lvm_volume *any = NULL, *root = NULL;
	unsigned n, n_roots;

	*ret = (struct lvm_choice){ 0 };
	if (name)
		return take_named(pv, l, name, ret, why);
	n = count_visible(l, &any, &n_roots, &root);
	if (n == 0)
		return 0;
	if (n == 1 || n_roots == 1)
		return take_volume(pv, l, n == 1 ? any : root, ret, why);
	return n <= LOOKS_MAX ? look_into_all(pv, l, ret, why) : too_many(l, n, why);
}
