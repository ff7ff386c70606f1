/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/options.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>

#include "backends/library/signature.h"
#include "backends/net/net.h"
#include "base/path.h"
#include "base/size.h"
#include "planner/goal.h"
#include "base/text.h"
#include "fs/plain.h"

#define DEFAULT_CACHE_LIMIT "32G"
#define DEFAULT_MEMORY	    "512M"
#define DEFAULT_FORMATS	    "qcow2,raw"
#define DEFAULT_REFRESH	    "3600"

/* Less than this can't hold one decoder of a 64 MiB dictionary, which xz -9 asks for. */
#define LEAST_MEMORY "128M"

struct option_row {
	const char *name;
	char letter;	      /* 0: none */
	const char *argument; /* NULL: none */
	const char *help;     /* may hold line breaks */
	int (*set)(struct options *o, const char *value, struct why *why);
	bool with_o; /* may stand behind -o, too: -o cache-limit=10G */
};

static int set_command(struct options *o, enum command command, const char *subject, struct why *why)
{
	/* The first of --help, --version wins over all; two others contradict each other. */
	if (o->command == COMMAND_HELP || o->command == COMMAND_VERSION)
		return 0;
	if (o->command != COMMAND_MOUNT && command != COMMAND_HELP && command != COMMAND_VERSION)
		return fail(why, -EINVAL,
			    "--list, --notes, --plan, --unmount and the cache's commands exclude each other");
	o->command = command;
	o->subject = subject;
	return 0;
}

static int set_list(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_LIST, NULL, why);
}

static int set_notes(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_NOTES, value, why);
}

static int set_plan(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_PLAN, value, why);
}

static int set_cache_all(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_CACHE_ALL, NULL, why);
}

static int set_print_cache(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_PRINT_CACHE, NULL, why);
}

static int set_delete_cache(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_DELETE_CACHE, NULL, why);
}

static int set_unmount(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_UNMOUNT, NULL, why);
}

static int set_help(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_HELP, NULL, why);
}

static int set_version(struct options *o, const char *value, struct why *why)
{
	return set_command(o, COMMAND_VERSION, NULL, why);
}

static int set_list_format(struct options *o, const char *value, struct why *why)
{
	static const char *const names[] = {
		[LIST_SHORT] = "short",
		[LIST_LONG] = "long",
		[LIST_JSON] = "json",
	};

	o->has_list_format = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0) {
			o->list_format = (enum list_format)i;
			return 0;
		}
	return fail(why, -EINVAL, "--list-format '%s' is none of short, long, json", value);
}

static int set_cache(struct options *o, const char *value, struct why *why)
{
	if (!*value)
		return fail(why, -EINVAL, "--cache needs a directory");
	free(o->cache);
	o->cache = path_absolute(value);
	o->cache_given = true;
	return o->cache ? 0 : -ENOMEM;
}

static int set_no_cache(struct options *o, const char *value, struct why *why)
{
	o->no_cache = true;
	return 0;
}

static int set_size(uint64_t *ret, const char *name, const char *value, struct why *why)
{
	if (size_parse(value, ret) < 0)
		return fail(why, -EINVAL, "--%s '%s' is not a size such as 512M or 20G", name, value);
	return 0;
}

static int set_cache_limit(struct options *o, const char *value, struct why *why)
{
	return set_size(&o->cache_limit, "cache-limit", value, why);
}

static int set_memory(struct options *o, const char *value, struct why *why)
{
	uint64_t least;
	int r = set_size(&o->memory, "memory", value, why);

	(void)size_parse(LEAST_MEMORY, &least);
	if (r == 0 && o->memory < least)
		return fail(why, -EINVAL, "--memory %s is too little, " LEAST_MEMORY " is the least", value);
	return r;
}

static int set_decoders(struct options *o, const char *value, struct why *why)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || end == value || n < 1 || n > 256)
		return fail(why, -EINVAL, "--decoders '%s' is not a number from 1 to 256", value);
	o->decoders = (unsigned)n;
	return 0;
}

