/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_TAR_H
#define GOALFS_BACKENDS_DECODE_TAR_H

/*
 * The disk inside a tar: of an appliance (.ova, DSP0243: a tar of an OVF descriptor,
 * disks and a manifest), or of an image that a cloud takes as disk.raw in a .tar.gz.
 * ustar and pax (POSIX.1-2008, pax "Interchange Format"), and GNU's long names.
 */
#include "backends/backend.h"

/*
 * The one member that is a disk by its name, as a window of `below`: its bytes stand in
 * the archive as they are. 0; -EOPNOTSUPP when there is no disk, more than one, or one in
 * a form that is not readable as it stands; -EBADMSG for a damaged archive.
 */
int tar_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why);

extern const struct backend tar_backend;

#endif
