/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/confine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "backends/library/single.h"
#include "backends/library/value.h"
#include "backends/net/net.h"
#include "base/log.h"
#include "base/path.h"
#include "base/sandbox.h"
#include "base/text.h"

#define LOOK (SANDBOX_READ | SANDBOX_LIST)
#define RUN  (LOOK | SANDBOX_RUN)
#define KEEP (LOOK | SANDBOX_WRITE | SANDBOX_MAKE)

/* A directory of so many links is not looked through to its end. */
#define LINKS_MAX 10000

struct rule {
	const char *path;
	unsigned access;
};

/* What any program needs that talks to servers. */
static const struct rule common[] = {
	{ "/usr", RUN },
	{ "/bin", RUN },
	{ "/sbin", RUN },
	{ "/lib", RUN },
	{ "/lib32", RUN },
	{ "/lib64", RUN },
	{ "/nix/store", RUN },
	{ "/gnu/store", RUN },
	{ "/dev/null", SANDBOX_READ | SANDBOX_WRITE },
	{ "/dev/zero", SANDBOX_READ },
	{ "/dev/random", SANDBOX_READ },
	{ "/dev/urandom", SANDBOX_READ },
	{ "/proc", LOOK },
	{ "/sys/devices/system", LOOK },
	{ "/sys/kernel/mm/transparent_hugepage", LOOK },
	{ "/sys/devices/virtual/bdi", SANDBOX_READ | SANDBOX_WRITE }, /* how far the kernel reads ahead */
	{ "/run/systemd/resolve", LOOK },
	{ "/run/NetworkManager", LOOK },
	{ "/run/resolvconf", LOOK },
	{ "/run/connman", LOOK },
	{ "/var/lib/sss/mc", LOOK },
	{ "/var/lib/ca-certificates", LOOK },
};

/* Of /etc, for one who could read all of it, private keys included. */
static const char *const etc[] = {
	"ld.so.cache",
	"ld.so.preload",
	"ld.so.conf",
	"ld.so.conf.d",
	"nsswitch.conf",
	"resolv.conf",
	"hosts",
	"host.conf",
	"gai.conf",
	"services",
	"protocols",
	"networks",
	"passwd",
	"group",
	"localtime",
	"locale.alias",
	"fuse.conf",
	"ssl/certs",
	"ssl/openssl.cnf",
	"ssl/cert.pem",
	"ssl/ca-bundle.pem",
	"pki/tls/certs",
	"pki/tls/cert.pem",
	"pki/tls/openssl.cnf",
	"pki/ca-trust",
	"pki/nbd",
	"pki/libnbd",
	"ca-certificates",
	"crypto-policies",
	"gnutls",
	"gcrypt",
	"gnupg",
	"ssh/ssh_known_hosts",
	"goalfs",
	"virt-builder",
	"xdg/goalfs",
	"machine-id",
};

/* Of $HOME. */
static const char *const home[] = {
	".netrc", ".ssh/known_hosts", ".pki", ".config/pki", ".config/goalfs", ".config/virt-builder",
};

/* What no part of the daemon, and no program that it starts, has any business with. */
static const int forbidden[] = {
	SYS_mount,
	SYS_umount2,
	SYS_pivot_root,
	SYS_chroot,
	SYS_move_mount,
	SYS_open_tree,
	SYS_fsopen,
	SYS_fsconfig,
	SYS_fsmount,
	SYS_fspick,
	SYS_mount_setattr,
	SYS_swapon,
	SYS_swapoff,
	SYS_quotactl,
	SYS_acct,
	SYS_reboot,
	SYS_kexec_load,
	SYS_kexec_file_load,
	SYS_init_module,
	SYS_finit_module,
	SYS_delete_module,
	SYS_bpf,
	SYS_perf_event_open,
	SYS_userfaultfd,
	SYS_io_uring_setup,
	SYS_keyctl,
	SYS_add_key,
	SYS_request_key,
	SYS_setns,
	SYS_unshare,
	SYS_sethostname,
	SYS_setdomainname,
	SYS_settimeofday,
	SYS_clock_settime,
	SYS_adjtimex,
	SYS_clock_adjtime,
	SYS_syslog,
	SYS_vhangup,
	SYS_personality,
	SYS_fanotify_init,
	SYS_open_by_handle_at,
	SYS_name_to_handle_at,
	SYS_kcmp,
	SYS_process_vm_readv,
	SYS_process_vm_writev,
	SYS_pidfd_getfd,
/* The leak checker of a build for tests looks at its threads that way. */
#if !defined(__SANITIZE_ADDRESS__)
	SYS_ptrace,
#endif
#ifdef SYS_iopl
	SYS_iopl,
	SYS_ioperm,
#endif
};

_Static_assert(sizeof(forbidden) / sizeof(forbidden[0]) <= SANDBOX_CALLS_MAX, "room for all of them");

/* Linux 6.13; the headers may be older. */
#define SETXATTRAT    463
#define REMOVEXATTRAT 466

