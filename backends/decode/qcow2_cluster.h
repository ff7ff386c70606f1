/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_CLUSTER_H
#define GOALFS_BACKENDS_DECODE_QCOW2_CLUSTER_H

/*
 * Decompresses single clusters of a qcow2 file. Private to the reader of qcow2.
 *
 * Neither raw deflate nor the zstd frames that QEMU writes carry a check: damage
 * is noticed only when the data can't be decoded, or not to a cluster exactly.
 */
#include "backends/decode/qcow2_header.h"

/* What a decompressor takes: libdeflate's 12 KiB or so, ZSTD_estimateDCtxSize(). */
#define QCOW2_UNPACKER_MEMORY (256 * KiB)

/* Belongs to one thread. */
struct qcow2_unpacker;

struct qcow2_unpacker *qcow2_unpacker_new(enum qcow2_compression compression); /* NULL when memory ran out */
void qcow2_unpacker_free(struct qcow2_unpacker *u);			       /* accepts NULL */
DEFINE_CLEANUP(struct qcow2_unpacker *, qcow2_unpacker_free);

/*
 * Decompresses a cluster of exactly `size` bytes; what follows its data in `from`
 * (up to the end of a sector) is somebody else's. 0 or -EBADMSG.
 */
int qcow2_unpack(struct qcow2_unpacker *u, const void *from, size_t count, void *to, size_t size);

#endif
