/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_LVM_H
#define GOALFS_BACKENDS_CONTENT_LVM_LVM_H

/*
 * LVM2: what a physical volume holds, and its logical volumes as maps.
 */
#include "backends/content/content.h"
#include "backends/content/lvm/disk.h"
#include "backends/content/lvm/text.h"

/* A run of extents of a logical volume. */
struct lvm_segment {
	uint64_t first, count; /* extents of the volume */
	unsigned n_stripes;    /* 1: linear */
	uint64_t stripe;       /* bytes of one, where there are several */
	/*
	 * Extents of the physical volume, n_stripes of them: each stripe takes
	 * count / n_stripes from there on. Owned.
	 */
	uint64_t *extent;
};

struct lvm_volume {
	const char *name; /* borrowed from the text */
	char uuid[40];	  /* "" when it has none */
	uint64_t size;	  /* bytes; 0 when it can't be read */
	bool hidden;	  /* a part of others, no device of its own */
	bool origin;	  /* snapshots, or thin volumes, show what stands in it as well */
	/* Why it can't be read, "" when it can: "it is a snapshot". */
	char why_not[200];
	struct lvm_segment *segment; /* owned; n of them, in order, without gaps */
	unsigned n_segments;
	const struct lvm_node *node; /* its section of the text */
};

struct lvm {
	struct lvm_label label;
	struct lvm_text *text; /* owned: the newest metadata; NULL when it belongs to no group */
	/* The rest only if there is a group. */
	const char *group; /* its name; borrowed from the text */
	char group_uuid[40];
	uint64_t sequence;	   /* how often the metadata was changed */
	unsigned n_physical;	   /* physical volumes in the group, this one included */
	uint64_t extent;	   /* bytes of one */
	uint64_t start;		   /* byte of the physical volume where extent 0 stands */
	uint64_t n_extents;	   /* of this physical volume; all lie inside it */
	struct lvm_volume *volume; /* owned; n_volumes of them, as the text has them */
	unsigned n_volumes;
	const struct lvm_node *section;	 /* of the text: the group's */
	const struct lvm_node *physical; /* and in it this physical volume's */
};

/*
 * 0; 1 when it is no physical volume; -EBADMSG when it is damaged; -EOPNOTSUPP; or
 * another errno. Of several copies of the metadata the newest sound one counts.
 */
int lvm_read(struct image *pv, struct lvm *ret, struct why *why);
void lvm_done(struct lvm *l);

/*
 * The volume called `name`: VG-LV as the device mapper writes it, with each '-' of
 * the two names doubled; or else the two names as they are; "/dev/mapper/" may stand before
 * it. Or "VG/LV", "/dev/VG/LV". NULL: none, or a hidden one.
 */
const struct lvm_volume *lvm_find(const struct lvm *l, const char *name);

/* "vg-my--home": as the device mapper writes it. */
void lvm_name(const struct lvm *l, const struct lvm_volume *v, struct text *out);

/* "vg-root, vg-my--home": those that have devices, as the device mapper writes them. */
void lvm_names(const struct lvm *l, struct text *out);

/* As an image; -EOPNOTSUPP with the reason for what can't be read. */
int lvm_open(struct image *pv, const struct lvm *l, const struct lvm_volume *v, struct image **ret,
	     struct why *why);

/* The same, with so many extents of zeros behind it. */
int lvm_open_longer(struct image *pv, const struct lvm *l, const struct lvm_volume *v, uint64_t extents,
		    struct image **ret, struct why *why);

/* Whether all of it is there in plain runs of extents, so that what is painted over it can be put back. */
bool lvm_is_linear(const struct lvm_volume *v);

/*
 * Paints where a linear volume's extents stand in the physical volume what `map` shows: an image
 * made over lvm_open's, or over that of lvm_open_longer. `draft` stands over the physical volume.
 */
void lvm_put_back(const struct lvm *l, const struct lvm_volume *v, struct image *map, struct map_draft *draft);

#endif
