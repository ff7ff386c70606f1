/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/qcow2.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/cache/store.h"
#include "backends/costs.h"
#include "backends/decode/qcow2_cluster.h"
#include "backends/decode/qcow2_scan.h"
#include "backends/map.h"
#include "base/bytes.h"
#include "base/size.h"

/* What is made together. Clusters of 2M are larger. */
#define UNIT (1 * MiB)

/* Compressed clusters that stand apart by less are read together. */
#define GAP (16 * KiB)

/* What passes through the second-level cache at once. */
#define CHUNK (64 * KiB)

struct qcow2 {
	struct image image;
	struct qcow2_header header;
	struct qcow2_table table;
	uint64_t unit; /* bytes */
};

static void qcow2_close(struct image *img)
{
	struct qcow2 *q = (struct qcow2 *)img;

	qcow2_table_done(&q->table);
	free(q);
}

/* ---- where things are ---- */

/* A range of the disk that comes from one place of the file. */
struct piece {
	uint64_t offset, length;
	enum qcow2_kind kind;
	struct qcow2_place place; /* of PLAIN and PACKED */
	const uint64_t *packed;	  /* of PACKED: the first cluster's descriptor; the others follow */
};

/* What one read brings in at most. A compressed cluster takes twice a cluster's size at the very worst. */
static uint64_t read_most(const struct qcow2 *q)
{
	return 2 * q->unit;
}

/* As many of the compressed clusters up to `end` as stand together. */
static void gather_packed(const struct qcow2 *q, struct piece *p, uint64_t end)
{
	const uint64_t cluster = qcow2_cluster_size(&q->header), n = div_up(end - p->offset, cluster);
	struct qcow2_place next;

	(void)qcow2_packed_place(&q->header, p->packed[0], &p->place);
	p->length = cluster;
	for (uint64_t i = 1; i < n && qcow2_packed_place(&q->header, p->packed[i], &next); i++) {
		const uint64_t there = p->place.at + p->place.length;

		if (next.at < p->place.at || next.at > there + GAP ||
		    next.at + next.length - p->place.at > read_most(q))
			break;
		p->place.length = max_u64(there, next.at + next.length) - p->place.at;
		p->length += cluster;
	}
	p->length = min_u64(p->length, end - p->offset);
}

/* The piece that begins at `offset`, and ends at `end` or before. A PACKED one must begin with a cluster. */
static struct piece piece_at(const struct qcow2 *q, uint64_t offset, uint64_t end)
{
	const struct qcow2_run *run = &q->table.run[qcow2_table_find(&q->table, offset)];
	const uint64_t into = offset - run->offset;
	struct piece p = { .offset = offset, .kind = run->kind };

	end = min_u64(end, run[1].offset);
	p.length = end - offset;
	if (p.kind == QCOW2_PLAIN)
		p.place = (struct qcow2_place){ run->at + into, p.length };
	if (p.kind == QCOW2_PACKED) {
		p.packed = &q->table.packed[run->at + (into >> q->header.cluster_bits)];
		gather_packed(q, &p, end);
	}
	return p;
}

static void qcow2_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	const struct qcow2 *q = (const struct qcow2 *)img;
	const struct qcow2_run *run = &q->table.run[qcow2_table_find(&q->table, offset)];
	const uint64_t length = run[1].offset - offset;

	*ret = (struct extent){ length, run->kind == QCOW2_ZERO ? EXTENT_ZERO : EXTENT_DATA };
	if (run->kind != QCOW2_PLAIN)
		return;
	*ret = image_extent(img->below, run->at + (offset - run->offset));
	ret->length = min_u64(ret->length, length);
}

/* The bytes below are others. */
static int qcow2_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	return -ENODATA;
}

/* Bytes of the file that a hint has fetched ahead of the decoders. */
#define HINT_BYTES (16 * MiB)

static void qcow2_hint(struct image *img, uint64_t offset, uint64_t length)
{
	const struct qcow2 *q = (const struct qcow2 *)img;
	uint64_t at = align_down(offset, q->unit), hinted = 0;

	while (at < offset + length && hinted < HINT_BYTES) {
		const struct piece p = piece_at(q, at, min_u64(align_down(at, q->unit) + q->unit, img->size));

		image_hint(img->below, p.place.at, p.place.length);
		hinted += p.place.length;
		at += p.kind == QCOW2_ZERO ? image_extent(img, at).length : p.length;
	}
}

/* ---- making ---- */

static uint64_t qcow2_units(struct image *img)
{
	return div_up(img->size, ((struct qcow2 *)img)->unit);
}

static void qcow2_unit(struct image *img, uint64_t offset, struct unit *ret)
{
	const uint64_t unit = ((struct qcow2 *)img)->unit, at = align_down(offset, unit);

	*ret = (struct unit){ offset / unit, at, min_u64(unit, img->size - at) };
}

