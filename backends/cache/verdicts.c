/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A verdict's sidecar: one line, "verified" or the reason of the rejection. It is
 * keyed by the file's identity under a name of its own, so that it stays when
 * what was stored of the file has to go.
 *
 * What has to go may have to come again, and whoever sends it can send something else. So of a remote file
 * "verified" is followed by the sum of what its chunks were (seals.h), and counts for an image that knows them.
 */
#include "backends/cache/verdicts.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backends/cache/fetched.h"
#include "backends/cache/store_private.h"
#include "base/digest.h"
#include "base/log.h"
#include "base/patience.h"
#include "base/text.h"

#define SIDECAR		"verdict"
#define SIDECAR_VERSION 2
#define GOOD		"verified"

#define STEP (256 * KiB) /* read and hashed at once; whole chunks of what is fetched */

static_assert(STEP % FETCH_CHUNK == 0, "seals are of whole chunks");

struct row {
	struct verdicts *verdicts;
	struct row *next;
	char *identity, *shown, *sha512, *sha256;
	struct judge *judge; /* owns a ref; or NULL */
	bool by_judge;	     /* its thread's: the checksums were right */
	struct image *file;  /* owns a ref while its thread runs */
	atomic_ullong done;
	uint64_t size;

	/* Guarded by the lock. */
	enum verdict_state state;
	int error; /* how the last attempt ended, if not by a verdict */
	struct why why;
	char sum[SEALS_SUM]; /* of the file that was verified; empty for a local one */
	pthread_t thread;
	bool has_thread; /* to be joined */
};

struct verdicts {
	pthread_mutex_t lock;
	pthread_cond_t moved;
	struct store *store;
	void (*rejected)(void *arg, const char *identity);
	void *arg;
	struct row *rows;
	atomic_bool ending;
};

struct verdicts *verdicts_new(const struct verdicts_options *options)
{
	struct verdicts *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	(void)pthread_mutex_init(&v->lock, NULL);
	lock_cond_init(&v->moved);
	v->store = options->store;
	v->rejected = options->rejected;
	v->arg = options->arg;
	return v;
}

struct judge *judge_ref(struct judge *j)
{
	if (j)
		(void)atomic_fetch_add(&j->refs, 1);
	return j;
}

void judge_unref(struct judge *j)
{
	if (j && atomic_fetch_sub(&j->refs, 1) == 1)
		j->free(j);
}

static void row_free(struct row *row)
{
	judge_unref(row->judge);
	image_unref(row->file);
	free(row->identity);
	free(row->shown);
	free(row->sha512);
	free(row->sha256);
	free(row);
}

/* With the lock held. */
static struct row *find_at_work(const struct verdicts *v)
{
	struct row *row = v->rows;

	while (row && !row->has_thread)
		row = row->next;
	return row;
}

void verdicts_end(struct verdicts *v)
{
	struct row *row;

	(void)pthread_mutex_lock(&v->lock);
	v->ending = true;
	while ((row = find_at_work(v))) {
		row->has_thread = false;
		(void)pthread_mutex_unlock(&v->lock);
		/* None is begun any more, so this stays the row's last. */
		(void)pthread_join(row->thread, NULL);
		(void)pthread_mutex_lock(&v->lock);
	}
	(void)pthread_mutex_unlock(&v->lock);
}

void verdicts_free(struct verdicts *v)
{
	if (!v)
		return;
	verdicts_end(v);
	while (v->rows) {
		struct row *row = v->rows;

		v->rows = row->next;
		row_free(row);
	}
	(void)pthread_cond_destroy(&v->moved);
	(void)pthread_mutex_destroy(&v->lock);
	free(v);
}

/* ---- what is remembered ---- */

static char *sidecar_identity(const char *identity)
{
	return text_new("verdict:%s", identity);
}

/* Of what the image has seen of its file; empty for a local one. False: not all of it. */
static bool sum_of(struct image *file, char ret[static SEALS_SUM])
{
	struct image *fetched = fetched_below(file);

	ret[0] = '\0';
	return !fetched || fetched_sum(fetched, ret);
}

