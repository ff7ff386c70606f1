/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_VOLUME_H
#define GOALFS_BACKENDS_CONTENT_NTFS_VOLUME_H

/*
 * An NTFS volume that is looked into: its boot sector, where its $MFT and the copy of its first records
 * are, and how to read and paint what streams hold.
 */
#include "backends/content/ntfs/record.h"
#include "backends/map.h"

/* The numbers of a boot sector, all of them plausible. */
struct ntfs_boot {
	uint32_t sector, cluster, record, index; /* bytes */
	uint64_t sectors;			 /* the copy of the boot sector not counted */
	uint64_t clusters;
	uint64_t mft, mft_mirror; /* first clusters */
	uint32_t hidden_sectors;
	uint64_t serial;
};

/* 512 bytes of a boot sector. False when it is none that Windows would take. */
bool ntfs_boot_parse(const uint8_t sector[512], struct ntfs_boot *ret);

struct ntfs_volume {
	struct image *img; /* borrowed */
	struct ntfs_boot boot;
	struct ntfs_stream mft, mirror;
};

/* Reads the boot sector and the first two records. 0, -EBADMSG, -EOPNOTSUPP or another errno. */
int ntfs_volume_open(struct image *img, struct ntfs_volume *ret, struct why *why);
void ntfs_volume_done(struct ntfs_volume *v);

/* Reads and checks one. -EOPNOTSUPP when that part of $MFT is listed elsewhere than in its first record. */
int ntfs_volume_record(const struct ntfs_volume *v, uint64_t number, struct ntfs_record *ret, struct why *why);

/* A stream of a record, see ntfs_record_stream; all of it must be listed there. */
int ntfs_volume_stream(const struct ntfs_volume *v, struct ntfs_record *rec, enum ntfs_type type,
		       const char *name, struct ntfs_stream *ret, struct why *why);

/* Where byte `offset` of a stream stands in the container, and how far it goes on there. False: nowhere. */
bool ntfs_volume_find(const struct ntfs_volume *v, const struct ntfs_stream *s, uint64_t offset,
		      uint64_t *ret_at, uint64_t *ret_length);

/* Reads bytes of a stream's clusters. -EBADMSG when they are not all there. */
int ntfs_volume_read(const struct ntfs_volume *v, const struct ntfs_stream *s, void *buf, size_t count,
		     uint64_t offset, struct why *why);

/* Paints bytes of a stream's clusters; all must be there. */
void ntfs_volume_paint(const struct ntfs_volume *v, const struct ntfs_stream *s, struct map_draft *draft,
		       const void *bytes, size_t count, uint64_t offset);

/* Paints a record, with the next sequence number, and its copy where there is one. The record is used up. */
void ntfs_volume_paint_record(const struct ntfs_volume *v, struct ntfs_record *rec, struct map_draft *draft);

#endif