static bool has_string(char *const *strings, const char *string)
{
	for (; *strings; strings++)
		if (strcmp(*strings, string) == 0)
			return true;
	return false;
}

static int set_formats(struct options *o, const char *value, struct why *why)
{
	_cleanup_free_ char *list = strdup(value);
	char **formats = calloc(strlen(value) + 2, sizeof(*formats));
	size_t n = 0;

	texts_free(o->formats);
	o->formats = formats;
	if (!list || !formats)
		return -ENOMEM;
	for (char *save, *f = strtok_r(list, ",:", &save); f; f = strtok_r(NULL, ",:", &save)) {
		int r = plain_check(f, why);

		if (r < 0)
			return r;
		if (has_string(formats, f))
			continue;
		formats[n] = strdup(f);
		if (!formats[n++])
			return -ENOMEM;
	}
	return 0;
}

static int set_no_check_signature(struct options *o, const char *value, struct why *why)
{
	o->check_signature = false;
	return 0;
}

static int add_string(char ***strings, const char *string)
{
	const size_t n = texts_count(*strings);
	char **all = reallocarray(*strings, n + 2, sizeof(*all));

	if (!all)
		return -ENOMEM;
	*strings = all;
	all[n] = strdup(string);
	all[n + 1] = NULL;
	return all[n] ? 0 : -ENOMEM;
}

static int set_allow_commands(struct options *o, const char *value, struct why *why)
{
	o->allow_commands = true;
	return 0;
}

static int set_gpgkey(struct options *o, const char *value, struct why *why)
{
	_cleanup_free_ char *path = path_absolute(value);
	int r = path ? key_file_check(path, why) : -ENOMEM;

	return r < 0 ? r : add_string(&o->key_files, path);
}

static int set_fingerprint(struct options *o, const char *value, struct why *why)
{
	return add_string(&o->fingerprints, value);
}

static int set_verify(struct options *o, const char *value, struct why *why)
{
	static const char *const names[] = {
		[VERIFY_OFF] = "off",
		[VERIFY_BEHIND] = "behind",
		[VERIFY_BEFORE] = "before",
	};

	for (size_t i = VERIFY_OFF; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(value, names[i]) == 0) {
			o->verify = (enum verify)i;
			return 0;
		}
	return fail(why, -EINVAL, "--verify '%s' is none of before, behind, off", value);
}

static int set_seconds(unsigned *ret, const char *name, const char *value, struct why *why)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*end || end == value || *value == '-' || n > 30 * 86400)
		return fail(why, -EINVAL, "--%s '%s' is not a number of seconds up to 30 days, or 0", name,
			    value);
	*ret = (unsigned)n;
	return 0;
}

static int set_refresh(struct options *o, const char *value, struct why *why)
{
	return set_seconds(&o->refresh_s, "refresh", value, why);
}

static int set_wait(struct options *o, const char *value, struct why *why)
{
	o->has_wait = true;
	return set_seconds(&o->wait_s, "wait", value, why);
}

static int set_cacert(struct options *o, const char *value, struct why *why)
{
	free(o->ca_file);
	o->ca_file = realpath(value, NULL);
	return o->ca_file ? 0 : fail(why, -EINVAL, "--cacert '%s': %s", value, strerror(errno));
}

static int set_allow_read(struct options *o, const char *value, struct why *why)
{
	_cleanup_free_ char *path = realpath(value, NULL);

	return path ? add_string(&o->allow_read, path)
		    : fail(why, -EINVAL, "--allow-read '%s': %s", value, strerror(errno));
}

/* A number, decimal or octal; false for anything else. (uid_t)-1 stands for none. */
static bool take_number(const char *value, int base, unsigned long most, unsigned long *ret)
{
	char *end;

	if (!isdigit((unsigned char)value[0]))
		return false;
	errno = 0;
	*ret = strtoul(value, &end, base);
	return !*end && !errno && *ret <= most;
}