static bool is_sum(struct image *file, const char *sum)
{
	char is[SEALS_SUM];

	return sum_of(file, is) && strcmp(is, sum) == 0;
}

static bool take_good(const char *line, size_t count, char ret_sum[static SEALS_SUM])
{
	const size_t n = strlen(GOOD);

	if (count < n || memcmp(line, GOOD, n) != 0 || (count > n && count != n + SEALS_SUM))
		return false;
	(void)snprintf(ret_sum, SEALS_SUM, "%.*s", count > n ? SEALS_SUM - 1 : 0, line + n + 1);
	return true;
}

static enum verdict_state load(struct verdicts *v, const char *identity, char ret_sum[static SEALS_SUM],
			       struct why *why)
{
	_cleanup_free_ char *key = sidecar_identity(identity);
	_cleanup_free_ char *line = NULL;
	size_t count;

	if (!key || store_sidecar_read(v->store, key, SIDECAR, SIDECAR_VERSION, (void **)&line, &count) < 0)
		return VERDICT_UNVERIFIED;
	if (take_good(line, count, ret_sum))
		return VERDICT_VERIFIED;
	(void)fail(why, -EBADMSG, "%.*s", (int)min_u64(count, sizeof(why->text)), line);
	return VERDICT_REJECTED;
}

static void save(struct verdicts *v, const char *identity, const char *line)
{
	_cleanup_free_ char *key = sidecar_identity(identity);

	if (key)
		store_sidecar_write(v->store, key, SIDECAR, SIDECAR_VERSION, line, strlen(line));
}

static void save_good(struct verdicts *v, const struct row *row)
{
	_cleanup_free_ char *line = text_new(GOOD "%s%s", row->sum[0] ? " " : "", row->sum);

	if (line)
		save(v, row->identity, line);
}

/* ---- rows ---- */

/* All with the lock held. */
static struct row *find_row(const struct verdicts *v, const char *identity)
{
	for (struct row *row = v->rows; row; row = row->next)
		if (strcmp(row->identity, identity) == 0)
			return row;
	return NULL;
}

static int add_row(struct verdicts *v, const struct promise *p, uint64_t size, struct row **ret)
{
	struct row *row = calloc(1, sizeof(*row));

	if (!row)
		return -ENOMEM;
	row->verdicts = v;
	row->judge = judge_ref(p->judge);
	row->size = size;
	row->state = VERDICT_UNVERIFIED;
	if (text_copy(&row->identity, p->identity) < 0 || text_copy(&row->shown, p->shown) < 0 ||
	    text_copy(&row->sha512, p->sha512) < 0 || text_copy(&row->sha256, p->sha256) < 0) {
		row_free(row);
		return -ENOMEM;
	}
	row->next = v->rows;
	v->rows = row;
	*ret = row;
	return 0;
}

enum verdict_state verdicts_state(struct verdicts *v, const char *identity, unsigned *ret_percent,
				  struct why *why)
{
	char sum[SEALS_SUM];

	if (ret_percent)
		*ret_percent = 0;
	{
		LOCKED(&v->lock);

		struct row *row = find_row(v, identity);

		if (row && row->state == VERDICT_VERIFYING && ret_percent)
			*ret_percent = row->size ? (unsigned)(row->done * 100 / row->size) : 100;
		if (row && row->state == VERDICT_REJECTED && why)
			*why = row->why;
		if (row && row->state != VERDICT_UNVERIFIED)
			return row->state;
	}
	return load(v, identity, sum, why);
}

bool verdicts_is_good(struct verdicts *v, const char *identity, struct image *file)
{
	enum verdict_state state = VERDICT_UNVERIFIED;
	char sum[SEALS_SUM];

	{
		LOCKED(&v->lock);

		const struct row *row = find_row(v, identity);

		if (row)
			state = row->state;
		if (state == VERDICT_VERIFIED)
			memcpy(sum, row->sum, sizeof(sum));
	}
	if (state == VERDICT_UNVERIFIED)
		state = load(v, identity, sum, NULL);
	return state == VERDICT_VERIFIED && is_sum(file, sum);
}

