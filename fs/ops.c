/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The FUSE operations. What may wait (a name resolved for the first time, an
 * image opened again, a read) is put into a struct request and passes the gate;
 * the rest is answered on the spot.
 */
#include "fs/mount.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

#include "backends/cache/store.h"
#include "backends/cache/verdicts.h"
#include "base/bytes.h"
#include "base/lock.h"
#include "base/log.h"
#include "base/patience.h"
#include "fs/attributes.h"
#include "fs/buffer.h"
#include "fs/handle.h"
#include "fs/listing.h"
#include "fs/news.h"
#include "fs/passthrough.h"
#include "fs/signals.h"
#include "fs/unmount.h"

/* What a name stands for changes only with the library, and then the kernel is told. */
#define LONG_TIME 86400.0
/* Texts are made anew at each lookup, once the kernel asks again. */
#define SHORT_TIME 1.0

#define XATTR_PLAN     "user.goalfs.plan"
#define XATTR_VERIFIED "user.goalfs.verified"

struct request {
	struct gate_work work;
	struct mount *m;
	fuse_req_t req;
	char *name;	     /* lookup: owned */
	uint64_t id;	     /* lookup by id: what the name must still have, else 0 */
	struct node *node;   /* open: owns a ref */
	struct image *image; /* open, when it was resolved: owns a ref */
	struct fuse_file_info fi;
	struct handle *handle; /* read: the kernel holds the file open until it was answered */
	size_t count;
	off_t offset;
};

static struct mount *mount_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* False, and the request is answered, when memory ran out. */
static bool pass(fuse_req_t req, struct gate *gate, const struct request *r,
		 void (*run)(struct gate_work *work))
{
	struct request *copy = malloc(sizeof(*copy));

	if (!copy) {
		free(r->name);
		if (r->node)
			node_put(mount_of(req)->nodes, r->node);
		image_unref(r->image);
		fuse_reply_err(req, ENOMEM);
		return false;
	}
	*copy = *r;
	copy->work.run = run;
	copy->m = mount_of(req);
	copy->req = req;
	gate_pass(gate, &copy->work);
	return true;
}

/* At the end of the mount, too: what a reader waits for may take longer than whoever stops us has patience. */
static bool interrupted(void *arg)
{
	return atomic_load(&mount_of(arg)->ending) ||
	       (fuse_req_interrupted(arg) && signals_wait_for(fuse_req_ctx(arg)->pid));
}

/*
 * What can't be made does not exist, of a damaged template neither: libvirt passes
 * over a listed file that is not there, but at any other error it gives the
 * whole pool up. What could not be found out is an I/O error. The reason is in
 * NAME.plan and in the log.
 */
static int lookup_errno(int r)
{
	switch (r) {
	case -EBADMSG:
	case -ENOENT:
	case -EINVAL:
	case -E2BIG:
	case -EOPNOTSUPP:
		return ENOENT;
	case -ENOMEM:
	case -EINTR:
	case -ESTALE:
	case -ENOSPC:
	case -EMFILE:
	case -ENFILE:
		return -r;
	default:
		return EIO;
	}
}

/* Attributes. */

static double lifetime_of(const struct node *node)
{
	return node->text ? SHORT_TIME : LONG_TIME;
}

/* Consumes the ref. */
static void reply_attributes(fuse_req_t req, struct node *node)
{
	struct mount *m = mount_of(req);
	struct stat st = attributes_of(m, node);

	fuse_reply_attr(req, &st, lifetime_of(node));
	node_put(m->nodes, node);
}

/*
 * An NFS client that opens a file again asks for its attributes by the handle that
 * it has, not by the name. A text's handle stands for one content: when the
 * name gives another one by now, the handle is stale, and the client looks up the
 * name. Who has the text open goes on reading it.
 */
static bool is_to_be_checked(struct mount *m, struct node *node)
{
	bool is_open;

	if (!node->text || lock_now_ms() - node->made < (int64_t)(SHORT_TIME * 1000))
		return false;
	pthread_mutex_lock(&m->lock);
	is_open = node->passing.opens > 0;
	pthread_mutex_unlock(&m->lock);
	return !is_open;
}

