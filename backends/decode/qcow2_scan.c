/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An entry of L1, 8 bytes, big-endian:
 *
 *	63	COPIED: nobody else refers to the table
 *	9-55	place of the L2 table, which is one cluster long; 0: there is none
 *
 * An entry of L2:
 *
 *	63	COPIED: nobody else refers to the cluster
 *	62	compressed; then bits 0-61 are a descriptor (qcow2_table.c)
 *	9-55	place of the cluster; 0: there is none, it is zero
 *	0	it is zero, whatever its place holds (version 3, not extended)
 *
 * When extended, 8 bytes follow, for 32 subclusters: bits 0-31 which of them are
 * allocated, bits 32-63 which are zero though the cluster is there. What is
 * neither is zero for want of a backing file. All other bits are 0.
 */
#include "backends/decode/qcow2_scan.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/decode/qcow2_claims.h"
#include "base/bytes.h"
#include "base/size.h"

#define COPIED	   (UINT64_C(1) << 63)
#define COMPRESSED (UINT64_C(1) << 62)
#define IS_ZERO	   UINT64_C(1)
#define PLACE	   UINT64_C(0x00fffffffffffe00)

#define SUBCLUSTERS 32

/* Tables that stand together are read together, up to so much. */
#define READ_MAX (1 * MiB)
/* So many tables are announced before they are read. */
#define AHEAD 64

struct scan {
	struct image *below;
	const struct qcow2_header *h;
	struct qcow2_table *table;
	struct qcow2_claims claims;
	uint8_t *l1;		    /* as it is on disk */
	uint8_t *buf;		    /* for READ_MAX, or a cluster where that is more, or all tables */
	uint64_t n_tables, n_bytes; /* read so far */
	uint32_t announced;	    /* up to this index in L1 */
	uint64_t n_announced;	    /* tables */
};

static void scan_done(struct scan *s)
{
	qcow2_claims_done(&s->claims);
	free(s->l1);
	free(s->buf);
}

static int damaged(struct why *why, const char *what, uint64_t n, uint64_t entry)
{
	return fail(why, -EBADMSG,
		    "the qcow2 file is damaged: the %s entry of cluster %" PRIu64 " is %016" PRIx64, what, n,
		    entry);
}

static int cut_short(const struct scan *s, struct why *why, const char *what, uint64_t at)
{
	return fail(why, -EBADMSG,
		    "the qcow2 file is cut short or damaged: %s at byte %" PRIu64 " is not within its %" PRIu64
		    " bytes",
		    what, at, s->h->file);
}

static int take_zero(struct scan *s, uint64_t offset, struct why *why)
{
	return qcow2_table_add(s->table, &(struct qcow2_run){ offset, 0, QCOW2_ZERO }, why);
}

static int take_plain(struct scan *s, uint64_t offset, uint64_t length, uint64_t at, bool is_sole,
		      struct why *why)
{
	if (!range_ok(at, min_u64(length, s->h->size - offset), s->h->file))
		return cut_short(s, why, "a cluster", at);
	return qcow2_table_add(s->table, &(struct qcow2_run){ offset, at, QCOW2_PLAIN, is_sole }, why);
}

static int take_subclusters(struct scan *s, uint64_t offset, uint64_t entry, uint64_t bitmap, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), length = cluster / SUBCLUSTERS, at = entry & PLACE;
	const uint32_t allocated = bitmap, zero = bitmap >> 32;
	int r = 0;

	if (allocated & zero || (allocated && !at))
		return damaged(why, "subclusters", offset / cluster, bitmap);
	if (allocated == UINT32_MAX)
		return take_plain(s, offset, cluster, at, entry & COPIED, why);
	if (!allocated)
		return take_zero(s, offset, why);
	for (unsigned i = 0; r == 0 && i < SUBCLUSTERS && offset + i * length < s->h->size; i++)
		r = allocated >> i & 1
			    ? take_plain(s, offset + i * length, length, at + i * length, entry & COPIED, why)
			    : take_zero(s, offset + i * length, why);
	return r;
}