const char *verdict_text(char buf[static VERDICT_TEXT_MAX], enum verdict_state state, unsigned percent)
{
	static const char *const names[] = {
		[VERDICT_NONE] = "no checksum",	   [VERDICT_UNVERIFIED] = "unverified",
		[VERDICT_VERIFYING] = "verifying", [VERDICT_VERIFIED] = "verified",
		[VERDICT_REJECTED] = "rejected",
	};

	if (state == VERDICT_VERIFYING)
		(void)snprintf(buf, VERDICT_TEXT_MAX, "%s %u%%", names[state], percent);
	else
		(void)snprintf(buf, VERDICT_TEXT_MAX, "%s", names[state]);
	return buf;
}

/* ---- verifying ---- */

static bool is_ending(void *arg)
{
	return ((struct verdicts *)arg)->ending;
}

static int hash_file(struct row *row, gcry_md_hd_t md, struct why *why)
{
	_cleanup_free_ uint8_t *buf = malloc(STEP);
	struct image *fetched = fetched_below(row->file);

	if (!buf)
		return -ENOMEM;
	/* All of it will be read: a server had better send it in long pieces from the first moment on. */
	image_hint(row->file, 0, row->size);
	for (uint64_t at = 0; at < row->size;) {
		const size_t n = min_u64(STEP, row->size - at);
		int r = row->verdicts->ending ? -ECANCELED : image_pread(row->file, buf, n, at, why);

		/* Words for verdicts, and this is none: a server that denies access says nothing of the bytes. */
		if (r == -EBADMSG || r == -EACCES)
			return -EIO;
		if (r == 0 && fetched)
			r = fetched_note(fetched, buf, n, at, why);
		if (r < 0)
			return r;
		gcry_md_write(md, buf, n);
		at += n;
		row->done = at;
	}
	return 0;
}

/* 0, or -EBADMSG when the digest is not the one that was promised. */
static int compare(struct row *row, gcry_md_hd_t md, int algorithm, const char *name, const char *promised,
		   struct why *why)
{
	const unsigned count = gcry_md_get_algo_dlen(algorithm);
	const uint8_t *digest = gcry_md_read(md, algorithm);
	char hex[2 * 64 + 1];

