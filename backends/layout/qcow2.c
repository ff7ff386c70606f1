/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out, in clusters of 64 KiB, each with refcount 1:
 *
 *	header | refcount table | refcount blocks | L1 | L2 tables | data
 *
 * What is allocated, and where, follows from two lists of runs alone:
 *
 *	clusters   the guest's clusters that hold data
 *	tables     the stretches of 512 MiB that hold any, so that they need an
 *		   L2 table; numbered as the entries of L1
 *
 * As both stand in the file in guest order and without gaps, the place of each
 * is its rank (runs.h). An entry of L1 is the place of a
 * table, an entry of L2 the place of a cluster; both are looked up by binary
 * search when they are read. So no metadata is held in memory: all of it is one
 * COMPUTED segment, made a page at a time. Behind it stands one BELOW segment
 * for each run of clusters.
 */
#include "backends/layout/qcow2.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "backends/layout/layout.h"
#include "backends/layout/runs.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "base/size.h"

#define CLUSTER_BITS   16
#define CLUSTER	       (UINT64_C(1) << CLUSTER_BITS)
#define ENTRIES	       (CLUSTER / 8) /* of any table; an L2 table speaks for 512 MiB */
#define BLOCK_ENTRIES  (CLUSTER / 2) /* refcounts of 16 bits, of 2 GiB of the file */
#define OFLAG_COPIED   (UINT64_C(1) << 63)
#define REFCOUNT_ORDER 4 /* 16 bits */
#define HEADER_LENGTH  104

/*
 * QEMU takes no L1 table above 32 MiB (QCOW_MAX_L1_SIZE) and no refcount table
 * above 8 MiB (QCOW_MAX_REFTABLE_SIZE). Both come to 2 PiB; the format itself
 * ends at 2^56.
 */
#define DISK_MAX     (32 * MiB / 8 * ENTRIES * CLUSTER)
#define BLOCK_COVERS (BLOCK_ENTRIES * CLUSTER)
#define FILE_MAX     (8 * MiB / 8 * BLOCK_COVERS)

/* The piece in which metadata is made. A cluster is a whole number of them. */
#define PAGE	     UINT64_C(4096)
#define PAGE_ENTRIES (PAGE / 8)

/* In the order of the file. */
enum part { HEADER, REFTABLE, REFBLOCKS, L1, L2, DATA, N_PARTS };

struct qcow2 {
	struct computed computed;
	uint64_t size;	/* virtual, bytes */
	uint64_t guest; /* clusters that would hold it */
	uint64_t l1_entries;
	struct runs clusters;
	struct runs tables;
	uint64_t first[N_PARTS + 1]; /* cluster of the file; at last its end */
};

/*
 * The parts of the file. Each fills the page that is the `n`th of its part; the
 * page comes zeroed.
 */
static void fill_header(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
	if (n > 0)
		return;
	put_be32(page + 0, 0x514649fb); /* "QFI\xfb" */
	put_be32(page + 4, 3);
	put_be32(page + 20, CLUSTER_BITS);
	put_be64(page + 24, q->size);
	put_be32(page + 36, q->l1_entries);
	put_be64(page + 40, q->first[L1] << CLUSTER_BITS);
	put_be64(page + 48, q->first[REFTABLE] << CLUSTER_BITS);
	put_be32(page + 56, q->first[REFTABLE + 1] - q->first[REFTABLE]);
	put_be32(page + 96, REFCOUNT_ORDER);
	put_be32(page + 100, HEADER_LENGTH);
	/* Header extensions: their end, which is zeros. */
}

static void fill_reftable(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
	uint64_t block = q->first[REFBLOCKS] + n * PAGE_ENTRIES;

	for (uint64_t i = 0; i < PAGE_ENTRIES && block < q->first[REFBLOCKS + 1]; i++, block++)
		put_be64(page + 8 * i, block << CLUSTER_BITS);
}

static void fill_refblock(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
	uint64_t cluster = n * (PAGE / 2);

	for (uint64_t i = 0; i < PAGE / 2 && cluster < q->first[N_PARTS]; i++, cluster++)
		put_be16(page + 2 * i, 1);
}

/* The entries for `at` and what follows it: their places, counted from cluster `base` of the file. */
static void fill_places(const struct runs *r, uint8_t *page, uint64_t at, uint64_t base)
{
	const uint64_t end = at + PAGE_ENTRIES;

	for (size_t i = runs_find(r, at); i < r->n && r->run[i].first < end; i++) {
		uint64_t from = max_u64(at, r->run[i].first), to = min_u64(end, runs_end(r, i));
		uint64_t place = base + r->run[i].rank + (from - r->run[i].first);

		for (; from < to; from++, place++)
			put_be64(page + 8 * (from - at), place << CLUSTER_BITS | OFLAG_COPIED);
	}
}

static void fill_l1(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
	fill_places(&q->tables, page, n * PAGE_ENTRIES, q->first[L2]);
}

static void fill_l2(const struct qcow2 *q, uint8_t *page, uint64_t n)
{
	const uint64_t pages = CLUSTER / PAGE;
	uint64_t table = runs_nth(&q->tables, n / pages);

	fill_places(&q->clusters, page, table * ENTRIES + n % pages * PAGE_ENTRIES, q->first[DATA]);
}

static void (*const fill[DATA])(const struct qcow2 *q, uint8_t *page, uint64_t n) = {
	[HEADER] = fill_header, [REFTABLE] = fill_reftable, [REFBLOCKS] = fill_refblock, [L1] = fill_l1,
	[L2] = fill_l2,
};

