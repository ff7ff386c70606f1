/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* ---- files, TCP and signals ---- */

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

#define BIT(n)		  (UINT64_C(1) << (n))
#define ACCESS_EXECUTE	  BIT(0)
#define ACCESS_WRITE_FILE BIT(1)
#define ACCESS_READ_FILE  BIT(2)
#define ACCESS_READ_DIR	  BIT(3)
#define ACCESS_RMDIR	  BIT(4)
#define ACCESS_REMOVE	  (ACCESS_RMDIR | BIT(5))    /* directories, files */
#define ACCESS_MAKE	  (BIT(7) | BIT(8) | BIT(9)) /* directories, regular files, sockets */
#define ACCESS_TRUNCATE	  BIT(14)
#define ACCESS_OF_FILES	  (ACCESS_EXECUTE | ACCESS_WRITE_FILE | ACCESS_READ_FILE | ACCESS_TRUNCATE)
#define ACCESS_BIND_TCP	  BIT(0)
#define ACCESS_CONNECT	  BIT(1)
#define SCOPES		  (BIT(0) | BIT(1)) /* abstract sockets, signals */

/* Every way to touch a file that this ABI can forbid. */
static uint64_t all_access(long abi)
{
	if (abi >= 5)
		return BIT(16) - 1; /* ioctls of devices */
	if (abi >= 3)
		return BIT(15) - 1; /* truncate */
	return abi == 2 ? BIT(14) - 1 /* link and rename */ : BIT(13) - 1;
}

static long landlock_abi(void)
{
	return syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
}

int sandbox_new(struct sandbox *s, unsigned flags)
{
	const long abi = landlock_abi();
	const uint64_t net = ACCESS_BIND_TCP | (flags & SANDBOX_TIGHT ? ACCESS_CONNECT : 0);
	const struct ruleset_attr attr = {
		.handled_access_fs = all_access(abi),
		.handled_access_net = abi >= 4 ? net : 0,
		.scoped = abi >= 6 && flags & SANDBOX_TIGHT ? SCOPES : 0,
	};
	const size_t size = abi >= 6 ? sizeof(attr) : abi >= 4 ? 16 : 8;

	s->ruleset = abi < 1 ? -1 : (int)syscall(SYS_landlock_create_ruleset, &attr, size, 0);
	return s->ruleset < 0 ? -errno : 0;
}

void sandbox_done(struct sandbox *s)
{
	closep(&s->ruleset);
	s->ruleset = -1;
}

static uint64_t rights_of(unsigned access)
{
	uint64_t rights = 0;

	if (access & SANDBOX_READ)
		rights |= ACCESS_READ_FILE;
	if (access & SANDBOX_LIST)
		rights |= ACCESS_READ_DIR;
	if (access & SANDBOX_RUN)
		rights |= ACCESS_EXECUTE;
	if (access & SANDBOX_WRITE)
		rights |= ACCESS_WRITE_FILE | ACCESS_TRUNCATE;
	if (access & SANDBOX_MAKE)
		rights |= ACCESS_REMOVE | ACCESS_MAKE;
	if (access & SANDBOX_RMDIR)
		rights |= ACCESS_RMDIR;
	return rights & all_access(landlock_abi());
}

void sandbox_allow(struct sandbox *s, int fd, unsigned access)
{
	struct path_beneath_attr attr = { rights_of(access), fd };
	struct stat st;

	if (s->ruleset < 0 || fstat(fd, &st) < 0)
		return;
	if (!S_ISDIR(st.st_mode))
		attr.allowed_access &= ACCESS_OF_FILES;
	/* What stands on no file system that can be named (a memfd) is not forbidden in the first place. */
	if (attr.allowed_access && syscall(SYS_landlock_add_rule, s->ruleset, RULE_PATH_BENEATH, &attr, 0) < 0)
		log_detail("landlock: %s", strerror(errno));
}

void sandbox_allow_path(struct sandbox *s, const char *path, unsigned access)
{
	_cleanup_close_ int fd = s->ruleset < 0 ? -1 : open(path, O_PATH | O_CLOEXEC);

	if (fd >= 0)
		sandbox_allow(s, fd, access);
}

/* The process's, before it has threads. */
static bool is_up;

int sandbox_enter(const struct sandbox *s)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	if (s->ruleset >= 0 && syscall(SYS_landlock_restrict_self, s->ruleset, 0) < 0)
		return -errno;
	is_up = s->ruleset >= 0;
	return 0;
}

bool sandbox_is_up(void)
{
	return is_up;
}

/* ---- system calls ---- */

#if defined(__x86_64__)
#define ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv) && __riscv_xlen == 64
#define ARCH AUDIT_ARCH_RISCV64
#endif