static void getattr_run(struct gate_work *work)
{
	struct request *r = (struct request *)work;
	_cleanup_(resolved_done) struct resolved resolved = { 0 };
	struct why why = { "" };
	int error;

	patience_set(interrupted, r->req);
	error = resolve(r->m->context, r->m->library, r->node->name, &resolved, &why);
	patience_set(NULL, NULL);
	if (error == 0 && resolved.text && strcmp(resolved.text, r->node->text) == 0) {
		r->node->made = lock_now_ms();
		reply_attributes(r->req, r->node);
	} else {
		fuse_reply_err(r->req,
			       error < 0 && lookup_errno(error) != ENOENT ? lookup_errno(error) : ESTALE);
		node_put(r->m->nodes, r->node);
	}
	free(r);
}

static void op_getattr(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *node;
	struct stat st;

	if (id == ROOT_ID) {
		st = attributes_of_root(m);
		fuse_reply_attr(req, &st, SHORT_TIME);
		return;
	}
	node = nodes_get(m->nodes, id);
	if (!node) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	if (is_to_be_checked(m, node))
		(void)pass(req, m->resolving, &(struct request){ .node = node }, getattr_run);
	else
		reply_attributes(req, node);
}

/* Lookup. */

static void reply_node(fuse_req_t req, struct node *node, double lifetime)
{
	struct mount *m = mount_of(req);
	struct fuse_entry_param e = {
		.ino = node->id,
		.generation = 1, /* ids are never used for other bytes */
		.attr = attributes_of(m, node),
		.attr_timeout = lifetime_of(node),
		.entry_timeout = lifetime,
	};

	/* A reply that doesn't arrive (interrupted meanwhile) has told the kernel nothing. */
	if (fuse_reply_entry(req, &e) < 0)
		nodes_forget(m->nodes, node->id, 1);
	node_put(m->nodes, node);
}

/* The handle was of something that the name stood for once. */
static void refuse_node(fuse_req_t req, struct node *node)
{
	struct mount *m = mount_of(req);

	fuse_reply_err(req, ESTALE);
	nodes_forget(m->nodes, node->id, 1);
	node_put(m->nodes, node);
}

static void reply_root(fuse_req_t req)
{
	struct mount *m = mount_of(req);
	/* The kernel's root has generation 0: any other makes it take the whole mount for stale. */
	struct fuse_entry_param e = {
		.ino = ROOT_ID,
		.attr = attributes_of_root(m),
		.attr_timeout = SHORT_TIME,
		.entry_timeout = SHORT_TIME,
	};

	fuse_reply_entry(req, &e);
}

/* The kernel remembers that there is no such name, until it is told otherwise. */
static void reply_never(fuse_req_t req)
{
	struct fuse_entry_param e = { .entry_timeout = LONG_TIME };

	fuse_reply_entry(req, &e);
}

static void refuse_lookup(fuse_req_t req, const char *name, int r, const struct why *why)
{
	if (r != -EINTR)
		log_note("%s: %s", name, why_text(why, r));
	fuse_reply_err(req, lookup_errno(r));
}

/*
 * What the library says at this moment, however long the rest has taken to find out: who may read
 * the node, and how long the kernel may keep the name (the result). The template may have changed while
 * the name was resolved, before its node was there to be found by news_changed: then
 * not at all. A change from now on waits for this lookup, in the kernel.
 */
static double settle(struct mount *m, struct node *node)
{
	_cleanup_(template_unrefp) struct template *t = NULL;

	if (node->template_name && resolve_template(m->library, node->name, &t) == 0)
		node_set_owner(node, t);
	if (node->text)
		return SHORT_TIME;
	return t && node_is_of(node, t) ? LONG_TIME : 0;
}

static void look_up(struct request *r)
{
	_cleanup_(resolved_done) struct resolved resolved = { 0 };
	struct why why = { "" };
	struct node *node;
	int error;

	patience_set(interrupted, r->req);
	error = resolve_promise(r->m->context, r->m->library, r->name, &resolved, &why);
	patience_set(NULL, NULL);
	if (error == 0 && r->id && nodes_know_other(r->m->nodes, r->id, r->name, resolved_identity(&resolved)))
		error = -ESTALE;
	node = error < 0 ? NULL : nodes_add(r->m->nodes, r->name, &resolved);
	if (node && r->id && node->id != r->id) {
		refuse_node(r->req, node);
	} else if (node) {
		reply_node(r->req, node, settle(r->m, node));
	} else if (r->id && lookup_errno(error) == ENOENT)
		fuse_reply_err(r->req, ESTALE);
	else
		refuse_lookup(r->req, r->name, error < 0 ? error : -ENOMEM, &why);
}