/*
 * What Landlock leaves alone, and what could yet be done to every file of the daemon's user: give it away, or to more
 * users by a list of them; and before Linux 6.2, cut it off.
 */
static const int forbidden_to_files[] = {
	SYS_truncate,	 SYS_fchown,	   SYS_fchownat,     SYS_setxattr, SYS_lsetxattr, SYS_fsetxattr,
	SYS_removexattr, SYS_lremovexattr, SYS_fremovexattr, SETXATTRAT,   REMOVEXATTRAT,
#ifdef SYS_chown
	SYS_chown,	 SYS_lchown,
#endif
};

/* ---- files ---- */

static void allow_below(struct sandbox *s, const char *dir, const char *name, unsigned access)
{
	_cleanup_free_ char *path = dir && dir[0] == '/' ? text_new("%s/%s", dir, name) : NULL;

	if (path)
		sandbox_allow_path(s, path, access);
}

static void allow_system(struct sandbox *s)
{
	for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
		sandbox_allow_path(s, common[i].path, common[i].access);
	/* Files there come and go by renaming. Where permissions keep the secrets, all of it may as well be read. */
	if (geteuid() != 0 && !sandbox_has_capability(CAP_DAC_READ_SEARCH))
		sandbox_allow_path(s, "/etc", LOOK);
	for (size_t i = 0; i < sizeof(etc) / sizeof(etc[0]); i++)
		allow_below(s, "/etc", etc[i], LOOK);
}

/* Each directory of a list such as $PATH. */
static void allow_list(struct sandbox *s, const char *list, unsigned access)
{
	_cleanup_free_ char *dirs = list ? strdup(list) : NULL;

	for (char *save, *dir = dirs ? strtok_r(dirs, ":", &save) : NULL; dir; dir = strtok_r(NULL, ":", &save))
		if (dir[0] == '/')
			sandbox_allow_path(s, dir, access);
}

static void allow_environment(struct sandbox *s)
{
	static const char *const files[] = { "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR",
					     "OPENSSL_CONF" };
	const char *xdg = getenv("XDG_CONFIG_HOME");

	allow_list(s, getenv("PATH"), RUN);
	allow_list(s, getenv("LD_LIBRARY_PATH"), RUN);
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (getenv(files[i]))
			sandbox_allow_path(s, getenv(files[i]), LOOK);
	for (size_t i = 0; i < sizeof(home) / sizeof(home[0]); i++)
		allow_below(s, getenv("HOME"), home[i], LOOK);
	allow_below(s, xdg, "goalfs", LOOK);
	allow_below(s, xdg, "virt-builder", LOOK);
}

/*
 * A directory of our own, so that there is no need to let the daemon into those which everybody's temporary
 * files are in. It becomes $TMPDIR. -1: there is none.
 */
static char *temporary;
static int temporary_fd = -1;

static bool make_temporary(const char *parent)
{
	_cleanup_free_ char *path = parent && parent[0] == '/' ? text_new("%s/goalfs-XXXXXX", parent) : NULL;

	if (!path || !mkdtemp(path))
		return false;
	temporary_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (temporary_fd < 0 || setenv("TMPDIR", path, 1) < 0)
		return false;
	/* systemd-tmpfiles passes by what is locked, however old it looks. */
	(void)flock(temporary_fd, LOCK_EX | LOCK_NB);
	temporary = take(path);
	return true;
}

static void allow_temporary(struct sandbox *s)
{
	const char *const parents[] = { getenv("TMPDIR"), "/var/tmp", "/tmp", getenv("XDG_RUNTIME_DIR") };
	const size_t n = sizeof(parents) / sizeof(parents[0]);
	size_t i = 0;

	while (i < n && !make_temporary(parents[i]))
		i++;
	if (i == n) {
		log_detail("there is no directory for temporary files: %s", strerror(errno));
		return;
	}
	sandbox_allow(s, temporary_fd, KEEP);
	/* To remove it in the end. */
	sandbox_allow_path(s, parents[i], SANDBOX_RMDIR);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	/* Not remove(), which tries the wrong one first: here that is forbidden before it is found to be wrong. */
	(void)(kind == FTW_DP ? rmdir(path) : unlink(path));
	return 0;
}