static int set_uid(struct options *o, const char *value, struct why *why)
{
	unsigned long n;
	const struct passwd *user = take_number(value, 10, UINT32_MAX - 1, &n) ? NULL : getpwnam(value);

	if (!user && !take_number(value, 10, UINT32_MAX - 1, &n))
		return fail(why, -EINVAL, "--uid '%s' is no user, nor the number of one", value);
	o->uid = user ? user->pw_uid : (uid_t)n;
	o->has_uid = true;
	return 0;
}

static int set_gid(struct options *o, const char *value, struct why *why)
{
	unsigned long n;
	const struct group *group = take_number(value, 10, UINT32_MAX - 1, &n) ? NULL : getgrnam(value);

	if (!group && !take_number(value, 10, UINT32_MAX - 1, &n))
		return fail(why, -EINVAL, "--gid '%s' is no group, nor the number of one", value);
	o->gid = group ? group->gr_gid : (gid_t)n;
	o->has_gid = true;
	return 0;
}

static int set_umask(struct options *o, const char *value, struct why *why)
{
	unsigned long n;

	if (!take_number(value, 8, 0777, &n))
		return fail(why, -EINVAL, "--umask '%s' is no octal number up to 777", value);
	o->umask = (mode_t)n;
	return 0;
}

static int set_foreground(struct options *o, const char *value, struct why *why)
{
	o->foreground = true;
	return 0;
}

static int set_verbose(struct options *o, const char *value, struct why *why)
{
	o->verbose = true;
	return 0;
}

static int set_mount_options(struct options *o, const char *value, struct why *why);

/* --help prints the rows in this order; the manual and the completions hold the same names (tests/check-docs). */
static const struct option_row rows[] = {
	{ "list", 0, NULL, "list the templates of the sources", set_list, false },
	{ "list-format", 0, "FORMAT", "short (default), long or json", set_list_format, false },
	{ "notes", 0, "TEMPLATE", "print the notes of a template", set_notes, false },
	{ "plan", 0, "GOAL", "print how a goal is made, or why it can't be", set_plan, false },
	{ "cache-all-templates", 0, NULL, "fetch all templates into the cache", set_cache_all, false },
	{ "print-cache", 0, NULL, "print which templates are in the cache", set_print_cache, false },
	{ "delete-cache", 0, NULL, "delete what is in the cache", set_delete_cache, false },
	{ "unmount", 0, NULL, "unmount, and return when the daemon has ended", set_unmount, false },
	{ "wait", 0, "SECONDS", "of --unmount: time for those who use it; default 0", set_wait, false },
	{ "cache", 0, "DIR",
	  "keep what was fetched and decoded here; default\n"
	  "$XDG_CACHE_HOME/goalfs, ~/.cache/goalfs, or\n"
	  "/var/cache/goalfs for root",
	  set_cache, true },
	{ "no-cache", 0, NULL, "keep that in temporary files, until the unmount", set_no_cache, true },
	{ "cache-limit", 0, "SIZE", "disk space that the cache may take; default " DEFAULT_CACHE_LIMIT,
	  set_cache_limit, true },
	{ "memory", 0, "SIZE", "memory for decoders and blocks; default " DEFAULT_MEMORY, set_memory, true },
	{ "decoders", 0, "N", "decoder threads; default one per CPU", set_decoders, true },
	{ "formats", 0, "LIST", "what is listed (qcow2,@20G.raw); default " DEFAULT_FORMATS, set_formats,
	  true },
	{ "gpgkey", 0, "FILE", "key that signs a source's index; may be repeated", set_gpgkey, true },
	{ "fingerprint", 0, "FP",
	  "fingerprint of the signer, its key from --gpgkey or\n"
	  "your own keyring; one for all sources, or one each",
	  set_fingerprint, true },
	{ "no-check-signature", 0, NULL, "take a signed index without checking its signature",
	  set_no_check_signature, true },
	{ "verify", 0, "WHEN",
	  "check a template's checksum before its data is read\n"
	  "(default for remote ones), behind, or off",
	  set_verify, true },
	{ "refresh", 0, "SECONDS", "ask servers again so often, 0 never; default " DEFAULT_REFRESH, set_refresh,
	  true },
	{ "allow-commands", 0, NULL, "run the servers that NAME.nbd files of sources name", set_allow_commands,
	  true },
	{ "cacert", 0, "FILE", "certificates of those who may certify servers", set_cacert, true },
	{ "allow-read", 0, "PATH", "a file or directory that templates may link to;\nmay be repeated",
	  set_allow_read, true },
	{ "uid", 0, "USER", "show all files as this user's", set_uid, true },
	{ "gid", 0, "GROUP", "show all files as this group's", set_gid, true },
	{ "umask", 0, "MODE", "permissions that are taken away, in octal: 077", set_umask, true },
	{ "options", 'o', "OPTIONS",
	  "mount options, comma-separated: those above without\n"
	  "their dashes, and those of mount(8) and fuse(8)",
	  set_mount_options, false },
	{ "foreground", 'f', NULL, "stay in the foreground", set_foreground, false },
	{ "verbose", 'v', NULL, "show the layers in motion", set_verbose, true },
	{ "version", 'V', NULL, "print the version", set_version, false },
	{ "help", 'h', NULL, "print this", set_help, false },
};

