/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The store's directory, 0700, its files 0600:
 *
 *	lock		flock'ed; "PID\nHOLDER\n"
 *	KEY.raw		a template's raw bytes at their own offsets, as long as the
 *			image, sparse: a hole wherever nothing is claimed; flock'ed
 *			while it is open
 *	KEY.units	what is claimed; units.c draws it
 *	KEY.NAME	a sidecar; sidecar.c draws it
 *	KEY.NAME.N.tmp	becomes KEY.NAME by rename, or is removed by the next daemon
 *
 * KEY is the XXH3-128 of the identity, seeded with STORE_VERSION, in hex. Two
 * versions never share a file; the units file and the sidecars hold the identity
 * in full, so that two templates of one key don't either.
 *
 * What is claimed is there, after a crash at any point:
 *
 *	to add:    write KEY.raw, check, fdatasync it, replace KEY.units
 *	           (write a temporary file, fsync, rename, fsync the directory)
 *	to drop:   unlink KEY.units, fsync the directory, unlink KEY.raw
 *	to begin:  as to drop, then create KEY.raw
 *
 * KEY.units names the inode of the KEY.raw that it speaks for, and is believed
 * only if that file still has the image's length. How recently a template was
 * used is the mtime of KEY.units.
 *
 * Threads: everything here may be called from any. One thread of our own, the
 * flusher, is started with the first unit that is to be recorded.
 */
#include "backends/cache/store.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "backends/cache/store_private.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/path.h"

#define FAMILY_TEXT 16 /* of a key: what all that stands under one identity have in common */

/* The lock file's text, and how long a daemon that ends may take to let go of it. */
#define HOLDER_ROOM	4200
#define LEAVING_MS	10000
#define LEAVING_POLL_MS 20

/* 64 bits each for what stands before the first newline, and for all of it. */
void store_key(const char *identity, char ret[static KEY_TEXT])
{
	const uint64_t family = XXH3_64bits_withSeed(identity, strcspn(identity, "\n"), STORE_VERSION);
	const uint64_t self = XXH3_64bits_withSeed(identity, strlen(identity), STORE_VERSION);

	(void)snprintf(ret, KEY_TEXT, "%016" PRIx64 "%016" PRIx64, family, self);
}

static void file_name(const char *key, const char *name, char ret[static FILE_TEXT])
{
	(void)snprintf(ret, FILE_TEXT, "%.32s.%.60s", key, name);
}

void store_file(const struct entry *e, const char *name, char ret[static FILE_TEXT])
{
	file_name(e->key, name, ret);
}

/* ---- files ---- */

static int write_all(int fd, const uint8_t *p, size_t count)
{
	while (count) {
		ssize_t n = write(fd, p, count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		count -= (size_t)n;
	}
	return 0;
}

static int write_new(int dirfd, const char *file, const void *bytes, size_t count, bool sync)
{
	_cleanup_close_ int fd =
		openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	int r;

	if (fd < 0)
		return -errno;
	r = write_all(fd, bytes, count);
	if (r == 0 && sync && fsync(fd) < 0)
		r = -errno;
	return r;
}

static uint64_t disk_bytes(struct store *s, const char *file)
{
	struct stat st;

	return fstatat(s->dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0 ? 0 : (uint64_t)st.st_blocks * SECTOR;
}

/* `before` of the counted bytes have become `after`. */
static void count(struct store *s, uint64_t *counted, uint64_t before, uint64_t after)
{
	LOCKED(&s->lock);

	before = min_u64(before, *counted);
	*counted += after - before;
	s->bytes += after - before;
}

int store_replace(struct store *s, struct entry *e, const char *name, enum durable durable, const void *bytes,
		  size_t count_bytes)
{
	char file[FILE_TEXT], tmp[FILE_TEXT + 16];
	uint64_t before;
	bool sync;
	int r;

	store_file(e, name, file);
	(void)snprintf(tmp, sizeof(tmp), "%s.%u.tmp", file, atomic_fetch_add(&s->serial, 1));
	before = disk_bytes(s, file);
	sync = durable == DURABLE || before > 0;
	r = write_new(s->dirfd, tmp, bytes, count_bytes, sync);
	if (r == 0 && renameat(s->dirfd, tmp, s->dirfd, file) < 0)
		r = -errno;
	if (r < 0) {
		(void)unlinkat(s->dirfd, tmp, 0);
		return r;
	}
	count(s, &e->other_bytes, before, disk_bytes(s, file));
	return sync && fsync(s->dirfd) < 0 ? -errno : 0;
}

int store_remove(struct store *s, struct entry *e, const char *name)
{
	char file[FILE_TEXT];
	uint64_t before;

	store_file(e, name, file);
	before = disk_bytes(s, file);
	if (unlinkat(s->dirfd, file, 0) < 0)
		return -errno;
	count(s, strcmp(name, "raw") == 0 ? &e->data_bytes : &e->other_bytes, before, 0);
	return 0;
}

void store_remove_each(struct store *s, struct entry *e, bool (*chosen)(const char *name))
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		closep(&fd);
		return;
	}
	while ((d = readdir(dir)))
		if (strncmp(d->d_name, e->key, KEY_TEXT - 1) == 0 && d->d_name[KEY_TEXT - 1] == '.' &&
		    (!chosen || chosen(d->d_name + KEY_TEXT)))
			(void)store_remove(s, e, d->d_name + KEY_TEXT);
	(void)closedir(dir);
}

