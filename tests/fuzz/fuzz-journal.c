/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Any bytes as the journal of node ids: what is found in them is whole, and what is not is told. */
#undef NDEBUG
#include <assert.h>
#include <string.h>

#include "fs/journal.h"
#include "planner/goal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

struct seen {
	size_t n, bytes;
};

static void check(void *arg, const struct journal_record *record)
{
	struct seen *seen = arg;
	size_t len = strlen(record->name);

	assert(len > 0 && len <= GOAL_NAME_MAX);
	assert(record->mtime.tv_nsec >= 0 && record->mtime.tv_nsec < 1000000000);
	seen->n++;
	seen->bytes += 36 + len;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	struct seen seen = { 0 };
	bool damaged;
	size_t end = journal_parse(bytes, count, check, &seen, &damaged);

	assert(seen.bytes <= end && end <= count);
	/* Nothing is passed over in silence. */
	assert(damaged == (seen.bytes < count));
	return 0;
}
