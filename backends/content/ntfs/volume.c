/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/volume.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"
#include "base/size.h"

/* Windows makes clusters of up to 2 MiB. */
#define CLUSTER_MAX (2 * MiB)
#define INDEX_MAX   (64 * KiB)

/* The boot sector. */

static bool is_power_of_2(uint64_t n)
{
	return n && (n & (n - 1)) == 0;
}

/* The size of records and index blocks: in clusters, or as a power of two. 0: neither. */
static uint64_t block_size(int8_t clusters, uint64_t cluster)
{
	if (clusters > 0)
		return cluster * (uint64_t)clusters;
	return clusters < -31 || clusters == 0 ? 0 : UINT64_C(1) << -clusters;
}

static bool parse_sizes(const struct disk_ntfs_boot *disk, struct ntfs_boot *b)
{
	uint64_t sector = get_le16(disk->sector_size), per_cluster = disk->cluster_sectors, record, index;

	if (per_cluster > 0x80)
		per_cluster = UINT64_C(1) << min_u64(256 - per_cluster, 31);
	if (!is_power_of_2(sector) || sector < 256 || sector > 4096 || !is_power_of_2(per_cluster) ||
	    sector * per_cluster > CLUSTER_MAX)
		return false;
	b->sector = (uint32_t)sector;
	b->cluster = (uint32_t)(sector * per_cluster);
	record = block_size(disk->record_clusters, b->cluster);
	index = block_size(disk->index_clusters, b->cluster);
	if (!is_power_of_2(record) || record < NTFS_RECORD_MIN || record > NTFS_RECORD_MAX)
		return false;
	b->record = (uint32_t)record;
	b->index = (uint32_t)min_u64(index, UINT32_MAX);
	return true;
}

bool ntfs_boot_parse(const uint8_t sector[512], struct ntfs_boot *ret)
{
	const struct disk_ntfs_boot *disk = (const void *)sector;
	struct ntfs_boot b = { 0 };

	if (memcmp(disk->system, "NTFS    ", 8) != 0 || get_le16(sector + 510) != 0xaa55 ||
	    !parse_sizes(disk, &b))
		return false;
	b.sectors = get_le64(disk->sectors);
	b.clusters = b.sectors / (b.cluster / b.sector);
	b.mft = get_le64(disk->mft);
	b.mft_mirror = get_le64(disk->mft_mirror);
	b.hidden_sectors = get_le32(disk->hidden_sectors);
	b.serial = get_le64(disk->serial);
	*ret = b;
	return true;
}

static int check_boot(const struct ntfs_boot *b, uint64_t size, struct why *why)
{
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];

	if (b->sectors > size / b->sector)
		return fail(why, -EBADMSG,
			    "ntfs takes %" PRIu64 " sectors of %" PRIu32
			    " bytes, but there are only %s: truncated image",
			    b->sectors, b->sector, size_format(there, size));
	if (b->clusters > UINT32_MAX)
		return fail(why, -EBADMSG, "ntfs has %" PRIu64 " clusters of %s, more than can be", b->clusters,
			    size_format(claimed, b->cluster));
	if (b->mft == 0 || b->mft >= b->clusters || b->mft_mirror == 0 || b->mft_mirror >= b->clusters)
		return fail(why, -EBADMSG,
			    "ntfs has its $MFT and its copy in clusters %" PRIu64 " and %" PRIu64
			    " of %" PRIu64,
			    b->mft, b->mft_mirror, b->clusters);
	return 0;
}

static int read_boot(struct ntfs_volume *v, struct why *why)
{
	uint8_t sector[512];
	int r;

	if (v->img->size < sizeof(sector))
		return fail(why, -EBADMSG, "there is no ntfs boot sector");
	r = image_pread(v->img, sector, sizeof(sector), 0, why);
	if (r < 0)
		return r;
	if (!ntfs_boot_parse(sector, &v->boot))
		return fail(why, -EBADMSG, "there is no ntfs boot sector");
	return check_boot(&v->boot, v->img->size, why);
}

/* Streams. */

bool ntfs_volume_find(const struct ntfs_volume *v, const struct ntfs_stream *s, uint64_t offset,
		      uint64_t *ret_at, uint64_t *ret_length)
{
	uint64_t cluster = offset / v->boot.cluster, in_cluster = offset % v->boot.cluster;

	for (size_t i = 0; i < s->runs.n; i++) {
		const struct ntfs_run *run = &s->runs.run[i];

		if (cluster < run->length) {
			*ret_at = (run->cluster + cluster) * v->boot.cluster + in_cluster;
			*ret_length = (run->length - cluster) * v->boot.cluster - in_cluster;
			return run->cluster != NTFS_HOLE;
		}
		cluster -= run->length;
	}
	return false;
}

