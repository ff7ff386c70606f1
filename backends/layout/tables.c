/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/layout/tables.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"
#include "base/size.h"

unsigned tables_part(const struct tables *t, uint64_t sector)
{
	unsigned part = 0;

	while (sector >= t->first[part + 1])
		part++;
	assert(part < t->parts);
	return part;
}

/* `offset` is that of the file. */
static int tables_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct tables *t = (const struct tables *)c;
	uint8_t *to = buf;

	while (count > 0) {
		uint8_t made[SECTOR] = { 0 };
		uint64_t sector = offset / SECTOR, within = offset % SECTOR;
		uint64_t n = min_u64(count, SECTOR - within);
		unsigned part = tables_part(t, sector);

		t->fill[part](t, made, sector - t->first[part]);
		memcpy(to, made + within, n);
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void tables_free(struct computed *c)
{
	struct tables *t = (struct tables *)c;

	if (t->release)
		t->release(t);
	runs_done(&t->blocks);
	free(t);
}

void tables_init(struct tables *t, uint64_t size, uint64_t block, const tables_fill *fill, unsigned parts)
{
	assert(parts <= TABLES_PARTS);
	computed_init(&t->computed);
	t->computed.read = tables_read;
	t->computed.free = tables_free;
	t->size = align_up(size, SECTOR);
	t->block = block;
	t->guest = div_up(t->size, block);
	t->fill = fill;
	t->parts = parts;
}

void tables_unref(struct tables *t)
{
	if (t)
		computed_unref(&t->computed);
}

int tables_survey(struct tables *t, struct image *below, bool all)
{
	if (!all)
		return runs_survey(&t->blocks, below, t->block);
	return t->guest ? runs_add(&t->blocks, 0, t->guest) : 0;
}

void tables_place(struct tables *t, const uint64_t *sectors, uint64_t align)
{
	for (unsigned part = 0; part < t->parts; part++)
		t->first[part + 1] = t->first[part] + sectors[part];
	t->data = align_up(tables_at(t, t->parts), align);
}

uint64_t tables_at(const struct tables *t, unsigned part)
{
	return t->first[part] * SECTOR;
}

uint64_t tables_file_size(const struct tables *t)
{
	return t->data + t->blocks.total * t->block;
}

int tables_seal(struct tables *t, struct image *below, const char *name, const char *what, struct image **ret,
		struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *d = map_draft_new(tables_file_size(t), below);
	char file[SIZE_TEXT_MAX], line[128];

	if (!d)
		return -ENOMEM;
	/* `below` may end inside its last block; what is left of that is zero. */
	map_draft_zero(d, 0, map_draft_size(d));
	map_draft_computed(d, 0, tables_at(t, t->parts), &t->computed, 0);
	for (size_t i = 0; i < t->blocks.n; i++) {
		uint64_t from = t->blocks.run[i].first * t->block;
		uint64_t length = min_u64(runs_length(&t->blocks, i) * t->block, below->size - from);

		map_draft_below(d, t->data + t->blocks.run[i].rank * t->block, length, from);
	}
	(void)snprintf(line, sizeof(line), "    %s: %" PRIu64 " of %" PRIu64 " %s allocated, file of %s\n",
		       name, t->blocks.total, t->guest, what, size_human(file, map_draft_size(d)));
	return map_seal(take(d), name, line, ret, why);
}