static void lookup_run(struct gate_work *work)
{
	struct request *r = (struct request *)work;

	look_up(r);
	/* Look-ups by id lock no directory. */
	if (!r->id)
		news_look_ends(r->m->news);
	free(r->name);
	free(r);
}

/* What the index promises need not pass the gate, where others may wait for servers. Whether it was answered. */
static bool answer_at_once(fuse_req_t req, const struct goal *goal, struct template *t, const char *name)
{
	_cleanup_(resolved_done) struct resolved resolved = { 0 };
	struct mount *m = mount_of(req);
	struct why why = { "" };
	struct node *node;

	if (!resolve_at_once(m->context, goal, t, &resolved))
		return false;
	node = nodes_add(m->nodes, name, &resolved);
	if (node)
		reply_node(req, node, settle(m, node));
	else
		refuse_lookup(req, name, -ENOMEM, &why);
	return true;
}

/* Nor does a node that is there already and stands for the same template. */
static struct node *known_node(struct mount *m, struct template *t, const char *name)
{
	_cleanup_free_ char *identity = resolve_stands_for(t);

	return identity ? nodes_look_up(m->nodes, name, identity) : NULL;
}

/* Nor names that the library doesn't know. */
static bool answer_image(fuse_req_t req, const struct goal *goal, const char *name)
{
	_cleanup_(template_unrefp) struct template *t = NULL;
	struct mount *m = mount_of(req);
	struct why why = { "" };
	struct node *node;
	int r = library_find(m->library, goal->template, goal->arch, &t, &why);

	if (r == -ENOENT)
		refuse_lookup(req, name, r, &why);
	if (r < 0)
		return r == -ENOENT;
	node = known_node(m, t, name);
	if (!node)
		return answer_at_once(req, goal, t, name);
	reply_node(req, node, LONG_TIME);
	return true;
}

static void look_up_name(fuse_req_t req, const char *name)
{
	struct mount *m = mount_of(req);
	_cleanup_(goal_done) struct goal goal = { 0 };
	struct request r = { 0 };

	/* Names that can't be goals cost nothing but this, and that only once. */
	if (goal_parse(name, &goal, NULL) == -EINVAL) {
		reply_never(req);
		return;
	}
	if (goal.kind == GOAL_IMAGE && answer_image(req, &goal, name))
		return;
	r.name = strdup(name);
	if (!r.name) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	news_look_begins(m->news);
	if (!pass(req, m->resolving, &r, lookup_run))
		news_look_ends(m->news);
}

/*
 * The name behind an id: as it is remembered, else one of those that a listing
 * shows, since their ids can be computed; so handles of these outlive even the journal. NULL: unknown.
 */
static char *name_of(struct mount *m, uint64_t id)
{
	_cleanup_(listing_freep) struct listing *l = NULL;
	char *name = nodes_name_of(m->nodes, id);

	if (name || listing_new(m->library, m->formats, &l) < 0)
		return name;
	return listing_name_of(l, id);
}

/* A node that the kernel has forgotten and that lingers, if it still is what the name stands for. */
static struct node *lingering_node(struct mount *m, uint64_t id, const char *name, bool *ret_stale)
{
	_cleanup_(template_unrefp) struct template *t = NULL;
	_cleanup_(goal_done) struct goal goal = { 0 };
	_cleanup_free_ char *identity = NULL;

	if (goal_parse(name, &goal, NULL) == 0 && goal.kind == GOAL_IMAGE &&
	    library_find(m->library, goal.template, goal.arch, &t, NULL) == 0)
		identity = resolve_stands_for(t);
	*ret_stale = identity && nodes_know_other(m->nodes, id, name, identity);
	return identity && !*ret_stale ? nodes_look_up(m->nodes, name, identity) : NULL;
}

