/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_DIGEST_H
#define GOALFS_BASE_DIGEST_H

/*
 * libgcrypt, for who wants a digest. It is to be initialized by one thread before any other
 * comes (its manual, 2.4 "Initializing the library"): two at once abort the process, or get no digest. So
 * each user includes this, and asks before anything else of gcry_*.
 *
 * Threads: any, at the same time.
 */
#include <gcrypt.h>
#include <stdbool.h>

/* False: the libgcrypt that was found at run time is too old. */
bool digest_ready(void);

#endif
