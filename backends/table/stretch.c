/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/table/stretch.h"

#include "base/bytes.h"

#define ALIGNMENT MiB

/* Up to a whole MiB of the disk; where that is less than a MiB more, though there is room for one, by a whole MiB. */
static uint64_t end_of_last(uint64_t end, uint64_t usable_end)
{
	uint64_t aligned = align_down(usable_end, ALIGNMENT);

	if (usable_end < end + ALIGNMENT)
		return end;
	return aligned >= end + ALIGNMENT ? aligned : end + align_down(usable_end - end, ALIGNMENT);
}

struct stretch stretch_of(const struct partition *p, uint64_t behind_end, uint64_t usable_end)
{
	struct stretch s = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX, 0 };

	if (!p)
		return s;
	s.start = p->start;
	s.end = p->start + p->length;
	s.behind_end = behind_end;
	if (behind_end == s.end)
		s.new_end = end_of_last(s.end, usable_end);
	else if (usable_end > behind_end)
		s.shift = align_down(usable_end - behind_end, ALIGNMENT);
	if (behind_end != s.end)
		s.new_end = s.end + s.shift;
	return s;
}

uint64_t stretch_start(const struct stretch *s, uint64_t start)
{
	return start >= s->end ? start + s->shift : start;
}

uint64_t stretch_end(const struct stretch *s, uint64_t start, uint64_t end)
{
	if (start >= s->end)
		return end + s->shift;
	if (end < s->end)
		return end;
	/* What holds it may have had free space behind it, which is used up first. */
	return s->behind_end == s->end ? max_u64(end, s->new_end) : end + s->shift;
}

void stretch_paint(const struct stretch *s, struct map_draft *draft)
{
	if (s->shift)
		map_draft_below(draft, s->new_end, s->behind_end - s->end, s->end);
}

struct table_growth stretch_growth(const struct stretch *s)
{
	if (s->start == UINT64_MAX)
		return (struct table_growth){ 0 };
	return (struct table_growth){ .length = s->new_end - s->start, .shift = s->shift };
}