/*
 * LOOKUP of "." in a file is how a file handle (NFS, open_by_handle_at) is turned
 * into a node that the kernel has forgotten, after a restart too.
 */
static void look_up_id(fuse_req_t req, fuse_ino_t id)
{
	struct mount *m = mount_of(req);
	struct request r = { .id = id, .name = name_of(m, id) };
	bool is_stale = !r.name;
	struct node *node = r.name ? lingering_node(m, id, r.name, &is_stale) : NULL;

	if (!node && !is_stale) {
		(void)pass(req, m->resolving, &r, lookup_run);
		return;
	}
	if (!node)
		fuse_reply_err(req, ESTALE);
	else if (node->id != id)
		refuse_node(req, node);
	else
		reply_node(req, node, LONG_TIME);
	free(r.name);
}

/* The only directory holds every file that there is. */
static void look_up_parent(fuse_req_t req, fuse_ino_t id)
{
	_cleanup_free_ char *name = id == ROOT_ID ? NULL : name_of(mount_of(req), id);

	if (id == ROOT_ID || name)
		reply_root(req);
	else
		fuse_reply_err(req, ESTALE);
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	if (strcmp(name, "..") == 0 || (parent == ROOT_ID && strcmp(name, ".") == 0))
		look_up_parent(req, parent);
	else if (strcmp(name, ".") == 0)
		look_up_id(req, parent);
	else if (parent == ROOT_ID)
		look_up_name(req, name);
	else
		fuse_reply_err(req, ENOTDIR);
}

static void op_forget(fuse_req_t req, fuse_ino_t id, uint64_t lookups)
{
	nodes_forget(mount_of(req)->nodes, id, lookups);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		nodes_forget(mount_of(req)->nodes, forgets[i].ino, forgets[i].nlookup);
	fuse_reply_none(req);
}

/* Open files. */

/* Consumes the node's ref and, where there is one, the image's. */
static void reply_open(fuse_req_t req, struct node *node, struct image *img, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct handle *h = handle_new(m, node, img, fuse_req_ctx(req)->pid);

	if (!h) {
		image_unref(img);
		node_put(m->nodes, node);
		fuse_reply_err(req, ENOMEM);
		return;
	}
	fi->fh = (uintptr_t)h;
	/* What an id stands for never changes: a text of another content is another file. */
	fi->keep_cache = true;
	if ((h->passes ? passthrough_reply_open(req, &node->passing, fi) : fuse_reply_open(req, fi)) < 0)
		handle_close(m, h);
}

/* EINVAL from a read would mislead qemu, which probes alignment by it; EBADMSG would mislead people. */
static int read_errno(int r)
{
	return r == -EINTR || r == -ENOMEM || r == -ESTALE || r == -ENOSPC ? -r : EIO;
}

/* The name was promised: when it can't be met, it is the template that went away, or was damaged since. */
static int open_errno(int r)
{
	if (r == -EBADMSG)
		return EIO;
	return lookup_errno(r) == ENOENT ? ESTALE : lookup_errno(r);
}

static void await_run(struct gate_work *work)
{
	struct request *r = (struct request *)work;
	struct why why = { "" };
	int error;

	patience_set(interrupted, r->req);
	error = image_await(r->image, &why);
	patience_set(NULL, NULL);
	if (error == 0) {
		reply_open(r->req, r->node, r->image, &r->fi);
	} else {
		if (error != -EINTR)
			log_error("%s: %s", r->node->name, why_text(&why, error));
		fuse_reply_err(r->req, read_errno(error));
		image_unref(r->image);
		node_put(r->m->nodes, r->node);
	}
	free(r);
}

/*
 * Where reads would wait (for a verdict), opening does: a file that is opened with all of
 * its units there passes through, and is copied several times as fast. It may take as
 * long as the network does, so it waits where reads do, out of the way of other names.
 * Consumes the refs.
 */
static void open_image(fuse_req_t req, struct node *node, struct image *img, struct fuse_file_info *fi)
{
	if (image_waits(img))
		(void)pass(req, mount_of(req)->reading,
			   &(struct request){ .node = node, .image = img, .fi = *fi }, await_run);
	else
		reply_open(req, node, img, fi);
}

