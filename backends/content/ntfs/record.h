/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_NTFS_RECORD_H
#define GOALFS_BACKENDS_CONTENT_NTFS_RECORD_H

/*
 * A file's record in memory, and its attributes. Knows no image: volume.h reads and
 * paints records.
 */
#include <stdbool.h>

#include "backends/content/ntfs/disk.h"
#include "backends/content/ntfs/runs.h"

#define NTFS_RECORD_MIN 512
#define NTFS_RECORD_MAX 4096

struct ntfs_record {
	uint64_t number; /* in $MFT */
	uint32_t size;	 /* bytes */
	/* With the bytes put back that the sequence number had taken the place of. */
	uint8_t bytes[NTFS_RECORD_MAX];
};

/*
 * For records, index blocks and log pages of `size` bytes: puts the last two bytes of each
 * 512 back in their places. -EBADMSG, in a sentence about `what`, when not all of it was written.
 */
int ntfs_sequence_undo(uint8_t *block, uint64_t size, const char *what, struct why *why);
/* The way back, with the next sequence number. `block` has been undone before. */
void ntfs_sequence_redo(uint8_t *block, uint64_t size);

/* Undoes the sequence and checks that the header and all attributes lie inside. -EBADMSG. */
int ntfs_record_check(struct ntfs_record *rec, struct why *why);

/* "$Bitmap", "record 77"; for sentences. Valid for the next calls of the thread. */
const char *ntfs_record_name(uint64_t number);

/* The first attribute of that type and name (ASCII; "" for none) in a checked record, or NULL. */
struct disk_ntfs_attribute *ntfs_record_find(struct ntfs_record *rec, enum ntfs_type type, const char *name);

/* A resident value. -EBADMSG when it isn't there, isn't resident or has less than `least` bytes. */
int ntfs_record_value(struct ntfs_record *rec, enum ntfs_type type, const char *name, uint32_t least,
		      uint8_t **ret, uint32_t *ret_length, struct why *why);

/* Clusters that hold an attribute. */
struct ntfs_stream {
	struct ntfs_runs runs;
	uint64_t size, initialized; /* bytes */
	bool begins_only;	    /* other records have more of it */
};

void ntfs_stream_done(struct ntfs_stream *s);

/*
 * The runs of a non-resident attribute, and whether they hold what it claims. `volume_clusters` bounds
 * them. -EBADMSG; -EOPNOTSUPP when it is compressed, encrypted or sparse, or stands in another record.
 */
int ntfs_record_stream(struct ntfs_record *rec, enum ntfs_type type, const char *name, uint32_t cluster_size,
		       uint64_t volume_clusters, struct ntfs_stream *ret, struct why *why);

/*
 * Gives the attribute, of which a stream was made, new runs and sizes. -EOPNOTSUPP when the record has no room
 * for that.
 */
int ntfs_record_replace(struct ntfs_record *rec, struct disk_ntfs_attribute *attribute, uint32_t cluster_size,
			const struct ntfs_stream *s, struct why *why);

#endif
