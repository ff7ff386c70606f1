/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_SOURCE_FILE_H
#define GOALFS_BACKENDS_SOURCE_FILE_H

/*
 * A local file as an image: pread, holes as ZERO extents, itself as backing.
 *
 * Holes decide layouts, so they are looked up once, when the file is opened, and
 * the answer is kept. It depends on the file alone: only ranges for which the
 * filesystem holds no blocks at all count, not those that are allocated and
 * unwritten (whether SEEK_HOLE calls these a hole depends on what is in the page
 * cache), and only whole aligned granules of FILE_HOLE_GRANULE bytes, so that
 * the filesystem's block size matters little. What a file system can't tell (NFS
 * before 4.2) is data. The list is bounded: holes behind the first
 * FILE_HOLES_MAX count as data. A copy of the file that lost its holes is, in
 * this, another template: its bytes are the same, its zeros are not known.
 */
#include "backends/backend.h"

#define FILE_HOLE_GRANULE (64 * KiB)
#define FILE_HOLES_MAX	  65536

/*
 * `fd` becomes the image's, on success; `path` is for sentences, copied. Refuses
 * what is not a regular file, or is empty. A file that changes while it is open
 * (length or mtime) makes reads fail with -ESTALE rather than serve a mixture:
 * each pread is followed by a look at both, and they are remembered only once
 * the clock has left the mtime behind, so that the next change shows. Who reads
 * through the backing looks for himself: image_backing fails with -ESTALE from
 * then on, so ask for it again before each read. What a program writes through a
 * mapping that it has had since before the open can't be seen at once: the
 * kernel dates such writes late.
 */
int file_image_new(int fd, const char *path, struct image **ret, struct why *why);

extern const struct backend file_backend;

#endif
