/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KEY.NAME, little-endian:
 *
 *	  0  magic "goalfs-s"
 *	  8  version, 4 bytes		STORE_VERSION
 *	 12  writer's version, 4 bytes
 *	 16  check, 16 bytes		XXH3-128 (canonical) of all bytes from 32 to the end
 *	 32  identity_len, 4 bytes
 *	 36  name_len, 4 bytes
 *	 40  count, 8 bytes
 *	 48  identity, name, then `count` bytes
 *
 * A store that keeps nothing holds the same bytes in memory, the newest first,
 * so that a template opened again need not be looked through again.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <xxhash.h>

#include "backends/cache/store_private.h"
#include "base/log.h"

#define MAGIC "goalfs-s"

struct disk_sidecar {
	uint8_t magic[8];
	uint8_t version[4];
	uint8_t writer[4];
	uint8_t check[16];
	uint8_t identity_len[4];
	uint8_t name_len[4];
	uint8_t count[8];
};
static_assert(sizeof(struct disk_sidecar) == 48, "sidecar header");

#define CHECKED_FROM offsetof(struct disk_sidecar, identity_len)

#define COUNT_LIMIT (64 * MiB) /* of one sidecar */
#define NOTES_LIMIT (16 * MiB) /* of all in memory */

struct note {
	struct note *next;
	size_t count;
	char key[KEY_TEXT];
	char name[33];
	uint8_t bytes[];
};

static bool name_ok(const char *name)
{
	size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");

	return n > 0 && n <= 32 && !name[n] && strcmp(name, "raw") != 0 && strcmp(name, "units") != 0;
}

static void check_of(const uint8_t *file, size_t count, uint8_t ret[16])
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits(file + CHECKED_FROM, count - CHECKED_FROM));
	memcpy(ret, canonical.digest, 16);
}

static uint8_t *encode(const char *identity, const char *name, unsigned version, const void *bytes,
		       size_t count, size_t *ret_count)
{
	const size_t identity_len = strlen(identity), name_len = strlen(name);
	const size_t all = sizeof(struct disk_sidecar) + identity_len + name_len + count;
	uint8_t *file = calloc(1, all), *p;
	struct disk_sidecar *disk_hdr = (struct disk_sidecar *)file;

	if (!file)
		return NULL;
	memcpy(disk_hdr->magic, MAGIC, sizeof(disk_hdr->magic));
	put_le32(disk_hdr->version, STORE_VERSION);
	put_le32(disk_hdr->writer, version);
	put_le32(disk_hdr->identity_len, (uint32_t)identity_len);
	put_le32(disk_hdr->name_len, (uint32_t)name_len);
	put_le64(disk_hdr->count, count);
	p = file + sizeof(*disk_hdr);
	memcpy(p, identity, identity_len);
	memcpy(p + identity_len, name, name_len);
	if (count)
		memcpy(p + identity_len + name_len, bytes, count);
	check_of(file, all, disk_hdr->check);
	*ret_count = all;
	return file;
}

bool sidecar_peek(struct span s)
{
	const struct disk_sidecar *disk_hdr = (const struct disk_sidecar *)s.p;

	return s.len >= sizeof(*disk_hdr) && memcmp(disk_hdr->magic, MAGIC, sizeof(disk_hdr->magic)) == 0 &&
	       get_le32(disk_hdr->version) == STORE_VERSION;
}

int sidecar_decode(struct span s, const char *identity, const char *name, unsigned version, struct span *ret)
{
	const struct disk_sidecar *disk_hdr = (const struct disk_sidecar *)s.p;
	const size_t identity_len = strlen(identity), name_len = strlen(name), fixed = sizeof(*disk_hdr);
	const uint8_t *p = s.p + fixed;
	uint8_t check[16];

	if (!sidecar_peek(s) || get_le32(disk_hdr->writer) != version)
		return -ESTALE;
	if (get_le32(disk_hdr->identity_len) != identity_len || get_le32(disk_hdr->name_len) != name_len ||
	    s.len < fixed + identity_len + name_len ||
	    get_le64(disk_hdr->count) != s.len - fixed - identity_len - name_len)
		return -EBADMSG;
	check_of(s.p, s.len, check);
	if (memcmp(check, disk_hdr->check, sizeof(check)) != 0)
		return -EBADMSG;
	if (memcmp(p, identity, identity_len) != 0 || memcmp(p + identity_len, name, name_len) != 0)
		return -ESTALE;
	*ret = (struct span){ p + identity_len + name_len, s.len - fixed - identity_len - name_len };
	return 0;
}

static int copy_out(struct span s, void **ret, size_t *ret_count)
{
	void *copy = malloc(s.len + 1);

	if (!copy)
		return -ENOENT;
	memcpy(copy, s.p, s.len);
	*ret = copy;
	*ret_count = s.len;
	return 0;
}

/* ---- in memory ---- */

static struct note **find_note(struct store *s, const char *key, const char *name)
{
	struct note **at = &s->notes;

	while (*at && (strcmp((*at)->key, key) != 0 || strcmp((*at)->name, name) != 0))
		at = &(*at)->next;
	return at;
}

static void drop_note(struct store *s, struct note **at)
{
	struct note *n = *at;

	s->note_bytes -= n->count;
	*at = n->next;
	free(n);
}

