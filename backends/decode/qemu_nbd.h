/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_QEMU_NBD_H
#define GOALFS_BACKENDS_DECODE_QEMU_NBD_H

/*
 * A disk image of a format that QEMU reads and nothing else here does, through a qemu-nbd
 * child: `qemu-nbd(format=X)`. It gets a descriptor, and that is all that it can open (backends/nbd/confine.h): of
 * the file, where all the bytes of the image below stand in one; else of a connection to us
 * (backends/nbd/server.h), through which they are fetched or decoded as QEMU asks for them.
 * Formats that can name other files are looked at before (disk_header.h).
 *
 * The bytes come in units of QEMU_NBD_UNIT, to be kept by the cache; ranges that the format has
 * not allocated are ZERO extents. A child that dies is replaced. After each unit the image below
 * is asked whether it still is what it was: the child wouldn't notice.
 */
#include "backends/backend.h"

#define QEMU_NBD_UNIT (1 * MiB)

/* The program, looked for along PATH. */
#define QEMU_NBD_PROGRAM "qemu-nbd"

extern const struct backend qemu_nbd_backend;

#endif