/* `offset` is that of the file. */
static int qcow2_read(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct qcow2 *q = (const struct qcow2 *)c;
	uint8_t *to = buf;
	unsigned part = HEADER;

	while (count > 0) {
		uint8_t page[PAGE] = { 0 };
		uint64_t in_page = offset % PAGE, n = min_u64(count, PAGE - in_page);

		while (offset >> CLUSTER_BITS >= q->first[part + 1])
			part++;
		assert(part < DATA);
		fill[part](q, page, (offset - (q->first[part] << CLUSTER_BITS)) / PAGE);
		memcpy(to, page + in_page, n);
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static void qcow2_free(struct computed *c)
{
	struct qcow2 *q = (struct qcow2 *)c;

	runs_done(&q->clusters);
	runs_done(&q->tables);
	free(q);
}

static void qcow2_unrefp(struct qcow2 **q)
{
	if (*q)
		computed_unref(&(*q)->computed);
}

static struct qcow2 *qcow2_new(uint64_t size)
{
	struct qcow2 *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->computed.read = qcow2_read;
	q->computed.free = qcow2_free;
	computed_init(&q->computed);
	q->size = align_up(size, SECTOR);
	q->guest = div_up(q->size, CLUSTER);
	q->l1_entries = div_up(q->guest, ENTRIES);
	return q;
}

/* Which L2 tables that needs. */
static int qcow2_survey_tables(struct qcow2 *q)
{
	uint64_t done = 0;

	for (size_t i = 0; i < q->clusters.n; i++) {
		uint64_t first = max_u64(q->clusters.run[i].first / ENTRIES, done);
		uint64_t end = div_up(runs_end(&q->clusters, i), ENTRIES);

		/* Otherwise the run lies in the last table of the run before. */
		if (first < end && runs_add(&q->tables, first, end - first) < 0)
			return -ENOMEM;
		done = end;
	}
	return 0;
}

/*
 * Refcounts are kept of refcount blocks, too: their number is the smallest that
 * covers itself and all the rest.
 */
static void qcow2_place(struct qcow2 *q)
{
	uint64_t length[N_PARTS] = {
		[HEADER] = 1,
		[L1] = div_up(q->l1_entries, ENTRIES),
		[L2] = q->tables.total,
		[DATA] = q->clusters.total,
	};
	uint64_t blocks;

	do {
		for (unsigned part = 0; part < N_PARTS; part++)
			q->first[part + 1] = q->first[part] + length[part];
		blocks = length[REFBLOCKS];
		length[REFBLOCKS] = div_up(q->first[N_PARTS], BLOCK_ENTRIES);
		length[REFTABLE] = div_up(length[REFBLOCKS], ENTRIES);
	} while (length[REFBLOCKS] != blocks);
}

static int qcow2_plan(struct qcow2 *q, struct image *below, struct why *why)
{
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	int r = runs_survey(&q->clusters, below, CLUSTER);

	if (r == 0)
		r = qcow2_survey_tables(q);
	if (r < 0)
		return r;
	qcow2_place(q);
	if (q->first[REFBLOCKS + 1] - q->first[REFBLOCKS] <= FILE_MAX / BLOCK_COVERS)
		return 0;
	return fail(why, -EOPNOTSUPP, "a qcow2 file may be of %s at most, this one would be of %s",
		    size_format(limit, FILE_MAX), size_format(have, q->first[N_PARTS] << CLUSTER_BITS));
}

static int qcow2_seal(struct qcow2 *q, struct image *below, struct image **ret, struct why *why)
{
	_cleanup_(map_draft_freep) struct map_draft *d =
		map_draft_new(q->first[N_PARTS] << CLUSTER_BITS, below);
	const uint64_t data = q->first[DATA] << CLUSTER_BITS;
	char file[SIZE_TEXT_MAX], line[128];

	if (!d)
		return -ENOMEM;
	/* `below` may end inside its last cluster; what is left of that is zero. */
	map_draft_zero(d, 0, map_draft_size(d));
	map_draft_computed(d, 0, data, &q->computed, 0);
	for (size_t i = 0; i < q->clusters.n; i++) {
		uint64_t from = q->clusters.run[i].first * CLUSTER;
		uint64_t length = min_u64(runs_length(&q->clusters, i) * CLUSTER, below->size - from);

		map_draft_below(d, data + q->clusters.run[i].rank * CLUSTER, length, from);
	}
	(void)snprintf(line, sizeof(line),
		       "    qcow2: %" PRIu64 " of %" PRIu64 " clusters allocated, file of %s\n",
		       q->clusters.total, q->guest, size_human(file, map_draft_size(d)));
	return map_seal(take(d), "qcow2", line, ret, why);
}

int qcow2_layout(struct image *below, struct image **ret, struct why *why)
{
	_cleanup_(qcow2_unrefp) struct qcow2 *q = NULL;
	char have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	int r;

	if (below->size > DISK_MAX)
		return fail(why, -EOPNOTSUPP, "a qcow2 file holds a disk of %s at most, not one of %s",
			    size_format(limit, DISK_MAX), size_format(have, below->size));
	q = qcow2_new(below->size);
	if (!q)
		return -ENOMEM;
	r = qcow2_plan(q, below, why);
	return r < 0 ? r : qcow2_seal(q, below, ret, why);
}

static void qcow2_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { NULL };

	layout_offer(state, want, o, "qcow2", heeds);
}

static int qcow2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	return qcow2_layout(below, ret, why);
}

const struct backend qcow2_layout_backend = {
	.name = "qcow2",
	.offer = qcow2_offer,
	.open = qcow2_open,
};
