/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as either file of a tree: what comes out must be fit to be fetched, named and shown. */
#include <stdlib.h>
#include <string.h>

#include "backends/library/private.h"
#include "backends/library/simplestreams.h"
#include "base/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_path(const char *path)
{
	if (!path[0] || path[0] == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 ||
	    strstr(path, "/../") || strstr(path, "://"))
		abort();
}

static void check_entry(const struct index *index, const struct index_entry *e)
{
	const struct template *t = e->template;

	check_path(e->file);
	if (!template_name_ok(t->name) || !t->arch || arch_normal(t->arch) != arch_normal(arch_normal(t->arch)))
		abort();
	if ((t->checksum && strlen(t->checksum) != 128) || (t->checksum256 && strlen(t->checksum256) != 64))
		abort();
	if (t->size || t->format || e->sig || e->line || !t->title || t->revision < 0)
		abort();
	for (char **alias = t->aliases; alias && *alias; alias++)
		for (size_t i = 0; i < index->n; i++)
			if (!template_name_ok(*alias) || strcmp(*alias, index->entry[i].template->name) == 0)
				abort();
}

static void try_index(const char *bytes, size_t count)
{
	struct complaints complaints = COMPLAINTS_NONE;
	struct streams streams;
	struct why why = { 0 };

	if (streams_parse(bytes, count, "index.json", &streams, &complaints, &why) < 0 &&
	    (!why.text[0] || streams.n))
		abort();
	for (size_t i = 0; i < streams.n; i++)
		check_path(streams.path[i]);
	streams_done(&streams);
	complaints_done(&complaints);
}

static void try_products(const char *bytes, size_t count)
{
	struct complaints complaints = COMPLAINTS_NONE;
	struct index index = { 0 };
	struct text text = TEXT_EMPTY;
	struct why why = { 0 };
	size_t n;

	if (streams_products_parse(bytes, count, "products.json", &index, &complaints, &why) < 0 &&
	    (!why.text[0] || index.n))
		abort();
	for (size_t i = 0; i < index.n; i++) {
		struct template *t = index.entry[i].template;

		check_entry(&index, &index.entry[i]);
		/* As it is after its file was found. */
		t->path = strdup("x");
		if (!t->path || template_json(t, 0, NULL, NULL, &text) < 0)
			abort();
		text_done(&text);
	}
	/* All of it is there already. */
	n = index.n;
	(void)streams_products_parse(bytes, count, "products.json", &index, &complaints, &why);
	if (index.n != n)
		abort();
	index_done(&index);
	complaints_done(&complaints);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	try_index((const char *)bytes, count);
	try_products((const char *)bytes, count);
	return 0;
}
