/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_CACHE_VERIFIED_H
#define GOALFS_BACKENDS_CACHE_VERIFIED_H

/*
 * The gate in front of a template's data: an image whose reads depend on the verdict
 * on the file that it is made of. What is known without reading (size, extents) is not held back.
 */
#include "backends/cache/verdicts.h"

enum verify {
	VERIFY_AS_FITS, /* BEFORE for what is remote, BEHIND for what is local; no verified image has this */
	VERIFY_OFF,
	VERIFY_BEHIND, /* reads go on while the file is verified, and fail once it is rejected */
	VERIFY_BEFORE, /* reads wait for the verdict; meanwhile all that they need is made ready */
};

/*
 * Over `below`, which is made of `file`; both get a ref. The first read begins the
 * verification. `how` is VERIFY_BEHIND or VERIFY_BEFORE.
 *
 * image_await waits for the verdict (BEFORE), and then for the last units if the decoders have
 * most of them ready: what is opened only then may be handed to the kernel at once.
 */
int verified_image_new(struct verdicts *verdicts, const struct promise *promise, enum verify how,
		       struct image *below, struct image *file, struct image **ret, struct why *why);

/*
 * VERIFY_BEHIND begins no attempt sooner after another: reads, which don't wait,
 * would make one each while a server is down. Tests make it shorter.
 */
extern int verified_again_ms;

#endif
