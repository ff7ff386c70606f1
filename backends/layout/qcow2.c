/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file that is laid out, in clusters, each with refcount 1:
 *
 *	header | refcount table | refcount blocks | L1 | L2 tables | data
 *
 * What is allocated, and where, follows from two lists of runs alone:
 *
 *	blocks   the guest's clusters that hold data
 *	l2       the stretches of the guest that hold any, so that they need an L2
 *		 table; numbered as the entries of L1
 *
 * As both stand in the file in guest order and without gaps, the place of each
 * is its rank (runs.h). An entry of L1 is the place of a table, an entry of L2
 * the place of a cluster; both are looked up by binary search when they are read
 * (tables.h).
 */
#include "backends/layout/qcow2.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/layout/tables.h"
#include "base/bytes.h"
#include "base/size.h"

#define CLUSTER_MIN	512
#define CLUSTER_MAX	(2 * MiB)
#define CLUSTER_DEFAULT (64 * KiB)

#define OFLAG_COPIED	 (UINT64_C(1) << 63)
#define REFCOUNT_ORDER	 4 /* 16 bits */
#define HEADER_LENGTH_V3 104

/* What QEMU takes (QCOW_MAX_L1_SIZE, QCOW_MAX_REFTABLE_SIZE), in entries; the format itself ends at 2^56. */
#define L1_ENTRIES_MAX	     (32 * MiB / 8)
#define REFTABLE_ENTRIES_MAX (8 * MiB / 8)
#define FILE_MAX	     (UINT64_C(1) << 56)

#define SECTOR_ENTRIES (SECTOR / 8)

/* In the order of the file. */
enum part { HEADER, REFTABLE, REFBLOCKS, L1, L2, N_PARTS };

struct qcow2 {
	struct tables t;
	unsigned version;
	unsigned cluster_bits;
	uint64_t cluster;
	uint64_t entries; /* of a cluster of L1 or L2 */
	uint64_t l1_entries;
	uint64_t refblocks;
	struct runs l2;
};

static uint64_t refcounts_of(uint64_t cluster)
{
	return cluster * 8 >> REFCOUNT_ORDER;
}

static uint64_t disk_max(uint64_t cluster)
{
	return L1_ENTRIES_MAX * (cluster / 8) * cluster;
}

static uint64_t file_max(uint64_t cluster)
{
	return min_u64(FILE_MAX, REFTABLE_ENTRIES_MAX * refcounts_of(cluster) * cluster);
}

/* The parts of the file. */
static void fill_header(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct qcow2 *q = (const struct qcow2 *)t;

	if (n > 0)
		return;
	put_be32(sector + 0, 0x514649fb); /* "QFI\xfb" */
	put_be32(sector + 4, q->version);
	put_be32(sector + 20, q->cluster_bits);
	put_be64(sector + 24, t->size);
	put_be32(sector + 36, q->l1_entries);
	put_be64(sector + 40, tables_at(t, L1));
	put_be64(sector + 48, tables_at(t, REFTABLE));
	put_be32(sector + 56, (t->first[REFTABLE + 1] - t->first[REFTABLE]) * SECTOR / q->cluster);
	if (q->version >= 3) {
		put_be32(sector + 96, REFCOUNT_ORDER);
		put_be32(sector + 100, HEADER_LENGTH_V3);
	}
	/* Header extensions: their end, which is zeros. */
}

static void fill_reftable(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct qcow2 *q = (const struct qcow2 *)t;
	uint64_t block = n * SECTOR_ENTRIES;

	for (uint64_t i = 0; i < SECTOR_ENTRIES && block < q->refblocks; i++, block++)
		put_be64(sector + 8 * i, tables_at(t, REFBLOCKS) + block * q->cluster);
}

static void fill_refblock(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct qcow2 *q = (const struct qcow2 *)t;
	const uint64_t end = tables_file_size(t) / q->cluster;
	uint64_t cluster = n * (SECTOR / 2);

	for (uint64_t i = 0; i < SECTOR / 2 && cluster < end; i++, cluster++)
		put_be16(sector + 2 * i, 1);
}

/* The entries for `at` and what follows it: their places, which begin at `base` in the file. */
static void fill_places(const struct qcow2 *q, const struct runs *r, uint8_t *sector, uint64_t at,
			uint64_t base)
{
	uint64_t rank[SECTOR_ENTRIES];

	runs_ranks(r, at, SECTOR_ENTRIES, rank);
	for (uint64_t i = 0; i < SECTOR_ENTRIES; i++)
		if (rank[i] != RUNS_NONE)
			put_be64(sector + 8 * i, (base + rank[i] * q->cluster) | OFLAG_COPIED);
}

static void fill_l1(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct qcow2 *q = (const struct qcow2 *)t;

	fill_places(q, &q->l2, sector, n * SECTOR_ENTRIES, tables_at(t, L2));
}

static void fill_l2(const struct tables *t, uint8_t *sector, uint64_t n)
{
	const struct qcow2 *q = (const struct qcow2 *)t;
	const uint64_t sectors = q->cluster / SECTOR;
	uint64_t table = runs_nth(&q->l2, n / sectors);

	fill_places(q, &t->blocks, sector, table * q->entries + n % sectors * SECTOR_ENTRIES, t->data);
}

