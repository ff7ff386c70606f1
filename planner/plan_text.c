/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What people read of a plan: `cat NAME.plan`, `goalfs --plan NAME`, the log. */
#include <string.h>

#include "base/size.h"
#include "planner/plan.h"

/* Of a number of seconds, "99999.999"; the unit takes two more. */
#define COST_WIDTH 9

static void step_text(const struct step *step, struct text *out)
{
	text_add(out, "%s", step->backend);
	if (step->args.n == 0)
		return;
	text_add(out, "(");
	tags_text(&step->args, out);
	text_add(out, ")");
}

void plan_line(const struct plan *plan, struct text *out)
{
	for (size_t i = 0; i < plan->n_steps; i++) {
		text_add(out, "%s", i ? " > " : "");
		step_text(&plan->step[i], out);
	}
	if (plan->n_steps == 0)
		text_add(out, "nothing to do");
}

/* "format=qcow2, no at, no template": what one step changes. */
static void changes_text(const struct tags *from, const struct tags *to, struct text *out)
{
	const char *comma = "";

	for (size_t i = 0; i < to->n; i++) {
		const struct tags alone = { &to->tag[i], 1 };

		if (tags_is(from, to->tag[i].key, to->tag[i].value))
			continue;
		text_add(out, "%s", comma);
		tags_text(&alone, out);
		comma = ", ";
	}
	for (size_t i = 0; i < from->n; i++) {
		if (tags_has(to, from->tag[i].key))
			continue;
		text_add(out, "%sno %s", comma, from->tag[i].key);
		comma = ", ";
	}
}

void plan_cost_text(uint64_t cost, int width, struct text *out)
{
	text_add(out, "%*.3f s", width, cost > 0 && cost < 1000 ? 0.001 : cost / 1e6);
}

static void table_row(const struct plan *plan, size_t i, int width, struct text *out)
{
	const struct step *step = &plan->step[i];
	_cleanup_(text_done) struct text name = TEXT_EMPTY;

	step_text(step, &name);
	if (name.error) {
		out->error = name.error;
		return;
	}
	text_add(out, "%4zu  %-*s  ", i + 1, width, name.chars);
	plan_cost_text(step->cost, COST_WIDTH, out);
	text_add(out, "  ");
	changes_text(i ? &plan->step[i - 1].after : &plan->start, &step->after, out);
	text_add(out, "\n");
}

static int widest_step(const struct plan *plan, struct text *out)
{
	int width = (int)strlen("total");

	for (size_t i = 0; i < plan->n_steps; i++) {
		_cleanup_(text_done) struct text name = TEXT_EMPTY;

		step_text(&plan->step[i], &name);
		if (name.error)
			out->error = name.error;
		else if ((int)name.len > width)
			width = (int)name.len;
	}
	return width;
}

/* A line of its own for what is known; nothing may be, of a name that leads nowhere. */
static void facts_line(const char *what, const struct tags *facts, struct text *out)
{
	if (facts->n == 0)
		return;
	text_add(out, "%-8s  ", what);
	tags_text(facts, out);
	text_add(out, "\n");
}

static void facts_text(const struct tags *start, const struct tags *want, struct text *out)
{
	facts_line("template", start, out);
	facts_line("goal", want, out);
}

void plan_text(const struct plan *plan, struct text *out)
{
	int width = widest_step(plan, out);

	facts_text(&plan->start, &plan->want, out);
	text_add(out, "plan      ");
	plan_line(plan, out);
	text_add(out, "\n\n      %-*s  %*s  changes\n", width, "step", COST_WIDTH + 2, "estimate");
	for (size_t i = 0; i < plan->n_steps; i++)
		table_row(plan, i, width, out);
	text_add(out, "      %-*s  ", width, "total");
	plan_cost_text(plan->cost, COST_WIDTH, out);
	text_add(out, "\n\nconsidered\n%s", plan->searched);
}

void plan_none_text(const struct tags *start, const struct tags *want, const char *reason, struct text *out)
{
	facts_text(start, want, out);
	text_add(out, "no plan   %s\n", reason);
}
