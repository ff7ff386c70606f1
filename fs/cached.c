/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/cached.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "backends/cache/store.h"
#include "backends/cache/verified.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/size.h"
#include "fs/judge.h"

/* ---- printing ---- */

static void print_one(struct context *context, struct template *t, struct text *out)
{
	uint64_t there = 0, all = 0;

	text_add(out, "%-24s %-10s ", t->name, t->arch);
	if (registry_fetched(context, t, &there, &all) == 0 && there == all)
		text_add(out, "cached");
	else if (there)
		text_add(out, "%" PRIu64 "%%", there * 100 / all);
	text_add(out, "\n");
}

int cached_print(struct context *context, struct library *library, const char *dir, struct text *out)
{
	struct template **t;
	size_t n;
	int r = library_list(library, &t, &n);

	if (r < 0)
		return r;
	text_add(out, "cache directory: %s\n", dir);
	for (size_t i = 0; i < n; i++)
		if (t[i]->url && !t[i]->hidden)
			print_one(context, t[i], out);
	templates_free(t, n);
	return out->error;
}

/* ---- fetching ---- */

#define STEP	     (1 * MiB)
#define PROGRESS_MS  200
#define PROGRESS_BAR 30

struct progress {
	const char *name;
	int64_t began, shown; /* lock_now_ms() */
	bool is_shown;
};

static void show_progress(struct progress *p, uint64_t at, uint64_t all)
{
	const int64_t now = lock_now_ms();
	const int full = (int)(at * PROGRESS_BAR / all);
	char bytes[SIZE_TEXT_MAX], rate[SIZE_TEXT_MAX];

	if (!isatty(STDERR_FILENO) || (at < all && now < p->shown + PROGRESS_MS))
		return;
	p->shown = now;
	p->is_shown = true;
	(void)fprintf(stderr, "\r%-24s [%.*s%*s] %3" PRIu64 "%% of %s, %s/s \033[K", p->name, full,
		      "##############################", PROGRESS_BAR - full, "", at * 100 / all,
		      size_human(bytes, all), size_human(rate, at * 1000 / (uint64_t)(now - p->began + 1)));
}

static void end_progress(const struct progress *p)
{
	if (p->is_shown)
		(void)fprintf(stderr, "\n");
}

static int read_all(struct image *img, struct progress *p, struct why *why)
{
	_cleanup_free_ uint8_t *buf = malloc(STEP);

	if (!buf)
		return -ENOMEM;
	for (uint64_t at = 0; at < img->size;) {
		const size_t n = min_u64(STEP, img->size - at);
		int r = image_pread(img, buf, n, at, why);

		if (r < 0)
			return r;
		at += n;
		show_progress(p, at, img->size);
	}
	return 0;
}

static int verify(struct context *context, struct template *t, struct image *file, struct why *why)
{
	_cleanup_(judge_unrefp) struct judge *judge = NULL;
	struct promise promise;
	int r;

	if (context->verify == VERIFY_OFF || !is_promised(t))
		return 0;
	r = judge_by_signature(context->net, t, &judge);
	if (r < 0)
		return r;
	promise = promise_of(t, judge);
	r = verdicts_begin(context->verdicts, &promise, file, why);
	while (r == 0 || r == -EAGAIN) {
		r = verdicts_wait(context->verdicts, t->identity, PROGRESS_MS, why);
		if (r == 0)
			break;
	}
	return r;
}

static int fetch_one(struct context *context, struct template *t, struct why *why)
{
	_cleanup_(template_unrefp) struct template *met = NULL;
	_cleanup_(image_unrefp) struct image *file = NULL;
	struct progress p = { t->name, lock_now_ms(), 0, false };
	int r = registry_meet(context, t, &met, why);

	if (r == 0)
		r = registry_open_file(context, met, &file, why);
	if (r == 0)
		r = read_all(file, &p, why);
	end_progress(&p);
	return r < 0 ? r : verify(context, met, file, why);
}

int cached_fetch_all(struct context *context, struct library *library, struct why *why)
{
	struct template **t;
	size_t n;
	int r = library_list(library, &t, &n), error = 0;

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct why reason = { "" };

		r = t[i]->url ? fetch_one(context, t[i], &reason) : 0;
		if (r == 0)
			continue;
		if (error < 0)
			log_error("%s", why->text);
		error = fail(why, r, "%s: %s", t[i]->name, why_text(&reason, r));
	}
	templates_free(t, n);
	return error;
}

/* ---- deleting ---- */

static bool is_index(const char *name)
{
	const size_t n = strlen(name), end = strlen(".index");

	return n > end && strcmp(name + n - end, ".index") == 0;
}

int cached_delete(struct context *context, int kept_dirfd, struct why *why)
{
	int fd = kept_dirfd < 0 ? -1 : openat(kept_dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *d;

	store_clear(context->store);
	if (!dir) {
		closep(&fd);
		return 0;
	}
	while ((d = readdir(dir)))
		if (is_index(d->d_name))
			(void)unlinkat(kept_dirfd, d->d_name, 0);
	(void)closedir(dir);
	return 0;
}