static void open_run(struct gate_work *work)
{
	struct request *r = (struct request *)work;
	_cleanup_(resolved_done) struct resolved resolved = { 0 };
	struct image *img = NULL;
	struct why why = { "" };
	int error;

	patience_set(interrupted, r->req);
	error = resolve_to_read(r->m->context, r->m->library, r->node->name, &resolved, &why);
	patience_set(NULL, NULL);
	if (error == 0)
		error = node_set_image(r->m->nodes, r->node, &resolved, &img);
	if (error == 0) {
		open_image(r->req, r->node, img, &r->fi);
	} else {
		log_note("%s: %s", r->node->name, why_text(&why, error));
		fuse_reply_err(r->req, open_errno(error));
		node_put(r->m->nodes, r->node);
	}
	free(r);
}

static void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	struct mount *m = mount_of(req);
	struct node *node = nodes_get(m->nodes, id);
	struct image *img;

	if (!node) {
		fuse_reply_err(req, ESTALE);
		return;
	}
	img = node_image(m->nodes, node);
	if (img)
		open_image(req, node, img, fi);
	else if (node->text)
		reply_open(req, node, /* img= */ NULL, fi);
	else
		(void)pass(req, m->resolving, &(struct request){ .node = node, .fi = *fi }, open_run);
}

static void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	handle_close(mount_of(req), (struct handle *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

static void read_run(struct gate_work *work)
{
	struct request *r = (struct request *)work;
	struct image *img = r->handle->image;
	uint64_t offset = (uint64_t)r->offset;
	size_t count = offset < img->size ? min_u64(r->count, img->size - offset) : 0;
	uint8_t *buf = buffer_get(r->count);
	struct why why = { "" };
	int error = buf ? 0 : -ENOMEM;

	if (error == 0 && count) {
		readahead_note(&r->handle->readahead, img, offset, count);
		patience_set(interrupted, r->req);
		error = image_pread(img, buf, count, offset, &why);
		patience_set(NULL, NULL);
	}
	if (error == 0) {
		fuse_reply_buf(r->req, (const char *)buf, count);
	} else {
		if (error != -EINTR)
			log_error("%s: %zu bytes at %" PRIu64 ": %s", r->handle->node->name, count, offset,
				  why_text(&why, error));
		fuse_reply_err(r->req, read_errno(error));
	}
	buffer_put(r->m->context->memory);
	free(r);
}

static void op_read(fuse_req_t req, fuse_ino_t id, size_t count, off_t offset, struct fuse_file_info *fi)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	const char *text = h->node->text;

	if (!text) {
		(void)pass(req, mount_of(req)->reading,
			   &(struct request){ .handle = h, .count = count, .offset = offset }, read_run);
		return;
	}
	if ((uint64_t)offset >= h->node->size)
		count = 0;
	else
		count = min_u64(count, h->node->size - (uint64_t)offset);
	fuse_reply_buf(req, count ? text + offset : NULL, count);
}

/* The end of the run of bytes at `at` that are holes (or are not). */
static uint64_t run_end(struct image *img, uint64_t at, bool hole)
{
	while (at < img->size) {
		struct extent e = image_extent(img, at);

		if ((e.kind != EXTENT_DATA) != hole)
			break;
		at += e.length;
	}
	return at;
}

static void op_lseek(fuse_req_t req, fuse_ino_t id, off_t offset, int whence, struct fuse_file_info *fi)
{
	struct handle *h = (struct handle *)(uintptr_t)fi->fh;
	uint64_t size = h->node->size, at = (uint64_t)offset;

	if (whence != SEEK_DATA && whence != SEEK_HOLE) {
		fuse_reply_err(req, EINVAL);
		return;
	}
	if (offset < 0 || at >= size) {
		fuse_reply_err(req, ENXIO);
		return;
	}
	if (h->image)
		at = run_end(h->image, at, whence == SEEK_DATA);
	else if (whence == SEEK_HOLE)
		at = size;
	/* All that is left is a hole. */
	if (whence == SEEK_DATA && at >= size)
		fuse_reply_err(req, ENXIO);
	else
		fuse_reply_lseek(req, (off_t)at);
}

/* Reading the directory. */

/* An open directory. The kernel lets one call at a time read it. */
struct directory {
	struct listing *listing;
	bool is_read; /* and has to be listed anew for who reads it again from the beginning: rewinddir(3) */
};

static void directory_free(struct directory *d)
{
	if (d->listing)
		listing_free(d->listing);
	free(d);
}
DEFINE_CLEANUP(struct directory *, directory_free);

static void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	_cleanup_(directory_freep) struct directory *d = calloc(1, sizeof(*d));
	struct mount *m = mount_of(req);
	int r = d ? listing_new(m->library, m->formats, &d->listing) : -ENOMEM;

	if (r < 0) {
		fuse_reply_err(req, -r);
		return;
	}
	fi->fh = (uintptr_t)d;
	if (fuse_reply_open(req, fi) == 0)
		(void)take(d);
}

