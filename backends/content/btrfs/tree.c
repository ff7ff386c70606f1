/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/btrfs/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* Bytes of nodes: an extent tree of some 3 million extents, where there is no free space tree. */
#define NODES_MAX (256 * MiB)

struct walk {
	struct btrfs_trees *trees;
	uint64_t tree;
	struct btrfs_key from, to;
	btrfs_visit *visit;
	void *arg;
	struct why *why;
	uint8_t *nodes[BTRFS_LEVELS]; /* owned; one a level, made when first needed */
	struct btrfs_key last;	      /* the last item's */
	bool begun;
};

static void walk_done(struct walk *w)
{
	for (int i = 0; i < BTRFS_LEVELS; i++)
		free(w->nodes[i]);
}

static struct btrfs_key decode_key(const struct disk_btrfs_key *disk)
{
	return (struct btrfs_key){ get_le64(disk->objectid), disk->type, get_le64(disk->offset) };
}

static int compare(const struct btrfs_key *a, const struct btrfs_key *b)
{
	if (a->objectid != b->objectid)
		return a->objectid < b->objectid ? -1 : 1;
	if (a->type != b->type)
		return a->type < b->type ? -1 : 1;
	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return 0;
}

static const struct disk_btrfs_header *header_of(const uint8_t *node)
{
	return (const struct disk_btrfs_header *)node;
}

static const struct disk_btrfs_item *item_of(const uint8_t *node, uint32_t i)
{
	return (const struct disk_btrfs_item *)(node + sizeof(struct disk_btrfs_header)) + i;
}

static const struct disk_btrfs_pointer *pointer_of(const uint8_t *node, uint32_t i)
{
	return (const struct disk_btrfs_pointer *)(node + sizeof(struct disk_btrfs_header)) + i;
}

static struct btrfs_key key_of(const uint8_t *node, uint32_t i)
{
	return decode_key(header_of(node)->level ? &pointer_of(node, i)->key : &item_of(node, i)->key);
}

/* A node is what its parent says. */
static int check_header(const struct walk *w, const struct btrfs_root *at, const uint8_t *node)
{
	const struct btrfs_super *s = w->trees->super;
	const struct disk_btrfs_header *disk = header_of(node);
	size_t each = at->level ? sizeof(struct disk_btrfs_pointer) : sizeof(struct disk_btrfs_item);
	uint32_t items = get_le32(disk->items);
	int r = btrfs_checksum_check(s->checksum_type, node, s->nodesize, w->why);

	if (r == -EBADMSG)
		return fail(w->why, r, "btrfs node at %" PRIu64 " has a wrong checksum", at->bytenr);
	if (r < 0)
		return r;
	if (get_le64(disk->bytenr) != at->bytenr || get_le64(disk->generation) != at->generation ||
	    disk->level != at->level || get_le64(disk->owner) != w->tree ||
	    memcmp(disk->fsid, s->node_fsid, sizeof(disk->fsid)) != 0)
		return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " is not the one that belongs there",
			    at->bytenr);
	if (items > (s->nodesize - sizeof(*disk)) / each || (items == 0 && at->level))
		return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " claims %" PRIu32 " items", at->bytenr,
			    items);
	for (uint32_t i = 1; i < items; i++) {
		struct btrfs_key before = key_of(node, i - 1), key = key_of(node, i);

		if (compare(&before, &key) >= 0)
			return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " has keys out of order",
				    at->bytenr);
	}
	return 0;
}

static int read_node(struct walk *w, const struct btrfs_root *at, const uint8_t **ret)
{
	const struct btrfs_super *s = w->trees->super;
	const struct btrfs_chunk *chunk = btrfs_chunks_find(w->trees->chunks, at->bytenr, s->nodesize);
	uint8_t **node = &w->nodes[at->level];
	int r;

	if (!chunk || at->bytenr % s->sectorsize != 0)
		return fail(w->why, -EBADMSG, "btrfs claims a node at %" PRIu64 ", where no chunk is",
			    at->bytenr);
	if (++w->trees->nodes > NODES_MAX / s->nodesize)
		return fail(w->why, -EOPNOTSUPP, "btrfs has larger trees than can be dealt with here");
	if (!*node)
		*node = malloc(s->nodesize);
	if (!*node)
		return -ENOMEM;
	r = image_pread(w->trees->img, *node, s->nodesize, chunk->stripes[0] + (at->bytenr - chunk->logical),
			w->why);
	if (r == 0)
		r = check_header(w, at, *node);
	*ret = *node;
	return r;
}

