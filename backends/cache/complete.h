/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_COMPLETE_H
#define GOALFS_BACKENDS_CACHE_COMPLETE_H

/*
 * The step `complete`: all bytes are fetched or made, so that they stand in one file of
 * the store. For who can't read an image but only a file: another program.
 */
#include "backends/backend.h"

extern const struct backend complete_backend;

#endif
