/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/record.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/bytes.h"

const char *ntfs_record_name(uint64_t number)
{
	static const char *const names[] = { "$MFT",	 "$MFTMirr", "$LogFile", "$Volume", "$AttrDef",
					     "its root", "$Bitmap",  "$Boot",	 "$BadClus" };

	return number < sizeof(names) / sizeof(*names) ? names[number] : "a file";
}

/* The update sequence. */

/* Where it is; NULL when it isn't one for a block of that size. */
static uint8_t *find_sequence(uint8_t *block, uint64_t size)
{
	const struct disk_ntfs_block *disk = (const struct disk_ntfs_block *)block;
	uint64_t at = get_le16(disk->sequence_at), count = get_le16(disk->sequence_count);

	if (size == 0 || size % NTFS_SEQUENCE_SECTOR || count != size / NTFS_SEQUENCE_SECTOR + 1 ||
	    at < sizeof(*disk) || !range_ok(at, count * 2, NTFS_SEQUENCE_SECTOR - 2))
		return NULL;
	return block + at;
}

int ntfs_sequence_undo(uint8_t *block, uint64_t size, const char *what, struct why *why)
{
	const uint8_t *sequence = find_sequence(block, size);

	if (!sequence)
		return fail(why, -EBADMSG, "ntfs has no valid update sequence in %s", what);
	for (uint64_t end = NTFS_SEQUENCE_SECTOR; end <= size; end += NTFS_SEQUENCE_SECTOR)
		if (memcmp(block + end - 2, sequence, 2) != 0)
			return fail(why, -EBADMSG, "ntfs has not written all of %s", what);
	for (uint64_t end = NTFS_SEQUENCE_SECTOR, i = 1; end <= size; end += NTFS_SEQUENCE_SECTOR, i++)
		memcpy(block + end - 2, sequence + 2 * i, 2);
	return 0;
}

void ntfs_sequence_redo(uint8_t *block, uint64_t size)
{
	uint8_t *sequence = find_sequence(block, size);
	uint16_t number = (uint16_t)(get_le16(sequence) + 1);

	/* What is all zeros or all ones was never written. */
	if (number == 0 || number == 0xffff)
		number = 1;
	put_le16(sequence, number);
	for (uint64_t end = NTFS_SEQUENCE_SECTOR, i = 1; end <= size; end += NTFS_SEQUENCE_SECTOR, i++) {
		memcpy(sequence + 2 * i, block + end - 2, 2);
		memcpy(block + end - 2, sequence, 2);
	}
}

/* Checking. */

static bool is_named(const struct disk_ntfs_attribute *a, const char *name)
{
	const uint8_t *units = (const uint8_t *)a + get_le16(a->name_at);

	if (a->name_length != strlen(name))
		return false;
	for (size_t i = 0; i < a->name_length; i++)
		if (get_le16(units + 2 * i) != (uint8_t)name[i])
			return false;
	return true;
}

static bool attribute_ok(const struct disk_ntfs_attribute *a, uint32_t length)
{
	const struct disk_ntfs_resident *in = (const void *)a;
	const struct disk_ntfs_non_resident *out = (const void *)a;

	if (a->name_length && !range_ok(get_le16(a->name_at), UINT64_C(2) * a->name_length, length))
		return false;
	if (a->non_resident)
		return length >= sizeof(*out) && get_le16(out->runs_at) >= sizeof(*out) &&
		       get_le16(out->runs_at) < length;
	return range_ok(get_le16(in->value_at), get_le32(in->value_length), length);
}

/* The attributes, the mark of their end included, fill [at, used). */
static bool attributes_ok(const struct ntfs_record *rec, uint64_t at, uint64_t used)
{
	while (range_ok(at, 4, used)) {
		const struct disk_ntfs_attribute *a = (const void *)(rec->bytes + at);
		uint32_t length;

		if (get_le32(a->type) == NTFS_ATTRIBUTES_END)
			return true;
		if (!range_ok(at, sizeof(struct disk_ntfs_resident), used))
			return false;
		length = get_le32(a->length);
		if (length % 8 || length < sizeof(struct disk_ntfs_resident) || !range_ok(at, length, used) ||
		    !attribute_ok(a, length))
			return false;
		at += length;
	}
	return false;
}

