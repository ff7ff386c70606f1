/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/layouts.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/bytes.h"
#include "tests/unit/memimage.h"

/* Neighbours differ by it. */
#define PIECE (64 * KiB)

struct disk {
	struct image image;
	const struct range *range; /* borrowed */
	size_t n;
	uint64_t alternating; /* bytes, in place of ranges; 0: none */
};

uint8_t ranges_byte(uint64_t offset)
{
	return 1 + (offset / PIECE * 7 + offset / 512 * 3 + offset) % 251;
}

static struct extent disk_alternate(const struct disk *d, uint64_t offset)
{
	return (struct extent){ d->alternating - offset % d->alternating,
				offset / d->alternating % 2 ? EXTENT_ZERO : EXTENT_DATA };
}

static struct extent disk_at(const struct disk *d, uint64_t offset)
{
	size_t low = 0, high = d->n;

	if (d->alternating)
		return disk_alternate(d, offset);
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (d->range[middle].offset + d->range[middle].length > offset)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == d->n)
		return (struct extent){ d->image.size - offset, EXTENT_ZERO };
	if (d->range[low].offset > offset)
		return (struct extent){ d->range[low].offset - offset, EXTENT_ZERO };
	return (struct extent){ d->range[low].length - (offset - d->range[low].offset), d->range[low].kind };
}

static void disk_extent(struct image *img, uint64_t offset, struct extent *ret)
{
	*ret = disk_at((struct disk *)img, offset);
}

static int disk_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	const struct disk *d = (const struct disk *)img;
	uint8_t *to = buf;

	while (count) {
		struct extent e = disk_at(d, offset);
		size_t n = min_u64(count, e.length);

		for (size_t i = 0; i < n; i++)
			to[i] = e.kind == EXTENT_DATA ? ranges_byte(offset + i) : 0;
		to += n;
		offset += n;
		count -= n;
	}
	return 0;
}

static const struct image_ops disk_ops = {
	.name = "disk",
	.pread = disk_pread,
	.extent = disk_extent,
};

struct image *ranges_new(uint64_t size, const struct range *range, size_t n)
{
	struct disk *d = calloc(1, sizeof(*d));

	assert_non_null(d);
	d->range = range;
	d->n = n;
	image_init(&d->image, &disk_ops, size, NULL);
	return &d->image;
}

struct image *alternating_new(uint64_t size, uint64_t block)
{
	struct image *img = ranges_new(size, NULL, 0);

	((struct disk *)img)->alternating = block;
	return img;
}

int place_setup(void **state, const char *format,
		int (*make)(struct image *, const struct layout *, struct image **, struct why *))
{
	struct place *p = calloc(1, sizeof(*p));
	const char *tmp = getenv("TMPDIR");

	if (!p)
		return -1;
	if (snprintf(p->dir, sizeof(p->dir), "%s/goalfs-%s-XXXXXX", tmp ? tmp : "/tmp", format) >=
		    (int)sizeof(p->dir) ||
	    !mkdtemp(p->dir)) {
		free(p);
		return -1;
	}
	(void)snprintf(p->raw, sizeof(p->raw), "%s/raw", p->dir);
	(void)snprintf(p->file, sizeof(p->file), "%s/%s", p->dir, format);
	p->format = format;
	p->make = make;
	p->how.seed = "a template, and what was done to it";
	*state = p;
	return 0;
}

int place_teardown(void **state)
{
	struct place *p = *state;

	(void)unlink(p->raw);
	(void)unlink(p->file);
	(void)rmdir(p->dir);
	free(p);
	return 0;
}

struct image *place_layout(const struct place *p, struct image *below)
{
	struct image *img;
	struct why why = { "" };
	int r = p->make(below, &p->how, &img, &why);

	if (r < 0)
		fail_msg("%s", why_text(&why, r));
	return img;
}

void place_refuses(const struct place *p, struct image *below, int error, const char *sentence)
{
	struct image *img;
	struct why why = { "" };

	assert_int_equal(p->make(below, &p->how, &img, &why), error);
	assert_says(why.text, sentence);
	image_unref(below);
}

void place_save(const struct place *p, struct image *img)
{
	assert_int_equal(testimage_save(img, p->file), 0);
}

