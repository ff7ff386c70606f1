/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/qcow2_table.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "base/bytes.h"

void qcow2_table_done(struct qcow2_table *t)
{
	free(t->run);
	free(t->packed);
	*t = (struct qcow2_table){ 0 };
}

static int grow(void **array, size_t *room, size_t size, size_t most)
{
	size_t wanted = min_u64(*room ? 2 * *room : 16, most);
	void *grown = realloc(*array, wanted * size);

	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = wanted;
	return 0;
}

/* Whether the run goes on as the last one would. */
static bool continues(const struct qcow2_table *t, const struct qcow2_run *run)
{
	const struct qcow2_run *last;

	if (t->n == 0)
		return false;
	last = &t->run[t->n - 1];
	if (last->kind != run->kind)
		return false;
	if (run->kind != QCOW2_PLAIN)
		return true;
	return last->is_sole == run->is_sole && last->at + (run->offset - last->offset) == run->at;
}

int qcow2_table_add(struct qcow2_table *t, const struct qcow2_run *run, struct why *why)
{
	if (continues(t, run))
		return 0;
	if (t->n == QCOW2_RUNS_MAX)
		return fail(why, -EOPNOTSUPP, "the disk in the qcow2 file lies in more than %" PRIu64 " pieces",
			    QCOW2_RUNS_MAX);
	/* With room for the end. */
	if (t->n + 1 >= t->room && grow((void **)&t->run, &t->room, sizeof(*t->run), QCOW2_RUNS_MAX + 1) < 0)
		return -ENOMEM;
	t->run[t->n++] = *run;
	return 0;
}

int qcow2_table_add_packed(struct qcow2_table *t, uint64_t offset, uint64_t descriptor, struct why *why)
{
	if (t->n_packed == QCOW2_PACKED_MAX)
		return fail(why, -EOPNOTSUPP, "the qcow2 file has more than %" PRIu64 " compressed clusters",
			    QCOW2_PACKED_MAX);
	if (t->n_packed == t->packed_room &&
	    grow((void **)&t->packed, &t->packed_room, sizeof(*t->packed), QCOW2_PACKED_MAX) < 0)
		return -ENOMEM;
	t->packed[t->n_packed++] = descriptor;
	return qcow2_table_add(t, &(struct qcow2_run){ offset, t->n_packed - 1, QCOW2_PACKED }, why);
}

/* Joins what only differed in who else may refer to it, and gives back what was kept for growing. */
int qcow2_table_end(struct qcow2_table *t, uint64_t size, struct why *why)
{
	const size_t n = t->n;
	void *trimmed;

	t->n = 0;
	for (size_t i = 0; i < n; i++) {
		struct qcow2_run run = t->run[i];

		run.is_sole = false;
		if (!continues(t, &run))
			t->run[t->n++] = run;
	}
	t->run[t->n] = (struct qcow2_run){ .offset = size };
	trimmed = realloc(t->run, (t->n + 1) * sizeof(*t->run));
	if (!trimmed)
		return -ENOMEM;
	t->run = trimmed;
	t->room = t->n + 1;
	return 0;
}

size_t qcow2_table_find(const struct qcow2_table *t, uint64_t offset)
{
	size_t low = 0, high = t->n;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (t->run[middle].offset <= offset)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/*
 * The descriptor's lower bits are the place of the first byte, which stands
 * anywhere; the upper ones (up to bit 61) are how many sectors follow the one in
 * which that lies. The last of them holds the data's last byte, so that the file,
 * if its size is no multiple of 512, may end in it.
 */
bool qcow2_packed_place(const struct qcow2_header *h, uint64_t descriptor, struct qcow2_place *ret)
{
	const unsigned bits = 62 - (h->cluster_bits - 8);
	const uint64_t at = descriptor & ((UINT64_C(1) << bits) - 1);
	const uint64_t more = (descriptor & ((UINT64_C(1) << 62) - 1)) >> bits;
	const uint64_t last = align_down(at, SECTOR) + more * SECTOR;

	if (at >> 56 || max_u64(at, last) >= h->file)
		return false;
	*ret = (struct qcow2_place){ at, min_u64(last + SECTOR, h->file) - at };
	return true;
}

uint64_t qcow2_table_bytes(const struct qcow2_table *t, enum qcow2_kind kind)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < t->n; i++)
		if (t->run[i].kind == kind)
			bytes += t->run[i + 1].offset - t->run[i].offset;
	return bytes;
}

