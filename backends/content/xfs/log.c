/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the head of the log as the kernel does (fs/xfs/xfs_log_recover.c), and
 * looks whether the last record before it says that the filesystem was unmounted.
 *
 * The log is a ring of sectors. Each begins with the number of the cycle in which
 * it was written (a record's head begins with a magic number, its cycle follows), or with 0 where the log
 * was never written:
 *
 *	| 7 7 7 7 7 7 7 7 7 7 | 6 6 6 6 6 6 |		head at |, where the cycle drops
 *	| 1 1 | 0 0 0 0 0 0 0 0 0 0 0 0 0 0 |		as mkfs leaves it
 *
 * The kernel then looks through 2 MiB before the head for sectors of an older
 * cycle, writes that were on their way when the machine stopped. There are none before an unmount's
 * record, for which all earlier writes are waited for; so they are not looked for here, and what has them
 * is found dirty for the record before the head.
 */
#include "backends/content/xfs/log.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

/* What is read at once when looking back for a record: it is most often near. */
#define FIRST_STEP 8
#define STEP	   64

#define RECORD_V1_MAX 64  /* sectors: 32 KiB */
#define RECORD_V2_MAX 512 /* sectors: 256 KiB */

struct log {
	struct image *img;	   /* borrowed */
	const struct xfs_super *s; /* borrowed */
	uint64_t offset;	   /* bytes */
	uint64_t sectors;
	uint8_t step[STEP * SECTOR];
	struct disk_xfs_log_record record; /* the one that was found last */
};

static int read_sectors(const struct log *l, void *buf, uint64_t sector, size_t count, struct why *why)
{
	return image_pread(l->img, buf, count * SECTOR, l->offset + sector * SECTOR, why);
}

static int read_cycle(const struct log *l, uint64_t sector, uint32_t *ret, struct why *why)
{
	uint8_t buf[SECTOR];
	int r = read_sectors(l, buf, sector, 1, why);

	if (r < 0)
		return r;
	*ret = get_be32(buf) == XFS_LOG_MAGIC ? get_be32(buf + 4) : get_be32(buf);
	return 0;
}

/*
 * A log that was never filled, as most templates have it, is zero from its head on. Growing steps from its start find
 * zeros near the head; the log's end is far from there, and each place may be a block to decompress.
 */
static int find_zeros(const struct log *l, uint64_t *low, uint64_t *high, uint32_t *ret_last, struct why *why)
{
	const uint64_t end = l->sectors - 1;

	for (uint64_t at = FIRST_STEP; at < end; at *= 2) {
		int r = read_cycle(l, at, ret_last, why);

		if (r == 0 && *ret_last == 0)
			*high = at;
		if (r < 0 || *ret_last == 0)
			return r;
		*low = at;
	}
	*low = 0;
	*high = end;
	return read_cycle(l, end, ret_last, why);
}

/*
 * The head as far as cycles tell, 1 to l->sectors; 0 for a log that was never written. Where there are no zeros the
 * halving must be the kernel's own: where the log has holes, other steps lead to another place.
 */
static int find_drop(const struct log *l, uint64_t *ret, struct why *why)
{
	uint64_t low = 0, high = 0;
	uint32_t first, last = 0, cycle;
	int r = read_cycle(l, low, &first, why);

	if (r == 0 && first)
		r = find_zeros(l, &low, &high, &last, why);
	if (r < 0)
		return r;
	*ret = first == 0 ? 0 : l->sectors;
	if (first == 0 || first == last)
		return 0;
	while (high - low > 1) {
		uint64_t middle = (low + high) / 2;

		r = read_cycle(l, middle, &cycle, why);
		if (r < 0)
			return r;
		if (cycle == last)
			high = middle;
		else
			low = middle;
	}
	*ret = high;
	return 0;
}

/* Sectors of a record's heads: the first has room for the cycles of 32 KiB. */
static uint64_t record_heads(const struct log *l)
{
	uint32_t size = get_be32(l->record.size);

	if (!l->s->log_v2 || !(get_be32(l->record.version) & 2) || size <= 32 * KiB)
		return 1;
	return div_up(size, 32 * KiB);
}

static uint64_t record_sectors(const struct log *l)
{
	return record_heads(l) + div_up(get_be32(l->record.length), SECTOR);
}

/*
 * In a log that is written in stripes, an unmount's record is padded to the length of one: a look where it
 * would begin saves that of reading all of it. What reaches from there to `end` is the nearest record.
 */
static int find_padded_record(struct log *l, uint64_t end, uint64_t floor, uint64_t *ret, struct why *why)
{
	uint64_t unit = l->s->log_unit / SECTOR;
	int r;

	if (unit <= FIRST_STEP || unit > RECORD_V2_MAX || end - floor < unit)
		return 1;
	r = read_sectors(l, l->step, end - unit, 1, why);
	if (r < 0)
		return r;
	memcpy(&l->record, l->step, sizeof(l->record));
	*ret = end - unit;
	return get_be32(l->record.magic) == XFS_LOG_MAGIC && record_sectors(l) == unit ? 0 : 1;
}

/* The nearest record that begins before sector `before`, and not before `floor`, into l->record. 0, 1 (none). */
static int find_record(struct log *l, uint64_t before, uint64_t floor, uint64_t *ret, struct why *why)
{
	uint64_t step = FIRST_STEP;
	int r = find_padded_record(l, before, floor, ret, why);

	if (r != 1)
		return r;
	while (before > floor) {
		uint64_t n = min_u64(step, before - floor);

		r = read_sectors(l, l->step, before - n, n, why);
		if (r < 0)
			return r;
		for (uint64_t i = n; i-- > 0;)
			if (get_be32(l->step + i * SECTOR) == XFS_LOG_MAGIC) {
				memcpy(&l->record, l->step + i * SECTOR, sizeof(l->record));
				*ret = before - n + i;
				return 0;
			}
		before -= n;
		step = STEP;
	}
	return 1;
}

/* The last record before the head, wherever it is on the ring, if it begins at most `max` sectors before. */
static int last_record(struct log *l, uint64_t head, uint64_t max, uint64_t *ret, struct why *why)
{
	uint64_t floor = head > max ? head - max : 0;
	int r = find_record(l, head, floor, ret, why);

	if (r == 1 && floor == 0 && head < l->sectors) {
		floor = max - head < l->sectors - head ? l->sectors - (max - head) : head;
		r = find_record(l, l->sectors, floor, ret, why);
	}
	return r == 1 ? fail(why, -EBADMSG, "the log of this xfs has no record where its end is") : r;
}

/* How far it is on the ring from `at` on to `head`. */
static uint64_t distance(const struct log *l, uint64_t at, uint64_t head)
{
	return head > at ? head - at : head + l->sectors - at;
}

/*
 * The last record must end at the head; else it was never finished, and the head is where it begins. The
 * log that xfs_repair -L and xfs_admin -U leave behind has a gap behind its first record, and is of this kind.
 */
static int find_last_record(struct log *l, uint64_t *head, uint64_t *ret, struct why *why)
{
	uint64_t max = l->s->log_v2 ? RECORD_V2_MAX : RECORD_V1_MAX;
	int r = last_record(l, *head, max, ret, why);

	if (r < 0 || distance(l, *ret, *head) == record_sectors(l))
		return r;
	*head = *ret;
	/* More of them: heads are not counted in what a record is long at most. */
	return last_record(l, *head, max + 8, ret, why);
}

static int fail_dirty(struct why *why)
{
	return fail(why, -EOPNOTSUPP,
		    "its log must be replayed first: this xfs was in use when the image was made; mount it "
		    "once and unmount it");
}

static int check_unmounted(const struct log *l, uint64_t head, uint64_t at, struct why *why)
{
	uint8_t buf[SECTOR];
	int r;

	if (get_be32(l->record.operations) != 1 || (at + record_sectors(l)) % l->sectors != head)
		return fail_dirty(why);
	r = read_sectors(l, buf, (at + record_heads(l)) % l->sectors, 1, why);
	if (r < 0)
		return r;
	return buf[9] & XFS_LOG_UNMOUNT ? 0 : fail_dirty(why);
}

static int check_owner(const struct log *l, struct why *why)
{
	const uint8_t none[16] = { 0 };

	if (memcmp(l->record.uuid, l->s->uuid, sizeof(none)) != 0 &&
	    memcmp(l->record.uuid, none, sizeof(none)) != 0)
		return fail(why, -EBADMSG, "the log of this xfs belongs to another filesystem");
	return 0;
}

static int check_log(struct log *l, struct why *why)
{
	uint64_t head, at;
	int r = find_drop(l, &head, why);

	if (r < 0 || head == 0)
		return r;
	r = find_last_record(l, &head, &at, why);
	head %= l->sectors;
	if (r == 0)
		r = check_owner(l, why);
	return r ?: check_unmounted(l, head, at, why);
}

int xfs_log_check(struct image *img, const struct xfs_super *s, struct why *why)
{
	_cleanup_free_ struct log *l = malloc(sizeof(*l));
	uint32_t in_ag = (uint32_t)(s->log_start & ((UINT64_C(1) << s->ag_blocks_log) - 1));

	if (!l)
		return -ENOMEM;
	l->img = img;
	l->s = s;
	l->offset = xfs_block_offset(s, (uint32_t)(s->log_start >> s->ag_blocks_log), in_ag);
	l->sectors = (uint64_t)s->log_blocks * s->block_size / SECTOR;
	return check_log(l, why);
}
