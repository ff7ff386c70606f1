/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BACKENDS_LIBRARY_LIBRARY_H
#define GOALFS_BACKENDS_LIBRARY_LIBRARY_H

/*
 * The library: the catalogue of templates, out of one or more sources (a
 * directory of template files, a virt-builder index, a single file). It knows names and facts
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

/* Notes in one language; "C" is what `notes=` without a bracket gives. */
struct notes {
	char *lang;
	char *text;
};

struct object;	    /* backends/net/object.h */
struct net_first;   /* backends/net/first.h */
struct json_object; /* json-c's */

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
	/*
	 * A detached signature of the file and who may have made it (as in
	 * library_options), for entries that have no checksum; owned, or NULL.
	 */
	char *sig_url,
		*sig_path; /* one of them: of a remote file; of a local one, below its source's directory */
	char **sig_keys, **sig_fingerprints; /* NULL-terminated */
	bool hidden;
	char *codec; /* by the file's first bytes, the outermost one; NULL: none */

	/* The file, as it was when the library was read. */
	char *path;	/* for people: as the user would name it; of a URL without password and query */
	uint64_t bytes; /* its length */
	struct timespec mtime;
	/* Who may read it: its goals show no more than it does itself. */
	mode_t mode;
	uid_t uid;
	gid_t gid;
	/*
	 * What makes it this template and no other: length, mtime and inode (of a
	 * remote one its URL, length and ETag), and the checksum when the index has
	 * one, else the canonical path. Not the checksum alone: nobody has verified
	 * it, and a file may be replaced under an index that is not. Keys the store.
	 * NULL: a remote one that was not met yet.
	 */
	char *identity;

	/*
	 * Of a remote one. Nobody looks at its file when the library is read: until it
	 * is met (template_met), codec, bytes, object and identity are not known, and
	 * format is what the index says.
	 */
	char *url;	       /* NULL: a local file. Not to be shown: a password may stand in it */
	char *proxy;	       /* net_request's; NULL: as the environment says */
	struct object *object; /* what was met; owned; NULL before */
	/*
	 * What the index promises of the file, as an identity: enough for a name to
	 * stand for, though nobody has met it. NULL when it promises nothing that
	 * identifies it.
	 */
	char *claim;
	/*
	 * What a name that stands for this template stands for: the claim, else the
	 * identity; then, behind a newline, what the index says that goals depend on
	 * besides. An index that says something else of the same file gives other goals. NULL: meet it first.
	 */
	char *stands_for;

	/*
	 * Of one that is a source by itself: what its server said that would be something else of
	 * another file. NULL when it was not asked, or says nothing of the kind.
	 */
	char *seen;

	/*
	 * Of one on an NBD server: its file, NAME.nbd, holds nothing but where that is; both
	 * NULL of others. Nobody has connected when the library is read.
	 */
	char *nbd_uri;
	char **nbd_command; /* NULL-terminated: a server to start */

	/*
	 * Why its file is no template, of what library_find_rejected gives; NULL of all others. Then
	 * name, arch, mtime, mode, uid and gid are all that counts here.
	 */
	char *rejected;

	/* Private to the library. */
	struct template_file *file; /* NULL for a remote one */
	struct template_met *met;   /* NULL for a local one, and for one that is what was met */
	unsigned refs;
};

/* A ref to what a remote template turned out to be, or NULL: nobody has met it yet. A local one is itself. */
struct template *template_met(struct template *t);

/*
 * Notes what a remote template turned out to be, for all who ask from now on; the
 * object is taken over in any case. `ret` is a ref. -EOPNOTSUPP when the first bytes show something that
 * can't be read. NULL instead of an object forgets it.
 */
int template_meet(struct template *t, struct object *object, struct template **ret, struct why *why);

/*
 * For who is about to ask its server: one at a time. 1 and a ref when somebody has
 * met it meanwhile; 0 when it is the caller's turn, who ends it by
 * template_meeting_end; -EINTR when this thread's patience is lost.
 */
int template_meeting_begin(struct template *t, struct template **ret);
void template_meeting_end(struct template *t);

/*
 * What its source was told of it when it was read, if that is a single file: true once,
 * for whoever meets it first and would else have to ask the same.
 */
bool template_take_first(struct template *t, struct net_first *ret);

/* What it would be if it was this object; the same, but nothing is noted. */
int template_as_met(const struct template *t, struct object *object, struct template **ret, struct why *why);

struct library;
struct net;
struct source_config; /* repos.h */

