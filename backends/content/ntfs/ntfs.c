/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The boot sector says where the master file table is; its fourth record is that of
 * the file $Volume, one attribute of which is the label.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "backends/content/facts.h"
#include "backends/content/ntfs/grow.h"
#include "backends/content/ntfs/used.h"
#include "backends/content/ntfs/volume.h"
#include "base/bytes.h"
#include "base/size.h"

/* No label is better than none of the rest: what is damaged is passed over. */
static int read_label(struct image *container, const struct ntfs_boot *b, struct content *c, struct why *why)
{
	struct ntfs_record rec = { .number = NTFS_VOLUME, .size = b->record };
	uint8_t *label;
	uint32_t length;
	uint64_t at;
	int r;

	if (__builtin_mul_overflow(b->mft, b->cluster, &at) ||
	    __builtin_add_overflow(at, (uint64_t)NTFS_VOLUME * b->record, &at) ||
	    !range_ok(at, b->record, container->size))
		return 0;
	r = image_pread(container, rec.bytes, rec.size, at, why);
	if (r == 0 && ntfs_record_check(&rec, /* why= */ NULL) == 0 &&
	    ntfs_record_value(&rec, NTFS_VOLUME_NAME, "", 0, &label, &length, /* why= */ NULL) == 0)
		content_set_label_utf16(c, label, length / 2, /* big_endian= */ false);
	return r;
}

static int ntfs_probe(struct image *container, struct content *ret, struct why *why)
{
	char claimed[SIZE_TEXT_MAX], there[SIZE_TEXT_MAX];
	struct content c = { .ops = &ntfs_content };
	struct ntfs_boot b;
	uint8_t sector[512];
	int r;

	if (container->size < sizeof(sector))
		return 1;
	r = image_pread(container, sector, sizeof(sector), 0, why);
	if (r < 0)
		return r;
	if (!ntfs_boot_parse(sector, &b))
		return 1;
	if (b.sectors > container->size / b.sector)
		return fail(why, -EBADMSG, "ntfs takes %s, but there are only %s: truncated image",
			    size_format(claimed, min_u64(b.sectors, UINT64_MAX / b.sector) * b.sector),
			    size_format(there, container->size));
	/* Where the partition ends with the last sector that counts, there is no copy of the first one behind it. */
	content_set_size(&c, min_u64(b.sectors + 1, container->size / b.sector), b.sector);
	(void)snprintf(c.uuid, sizeof(c.uuid), "%016" PRIX64, b.serial);
	r = read_label(container, &b, &c, why);
	if (r == 0)
		*ret = c;
	return r;
}

/* Moving. */

/* Paints a boot sector of this volume, if there is one. */
static int move_boot(struct image *container, const struct ntfs_boot *volume, uint64_t at, uint32_t hidden,
		     struct map_draft *draft, struct why *why)
{
	uint8_t sector[512], number[4];
	struct ntfs_boot b;
	int r;

	if (!range_ok(at, sizeof(sector), container->size))
		return 0;
	r = image_pread(container, sector, sizeof(sector), at, why);
	if (r < 0 || !ntfs_boot_parse(sector, &b) || b.serial != volume->serial ||
	    b.hidden_sectors != volume->hidden_sectors)
		return r;
	put_le32(number, hidden);
	map_draft_bytes(draft, at + offsetof(struct disk_ntfs_boot, hidden_sectors), number, sizeof(number));
	return 0;
}

/*
 * The boot sector counts the sectors before the partition, and its code starts Windows
 * by that. One that has never said where it stands is left alone.
 */
static int ntfs_move(struct image *container, const struct content *c, uint64_t from, uint64_t to,
		     struct map_draft *draft, struct why *why)
{
	struct ntfs_boot b;
	uint8_t sector[512];
	uint64_t places[3];
	int r = image_pread(container, sector, sizeof(sector), 0, why);

	if (r < 0)
		return r;
	if (!ntfs_boot_parse(sector, &b))
		return fail(why, -EBADMSG, "there is no ntfs boot sector");
	if (from % b.sector || from / b.sector != b.hidden_sectors)
		return 0;
	if (to % b.sector || to / b.sector > UINT32_MAX)
		return fail(why, -EOPNOTSUPP,
			    "ntfs can't be moved to byte %" PRIu64 ": its boot sector has no number for that",
			    to);
	places[0] = 0;
	places[1] = b.sectors * b.sector;
	/* ntfsresize leaves the copy at the partition's end. */
	places[2] = container->size - b.sector;
	for (unsigned i = 0; r == 0 && i < 3; i++)
		if (i != 2 || places[2] != places[1])
			r = move_boot(container, &b, places[i], (uint32_t)(to / b.sector), draft, why);
	return r;
}

const struct content_ops ntfs_content = {
	.name = "ntfs",
	.probe = ntfs_probe,
	.grow = ntfs_grow,
	.unused = ntfs_unused,
	.move = ntfs_move,
};