int ntfs_record_check(struct ntfs_record *rec, struct why *why)
{
	const struct disk_ntfs_record *disk = (const void *)rec->bytes;
	uint64_t at = get_le16(disk->attributes_at), used = get_le32(disk->used);
	const char *name = ntfs_record_name(rec->number);
	int r;

	if (memcmp(disk->block.magic, "FILE", 4) != 0)
		return fail(why, -EBADMSG, "ntfs has no record of %s (%" PRIu64 ") where it should be", name,
			    rec->number);
	r = ntfs_sequence_undo(rec->bytes, rec->size, "a record of $MFT", why);
	if (r < 0)
		return r;
	if (!(get_le16(disk->flags) & NTFS_RECORD_IN_USE) || get_le64(disk->base) || at % 8 ||
	    at < sizeof(*disk) || used > rec->size || get_le32(disk->allocated) != rec->size ||
	    !attributes_ok(rec, at, used))
		return fail(why, -EBADMSG, "ntfs has a damaged record of %s (%" PRIu64 ")", name, rec->number);
	return 0;
}

/* Attributes. */

struct disk_ntfs_attribute *ntfs_record_find(struct ntfs_record *rec, enum ntfs_type type, const char *name)
{
	const struct disk_ntfs_record *disk = (const void *)rec->bytes;
	struct disk_ntfs_attribute *a = (void *)(rec->bytes + get_le16(disk->attributes_at));

	for (; get_le32(a->type) != NTFS_ATTRIBUTES_END; a = (void *)((uint8_t *)a + get_le32(a->length)))
		if (get_le32(a->type) == type && is_named(a, name))
			return a;
	return NULL;
}

/* It isn't in the record: is it in another one? */
static int fail_missing(struct ntfs_record *rec, enum ntfs_type type, struct why *why)
{
	if (ntfs_record_find(rec, NTFS_ATTRIBUTE_LIST, ""))
		return fail(why, -EOPNOTSUPP, "ntfs with %s spread over several records is not known here",
			    ntfs_record_name(rec->number));
	return fail(why, -EBADMSG, "ntfs lacks attribute 0x%x of %s", type, ntfs_record_name(rec->number));
}

int ntfs_record_value(struct ntfs_record *rec, enum ntfs_type type, const char *name, uint32_t least,
		      uint8_t **ret, uint32_t *ret_length, struct why *why)
{
	struct disk_ntfs_attribute *a = ntfs_record_find(rec, type, name);
	struct disk_ntfs_resident *in = (void *)a;

	if (!a)
		return fail_missing(rec, type, why);
	if (a->non_resident || get_le32(in->value_length) < least)
		return fail(why, -EBADMSG, "ntfs has a damaged attribute 0x%x of %s", type,
			    ntfs_record_name(rec->number));
	*ret = (uint8_t *)a + get_le16(in->value_at);
	*ret_length = get_le32(in->value_length);
	return 0;
}

/* Streams. */

void ntfs_stream_done(struct ntfs_stream *s)
{
	ntfs_runs_done(&s->runs);
}

static int check_kind(const struct ntfs_record *rec, const struct disk_ntfs_attribute *a, struct why *why)
{
	const struct disk_ntfs_non_resident *out = (const void *)a;
	const char *name = ntfs_record_name(rec->number);

	if (get_le16(a->flags))
		return fail(why, -EOPNOTSUPP,
			    "ntfs with a compressed, encrypted or sparse %s is not known here", name);
	if (!a->non_resident)
		return fail(why, -EOPNOTSUPP, "ntfs with %s inside of its record is not known here", name);
	if (get_le64(out->lowest_vcn) != 0)
		return fail(why, -EOPNOTSUPP, "ntfs with %s spread over several records is not known here",
			    name);
	return 0;
}