/* After a crash the claim must not be back without what it claims. */
void store_remove_units(struct store *s, struct entry *e)
{
	if (store_remove(s, e, "units") == 0)
		(void)fsync(s->dirfd);
}

void store_remove_data(struct store *s, struct entry *e)
{
	store_remove_units(s, e);
	(void)store_remove(s, e, "raw");
}

int store_read(struct store *s, const struct entry *e, const char *name, size_t limit, uint8_t **ret,
	       size_t *ret_count)
{
	return store_read_at(s->dirfd, e->key, name, limit, ret, ret_count);
}

int store_read_at(int dirfd, const char *key, const char *name, size_t limit, uint8_t **ret, size_t *ret_count)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ uint8_t *bytes = NULL;
	char file[FILE_TEXT];
	struct stat st;
	ssize_t n;

	file_name(key, name, file);
	fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > limit)
		return -EFBIG;
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	n = pread(fd, bytes, (size_t)st.st_size, 0);
	if (n < 0)
		return -errno;
	*ret = take(bytes);
	*ret_count = (size_t)n;
	return 0;
}

int store_temporary(struct store *s)
{
	int fd = openat(s->dirfd, ".", O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL))
		return fd;
	/* NFS and some FUSE filesystems know no nameless files: give one a name for a moment. */
	for (int tries = 0; tries < 1000; tries++) {
		char file[64];

		(void)snprintf(file, sizeof(file), "goalfs-%ld-%u.tmp", (long)getpid(),
			       atomic_fetch_add(&s->serial, 1));
		fd = openat(s->dirfd, file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
		if (fd >= 0)
			(void)unlinkat(s->dirfd, file, 0);
		if (fd >= 0 || errno != EEXIST)
			break;
	}
	return fd;
}

/* ---- entries ---- */

/* A key is a hash: its first digits do. All of a family are in one chain. */
static struct entry **chain_of(struct store *s, const char *key)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++)
		n = n << 4 | (unsigned)(key[i] <= '9' ? key[i] - '0' : key[i] - 'a' + 10);
	return &s->chain[n % STORE_CHAINS];
}

