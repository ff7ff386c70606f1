/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_SOURCE_NBD_H
#define GOALFS_BACKENDS_SOURCE_NBD_H

/*
 * An export of an NBD server as an image (backends/nbd/client.h). Reads go to the server
 * each time: nothing tells when what was kept would be outdated. Ranges that the server says
 * are zero are ZERO extents, asked for as it is opened. The server may be one that
 * is started for it.
 */
#include "backends/backend.h"

extern const struct backend nbd_backend;

#endif
