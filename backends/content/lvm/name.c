/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "backends/content/lvm/lvm.h"

static void add_doubled(const char *name, struct text *out)
{
	for (; *name; name++)
		text_add(out, *name == '-' ? "--" : "%c", *name);
}

void lvm_name(const struct lvm *l, const struct lvm_volume *v, struct text *out)
{
	add_doubled(l->group, out);
	text_add(out, "-");
	add_doubled(v->name, out);
}

enum spelling { BY_MAPPER, AS_THEY_ARE, AS_PATH };

static bool is_called(const struct lvm *l, const struct lvm_volume *v, const char *name, enum spelling how)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;

	if (how == BY_MAPPER)
		lvm_name(l, v, &t);
	else
		text_add(&t, "%s%c%s", l->group, how == AS_PATH ? '/' : '-', v->name);
	return t.error == 0 && strcmp(t.chars, name) == 0;
}

static const char *without(const char *name, const char *prefix)
{
	size_t n = strlen(prefix);

	return strncmp(name, prefix, n) == 0 ? name + n : name;
}

const struct lvm_volume *lvm_find(const struct lvm *l, const char *name)
{
	name = without(without(name, "/dev/mapper/"), "/dev/");
	for (enum spelling how = BY_MAPPER; how <= AS_PATH; how++)
		for (unsigned i = 0; i < l->n_volumes; i++)
			if (!l->volume[i].hidden && is_called(l, &l->volume[i], name, how))
				return &l->volume[i];
	return NULL;
}

void lvm_names(const struct lvm *l, struct text *out)
{
	for (unsigned i = 0; i < l->n_volumes; i++) {
		if (l->volume[i].hidden)
			continue;
		if (out->len > 200) {
			text_add(out, ", ...");
			return;
		}
		text_add(out, "%s", out->len ? ", " : "");
		lvm_name(l, &l->volume[i], out);
	}
}