struct library_options {
	const char *const *sources; /* n_sources paths or URIs, as the user wrote them */
	size_t n_sources;
	/* Sources of repos.d, behind those; borrowed as long as the library lives. */
	const struct source_config *configs;
	size_t n_configs;
	bool check_signature; /* what is signed must be signed right; see trust.h */
	/*
	 * Of `sources`; borrowed as long as the library lives. Key files are for all of them; of
	 * fingerprints there is one for all, or one for each.
	 */
	const char *const *key_files;
	size_t n_key_files;
	const char *const *fingerprints;
	size_t n_fingerprints;
	bool allow_commands; /* a NAME.nbd may name a program to run */
	struct net *net;     /* NULL: remote sources are refused; outlives the library */
	int kept_dirfd;	     /* where remote indexes are kept (kept.h); borrowed; 0 or less: nowhere */
	unsigned refresh_s;  /* how often remote indexes are asked for again; 0: never */
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
 * Whether they can be right, whatever the files and servers hold: what the sources are by their texts, how many
 * fingerprints there are and of which form. -EINVAL or -EOPNOTSUPP with the reason. Opens nothing.
 */
int library_check_options(const struct library_options *options, struct why *why);

/*
 * Reads all sources. Options that library_check_options refuses are refused, and
 * keys that are none, whether or not there is anything that they are for. A bad entry costs that entry, with a log_warn line that
 * names file, line and reason. A local source that can't be read at all is an
 * error here (later, in a running mount, it only costs its templates until it is
 * back). A remote one is waited for, but not for long: one that is down is asked
 * again in the background, and an error here only if no source is left, and this one is
 * not just down for now.
 */
int library_open(const struct library_options *options, struct library **ret, struct why *why);

/* Starts the watching thread (after the daemon has forked). */
int library_watch(struct library *lib, struct why *why);

/* Looks again at all sources now. From any thread. */
void library_refresh(struct library *lib);

/* Ends the watching thread; `changed` is not running and won't be called any more. Twice is once. */
void library_unwatch(struct library *lib);

void library_close(struct library *lib); /* accepts NULL; templates may outlive it */
DEFINE_CLEANUP(struct library *, library_close);

/*
 * By name first, by alias second; `arch` (normalised) or the host's when NULL.
 * With several of one name and architecture the highest revision wins, then the
 * source named first. Returns a ref, or -ENOENT with the reason ("no template
 * 'x'", "'x' exists for aarch64 only, ask for x@aarch64"; of a file that was rejected
 * that of library_find_rejected).
 */
int library_find(struct library *lib, const char *name, const char *arch, struct template **ret,
		 struct why *why);

/*
 * The file that would be the template of that name if it were one; of each source 200 are
 * remembered. Its `rejected` says what is wrong with it, and not where links lead. What it says is for those who may read the file
 * (mode, uid, gid), or the source's directory where nobody has seen a file. A ref, or -ENOENT.
 */
int library_find_rejected(struct library *lib, const char *name, const char *arch, struct template **ret);

/*
 * What is there, best revision of each (name, arch) only, sorted by name, then
 * arch. An array of `n` refs; give it back with templates_free.
 */
int library_list(struct library *lib, struct template ***ret, size_t *ret_n);
void templates_free(struct template **list, size_t n);

/* Whether it is on an NBD server, and its file says only where. */
static inline bool template_is_export(const struct template *t)
{
	return t->nbd_uri || t->nbd_command;
}

struct template *template_ref(struct template *t);
void template_unref(struct template *t); /* accepts NULL */
DEFINE_CLEANUP(struct template *, template_unref);

/*
 * Opens a local template's file for reading. -ESTALE when it is not the file any more
 * that the library saw (length, mtime, inode), or gone; the library then looks
 * again, if it is watched. Never opens anything inside
 * `avoid`. Read-only, O_CLOEXEC; the caller owns the descriptor.
 */
int template_open(struct template *t, int *ret_fd, struct why *why);

/* Opens the file at sig_path, likewise; it may be another one each time. */
int template_open_sig(struct template *t, int *ret_fd, struct why *why);

/* The notes in the user's language (LC_MESSAGES: ll_CC, ll, then C); NULL when there are none. Borrowed. */
const char *template_notes(const struct template *t);

/* The architecture of this machine, normalised. */
const char *library_host_arch(void);

enum list_format {
	LIST_SHORT,
	LIST_LONG,
	LIST_JSON,
};

/* What a listing wants to know that the library doesn't know. */
struct list_answers {
	/* The virtual size; 0: unknown. May be NULL. */
	uint64_t (*size_of)(void *arg, struct template *t);
	/* What is known of its checksum, in `buf`, of 64 bytes; NULL when it has none. May be NULL. */
	const char *(*verdict_of)(void *arg, struct template *t, char *buf);
	void *arg;
};

/* virt-builder's --list forms; `answers` may be NULL. */
int library_list_text(struct library *lib, enum list_format format, const struct list_answers *answers,
		      struct text *out);

/*
 * TEMPLATE.json: all that is known of one template, one JSON object, ends with a
 * newline. `verified`: what is known of its checksum, may be NULL. `disk`: what is on
 * it (json-c's, taken over), may be NULL.
 */
int template_json(const struct template *t, uint64_t size, const char *verified, struct json_object *disk,
		  struct text *out);

#endif