#define N_ROWS (sizeof(rows) / sizeof(rows[0]))

/*
 * What mount(8) and fstab pass on and has no meaning for a daemon, or none for
 * files that are never written, whose times are constant and among which no link
 * is. libfuse refuses some of these.
 */
static bool is_noise(const char *option)
{
	static const char *const noise[] = {
		"rw",	      "ro",	     "defaults",   "auto",	  "noauto",
		"user",	      "nouser",	     "users",	   "nofail",	  "_netdev",
		"dev",	      "nodev",	     "suid",	   "nosuid",	  "group",
		"owner",      "relatime",    "norelatime", "strictatime", "nostrictatime",
		"diratime",   "nodiratime",  "lazytime",   "nolazytime",  "iversion",
		"noiversion", "mand",	     "nomand",	   "silent",	  "loud",
		"symfollow",  "nosymfollow", NULL,
	};

	for (const char *const *n = noise; *n; n++)
		if (strcmp(option, *n) == 0)
			return true;
	return strncmp(option, "x-", 2) == 0 || strncmp(option, "comment=", 8) == 0;
}

/* Mount options have underscores where others have dashes: allow_other. */
static bool is_same_name(const char *row, const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (row[i] != (name[i] == '_' ? '-' : name[i]))
			return false;
	return !row[len];
}

static const struct option_row *row_behind_o(const char *name, size_t len)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].with_o && is_same_name(rows[i].name, name, len))
			return &rows[i];
	return NULL;
}

static int set_mount_option(struct options *o, char *option, struct why *why)
{
	char *value = strchr(option, '=');
	const struct option_row *row = row_behind_o(option, value ? (size_t)(value - option) : strlen(option));
	_cleanup_free_ char *before = o->mount_options;

	o->mount_options = NULL;
	if (row && !row->argument != !value)
		return fail(why, -EINVAL, row->argument ? "-o %s needs a value" : "-o %s takes no value",
			    option);
	if (row || is_noise(option)) {
		o->mount_options = take(before);
		return row ? row->set(o, value ? value + 1 : NULL, why) : 0;
	}
	if (asprintf(&o->mount_options, "%s%s%s", before ?: "", before && *before ? "," : "", option) < 0) {
		o->mount_options = NULL;
		return -ENOMEM;
	}
	return 0;
}

static int set_mount_options(struct options *o, const char *value, struct why *why)
{
	_cleanup_free_ char *list = strdup(value);
	int r = 0;

	if (!list)
		return -ENOMEM;
	/* Values are copied by their setters: the list lives no longer than this call. */
	for (char *save, *option = strtok_r(list, ",", &save); option && r == 0;
	     option = strtok_r(NULL, ",", &save))
		r = set_mount_option(o, option, why);
	return r;
}