	for (unsigned i = 0; i < count; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", digest[i]);
	if (strcmp(hex, promised) == 0)
		return 0;
	return fail(why, -EBADMSG, "'%s' is rejected: its %s begins with %.16s, the library promises %.16s...",
		    row->shown, name, hex, promised);
}

static int check_digests(struct row *row, struct why *why)
{
	gcry_md_hd_t md;
	int r;

	if (!digest_ready() || gcry_md_open(&md, 0, 0) != 0)
		return -ENOMEM;
	if (row->sha512)
		(void)gcry_md_enable(md, GCRY_MD_SHA512);
	if (row->sha256)
		(void)gcry_md_enable(md, GCRY_MD_SHA256);
	r = hash_file(row, md, why);
	if (r == 0 && row->sha512)
		r = compare(row, md, GCRY_MD_SHA512, "sha512", row->sha512, why);
	if (r == 0 && row->sha256)
		r = compare(row, md, GCRY_MD_SHA256, "sha256", row->sha256, why);
	gcry_md_close(md);
	return r;
}

/* The reader's own words for a damaged file must not be taken for a verdict: that is the checksums' alone. */
static int verify(struct row *row, struct why *why)
{
	int r = check_digests(row, why);

	if (r < 0)
		return r;
	if (!sum_of(row->file, row->sum))
		return fail(why, -ESTALE, "'%s' is not what it was when it was read before", row->shown);
	/* What it judges by may be replaced while the file stays: a rejection of its is not kept. */
	row->by_judge = row->judge != NULL;
	return !row->judge ? 0 : row->judge->judge(row->judge, row->file, why);
}

/* The file, and what was made of it. */
static void forget(struct verdicts *v, const struct row *row)
{
	_cleanup_free_ char *fetched = text_new(STORE_FETCHED "%s", row->identity);

	store_forget(v->store, row->identity);
	if (fetched)
		store_forget(v->store, fetched);
}

static void reject(struct row *row, const struct why *why)
{
	struct verdicts *v = row->verdicts;

	log_error("%s", why->text);
	if (!row->by_judge)
		save(v, row->identity, why->text);
	forget(v, row);
	if (v->rejected)
		v->rejected(v->arg, row->identity);
}

/* First what the verdict is for. */
static void keep_good(const struct row *row)
{
	struct image *fetched = fetched_below(row->file);

	if (fetched)
		fetched_save(fetched);
	save_good(row->verdicts, row);
}

static void *run(void *arg)
{
	struct row *row = arg;
	struct verdicts *v = row->verdicts;
	struct why why = { "" };
	int r;

	patience_set(is_ending, v);
	r = verify(row, &why);
	if (r == -EINTR)
		r = -ECANCELED;
	if (r == 0)
		keep_good(row);
	{
		LOCKED(&v->lock);

		row->state = r == 0			     ? VERDICT_VERIFIED
			     : r == -EBADMSG || r == -EACCES ? VERDICT_REJECTED
							     : VERDICT_UNVERIFIED;
		row->error = r;
		row->why = why;
		(void)pthread_cond_broadcast(&v->moved);
	}
	if (r == 0)
		log_note("'%s' is verified", row->shown);
	else if (r == -EBADMSG || r == -EACCES)
		reject(row, &why);
	image_unref(take(row->file));
	return NULL;
}

int verdicts_begin(struct verdicts *v, const struct promise *p, struct image *file, struct why *why)
{
	struct row *row;
	int r = 0;
	LOCKED(&v->lock);

	row = find_row(v, p->identity);
	if (row && (row->state == VERDICT_VERIFIED ? is_sum(file, row->sum) : row->state != VERDICT_UNVERIFIED))
		return 0;
	if (v->ending)
		return fail(why, -ECANCELED, "the mount is ending");
	if (!row)
		r = add_row(v, p, file->size, &row);
	if (r < 0)
		return r;
	/* The thread of the last attempt is past its last lock. */
	if (row->has_thread)
		(void)pthread_join(row->thread, NULL);
	row->has_thread = false;
	row->state = load(v, row->identity, row->sum, &row->why);
	if (row->state == VERDICT_VERIFIED && !is_sum(file, row->sum))
		row->state = VERDICT_UNVERIFIED;
	row->error = row->state == VERDICT_REJECTED ? -EBADMSG : 0;
	if (row->state != VERDICT_UNVERIFIED)
		return 0;
	row->done = 0;
	row->by_judge = false;
	row->file = image_ref(file);
	r = lock_thread_start(&row->thread, "goalfs-verify", run, row);
	if (r < 0) {
		image_unref(take(row->file));
		return fail(why, r, "no thread could be started to verify '%s': %s", row->shown, strerror(-r));
	}
	row->has_thread = true;
	row->state = VERDICT_VERIFYING;
	return 0;
}

/* With the lock held. */
static int verdict_of(const struct row *row, struct why *why)
{
	if (!row || row->state == VERDICT_VERIFYING)
		return -EAGAIN;
	if (row->state == VERDICT_VERIFIED)
		return 0;
	if (why)
		*why = row->why;
	if (row->state == VERDICT_REJECTED)
		return -EBADMSG;
	return row->error < 0 ? row->error : -EAGAIN;
}

int verdicts_wait(struct verdicts *v, const char *identity, int ms, struct why *why)
{
	const int64_t until = lock_now_ms() + ms;
	int r;
	LOCKED(&v->lock);

	for (;;) {
		bool lost;

		r = verdict_of(find_row(v, identity), why);
		if (r != -EAGAIN || lock_now_ms() >= until)
			return r;
		lock_cond_wait_until(&v->moved, &v->lock,
				     lock_now_ms() + min_u64(PATIENCE_POLL_MS, (uint64_t)ms));
		(void)pthread_mutex_unlock(&v->lock);
		lost = patience_lost();
		(void)pthread_mutex_lock(&v->lock);
		if (lost)
			return fail(why, -EINTR, "given up waiting for the verdict on '%.*s'",
				    STORE_SHOWN(identity));
	}
}
