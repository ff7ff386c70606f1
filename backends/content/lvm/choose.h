/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CONTENT_LVM_CHOOSE_H
#define GOALFS_BACKENDS_CONTENT_LVM_CHOOSE_H

/*
 * Which logical volume takes the room. The one that is named; else the one that holds the root
 * filesystem: the only one there is; the only one that is called as installers call it ("root",
 * "ubuntu-lv"); the only one whose content can grow, swap space aside; or, of those, the only one
 * whose filesystem has a label of a root. Only what can't be told by names costs a look into the volumes.
 */
#include "backends/content/lvm/lvm.h"

struct lvm_choice {
	const struct lvm_volume *volume; /* borrowed from the group; NULL: there are no volumes at all */
	struct content content;		 /* of the volume; can be grown */
};

/* `name` may be NULL. 0; -EOPNOTSUPP with the reason; -EBADMSG for a damaged filesystem; another errno. */
int lvm_choose(struct image *pv, const struct lvm *l, const char *name, struct lvm_choice *ret,
	       struct why *why);

#endif
