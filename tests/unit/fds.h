/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_TESTS_UNIT_FDS_H
#define GOALFS_TESTS_UNIT_FDS_H

/* How many descriptors this process has open, and some more, always as many: to be compared with what it was before. */
unsigned fds_open(void);

#endif
