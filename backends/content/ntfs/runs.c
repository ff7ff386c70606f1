/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/ntfs/runs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "base/bytes.h"

void ntfs_runs_done(struct ntfs_runs *runs)
{
	free(runs->run);
	*runs = (struct ntfs_runs){ 0 };
}

static int add_run(struct ntfs_runs *runs, uint64_t cluster, uint64_t length)
{
	struct ntfs_run *run = reallocarray(runs->run, runs->n + 1, sizeof(*run));

	if (!run)
		return -ENOMEM;
	runs->run = run;
	run[runs->n++] = (struct ntfs_run){ cluster, length };
	runs->clusters += length;
	return 0;
}

int ntfs_runs_append(struct ntfs_runs *runs, uint64_t cluster, uint64_t length)
{
	struct ntfs_run *last = runs->n ? &runs->run[runs->n - 1] : NULL;

	if (!last || last->cluster == NTFS_HOLE || last->cluster + last->length != cluster)
		return add_run(runs, cluster, length);
	last->length += length;
	runs->clusters += length;
	return 0;
}

/* Two's complement, as long as it happens to be. At most 8 bytes. */
static int64_t read_number(const uint8_t *bytes, size_t count)
{
	uint64_t n = count && bytes[count - 1] & 0x80 ? UINT64_MAX : 0;

	while (count--)
		n = n << 8 | bytes[count];
	return (int64_t)n;
}

int ntfs_runs_decode(struct ntfs_runs *ret, const uint8_t *bytes, size_t count, uint64_t clusters,
		     struct why *why)
{
	__attribute__((cleanup(ntfs_runs_done))) struct ntfs_runs runs = { 0 };
	uint64_t cluster = 0;

	for (size_t at = 0; at < count && bytes[at];) {
		size_t length_bytes = bytes[at] & 0xf, jump_bytes = bytes[at] >> 4;
		int64_t length;
		int r;

		at++;
		if (length_bytes == 0 || length_bytes > 8 || jump_bytes > 8 ||
		    !range_ok(at, length_bytes + jump_bytes, count))
			return fail(why, -EBADMSG, "ntfs has a list of runs that is damaged");
		length = read_number(bytes + at, length_bytes);
		cluster += (uint64_t)read_number(bytes + at + length_bytes, jump_bytes);
		at += length_bytes + jump_bytes;
		if (length <= 0 || !range_ok(runs.clusters, (uint64_t)length, clusters) ||
		    (jump_bytes && !range_ok(cluster, (uint64_t)length, clusters)))
			return fail(why, -EBADMSG,
				    "ntfs has a run of %" PRId64 " clusters from %" PRIu64
				    " on, outside of its %" PRIu64,
				    length, cluster, clusters);
		r = add_run(&runs, jump_bytes ? cluster : NTFS_HOLE, (uint64_t)length);
		if (r < 0)
			return r;
		if (at >= count)
			return fail(why, -EBADMSG, "ntfs has a list of runs without an end");
	}
	*ret = runs;
	runs = (struct ntfs_runs){ 0 };
	return 0;
}

/* The fewest bytes that read back as the same number. */
static size_t number_bytes(int64_t n)
{
	size_t count = 1;

	for (; n > 0x7f || n < -0x80; n >>= 8)
		count++;
	return count;
}

struct writer {
	uint8_t *buf;
	size_t room, at; /* `at` may get past `room` */
};

static void put_byte(struct writer *w, uint8_t byte)
{
	if (w->at < w->room)
		w->buf[w->at] = byte;
	w->at++;
}

static void put_number(struct writer *w, int64_t n, size_t count)
{
	for (; count; count--, n >>= 8)
		put_byte(w, (uint8_t)n);
}

size_t ntfs_runs_encode(const struct ntfs_runs *runs, uint8_t *buf, size_t room)
{
	struct writer w = { .buf = buf, .room = room };
	int64_t before = 0;

	for (size_t i = 0; i < runs->n; i++) {
		bool hole = runs->run[i].cluster == NTFS_HOLE;
		int64_t length = (int64_t)runs->run[i].length;
		int64_t jump = hole ? 0 : (int64_t)runs->run[i].cluster - before;
		size_t length_bytes = number_bytes(length), jump_bytes = hole ? 0 : number_bytes(jump);

		put_byte(&w, (uint8_t)(jump_bytes << 4 | length_bytes));
		put_number(&w, length, length_bytes);
		put_number(&w, jump, jump_bytes);
		before += jump;
	}
	put_byte(&w, 0);
	return w.at;
}
