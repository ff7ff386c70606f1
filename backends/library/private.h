/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_LIBRARY_PRIVATE_H
#define GOALFS_LIBRARY_PRIVATE_H

/*
 * What the files of this room share.
 *
 *	index_line.c   text of an index -> lines               pure
 *	section.c      lines -> sections and their fields      pure
 *	value.c        values that catalogues have in common   pure
 *	index_entry.c  a section's fields -> an entry          pure
 *	index.c        sections -> entries                     pure
 *	simplestreams.c  JSON of a tree -> entries             pure
 *	repos.c        repos.d directories -> sources to read
 *	place.c        a held directory, the way to a file     knows the mountpoint to stay out of
 *	template.c     an entry and its file -> a template
 *	remote.c       an entry and its URL -> a template, and what it turns out to be
 *	directory.c    a directory of files -> templates
 *	single.c       a single file as a source: its name, kind and checksum   pure
 *	export.c       a NAME.nbd -> a template on an NBD server
 *	source.c       what SOURCE means; one scan of it
 *	online.c       a remote SOURCE, and the thread that asks for it
 *	kept.c         remote indexes as they were last time
 *	repos.c        which sources there are when none is given
 *	simplestreams.c  another kind of index                 pure
 *	trust.c, signature.c, keyring.c, armor.c   who may say what is in an index
 *	library.c      all sources -> the catalogue, and questions to it
 *	armor.c        signed messages from outside            pure
 *	keyring.c      whose signatures count
 *	signature.c    what gpg says of a message
 *	watch.c        when to scan again
 *	list.c         the catalogue for people and programs
 *
 * Threads: sources belong to whoever scans, library_open and then the watching
 * thread. Everybody else sees the catalogue only, a constant thing that is
 * exchanged as a whole under the library's lock.
 */
#include <pthread.h>

#include "backends/library/complaints.h"
#include "backends/library/ending.h"
#include "backends/library/library.h"
#include "backends/library/online.h"
#include "backends/library/place.h"
#include "backends/library/single.h"
#include "base/name.h"

struct watch;

/* How to get at a template's file again. Constant. */
struct template_file {
	struct place *place; /* owns a ref */
	char *relative;	     /* from the place */
	ino_t inode;
};

/* One ref, everything else empty; NULL when memory ran out. */
struct template *template_new(void);

/*
 * Fills in what the file tells: codec, format if it shows one, length, mtime,
 * identity. `shown` is the path for people; the texts are copied. An error means
 * that this can't be a template, with the reason.
 */
int template_attach(struct template *t, struct place *place, const char *relative, const char *shown,
		    const struct spot *spot, struct why *why);

/*
 * Makes it a remote one, that nobody has met yet. `mtime` is what people will
 * see: the file's own is not known. Copied.
 */
int template_attach_url(struct template *t, const char *url, const char *proxy, const struct timespec *mtime);

/*
 * Its file is to be judged by the detached signature at `url` or `path` (the other is
 * NULL), if the trust has anything to judge by. Copied.
 */
int template_attach_sig(struct template *t, const char *url, const char *path, const struct trust *trust);

/* What was asked of it already, for template_take_first; taken over. */
void template_give_first(struct template *t, struct net_first *first);

/* A template by the name of its file alone: of this architecture, the first of its kind. NULL: out of memory. */
struct template *template_by_name(const char *name, size_t count, const char *format);

struct template_met;
void template_met_free(struct template_met *met); /* accepts NULL */

/*
 * export.c: the same for a file that holds an NBD address, by its text and not by what it
 * leads to. -EPERM for a command that is not allowed.
 */
int template_attach_export(struct template *t, struct place *place, const char *relative, const char *shown,
			   const struct spot *spot, bool allow_commands, struct why *why);

/* Of template.c, for export.c: what a file is, identity excepted. */
int template_attach_file(struct template *t, struct place *place, const char *relative, const char *shown,
			 const struct stat *st, struct why *why);

/* Codec, and format if it shows, by a file's first bytes. */
int template_sniff(struct template *t, const void *head, size_t count, struct why *why);

/* Fills in stands_for, from what is known by now. */
int template_name_it(struct template *t);

/* Whether nobody could tell the one from the other. */
bool template_same(const struct template *a, const struct template *b);

/* A file that a scan looked at; an event about it means: scan again. */
struct watched {
	int wd;
	char *leaf; /* NULL: any name but hidden ones */
};

struct source {
	char *given; /* as the user wrote it, but for a password, a query and a checksum */
	struct given text;
	char *shown;	/* the directory, as the user would name it */
	char *home;	/* the directory, absolute; looked up again when it may have been replaced */
	char *leaf;	/* the file's name when SOURCE is one, an index or a template; NULL of a directory */
	bool is_single; /* and it was a template when it was read last */
	const struct source_config *config; /* the source's own, or &own */
	bool allow_commands;
	struct source_config own; /* of one from the command line */
	struct trust trust;
	char *fingerprints;    /* whose signature was checked at last; NULL: none was */
	struct online *online; /* a remote one's; then nothing of a place is there */
	struct place *place;   /* owns a ref */
	struct template **t;   /* what the last good scan found; n refs */
	size_t n;
	struct template **rejected; /* likewise, n_rejected refs */
	size_t n_rejected;
	struct watched *watched;
	size_t n_watched;
	struct complaints said;
	bool is_out_of_reach; /* another directory stands in its place, and the daemon may not read it */
};