static void op_releasedir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi)
{
	directory_free((struct directory *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}

/* What a read behind `cookie` goes by; NULL without memory. */
static const struct listing *listing_of(struct mount *m, struct directory *d, uint64_t cookie)
{
	struct listing *anew;

	if (cookie == 0 && d->is_read) {
		if (listing_new(m->library, m->formats, &anew) < 0)
			return NULL;
		listing_free(d->listing);
		d->listing = anew;
	}
	d->is_read = true;
	return d->listing;
}

/* Adds an entry while there is room; `cookie` is what readdir goes on behind. */
static bool add_entry(fuse_req_t req, char *buf, size_t size, size_t *used, const char *name, uint64_t id,
		      mode_t mode, uint64_t cookie)
{
	struct stat st = { .st_ino = id, .st_mode = mode };
	size_t n = fuse_add_direntry(req, buf + *used, size - *used, name, &st, (off_t)cookie);

	if (n > size - *used)
		return false;
	*used += n;
	return true;
}

/* The first entry behind the cookie: a long listing is asked for in hundreds of pieces. */
static size_t first_behind(const struct listing *l, uint64_t cookie)
{
	size_t low = 0, high = l->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (l->entry[mid].cookie <= cookie)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t after, struct fuse_file_info *fi)
{
	uint64_t cookie = (uint64_t)after;
	const struct listing *l = listing_of(mount_of(req), (struct directory *)(uintptr_t)fi->fh, cookie);
	_cleanup_free_ char *buf = malloc(size);
	size_t used = 0;
	bool room;

	if (!l || !buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	room = (cookie >= 1 || add_entry(req, buf, size, &used, ".", ROOT_ID, S_IFDIR, 1)) &&
	       (cookie >= 2 || add_entry(req, buf, size, &used, "..", ROOT_ID, S_IFDIR, 2));
	for (size_t i = first_behind(l, cookie); i < l->n && room; i++)
		room = add_entry(req, buf, size, &used, l->entry[i].name, l->entry[i].id, S_IFREG,
				 l->entry[i].cookie);
	fuse_reply_buf(req, buf, used);
}

/* Extended attributes. */

static void reply_xattr(fuse_req_t req, const char *value, size_t count, size_t size)
{
	if (size == 0)
		fuse_reply_xattr(req, count);
	else if (size < count)
		fuse_reply_err(req, ERANGE);
	else
		fuse_reply_buf(req, value, count);
}

/* What is known of the checksum of what the node stands for; NULL when nothing is promised. */
static const char *verdict_of(struct mount *m, const struct node *node, char buf[static VERDICT_TEXT_MAX])
{
	_cleanup_(template_unrefp) struct template *t = NULL;

	/* Of another template that has the name by now nothing is said here. */
	if (resolve_template(m->library, node->name, &t) < 0 || !node_is_of(node, t))
		return NULL;
	return resolve_verdict(m->context, t, buf);
}

/*
 * Labels and access lists there are none of, on any file. Who hears ENODATA asks for them again of each
 * file: two requests a line of ls -l. EOPNOTSUPP it takes for an answer for the whole mount.
 */
static bool is_never_there(const char *name)
{
	return strncmp(name, "security.", strlen("security.")) == 0 ||
	       strncmp(name, "system.", strlen("system.")) == 0;
}

static void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size)
{
	struct mount *m = mount_of(req);
	char verdict[VERDICT_TEXT_MAX], digits[16];
	const char *value = NULL;
	struct node *node;

	if (is_never_there(name)) {
		fuse_reply_err(req, EOPNOTSUPP);
		return;
	}
	node = nodes_get(m->nodes, id);
	if (id == ROOT_ID && strcmp(name, UNMOUNT_XATTR_DAEMON) == 0) {
		(void)snprintf(digits, sizeof(digits), "%ld", (long)getpid());
		value = digits;
	} else if (node && strcmp(name, XATTR_PLAN) == 0) {
		value = node->plan;
	} else if (node && strcmp(name, XATTR_VERIFIED) == 0) {
		value = verdict_of(m, node, verdict);
	}
	if (value)
		reply_xattr(req, value, strlen(value), size);
	else
		fuse_reply_err(req, node || id == ROOT_ID ? ENODATA : ESTALE);
	if (node)
		node_put(m->nodes, node);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size)
{
	struct mount *m = mount_of(req);
	struct node *node = nodes_get(m->nodes, id);
	char names[sizeof(XATTR_PLAN) + sizeof(XATTR_VERIFIED)], verdict[VERDICT_TEXT_MAX];
	char *end = names;

	if (node && node->plan)
		end = mempcpy(end, XATTR_PLAN, sizeof(XATTR_PLAN));
	if (node && verdict_of(m, node, verdict))
		end = mempcpy(end, XATTR_VERIFIED, sizeof(XATTR_VERIFIED));
	if (node || id == ROOT_ID)
		reply_xattr(req, names, (size_t)(end - names), size);
	else
		fuse_reply_err(req, ESTALE);
	if (node)
		node_put(m->nodes, node);
}

/* The rest. */

static void op_statfs(fuse_req_t req, fuse_ino_t id)
{
	int dirfd = store_dirfd(mount_of(req)->context->store);
	struct statvfs st = { 0 };

	/* The room of the store's filesystem, none of it to be had through here. */
	if (dirfd < 0 || fstatvfs(dirfd, &st) < 0)
		st.f_bsize = st.f_frsize = 4096;
	st.f_bavail = st.f_bfree = 0;
	st.f_files = st.f_ffree = st.f_favail = 0;
	st.f_namemax = GOAL_NAME_MAX;
	fuse_reply_statfs(req, &st);
}

static void op_init(void *userdata, struct fuse_conn_info *conn)
{
	struct mount *m = userdata;

	/* Bytes don't change under a node id: what AUTO_INVAL_DATA would drop at a moved mtime stays. */
	conn->want &= ~(unsigned)FUSE_CAP_AUTO_INVAL_DATA;
	/* Node ids stand for file handles. */
	if (nodes_are_kept(m->nodes))
		conn->want |= conn->capable & FUSE_CAP_EXPORT_SUPPORT;
	conn->want |= conn->capable & FUSE_CAP_EXPLICIT_INVAL_DATA;
	/* Passed on by libfuse from 3.17 on; else see passthrough.c. */
	conn->want |= conn->capable & FUSE_CAP_PARALLEL_DIROPS;
	/* Lookup of all that a listing shows would open every template. */
	conn->want &= ~(unsigned)FUSE_CAP_READDIRPLUS;
	/* Requests of up to 1 MiB: libfuse derives the number of pages from this. */
	conn->max_write = 1 << 20;
	conn->max_readahead = 1 << 20;
	conn->max_background = 4 * LOOP_THREADS;
	conn->congestion_threshold = 3 * LOOP_THREADS;
	/* A granularity of 1 ns, as the templates' own times have. */
	conn->time_gran = 1;
	if (m->ready)
		m->ready(m->ready_arg);
}

/*
 * No getlk, setlk and flock: the kernel then keeps locks itself, which is what
 * qemu's image locking needs. No write, setattr or create: the mount is
 * read-only, and the kernel answers EROFS by itself.
 */
const struct fuse_lowlevel_ops mount_ops = {
	.init = op_init,
	.lookup = op_lookup,
	.forget = op_forget,
	.forget_multi = op_forget_multi,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
	.release = op_release,
	.lseek = op_lseek,
	.opendir = op_opendir,
	.readdir = op_readdir,
	.releasedir = op_releasedir,
	.getxattr = op_getxattr,
	.listxattr = op_listxattr,
	.statfs = op_statfs,
};
