/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/backend.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

#include "backends/cache/cache.h"
#include "backends/cache/early.h"
#include "backends/decode/iso.h"
#include "backends/decode/qcow2.h"
#include "backends/decode/tar.h"
#include "backends/decode/bzip2.h"
#include "backends/decode/gzip.h"
#include "backends/decode/qemu_nbd.h"
#include "backends/decode/xz.h"
#include "backends/decode/zstd.h"
#include "backends/layout/qcow2.h"
#include "backends/layout/vdi.h"
#include "backends/layout/vhd.h"
#include "backends/layout/vhdx.h"
#include "backends/layout/vmdk.h"
#include "backends/library/library.h"
#include "backends/lv.h"
#include "backends/map.h"
#include "backends/partition.h"
#include "backends/resize.h"
#include "backends/source/file.h"
#include "backends/source/http.h"
#include "backends/source/nbd.h"
#include "backends/sparse.h"

/* In the order of the way up: where plans cost the same, the earlier row wins. */
/* clang-format off */
static const struct backend *const backends[] = {
	&file_backend,
	&http_backend,
	&nbd_backend,
	&xz_backend,
	&gzip_backend,
	&bzip2_backend,
	&zstd_backend,
	&tar_backend,
	&iso_backend,
	&read_qcow2_backend,
	&qemu_nbd_backend,
	&cache_backend,
	&sparse_backend,
	&resize_backend,
	&partition_backend,
	&lv_backend,
	&qcow2_layout_backend,
	&vdi_layout_backend,
	&vmdk_layout_backend,
	&vhd_layout_backend,
	&vhdx_layout_backend,
};
/* clang-format on */

#define N_BACKENDS (sizeof(backends) / sizeof(backends[0]))

static struct transition transitions[N_BACKENDS + 1];

static void fill_transitions(void)
{
	for (size_t i = 0; i < N_BACKENDS; i++)
		transitions[i] = (struct transition){ backends[i]->name, backends[i]->offer };
}

const struct transition *registry_transitions(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, fill_transitions);
	return transitions;
}

static const struct backend *backend_named(const char *name)
{
	for (size_t i = 0; i < N_BACKENDS; i++)
		if (strcmp(backends[i]->name, name) == 0)
			return backends[i];
	return NULL;
}

/*
 * Images that are open, by what made them: the template's identity and the steps
 * so far. The list holds no refs; an image takes itself off as it closes. The
 * lock covers the list alone and is never held while a step is opened, so two
 * may open the same image at once: the second to come back finds the first
 * one's on the list and drops its own.
 */
struct entry {
	struct registry *registry;
	struct image *image; /* no ref */
	struct early *early; /* owns a ref: what it was opened by before that was checked; or NULL */
	char *key;
	struct entry *next;
};

struct registry {
	pthread_mutex_t lock;
	struct entry *entries; /* guarded by lock */
};

struct registry *registry_new(void)
{
	struct registry *r = calloc(1, sizeof(*r));

	if (r)
		pthread_mutex_init(&r->lock, NULL);
	return r;
}

void registry_free(struct registry *r)
{
	if (!r)
		return;
	assert(!r->entries);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

void registry_bound_maps(uint64_t bytes, bool (*scarce)(void *arg), void *arg)
{
	map_bound(bytes, scarce, arg);
}

/* What was opened by bytes that turned out damaged is opened anew. `ret_early` gets a ref, too, or NULL. */
static struct image *find_locked(struct registry *r, const char *key, struct early **ret_early)
{
	for (struct entry *e = r->entries; e; e = e->next) {
		struct image *img;

		if (strcmp(e->key, key) != 0 || (e->early && early_failed(e->early)))
			continue;
		img = image_ref_alive(e->image);
		if (!img)
			continue;
		*ret_early = e->early ? early_ref(e->early) : NULL;
		return img;
	}
	return NULL;
}

/*
 * Who opens early takes over what the image stands on; who does not, waits. What is found damaged now may be
 * right when it is read again: then there is no image, and no error.
 */
static int accept(struct image **img, struct early *found, struct early *early, struct why *why)
{
	int r = 0;

	if (found)
		r = early ? early_join(early, found) : early_await(found, why);
	if (r < 0)
		image_unref(take(*img));
	return r == -EINTR || r == -ENOMEM ? r : 0;
}

/* An image that is open already, or NULL. */
static int find(struct registry *r, const char *key, struct early *early, struct image **ret, struct why *why)
{
	_cleanup_(early_unrefp) struct early *found = NULL;

	pthread_mutex_lock(&r->lock);
	*ret = find_locked(r, key, &found);
	pthread_mutex_unlock(&r->lock);
	return accept(ret, found, early, why);
}

static void entry_free(struct entry *e)
{
	early_unref(e->early);
	free(e->key);
	free(e);
}

static void entry_gone(void *arg)
{
	struct entry *self = arg;
	struct registry *r = self->registry;

	pthread_mutex_lock(&r->lock);
	for (struct entry **at = &r->entries; *at; at = &(*at)->next)
		if (*at == self) {
			*at = self->next;
			break;
		}
	pthread_mutex_unlock(&r->lock);
	entry_free(self);
}

static struct entry *entry_new(struct registry *r, const char *key, struct image *img, struct early *early)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e || !(e->key = strdup(key))) {
		free(e);
		return NULL;
	}
	e->registry = r;
	e->image = img;
	e->early = early && early_waits(early) ? early_ref(early) : NULL;
	return e;
}

