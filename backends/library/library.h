/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LIBRARY_LIBRARY_H
#define GOALFS_BACKENDS_LIBRARY_LIBRARY_H

/*
 * The library: the catalogue of templates, out of one or more sources (a
 * directory of template files, a virt-builder index). It knows names and facts
 * about files, and opens them; what is in them it doesn't know.
 *
 * Threads: all functions may be called from any thread. A template is constant
 * and counted; one that has left the library lives on as long as somebody holds
 * a ref, and so does the directory it was found in.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/text.h"
#include "base/why.h"

enum codec {
	CODEC_NONE,
	CODEC_XZ,
};

/* Notes in one language; "C" is what `notes=` without a bracket gives. */
struct notes {
	char *lang;
	char *text;
};

struct template
{
	char *name;	     /* the section's name, or the file's without its endings */
	char *title;	     /* name=, may be NULL */
	char *arch;	     /* normalised, never NULL */
	char **aliases;	     /* NULL-terminated, may be NULL */
	struct notes *notes; /* n_notes of them */
	size_t n_notes;
	char *osinfo;  /* may be NULL */
	char *format;  /* "raw", "qcow2", ... by first bytes, else index or file name; NULL when none says */
	uint64_t size; /* virtual size as the index says, bytes; 0 when nobody says */
	uint64_t compressed_size; /* as the index says; 0 when it doesn't */
	int64_t revision;
	unsigned expand;   /* partition number, 0 when not said */
	char *lvexpand;	   /* may be NULL */
	char *checksum;	   /* lowercase hex SHA-512 of the file, may be NULL */
	char *checksum256; /* the same as SHA-256, for sources that know no other; may be NULL */
	bool hidden;
	enum codec codec; /* by the file's first bytes */

	/* The file, as it was when the library was read. */
	char *path;	/* for people: as the user would name it */
	uint64_t bytes; /* its length */
	struct timespec mtime;
	/* Who may read it: its goals show no more than it does itself. */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	/*
	 * What makes it this template and no other: length, mtime and inode, and
	 * the checksum when the index has one, else the canonical path. Not the
	 * checksum alone: nobody has verified it, and a file may be replaced under
	 * an index that is not. Keys the store.
	 */
	char *identity;

	/* Private to the library. */
	struct template_file *file;
	unsigned refs;
};

struct library;

struct library_options {
	const char *const *sources; /* n_sources paths or file:// URIs, as the user wrote them */
	size_t n_sources;
	bool check_signature; /* a signed index is refused while this is set */
	/*
	 * A path inside which nothing may be opened: the mountpoint. May be NULL.
	 * The sources themselves are opened by library_open, before the mount, and
	 * stand on descriptors from then on.
	 */
	const char *avoid;
	/*
	 * Called when templates came, went or changed, from the watching thread,
	 * without a lock; NULL watches nothing. `name` is a template's or an alias;
	 * NULL means anything may have changed. Must not close the library.
	 */
	void (*changed)(void *arg, const char *name);
	void *arg;
};

/*
 * Reads all sources. A bad entry costs that entry, with a log_warn line that
 * names file, line and reason. A source that can't be read at all is an error
 * here (later, in a running mount, it only costs its templates until it is back).
 */
int library_open(const struct library_options *options, struct library **ret, struct why *why);

/* Starts the watching thread (after the daemon has forked). */
int library_watch(struct library *lib, struct why *why);

/* Ends the watching thread; `changed` is not running and won't be called any more. Twice is once. */
void library_unwatch(struct library *lib);

void library_close(struct library *lib); /* accepts NULL; templates may outlive it */
DEFINE_CLEANUP(struct library *, library_close);

/*
 * By name first, by alias second; `arch` (normalised) or the host's when NULL.
 * With several of one name and architecture the highest revision wins, then the
 * source named first. Returns a ref, or -ENOENT with the reason ("no template
 * 'x'", "'x' exists for aarch64 only, ask for x@aarch64").
 */
int library_find(struct library *lib, const char *name, const char *arch, struct template **ret,
		 struct why *why);

/*
 * What is there, best revision of each (name, arch) only, sorted by name, then
 * arch. An array of `n` refs; give it back with templates_free.
 */
int library_list(struct library *lib, struct template ***ret, size_t *ret_n);
void templates_free(struct template **list, size_t n);

struct template *template_ref(struct template *t);
void template_unref(struct template *t); /* accepts NULL */
DEFINE_CLEANUP(struct template *, template_unref);

/*
 * Opens the template's file for reading. -ESTALE when it is not the file any more
 * that the library saw (length, mtime, inode), or gone; the library then looks
 * again, if it is watched. Never opens anything inside
 * `avoid`. Read-only, O_CLOEXEC; the caller owns the descriptor.
 */
int template_open(struct template *t, int *ret_fd, struct why *why);

/* The notes in the user's language (LC_MESSAGES: ll_CC, ll, then C); NULL when there are none. Borrowed. */
const char *template_notes(const struct template *t);

/*
 * The disk format that an image's first bytes show ("qcow2", ...); NULL when
 * they are a raw disk's, or nobody's. For bytes that the file itself doesn't show.
 */
const char *template_magic_format(const void *head, size_t count);

/* The architecture of this machine, normalised. */
const char *library_host_arch(void);

enum list_format {
	LIST_SHORT,
	LIST_LONG,
	LIST_JSON,
};

/*
 * virt-builder's --list forms. `size_of` answers the virtual size of a template
 * that the library doesn't know the size of (0: unknown); may be NULL.
 */
int library_list_text(struct library *lib, enum list_format format,
		      uint64_t (*size_of)(void *arg, struct template *t), void *arg, struct text *out);

/* TEMPLATE.json: all that is known of one template, one JSON object, ends with a newline. */
int template_json(const struct template *t, uint64_t size, struct text *out);

#endif
