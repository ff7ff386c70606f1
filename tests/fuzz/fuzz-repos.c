/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a file of sources, read twice: all that the second reading names was seen before. */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "backends/library/repos.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_text(const char *text)
{
	for (const char *p = text; p && *p; p++)
		if (iscntrl((unsigned char)*p))
			abort();
}

static void check_config(const struct source_config *c)
{
	if (!c->name || !c->name[0] || !c->where || !c->uri || !c->uri[0])
		abort();
	if (c->gpgkey && c->gpgkey[0] != '/')
		abort();
	if (c->format != SOURCE_NATIVE && c->format != SOURCE_SIMPLESTREAMS)
		abort();
	check_text(c->uri);
	check_text(c->proxy);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct complaints complaints = COMPLAINTS_NONE;
	struct repos repos = { 0 };
	size_t n;

	if (repos_parse((const char *)bytes, count, "a.conf", &repos, &complaints) < 0)
		abort();
	n = repos.n;
	if (n > REPOS_SECTIONS_MAX || n > repos.n_seen)
		abort();
	for (size_t i = 0; i < n; i++)
		check_config(&repos.config[i]);
	if (repos_parse((const char *)bytes, count, "b.conf", &repos, &complaints) < 0 || repos.n != n)
		abort();
	repos_done(&repos);
	complaints_done(&complaints);
	return 0;
}