int ntfs_record_stream(struct ntfs_record *rec, enum ntfs_type type, const char *name, uint32_t cluster_size,
		       uint64_t volume_clusters, struct ntfs_stream *ret, struct why *why)
{
	__attribute__((cleanup(ntfs_stream_done))) struct ntfs_stream s = { 0 };
	struct disk_ntfs_attribute *a = ntfs_record_find(rec, type, name);
	const struct disk_ntfs_non_resident *out = (const void *)a;
	uint64_t allocated, runs_at;
	int r;

	if (!a)
		return fail_missing(rec, type, why);
	r = check_kind(rec, a, why);
	if (r < 0)
		return r;
	runs_at = get_le16(out->runs_at);
	r = ntfs_runs_decode(&s.runs, (const uint8_t *)a + runs_at, get_le32(a->length) - runs_at,
			     volume_clusters, why);
	if (r < 0)
		return r;
	allocated = get_le64(out->allocated);
	s.size = get_le64(out->size);
	s.initialized = get_le64(out->initialized);
	s.begins_only =
		allocated > s.runs.clusters * cluster_size && ntfs_record_find(rec, NTFS_ATTRIBUTE_LIST, "");
	if (get_le64(out->highest_vcn) + 1 != s.runs.clusters || s.size > allocated || s.initialized > s.size ||
	    (!s.begins_only && allocated != s.runs.clusters * cluster_size))
		return fail(why, -EBADMSG, "ntfs has sizes of %s that don't fit its runs",
			    ntfs_record_name(rec->number));
	*ret = s;
	s = (struct ntfs_stream){ 0 };
	return 0;
}

/* Moves what stands behind the attribute, so that it has `more` bytes. */
static int lengthen(struct ntfs_record *rec, struct disk_ntfs_attribute *a, uint32_t more, struct why *why)
{
	struct disk_ntfs_record *disk = (void *)rec->bytes;
	uint32_t used = get_le32(disk->used), length = get_le32(a->length);
	uint8_t *end = (uint8_t *)a + length;

	if (more > rec->size - used)
		return fail(why, -EOPNOTSUPP, "ntfs has no room in the record of %s for one more run",
			    ntfs_record_name(rec->number));
	memmove(end + more, end, (size_t)(rec->bytes + used - end));
	memset(end, 0, more);
	put_le32(a->length, length + more);
	put_le32(disk->used, used + more);
	return 0;
}

int ntfs_record_replace(struct ntfs_record *rec, struct disk_ntfs_attribute *attribute, uint32_t cluster_size,
			const struct ntfs_stream *s, struct why *why)
{
	struct disk_ntfs_non_resident *out = (void *)attribute;
	uint32_t runs_at = get_le16(out->runs_at), room = get_le32(attribute->length) - runs_at;
	size_t need = ntfs_runs_encode(&s->runs, NULL, 0);
	int r = 0;

	if (need > room)
		r = lengthen(rec, attribute, (uint32_t)align_up(need - room, 8), why);
	if (r < 0)
		return r;
	if (attribute->name_length && get_le16(attribute->name_at) >= runs_at)
		return fail(why, -EBADMSG, "ntfs has a name behind the runs of %s",
			    ntfs_record_name(rec->number));
	room = get_le32(attribute->length) - runs_at;
	memset((uint8_t *)attribute + runs_at, 0, room);
	(void)ntfs_runs_encode(&s->runs, (uint8_t *)attribute + runs_at, room);
	put_le64(out->highest_vcn, s->runs.clusters - 1);
	put_le64(out->allocated, s->runs.clusters * cluster_size);
	put_le64(out->size, s->size);
	put_le64(out->initialized, s->initialized);
	return 0;
}
