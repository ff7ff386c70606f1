/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "base/log.h"
#include "planner/goal.h"

#define HEAD_SIZE   16
#define RECORD_SIZE 16

static const char head[HEAD_SIZE] = "goalfs nodes 1\n";

/* 4 million names of 50 bytes; a journal beyond that is begun anew, and old handles become stale. */
static const off_t size_limit = 256 << 20;

struct journal {
	int fd;
	uint64_t end; /* where the next record goes */
};

static uint32_t record_crc(const uint8_t *record, const char *name, size_t len)
{
	return ~crc32c(crc32c(~0u, record, 12), name, len);
}

/* Reads the record at *at and moves on; false at the end of what can be believed. */
static bool read_record(const struct journal *j, uint64_t *at, uint64_t *ret_id, char name[GOAL_NAME_MAX + 1])
{
	uint8_t record[RECORD_SIZE];
	size_t len;

	if (pread(j->fd, record, sizeof(record), *at) != sizeof(record))
		return false;
	len = get_le16(record + 8);
	if (len == 0 || len > GOAL_NAME_MAX || get_le16(record + 10) != 0 ||
	    pread(j->fd, name, len, *at + RECORD_SIZE) != (ssize_t)len ||
	    get_le32(record + 12) != record_crc(record, name, len) || memchr(name, '\0', len))
		return false;
	name[len] = '\0';
	*ret_id = get_le64(record);
	*at += RECORD_SIZE + len;
	return true;
}

static bool has_head(const struct journal *j)
{
	char have[HEAD_SIZE];
	struct stat st;

	return fstat(j->fd, &st) == 0 && st.st_size <= size_limit &&
	       pread(j->fd, have, sizeof(have), 0) == sizeof(have) && memcmp(have, head, sizeof(head)) == 0;
}

struct journal *journal_open(int dirfd, void (*found)(void *arg, uint64_t id, const char *name), void *arg)
{
	_cleanup_free_ struct journal *j = calloc(1, sizeof(*j));
	char name[GOAL_NAME_MAX + 1];
	uint64_t id;

	if (!j || dirfd < 0)
		return NULL;
	j->fd = openat(dirfd, "nodes", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (j->fd < 0) {
		log_warn("node ids can't be kept across restarts: %s", strerror(errno));
		return NULL;
	}
	j->end = HEAD_SIZE;
	if (has_head(j))
		while (read_record(j, &j->end, &id, name))
			found(arg, id, name);
	else
		(void)!pwrite(j->fd, head, sizeof(head), 0);
	(void)!ftruncate(j->fd, j->end);
	return take(j);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	(void)close(j->fd);
	free(j);
}

void journal_add(struct journal *j, uint64_t id, const char *name)
{
	uint8_t record[RECORD_SIZE + GOAL_NAME_MAX];
	size_t len = strlen(name);

	if (!j || len == 0 || len > GOAL_NAME_MAX)
		return;
	put_le64(record, id);
	put_le16(record + 8, (uint16_t)len);
	put_le16(record + 10, 0);
	put_le32(record + 12, record_crc(record, name, len));
	memcpy(record + RECORD_SIZE, name, len);
	/* A record that was written in part is overwritten by the next one, or ends the next reading. */
	if (pwrite(j->fd, record, RECORD_SIZE + len, j->end) == (ssize_t)(RECORD_SIZE + len))
		j->end += RECORD_SIZE + len;
}
