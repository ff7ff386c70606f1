/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DESCRIBE_H
#define GOALFS_BACKENDS_DESCRIBE_H

/*
 * What is on a disk, for TEMPLATE.json: its table, partitions, what they hold, and
 * the logical volumes in physical ones.
 */
#include "backends/image.h"

struct json_object; /* json-c's */

/*
 * Adds to the object:
 *
 *	table         "gpt", "mbr"; none on a bare disk
 *	id            of the disk: a GUID, or the eight digits of an mbr's signature
 *	sector-size   of the table, bytes
 *	partitions    in order of place: number, type (GUID, or two digits), id (PARTUUID), name,
 *		      start, size (bytes), bootable, extended, logical (each only if so), content
 *	content       of a disk without partitions
 *	why           why a table could not be read
 *
 * A content is type, label, uuid (as blkid has them) and size, or a why; there is none
 * where nothing known was found. In that of a physical volume of LVM `group` has name,
 * uuid and volumes: name, lv (what @lv= takes), uuid, size and content, or a why.
 *
 * Reads some KB of each. What can't be had is a why in its place. 0; -EINTR when this
 * thread's patience was lost on the way; -ENOMEM.
 */
int disk_describe(struct image *disk, struct json_object *into);

#endif