static int show_item(struct walk *w, const struct btrfs_root *at, const uint8_t *leaf, uint32_t i)
{
	const struct disk_btrfs_item *disk = item_of(leaf, i);
	uint32_t offset = get_le32(disk->offset), size = get_le32(disk->size);
	const size_t head = sizeof(struct disk_btrfs_header), room = w->trees->super->nodesize - head;
	struct btrfs_item item = { .key = decode_key(&disk->key), .size = size, .leaf = leaf };

	if (!range_ok(offset, size, room))
		return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " has an item outside it", at->bytenr);
	item.bytes = leaf + head + offset;
	item.bytenr = at->bytenr;
	return w->visit(w->arg, &item, w->why);
}

static int walk_leaf(struct walk *w, const struct btrfs_root *at, const uint8_t *leaf)
{
	uint32_t items = get_le32(header_of(leaf)->items);

	for (uint32_t i = 0; i < items; i++) {
		struct btrfs_key key = key_of(leaf, i);
		int r;

		if (w->begun && compare(&w->last, &key) >= 0)
			return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " has keys of the one before it",
				    at->bytenr);
		w->begun = true;
		w->last = key;
		if (compare(&key, &w->from) < 0)
			continue;
		if (compare(&key, &w->to) > 0)
			return 0;
		r = show_item(w, at, leaf, i);
		if (r != 0)
			return r;
	}
	return 0;
}

static int walk_node(struct walk *w, const struct btrfs_root *at, const struct btrfs_key *first);

/* The levels are those of BTRFS_LEVELS at most, so the recursion is shallow. */
static int walk_children(struct walk *w, const struct btrfs_root *at, const uint8_t *node)
{
	uint32_t items = get_le32(header_of(node)->items);

	for (uint32_t i = 0; i < items; i++) {
		const struct disk_btrfs_pointer *disk = pointer_of(node, i);
		struct btrfs_key key = key_of(node, i), next;
		struct btrfs_root child = { at->tree, get_le64(disk->bytenr), get_le64(disk->generation),
					    (uint8_t)(at->level - 1) };
		int r;

		if (compare(&key, &w->to) > 0)
			return 0;
		if (i + 1 < items) {
			next = key_of(node, i + 1);
			if (compare(&next, &w->from) <= 0)
				continue;
		}
		r = walk_node(w, &child, &key);
		if (r != 0)
			return r;
	}
	return 0;
}

static int walk_node(struct walk *w, const struct btrfs_root *at, const struct btrfs_key *first)
{
	const uint8_t *node = NULL;
	struct btrfs_key key;
	int r = read_node(w, at, &node);

	if (r < 0)
		return r;
	if (first) {
		if (get_le32(header_of(node)->items) == 0)
			return fail(w->why, -EBADMSG, "btrfs node at %" PRIu64 " is empty", at->bytenr);
		key = key_of(node, 0);
		if (compare(&key, first) != 0)
			return fail(w->why, -EBADMSG,
				    "btrfs node at %" PRIu64 " begins with another key than its parent says",
				    at->bytenr);
	}
	return at->level ? walk_children(w, at, node) : walk_leaf(w, at, node);
}

int btrfs_walk(struct btrfs_trees *trees, const struct btrfs_root *root, const struct btrfs_key *from,
	       const struct btrfs_key *to, btrfs_visit *visit, void *arg, struct why *why)
{
	_cleanup_(walk_done) struct walk w = {
		.trees = trees,
		.tree = root->tree,
		.from = *from,
		.to = *to,
		.visit = visit,
		.arg = arg,
		.why = why,
	};

	return walk_node(&w, root, /* first= */ NULL);
}

static int take_root(void *arg, const struct btrfs_item *item, struct why *why)
{
	const struct disk_btrfs_root *disk = (const struct disk_btrfs_root *)item->bytes;
	struct btrfs_root *ret = arg;

	if (item->size < sizeof(*disk) || disk->level >= BTRFS_LEVELS)
		return fail(why, -EBADMSG, "the root of btrfs tree %" PRIu64 " is damaged", ret->tree);
	ret->bytenr = get_le64(disk->bytenr);
	ret->generation = get_le64(disk->generation);
	ret->level = disk->level;
	return 1;
}

int btrfs_find_root(struct btrfs_trees *trees, uint64_t tree, struct btrfs_root *ret, struct why *why)
{
	const struct btrfs_key key = { tree, BTRFS_ROOT_ITEM, 0 };
	struct btrfs_root root = { .tree = tree };
	int r = btrfs_walk(trees, &trees->super->roots, &key, &key, take_root, &root, why);

	if (r < 0)
		return r;
	*ret = root;
	return r == 1 ? 0 : 1;
}