static const tables_fill fill[N_PARTS] = {
	[HEADER] = fill_header, [REFTABLE] = fill_reftable, [REFBLOCKS] = fill_refblock, [L1] = fill_l1,
	[L2] = fill_l2,
};

static void qcow2_release(struct tables *t)
{
	runs_done(&((struct qcow2 *)t)->l2);
}

static int check_cluster(uint64_t cluster, struct why *why)
{
	char have[SIZE_TEXT_MAX];

	if (cluster >= CLUSTER_MIN && cluster <= CLUSTER_MAX && (cluster & (cluster - 1)) == 0)
		return 0;
	return fail(why, -EINVAL, "clusters of qcow2 are a power of two from 512 to 2M, not '%s'",
		    size_format(have, cluster));
}

/* The version of the format. */
static int version_of(const char *compat, struct why *why)
{
	if (!compat || strcmp(compat, "1.1") == 0)
		return 3;
	if (strcmp(compat, "0.10") == 0)
		return 2;
	return fail(why, -EINVAL, "qcow2 is made with compat=0.10 and compat=1.1, not with compat=%s", compat);
}

static int qcow2_new(uint64_t size, const struct layout *how, struct qcow2 **ret, struct why *why)
{
	const uint64_t cluster = how->cluster ?: CLUSTER_DEFAULT;
	char each[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	int version = version_of(how->compat, why), r = check_cluster(cluster, why);
	struct qcow2 *q;

	if (version < 0 || r < 0)
		return version < 0 ? version : r;
	if (size > disk_max(cluster))
		return fail(why, -EOPNOTSUPP,
			    "a qcow2 file with clusters of %s holds a disk of %s at most, not one of %s",
			    size_format(each, cluster), size_format(limit, disk_max(cluster)),
			    size_format(have, size));
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	tables_init(&q->t, size, cluster, fill, N_PARTS);
	q->t.release = qcow2_release;
	q->version = version;
	q->cluster_bits = __builtin_ctzll(cluster);
	q->cluster = cluster;
	q->entries = cluster / 8;
	q->l1_entries = div_up(q->t.guest, q->entries);
	*ret = q;
	return 0;
}

/* Which L2 tables the clusters need. */
static int qcow2_survey_l2(struct qcow2 *q)
{
	const struct runs *clusters = &q->t.blocks;
	uint64_t done = 0;

	for (size_t i = 0; i < clusters->n; i++) {
		uint64_t first = max_u64(clusters->run[i].first / q->entries, done);
		uint64_t end = div_up(runs_end(clusters, i), q->entries);

		/* Otherwise the run lies in the last table of the run before. */
		if (first < end && runs_add(&q->l2, first, end - first) < 0)
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
	const uint64_t sectors = q->cluster / SECTOR;
	uint64_t length[N_PARTS] = {
		[HEADER] = sectors,
		[L1] = div_up(q->l1_entries, q->entries) * sectors,
		[L2] = q->l2.total * sectors,
	};
	uint64_t before;

	do {
		tables_place(&q->t, length, q->cluster);
		before = q->refblocks;
		q->refblocks = div_up(tables_file_size(&q->t) / q->cluster, refcounts_of(q->cluster));
		length[REFBLOCKS] = q->refblocks * sectors;
		length[REFTABLE] = div_up(q->refblocks, q->entries) * sectors;
	} while (q->refblocks != before);
}

static int qcow2_plan(struct qcow2 *q, struct image *below, struct why *why)
{
	char each[SIZE_TEXT_MAX], have[SIZE_TEXT_MAX], limit[SIZE_TEXT_MAX];
	int r = tables_survey(&q->t, below, /* all= */ false);

	if (r == 0)
		r = qcow2_survey_l2(q);
	if (r < 0)
		return r;
	qcow2_place(q);
	if (q->refblocks <= REFTABLE_ENTRIES_MAX && tables_file_size(&q->t) <= FILE_MAX)
		return 0;
	return fail(why, -EOPNOTSUPP,
		    "a qcow2 file with clusters of %s may be of %s at most, this one would be of %s",
		    size_format(each, q->cluster), size_format(limit, file_max(q->cluster)),
		    size_format(have, tables_file_size(&q->t)));
}

int qcow2_layout(struct image *below, const struct layout *how, struct image **ret, struct why *why)
{
	_cleanup_(tables_unrefp) struct tables *t = NULL;
	struct qcow2 *q = NULL;
	int r = qcow2_new(below->size, how, &q, why);

	if (r < 0)
		return r;
	t = &q->t;
	r = qcow2_plan(q, below, why);
	return r < 0 ? r : tables_seal(t, below, "qcow2", "clusters", ret, why);
}

static void qcow2_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	static const char *const heeds[] = { "compat", "cluster", NULL };
	uint64_t cluster = CLUSTER_DEFAULT;
	struct why why;

	if (!layout_wanted(state, want, "qcow2"))
		return;
	(void)tags_get_u64(want, "cluster", &cluster);
	if (version_of(tags_get(want, "compat"), &why) < 0 || check_cluster(cluster, &why) < 0)
		offer_refusal(o, "%s", why.text);
	else
		layout_offer(state, want, o, "qcow2", heeds);
}

static int qcow2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	const struct layout how = layout_of(opening);

	return qcow2_layout(below, &how, ret, why);
}

const struct backend qcow2_layout_backend = {
	.name = "qcow2",
	.offer = qcow2_offer,
	.open = qcow2_open,
};
