/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_NODES_H
#define GOALFS_FS_NODES_H

/*
 * The nodes that the kernel knows. A node id is a hash of the name and of what
 * the name stood for, so that it is the same after a restart and never stands
 * for other bytes: a template that changes gives its goals new ids. Should two
 * have the same hash, the second one gets another id; so does a name whose size was
 * told wrong at first. A journal in the store's
 * directory remembers which name an id was (known.h), so that a file handle
 * (NFS) finds its file again after a restart.
 *
 * A node lives as long as the kernel remembers it or somebody holds a ref; one
 * with an open image lingers on for LINGER_MS. An NFS server whose clients go by
 * handles opens, closes and forgets a file for each of their requests.
 *
 * Threads: nodes_* from any thread, and one of their own that ends what has lingered. One lock, never
 * held across I/O but the journal's.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "fs/resolve.h"

#define ROOT_ID 1

/* How long an image stays open when the kernel has forgotten its node. */
#define LINGER_MS 60000

/* How the opens of a node are served: see passthrough.h. Zero at first; guarded by the mount's lock. */
struct passing {
	unsigned opens;	    /* open files of either kind */
	int32_t backing_id; /* above 0: they pass through to the kernel */
};

struct node {
	uint64_t id;
	char *name;
	char *template_name; /* NULL for a text that stands for no template */
	char *identity;	     /* of what the name stood for when the node was made */
	char *_Atomic plan;  /* an image's plan line; NULL for a text, and until the image was opened once */
	char *text;	     /* a text's content; NULL for an image */
	uint64_t size;	     /* bytes */
	uint64_t data;	     /* bytes that are not proved zero */
	/* The same whenever the id is; of a text that belongs to no template, when it was first made. */
	struct timespec mtime;
	_Atomic int64_t made; /* when it was last found to be what its name stands for; lock_now_ms() */
	/* The template's: who may read it may read what is made of it, and nobody else. */
	_Atomic mode_t mode; /* 0444 at most */
	_Atomic uid_t uid;
	_Atomic gid_t gid;
	struct passing passing;

	/* Guarded by the nodes' lock. */
	struct image *image;	    /* owns a ref, or NULL: closed for now, opened again when asked for */
	uint64_t lookups;	    /* what the kernel has been told and not forgotten */
	unsigned refs;		    /* ours; the kernel's lookups count as one, lingering as one */
	struct node *next;	    /* in the hash chain */
	struct node *older, *newer; /* those with an open image, by last use */
	int64_t used;		    /* when the image was last asked for; lock_now_ms() */
	bool lingers;		    /* is among those */
	bool let_go;		    /* the image is for those alone who come while somebody has it open */
	bool refuted;		    /* its size was found to be another one: it is not looked up any more */
};

struct nodes;

/* `dirfd`: where the journal is kept; -1 keeps none. Borrowed until nodes_free. */
struct nodes *nodes_new(int dirfd);
void nodes_free(struct nodes *nodes); /* accepts NULL */
DEFINE_CLEANUP(struct nodes *, nodes_free);

/*
 * The node for a resolved name of that size, made or found; its image (if any) and lookup
 * count belong to it. Consumes what `r` holds. Returns a node with one more
 * lookup counted and a ref for the caller, or NULL without memory.
 */
struct node *nodes_add(struct nodes *nodes, const char *name, struct resolved *r);

/* A ref to the node the kernel means, or NULL: it was never told of that id. */
struct node *nodes_get(struct nodes *nodes, uint64_t id);

/* The same, but counts a lookup: only if its identity is still `identity` and its size was not found wrong. */
struct node *nodes_look_up(struct nodes *nodes, const char *name, const char *identity);

void node_put(struct nodes *nodes, struct node *node);
void nodes_forget(struct nodes *nodes, uint64_t id, uint64_t lookups);

/* The name that an id had, ever: a copy (free it), or NULL. */
char *nodes_name_of(struct nodes *nodes, uint64_t id);

/*
 * A ref to the node's image while it is open, else NULL: resolve the name again
 * and hand it to node_set_image, which keeps it only if identity and size are the same
 * (else -ESTALE: who looks the name up again gets another node) and returns a ref.
 */
struct image *node_image(struct nodes *nodes, struct node *node);
int node_set_image(struct nodes *nodes, struct node *node, struct resolved *r, struct image **ret);

/* Whether that id was given to what another name, or another identity, stood for. */
bool nodes_know_other(struct nodes *nodes, uint64_t id, const char *name, const char *identity);

/* Whether ids are known after a restart: without, nobody should be handed one to keep. */
bool nodes_are_kept(const struct nodes *nodes);

/* Closes the node's image; where somebody has it open, once nobody has: until then who comes gets it, too. */
void nodes_let_go(struct nodes *nodes, struct node *node);

/* Its template is another's now, or for others to read. */
void node_set_owner(struct node *node, const struct template *t);

/* Whether it is what names stand for that are about `t`, as far as that can be told without asking. */
bool node_is_of(const struct node *node, struct template *t);

/* The id that a name standing for `identity` has, but for two of one hash. */
uint64_t node_id(const char *name, const char *identity);

/*
 * Calls `fn` with the name of each node of that template, and of each whose name
 * begins with it (all when NULL). `fn` runs without the lock. -ENOMEM when some
 * were left out.
 */
int nodes_each(struct nodes *nodes, const char *template_name,
	       void (*fn)(void *arg, uint64_t id, const char *name), void *arg);

/*
 * Closes the images that nobody has open: they stay open for whoever comes back, but not at the
 * cost of who is here. Returns whether there were any.
 */
bool nodes_close_unused(struct nodes *nodes);

/* Closes all images that nobody has open, so that the store may be closed. */
void nodes_close_images(struct nodes *nodes);

#endif