struct work {
	const struct qcow2 *q;
	struct sink *sink;
	struct qcow2_unpacker *unpacker;
	uint8_t *from; /* read_most() */
	uint8_t *to;   /* work_chunk() */
};

/* A cluster is decompressed at once. */
static uint64_t work_chunk(const struct qcow2 *q)
{
	return max_u64(CHUNK, qcow2_cluster_size(&q->header));
}

static void work_done(struct work *w)
{
	qcow2_unpacker_free(w->unpacker);
	free(w->from);
	free(w->to);
}

static int work_init(struct work *w, const struct qcow2 *q, struct sink *sink)
{
	*w = (struct work){
		.q = q,
		.sink = sink,
		.unpacker = qcow2_unpacker_new(q->header.compression),
		.from = malloc(read_most(q)),
		.to = malloc(work_chunk(q)),
	};
	return w->unpacker && w->from && w->to ? 0 : -ENOMEM;
}

static int make_zero(struct work *w, const struct piece *p, struct why *why)
{
	static const uint8_t zeros[CHUNK];
	int r = 0;

	for (uint64_t n, done = 0; r == 0 && done < p->length; done += n) {
		n = min_u64(p->length - done, sizeof(zeros));
		r = w->sink->write(w->sink, zeros, n, p->offset + done, why);
	}
	return r;
}

static int make_plain(struct work *w, const struct piece *p, struct why *why)
{
	int r = 0;

	for (uint64_t n, done = 0; r == 0 && done < p->length; done += n) {
		n = min_u64(p->length - done, work_chunk(w->q));
		r = image_pread(w->q->image.below, w->to, n, p->place.at + done, why);
		if (r == 0)
			r = w->sink->write(w->sink, w->to, n, p->offset + done, why);
	}
	return r;
}

/* The disk may end inside of its last cluster; what is compressed is a whole one. */
static int make_packed(struct work *w, const struct piece *p, struct why *why)
{
	const struct qcow2 *q = w->q;
	const uint64_t cluster = qcow2_cluster_size(&q->header);
	const uint64_t *descriptor = p->packed;
	int r = image_pread(q->image.below, w->from, p->place.length, p->place.at, why);

	for (uint64_t done = 0; r == 0 && done < p->length; done += cluster, descriptor++) {
		struct qcow2_place place;

		(void)qcow2_packed_place(&q->header, *descriptor, &place);
		r = qcow2_unpack(w->unpacker, w->from + (place.at - p->place.at), place.length, w->to, cluster);
		if (r < 0)
			return fail(why, r,
				    "the qcow2 file is damaged: the compressed cluster at byte %" PRIu64
				    " can't be decompressed",
				    place.at);
		r = w->sink->write(w->sink, w->to, min_u64(cluster, p->length - done), p->offset + done, why);
	}
	return r;
}

static int qcow2_make(struct image *img, const struct unit *unit, struct sink *sink, struct why *why)
{
	static int (*const make[])(struct work * w, const struct piece *p, struct why *why) = {
		[QCOW2_ZERO] = make_zero,
		[QCOW2_PLAIN] = make_plain,
		[QCOW2_PACKED] = make_packed,
	};
	const struct qcow2 *q = (const struct qcow2 *)img;
	const uint64_t end = unit->offset + unit->length;
	_cleanup_(work_done) struct work w;
	int r = work_init(&w, q, sink);

	for (uint64_t at = unit->offset; r == 0 && at < end;) {
		const struct piece p = piece_at(q, at, end);

		r = make[p.kind](&w, &p, why);
		at += p.length;
	}
	return r;
}

static uint64_t qcow2_make_memory(struct image *img)
{
	const struct qcow2 *q = (const struct qcow2 *)img;

	return read_most(q) + work_chunk(q) + QCOW2_UNPACKER_MEMORY;
}

static bool qcow2_is_far(struct image *img, const struct unit *unit)
{
	const struct qcow2 *q = (const struct qcow2 *)img;
	const uint64_t end = unit->offset + unit->length;
	struct piece p;

	for (uint64_t at = unit->offset; at < end; at += p.length) {
		p = piece_at(q, at, end);
		if (p.place.length && !image_is_here(img->below, p.place.at, p.place.length))
			return true;
	}
	return false;
}

static int qcow2_bring(struct image *img, const struct unit *unit, struct why *why)
{
	const struct qcow2 *q = (const struct qcow2 *)img;
	const uint64_t end = unit->offset + unit->length;
	int r = 0;

	qcow2_hint(img, unit->offset, unit->length);
	for (uint64_t at = unit->offset; r == 0 && at < end;) {
		const struct piece p = piece_at(q, at, end);

		r = image_fetch(img->below, p.place.at, p.place.length, why);
		at += p.length;
	}
	return r;
}

/* ---- opening ---- */

