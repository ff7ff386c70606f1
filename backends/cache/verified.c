/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/cache/verified.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/lock.h"
#include "base/patience.h"
#include "base/text.h"

struct verified {
	struct image image;
	struct verdicts *verdicts; /* borrowed */
	struct image *file;	   /* owns a ref */
	enum verify how;
	struct promise promise; /* its texts are owned */
	atomic_bool is_good;	/* a verdict that does not change any more */
	atomic_llong next_try;	/* BEHIND: lock_now_ms() before which no attempt is begun */
};

static void verified_close(struct image *img)
{
	struct verified *v = (struct verified *)img;

	image_unref(v->file);
	free((char *)v->promise.identity);
	free((char *)v->promise.shown);
	free((char *)v->promise.sha512);
	free((char *)v->promise.sha256);
	judge_unref(v->promise.judge);
	free(v);
}

/*
 * Waits for the verdict, for which all of the file is wanted. While its bytes are still
 * on their way, what stands above them is made ready in the order in which they come: the
 * hints are given again and again, since each fills the decoders' queue and no more.
 */
static int wait_for_verdict(struct verified *v, struct why *why)
{
	image_hint(v->file, 0, v->file->size);
	for (;;) {
		int r;

		image_hint(v->image.below, 0, v->image.size);
		r = verdicts_wait(v->verdicts, v->promise.identity, PATIENCE_POLL_MS, why);
		if (r != -EAGAIN)
			return r;
	}
}

int verified_again_ms = 30000;

static bool is_time(struct verified *v)
{
	const long long now = lock_now_ms();

	if (v->how == VERIFY_BEHIND && now < v->next_try)
		return false;
	v->next_try = now + verified_again_ms;
	return true;
}

static int check_verdict(struct verified *v, struct why *why)
{
	int r = is_time(v) ? verdicts_begin(v->verdicts, &v->promise, v->file, why) : 0;

	if (r < 0)
		return r;
	if (v->how == VERIFY_BEFORE)
		r = wait_for_verdict(v, why);
	else
		r = verdicts_wait(v->verdicts, v->promise.identity, 0, why);
	if (r == 0)
		v->is_good = true;
	/* Behind: what is not known yet, or could not be found out just now, stops nobody. */
	return v->how == VERIFY_BEHIND && r != -EBADMSG ? 0 : r;
}

static int verified_pread(struct image *img, void *buf, size_t count, uint64_t offset, struct why *why)
{
	struct verified *v = (struct verified *)img;
	int r = v->is_good ? 0 : check_verdict(v, why);

	if (r == 0)
		r = image_pread(img->below, buf, count, offset, why);
	/* The verdict may have come while the bytes were on their way. */
	if (r == 0 && !v->is_good && v->how == VERIFY_BEHIND &&
	    verdicts_wait(v->verdicts, v->promise.identity, 0, why) == -EBADMSG)
		r = -EBADMSG;
	return r;
}

/* What is handed out for good can't be taken back. */
static int verified_backing(struct image *img, uint64_t offset, struct backing *ret)
{
	const struct verified *v = (const struct verified *)img;

	return v->is_good ? image_backing(img->below, offset, ret) : -ENODATA;
}

/* ---- waiting before it is opened ---- */

#define STEP (1 * MiB)

/* Bytes of data that are not made yet. */
static uint64_t missing(struct image *img)
{
	uint64_t bytes = 0;

	for (uint64_t at = 0, n; at < img->size; at += n) {
		n = min_u64(STEP, img->size - at);
		if (!image_is_here(img, at, n))
			bytes += n;
	}
	return bytes;
}

/*
 * Decoding went on beside the download, and mostly all but the last units are ready
 * now. Where they are not (the decoders are slower than the network) readers have what
 * they want before all of it is there. What can't be kept is not waited for again and again.
 */
static int await_last_units(struct image *img, struct why *why)
{
	uint8_t byte;
	int r = 0;

	if (missing(img) > image_data_bytes(img) / 8)
		return 0;
	image_hint(img, 0, img->size);
	for (uint64_t at = 0, n; r == 0 && at < img->size; at += n) {
		n = min_u64(STEP, img->size - at);
		if (image_is_here(img, at, n))
			continue;
		r = image_pread(img, &byte, 1, at, why);
		if (r == 0 && !image_is_here(img, at, 1))
			break;
	}
	return r == -EINTR ? r : 0; /* whoever reads there is told what is wrong with it */
}

static bool waits_for_verdict(const struct verified *v)
{
	return v->how == VERIFY_BEFORE && !v->is_good;
}

static bool verified_waits(struct image *img)
{
	return waits_for_verdict((struct verified *)img) || image_waits(img->below);
}

static int verified_await(struct image *img, struct why *why)
{
	struct verified *v = (struct verified *)img;
	int r = image_await(img->below, why);

	if (r < 0 || !waits_for_verdict(v))
		return r;
	r = check_verdict(v, why);
	return r < 0 ? r : await_last_units(img->below, why);
}

static void verified_describe(struct image *img, struct text *t)
{
	const struct verified *v = (const struct verified *)img;
	char state[VERDICT_TEXT_MAX];
	unsigned percent;
	enum verdict_state s = verdicts_state(v->verdicts, v->promise.identity, &percent, NULL);

	text_add(t, "    %s; reads %s\n", verdict_text(state, s, percent),
		 s == VERDICT_REJECTED	   ? "fail"
		 : s == VERDICT_VERIFIED   ? "need not wait"
		 : v->how == VERIFY_BEFORE ? "wait until the whole file is here and its checksum is right"
					   : "do not wait, and fail if the checksum turns out wrong");
}

/* Who opens it anew may find that the server has the right file by now. */
static bool verified_is_stale(struct image *img)
{
	const struct verified *v = (const struct verified *)img;

	return verdicts_wait(v->verdicts, v->promise.identity, 0, NULL) == -EBADMSG ||
	       image_is_stale(img->below);
}

static const struct image_ops verified_ops = {
	.name = "verify",
	.pread = verified_pread,
	.backing = verified_backing,
	.is_stale = verified_is_stale,
	.waits = verified_waits,
	.await = verified_await,
	.describe = verified_describe,
	.close = verified_close,
};

int verified_image_new(struct verdicts *verdicts, const struct promise *p, enum verify how, struct image *below,
		       struct image *file, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	struct verified *v = calloc(1, sizeof(*v));

	if (!v)
		return -ENOMEM;
	img = &v->image;
	image_init(img, &verified_ops, below->size, image_ref(below));
	v->verdicts = verdicts;
	v->how = how;
	v->file = image_ref(file);
	v->promise.judge = judge_ref(p->judge);
	if (text_copy((char **)&v->promise.identity, p->identity) < 0 ||
	    text_copy((char **)&v->promise.shown, p->shown) < 0 ||
	    text_copy((char **)&v->promise.sha512, p->sha512) < 0 ||
	    text_copy((char **)&v->promise.sha256, p->sha256) < 0)
		return -ENOMEM;
	v->is_good = verdicts_is_good(verdicts, p->identity, file);
	*ret = take(img);
	return 0;
}
