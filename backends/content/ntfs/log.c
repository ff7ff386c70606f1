/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

/* The second page stands behind the first; where that is unreadable, at one of these sizes. */
#define PAGE_MIN 512
#define PAGE_MAX (64 * KiB)

/* What the newest good restart page says. */
struct restart {
	bool found;
	bool empty; /* nothing but 0xFF was seen */
	bool torn;  /* one of the pages was not written as a whole: nobody has shut anything down */
	uint64_t lsn;
	uint16_t major, minor;
	uint16_t first_in_use, flags;
	uint64_t page_size;
};

int ntfs_log_open(const struct ntfs_volume *v, struct ntfs_stream *ret, struct why *why)
{
	struct ntfs_record rec;
	int r = ntfs_volume_record(v, NTFS_LOG, &rec, why);

	if (r == 0)
		r = ntfs_volume_stream(v, &rec, NTFS_DATA, "", ret, why);
	return r;
}

/* How long the page says it is; 0: it can't be one. */
static uint64_t page_size(const uint8_t sector[PAGE_MIN], uint64_t at, const struct ntfs_stream *log)
{
	const struct disk_ntfs_restart_page *disk = (const void *)sector;
	uint64_t size = get_le32(disk->page_size);

	if (size < PAGE_MIN || size > PAGE_MAX || (size & (size - 1)) || (at && at != size) ||
	    !range_ok(at, size, log->size))
		return 0;
	return size;
}

static bool is_protected(const uint8_t *page)
{
	const struct disk_ntfs_restart_page *disk = (const void *)page;

	return memcmp(disk->block.magic, "CHKD", 4) != 0 || get_le16(disk->block.sequence_count);
}

static void take_page(struct restart *restart, uint8_t *page, uint64_t size)
{
	const struct disk_ntfs_restart_page *disk = (const void *)page;
	const struct disk_ntfs_restart_area *area = (const void *)(page + get_le16(disk->area_at));
	uint16_t at = get_le16(disk->area_at);

	if (at % 8 || at < sizeof(*disk) || !range_ok(at, sizeof(*area), size) ||
	    (is_protected(page) && ntfs_sequence_undo(page, size, "its log", /* why= */ NULL) < 0)) {
		restart->torn = true;
		return;
	}
	if (restart->found && restart->lsn >= get_le64(area->lsn))
		return;
	*restart = (struct restart){
		.found = true,
		.torn = restart->torn,
		.lsn = get_le64(area->lsn),
		.major = get_le16(disk->major),
		.minor = get_le16(disk->minor),
		.first_in_use = get_le16(area->first_in_use),
		.flags = get_le16(area->flags),
		.page_size = size,
	};
}

static int read_page(const struct ntfs_volume *v, const struct ntfs_stream *log, const uint8_t sector[PAGE_MIN],
		     uint64_t at, struct restart *restart, struct why *why)
{
	uint64_t size = page_size(sector, at, log);
	_cleanup_free_ uint8_t *page = NULL;
	int r;

	if (size == 0)
		return 0;
	page = malloc(size);
	if (!page)
		return -ENOMEM;
	r = ntfs_volume_read(v, log, page, size, at, why);
	if (r == 0)
		take_page(restart, page, size);
	return r;
}

/* Looks for restart pages where they may be. */
static int read_restart(const struct ntfs_volume *v, const struct ntfs_stream *log, struct restart *ret,
			struct why *why)
{
	struct restart restart = { .empty = true };
	uint8_t sector[PAGE_MIN];
	uint64_t next;
	int r = 0;

	for (uint64_t at = 0; r == 0 && at <= PAGE_MAX && range_ok(at, PAGE_MIN, log->size); at = next) {
		bool page;

		r = ntfs_volume_read(v, log, sector, sizeof(sector), at, why);
		if (r < 0)
			break;
		page = memcmp(sector, "RSTR", 4) == 0 || memcmp(sector, "CHKD", 4) == 0;
		next = at ? at * 2 : PAGE_MIN;
		if (get_le32(sector) == UINT32_MAX) {
			if (!restart.empty)
				break;
			continue;
		}
		restart.empty = false;
		if (!page && memcmp(sector, "RCRD", 4) == 0)
			break;
		if (page)
			r = read_page(v, log, sector, at, &restart, why);
		if (at && restart.found)
			break;
		if (restart.found)
			next = restart.page_size;
	}
	*ret = restart;
	return r;
}

int ntfs_log_check(const struct ntfs_volume *v, const struct ntfs_stream *log, struct why *why)
{
	struct restart restart;
	int r = read_restart(v, log, &restart, why);

	if (r < 0 || (restart.empty && !restart.found))
		return r;
	if (!restart.found || restart.torn)
		return fail(why, -EOPNOTSUPP,
			    "the log of this ntfs can't be read, so that nobody knows whether it has to be "
			    "replayed; start Windows once or run chkdsk");
	if (restart.major == 2 && restart.minor == 0)
		return fail(why, -EOPNOTSUPP,
			    "Windows was not shut down but put to sleep (fast startup), and keeps a part of "
			    "this ntfs in its "
			    "memory; shut it down with \"shutdown /s /f /t 0\"");
	if (restart.major != 1 || restart.minor != 1)
		return fail(why, -EOPNOTSUPP, "ntfs with a log of version %u.%u is not known here",
			    restart.major, restart.minor);
	if (restart.first_in_use != NTFS_NO_CLIENT && !(restart.flags & NTFS_LOG_IS_CLEAN))
		return fail(
			why, -EOPNOTSUPP,
			"the log of this ntfs must be replayed first: it was in use when the image was made; "
			"start Windows once and shut it down, or run ntfsfix");
	return 0;
}

void ntfs_log_reset(const struct ntfs_volume *v, const struct ntfs_stream *log, struct computed *ones,
		    struct map_draft *draft)
{
	uint64_t at, length;

	for (uint64_t offset = 0; offset < log->size && ntfs_volume_find(v, log, offset, &at, &length);
	     offset += length) {
		length = min_u64(length, log->size - offset);
		map_draft_computed(draft, at, length, ones, 0);
	}
}
