/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One walk along the log from its start collects what the descriptors and the
 * revocations say. A transaction counts when its commit block is reached; the
 * walk ends at the first block that is not the next of this log. Then the
 * committed writes, in their order, are painted as what they are: ranges of the image
 * below, at another place. A write is left out when the same or a later transaction revokes
 * its block, which then belongs to a file's data that the log knows nothing of.
 *
 * A wrong checksum in a transaction without a commit is no damage: the image was made while
 * it was being written. With a commit it is, and what comes behind must not be dropped
 * silently: some of it may stand in its place already.
 */
#include "backends/content/ext/replay.h"

#include <errno.h>
#include <inttypes.h>

#include "backends/content/ext/features.h"
#include "backends/content/ext/journal.h"
#include "backends/content/ext/orphans.h"
#include "base/bytes.h"
#include "base/crc.h"

/* A whole log of mke2fs's largest, in blocks and in bytes, and revocations by the million. */
#define WRITES_MAX  262144
#define BYTES_MAX   (1 * GiB)
#define REVOKES_MAX 1048576

struct write {
	uint64_t block;	      /* of the filesystem */
	uint32_t index;	      /* of the journal: its data */
	uint32_t transaction; /* counted from the first in the log */
	uint32_t csum;	      /* as the descriptor has it */
	bool is_escaped;
};

struct revoke {
	uint64_t block;
	uint32_t transaction;
};

struct replay {
	struct image *img; /* borrowed */
	struct ext_geometry g;
	struct ext_journal journal;
	struct write *writes;
	size_t n_writes, writes_room, committed_writes;
	struct revoke *revokes;
	size_t n_revokes, revokes_room, committed_revokes;
	uint32_t transaction; /* the one that the walk is in */
	uint32_t at;	      /* the block of the journal where the walk is */
	uint32_t steps;	      /* blocks of the log that it has gone */
	uint32_t damaged;     /* a block of this transaction with a wrong checksum, or 0 */
	uint8_t *block;	      /* one of the log */
	struct why *why;
};

static void replay_done(struct replay *r)
{
	ext_journal_done(&r->journal);
	free(r->writes);
	free(r->revokes);
	free(r->block);
}

static const char *name_of(const struct replay *r)
{
	return ext_super_name(&r->g.super);
}

static int fail_damaged(const struct replay *r, uint32_t index)
{
	return fail(r->why, -EBADMSG, "the journal of %s is damaged: block %" PRIu32 " has a wrong checksum",
		    name_of(r), index);
}

static int read_block(const struct replay *r, uint32_t index, uint8_t *buf)
{
	uint32_t block_size = r->g.super.block_size;

	return image_pread(r->img, buf, block_size, ext_journal_block(&r->journal, index) * block_size, r->why);
}

/* Goes on by one block, round the ring. False when the log has come back to where it began. */
static bool step(struct replay *r)
{
	const struct ext_journal *j = &r->journal;

	r->at = r->at + 1 < j->end ? r->at + 1 : j->first;
	return ++r->steps < j->end - j->first;
}

static uint32_t sequence_of(const struct replay *r)
{
	return r->journal.sequence + r->transaction;
}

