/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_VHDI_H
#define GOALFS_TESTS_VHDI_H

/*
 * libvhdi, a reader of vhd and vhdx that shares nothing with QEMU's, as a second judge;
 * through its binding for Python, for which there is a package.
 */
#include "tests/unit/layouts.h"

/* Whether it is installed; a test that stands on it alone is skipped otherwise. */
bool vhdi_is_there(void);

/*
 * p->file is what libvhdi reads as `kind` ("fixed", "dynamic") of the size and the bytes of
 * p->raw, rounded up to a sector. Whatever does not hold fails the test.
 */
void vhdi_compare(const struct place *p, const char *kind);

#endif
