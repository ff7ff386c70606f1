/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/bytes.h"
#include "base/crc.h"
#include "base/log.h"
#include "planner/goal.h"

#define HEAD_SIZE   16
#define RECORD_SIZE 36

static const char head[HEAD_SIZE] = "goalfs nodes 2\n";

/* Several times what the nodes remember; of a file beyond that the end is read, which is the latest. */
static const off_t size_limit = 128 << 20;

struct journal {
	int dirfd; /* borrowed */
	int fd;
	uint64_t end; /* where the next record goes */
	size_t n;
	bool damaged;
	bool unsynced;
};

static uint32_t record_crc(const uint8_t *record, const char *name, size_t len)
{
	return ~crc32c(crc32c(~0u, record, 32), name, len);
}

/* Returns the record's length, or 0: there is none at `at`. */
static size_t read_record(const uint8_t *at, size_t left, struct journal_record *ret,
			  char name[GOAL_NAME_MAX + 1])
{
	size_t len;

	if (left < RECORD_SIZE)
		return 0;
	len = get_le16(at + 28);
	if (len == 0 || len > GOAL_NAME_MAX || get_le16(at + 30) != 0 || len > left - RECORD_SIZE ||
	    memchr(at + RECORD_SIZE, '\0', len) || get_le32(at + 24) >= 1000000000)
		return 0;
	memcpy(name, at + RECORD_SIZE, len);
	name[len] = '\0';
	if (get_le32(at + 32) != record_crc(at, name, len))
		return 0;
	*ret = (struct journal_record){
		.id = get_le64(at),
		.identity = get_le64(at + 8),
		.mtime = { (time_t)get_le64(at + 16), get_le32(at + 24) },
		.name = name,
	};
	return RECORD_SIZE + len;
}

/* Returns the length of what was written to `at`, which has room for any record; 0: it can't be one. */
static size_t write_record(uint8_t *at, const struct journal_record *r)
{
	size_t len = strlen(r->name);

	if (len == 0 || len > GOAL_NAME_MAX)
		return 0;
	put_le64(at, r->id);
	put_le64(at + 8, r->identity);
	put_le64(at + 16, (uint64_t)r->mtime.tv_sec);
	put_le32(at + 24, (uint32_t)r->mtime.tv_nsec);
	put_le16(at + 28, (uint16_t)len);
	put_le16(at + 30, 0);
	put_le32(at + 32, record_crc(at, r->name, len));
	memcpy(at + RECORD_SIZE, r->name, len);
	return RECORD_SIZE + len;
}

size_t journal_parse(const uint8_t *bytes, size_t count,
		     void (*found)(void *arg, const struct journal_record *record), void *arg,
		     bool *ret_damaged)
{
	char name[GOAL_NAME_MAX + 1];
	struct journal_record record;
	size_t at = 0, end = 0;

	*ret_damaged = false;
	while (at < count) {
		size_t n = read_record(bytes + at, count - at, &record, name);

		if (n) {
			found(arg, &record);
			end = at + n;
		} else {
			*ret_damaged = true;
		}
		at += n ?: 1;
	}
	return end;
}

static bool has_head(const struct journal *j)
{
	char have[HEAD_SIZE];

	return pread(j->fd, have, sizeof(have), 0) == sizeof(have) && memcmp(have, head, sizeof(head)) == 0;
}

struct counted {
	struct journal *journal;
	void (*found)(void *arg, const struct journal_record *record);
	void *arg;
};

static void count_record(void *arg, const struct journal_record *record)
{
	const struct counted *c = arg;

	c->journal->n++;
	c->found(c->arg, record);
}

/* False without memory, or when it can't be read. */
static bool read_all(struct journal *j, off_t size,
		     void (*found)(void *arg, const struct journal_record *record), void *arg)
{
	off_t from = size > size_limit ? size - size_limit : HEAD_SIZE;
	size_t count = size > from ? (size_t)(size - from) : 0;
	_cleanup_free_ uint8_t *bytes = malloc(count ?: 1);
	size_t have = 0;

	while (bytes && have < count) {
		ssize_t n = pread(j->fd, bytes + have, count - have, from + (off_t)have);

		if (n <= 0)
			return false;
		have += (size_t)n;
	}
	if (!bytes)
		return false;
	j->end = (uint64_t)from +
		 journal_parse(bytes, count, count_record, &(struct counted){ j, found, arg }, &j->damaged);
	return true;
}