static char *describe_text(const struct qcow2 *q)
{
	const uint64_t packed = qcow2_table_bytes(&q->table, QCOW2_PACKED);
	const uint64_t all = qcow2_table_bytes(&q->table, QCOW2_PLAIN) + packed;
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	char size[SIZE_TEXT_MAX];

	text_add(&t, "    qcow2 version %u, clusters of %s%s", q->header.version,
		 size_format(size, qcow2_cluster_size(&q->header)),
		 q->header.is_extended ? " with subclusters" : "");
	text_add(&t, ", %s allocated", size_human(size, all));
	if (packed)
		text_add(&t, ", %s of it compressed by %s", size_human(size, packed),
			 q->header.compression == QCOW2_ZSTD ? "zstd" : "zlib");
	text_add(&t, "\n");
	return t.error ? NULL : take(t.chars);
}

static void qcow2_describe(struct image *img, struct text *t)
{
	_cleanup_free_ char *line = describe_text((struct qcow2 *)img);

	text_add(t, "%s", line ?: "");
}

static const struct image_ops qcow2_ops = {
	.name = "read-qcow2",
	.extent = qcow2_extent,
	.backing = qcow2_backing,
	.hint = qcow2_hint,
	.units = qcow2_units,
	.unit = qcow2_unit,
	.make = qcow2_make,
	.make_memory = qcow2_make_memory,
	.is_far = qcow2_is_far,
	.bring = qcow2_bring,
	.describe = qcow2_describe,
	.close = qcow2_close,
};

/* Every byte stands in the file as it is: the steps above flatten this away. */
static int seal_map(const struct qcow2 *q, struct image *below, struct image **ret, struct why *why)
{
	_cleanup_free_ char *line = describe_text(q);
	_cleanup_(map_draft_freep) struct map_draft *d = map_draft_new(q->header.size, below);
	const struct qcow2_table *t = &q->table;

	if (!line || !d)
		return -ENOMEM;
	map_draft_zero(d, 0, q->header.size);
	for (size_t i = 0; i < t->n; i++)
		if (t->run[i].kind == QCOW2_PLAIN)
			map_draft_below(d, t->run[i].offset, t->run[i + 1].offset - t->run[i].offset,
					t->run[i].at);
	return map_seal(take(d), "read-qcow2", line, ret, why);
}

/*
 * The store's sidecar saves the reading of all tables, which over a network is
 * many round trips. The store answers for its bytes, the template's identity for
 * the file's, and whether it is for this header, and could be, is looked at.
 */
static int load_table(const struct opening *opening, const struct qcow2_header *h, struct qcow2_table *ret)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;
	int r;

	if (!opening)
		return -ENOENT;
	r = store_sidecar_read(opening->context->store, opening_identity(opening), "qcow2", QCOW2_TABLE_VERSION,
			       &bytes, &count);
	return r < 0 ? r : qcow2_table_unpack(bytes, count, h, ret);
}

static void save_table(const struct opening *opening, const struct qcow2_header *h, const struct qcow2_table *t)
{
	_cleanup_free_ void *bytes = NULL;
	size_t count;

	if (opening && qcow2_table_pack(t, h, &bytes, &count) == 0)
		store_sidecar_write(opening->context->store, opening_identity(opening), "qcow2",
				    QCOW2_TABLE_VERSION, bytes, count);
}

static int qcow2_fill(struct qcow2 *q, const struct opening *opening, struct image *below, struct why *why)
{
	int r = qcow2_header_read(below, &q->header, why);

	if (r < 0 || load_table(opening, &q->header, &q->table) == 0)
		return r;
	r = qcow2_scan(below, &q->header, &q->table, why);
	if (r == 0)
		save_table(opening, &q->header, &q->table);
	return r;
}

int read_qcow2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	struct qcow2 *q = calloc(1, sizeof(*q));
	int r;

	if (!q)
		return -ENOMEM;
	r = qcow2_fill(q, opening, below, why);
	if (r == 0 && q->table.n_packed) {
		q->unit = max_u64(UNIT, qcow2_cluster_size(&q->header));
		image_init(&q->image, &qcow2_ops, q->header.size, image_ref(below));
		*ret = &q->image;
		return 0;
	}
	if (r == 0)
		r = seal_map(q, below, ret, why);
	qcow2_close(&q->image);
	return r;
}

static void qcow2_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!offer_is_disk(state, "qcow2") || tags_is(state, "reader", "qemu"))
		return;
	offer_begin(&x, o, state);
	offer_read_disk(&x);
	offer_set(&x, "made", "unit");
	offer_end(&x, cost_of(state, COST_QCOW2_OPEN, COST_QCOW2_PER_MIB));
}

const struct backend read_qcow2_backend = {
	.name = "read-qcow2",
	.offer = qcow2_offer,
	.open = read_qcow2_open,
};