/*
 * The sidecar: this header, then the runs, 16 bytes each (the kind stands in the
 * lowest bits of the offset, which are 0), then the descriptors, 8 bytes each.
 */
struct disk_table {	   /* little-endian */
	uint8_t header[8]; /* the digest of the file's */
	uint8_t n[8];
	uint8_t n_packed[8];
};
static_assert(sizeof(struct disk_table) == 24, "qcow2 table sidecar");

#define RUN_BYTES    16
#define PACKED_BYTES 8

int qcow2_table_pack(const struct qcow2_table *t, const struct qcow2_header *h, void **ret, size_t *ret_count)
{
	const size_t count = sizeof(struct disk_table) + t->n * RUN_BYTES + t->n_packed * PACKED_BYTES;
	struct disk_table *disk_table = malloc(count);
	uint8_t *p = (uint8_t *)(disk_table + 1);

	if (!disk_table)
		return -ENOMEM;
	put_le64(disk_table->header, h->digest);
	put_le64(disk_table->n, t->n);
	put_le64(disk_table->n_packed, t->n_packed);
	for (size_t i = 0; i < t->n; i++, p += RUN_BYTES) {
		put_le64(p, t->run[i].offset | t->run[i].kind);
		put_le64(p + 8, t->run[i].at);
	}
	for (size_t i = 0; i < t->n_packed; i++, p += PACKED_BYTES)
		put_le64(p, t->packed[i]);
	*ret = disk_table;
	*ret_count = count;
	return 0;
}

/* Whether a run that ends at `end` can be one of this file. `packed` is what the runs before it leave. */
static bool run_ok(const struct qcow2_run *run, uint64_t end, const struct qcow2_header *h, uint64_t *packed)
{
	const uint64_t cluster = qcow2_cluster_size(h);

	if (end <= run->offset || end > h->size)
		return false;
	switch (run->kind) {
	case QCOW2_ZERO:
		return true;
	case QCOW2_PLAIN:
		return range_ok(run->at, end - run->offset, h->file);
	case QCOW2_PACKED:
		if (run->offset % cluster || (end % cluster && end != h->size) || run->at != *packed)
			return false;
		*packed += div_up(end - run->offset, cluster);
		return true;
	}
	return false;
}

static bool table_ok(const struct qcow2_table *t, const struct qcow2_header *h)
{
	struct qcow2_place place;
	uint64_t packed = 0;

	if (t->run[0].offset)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (!run_ok(&t->run[i], t->run[i + 1].offset, h, &packed))
			return false;
	for (size_t i = 0; i < t->n_packed; i++)
		if (!qcow2_packed_place(h, t->packed[i], &place))
			return false;
	return packed == t->n_packed;
}

static int table_init(struct qcow2_table *t, size_t n, size_t n_packed)
{
	*t = (struct qcow2_table){
		.run = calloc(n + 1, sizeof(*t->run)),
		.n = n,
		.room = n + 1,
		.packed = calloc(n_packed + 1, sizeof(*t->packed)),
		.n_packed = n_packed,
		.packed_room = n_packed + 1,
	};
	return t->run && t->packed ? 0 : -ENOMEM;
}

int qcow2_table_unpack(const void *bytes, size_t count, const struct qcow2_header *h, struct qcow2_table *ret)
{
	_cleanup_(qcow2_table_done) struct qcow2_table t = { 0 };
	const struct disk_table *disk_table = bytes;
	const uint8_t *p = (const uint8_t *)(disk_table + 1);
	uint64_t n, n_packed;

	if (count < sizeof(*disk_table) || get_le64(disk_table->header) != h->digest)
		return -ENOENT;
	n = get_le64(disk_table->n);
	n_packed = get_le64(disk_table->n_packed);
	if (n == 0 || n > QCOW2_RUNS_MAX || n_packed > QCOW2_PACKED_MAX ||
	    count != sizeof(*disk_table) + n * RUN_BYTES + n_packed * PACKED_BYTES)
		return -ENOENT;
	if (table_init(&t, n, n_packed) < 0)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++, p += RUN_BYTES)
		t.run[i] = (struct qcow2_run){ align_down(get_le64(p), SECTOR), get_le64(p + 8),
					       get_le64(p) % SECTOR };
	t.run[n] = (struct qcow2_run){ .offset = h->size };
	for (size_t i = 0; i < n_packed; i++, p += PACKED_BYTES)
		t.packed[i] = get_le64(p);
	if (!table_ok(&t, h))
		return -ENOENT;
	*ret = t;
	t = (struct qcow2_table){ 0 };
	return 0;
}