static int set_defaults(struct options *o, struct why *why)
{
	int r;

	o->check_signature = true;
	o->mount_options = strdup("");
	r = o->mount_options ? set_cache_limit(o, DEFAULT_CACHE_LIMIT, why) : -ENOMEM;
	if (r == 0)
		r = set_memory(o, DEFAULT_MEMORY, why);
	if (r == 0)
		r = set_formats(o, DEFAULT_FORMATS, why);
	if (r == 0)
		r = set_refresh(o, DEFAULT_REFRESH, why);
	return r;
}

static int set_default_cache(struct options *o)
{
	const char *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int r = 0;

	if (o->cache || o->no_cache)
		return 0;
	if (xdg && *xdg == '/')
		r = asprintf(&o->cache, "%s/goalfs", xdg);
	else if (geteuid() != 0 && home && *home == '/')
		r = asprintf(&o->cache, "%s/.cache/goalfs", home);
	else if (geteuid() == 0)
		r = asprintf(&o->cache, "/var/cache/goalfs");
	else
		o->no_cache = true;
	if (r < 0)
		o->cache = NULL;
	return r < 0 ? -ENOMEM : 0;
}

/* What is of no use without its command is a command that was forgotten: what follows would be mounted on. */
static int check_company(const struct options *o, struct why *why)
{
	if (o->command == COMMAND_HELP || o->command == COMMAND_VERSION)
		return 0;
	if (o->has_list_format && o->command != COMMAND_LIST)
		return fail(why, -EINVAL, "--list-format goes with --list, which is not there");
	if (o->has_wait && o->command != COMMAND_UNMOUNT)
		return fail(why, -EINVAL, "--wait goes with --unmount, which is not there");
	return 0;
}

/*
 * The daemon leaves the directory that paths are relative to, and is read about by people who never knew which it was.
 */
static int copy_sources(struct options *o, char *const *given)
{
	o->sources = calloc(o->n_sources + 1, sizeof(*o->sources));
	if (!o->sources)
		return -ENOMEM;
	for (size_t i = 0; i < o->n_sources; i++) {
		o->sources[i] =
			*given[i] && !strstr(given[i], "://") ? path_absolute(given[i]) : strdup(given[i]);
		if (!o->sources[i])
			return -ENOMEM;
	}
	return 0;
}

static int take_operands(struct options *o, char **operand, size_t n, struct why *why)
{
	bool mount = o->command == COMMAND_MOUNT || o->command == COMMAND_UNMOUNT;

	if (o->command == COMMAND_HELP || o->command == COMMAND_VERSION)
		return 0;
	if (o->command == COMMAND_UNMOUNT && n != 1)
		return fail(why, -EINVAL, "--unmount needs one mountpoint: goalfs --unmount MOUNTPOINT");
	if (mount && n < 1)
		return fail(why, -EINVAL, "no mountpoint given: goalfs [SOURCE...] MOUNTPOINT");
	/* The sentence does not quote it: a password may stand in it. */
	if (mount && net_is_url(operand[n - 1]))
		return fail(why, -EINVAL, "no mountpoint given behind the URL: goalfs [SOURCE...] MOUNTPOINT");
	o->n_sources = mount ? n - 1 : n;
	o->mountpoint = mount ? operand[n - 1] : NULL;
	/* mount(8) always passes a source on. */
	if (o->n_sources == 1 && strcmp(operand[0], "none") == 0)
		o->n_sources = 0;
	return copy_sources(o, operand);
}

/* What can be said of sources and keys without looking at any. */
static int check_library(const struct options *o, struct why *why)
{
	return library_check_options(
		&(struct library_options){
			.sources = (const char *const *)o->sources,
			.n_sources = o->n_sources,
			.fingerprints = (const char *const *)o->fingerprints,
			.n_fingerprints = texts_count(o->fingerprints),
		},
		why);
}

