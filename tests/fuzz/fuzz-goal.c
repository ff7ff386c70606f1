/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as a file name: what is accepted keeps the promises of planner/goal.h. */
#undef NDEBUG
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/name.h"
#include "planner/goal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_reason(const struct why *why)
{
	assert(why->text[0]);
	for (const char *p = why->text; *p; p++)
		assert(*p >= ' ' && *p < 0x7f);
}

static void check_image(const struct goal *g)
{
	const char *format = tags_get(&g->want, "format"), *arch = tags_get(&g->want, "arch");
	uint64_t size;

	assert(template_name_ok(g->template));
	assert(!g->image_name);
	assert(format && strcmp(goal_format(format), format) == 0);
	assert(!arch == !g->arch && (!arch || strcmp(goal_arch(arch), g->arch) == 0));
	for (size_t i = 0; i < g->want.n; i++) {
		const char *serves = goal_key_serves(g->want.tag[i].key);

		assert(!serves || tags_has(&g->want, serves));
	}
	if (tags_has(&g->want, "size"))
		assert(tags_get_u64(&g->want, "size", &size) && size > 0 && size % SECTOR == 0 &&
		       size < INT64_MAX);
}

static void check_plan(const struct goal *g)
{
	_cleanup_(goal_done) struct goal inner = { 0 };
	struct why why = { "" };
	int r = goal_parse(g->image_name, &inner, &why);

	assert(!g->template && !g->arch && g->want.n == 0);
	assert(r == 0 || r == -EINVAL);
	if (r < 0)
		check_reason(&why);
	else
		assert(inner.kind == GOAL_IMAGE);
}

static void check_text(const struct goal *g)
{
	assert(template_name_ok(g->template));
	assert(!g->image_name && g->want.n == 0);
}

static void check(const char *name)
{
	_cleanup_(goal_done) struct goal g = { 0 };
	struct why why = { "" };
	int r = goal_parse(name, &g, &why);

	assert(r == 0 || r == -EINVAL);
	if (r < 0) {
		check_reason(&why);
		return;
	}
	assert(strlen(name) <= GOAL_NAME_MAX);
	assert(!strpbrk(name, ":,/ \n"));
	if (g.kind == GOAL_IMAGE)
		check_image(&g);
	else if (g.kind == GOAL_PLAN)
		check_plan(&g);
	else
		check_text(&g);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	_cleanup_free_ char *name = strndup((const char *)bytes, count);

	if (name)
		check(name);
	return 0;
}
