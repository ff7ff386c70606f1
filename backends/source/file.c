/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/source/file.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>

#include "backends/costs.h"
#include "backends/library/library.h"
#include "base/bytes.h"

struct hole {
	uint64_t start, end;
};

struct file {
	struct image image;
	int fd;
	char *path; /* for sentences */
	struct timespec mtime;
	struct hole *hole; /* sorted, apart from each other */
	size_t n_holes;
};

static void file_close(struct image *img)
{
	struct file *f = (struct file *)img;

	closep(&f->fd);
	free(f->path);
	free(f->hole);
	free(f);
}

/* 0 as long as the file is what was opened. */
static int file_check(const struct file *f, struct why *why)
{
	struct stat st;

	if (fstat(f->fd, &st) < 0)
		return fail(why, -errno, "'%s' can't be examined: %s", f->path, strerror(errno));
	if ((uint64_t)st.st_size != f->image.size)
		return fail(why, -ESTALE,
			    "'%s' changed while it was in use: it had %" PRIu64 " bytes, now %" PRIu64, f->path,
			    f->image.size, (uint64_t)st.st_size);
	if (st.st_mtim.tv_sec != f->mtime.tv_sec || st.st_mtim.tv_nsec != f->mtime.tv_nsec)
		return fail(why, -ESTALE, "'%s' was written to while it was in use", f->path);
	return 0;
}

static int file_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct file *f = (struct file *)img;
	uint8_t *p = buf;
	int r;

	while (count) {
		ssize_t n = pread(f->fd, p, count, offset);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fail(why, -errno, "'%s' can't be read at byte %" PRIu64 ": %s", f->path, offset,
				    strerror(errno));
		if (n == 0)
			break;
		p += n;
		offset += n;
		count -= n;
	}
	/* Afterwards, not before: a writer dates the file before it changes a byte. */
	r = file_check(f, why);
	if (r == 0 && count)
		return fail(why, -EIO, "'%s' ends at byte %" PRIu64 ", its length is said to be %" PRIu64,
			    f->path, offset, f->image.size);
	return r;
}

static void file_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	struct file *f = (struct file *)img;
	size_t low = 0, high = f->n_holes;

	/* The first hole that ends behind the offset. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->hole[middle].end <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == f->n_holes)
		*ret = (struct extent){ img->size - offset, EXTENT_DATA };
	else if (f->hole[low].start > offset)
		*ret = (struct extent){ f->hole[low].start - offset, EXTENT_DATA };
	else
		*ret = (struct extent){ f->hole[low].end - offset, EXTENT_ZERO };
}

static int file_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	struct file *f = (struct file *)img;
	int r = file_check(f, /* why= */ NULL);

	if (r < 0)
		return r;
	*ret = (struct backing){ f->fd, offset, img->size - offset };
	return 0;
}

static const struct image_ops file_ops = {
	.name = "file",
	.pread = file_pread,
	.extent = file_extent,
	.backing = file_backing,
	.close = file_close,
};

/*
 * Notes the whole granules in [start, end). A hole up to the end of the file keeps its last, short granule.
 */
