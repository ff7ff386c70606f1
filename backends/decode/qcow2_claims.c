/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/decode/qcow2_claims.h"

#include <errno.h>

#include "base/bytes.h"
#include "base/cleanup.h"

void qcow2_claims_done(struct qcow2_claims *c)
{
	free(c->claim);
	*c = (struct qcow2_claims){ 0 };
}

int qcow2_claims_add(struct qcow2_claims *c, uint64_t at, uint64_t length, enum qcow2_role role)
{
	if (length == 0)
		return 0;
	if (c->n && c->claim[c->n - 1].end == at && c->claim[c->n - 1].role == role) {
		c->claim[c->n - 1].end += length;
		return 0;
	}
	if (c->n == c->room) {
		size_t room = c->room ? 2 * c->room : 64;
		struct qcow2_claim *grown = realloc(c->claim, room * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		c->claim = grown;
		c->room = room;
	}
	c->claim[c->n++] = (struct qcow2_claim){ at, at + length, role };
	return 0;
}

static int compare_claims(const void *a, const void *b)
{
	const struct qcow2_claim *p = a, *q = b;

	return p->at < q->at ? -1 : p->at > q->at;
}

/* Where the claims of each role that were seen so far end. */
static bool collides(const struct qcow2_claim *claim, const uint64_t end[static QCOW2_ROLES])
{
	for (int role = 0; role < QCOW2_ROLES; role++)
		if (claim->at < end[role] && (role == QCOW2_SOLE || role != (int)claim->role))
			return true;
	return false;
}

bool qcow2_claims_settle(struct qcow2_claims *c, uint64_t *ret)
{
	uint64_t end[QCOW2_ROLES] = { 0 };
	size_t n = 0;

	if (c->n)
		qsort(c->claim, c->n, sizeof(*c->claim), compare_claims);
	for (size_t i = 0; i < c->n; i++) {
		const struct qcow2_claim claim = c->claim[i];

		if (collides(&claim, end)) {
			*ret = claim.at;
			return false;
		}
		end[claim.role] = max_u64(end[claim.role], claim.end);
		/* From here on only whether a byte is claimed matters. */
		if (n && claim.at <= c->claim[n - 1].end)
			c->claim[n - 1].end = max_u64(c->claim[n - 1].end, claim.end);
		else
			c->claim[n++] = claim;
	}
	c->n = n;
	return true;
}

bool qcow2_claims_touch(const struct qcow2_claims *c, uint64_t at, uint64_t length)
{
	size_t low = 0, high = c->n;

	/* The first one that ends behind the first byte. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (c->claim[middle].end <= at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->n && c->claim[low].at < at + length;
}