/* Makes room for one more of `size` bytes. */
static int make_room(void **array, size_t n, size_t *room, size_t size)
{
	void *grown;

	if (n < *room)
		return 0;
	grown = realloc(*array, (*room ? 2 * *room : 256) * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	*room = *room ? 2 * *room : 256;
	return 0;
}

/* Checksums. */

/* Over the log's own block, in which the checksum itself counts as zero. */
static bool block_is_right(const struct replay *r, size_t checksum_at)
{
	uint32_t block_size = r->g.super.block_size, csum = r->journal.checksum_seed;

	if (!r->journal.has_csum)
		return true;
	csum = crc32c(csum, r->block, checksum_at);
	csum = crc32c(csum, "\0\0\0", 4);
	csum = crc32c(csum, r->block + checksum_at + 4, block_size - checksum_at - 4);
	return csum == get_be32(r->block + checksum_at);
}

static size_t tail_of(const struct replay *r)
{
	return r->g.super.block_size - JBD2_TAIL_SIZE;
}

/* Where the entries of a descriptor or a revocation must end. */
static size_t entries_end(const struct replay *r)
{
	return r->journal.has_csum ? tail_of(r) : r->g.super.block_size;
}

/* As it stands in the log: escaped. */
static int check_data(struct replay *r, const struct write *w)
{
	uint8_t sequence[4];
	uint32_t csum;
	int e = read_block(r, w->index, r->block);

	if (e < 0)
		return e;
	put_be32(sequence, r->journal.sequence + w->transaction);
	csum = crc32c(r->journal.checksum_seed, sequence, sizeof(sequence));
	csum = crc32c(csum, r->block, r->g.super.block_size);
	if (!(r->journal.incompat & JBD2_INCOMPAT_CSUM_V3))
		csum &= 0xFFFF;
	return csum == w->csum ? 0 : fail_damaged(r, w->index);
}

/* Descriptors. */

struct tag {
	uint64_t block;
	uint32_t flags, csum;
	size_t length;
};

static size_t tag_length(const struct ext_journal *j)
{
	size_t n = sizeof(struct disk_jbd2_tag);

	if (j->incompat & JBD2_INCOMPAT_CSUM_V3)
		return sizeof(struct disk_jbd2_tag3);
	/* Its two bytes more are behind the upper half, or behind the flags where there is none. */
	if (j->incompat & JBD2_INCOMPAT_CSUM_V2)
		n += 2;
	return j->incompat & JBD2_INCOMPAT_64BIT ? n : n - 4;
}

static struct tag decode_tag(const struct ext_journal *j, const uint8_t *bytes)
{
	const struct disk_jbd2_tag3 *tag3 = (const struct disk_jbd2_tag3 *)bytes;
	const struct disk_jbd2_tag *tag = (const struct disk_jbd2_tag *)bytes;
	struct tag t = { .block = get_be32(tag->block_lo), .length = tag_length(j) };
	bool big = j->incompat & JBD2_INCOMPAT_64BIT;

	if (j->incompat & JBD2_INCOMPAT_CSUM_V3) {
		t.flags = get_be32(tag3->flags);
		t.csum = get_be32(tag3->checksum);
		t.block |= big ? (uint64_t)get_be32(tag3->block_hi) << 32 : 0;
	} else {
		t.flags = get_be16(tag->flags);
		t.csum = get_be16(tag->checksum);
		t.block |= big ? (uint64_t)get_be32(tag->block_hi) << 32 : 0;
	}
	if (!(t.flags & JBD2_TAG_SAME_UUID))
		t.length += JBD2_UUID_SIZE;
	return t;
}

static int add_write(struct replay *r, const struct tag *t)
{
	int e;

	if (r->n_writes == min_u64(WRITES_MAX, BYTES_MAX / r->g.super.block_size))
		return fail(r->why, -EOPNOTSUPP,
			    "the journal of %s holds more than %zu blocks; mount it once or run e2fsck",
			    name_of(r), r->n_writes);
	e = make_room((void **)&r->writes, r->n_writes, &r->writes_room, sizeof(*r->writes));
	if (e < 0)
		return e;
	r->writes[r->n_writes++] = (struct write){
		.block = t->block,
		.index = r->at,
		.transaction = r->transaction,
		.csum = t->csum,
		.is_escaped = t->flags & JBD2_TAG_ESCAPED,
	};
	return 0;
}

/* The data blocks follow the descriptor. 1 when the log comes back to where it began. */
static int take_descriptor(struct replay *r)
{
	size_t least = tag_length(&r->journal), end = entries_end(r);

	if (!block_is_right(r, tail_of(r)))
		r->damaged = r->at;
	for (size_t at = sizeof(struct disk_jbd2_header); range_ok(at, least, end);) {
		struct tag t = decode_tag(&r->journal, r->block + at);
		int e;

		if (!step(r))
			return 1;
		e = add_write(r, &t);
		if (e < 0)
			return e;
		if (t.flags & JBD2_TAG_LAST)
			break;
		at += t.length;
	}
	return 0;
}

static int add_revoke(struct replay *r, uint64_t block)
{
	int e;

	if (r->n_revokes == REVOKES_MAX)
		return fail(r->why, -EOPNOTSUPP,
			    "the journal of %s revokes more than %d blocks; mount it once or run e2fsck",
			    name_of(r), REVOKES_MAX);
	e = make_room((void **)&r->revokes, r->n_revokes, &r->revokes_room, sizeof(*r->revokes));
	if (e < 0)
		return e;
	r->revokes[r->n_revokes++] = (struct revoke){ block, r->transaction };
	return 0;
}

static int take_revocation(struct replay *r)
{
	const struct disk_jbd2_revoke *disk = (const struct disk_jbd2_revoke *)r->block;
	size_t used = get_be32(disk->used), each = r->journal.incompat & JBD2_INCOMPAT_64BIT ? 8 : 4;
	int e = 0;

	/* What it says in a transaction that was not committed counts for nothing. */
	if (!block_is_right(r, tail_of(r)) || used > entries_end(r)) {
		r->damaged = r->at;
		return 0;
	}
	for (size_t at = sizeof(*disk); at + each <= used && e == 0; at += each)
		e = add_revoke(r, each == 8 ? get_be64(r->block + at) : get_be32(r->block + at));
	return e;
}

/* All that the transaction has collected is good from now on. */
static int take_commit(struct replay *r)
{
	int e = 0;

	if (!block_is_right(r, offsetof(struct disk_jbd2_commit, checksum)))
		return fail_damaged(r, r->at);
	if (r->damaged)
		return fail_damaged(r, r->damaged);
	for (size_t i = r->committed_writes; i < r->n_writes && e == 0; i++) {
		const struct write *w = &r->writes[i];

		if (w->block >= r->img->size / r->g.super.block_size)
			return fail(r->why, -EBADMSG, "the journal of %s writes block %" PRIu64 ", of %" PRIu64,
				    name_of(r), w->block, r->img->size / r->g.super.block_size);
		if (r->journal.has_csum)
			e = check_data(r, w);
	}
	r->committed_writes = r->n_writes;
	r->committed_revokes = r->n_revokes;
	r->transaction++;
	return e;
}

/* 1 when the log ends here. */
static int take_block(struct replay *r)
{
	const struct disk_jbd2_header *disk = (const struct disk_jbd2_header *)r->block;
	int e = read_block(r, r->at, r->block);

	if (e < 0)
		return e;
	if (get_be32(disk->magic) != JBD2_MAGIC || get_be32(disk->sequence) != sequence_of(r))
		return 1;
	switch (get_be32(disk->type)) {
	case JBD2_DESCRIPTOR:
		e = take_descriptor(r);
		break;
	case JBD2_REVOKE:
		e = take_revocation(r);
		break;
	case JBD2_COMMIT:
		e = take_commit(r);
		break;
	default:
		return 1;
	}
	if (e != 0)
		return e;
	return step(r) ? 0 : 1;
}

/*
 * Fast commits of the transaction that was under way are changes of single inodes, which
 * only the kernel and e2fsck know how to make. Those of others are old.
 */
static int check_fast_commits(struct replay *r)
{
	const struct disk_fast_commit_head *disk = (const struct disk_fast_commit_head *)r->block;
	int e;

	if (!r->journal.fast_commits || r->journal.fast_commits >= r->journal.blocks.count)
		return 0;
	e = read_block(r, r->journal.fast_commits, r->block);
	if (e < 0)
		return e;
	if (get_le16(disk->tag) == FAST_COMMIT_HEAD && get_le32(disk->sequence) == sequence_of(r))
		return fail(r->why, -EOPNOTSUPP,
			    "its journal must be replayed first, and has fast commits, which only the kernel "
			    "and e2fsck can replay: this %s was in use when the image was made; mount it once "
			    "or run e2fsck",
			    name_of(r));
	return 0;
}

static int walk(struct replay *r)
{
	const struct ext_journal *j = &r->journal;
	int e = 0;

	if (j->start == 0)
		return 0;
	/* Of the older kind, which few make any more. With asynchronous commits only they tell what counts. */
	if ((j->compat & JBD2_COMPAT_CHECKSUM) || ((j->incompat & JBD2_INCOMPAT_ASYNC_COMMIT) && !j->has_csum))
		return fail(r->why, -EOPNOTSUPP,
			    "its journal must be replayed first, and has checksums that are not known here: "
			    "this %s was in use when the image was made; mount it once or run e2fsck",
			    name_of(r));
	r->block = malloc(r->g.super.block_size);
	if (!r->block)
		return -ENOMEM;
	r->at = j->start;
	while (e == 0)
		e = take_block(r);
	return e < 0 ? e : check_fast_commits(r);
}

/* Painting. */

static int compare_revokes(const void *a, const void *b)
{
	const struct revoke *r = a, *s = b;

	if (r->block != s->block)
		return r->block < s->block ? -1 : 1;
	/* The latest first: it is the one that counts. */
	return r->transaction < s->transaction ? 1 : r->transaction > s->transaction ? -1 : 0;
}

/* One a block is left, the latest. */
static void sort_revokes(struct replay *r)
{
	size_t n = 0;

	if (r->committed_revokes)
		qsort(r->revokes, r->committed_revokes, sizeof(*r->revokes), compare_revokes);
	for (size_t i = 0; i < r->committed_revokes; i++)
		if (n == 0 || r->revokes[n - 1].block != r->revokes[i].block)
			r->revokes[n++] = r->revokes[i];
	r->committed_revokes = n;
}

static bool is_revoked(const struct replay *r, const struct write *w)
{
	size_t low = 0, high = r->committed_revokes;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct revoke *v = &r->revokes[middle];

		if (v->block == w->block)
			return v->transaction >= w->transaction;
		if (v->block < w->block)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

static int paint(struct replay *r, struct image **ret, struct ext_replayed *counts)
{
	struct map_draft *draft = map_draft_new(r->img->size, r->img);
	uint32_t block_size = r->g.super.block_size;
	uint8_t magic[4];

	if (!draft)
		return -ENOMEM;
	put_be32(magic, JBD2_MAGIC);
	sort_revokes(r);
	for (size_t i = 0; i < r->committed_writes; i++) {
		const struct write *w = &r->writes[i];

		if (is_revoked(r, w))
			continue;
		map_draft_below(draft, w->block * block_size, block_size,
				ext_journal_block(&r->journal, w->index) * block_size);
		if (w->is_escaped)
			map_draft_bytes(draft, w->block * block_size, magic, sizeof(magic));
		counts->blocks++;
	}
	counts->transactions = r->transaction;
	return map_seal(draft, "replayed", /* describe= */ NULL, ret, r->why);
}

/* The journal is empty from now on. Its next transaction must not be taken for one that was not committed. */
static void paint_journal(const struct replay *r, struct map_draft *draft)
{
	struct disk_jbd2_super disk = r->journal.disk;

	put_be32(disk.start, 0);
	put_be32(disk.sequence, sequence_of(r) + 1);
	if (r->journal.has_csum)
		put_be32(disk.checksum, ext_journal_super_checksum(&disk));
	map_draft_bytes(draft, ext_journal_block(&r->journal, 0) * r->g.super.block_size, &disk, sizeof(disk));
}

/* What the log made of the superblock, if it has it, and without the need to replay anything. */
static int seal_super(struct replay *r, struct image *replayed, struct image **ret)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct disk_ext_super disk;
	struct ext_geometry g;
	struct ext_super s;
	bool no_orphans;
	int e = ext_super_read(replayed, &disk, &s, r->why);

	if (e == 1)
		e = fail(r->why, -EBADMSG, "the journal of %s overwrites the superblock", name_of(r));
	if (e == 0)
		e = ext_super_check(&s, r->why);
	if (e == 0)
		e = ext_geometry_init(&g, &s, r->why);
	if (e == 0)
		e = ext_orphans_only_claimed(replayed, &g, &no_orphans, r->why);
	if (e < 0)
		return e;
	draft = map_draft_new(replayed->size, replayed);
	if (!draft)
		return -ENOMEM;
	put_le32(disk.incompat, s.incompat & ~EXT_INCOMPAT_RECOVER);
	if (no_orphans)
		put_le32(disk.ro_compat, s.ro_compat & ~EXT_RO_ORPHAN_PRESENT);
	if (ext_has_csum(&s))
		put_le32(disk.checksum, ext_super_checksum(&disk));
	map_draft_bytes(draft, EXT_SUPER_OFFSET, &disk, sizeof(disk));
	if (r->journal.start)
		paint_journal(r, draft);
	return map_seal(take(draft), "recovered", /* describe= */ NULL, ret, r->why);
}

static int open_journal(struct replay *r)
{
	struct disk_ext_super disk;
	struct ext_super s;
	int e = ext_super_read(r->img, &disk, &s, r->why);

	if (e == 1)
		return fail(r->why, -EBADMSG, "there is no ext superblock");
	if (e == 0)
		e = ext_features_check(&s, r->why);
	if (e == 0)
		e = ext_super_check(&s, r->why);
	if (e == 0)
		e = ext_geometry_init(&r->g, &s, r->why);
	if (e < 0)
		return e;
	if (!(s.compat & EXT_COMPAT_HAS_JOURNAL))
		return fail(r->why, -EBADMSG, "%s has no journal, and says that it must be replayed",
			    ext_super_name(&s));
	if (s.journal_inode == 0)
		return fail(r->why, -EOPNOTSUPP,
			    "its journal must be replayed first, and is on another device: this %s was in use "
			    "when the image was made; mount it once or run e2fsck",
			    ext_super_name(&s));
	return ext_journal_open(r->img, &r->g, &r->journal, r->why);
}

int ext_replay(struct image *container, struct image **ret, struct ext_replayed *ret_counts, struct why *why)
{
	_cleanup_(replay_done) struct replay r = { .img = container, .why = why };
	_cleanup_(image_unrefp) struct image *replayed = NULL;
	struct ext_replayed counts = { 0 };
	int e = open_journal(&r);

	if (e == 0)
		e = walk(&r);
	if (e == 0)
		e = paint(&r, &replayed, &counts);
	if (e == 0)
		e = seal_super(&r, replayed, ret);
	if (e == 0)
		*ret_counts = counts;
	return e;
}
