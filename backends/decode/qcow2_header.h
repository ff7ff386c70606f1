/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_HEADER_H
#define GOALFS_BACKENDS_DECODE_QCOW2_HEADER_H

/*
 * The header of a qcow2 file, version 2 or 3 (docs/interop/qcow2.txt of QEMU).
 * Private to the reader of qcow2.
 */
#include "backends/image.h"

enum qcow2_compression {
	QCOW2_ZLIB = 0, /* in fact raw deflate */
	QCOW2_ZSTD = 1,
};

/* Checked: all fields fit each other and the file. */
struct qcow2_header {
	uint64_t size; /* virtual, bytes: at least 1, a multiple of 512 */
	uint64_t file; /* size of the qcow2 file, bytes */
	unsigned version;
	unsigned cluster_bits; /* 9 .. 21 */
	bool is_extended;      /* entries of 128 bits, 32 subclusters to a cluster */
	enum qcow2_compression compression;
	uint64_t l1_at;
	uint32_t l1_entries;			 /* as many as the virtual size needs; they lie in the file */
	uint64_t refcounts_at, refcounts_length; /* of the refcount table, as claimed; it is not read */
	uint64_t digest;			 /* of all that is said here */
};

static inline uint64_t qcow2_cluster_size(const struct qcow2_header *h)
{
	return UINT64_C(1) << h->cluster_bits;
}

/* Clusters that one L2 table speaks for. */
static inline uint64_t qcow2_table_clusters(const struct qcow2_header *h)
{
	return qcow2_cluster_size(h) / (h->is_extended ? 16 : 8);
}

/*
 * Reads the header and walks its extensions. -EBADMSG when it is damaged, cut
 * short or calls its own image corrupt; -EOPNOTSUPP for a backing file, a data
 * file, encryption, and features and sizes that are not known here.
 *
 * A dirty file (refcounts may be wrong) is read as any other: refcounts are
 * written late then, but tables never before what they point at. QEMU reads it so, too.
 */
int qcow2_header_read(struct image *below, struct qcow2_header *ret, struct why *why);

#endif
