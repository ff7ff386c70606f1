/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_MOUNTS_H
#define GOALFS_TESTS_MOUNTS_H

/*
 * Mounts of this process's own, first thing in main. Whatever becomes of a test,
 * they go with it. And no other test that does the same at the wrong moment gets
 * a copy of them: a filesystem is unmounted only when all copies are. 0, or 1 and a message.
 */
int mounts_of_our_own(void);

#endif