static struct entry *find_entry(struct store *s, const char *key)
{
	for (struct entry *e = *chain_of(s, key); e; e = e->chain)
		if (strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

static void link_entry(struct store *s, struct entry *e)
{
	struct entry **chain = chain_of(s, e->key);

	e->chain = *chain;
	*chain = e;
	e->next = s->entries;
	e->prev = &s->entries;
	if (e->next)
		e->next->prev = &e->next;
	s->entries = e;
}

struct entry *store_entry(struct store *s, const char *key)
{
	struct entry *e;

	while ((e = find_entry(s, key)) && e->busy)
		(void)pthread_cond_wait(&s->settled, &s->lock);
	if (e)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	(void)snprintf(e->key, sizeof(e->key), "%s", key);
	link_entry(s, e);
	return e;
}

struct shelf *store_set_shelf(struct store *s, struct entry *e, struct shelf *shelf)
{
	struct shelf *before = e->shelf;

	if (before) {
		*e->open_prev = e->open_next;
		if (e->open_next)
			e->open_next->open_prev = e->open_prev;
	}
	e->shelf = shelf;
	if (shelf) {
		e->open_next = s->open;
		e->open_prev = &s->open;
		if (e->open_next)
			e->open_next->open_prev = &e->open_next;
		s->open = e;
	}
	return before;
}

void store_drop_entry(struct store *s, struct entry *e)
{
	struct entry **at = chain_of(s, e->key);

	assert(!e->shelf);
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	*e->prev = e->next;
	if (e->next)
		e->next->prev = e->prev;
	s->bytes -= e->data_bytes + e->other_bytes;
	free(e);
}

void store_settle_entry(struct store *s, struct entry *e)
{
	if (!e->shelf && !e->users && !e->pins && !e->busy && e->data_bytes + e->other_bytes == 0)
		store_drop_entry(s, e);
	(void)pthread_cond_broadcast(&s->settled);
}

void store_count_data(struct store *s, struct entry *e, uint64_t bytes)
{
	LOCKED(&s->lock);

	s->bytes += bytes - e->data_bytes;
	e->data_bytes = bytes;
}

/* ---- shelves ---- */

/*
 * Takes the entry for ourselves or, if its shelf is open, a share in it. Evicting
 * looks at `users` and `busy` under the same lock: from here on, until
 * store_shelf_close, nothing of this template is evicted, and readers need not
 * fear for the file below them.
 */
static struct entry *enter(struct store *s, const char *key, bool *ret_ours)
{
	struct entry *e;
	LOCKED(&s->lock);

	e = store_entry(s, key);
	if (!e)
		return NULL;
	e->users++;
	*ret_ours = e->busy = !e->shelf;
	return e;
}

static void leave(struct store *s, struct entry *e)
{
	LOCKED(&s->lock);

	e->users--;
	(void)clock_gettime(CLOCK_REALTIME, &e->used);
	if (e->shelf)
		flush_wake(s);
	else
		store_settle_entry(s, e);
}

/* The pid in the lock file is for people. The daemon may have forked since it took the lock. */
static void say_who(struct store *s)
{
	char text[HOLDER_ROOM];
	int n;

	{
		LOCKED(&s->lock);

		if (s->lockfd < 0 || s->pid == getpid())
			return;
		s->pid = getpid();
	}
	n = snprintf(text, sizeof(text), "%ld\n%.4000s\n", (long)getpid(), s->holder ? s->holder : "");
	if (ftruncate(s->lockfd, 0) < 0 || pwrite(s->lockfd, text, (size_t)n, 0) != n)
		log_detail("store: can't write the lock file: %s", strerror(errno));
}

static void touch(struct store *s, struct entry *e)
{
	char file[FILE_TEXT];

	store_file(e, "units", file);
	if (s->keeps)
		(void)utimensat(s->dirfd, file, NULL, AT_SYMLINK_NOFOLLOW);
}

/*
 * The shelf that we entered is lost, or for other units, and perhaps only still
 * open because nobody has put it away yet: then a new one may take its place.
 * False when somebody else uses it.
 */
static bool take_over(struct store *s, struct entry *e)
{
	struct shelf *old;

	{
		LOCKED(&s->lock);

		while (e->pins && e->users == 1)
			(void)pthread_cond_wait(&s->settled, &s->lock);
		if (e->users > 1)
			return false;
		e->busy = true;
		e->dirty_since = 0;
		old = store_set_shelf(s, e, NULL);
	}
	shelf_free(old);
	return true;
}

static bool is_fetched(const char *identity)
{
	return strncmp(identity, STORE_FETCHED, strlen(STORE_FETCHED)) == 0;
}

static int load(struct store *s, struct entry *e, const char *identity, struct image *below, struct why *why)
{
	struct shelf *shelf = NULL;
	int r;

	r = shelf_load(s, e, identity, below, &shelf, why);
	if (r == 0)
		touch(s, e);
	LOCKED(&s->lock);

	e->is_fetched = is_fetched(identity);
	(void)store_set_shelf(s, e, shelf);
	e->busy = false;
	(void)pthread_cond_broadcast(&s->settled);
	return r;
}

int store_shelf_open(struct store *s, const char *identity, struct image *below, struct shelf **ret,
		     struct why *why)
{
	char key[KEY_TEXT];
	struct entry *e;
	bool ours;
	int r = 0;

	say_who(s);
	store_key(identity, key);
	e = enter(s, key, &ours);
	if (!e)
		return -ENOMEM;
	if (!ours) {
		r = shelf_check(e->shelf, identity, below, why);
		/* A lost one is served from as long as it must, but not a moment longer. */
		ours = (r == -ESTALE || r == -EBUSY || e->shelf->lost) && take_over(s, e);
	}
	if (ours)
		r = load(s, e, identity, below, why);
	if (r < 0) {
		leave(s, e);
		return r;
	}
	*ret = e->shelf;
	return 0;
}

void store_shelf_close(struct shelf *sh)
{
	touch(sh->store, sh->entry);
	leave(sh->store, sh->entry);
}

void store_pin(struct shelf *sh)
{
	LOCKED(&sh->store->lock);

	sh->entry->pins++;
}

void store_unpin(struct shelf *sh)
{
	struct store *s = sh->store;
	LOCKED(&s->lock);

	if (--sh->entry->pins > 0)
		return;
	(void)pthread_cond_broadcast(&s->settled);
	if (sh->entry->users == 0)
		flush_wake(s);
}

/* The entry: with its shelf, which is pinned, or, if that is not open, for ourselves. NULL without memory. */
static struct entry *seize(struct store *s, const char *key, struct shelf **ret_shelf)
{
	struct entry *e;
	LOCKED(&s->lock);

	e = store_entry(s, key);
	*ret_shelf = e ? e->shelf : NULL;
	if (*ret_shelf)
		e->pins++;
	else if (e)
		e->busy = true;
	return e;
}

static void forget_key(struct store *s, const char *key)
{
	struct shelf *shelf;
	struct entry *e = seize(s, key, &shelf);

	if (!e)
		return;
	sidecar_remove_all(s, e);
	if (shelf) {
		shelf_lose(shelf, "it is not what it should be");
		memory_forget(s->memory, shelf);
		shelf_unseal(shelf);
		store_unpin(shelf);
		return;
	}
	if (s->keeps)
		store_remove_data(s, e);
	LOCKED(&s->lock);

	e->busy = false;
	store_settle_entry(s, e);
}

/* The least key of the family that is greater than `key`, which becomes it. */
static bool next_key(struct store *s, char key[static KEY_TEXT])
{
	const struct entry *next = NULL;
	LOCKED(&s->lock);

	for (const struct entry *e = *chain_of(s, key); e; e = e->chain)
		if (strncmp(e->key, key, FAMILY_TEXT) == 0 && strcmp(e->key, key) > 0 &&
		    (!next || strcmp(e->key, next->key) < 0))
			next = e;
	if (next)
		memcpy(key, next->key, KEY_TEXT);
	return next != NULL;
}

void store_forget(struct store *s, const char *identity)
{
	char key[KEY_TEXT];

	store_key(identity, key);
	sidecar_forget(s, key, FAMILY_TEXT);
	memset(key + FAMILY_TEXT, '!', KEY_TEXT - 1 - FAMILY_TEXT); /* before all digits */
	while (next_key(s, key))
		forget_key(s, key);
}

/* ---- opening the store ---- */

static bool is_key(const char *name)
{
	return strspn(name, "0123456789abcdef") == KEY_TEXT - 1 && name[KEY_TEXT - 1] == '.';
}

static bool ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* Whether a small file was written by this version; for the units file, what it claims. */
static bool is_ours(struct store *s, const char *name, bool is_units, struct units_hint *ret)
{
	_cleanup_close_ int fd = openat(s->dirfd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	uint8_t bytes[UNITS_PEEK];
	ssize_t n = fd < 0 ? -1 : pread(fd, bytes, sizeof(bytes), 0);
	struct span span = { bytes, n < 0 ? 0 : (size_t)n };

	return is_units ? units_peek(span, ret) : sidecar_peek(span);
}

static bool is_later(struct timespec a, struct timespec b)
{
	return a.tv_sec != b.tv_sec ? a.tv_sec > b.tv_sec : a.tv_nsec > b.tv_nsec;
}

/* Counts one file of the directory in, or removes it as litter. */
static int scan_file(struct store *s, const char *name)
{
	const char *what = name + KEY_TEXT;
	char key[KEY_TEXT];
	struct units_hint hint = { 0 };
	struct entry *e;
	struct stat st;
	bool is_raw, is_units;

	if (!is_key(name) || fstatat(s->dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0; /* not ours */
	is_raw = strcmp(what, "raw") == 0;
	is_units = strcmp(what, "units") == 0;
	if (ends_with(name, ".tmp") || (!is_raw && !is_ours(s, name, is_units, &hint))) {
		(void)unlinkat(s->dirfd, name, 0);
		return 0;
	}
	/* Somebody's backup, brought back with modes of its own. */
	if (S_ISREG(st.st_mode) && st.st_mode & 077)
		(void)fchmodat(s->dirfd, name, 0600, 0);
	(void)snprintf(key, sizeof(key), "%.32s", name);
	LOCKED(&s->lock);

	e = store_entry(s, key);
	if (!e)
		return -ENOMEM;
	*(is_raw ? &e->data_bytes : &e->other_bytes) += (uint64_t)st.st_blocks * SECTOR;
	s->bytes += (uint64_t)st.st_blocks * SECTOR;
	if (is_units) {
		e->n_there = hint.n_there;
		e->is_fetched = is_fetched(hint.identity);
	}
	if (!is_raw && is_later(st.st_mtim, e->used))
		e->used = st.st_mtim;
	return 0;
}

static bool has_file(struct store *s, const struct entry *e, const char *name)
{
	char file[FILE_TEXT];

	store_file(e, name, file);
	return faccessat(s->dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/*
 * Data that nothing speaks for (an older version's, or never recorded), and
 * claims about no data. Sidecars stay.
 */
static void remove_orphans(struct store *s)
{
	for (struct entry *e = s->entries, *next; e; e = next) {
		next = e->next;
		if (has_file(s, e, "raw") != has_file(s, e, "units")) {
			store_remove_data(s, e);
			e->n_there = 0;
		}
		LOCKED(&s->lock);

		if (e->data_bytes + e->other_bytes == 0)
			store_drop_entry(s, e);
	}
}

static int scan(struct store *s, struct why *why)
{
	int fd = openat(s->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	if (!dir) {
		r = -errno;
		closep(&fd);
		return fail(why, r, "store '%s' can't be listed: %s", s->name, strerror(-r));
	}
	while (r == 0 && (d = readdir(dir)))
		r = scan_file(s, d->d_name);
	(void)closedir(dir);
	remove_orphans(s);
	return r;
}

/* What the lock file says, which is another daemon's word: `ret_holder` lies in `text`, "" when it is not said. */
static int read_holder(int lockfd, char text[HOLDER_ROOM], long *ret_pid, const char **ret_holder)
{
	ssize_t n = pread(lockfd, text, HOLDER_ROOM - 1, 0);
	char *holder, *end;
	long pid;

	text[n > 0 ? n : 0] = '\0';
	pid = strtol(text, &holder, 10);
	if (pid <= 0 || *holder != '\n')
		return -ENODATA;
	end = strrchr(++holder, '\n');
	if (end)
		*end = '\0';
	*ret_pid = pid;
	*ret_holder = holder;
	return 0;
}

static int fail_busy(int lockfd, const char *dir, struct why *why)
{
	char text[HOLDER_ROOM];
	const char *holder;
	long pid;

	if (read_holder(lockfd, text, &pid, &holder) < 0)
		return fail(why, -EBUSY, "store '%s' is in use by another goalfs", dir);
	if (!*holder)
		return fail(why, -EBUSY, "store '%s' is in use by goalfs pid %ld", dir, pid);
	return fail(why, -EBUSY, "store '%s' is in use by goalfs pid %ld, mounted on '%s'", dir, pid, holder);
}

/*
 * umount(8) returns before the daemon has put down what it holds, and the next one
 * may be there at once (an automount, a restart). Nothing else is mounted where we
 * are about to, so who says that it is there is on its way out.
 */
static bool is_leaving(const struct store *s, int lockfd)
{
	char text[HOLDER_ROOM];
	const char *holder;
	long pid;

	return s->holder && read_holder(lockfd, text, &pid, &holder) == 0 && strcmp(holder, s->holder) == 0;
}

static int lock_dir(struct store *s, const char *dir, struct why *why)
{
	_cleanup_close_ int fd = openat(s->dirfd, "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
	const int64_t until = lock_now_ms() + LEAVING_MS;

	if (fd < 0)
		return fail(why, -errno, "store '%s' can't be written: %s", dir, strerror(errno));
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK)
			return fail(why, -errno, "store '%s' can't be locked: %s", dir, strerror(errno));
		if (!is_leaving(s, fd) || lock_now_ms() >= until)
			return fail_busy(fd, dir, why);
		(void)usleep(LEAVING_POLL_MS * 1000);
	}
	s->lockfd = take_fd(fd);
	say_who(s);
	return 0;
}

/* Whoever can write here can put words into a template's mouth; who can read here, reads private templates. */
static int check_private(int dirfd, const char *dir, struct why *why)
{
	struct stat st;

	if (fstat(dirfd, &st) < 0)
		return fail(why, -errno, "store '%s': %s", dir, strerror(errno));
	if (st.st_uid != geteuid() && st.st_uid != 0)
		return fail(why, -EPERM, "store '%s' belongs to user %u, not to user %u, who runs goalfs", dir,
			    st.st_uid, geteuid());
	if (st.st_mode & 022)
		return fail(why, -EPERM, "store '%s' can be written by others (mode %04o)", dir,
			    st.st_mode & 07777);
	if (!(st.st_mode & 077))
		return 0;
	if (fchmod(dirfd, 0700) < 0)
		log_warn("store '%s' can be read by others (mode %04o): %s", dir, st.st_mode & 07777,
			 strerror(errno));
	else
		log_note("store '%s' had the mode %04o, it has 0700 now", dir, st.st_mode & 07777);
	return 0;
}

/* A link in the directory's place is as good as who made it: he chooses where we write. */
static int open_dir(const char *dir, int *ret, struct why *why)
{
	_cleanup_close_ int link = open(dir, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (link >= 0 && fstat(link, &st) == 0 && S_ISLNK(st.st_mode) && st.st_uid != geteuid() &&
	    st.st_uid != 0)
		return fail(why, -EPERM, "store '%s' is a link that user %u has made", dir, st.st_uid);
	*ret = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? fail(why, -errno, "store '%s' can't be opened: %s", dir, strerror(errno)) : 0;
}

static int open_kept(struct store *s, const char *dir, struct why *why)
{
	int r;

	s->keeps = true;
	s->name = strdup(dir);
	if (!s->name)
		return -ENOMEM;
	r = path_make_dirs(dir);
	if (r < 0)
		return fail(why, r, "store '%s' can't be made: %s", dir, strerror(-r));
	r = open_dir(dir, &s->dirfd, why);
	if (r == 0)
		r = check_private(s->dirfd, dir, why);
	if (r == 0)
		r = lock_dir(s, dir, why);
	if (r == 0)
		r = scan(s, why);
	return r;
}

static int open_temporary(struct store *s, const char *tmpdir, struct why *why)
{
	if (!tmpdir)
		tmpdir = getenv("TMPDIR");
	if (!tmpdir || !*tmpdir)
		tmpdir = "/var/tmp";
	s->name = strdup(tmpdir);
	if (!s->name)
		return -ENOMEM;
	s->dirfd = open(tmpdir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dirfd < 0)
		return fail(why, -errno, "directory '%s' for temporary files can't be opened: %s", tmpdir,
			    strerror(errno));
	return 0;
}

int store_open(const struct store_options *options, struct store **ret, struct why *why)
{
	_cleanup_(store_closep) struct store *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->dirfd = s->lockfd = s->lookfd = -1;
	(void)pthread_mutex_init(&s->lock, NULL);
	(void)pthread_cond_init(&s->settled, NULL);
	lock_cond_init(&s->work);
	s->limit = options->limit;
	s->high = options->limit / 100 * 95;
	s->low = options->limit / 100 * 80;
	s->min_free = options->min_free;
	s->memory = memory_new(options->memory);
	s->holder = options->holder ? strdup(options->holder) : NULL;
	if (!s->memory || (options->holder && !s->holder))
		return -ENOMEM;
	r = options->dir ? open_kept(s, options->dir, why) : open_temporary(s, options->tmpdir, why);
	if (r == 0 && !options->dir && options->look)
		s->lookfd = open(options->look, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (r < 0)
		return r;
	*ret = take(s);
	return 0;
}

void store_close(struct store *s)
{
	if (!s)
		return;
	flush_end(s);
	while (s->entries)
		store_drop_entry(s, s->entries);
	sidecar_done(s);
	memory_free(s->memory);
	closep(&s->lockfd);
	closep(&s->lookfd);
	closep(&s->dirfd);
	(void)pthread_cond_destroy(&s->work);
	(void)pthread_cond_destroy(&s->settled);
	(void)pthread_mutex_destroy(&s->lock);
	free(s->holder);
	free(s->name);
	free(s);
}

void store_clear(struct store *s)
{
	while (room_evict_one(s) || room_evict_sidecars(s))
		;
}

void store_figures(struct store *s, struct store_figures *ret)
{
	LOCKED(&s->lock);

	ret->bytes_stored = s->bytes;
	ret->units_made = s->n_made;
	ret->units_evicted = s->n_evicted;
}

int store_dirfd(struct store *s)
{
	return s->keeps ? s->dirfd : -1;
}
