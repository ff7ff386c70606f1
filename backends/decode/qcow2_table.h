/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_TABLE_H
#define GOALFS_BACKENDS_DECODE_QCOW2_TABLE_H

/*
 * Where each byte of the disk in a qcow2 file comes from: its L1 and L2 tables as
 * a list of runs. Private to the reader of qcow2.
 *
 * The list is a function of the file alone, and so are the limits: it decides
 * layouts. Memory is bounded by them: 24 bytes a run, 8 a compressed cluster.
 */
#include <stdbool.h>
#include <stddef.h>

#include "backends/decode/qcow2_header.h"

/* A disk of 64 GiB in clusters of 64 KiB, every second one allocated. */
#define QCOW2_RUNS_MAX (UINT64_C(1) << 20)
/* 512 GiB in clusters of 64 KiB. */
#define QCOW2_PACKED_MAX (UINT64_C(1) << 23)

enum qcow2_kind {
	QCOW2_ZERO,
	QCOW2_PLAIN,  /* at: where it stands in the file */
	QCOW2_PACKED, /* at: which of the compressed clusters is the first; the others follow */
};

/* Up to where the next one begins. */
struct qcow2_run {
	uint64_t offset; /* in the disk; a multiple of 512, for PACKED of the cluster size */
	uint64_t at;
	enum qcow2_kind kind;
	/* Of PLAIN, while the table is made: nobody else may refer to these clusters. */
	bool is_sole;
};

struct qcow2_table {
	struct qcow2_run *run; /* owned; n of them cover the disk, then one at its end */
	size_t n, room;
	uint64_t *packed; /* owned; descriptors of the compressed clusters, as they stand in L2 */
	size_t n_packed, packed_room;
};

void qcow2_table_done(struct qcow2_table *t);

/*
 * What comes next on the disk, in ascending order without gaps from 0: a run goes on
 * until the next one is added, the last until the end. -EOPNOTSUPP beyond the limits.
 */
int qcow2_table_add(struct qcow2_table *t, const struct qcow2_run *run, struct why *why);
int qcow2_table_add_packed(struct qcow2_table *t, uint64_t offset, uint64_t descriptor, struct why *why);
int qcow2_table_end(struct qcow2_table *t, uint64_t size, struct why *why);

/* The run that holds `offset` (< size). */
size_t qcow2_table_find(const struct qcow2_table *t, uint64_t offset);

/* Bytes of the qcow2 file. */
struct qcow2_place {
	uint64_t at;
	uint64_t length; /* bytes */
};

/*
 * Where a compressed cluster lies: from its first byte to the end of its last
 * sector, or of the file. False when the descriptor is none, or leads out of the file.
 */
bool qcow2_packed_place(const struct qcow2_header *h, uint64_t descriptor, struct qcow2_place *ret);

/* How much of the disk is of that kind, bytes. */
uint64_t qcow2_table_bytes(const struct qcow2_table *t, enum qcow2_kind kind);

/* Change it with anything that changes the table of some file. */
#define QCOW2_TABLE_VERSION 1

/* A sidecar's bytes, and back: -ENOENT when they don't belong to this file. */
int qcow2_table_pack(const struct qcow2_table *t, const struct qcow2_header *h, void **ret, size_t *ret_count);
int qcow2_table_unpack(const void *bytes, size_t count, const struct qcow2_header *h, struct qcow2_table *ret);

#endif