static int take_packed(struct scan *s, uint64_t offset, uint64_t entry, uint64_t bitmap, struct why *why)
{
	struct qcow2_place place;

	if (bitmap)
		return damaged(why, "subclusters", offset / qcow2_cluster_size(s->h), bitmap);
	if (!qcow2_packed_place(s->h, entry, &place))
		return fail(why, -EBADMSG,
			    "the qcow2 file is cut short or damaged: cluster %" PRIu64
			    ", compressed, is not within its %" PRIu64 " bytes",
			    offset / qcow2_cluster_size(s->h), s->h->file);
	return qcow2_table_add_packed(s->table, offset, entry, why);
}

static int take_cluster(struct scan *s, uint64_t offset, uint64_t entry, uint64_t bitmap, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), at = entry & PLACE;
	const bool may_be_zero = s->h->version >= 3 && !s->h->is_extended;

	if (entry & COMPRESSED)
		return take_packed(s, offset, entry, bitmap, why);
	if (entry & ~(COPIED | PLACE | (may_be_zero ? IS_ZERO : 0)) || at % cluster || entry == COPIED)
		return damaged(why, "L2", offset / cluster, entry);
	if (s->h->is_extended)
		return take_subclusters(s, offset, entry, bitmap, why);
	if (!at || entry & IS_ZERO)
		return take_zero(s, offset, why);
	return take_plain(s, offset, cluster, at, entry & COPIED, why);
}

/* How many bytes of the table at `index` the disk needs: all of them but in the last one. */
static uint64_t table_bytes(const struct scan *s, uint32_t index)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), clusters = qcow2_table_clusters(s->h);
	const uint64_t left = div_up(s->h->size, cluster) - index * clusters;

	return min_u64(left, clusters) * (cluster / clusters);
}

static int take_table(struct scan *s, uint32_t index, const uint8_t *disk_l2, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), clusters = qcow2_table_clusters(s->h);
	const unsigned step = cluster / clusters;
	const uint64_t count = table_bytes(s, index);
	uint64_t offset = index * clusters * cluster;
	int r = 0;

	for (uint64_t i = 0; r == 0 && i < count; i += step, offset += cluster)
		r = take_cluster(s, offset, get_be64(disk_l2 + i), step == 16 ? get_be64(disk_l2 + i + 8) : 0,
				 why);
	return r;
}

static uint64_t l1_entry(const struct scan *s, uint32_t index)
{
	return get_be64(s->l1 + 8 * (size_t)index);
}

/* An entry that isn't 0. */
static int check_l1_entry(struct scan *s, uint32_t index, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), entry = l1_entry(s, index), at = entry & PLACE;

	if (entry & ~(COPIED | PLACE) || at % cluster || !at)
		return damaged(why, "L1", index * qcow2_table_clusters(s->h), entry);
	if (!range_ok(at, table_bytes(s, index), s->h->file))
		return cut_short(s, why, "an L2 table", at);
	s->n_bytes += table_bytes(s, index);
	if (++s->n_tables > QCOW2_TABLE_COUNT_MAX || s->n_bytes > QCOW2_TABLES_MAX)
		return fail(why, -EOPNOTSUPP,
			    "the L2 tables of the qcow2 file are too many or too large: %" PRIu64
			    " MiB in %" PRIu64,
			    s->n_bytes / MiB, s->n_tables);
	return qcow2_claims_add(&s->claims, at, cluster, entry & COPIED ? QCOW2_SOLE : QCOW2_SHARED_TABLE);
}

/* Where reading means asking a server, it is asked for many at once. */
static void announce(struct scan *s)
{
	for (; s->announced < s->h->l1_entries && s->n_announced < s->n_tables + AHEAD; s->announced++) {
		const uint64_t at = l1_entry(s, s->announced) & PLACE, count = table_bytes(s, s->announced);

		if (!at)
			continue;
		s->n_announced++;
		if (range_ok(at, count, s->h->file))
			image_hint(s->below, at, count);
	}
}