#ifdef ARCH
#define LOAD(field)	   BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define IF(op, k, yes, no) BPF_JUMP(BPF_JMP | (op) | BPF_K, (k), (yes), (no))
#define FAIL_WITH(error)   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))
#define PASS		   BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int install(struct sock_filter *filter, size_t n)
{
	const struct sock_fprog program = { (unsigned short)n, filter };

	/* A kernel without it. */
	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return errno == EINVAL ? 0 : -errno;
	return 0;
}

int sandbox_forbid_calls(const int *calls, size_t n, int error)
{
	/* System calls of another kind (32 bits, x32: numbers from 2^30 on) are numbered otherwise; no program
	 * of ours makes any. */
	struct sock_filter filter[SANDBOX_CALLS_MAX + 6] = {
		LOAD(arch),
		IF(BPF_JEQ, ARCH, 0, (uint8_t)(n + 3)),
		LOAD(nr),
		IF(BPF_JGE, 0x40000000, (uint8_t)(n + 1), 0),
	};
	size_t k = 4;

	if (n > SANDBOX_CALLS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < n; i++)
		filter[k++] = (struct sock_filter)IF(BPF_JEQ, (uint32_t)calls[i], (uint8_t)(n - i), 0);
	filter[k++] = (struct sock_filter)PASS;
	filter[k++] = (struct sock_filter)FAIL_WITH((uint32_t)error);
	return install(filter, k);
}

#define NAMESPACES                                                                                    \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | \
	 CLONE_NEWNET)

int sandbox_forbid_namespaces(void)
{
	/* The flags of clone3 lie in memory, where no filter sees them; told that there is no such call, libraries
	 * use clone. */
	struct sock_filter filter[] = {
		LOAD(nr),
		IF(BPF_JEQ, SYS_clone3, 8, 0),
		IF(BPF_JEQ, SYS_clone, 0, 2),
		LOAD(args[0]),
		IF(BPF_JSET, NAMESPACES, 6, 4),
		IF(BPF_JEQ, SYS_ioctl, 0, 3),
		LOAD(args[1]),
		IF(BPF_JEQ, TIOCSTI, 3, 0),
		IF(BPF_JEQ, TIOCLINUX, 2, 0),
		PASS,
		FAIL_WITH(ENOSYS),
		FAIL_WITH(EPERM),
	};

	return install(filter, sizeof(filter) / sizeof(filter[0]));
}

/* Not every processor has it. */
#ifdef SYS_chmod
#define CHMOD SYS_chmod
#else
#define CHMOD SYS_fchmod
#endif

/* Linux 6.6; the headers may be older. */
#define FCHMODAT2 452

/* What others could do with a file, and whoever runs it in its owner's name. */
#define MODES_FOR_OTHERS 07077

int sandbox_forbid_opening_up(void)
{
	struct sock_filter filter[] = {
		LOAD(nr),
		IF(BPF_JEQ, CHMOD, 4, 0),
		IF(BPF_JEQ, SYS_fchmod, 3, 0),
		IF(BPF_JEQ, SYS_fchmodat, 4, 0),
		IF(BPF_JEQ, FCHMODAT2, 3, 0),
		PASS,
		LOAD(args[1]),
		BPF_STMT(BPF_JMP | BPF_JA, 1),
		LOAD(args[2]),
		IF(BPF_JSET, MODES_FOR_OTHERS, 1, 0),
		PASS,
		FAIL_WITH(EPERM),
	};

	return install(filter, sizeof(filter) / sizeof(filter[0]));
}
#else
int sandbox_forbid_calls(const int *calls, size_t n, int error)
{
	return 0;
}

int sandbox_forbid_namespaces(void)
{
	return 0;
}

int sandbox_forbid_opening_up(void)
{
	return 0;
}
#endif

/* ---- capabilities ---- */

static int get_capabilities(struct __user_cap_header_struct *header, struct __user_cap_data_struct data[2])
{
	*header = (struct __user_cap_header_struct){ _LINUX_CAPABILITY_VERSION_3, 0 };
	return syscall(SYS_capget, header, data) < 0 ? -errno : 0;
}

bool sandbox_has_capability(int cap)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];

	return get_capabilities(&header, data) == 0 && data[cap / 32].effective >> (cap % 32) & 1;
}

/* Asked in order: the kernel may have more than these headers know. */
static void drop_bounding(uint64_t mask)
{
	for (int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (!(mask & BIT(cap)))
			(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

int sandbox_keep_capabilities(uint64_t mask)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct data[2];
	int r;

	/* Both take CAP_SETPCAP, which is not there without privileges; then there is nothing to lock away. */
	drop_bounding(mask);
	(void)prctl(PR_SET_SECUREBITS,
		    SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED | SECBIT_KEEP_CAPS_LOCKED,
		    0, 0, 0);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	r = get_capabilities(&header, data);
	if (r < 0)
		return r;
	for (unsigned i = 0; i < 2; i++) {
		data[i].permitted &= (uint32_t)(mask >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}
