/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/unit/test.h"

#include "tests/unit/contents.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/bytes.h"

int grown_grow(struct grown *g, const struct content_ops *ops, uint64_t to)
{
	_cleanup_(map_draft_freep) struct map_draft *draft = NULL;
	struct text describe = TEXT_EMPTY;
	int r;

	assert_int_equal(map_seal(map_draft_new(to, g->base), "test", NULL, &g->at_size, &g->why), 0);
	r = ops->probe(g->base, &g->content, &g->why);
	g->reads = testimage_count(g->base);
	if (r != 0)
		return r;
	draft = map_draft_new(to, g->at_size);
	assert_non_null(draft);
	r = ops->grow(g->at_size, &g->content, &(struct growth){ 0 }, draft, &describe, &g->why);
	g->reads = testimage_count(g->base);
	assert_int_equal(text_take(&describe, &g->describe), 0);
	if (r == 0)
		assert_int_equal(map_seal(take(draft), "test", NULL, &g->img, &g->why), 0);
	return r;
}

void grown_done(struct grown *g)
{
	image_unref(g->img);
	image_unref(g->at_size);
	image_unref(g->base);
	free(g->describe);
	if (g->fd > 0)
		(void)close(g->fd);
}

void assert_shows_file(struct image *img, const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t dice = 88172645463325252u, seam = 0;
	uint8_t view[9000], file[9000];

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), img->size);
	for (int i = 0; i < 1500; i++) {
		uint64_t at;
		size_t n;

		dice ^= dice << 13;
		dice ^= dice >> 7;
		dice ^= dice << 17;
		at = i % 3 ? seam - min_u64(seam, dice % 5000) : dice % img->size;
		n = 1 + (dice >> 32) % (sizeof(view) - 1);
		seam += seam < img->size ? image_extent(img, seam).length : 0;
		if (!range_ok(at, n, img->size))
			continue;
		assert_int_equal(image_pread(img, view, n, at, NULL), 0);
		assert_int_equal(pread(fd, file, n, at), n);
		assert_memory_equal(view, file, n);
	}
}

void assert_zeros_are_zero(struct image *img)
{
	uint8_t buf[4096];
	unsigned looked = 0;

	for (uint64_t at = 0; at < img->size && looked < 2000;) {
		struct extent e = image_extent(img, at);

		if (e.kind == EXTENT_ZERO) {
			size_t n = min_u64(e.length, sizeof(buf));

			assert_int_equal(image_pread(img, buf, n, at, NULL), 0);
			assert_true(bytes_are_zero(buf, n));
			assert_int_equal(image_pread(img, buf, n, at + e.length - n, NULL), 0);
			assert_true(bytes_are_zero(buf, n));
			looked++;
		}
		at += e.length;
	}
}
