/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_H
#define GOALFS_BACKENDS_DECODE_QCOW2_H

/*
 * Reads qcow2, version 2 and 3 (docs/interop/qcow2.txt of QEMU), over any image:
 * the step `read-qcow2`. A file without compressed clusters is a map over the
 * image below and has no units; one with some is made in units of 1 MiB, or of a
 * cluster where that is more. The disk's clusters that are not allocated, or said
 * to be zero, are EXTENT_ZERO; those that are allocated are what the file is there.
 *
 * Internal snapshots, bitmaps and refcounts are not looked at.
 */
#include "backends/backend.h"

/*
 * Opens qcow2 bytes. Reads all their tables, and checks them; `opening` lends the
 * store to keep what was read, NULL does without. Needs nothing of a plan: tests
 * and fuzz entries call it directly. What there is no support for (backing files,
 * data files, encryption, features unknown, disks in more pieces than
 * qcow2_table.h allows) is -EOPNOTSUPP.
 */
int read_qcow2_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend read_qcow2_backend;

#endif