static void write_note(struct store *s, const char *key, const char *name, const uint8_t *file, size_t count)
{
	struct note *n, **at;

	if (count > NOTES_LIMIT)
		return;
	n = calloc(1, sizeof(*n) + count);
	if (!n)
		return;
	n->count = count;
	memcpy(n->bytes, file, count);
	(void)strcpy(n->key, key);
	(void)strcpy(n->name, name);
	LOCKED(&s->lock);

	at = find_note(s, key, name);
	if (*at)
		drop_note(s, at);
	n->next = s->notes;
	s->notes = n;
	s->note_bytes += count;
	while (s->note_bytes > NOTES_LIMIT) {
		for (at = &s->notes; (*at)->next;)
			at = &(*at)->next;
		drop_note(s, at);
	}
}

static int read_note(struct store *s, const char *key, const char *identity, const char *name, unsigned version,
		     void **ret, size_t *ret_count)
{
	struct note *n;
	struct span inner;
	LOCKED(&s->lock);

	n = *find_note(s, key, name);
	if (!n || sidecar_decode((struct span){ n->bytes, n->count }, identity, name, version, &inner) < 0)
		return -ENOENT;
	return copy_out(inner, ret, ret_count);
}

void sidecar_forget(struct store *s, const char *key, size_t count)
{
	LOCKED(&s->lock);

	for (struct note **at = &s->notes; *at;)
		if (strncmp((*at)->key, key, count) == 0)
			drop_note(s, at);
		else
			at = &(*at)->next;
}

void sidecar_done(struct store *s)
{
	while (s->notes)
		drop_note(s, &s->notes);
}

/* ---- on disk ---- */

/* Pinned, the entry is not evicted under us. */
static struct entry *pin_entry(struct store *s, const char *key)
{
	struct entry *e;
	LOCKED(&s->lock);

	e = store_entry(s, key);
	if (e)
		e->pins++;
	return e;
}

static void unpin_entry(struct store *s, struct entry *e)
{
	LOCKED(&s->lock);

	e->pins--;
	if (e->shelf)
		flush_wake(s);
	else if (e->used.tv_sec == 0)
		(void)clock_gettime(CLOCK_REALTIME, &e->used);
	store_settle_entry(s, e);
}

static int read_file(struct store *s, struct entry *e, const char *identity, const char *name, unsigned version,
		     void **ret, size_t *ret_count)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	struct span inner;
	size_t count;
	int r;

	r = store_read(s, e, name, COUNT_LIMIT, &bytes, &count);
	if (r == -ENOENT)
		return r;
	if (r == 0)
		r = sidecar_decode((struct span){ bytes, count }, identity, name, version, &inner);
	if (r < 0) {
		log_detail("store: sidecar %s of '%.*s' is dropped: %s", name, STORE_SHOWN(identity),
			   strerror(-r));
		(void)store_remove(s, e, name);
		return -ENOENT;
	}
	return copy_out(inner, ret, ret_count);
}

/* Of another daemon's store, which may drop it at any moment: then it is not there. */
static int look_up(struct store *s, const char *key, const char *identity, const char *name, unsigned version,
		   void **ret, size_t *ret_count)
{
	_cleanup_free_ uint8_t *bytes = NULL;
	struct span inner;
	size_t count;

	if (s->lookfd < 0 || store_read_at(s->lookfd, key, name, COUNT_LIMIT, &bytes, &count) < 0 ||
	    sidecar_decode((struct span){ bytes, count }, identity, name, version, &inner) < 0)
		return -ENOENT;
	return copy_out(inner, ret, ret_count);
}

void sidecar_remove_all(struct store *s, struct entry *e)
{
	if (s->keeps)
		store_remove_each(s, e, name_ok);
}

int store_sidecar_read(struct store *s, const char *identity, const char *name, unsigned version, void **ret,
		       size_t *ret_count)
{
	char key[KEY_TEXT];
	struct entry *e;
	int r;

	if (!name_ok(name))
		return -ENOENT;
	store_key(identity, key);
	if (!s->keeps && read_note(s, key, identity, name, version, ret, ret_count) == 0)
		return 0;
	if (!s->keeps)
		return look_up(s, key, identity, name, version, ret, ret_count);
	e = pin_entry(s, key);
	if (!e)
		return -ENOENT;
	r = read_file(s, e, identity, name, version, ret, ret_count);
	unpin_entry(s, e);
	return r;
}

void store_sidecar_write(struct store *s, const char *identity, const char *name, unsigned version,
			 const void *bytes, size_t count)
{
	_cleanup_free_ uint8_t *file = NULL;
	char key[KEY_TEXT];
	struct entry *e;
	size_t file_count;
	int r;

	if (!name_ok(name) || count > COUNT_LIMIT / 2)
		return;
	file = encode(identity, name, version, bytes, count, &file_count);
	if (!file)
		return;
	store_key(identity, key);
	if (!s->keeps) {
		write_note(s, key, name, file, file_count);
		return;
	}
	e = pin_entry(s, key);
	if (!e)
		return;
	r = store_replace(s, e, name, DURABLE_IF_OLD, file, file_count);
	if (r < 0)
		log_detail("store: can't keep sidecar %s of '%.*s': %s", name, STORE_SHOWN(identity),
			   strerror(-r));
	unpin_entry(s, e);
}