void place_save_head(const struct place *p, struct image *img, uint64_t end)
{
	_cleanup_close_ int fd = open(p->file, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	_cleanup_free_ uint8_t *buf = malloc(MiB);

	assert_true(fd >= 0 && ftruncate(fd, img->size) == 0 && buf);
	for (uint64_t at = 0; at < end;) {
		struct extent e = image_extent(img, at);
		size_t n = min_u64(min_u64(MiB, e.length), end - at);

		if (e.kind != EXTENT_DATA)
			n = min_u64(e.length, end - at);
		else {
			assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
			assert_int_equal(pwrite(fd, buf, n, at), n);
		}
		at += n;
	}
}

char *run(const char *format, ...)
{
	_cleanup_(text_done) struct text out = TEXT_EMPTY;
	char command[512], line[4096], *chars;
	va_list ap;
	FILE *f;

	va_start(ap, format);
	(void)vsnprintf(command, sizeof(command), format, ap);
	va_end(ap);
	f = popen(command, "r");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		text_add(&out, "%s", line);
	assert_int_equal(text_take(&out, &chars), 0);
	if (pclose(f) != 0)
		fail_msg("%s: %s", command, chars);
	return chars;
}

void assert_says(const char *said, const char *what)
{
	if (!strstr(said, what))
		fail_msg("'%s' expected in: %s", what, said);
}

void place_check(const struct place *p)
{
	_cleanup_free_ char *said = run("qemu-img check -f %s %s 2>&1", p->format, p->file);

	assert_says(said, "No errors were found on the image.");
}

void place_check_info(const struct place *p, const char *what)
{
	_cleanup_free_ char *said = run("qemu-img info -f %s --output=json %s 2>&1", p->format, p->file);

	assert_says(said, what);
}

void place_check_size(const struct place *p, uint64_t size)
{
	char want[64];

	(void)snprintf(want, sizeof(want), "\"virtual-size\": %" PRIu64 ",", size);
	place_check_info(p, want);
}

void place_compare(const struct place *p, struct image *below)
{
	_cleanup_free_ char *said = NULL;

	assert_int_equal(testimage_save(below, p->raw), 0);
	said = run("qemu-img compare -f raw -F %s %s %s 2>&1", p->format, p->raw, p->file);
	assert_says(said, "Images are identical.");
}

void place_judge(const struct place *p, struct image *below)
{
	struct image *img = place_layout(p, below);

	place_save(p, img);
	place_check(p);
	place_check_size(p, align_up(below->size, SECTOR));
	place_compare(p, below);
	image_unref(img);
	image_unref(below);
}

void place_check_byte(const struct place *p, uint64_t offset, uint8_t byte)
{
	_cleanup_free_ char *said =
		run("qemu-io -r -f %s -c 'read -v %" PRIu64 " 1' %s 2>&1", p->format, offset, p->file);
	char want[8];

	(void)snprintf(want, sizeof(want), ":  %02x ", byte);
	assert_says(said, want);
}

void check_reads(struct image *img, uint64_t edge)
{
	_cleanup_free_ uint8_t *whole = malloc(img->size), *buf = malloc(img->size);
	uint64_t random = 1;

	assert_int_equal(image_pread(img, whole, img->size, 0, NULL), 0);
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t at, n;

		random = random * 6364136223846793005 + 1442695040888963407;
		at = (random >> 20) % img->size;
		/* Half of them across an edge. */
		if (i % 2)
			at -= min_u64(at, at % edge + i % 50);
		n = min_u64((random >> 12) % (i % 3 ? 200 : 3 * edge), img->size - at);
		assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
		assert_memory_equal(buf, whole + at, n);
	}
}

void place_same_twice(const struct place *p, struct image *below, struct image *again)
{
	struct image *a = place_layout(p, below), *b = place_layout(p, again);
	_cleanup_free_ uint8_t *whole = malloc(a->size), *pieces = malloc(a->size);
	uint64_t n;

	assert_int_equal(a->size, b->size);
	assert_int_equal(image_pread(a, whole, a->size, 0, NULL), 0);
	for (uint64_t at = 0; at < b->size; at += n) {
		n = min_u64(99991, b->size - at);
		assert_int_equal(image_pread(b, pieces + at, n, at, NULL), 0);
	}
	assert_memory_equal(whole, pieces, a->size);
	image_unref(b);
	image_unref(a);
	image_unref(again);
	image_unref(below);
}

char *described(struct image *img)
{
	_cleanup_(text_done) struct text t = TEXT_EMPTY;
	char *chars;

	image_describe(img, &t);
	assert_int_equal(text_take(&t, &chars), 0);
	return chars;
}
