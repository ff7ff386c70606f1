/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_DECODE_ISO_H
#define GOALFS_BACKENDS_DECODE_ISO_H

/*
 * Installation media: NAME.iso is the file as it is. Where somebody asks for another
 * format, its bytes are those of a raw disk.
 */
#include "backends/backend.h"

extern const struct backend iso_backend;

#endif