static int add_hole(struct file *f, uint64_t start, uint64_t end)
{
	struct hole *last = f->n_holes ? &f->hole[f->n_holes - 1] : NULL;
	struct hole *grown;

	start = align_up(start, FILE_HOLE_GRANULE);
	if (end < f->image.size)
		end = align_down(end, FILE_HOLE_GRANULE);
	if (start >= end)
		return 0;
	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	/* Grows at the powers of two. */
	if ((f->n_holes & (f->n_holes - 1)) == 0) {
		grown = realloc(f->hole, (f->n_holes ? 2 * f->n_holes : 1) * sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		f->hole = grown;
	}
	f->hole[f->n_holes++] = (struct hole){ start, end };
	return 0;
}

/*
 * Asks for the first range with blocks in [start, end); `*ret_start` == `end`
 * when there is none, or when the filesystem doesn't know this question.
 */
static int next_mapped(const struct file *f, uint64_t start, uint64_t end, uint64_t *ret_start,
		       uint64_t *ret_end)
{
	union {
		struct fiemap map;
		uint8_t room[sizeof(struct fiemap) + sizeof(struct fiemap_extent)];
	} ask = { .map = { .fm_start = start, .fm_length = end - start, .fm_extent_count = 1 } };
	struct fiemap_extent found;

	*ret_start = *ret_end = end;
	if (ioctl(f->fd, FS_IOC_FIEMAP, &ask.map) < 0)
		return errno == EOPNOTSUPP || errno == ENOTTY || errno == ENOSYS ? 0 : -errno;
	if (ask.map.fm_mapped_extents == 0)
		return 0;
	memcpy(&found, ask.room + sizeof(ask.map), sizeof(found));
	if (found.fe_logical > INT64_MAX || found.fe_length > INT64_MAX ||
	    found.fe_logical + found.fe_length <= start)
		return -EIO; /* an answer that leads nowhere */
	*ret_start = min_u64(max_u64(found.fe_logical, start), end);
	*ret_end = min_u64(found.fe_logical + found.fe_length, end);
	return 0;
}

/*
 * SEEK_DATA calls [start, end) a hole. Takes out of it what is allocated but
 * unwritten: once such pages were read the kernel calls them data.
 */
static int add_unmapped(struct file *f, uint64_t start, uint64_t end, unsigned *asked)
{
	uint64_t mapped, mapped_end;
	int r;

	while (start < end && ++*asked <= FILE_HOLES_MAX) {
		r = next_mapped(f, start, end, &mapped, &mapped_end);
		if (r == 0)
			r = add_hole(f, start, mapped);
		if (r < 0)
			return r;
		start = mapped_end;
	}
	return 0;
}

static int find_holes(struct file *f)
{
	/* Counts questions, so that a file in a million pieces costs no more than its share. */
	const uint64_t size = f->image.size;
	unsigned asked = 0;

	for (uint64_t at = 0; at < size && ++asked <= FILE_HOLES_MAX;) {
		off_t data = lseek(f->fd, at, SEEK_DATA), hole;
		int r;

		if (data < 0 && errno != ENXIO)
			return 0; /* such files have no holes that we could know */
		if (data < 0 || (uint64_t)data > size)
			data = size;
		if ((uint64_t)data > at) {
			r = add_unmapped(f, at, data, &asked);
			if (r < 0)
				return r;
		}
		hole = (uint64_t)data < size ? lseek(f->fd, data, SEEK_HOLE) : data;
		if (hole <= data)
			return 0;
		at = hole;
	}
	return 0;
}

/*
 * Timestamps move by the kernel's tick (10 ms at most), or by whole seconds on
 * filesystems that store no more. A file changed this very moment could change
 * again without a trace, so this moment has to pass. Returns at once for all
 * files but the youngest.
 */
static void outwait(const struct timespec *mtime)
{
	const int64_t step = mtime->tv_nsec ? 20000000 : 2000000000; /* 2 s: FAT */
	struct timespec now, rest;
	int64_t age;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (mtime->tv_sec < now.tv_sec - 3 || mtime->tv_sec > now.tv_sec)
		return; /* old, or dated by a clock that is not ours */
	age = (now.tv_sec - mtime->tv_sec) * INT64_C(1000000000) + now.tv_nsec - mtime->tv_nsec;
	if (age < 0 || age >= step)
		return;
	rest = (struct timespec){ (step - age) / 1000000000, (step - age) % 1000000000 };
	(void)nanosleep(&rest, NULL);
}

/* What the file is, at a moment that is over. */
static int settled_stat(int fd, const char *path, struct stat *ret, struct why *why)
{
	if (fstat(fd, ret) < 0)
		return fail(why, -errno, "'%s' can't be examined: %s", path, strerror(errno));
	if (!S_ISREG(ret->st_mode))
		return fail(why, -EOPNOTSUPP, "'%s' is not a regular file", path);
	if (ret->st_size == 0)
		return fail(why, -EBADMSG, "'%s' is empty", path);
	outwait(&ret->st_mtim);
	return 0;
}

/* The file, its holes known. `fd` stays the caller's when this fails. */
static int file_fill(struct file *f, int fd, const char *path, struct why *why)
{
	int r;

	f->path = strdup(path);
	if (!f->path)
		return -ENOMEM;
	f->fd = fd;
	r = find_holes(f);
	/* If it changed since the stat, the holes may be another file's. */
	if (r == 0)
		r = file_check(f, why);
	else
		(void)fail(why, r, "the holes of '%s' can't be found: %s", path, strerror(-r));
	if (r < 0)
		f->fd = -1;
	return r;
}

int file_image_new(int fd, const char *path, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct file *f;
	struct stat st;
	int r = settled_stat(fd, path, &st, why);

	if (r < 0)
		return r;
	f = calloc(1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->fd = -1;
	f->mtime = st.st_mtim;
	img = &f->image;
	image_init(img, &file_ops, st.st_size, /* below= */ NULL);
	r = file_fill(f, fd, path, why);
	if (r < 0)
		return r;
	*ret = take(img);
	return 0;
}

static void file_offer(const struct tags *state, const struct tags *want, struct offers *o)
{
	struct offer x;

	if (!tags_is(state, "at", "file"))
		return;
	offer_begin(&x, o, state);
	offer_drop(&x, "at");
	offer_drop(&x, "template");
	offer_end(&x, cost_of(state, COST_FILE_OPEN, COST_FILE_PER_MIB));
}

static int file_open(const struct opening *opening, struct image *below, struct image **ret, struct why *why)
{
	_cleanup_close_ int fd = -1;
	int r = template_open(opening->template, &fd, why);

	if (r < 0)
		return r;
	r = file_image_new(fd, opening->template->path, ret, why);
	if (r == 0)
		(void)take_fd(fd);
	return r;
}

const struct backend file_backend = {
	.name = "file",
	.offer = file_offer,
	.open = file_open,
};
