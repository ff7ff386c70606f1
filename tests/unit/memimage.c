/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/memimage.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"

struct testimage {
	struct image image;
	const uint8_t *bytes; /* borrowed */
	size_t count;
	int fd; /* borrowed */
	atomic_ullong reads, read_bytes;
};

static int mem_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct testimage *t = (struct testimage *)img;
	size_t held = offset < t->count ? min_u64(count, t->count - offset) : 0;

	t->reads++;
	t->read_bytes += count;
	if (held)
		memcpy(buf, t->bytes + offset, held);
	memset((uint8_t *)buf + held, 0, count - held);
	return 0;
}

static void mem_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct testimage *t = (struct testimage *)img;

	if (offset < t->count)
		*ret = (struct extent){ t->count - offset, EXTENT_DATA };
	else
		*ret = (struct extent){ img->size - offset, EXTENT_ZERO };
}

static const struct image_ops mem_ops = {
	.name = "mem",
	.pread = mem_pread,
	.extent = mem_extent,
};

static int fd_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct testimage *t = (struct testimage *)img;
	ssize_t n;

	t->reads++;
	t->read_bytes += count;
	n = pread(t->fd, buf, count, offset);
	if (n < 0)
		return fail(why, -errno, "test file can't be read: %s", strerror(errno));
	memset((uint8_t *)buf + n, 0, count - n);
	return 0;
}

static void fd_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct testimage *t = (struct testimage *)img;
	off_t data = lseek(t->fd, offset, SEEK_DATA), hole;

	if (data < 0) {
		*ret = (struct extent){ img->size - offset, EXTENT_ZERO };
	} else if ((uint64_t)data > offset) {
		*ret = (struct extent){ data - offset, EXTENT_ZERO };
	} else {
		hole = lseek(t->fd, offset, SEEK_HOLE);
		*ret = (struct extent){ hole > data ? hole - offset : 1, EXTENT_DATA };
	}
}

static const struct image_ops fd_ops = {
	.name = "fd",
	.pread = fd_pread,
	.extent = fd_extent,
};

struct image *memimage_new(const void *bytes, size_t count, uint64_t size)
{
	struct testimage *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->bytes = bytes;
	t->count = count;
	t->fd = -1;
	image_init(&t->image, &mem_ops, size, NULL);
	return &t->image;
}

struct image *fdimage_new(int fd, uint64_t size)
{
	struct testimage *t = calloc(1, sizeof(*t));
	struct stat st;

	if (!t || fstat(fd, &st) < 0)
		abort();
	t->fd = fd;
	image_init(&t->image, &fd_ops, size ? size : (uint64_t)st.st_size, NULL);
	return &t->image;
}

struct read_count testimage_count(const struct image *img)
{
	const struct testimage *t = (const struct testimage *)img;

	return (struct read_count){ t->reads, t->read_bytes };
}

int testimage_save(struct image *img, const char *path)
{
	const size_t chunk = 1 << 20;
	_cleanup_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_free_ uint8_t *buf = malloc(chunk);
	int r;

	if (fd < 0 || ftruncate(fd, img->size) < 0)
		return -errno;
	if (!buf)
		return -ENOMEM;
	for (uint64_t at = 0; at < img->size;) {
		struct extent e = image_extent(img, at);
		uint64_t n = min_u64(e.length, chunk);

		if (e.kind != EXTENT_DATA) {
			at += e.length;
			continue;
		}
		r = image_pread(img, buf, n, at, NULL);
		if (r < 0)
			return r;
		if (pwrite(fd, buf, n, at) != (ssize_t)n)
			return -EIO;
		at += n;
	}
	return 0;
}
