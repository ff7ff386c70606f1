/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_SCAN_H
#define GOALFS_BACKENDS_DECODE_QCOW2_SCAN_H

/*
 * Reads the L1 table and all L2 tables of a qcow2 file into a table of runs: what
 * is zero has to be known before the first byte is read. Private to the reader of
 * qcow2.
 */
#include "backends/decode/qcow2_table.h"

/* L2 tables of a disk of 8 TiB in clusters of 64 KiB, all of it written. */
#define QCOW2_TABLES_MAX      (1 * GiB)
#define QCOW2_TABLE_COUNT_MAX (UINT64_C(1) << 20)

/*
 * -EBADMSG when an entry has bits that no entry has, leads to where no cluster can
 * begin, out of the file, or into what is claimed by another; -EOPNOTSUPP beyond
 * the limits. `ret` is to be released in any case.
 *
 * Refcount blocks and what belongs to snapshots are claimed by nobody here: an entry
 * that leads into these isn't noticed.
 *
 * QEMU reads zeros for what lies behind the file's end. Here that is damage: a
 * file ends there because it was cut short. Only what a disk of that size shows
 * must be there: QEMU itself ends files inside of the disk's last cluster.
 */
int qcow2_scan(struct image *below, const struct qcow2_header *h, struct qcow2_table *ret, struct why *why);

#endif