/*
 * Puts an image that was just opened on the list, or finds that another thread
 * was faster: then `img` becomes a ref to the one that stays.
 */
static int share(struct registry *r, const char *key, struct early *early, struct image **img, struct why *why)
{
	_cleanup_(early_unrefp) struct early *found = NULL;
	struct entry *e;
	struct image *first;
	int error;

	/* A step that had nothing to do gave back the image below, which is on the list. */
	if ((*img)->gone)
		return 0;
	e = entry_new(r, key, *img, early);
	if (!e)
		return -ENOMEM;
	pthread_mutex_lock(&r->lock);
	first = find_locked(r, key, &found);
	if (!first) {
		(*img)->gone = entry_gone;
		(*img)->gone_arg = e;
		e->next = r->entries;
		r->entries = e;
	}
	pthread_mutex_unlock(&r->lock);
	if (!first)
		return 0;
	entry_free(e);
	error = accept(&first, found, early, why);
	if (first) {
		image_unref(*img);
		*img = first;
	}
	return error;
}

/* What a step stands on while it is opened for somebody who only looks; NULL: on checked bytes. */
static int open_anew(const struct opening *opening, struct image *below, struct early *early,
		     struct image **ret, struct why *why)
{
	struct early *was = early_set(early);
	int r = backend_named(opening->step->backend)->open(opening, below, ret, why);

	(void)early_set(was);
	return r;
}

static int open_step(const struct opening *opening, const char *key, struct image *below, struct early *early,
		     struct image **ret, struct why *why)
{
	struct registry *r = opening->context->registry;
	_cleanup_(image_unrefp) struct image *img = NULL;
	int error = find(r, key, early, &img, why);

	if (error == 0 && !img) {
		error = open_anew(opening, below, early, &img, why);
		if (error == 0)
			error = share(r, key, early, &img, why);
	}
	if (error == 0)
		*ret = take(img);
	return error;
}

static void add_step(struct text *key, const struct step *step)
{
	text_add(key, " > %s(", step->backend);
	tags_text(&step->args, key);
	text_add(key, ")");
}

int registry_meet(struct context *context, struct template *t, struct template **ret, struct why *why)
{
	if (t->url)
		return http_meet(context, t, ret, why);
	*ret = template_ref(t);
	return 0;
}

int registry_recall(struct context *context, struct template *t, struct template **ret)
{
	if (t->url)
		return http_recall(context, t, ret);
	*ret = template_ref(t);
	return 0;
}

int registry_recheck(struct context *context, struct template *t, struct template *met, struct why *why)
{
	return t->url ? http_recheck(context, t, met, why) : 0;
}

int registry_open_file(struct context *context, struct template *met, struct image **ret, struct why *why)
{
	const struct step step = { .backend = met->url			? http_backend.name
					      : template_is_export(met) ? nbd_backend.name
									: file_backend.name };
	const struct opening opening = { context, met, &step };
	_cleanup_(text_done) struct text key = TEXT_EMPTY;

	text_add(&key, "%s", met->identity);
	add_step(&key, &step);
	return key.error ? key.error
			 : open_step(&opening, key.chars, /* below= */ NULL, /* early= */ NULL, ret, why);
}

