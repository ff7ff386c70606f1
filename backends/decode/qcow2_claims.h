/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QCOW2_CLAIMS_H
#define GOALFS_BACKENDS_DECODE_QCOW2_CLAIMS_H

/*
 * Who says that which bytes of a qcow2 file are his. No two may want the same: one
 * of them would read something else's bytes. Only clusters whose entries say (by
 * bit 63, COPIED, left clear) that others may refer to them can be had twice, in
 * the same role. Private to the reader of qcow2.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum qcow2_role {
	QCOW2_SOLE,
	QCOW2_SHARED_TABLE,
	QCOW2_SHARED_DATA,
	QCOW2_ROLES, /* count */
};

struct qcow2_claim {
	uint64_t at, end;
	enum qcow2_role role;
};

/* Empty when zeroed. */
struct qcow2_claims {
	struct qcow2_claim *claim; /* owned */
	size_t n, room;
};

void qcow2_claims_done(struct qcow2_claims *c);

/* 0 or -ENOMEM. */
int qcow2_claims_add(struct qcow2_claims *c, uint64_t at, uint64_t length, enum qcow2_role role);

/*
 * Whether all that was added can be true; if not, `ret` is a byte that two want.
 * From then on nothing can be added, but be asked for.
 */
bool qcow2_claims_settle(struct qcow2_claims *c, uint64_t *ret);

/* Whether any byte of these is somebody's. */
bool qcow2_claims_touch(const struct qcow2_claims *c, uint64_t at, uint64_t length);

#endif
