/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/clean.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

/* The header of hiberfil.sys. One that is shorter stands for a Windows on another volume. */
#define HIBERNATION_HEADER 4096

static int check_volume(struct ntfs_record *volume, struct why *why)
{
	const struct disk_ntfs_information *disk;
	uint32_t length;
	uint8_t *value;
	int r = ntfs_record_value(volume, NTFS_VOLUME_INFORMATION, "", sizeof(*disk), &value, &length, why);

	if (r < 0)
		return r;
	disk = (const void *)value;
	if (disk->major != 3 || disk->minor > 1)
		return fail(why, -EOPNOTSUPP, "ntfs of version %u.%u is not known here", disk->major,
			    disk->minor);
	if (get_le16(disk->flags) & NTFS_IS_DIRTY)
		return fail(why, -EOPNOTSUPP,
			    "ntfs is marked as dirty: Windows wants to check it first; start it once or run "
			    "chkdsk /f");
	if (get_le16(disk->flags) & NTFS_CHKDSK_RUNNING)
		return fail(why, -EOPNOTSUPP,
			    "chkdsk was at work on this ntfs when the image was made; run it again");
	return 0;
}

static int check_hibernation_file(const struct ntfs_volume *v, struct ntfs_record *rec, struct why *why)
{
	__attribute__((cleanup(ntfs_stream_done))) struct ntfs_stream s = { 0 };
	struct disk_ntfs_attribute *a = ntfs_record_find(rec, NTFS_DATA, "");
	uint8_t magic[4] = { 0 };
	int r;

	if (a && a->non_resident) {
		r = ntfs_record_stream(rec, NTFS_DATA, "", v->boot.cluster, v->boot.clusters, &s, why);
		if (r == 0 && s.initialized >= sizeof(magic))
			r = ntfs_volume_read(v, &s, magic, sizeof(magic), 0, why);
		if (r < 0 && r != -EOPNOTSUPP)
			return r;
	} else {
		r = a ? 0 : -EOPNOTSUPP;
	}
	if (r < 0)
		return fail(
			why, -EOPNOTSUPP,
			"hiberfil.sys of this ntfs can't be read here, so that nobody knows whether Windows "
			"is hibernated; turn that off with \"powercfg /h off\"");
	if (memcmp(magic, "hibr", 4) == 0 || memcmp(magic, "HIBR", 4) == 0)
		return fail(
			why, -EOPNOTSUPP,
			"Windows is hibernated, and keeps a part of this ntfs in its memory; start it once and "
			"shut it down");
	if (s.size < HIBERNATION_HEADER)
		return fail(why, -EOPNOTSUPP,
			    "a Windows on another volume is hibernated, and keeps a part of this ntfs in its "
			    "memory; start it "
			    "once and shut it down");
	return 0;
}

static int check_hibernation(const struct ntfs_volume *v, struct ntfs_root *root, struct why *why)
{
	struct ntfs_record rec;
	struct ntfs_entry entry;
	int r = ntfs_root_find(v, root, "hiberfil.sys", &entry, why);

	if (r != 0)
		return r == 1 ? 0 : r;
	r = ntfs_volume_record(v, entry.file, &rec, why);
	return r < 0 ? r : check_hibernation_file(v, &rec, why);
}

int ntfs_check_clean(const struct ntfs_volume *v, struct ntfs_record *volume, struct ntfs_stream *log,
		     struct ntfs_root *root, struct why *why)
{
	int r = ntfs_volume_record(v, NTFS_VOLUME, volume, why);

	if (r == 0)
		r = check_volume(volume, why);
	if (r == 0)
		r = ntfs_log_open(v, log, why);
	if (r == 0)
		r = ntfs_log_check(v, log, why);
	if (r == 0)
		r = ntfs_root_open(v, root, why);
	if (r == 0)
		r = check_hibernation(v, root, why);
	return r;
}