/* Reads the table at `index` and those after it that stand behind it in the file, too. */
static int take_tables(struct scan *s, uint32_t index, uint32_t *ret_next, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), at = l1_entry(s, index) & PLACE;
	uint64_t count = 0;
	uint32_t end = index;
	int r;

	do {
		r = check_l1_entry(s, end, why);
		count = (end - index) * cluster + table_bytes(s, end);
		end++;
	} while (r == 0 && end < s->h->l1_entries && (end - index + 1) * cluster <= READ_MAX &&
		 (l1_entry(s, end) & PLACE) == at + (end - index) * cluster);
	if (r < 0)
		return r;
	announce(s);
	r = image_pread(s->below, s->buf, count, at, why);
	for (uint32_t i = index; r == 0 && i < end; i++)
		r = take_table(s, i, s->buf + (i - index) * cluster, why);
	*ret_next = end;
	return r;
}

static int read_tables(struct scan *s, struct why *why)
{
	const uint64_t cluster = qcow2_cluster_size(s->h), covers = qcow2_table_clusters(s->h) * cluster;
	const size_t l1_bytes = s->h->l1_entries * UINT64_C(8);
	int r;

	s->l1 = malloc(l1_bytes);
	s->buf = malloc(min_u64(max_u64(READ_MAX, cluster), s->h->l1_entries * cluster));
	if (!s->l1 || !s->buf)
		return -ENOMEM;
	image_hint(s->below, s->h->l1_at, l1_bytes);
	r = image_pread(s->below, s->l1, l1_bytes, s->h->l1_at, why);
	for (uint32_t i = 0; r == 0 && i < s->h->l1_entries;) {
		if (l1_entry(s, i))
			r = take_tables(s, i, &i, why);
		else
			r = take_zero(s, i++ * covers, why);
	}
	return r;
}

/* What isn't an L2 table. */
static int claim_all(struct scan *s)
{
	const struct qcow2_table *t = s->table;
	int r = qcow2_claims_add(&s->claims, 0, qcow2_cluster_size(s->h), QCOW2_SOLE);

	if (r == 0)
		r = qcow2_claims_add(&s->claims, s->h->l1_at, s->h->l1_entries * UINT64_C(8), QCOW2_SOLE);
	if (r == 0)
		r = qcow2_claims_add(&s->claims, s->h->refcounts_at, s->h->refcounts_length, QCOW2_SOLE);
	for (size_t i = 0; r == 0 && i < t->n; i++) {
		const uint64_t end = i + 1 < t->n ? t->run[i + 1].offset : s->h->size;

		if (t->run[i].kind == QCOW2_PLAIN)
			r = qcow2_claims_add(&s->claims, t->run[i].at, end - t->run[i].offset,
					     t->run[i].is_sole ? QCOW2_SOLE : QCOW2_SHARED_DATA);
	}
	return r;
}

/*
 * Compressed clusters share sectors and clusters with each other, but not with
 * anything else: clusters are allocated for them as a whole.
 */
static int check_claims(struct scan *s, struct why *why)
{
	uint64_t at = 0;
	int r = claim_all(s);
	bool ok = r == 0 && qcow2_claims_settle(&s->claims, &at);

	for (size_t i = 0; ok && i < s->table->n_packed; i++) {
		struct qcow2_place place;

		ok = qcow2_packed_place(s->h, s->table->packed[i], &place) &&
		     !qcow2_claims_touch(&s->claims, place.at, place.length);
		at = place.at;
	}
	if (r == 0 && !ok)
		r = fail(why, -EBADMSG,
			 "the qcow2 file is damaged: what stands at byte %" PRIu64
			 " of it is referred to twice",
			 at);
	return r;
}

int qcow2_scan(struct image *below, const struct qcow2_header *h, struct qcow2_table *ret, struct why *why)
{
	_cleanup_(scan_done) struct scan s = { .below = below, .h = h, .table = ret };
	int r = read_tables(&s, why);

	if (r == 0)
		r = check_claims(&s, why);
	return r < 0 ? r : qcow2_table_end(ret, h->size, why);
}