static void begin(struct journal *j)
{
	j->end = HEAD_SIZE;
	j->n = 0;
	j->damaged = pwrite(j->fd, head, sizeof(head), 0) != sizeof(head) || ftruncate(j->fd, HEAD_SIZE) < 0;
}

struct journal *journal_open(int dirfd, void (*found)(void *arg, const struct journal_record *record),
			     void *arg)
{
	_cleanup_free_ struct journal *j = calloc(1, sizeof(*j));
	struct stat st;

	if (!j || dirfd < 0)
		return NULL;
	j->dirfd = dirfd;
	j->fd = openat(dirfd, "nodes", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (j->fd < 0 || fstat(j->fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		log_warn("file handles can't be kept across restarts: 'nodes' in the cache: %s",
			 j->fd < 0 ? strerror(errno) : "not a regular file");
		closep(&j->fd);
		return NULL;
	}
	if (!has_head(j) || !read_all(j, st.st_size, found, arg))
		begin(j);
	return take(j);
}

void journal_close(struct journal *j)
{
	if (!j)
		return;
	(void)close(j->fd);
	free(j);
}

void journal_add(struct journal *j, const struct journal_record *record)
{
	uint8_t bytes[RECORD_SIZE + GOAL_NAME_MAX];
	size_t n = j ? write_record(bytes, record) : 0;

	if (!n)
		return;
	/* A record that was written in part is overwritten by the next one, or skipped by the next reading. */
	if (pwrite(j->fd, bytes, n, (off_t)j->end) != (ssize_t)n) {
		j->damaged = true;
		return;
	}
	j->end += n;
	j->n++;
	j->unsynced = true;
}

int journal_take_unsynced(struct journal *j)
{
	if (!j || !j->unsynced)
		return -1;
	j->unsynced = false;
	return fcntl(j->fd, F_DUPFD_CLOEXEC, 0);
}

bool journal_is_damaged(const struct journal *j)
{
	return j && j->damaged;
}

size_t journal_records(const struct journal *j)
{
	return j ? j->n : 0;
}

/* Collects records until there are many, so that they cost few system calls. */
static bool write_all(int fd, bool (*next)(void *arg, struct journal_record *ret), void *arg, uint64_t *ret_end,
		      size_t *ret_n)
{
	uint8_t bytes[64 * KiB];
	struct journal_record record;
	uint64_t end = 0;
	size_t have = HEAD_SIZE, n = 0;
	bool more;

	memcpy(bytes, head, HEAD_SIZE);
	do {
		more = next(arg, &record);
		if (!more || have + RECORD_SIZE + GOAL_NAME_MAX > sizeof(bytes)) {
			if (pwrite(fd, bytes, have, (off_t)end) != (ssize_t)have)
				return false;
			end += have;
			have = 0;
		}
		if (more) {
			have += write_record(bytes + have, &record);
			n++;
		}
	} while (more);
	*ret_end = end;
	*ret_n = n;
	return true;
}

void journal_rewrite(struct journal *j, bool (*next)(void *arg, struct journal_record *ret), void *arg)
{
	_cleanup_close_ int fd = -1;
	uint64_t end;
	size_t n;

	if (!j)
		return;
	(void)unlinkat(j->dirfd, "nodes.new", 0);
	fd = openat(j->dirfd, "nodes.new", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0 || !write_all(fd, next, arg, &end, &n) || fdatasync(fd) < 0 ||
	    renameat(j->dirfd, "nodes.new", j->dirfd, "nodes") < 0) {
		log_detail("nodes.new: %s", strerror(errno));
		j->damaged = true;
		if (fd >= 0)
			(void)unlinkat(j->dirfd, "nodes.new", 0);
		return;
	}
	(void)close(j->fd);
	j->fd = take_fd(fd);
	j->end = end;
	j->n = n;
	j->damaged = false;
}
