/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A template and its file. The file is opened twice or more: when the library
 * is read, to see what it is, and whenever somebody wants its bytes. In between
 * it may have been replaced, so what was seen is compared each time, and a
 * file that changed is an error rather than other bytes under an old name.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "backends/library/private.h"
#include "backends/magic.h"
#include "backends/net/object.h"
#include "base/arch.h"
#include "base/bytes.h"
#include "base/read.h"
#include "base/text.h"

struct template *template_new(void)
{
	struct template *t = calloc(1, sizeof(*t));

	if (t)
		t->refs = 1;
	return t;
}

struct template *template_by_name(const char *name, size_t count, const char *format)
{
	struct template *t = template_new();

	if (!t)
		return NULL;
	t->name = strndup(name, count);
	t->arch = strdup(library_host_arch());
	t->format = format ? strdup(format) : NULL;
	t->revision = 1;
	if (t->name && t->arch && (!format || t->format))
		return t;
	template_unref(t);
	return NULL;
}

struct template *template_ref(struct template *t)
{
	(void)__atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
	return t;
}

static void free_file(struct template_file *f)
{
	if (!f)
		return;
	place_unref(f->place);
	free(f->relative);
	free(f);
}

void template_unref(struct template *t)
{
	if (!t || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	texts_free(t->aliases);
	for (size_t i = 0; i < t->n_notes; i++) {
		free(t->notes[i].lang);
		free(t->notes[i].text);
	}
	free(t->name);
	free(t->title);
	free(t->arch);
	free(t->notes);
	free(t->osinfo);
	free(t->format);
	free(t->codec);
	free(t->lvexpand);
	free(t->checksum);
	free(t->checksum256);
	free(t->path);
	free(t->identity);
	free(t->nbd_uri);
	texts_free(t->nbd_command);
	free(t->url);
	free(t->proxy);
	free(t->sig_url);
	free(t->sig_path);
	texts_free(t->sig_keys);
	texts_free(t->sig_fingerprints);
	free(t->claim);
	free(t->seen);
	free(t->stands_for);
	free(t->rejected);
	object_free(t->object);
	free_file(t->file);
	template_met_free(t->met);
	free(t);
}

const char *library_host_arch(void)
{
	return arch_host();
}

/* What a file is. */

static int replace_text(char **to, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static int read_fully(int fd, uint8_t *buf, size_t count, uint64_t offset, const char *shown, struct why *why)
{
	size_t have;
	int r = read_up_to(fd, shown, buf, count, offset, &have, why);

	return r == 0 && have < count ? fail(why, -EIO, "'%s' became shorter while it was read", shown) : r;
}

static bool is_medium(const struct template *t)
{
	return t->format && strcmp(t->format, "iso") == 0;
}

/*
 * Bytes settle what nobody has said. Where it is said that a disk is raw, that is
 * what it is: a guest can write another format's header into its first sector. A medium is
 * served as it is, so that nobody after us looks what it is.
 */
int template_sniff(struct template *t, const void *head, size_t count, struct why *why)
{
	const struct magic *m = magic_of_head(head, count);
	const bool is_raw = t->format && strcmp(t->format, "raw") == 0;

	if (m && m->kind == MAGIC_CODEC)
		return replace_text(&t->codec, m->name);
	if (!m || is_raw)
		return 0;
	if (m->kind == MAGIC_UNREADABLE)
		return fail(why, -EOPNOTSUPP, "'%s' is %s", t->path, m->name);
	if (is_medium(t) && strcmp(m->name, "iso") != 0)
		return fail(why, -EBADMSG, "'%s' is called an ISO 9660 image, and is %s", t->path, m->name);
	return replace_text(&t->format, m->name);
}

/* A local file is looked at closer than what only its first bytes are known of. */
static int sniff_file(struct template *t, int fd, uint64_t size, struct why *why)
{
	const size_t count = min_u64(size, MAGIC_HEAD);
	_cleanup_free_ uint8_t *head = malloc(MAGIC_HEAD);
	uint8_t tail[MAGIC_TAIL];
	const struct magic *m = NULL;
	int r = head ? read_fully(fd, head, count, 0, t->path, why) : -ENOMEM;

	if (r == 0)
		r = template_sniff(t, head, count, why);
	if (r == 0 && is_medium(t) && !t->codec && !magic_of_head(head, count))
		return fail(why, -EBADMSG, "'%s' is called an ISO 9660 image, and is none", t->path);
	if (r < 0 || t->codec || t->format)
		return r;
	if (size >= sizeof(tail)) {
		r = read_fully(fd, tail, sizeof(tail), size - sizeof(tail), t->path, why);
		m = r == 0 ? magic_of_tail(tail) : NULL;
	}
	return r < 0 ? r : replace_text(&t->format, m ? m->name : "raw");
}

/*
 * A checksum is a claim of the index about a file that nobody has read yet. So
 * it does not stand alone: a file that was replaced under an index that was not
 * is another template to the store.
 */
static char *identity_of(const struct template *t, const char *canonical, ino_t inode)
{
	const char *what = t->checksum ? "sha512:" : t->checksum256 ? "sha256:" : "file:";

	return text_new("%s%s bytes=%" PRIu64 " mtime=%" PRId64 ".%09ld inode=%" PRIu64 "%s%s", what,
			t->checksum ?: t->checksum256 ?: canonical, t->bytes, (int64_t)t->mtime.tv_sec,
			t->mtime.tv_nsec, (uint64_t)inode, t->sig_path ? " sig=" : "", t->sig_path ?: "");
}

int template_name_it(struct template *t)
{
	const char *base = t->claim ?: t->identity;

	if (!base)
		return 0;
	t->stands_for = text_new("%s\nformat=%s size=%" PRIu64 " expand=%u lvexpand=%s", base, t->format ?: "",
				 t->size, t->expand, t->lvexpand ?: "");
	return t->stands_for ? 0 : -ENOMEM;
}

static int new_file(struct template *t, struct place *place, const char *relative, ino_t inode)
{
	t->file = calloc(1, sizeof(*t->file));
	if (!t->file)
		return -ENOMEM;
	t->file->place = place_ref(place);
	t->file->relative = strdup(relative);
	t->file->inode = inode;
	return t->file->relative ? 0 : -ENOMEM;
}

int template_attach_file(struct template *t, struct place *place, const char *relative, const char *shown,
			 const struct stat *st, struct why *why)
{
	int r = text_copy(&t->path, shown);

	if (r < 0)
		return r;
	if (st->st_size == 0)
		return fail(why, -EINVAL, "'%s' is empty", shown);
	t->bytes = st->st_size;
	t->mtime = st->st_mtim;
	t->mode = st->st_mode;
	t->uid = st->st_uid;
	t->gid = st->st_gid;
	return new_file(t, place, relative, st->st_ino);
}

int template_attach(struct template *t, struct place *place, const char *relative, const char *shown,
		    const struct spot *spot, struct why *why)
{
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = spot_open(spot, &fd, &st, why);
	if (r == 0)
		r = template_attach_file(t, place, relative, shown, &st, why);
	if (r == 0)
		r = sniff_file(t, fd, (uint64_t)st.st_size, why);
	if (r < 0)
		return r;
	t->identity = identity_of(t, spot->path, st.st_ino);
	return t->identity ? template_name_it(t) : -ENOMEM;
}

static bool is_seen(const struct template *t, const struct stat *st)
{
	return st->st_size >= 0 && (uint64_t)st->st_size == t->bytes && st->st_mtim.tv_sec == t->mtime.tv_sec &&
	       st->st_mtim.tv_nsec == t->mtime.tv_nsec && st->st_ino == t->file->inode;
}

int template_open(struct template *t, int *ret_fd, struct why *why)
{
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	_cleanup_close_ int fd = -1;
	struct stat st;
	int r;

	r = place_walk(t->file->place, t->file->relative, &spot, why);
	if (r == 0)
		r = spot_open(&spot, &fd, &st, why);
	if (r == 0 && is_seen(t, &st)) {
		*ret_fd = take_fd(fd);
		return 0;
	}
	/* Nobody may have noticed: the target of a link, a file on NFS. */
	place_ring(t->file->place);
	if (r == 0)
		return fail(why, -ESTALE, "'%s' has changed since the library was read", t->path);
	if (r == -ENOENT)
		return fail(why, -ESTALE, "'%s' is gone since the library was read", t->path);
	return r;
}

int template_open_sig(struct template *t, int *ret_fd, struct why *why)
{
	_cleanup_(spot_done) struct spot spot = { .parent = -1, .fd = -1 };
	struct stat st;
	int r = place_walk(t->file->place, t->sig_path, &spot, why);

	return r < 0 ? r : spot_open(&spot, ret_fd, &st, why);
}

/* Comparing. */

static bool same_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool same_texts(char **a, char **b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b; a++, b++)
		if (strcmp(*a, *b) != 0)
			return false;
	return *a == *b;
}

static bool same_notes(const struct template *a, const struct template *b)
{
	if (a->n_notes != b->n_notes)
		return false;
	for (size_t i = 0; i < a->n_notes; i++)
		if (strcmp(a->notes[i].lang, b->notes[i].lang) != 0 ||
		    strcmp(a->notes[i].text, b->notes[i].text) != 0)
			return false;
	return true;
}

static bool same_file(const struct template_file *a, const struct template_file *b)
{
	if (!a || !b)
		return a == b;
	return a->place == b->place && strcmp(a->relative, b->relative) == 0 && a->inode == b->inode;
}

bool template_same(const struct template *a, const struct template *b)
{
	return same_file(a->file, b->file) && same_text(a->identity, b->identity) &&
	       same_text(a->nbd_uri, b->nbd_uri) && same_texts(a->nbd_command, b->nbd_command) &&
	       same_text(a->url, b->url) && same_text(a->seen, b->seen) && same_text(a->proxy, b->proxy) &&
	       strcmp(a->path, b->path) == 0 && same_text(a->codec, b->codec) &&
	       strcmp(a->name, b->name) == 0 && strcmp(a->arch, b->arch) == 0 &&
	       same_text(a->title, b->title) && same_text(a->osinfo, b->osinfo) &&
	       same_text(a->format, b->format) && same_text(a->lvexpand, b->lvexpand) && a->size == b->size &&
	       a->compressed_size == b->compressed_size && a->revision == b->revision &&
	       a->expand == b->expand && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid &&
	       a->hidden == b->hidden && same_text(a->checksum, b->checksum) &&
	       same_text(a->checksum256, b->checksum256) && same_text(a->sig_url, b->sig_url) &&
	       same_text(a->sig_path, b->sig_path) && same_texts(a->sig_keys, b->sig_keys) &&
	       same_texts(a->sig_fingerprints, b->sig_fingerprints) && same_texts(a->aliases, b->aliases) &&
	       same_notes(a, b);
}

/* Notes. */

static const char *notes_in(const struct template *t, const char *lang, size_t count)
{
	for (size_t i = 0; i < t->n_notes; i++)
		if (strlen(t->notes[i].lang) == count && memcmp(t->notes[i].lang, lang, count) == 0)
			return t->notes[i].text;
	return NULL;
}

/* As setlocale would choose for LC_MESSAGES; that locale need not be installed here. */
static const char *user_locale(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && value[0])
			return value;
	}
	return "C";
}

const char *template_notes(const struct template *t)
{
	const char *locale = user_locale();
	const char *notes = notes_in(t, locale, strcspn(locale, ".@"));

	if (!notes)
		notes = notes_in(t, locale, strcspn(locale, "_.@"));
	return notes ? notes : notes_in(t, "C", 1);
}