/* getopt's own tables out of ours; long options return their row's number + 256. */
static void fill_getopt(struct option *long_options, char *letters)
{
	/* A leading ':' makes getopt silent and tells a missing argument from an unknown option. */
	*letters++ = ':';
	for (size_t i = 0; i < N_ROWS; i++) {
		long_options[i] =
			(struct option){ rows[i].name, rows[i].argument ? required_argument : no_argument, NULL,
					 256 + (int)i };
		if (rows[i].letter) {
			*letters++ = rows[i].letter;
			if (rows[i].argument)
				*letters++ = ':';
		}
	}
	*letters = '\0';
}

static const struct option_row *row_of(int c)
{
	if (c >= 256)
		return &rows[c - 256];
	for (size_t i = 0; i < N_ROWS; i++)
		if (rows[i].letter == c)
			return &rows[i];
	return NULL;
}

int options_parse(int argc, char **argv, struct options *o, struct why *why)
{
	struct option long_options[N_ROWS + 1] = { 0 };
	char letters[2 * N_ROWS + 2];
	int r = set_defaults(o, why), c;

	fill_getopt(long_options, letters);
	while (r == 0 && (c = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		const struct option_row *row = row_of(c);

		if (c == ':')
			return fail(why, -EINVAL, "%s needs a value", argv[optind - 1]);
		/* A letter among others: getopt has not moved on yet. */
		if (!row && optopt > 0 && optopt < 256)
			return fail(why, -EINVAL, "there is no option '-%c', see goalfs --help", optopt);
		if (!row && optopt)
			return fail(why, -EINVAL, "--%s takes no value", row_of(optopt)->name);
		if (!row)
			return fail(why, -EINVAL, "there is no option '%s', see goalfs --help",
				    argv[optind - 1]);
		r = row->set(o, optarg, why);
	}
	if (r == 0)
		r = check_company(o, why);
	if (r == 0)
		r = take_operands(o, argv + optind, argc - optind, why);
	if (r == 0)
		r = check_library(o, why);
	if (r == 0)
		r = set_default_cache(o);
	if (r == 0 && o->no_cache &&
	    (o->command == COMMAND_CACHE_ALL || o->command == COMMAND_PRINT_CACHE ||
	     o->command == COMMAND_DELETE_CACHE))
		return fail(why, -EINVAL, "there is no cache directory; name one with --cache DIR");
	return r;
}

void options_done(struct options *o)
{
	texts_free(o->sources);
	free(o->cache);
	free(o->mount_options);
	free(o->ca_file);
	texts_free(o->allow_read);
	texts_free(o->formats);
	texts_free(o->key_files);
	texts_free(o->fingerprints);
}

static void help_row(const struct option_row *row)
{
	const int column = 28;
	const char *help = row->help, *end;
	int n;

	n = row->letter ? printf("  -%c, --%s", row->letter, row->name) : printf("      --%s", row->name);
	if (row->argument)
		n += printf(" %s", row->argument);
	while ((end = strchr(help, '\n'))) {
		printf("%*s%.*s\n", n < column ? column - n : 1, "", (int)(end - help), help);
		help = end + 1;
		n = 0;
	}
	printf("%*s%s\n", n < column ? column - n : 1, "", help);
}

void options_help(void)
{
	printf("Usage: goalfs [OPTIONS] [SOURCE...] MOUNTPOINT\n"
	       "       goalfs --list | --notes TEMPLATE | --plan GOAL  [OPTIONS] [SOURCE...]\n"
	       "       goalfs --unmount [--wait SECONDS] MOUNTPOINT\n"
	       "       goalfs --cache-all-templates | --print-cache | --delete-cache\n"
	       "              [OPTIONS] [SOURCE...]\n"
	       "\n"
	       "Mounts a directory in which every file name is a goal: debian-12@20G.qcow2.\n"
	       "SOURCE is a directory of templates, or the path or URL of a virt-builder index\n"
	       "or of one template's file (https://server/f.iso#sha256=HEX). Without one the\n"
	       "sources are those of virt-builder's repos.d directories, and of goalfs' own.\n"
	       "\n");
	for (size_t i = 0; i < N_ROWS; i++)
		help_row(&rows[i]);
	printf("\nThe names: man 7 goalfs-goals\n");
}
