/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/plain.h"

#include <errno.h>
#include <string.h>

#include "base/arch.h"
#include "base/text.h"
#include "planner/goal.h"

int plain_check(const char *form, struct why *why)
{
	/* Any name does, as long as it is none of a format itself. */
	_cleanup_free_ char *name = text_new("x%s", form);
	_cleanup_(goal_done) struct goal goal = { 0 };
	struct why reason = { "" };
	int r;

	if (*form != '@')
		return goal_format(form) ? 0 : fail(why, -EINVAL, "--formats: there is no format '%s'", form);
	r = name ? goal_parse(name, &goal, &reason) : -ENOMEM;
	if (r < 0)
		return r == -ENOMEM ? r : fail(why, r, "--formats '%s': %s", form, why_text(&reason, r));
	/* The listing adds each template's own. */
	if (goal.kind != GOAL_IMAGE || goal.arch)
		return fail(why, -EINVAL, "--formats '%s' is not facts and a format, such as '@20G.qcow2'",
			    form);
	return 0;
}

char *plain_goal(const struct template *t, const char *form)
{
	const char *dot = *form == '@' ? "" : ".";

	/* The host's own architecture goes without saying. */
	if (strcmp(t->arch, library_host_arch()) == 0)
		return text_new("%s%s%s", t->name, dot, form);
	return text_new("%s@%s%s%s", t->name, t->arch, dot, form);
}
