/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as an index: what comes out must be fit to be opened and named. */
#include <stdlib.h>
#include <string.h>

#include "backends/library/index.h"
#include "backends/library/private.h"
#include "base/arch.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static bool leads_out(const char *path)
{
	return !path[0] || path[0] == '/' || strcmp(path, "..") == 0 || strncmp(path, "../", 3) == 0 ||
	       strstr(path, "/../") || strstr(path, "://");
}

static void check_entry(const struct index_entry *e)
{
	const struct template *t = e->template;

	if (!template_name_ok(t->name) || !t->arch || arch_normal(t->arch) != arch_normal(arch_normal(t->arch)))
		abort();
	if (leads_out(e->file) || (e->sig && leads_out(e->sig)))
		abort();
	if (t->checksum && strlen(t->checksum) != 128)
		abort();
	for (char **alias = t->aliases; alias && *alias; alias++)
		if (!template_name_ok(*alias))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct complaints complaints = COMPLAINTS_NONE;
	struct index index;
	struct text text = TEXT_EMPTY;
	struct why why = { 0 };

	if (index_parse((const char *)bytes, count, "index", &index, &complaints, &why) < 0 && !why.text[0])
		abort();
	for (size_t i = 0; i < index.n; i++) {
		struct template *t = index.entry[i].template;

		check_entry(&index.entry[i]);
		/* As it is after its file was found. */
		t->path = strdup("x");
		if (!t->path || template_json(t, 0, NULL, NULL, &text) < 0)
			abort();
		(void)template_notes(t);
		text_done(&text);
	}
	index_done(&index);
	complaints_done(&complaints);
	return 0;
}
