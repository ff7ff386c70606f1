/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_MAP_H
#define GOALFS_BACKENDS_MAP_H

/*
 * A map: an image described by segments, byte by byte, over one image below.
 *
 *	ZERO      nothing but zeros
 *	BYTES     a patch in memory
 *	BELOW     a range of the image below
 *	COMPUTED  a pure function of the offset
 *
 * A map is painted in a draft and then sealed. In a draft later paint wins, as
 * with a brush; ALIAS, "the same as another range of this very image", is
 * resolved when the draft is sealed, when all paint is dry: what an alias shows
 * is what that range finally shows. Partition windows, grown tables and
 * filesystems and every output layout are maps.
 *
 * Maps over maps are flattened at sealing: a sealed map's BELOW segments point
 * into the nearest image that is not a map, so that a read is one binary search
 * and one pread however many steps the plan has.
 *
 * A draft belongs to one thread. A sealed map is an image, with an image's rules.
 */
#include <stdbool.h>
#include <stdint.h>

#include "backends/image.h"

/*
 * Bytes that would be too many to hold. Counted, because several segments (and,
 * after flattening, several maps) may stand on one.
 */
struct computed {
	/*
	 * Required. Offsets are the computed thing's own, from 0. Thread-safe,
	 * pure. Errors are possible only where it reads from an image.
	 */
	int (*read)(const struct computed *c, void *buf, size_t count, uint64_t offset, struct why *why);
	/* Optional (default: all DATA). ZERO or DATA, never SEEN_ZERO. */
	void (*extent)(const struct computed *c, uint64_t offset, struct extent *ret);
	/* Optional (default: free(c)). */
	void (*free)(struct computed *c);
	atomic_uint refs; /* set by computed_init */
};

void computed_init(struct computed *c); /* one ref, the caller's */
struct computed *computed_ref(struct computed *c);
void computed_unref(struct computed *c);

struct map_draft;

/*
 * A draft of `size` bytes over `below`: at first the bytes of `below` at their
 * own offsets, and zeros behind its end. Takes a ref of its own to `below`, which
 * may be NULL (all zeros). NULL when memory ran out.
 */
struct map_draft *map_draft_new(uint64_t size, struct image *below);
void map_draft_free(struct map_draft *d); /* accepts NULL */
DEFINE_CLEANUP(struct map_draft *, map_draft_free);

uint64_t map_draft_size(const struct map_draft *d);

/*
 * The paints. The range must lie inside the draft (else -EINVAL: a caller's
 * mistake), a length of 0 paints nothing. Out of memory is remembered and
 * reported by map_seal, so that callers need not check each one; they return
 * nothing but may be asked with map_draft_error.
 */
void map_draft_zero(struct map_draft *d, uint64_t offset, uint64_t length);
void map_draft_bytes(struct map_draft *d, uint64_t offset, const void *bytes, size_t count); /* copied */
void map_draft_below(struct map_draft *d, uint64_t offset, uint64_t length, uint64_t at); /* at: in `below` */
void map_draft_alias(struct map_draft *d, uint64_t offset, uint64_t length,
		     uint64_t at); /* at: in this draft */
/* Takes a ref of its own. `at`: the computed thing's own offset for the segment's first byte. */
void map_draft_computed(struct map_draft *d, uint64_t offset, uint64_t length, struct computed *c, uint64_t at);

/*
 * Paints [at, at + length) of a sealed map. Its ground (the nearest image below
 * it that is not a map) must be the draft's own: a partition that was cut out of
 * a disk, grown, and is put back. Takes a ref.
 */
void map_draft_map(struct map_draft *d, uint64_t offset, uint64_t length, struct image *map, uint64_t at);

int map_draft_error(const struct map_draft *d);

/*
 * Makes the image; the draft is used up whether it succeeds or not. `name` (for
 * log lines) is a string literal; `describe` (may be NULL; copied) is what
 * image_describe shows for it. -EINVAL when an alias leads to itself; -ENOMEM beyond map_bound, too.
 */
int map_seal(struct map_draft *d, const char *name, const char *describe, struct image **ret, struct why *why);

/*
 * So many bytes may all maps of the process take, computed things aside: a template of some KiB can show a million pieces,
 * and each of its goals has a map of its own. A map of more than MAP_SMALL bytes that would exceed it is not sealed,
 * unless `scarce` (may be NULL) returns that it has closed images that nobody needs, and they were enough; it is called on
 * the thread that seals. 0 bytes: no bound. To be called while no map is being sealed.
 */
#define MAP_SMALL (UINT64_C(1) << 20)
void map_bound(uint64_t bytes, bool (*scarce)(void *arg), void *arg);

/* The window [offset, offset + length) of an image, as an image. */
int map_window(struct image *img, uint64_t offset, uint64_t length, struct image **ret, struct why *why);

/* Figures for plans, tests and the bench. `patched`: bytes of distinct BYTES held in memory. */
struct map_figures {
	uint64_t segments;
	uint64_t patched;
	uint64_t memory; /* bytes, all told, without computed things */
};
bool map_figures(struct image *img, struct map_figures *ret); /* false when it is not a map */

#endif
