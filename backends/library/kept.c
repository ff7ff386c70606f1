/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/library/kept.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "backends/library/index.h"
#include "base/text.h"

#define MAGIC	   "goalfs-index 2 "
#define HEADER_MAX (64 * KiB)
#define NAME_TEXT  64

/* 32 digits and a NUL. */
static void hash_text(const void *bytes, size_t count, char ret[static 33])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(bytes, count));
	for (size_t i = 0; i < sizeof(canonical.digest); i++)
		(void)snprintf(ret + 2 * i, 3, "%02x", canonical.digest[i]);
}

static void file_name(const char *url, char ret[static NAME_TEXT])
{
	char hash[33];

	hash_text(url, strlen(url), hash);
	(void)snprintf(ret, NAME_TEXT, "%s.index", hash);
}

void kept_line(const char *rest, size_t count, char ret[static KEPT_LINE])
{
	char hash[33];

	hash_text(rest, count, hash);
	memcpy(ret, MAGIC, strlen(MAGIC));
	memcpy(ret + strlen(MAGIC), hash, 32);
	ret[KEPT_LINE - 1] = '\n';
}

void kept_done(struct kept *k)
{
	free(k->bytes);
	free(k->etag);
	free(k->last_modified);
	*k = (struct kept){ 0 };
}

/* ---- the file's bytes ---- */

struct header {
	char *url, *etag, *modified, *bytes;
};

static void header_done(struct header *h)
{
	free(h->url);
	free(h->etag);
	free(h->modified);
	free(h->bytes);
}

/* It may become a line of a request, which has to stay one. */
static bool is_clean(const char *line, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (iscntrl((unsigned char)line[i]))
			return false;
	return true;
}

static int take_header_line(const char *line, size_t n, struct header *h)
{
	const struct {
		const char *key;
		char **value;
	} rows[] = {
		{ "url: ", &h->url },
		{ "etag: ", &h->etag },
		{ "modified: ", &h->modified },
		{ "bytes: ", &h->bytes },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const size_t key = strlen(rows[i].key);

		if (n < key || memcmp(line, rows[i].key, key) != 0)
			continue;
		if (*rows[i].value)
			return -EBADMSG;
		*rows[i].value = strndup(line + key, n - key);
		return *rows[i].value ? 0 : -ENOMEM;
	}
	return -EBADMSG;
}

/* Up to and with the empty line; moves `p` behind it. */
static int take_header(const char **p, const char *end, struct header *h)
{
	const char *limit = (size_t)(end - *p) > HEADER_MAX ? *p + HEADER_MAX : end;

	for (;;) {
		const char *newline = memchr(*p, '\n', (size_t)(limit - *p));
		const char *line = *p;
		int r;

		if (!newline)
			return -EBADMSG;
		*p = newline + 1;
		if (newline == line)
			return 0;
		if (!is_clean(line, (size_t)(newline - line)))
			return -EBADMSG;
		r = take_header_line(line, (size_t)(newline - line), h);
		if (r < 0)
			return r;
	}
}

static int fill(struct header *h, const char *bytes, size_t count, struct kept *ret)
{
	ret->bytes = malloc(count + 1);
	if (!ret->bytes)
		return -ENOMEM;
	memcpy(ret->bytes, bytes, count);
	ret->bytes[count] = '\0';
	ret->count = count;
	ret->etag = take(h->etag);
	ret->last_modified = take(h->modified);
	return 0;
}

int kept_parse(const char *file, size_t count, const char *url, struct kept *ret)
{
	_cleanup_(header_done) struct header h = { 0 };
	const char *p = file + KEPT_LINE, *end = file + count;
	char line[KEPT_LINE], *stop;
	int r;

	if (count < KEPT_LINE)
		return -EBADMSG;
	kept_line(p, count - KEPT_LINE, line);
	if (memcmp(file, line, KEPT_LINE) != 0)
		return -EBADMSG;
	r = take_header(&p, end, &h);
	if (r < 0)
		return r;
	if (!h.url || !h.bytes || strcmp(h.url, url) != 0 || !isdigit((unsigned char)h.bytes[0]) ||
	    strtoull(h.bytes, &stop, 10) != (uint64_t)(end - p) || *stop)
		return -EBADMSG;
	return fill(&h, p, (size_t)(end - p), ret);
}

/* ---- the file ---- */

int kept_read(int dirfd, const char *url, struct kept *ret)
{
	_cleanup_free_ char *bytes = NULL;
	_cleanup_close_ int fd = -1;
	char name[NAME_TEXT];
	struct stat st;
	ssize_t n;
	int r;

	if (dirfd < 0)
		return -ENOENT;
	file_name(url, name);
	fd = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) ||
	    (uint64_t)st.st_size > INDEX_BYTES_MAX + HEADER_MAX)
		return -ENOENT;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	n = pread(fd, bytes, (size_t)st.st_size, 0);
	if (n < 0)
		return -ENOENT;
	r = kept_parse(bytes, (size_t)n, url, ret);
	return r == -EBADMSG ? -ENOENT : r;
}

/* A header's value has no line breaks, whoever has sent it: libcurl splits at them. */
static char *make_header(const char *url, const struct kept *k)
{
	struct text t = TEXT_EMPTY;
	char *header;

	text_add(&t, "url: %s\n", url);
	if (k->etag)
		text_add(&t, "etag: %s\n", k->etag);
	if (k->last_modified)
		text_add(&t, "modified: %s\n", k->last_modified);
	text_add(&t, "bytes: %zu\n\n", k->count);
	if (text_take(&t, &header) < 0) {
		text_done(&t);
		return NULL;
	}
	return header;
}

/* malloc'ed. */
static char *make_file(const char *url, const struct kept *k, size_t *ret_count)
{
	_cleanup_free_ char *header = make_header(url, k);
	const size_t n = header ? strlen(header) : 0;
	char *file = header ? malloc(KEPT_LINE + n + k->count) : NULL;

	if (!file)
		return NULL;
	memcpy(file + KEPT_LINE, header, n);
	memcpy(file + KEPT_LINE + n, k->bytes, k->count);
	kept_line(file + KEPT_LINE, n + k->count, file);
	*ret_count = KEPT_LINE + n + k->count;
	return file;
}

static int write_file(int fd, const char *bytes, size_t count)
{
	while (count) {
		ssize_t n = write(fd, bytes, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		bytes += n;
		count -= (size_t)n;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

int kept_write(int dirfd, const char *url, const struct kept *k)
{
	_cleanup_free_ char *file = NULL;
	_cleanup_close_ int fd = -1;
	char name[NAME_TEXT], tmp[NAME_TEXT + 32];
	size_t count;
	int r;

	if (dirfd < 0)
		return -EBADF;
	file = make_file(url, k, &count);
	if (!file)
		return -ENOMEM;
	file_name(url, name);
	(void)snprintf(tmp, sizeof(tmp), "%s.%ld.tmp", name, (long)getpid());
	(void)unlinkat(dirfd, tmp, 0);
	fd = openat(dirfd, tmp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_file(fd, file, count);
	if (r == 0 && renameat(dirfd, tmp, dirfd, name) < 0)
		r = -errno;
	if (r < 0)
		(void)unlinkat(dirfd, tmp, 0);
	return r;
}