int ntfs_volume_read(const struct ntfs_volume *v, const struct ntfs_stream *s, void *buf, size_t count,
		     uint64_t offset, struct why *why)
{
	uint8_t *to = buf;

	while (count) {
		uint64_t at, length;
		size_t n;
		int r;

		if (!ntfs_volume_find(v, s, offset, &at, &length))
			return fail(why, -EBADMSG, "ntfs has a system file without the clusters it needs");
		n = min_u64(count, length);
		r = image_pread(v->img, to, n, at, why);
		if (r < 0)
			return r;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

void ntfs_volume_paint(const struct ntfs_volume *v, const struct ntfs_stream *s, struct map_draft *draft,
		       const void *bytes, size_t count, uint64_t offset)
{
	const uint8_t *from = bytes;
	uint64_t at, length;

	while (count && ntfs_volume_find(v, s, offset, &at, &length)) {
		size_t n = min_u64(count, length);

		map_draft_bytes(draft, at, from, n);
		from += n;
		offset += n;
		count -= n;
	}
}

int ntfs_volume_stream(const struct ntfs_volume *v, struct ntfs_record *rec, enum ntfs_type type,
		       const char *name, struct ntfs_stream *ret, struct why *why)
{
	struct ntfs_stream s;
	int r = ntfs_record_stream(rec, type, name, v->boot.cluster, v->boot.clusters, &s, why);

	if (r < 0)
		return r;
	if (s.begins_only) {
		ntfs_stream_done(&s);
		return fail(why, -EOPNOTSUPP, "ntfs with %s spread over several records is not known here",
			    ntfs_record_name(rec->number));
	}
	*ret = s;
	return 0;
}

/* Records. */

int ntfs_volume_record(const struct ntfs_volume *v, uint64_t number, struct ntfs_record *ret, struct why *why)
{
	uint64_t offset = number * v->boot.record;
	int r;

	ret->number = number;
	ret->size = v->boot.record;
	if (offset + v->boot.record > v->mft.size)
		return fail(why, -EBADMSG, "ntfs has no record %" PRIu64 " in its $MFT of %" PRIu64 " bytes",
			    number, v->mft.size);
	if (offset + v->boot.record > v->mft.runs.clusters * v->boot.cluster)
		return fail(why, -EOPNOTSUPP, "ntfs with %s spread over several records is not known here",
			    ntfs_record_name(NTFS_MFT));
	r = ntfs_volume_read(v, &v->mft, ret->bytes, ret->size, offset, why);
	return r < 0 ? r : ntfs_record_check(ret, why);
}

/* Its own first record, found through the boot sector, tells where the rest of $MFT is. */
static int open_mft(struct ntfs_volume *v, struct why *why)
{
	uint64_t at = v->boot.mft * v->boot.cluster;
	struct ntfs_record rec = { .number = NTFS_MFT, .size = v->boot.record };
	int r;

	if (!range_ok(at, rec.size, v->img->size))
		return fail(why, -EBADMSG, "ntfs has its $MFT behind its end");
	r = image_pread(v->img, rec.bytes, rec.size, at, why);
	if (r == 0)
		r = ntfs_record_check(&rec, why);
	if (r == 0)
		r = ntfs_record_stream(&rec, NTFS_DATA, "", v->boot.cluster, v->boot.clusters, &v->mft, why);
	if (r < 0)
		return r;
	if (v->mft.runs.n == 0 || v->mft.runs.run[0].cluster != v->boot.mft)
		return fail(why, -EBADMSG, "ntfs has its $MFT elsewhere than its boot sector says");
	return 0;
}

static int open_mirror(struct ntfs_volume *v, struct why *why)
{
	struct ntfs_record rec;
	int r = ntfs_volume_record(v, NTFS_MFT_MIRROR, &rec, why);

	if (r == 0)
		r = ntfs_volume_stream(v, &rec, NTFS_DATA, "", &v->mirror, why);
	if (r < 0)
		return r;
	if (v->mirror.runs.n == 0 || v->mirror.runs.run[0].cluster != v->boot.mft_mirror)
		return fail(why, -EBADMSG, "ntfs has its $MFTMirr elsewhere than its boot sector says");
	return 0;
}

int ntfs_volume_open(struct image *img, struct ntfs_volume *ret, struct why *why)
{
	struct ntfs_volume v = { .img = img };
	int r = read_boot(&v, why);

	if (r == 0)
		r = open_mft(&v, why);
	if (r == 0)
		r = open_mirror(&v, why);
	if (r < 0) {
		ntfs_volume_done(&v);
		return r;
	}
	*ret = v;
	return 0;
}

void ntfs_volume_done(struct ntfs_volume *v)
{
	ntfs_stream_done(&v->mft);
	ntfs_stream_done(&v->mirror);
}

void ntfs_volume_paint_record(const struct ntfs_volume *v, struct ntfs_record *rec, struct map_draft *draft)
{
	uint64_t offset = rec->number * rec->size;

	ntfs_sequence_redo(rec->bytes, rec->size);
	ntfs_volume_paint(v, &v->mft, draft, rec->bytes, rec->size, offset);
	/* Where a cluster holds more than four records, the copies of $Bitmap and $BadClus are among them. */
	if (range_ok(offset, rec->size, v->mirror.size))
		ntfs_volume_paint(v, &v->mirror, draft, rec->bytes, rec->size, offset);
}
