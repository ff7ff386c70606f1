/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/log.h"

/* ---- files, TCP and signals: Documentation/userspace-api/landlock.rst ---- */

/* As the kernel of ABI 6 has it; the headers of the distribution may be older. An older kernel takes less of it. */
struct ruleset_attr {
	uint64_t handled_access_fs;
	uint64_t handled_access_net; /* ABI 4 */
	uint64_t scoped;	     /* ABI 6 */
};

struct path_beneath_attr {
	uint64_t allowed_access;
	int32_t parent_fd;
} __attribute__((packed));

#define CREATE_RULESET_VERSION 1
#define RULE_PATH_BENEATH      1
#define ACCESS_EXECUTE	       (UINT64_C(1) << 0)
#define ACCESS_READ_FILE       (UINT64_C(1) << 2)
#define ACCESS_NET_TCP	       UINT64_C(3) /* bind, connect */
#define SCOPES		       UINT64_C(3) /* abstract sockets, signals */

/* Every way to touch a file that this ABI can forbid. */
static uint64_t all_access(long abi)
{
	if (abi >= 5)
		return (UINT64_C(1) << 16) - 1; /* ioctls of devices */
	if (abi >= 3)
		return (UINT64_C(1) << 15) - 1; /* truncate */
	return abi == 2 ? (UINT64_C(1) << 14) - 1 /* link and rename */ : (UINT64_C(1) << 13) - 1;
}

static void allow(int ruleset, int fd, uint64_t access)
{
	const struct path_beneath_attr attr = { access, fd };

	/* What stands on no file system that can be named (a memfd) is not forbidden in the first place. */
	if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		log_detail("landlock: %s", strerror(errno));
}

static void allow_path(int ruleset, const char *path)
{
	_cleanup_close_ int fd = open(path, O_PATH | O_CLOEXEC);
	struct stat st;

	if (fd >= 0 && fstat(fd, &st) == 0)
		allow(ruleset, fd, ACCESS_READ_FILE | (S_ISDIR(st.st_mode) ? ACCESS_EXECUTE : 0));
}

void confine_prepare(struct confinement *c, const int *fds, size_t n_fds)
{
	/* Programs and libraries, and what these read as they start. */
	static const char *const paths[] = {
		"/usr", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/dev/null", "/dev/urandom",
	};
	const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
	const struct ruleset_attr attr = {
		.handled_access_fs = all_access(abi),
		.handled_access_net = abi >= 4 ? ACCESS_NET_TCP : 0,
		.scoped = abi >= 6 ? SCOPES : 0,
	};
	const size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;

	c->ruleset = abi < 1 ? -1 : (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	if (c->ruleset < 0) {
		log_detail("landlock: not to be had: %s", strerror(errno));
		return;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		allow_path(c->ruleset, paths[i]);
	for (size_t i = 0; i < n_fds; i++)
		allow(c->ruleset, fds[i], ACCESS_READ_FILE);
}

void confine_done(struct confinement *c)
{
	closep(&c->ruleset);
	c->ruleset = -1;
}

/* ---- sockets ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef ARCH
static int forbid_sockets(void)
{
	/* System calls of another kind (32 bits, x32: numbers from 2^30 on) are numbered otherwise; no program
	 * of ours makes any. */
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCH, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	/* A kernel without it. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return errno == EINVAL ? 0 : -errno;
	return 0;
}
#else
static int forbid_sockets(void)
{
	return 0;
}
#endif

int confine_self(const struct confinement *c)
{
	const struct rlimit none = { 0, 0 };
	struct rlimit data;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0 ||
	    getrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	data.rlim_cur = data.rlim_max = min_u64(data.rlim_max, 2 * GiB);
	if (setrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	if (c->ruleset >= 0 && syscall(SYS_landlock_restrict_self, c->ruleset, 0) < 0)
		return -errno;
	return forbid_sockets();
}