int registry_size(struct context *context, struct template *t, uint64_t *ret, struct why *why)
{
	const struct step step = { .backend = t->codec };
	const struct opening opening = { context, t, &step };
	const struct backend *backend = t->codec ? backend_named(t->codec) : NULL;
	_cleanup_(image_unrefp) struct image *file = NULL;
	int r;

	if (!t->file || template_is_export(t) || (t->codec && (!backend || !backend->size)))
		return fail(why, -EOPNOTSUPP, "'%s' has to be opened to tell its size", t->path);
	r = registry_open_file(context, t, &file, why);
	if (r == 0 && backend)
		r = backend->size(&opening, file, ret, why);
	else if (r == 0)
		*ret = file->size;
	return r;
}

int registry_fetched(struct context *context, struct template *t, uint64_t *ret_there, uint64_t *ret_all)
{
	return t->url ? http_fetched(context, t, ret_there, ret_all) : -ENOENT;
}

void registry_forget(struct context *context, struct template *t)
{
	if (t->url)
		http_forget(context, t);
}

const char *opening_identity(const struct opening *opening)
{
	return opening->identity ?: opening->template->identity;
}

/* Whether the step takes something off: a codec, or a disk format. */
static bool takes_off(const struct tags *before, const struct step *step)
{
	const char *codec = tags_get(before, "codec"), *rest = tags_get(&step->after, "codec");
	const char *format = tags_get(before, "format");

	if (codec && (!rest || strcmp(codec, rest) != 0))
		return true;
	return format && strcmp(format, "raw") != 0 && tags_is(&step->after, "format", "raw");
}

/*
 * What the index promises of the file is the same for everybody; its path, its times
 * and its inode are not.
 */
static void begin_seed(struct text *seed, const struct template *t)
{
	if (t->checksum || t->checksum256)
		text_add(seed, "%s", t->checksum ?: t->checksum256);
	else
		text_add(seed, "%s@%s revision %" PRId64, t->name, t->arch, t->revision);
}

/*
 * Nothing early goes below the disk: what stands there is kept in the store, or decoded by it.
 */
static int open_plan(struct context *context, struct template *template, const struct plan *plan,
		     struct early *early, struct image **ret, struct why *why)
{
	_cleanup_(image_unrefp) struct image *img = NULL;
	_cleanup_(text_done) struct text key = TEXT_EMPTY, seed = TEXT_EMPTY, identity = TEXT_EMPTY;
	const struct tags *before = &plan->start;
	bool is_bare = true;
	int r;

	text_add(&key, "%s", template->identity);
	text_add(&identity, "%s", template->identity);
	begin_seed(&seed, template);
	for (size_t i = 0; i < plan->n_steps; before = &plan->step[i++].after) {
		struct opening opening = { context, template, &plan->step[i] };
		struct image *next = NULL;
		const bool unwraps = takes_off(before, opening.step);

		add_step(&key, &plan->step[i]);
		/* How the disk was come by is one host's matter. */
		if (offer_is_raw_disk(before))
			add_step(&seed, &plan->step[i]);
		if (unwraps)
			text_add(&identity, "%s%s", is_bare ? "\n" : ",", opening.step->backend);
		if (key.error || seed.error || identity.error)
			return -ENOMEM;
		is_bare &= !unwraps;
		opening.seed = seed.chars;
		opening.identity = identity.chars;
		r = open_step(&opening, key.chars, img, offer_is_raw_disk(before) ? early : NULL, &next, why);
		if (r < 0)
			return r;
		image_unref(img);
		img = next;
	}
	if (!img)
		return fail(why, -EINVAL, "a plan without steps");
	*ret = take(img);
	return 0;
}

int registry_open(struct context *context, struct template *template, const struct plan *plan,
		  struct image **ret, struct why *why)
{
	return open_plan(context, template, plan, /* early= */ NULL, ret, why);
}

int registry_look(struct context *context, struct template *template, const struct plan *plan,
		  struct image **ret, struct why *why)
{
	_cleanup_(early_unrefp) struct early *early = early_new();
	_cleanup_(image_unrefp) struct image *img = NULL;
	int r = early ? open_plan(context, template, plan, early, &img, why) : -ENOMEM;

	if (r == 0 && early_waits(early))
		return early_image_new(early, img, ret);
	if (r == 0)
		*ret = take(img);
	return r;
}