/*
 * Opens the directory of the options' source `i` (those of repos.d counted behind the others), or
 * begins to ask for a remote one; reads nothing yet. Only before the mount. `s` stays where it is.
 */
int source_open(const struct library_options *options, size_t i, const char *avoid, int bell, struct source *s,
		struct why *why);
void source_done(struct source *s);

/* Whether the text can be a source's, for library_check_options. */
int source_check(const char *given, struct why *why);

/*
 * Reads the source, or takes what was found of a remote one. On failure what the last scan found stays. `watch` (may be
 * NULL) gets every directory that matters, before anything in it is looked at.
 */
int source_scan(struct source *s, struct watch *watch, struct why *why);

/*
 * Takes another directory if there is another one now where the source's was.
 * Returns 1 when so, 0 when it is the same, or a negative errno: nothing there,
 * or nothing that could be opened without entering the mount.
 */
int source_relocate(struct source *s);

/* So many lines the log has of one source, too. */
#define REJECTED_MAX COMPLAINTS_MAX

/* A scan under way; for directory.c. */
struct scan {
	struct source *source;
	struct watch *watch; /* may be NULL */
	int base;	     /* the watch on the source's directory, -1 for none */
	struct template **t; /* owns n refs */
	size_t n, room;
	struct template **rejected; /* owns n_rejected refs; room for REJECTED_MAX once there is one */
	size_t n_rejected;
	struct watched *watched;
	size_t n_watched, watched_room;
	struct complaints complaints;
	struct template **old; /* the source's, sorted for scan_file; borrowed refs */
};

/*
 * Adds a template (taken over in any case) whose file is `relative`. A file that
 * is no template is complained about, behind `where`. A file that is being
 * written counts as what it was. 0, or a shortage.
 */
int scan_file(struct scan *scan, struct template *t, const char *relative, const char *where);

/*
 * Remembers a template that is none (taken over), and why, for who asks for its goals. Mode, owner and time say who
 * may read that; it belongs to nobody else yet. 0 or -ENOMEM.
 */
int scan_reject(struct scan *scan, struct template *t, const char *reason);

/* The same for one whose file is a NAME.nbd. */
int scan_export(struct scan *scan, struct template *t, const char *relative);

/*
 * directory.c: the same for one whose name ends so, and a complaint where the file breaks
 * what its name promises.
 */
int scan_ended(struct scan *scan, struct template *t, const char *relative, const struct ending *ending);

/* We ran out of something: that is no fault of the file that was met just then. Try again later. */
bool is_shortage(int error);

/* directory.c: template files by their names. */
int directory_scan(struct scan *scan, struct why *why);

/* What everybody sees. Constant, counted. */
struct alias {
	const char *name;   /* borrowed from the template */
	struct template *t; /* borrowed from the catalogue */
	size_t rank;	    /* of the template among all entries: source, then place in it */
};

struct catalogue {
	struct template **t; /* owns n refs; sorted by name, arch; the best of each */
	size_t n;
	struct alias *alias; /* sorted by name, rank */
	size_t n_alias;
	struct template **rejected; /* owns n_rejected refs; in the order of the sources */
	size_t n_rejected;
	atomic_uint refs;
};

struct library {
	pthread_mutex_t lock;
	struct catalogue *now; /* owns a ref; under the lock */

	/* The scanning thread's. */
	struct source *source;
	size_t n_sources;
	struct complaints said; /* of templates that hide each other */

	/* Constant. */
	void (*changed)(void *arg, const char *name);
	void *arg;
	int bell; /* eventfd, see struct place */

	struct watch *watch; /* NULL until library_watch */
};

struct catalogue *library_catalogue(struct library *lib); /* a ref */
void catalogue_unref(struct catalogue *c);
DEFINE_CLEANUP(struct catalogue *, catalogue_unref);

/* Puts the sources' last scans in place of the catalogue; `tell`: and calls `changed` for the names it matters
 * to. */
int library_renew(struct library *lib, bool tell);

/* Watches a directory (O_PATH will do) from now on; returns its number, or -1. `watch` may be NULL. */
int watch_dir(struct watch *watch, int dir);

/* Whether the file is being written: its writer hasn't closed it yet. `watch` may be NULL. */
bool watch_busy(struct watch *watch, int wd, const char *leaf);

/* Whether what happened before library_watch is in the catalogue, so that only news can change it. For tests.
 */
bool watch_settled(struct watch *watch);

void watch_stop(struct watch *watch); /* accepts NULL */

/* A file that was written and not closed counts as busy until it has been quiet for so long. Tests make it
 * longer. */
extern int watch_quiet_ms;

#endif
