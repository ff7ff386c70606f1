/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_CONTENT_H
#define GOALFS_BACKENDS_CONTENT_CONTENT_H

/*
 * What the content of a partition (or of a bare disk) can do. One ops struct
 * per kind, in content.c's list. Containers start at offset 0 of the image they
 * are given, and never know what lies below.
 */
#include "backends/image.h"
#include "backends/map.h"

struct content {
	const struct content_ops *ops;
	const char *kind; /* where ops->name covers several: "ext4" of "ext"; static */
	char label[512];  /* UTF-8 that can be shown, see content_set_label; "" when none */
	char uuid[40];	  /* as blkid prints it, "" when none */
	uint64_t size;	  /* bytes the content takes of its container; 0 when it doesn't say */
};

/* What is asked of `grow` besides the room. */
struct growth {
	/*
	 * The logical volume that takes it, as somebody named it: "VG-LV", "/dev/VG/LV";
	 * NULL: the content chooses. Only for what has_volumes.
	 */
	const char *volume;
};

struct unused;

/* Outcomes of `grow` besides 0 and a negative errno. */
#define CONTENT_FITS 1 /* it can't use the room: too little for a useful unit */

struct content_ops {
	const char *name; /* "ext4", "xfs", "luks": for people */
	const char *type; /* what blkid calls it, where that is something else: "crypto_LUKS"; or NULL */
	/*
	 * 0 and `ret` filled in; 1 not this kind; -EBADMSG this kind, but damaged;
	 * another errno. NULL in what is known by name only: content.c has its magic.
	 */
	int (*probe)(struct image *container, struct content *ret, struct why *why);
	/*
	 * NULL: known by name only, can't be grown; `why_not` then says why.
	 *
	 * `grown` is the container at its new size: the old bytes, then zeros. The
	 * draft, as large, stands over it; the content paints its new metadata
	 * there, after it has painted zeros from its old end to the new one (what
	 * stood there, an old backup table, is no longer anything). Nothing is
	 * painted unless all checks were passed: on an error the draft is dropped.
	 * Returns 0, CONTENT_FITS, -EBADMSG for damage, -EOPNOTSUPP with the reason
	 * for what must not or can't be grown. Deterministic: no clock, no random.
	 * `describe` gets one line for the plan, without indentation or newline:
	 * "ext4 grown from 6G to 20G, 48 to 160 groups".
	 */
	int (*grow)(struct image *grown, const struct content *c, const struct growth *how,
		    struct map_draft *draft, struct text *describe, struct why *why);
	const char *why_not; /* goes on "... can't be grown: ", lower case, no full stop */
	/*
	 * It can be grown, but nobody means it who doesn't name it: swap space, a
	 * partition that firmware reads.
	 */
	bool only_named;
	bool read_only; /* written once, by who made it: room in it is of no use */
	/* `grow` knows what growth.volume names. What doesn't is not asked when a volume is named. */
	bool has_volumes;
	/*
	 * Tells the runs of bytes that nothing reads before it has written them (unused.h):
	 * free blocks, unused tails of tables. What is in doubt is used. NULL: all of it
	 * is. -EOPNOTSUPP with the reason where nobody can say: a log that has to be
	 * replayed first; -EBADMSG for damage; then all of it is used, too. Runs outwards of what the
	 * filesystem itself takes, up to the container's end, are the caller's.
	 */
	int (*unused)(struct image *container, const struct content *c, struct unused *u, struct why *why);
	/*
	 * The container moves on its disk, from byte `from` to byte `to`: paints what in
	 * it says where it stands. NULL: nothing does. Same errors as `grow`. `draft` stands over
	 * `container`.
	 */
	int (*move)(struct image *container, const struct content *c, uint64_t from, uint64_t to,
		    struct map_draft *draft, struct why *why);
	/* Why it can't be moved, whoever paints; goes on "... can't be moved: ". NULL: it can. */
	const char *stays;
	/*
	 * Its own records stand at the end of the container, which therefore must
	 * not grow either, not even with the content left alone.
	 */
	bool at_end;
};

/*
 * Finds out what a container holds. 0; 1 when nothing known is there; -EBADMSG
 * and other errnos as above. Reads some KB at most.
 */
int content_probe(struct image *container, struct content *ret, struct why *why);

/* What blkid calls it. */
const char *content_type(const struct content *c);

extern const struct content_ops ext_content;
extern const struct content_ops xfs_content;
extern const struct content_ops btrfs_content;
extern const struct content_ops ntfs_content;
extern const struct content_ops fat_content;
extern const struct content_ops exfat_content;
extern const struct content_ops swap_content;
extern const struct content_ops iso9660_content;
extern const struct content_ops lvm_content;

#endif