void confine_end(void)
{
	if (temporary)
		(void)nftw(temporary, remove_one, /* descriptors= */ 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	free(take(temporary));
	closep(&temporary_fd);
	temporary_fd = -1;
}

static void allow_store(struct sandbox *s, const struct options *o)
{
	if (!o->cache || o->no_cache)
		return;
	/* A rule is about what is there. Whoever opens it will say what is wrong with it. */
	(void)path_make_dirs(o->cache);
	sandbox_allow_path(s, o->cache, KEEP);
}

static void allow_keys(struct sandbox *s, const struct options *o)
{
	const char *gnupg = getenv("GNUPGHOME");

	for (char **file = o->key_files; file && *file; file++)
		sandbox_allow_path(s, *file, SANDBOX_READ);
	if (o->ca_file)
		sandbox_allow_path(s, o->ca_file, SANDBOX_READ);
	/* gpg locks a keyring that it reads. */
	if (o->fingerprints && gnupg && *gnupg)
		sandbox_allow_path(s, gnupg, KEEP);
	else if (o->fingerprints)
		allow_below(s, getenv("HOME"), ".gnupg", KEEP);
}

/* Whose links are as good as the operator's own word. */
static bool is_operator(uid_t uid)
{
	return uid == 0 || uid == geteuid();
}

/* Links in a source: to a template's file, and, if the operator has made them, to directories of templates. */
static void allow_link(struct sandbox *s, int dir, const char *path, const char *name)
{
	struct stat link, st;

	if (fstatat(dir, name, &link, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISLNK(link.st_mode) ||
	    fstatat(dir, name, &st, 0) < 0)
		return;
	if (S_ISREG(st.st_mode) || (S_ISDIR(st.st_mode) && is_operator(link.st_uid)))
		allow_below(s, path, name, LOOK);
}

static void allow_links(struct sandbox *s, const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *d;

	for (unsigned n = 0; dir && n < LINKS_MAX && (d = readdir(dir));)
		if (d->d_type == DT_LNK || d->d_type == DT_UNKNOWN) {
			allow_link(s, dirfd(dir), path, d->d_name);
			n++;
		}
	if (dir)
		(void)closedir(dir);
}

/* Without links in it; NULL when it is not there. */
static char *directory_of(const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	char *slash = copy ? strrchr(copy, '/') : NULL;

	if (slash)
		slash[slash == copy] = '\0';
	return copy ? realpath(slash ? copy : ".", NULL) : NULL;
}

/* A file stands for the directory that it is in: an index names files there. */
static void allow_source(struct sandbox *s, const char *source)
{
	_cleanup_(given_done) struct given given = { 0 };
	_cleanup_free_ char *path = NULL, *dir = NULL;
	struct stat st;

	if (net_is_url(source) || given_parse(source, &given, NULL) < 0 ||
	    value_file_uri("source", given.text, &path, NULL) < 0 || stat(path, &st) < 0)
		return;
	dir = S_ISDIR(st.st_mode) ? realpath(path, NULL) : directory_of(path);
	if (!dir)
		return;
	sandbox_allow_path(s, dir, LOOK);
	if (!S_ISDIR(st.st_mode))
		sandbox_allow_path(s, path, SANDBOX_READ);
	allow_links(s, dir);
}

static void allow_sources(struct sandbox *s, const struct options *o, const struct repos *repos)
{
	for (size_t i = 0; i < o->n_sources; i++)
		allow_source(s, o->sources[i]);
	for (size_t i = 0; i < repos->n; i++) {
		allow_source(s, repos->config[i].uri);
		if (repos->config[i].gpgkey)
			sandbox_allow_path(s, repos->config[i].gpgkey, SANDBOX_READ);
	}
	for (char **path = o->allow_read; path && *path; path++)
		sandbox_allow_path(s, *path, LOOK);
}

/*
 * The names of threads are written there, by the thread that starts them. The descriptor stays: without it
 * the kernel might forget the directory, and with it the rule.
 */
static void allow_thread_names(struct sandbox *s)
{
	static int task = -1;

	task = open("/proc/self/task", O_PATH | O_CLOEXEC);
	if (task >= 0)
		sandbox_allow(s, task, SANDBOX_WRITE);
}

static void confine_files(struct sandbox *s, const struct options *o, const struct repos *repos)
{
	int r = sandbox_new(s, 0);

	allow_temporary(s);
	if (r < 0) {
		log_line(o->command == COMMAND_MOUNT ? LOG_NOTE : LOG_DETAIL,
			 "the kernel has no Landlock (%s): the daemon is not confined to its files",
			 strerror(-r));
		return;
	}
	allow_system(s);
	allow_environment(s);
	allow_thread_names(s);
	allow_store(s, o);
	allow_keys(s, o);
	allow_sources(s, o, repos);
}

/* Commands may do with files what their user may. */
static int forbid_calls(bool allow_commands)
{
	int r = sandbox_forbid_calls(forbidden, sizeof(forbidden) / sizeof(forbidden[0]), EPERM);

	if (r == 0)
		r = sandbox_forbid_namespaces();
	if (r < 0 || allow_commands)
		return r;
	r = sandbox_forbid_calls(forbidden_to_files, sizeof(forbidden_to_files) / sizeof(forbidden_to_files[0]),
				 EPERM);
	return r < 0 ? r : sandbox_forbid_opening_up();
}

int confine_daemon(const struct options *o, const struct repos *repos, struct why *why)
{
	_cleanup_(sandbox_done) struct sandbox s = { -1 };
	int r;

	if (!o->allow_commands)
		confine_files(&s, o, repos);
	r = sandbox_keep_capabilities(UINT64_C(1) << CAP_DAC_READ_SEARCH);
	if (r == 0)
		r = sandbox_enter(&s);
	if (r == 0)
		r = forbid_calls(o->allow_commands);
	return r < 0 ? fail(why, r, "the daemon can't be confined: %s", strerror(-r)) : 0;
}
