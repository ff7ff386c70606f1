/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_FS_OPTIONS_H
#define GOALFS_FS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "backends/cache/verified.h"
#include "backends/library/library.h"
#include "base/why.h"

/* What is done with the sources. */
enum command {
	COMMAND_MOUNT,
	COMMAND_LIST,
	COMMAND_NOTES,
	COMMAND_PLAN,
	COMMAND_CACHE_ALL,
	COMMAND_PRINT_CACHE,
	COMMAND_DELETE_CACHE,
	COMMAND_UNMOUNT,
	COMMAND_HELP,
	COMMAND_VERSION,
};

/* The command line. Strings are borrowed from argv unless said otherwise. */
struct options {
	enum command command;
	const char *subject; /* of --notes and --plan */
	char **sources;	     /* n_sources URIs and absolute paths, owned; none: those of repos.d */
	size_t n_sources;
	const char *mountpoint;

	char *cache;	  /* owned; the directory, never NULL after options_parse unless no_cache */
	bool cache_given; /* by the user: then it must work */
	bool no_cache;
	uint64_t cache_limit; /* bytes */
	uint64_t memory;      /* bytes */
	unsigned decoders;    /* 0: one per CPU */
	char **formats;	      /* NULL-terminated, owned: the formats that readdir shows */
	enum list_format list_format;
	bool has_list_format, has_wait; /* they were given */
	bool check_signature;
	bool allow_commands;
	char **key_files;    /* NULL-terminated, owned, as are the next; absolute, and could be read */
	char **fingerprints; /* hex, whatever blanks are in them */
	enum verify verify;
	unsigned refresh_s; /* 0: never */
	char *ca_file;	    /* owned; NULL: the system's */
	char **allow_read;  /* NULL-terminated, owned: what the daemon may read besides */
	bool has_uid, has_gid;
	uid_t uid;	 /* the owner that is shown of all files, if has_uid */
	gid_t gid;	 /* likewise */
	mode_t umask;	 /* permissions that no file has */
	unsigned wait_s; /* of --unmount */
	bool foreground;
	bool verbose;
	char *mount_options; /* owned, "" when none: what -o gave that is not ours */
};

/* Returns 0, -ENOMEM, or another errno with the sentence: the command line is wrong. `o` must be zero; options_done is safe after either. */
int options_parse(int argc, char **argv, struct options *o, struct why *why);
void options_done(struct options *o);

/* To standard output, defaults included. */
void options_help(void);

#endif
