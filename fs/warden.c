/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests and answers are single packets of one struct, with a descriptor beside it where one is meant. One request is
 * under way at a time.
 */
#include "fs/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/lock.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "fs/libfuse.h"

/* The kernel's include/uapi/linux/fuse.h, 7.40. */
struct wire_backing_map {
	int32_t fd;
	uint32_t flags;
	uint64_t padding;
};

#define IOC_BACKING_OPEN  _IOW(229, 1, struct wire_backing_map)
#define IOC_BACKING_CLOSE _IOW(229, 2, uint32_t)

enum { WARDEN_MOUNT, WARDEN_UNMOUNT, WARDEN_BACKING_OPEN, WARDEN_BACKING_CLOSE };

struct packet {
	int32_t what;  /* of a request; the result, of an answer */
	int32_t value; /* MOUNT: whether it is shared; BACKING_CLOSE: the id */
};

struct warden {
	pthread_mutex_t lock;
	int socket;
	pid_t pid;
};

/* ---- packets ---- */

union fd_control {
	struct cmsghdr header;
	char room[CMSG_SPACE(sizeof(int))];
};

static int send_packet(int socket, const struct packet *p, int fd)
{
	struct iovec iov = { (void *)p, sizeof(*p) };
	union fd_control control = { 0 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = &control.header;
	ssize_t n;

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = sizeof(control);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	}
	do
		n = sendmsg(socket, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* `ret_fd` gets -1 when there is none. -EPIPE: nobody is there any more. */
static int receive_packet(int socket, struct packet *p, int *ret_fd)
{
	struct iovec iov = { p, sizeof(*p) };
	union fd_control control = { 0 };
	struct msghdr m = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
	};
	struct cmsghdr *c;
	ssize_t n;

	*ret_fd = -1;
	do
		n = recvmsg(socket, &m, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
	    c->cmsg_len >= CMSG_LEN(sizeof(int)))
		memcpy(ret_fd, CMSG_DATA(c), sizeof(*ret_fd));
	if (n < 0)
		return -errno;
	return n == sizeof(*p) ? 0 : -EPIPE;
}

/* ---- the warden's own process ---- */

struct duty {
	const char *mountpoint, *options;
	int directory;		      /* O_PATH: what that was at the start, until it is mounted on */
	struct fuse_session *session; /* of the mount; NULL: there is none */
};

static int new_session(struct duty *d, bool shared)
{
	static const struct fuse_lowlevel_ops none = { 0 };
	_cleanup_free_ char *options = text_new("%s%s", d->options, shared ? ",allow_other" : "");

	return options ? libfuse_session(options, &none, NULL, &d->session) : -ENOMEM;
}

/* Standard error is the terminal's until there is a mount; then whoever waits for its end is not to wait for us. */
static void leave_terminal(void)
{
	_cleanup_close_ int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; null >= 0 && fd <= STDERR_FILENO; fd++)
		(void)dup2(null, fd);
}

/*
 * Between the look at the mountpoint and its mount the library is opened, which takes as long as its servers do. Whoever
 * may rename what leads there could put a link in its place, to what is not his to be mounted on. Of an
 * ordinary user's fusermount3 looks after that.
 */
static bool is_exchanged(const struct duty *d)
{
	struct stat was, is;

	return geteuid() == 0 && d->directory >= 0 &&
	       (fstat(d->directory, &was) < 0 ||
		fstatat(AT_FDCWD, d->mountpoint, &is, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) < 0 ||
		was.st_dev != is.st_dev || was.st_ino != is.st_ino);
}

static int do_mount(struct duty *d, bool shared, int *ret_fd)
{
	int r;

	if (d->session)
		return -EBUSY;
	if (is_exchanged(d))
		return -ESTALE;
	r = new_session(d, shared);
	if (r < 0)
		return r;
	if (fuse_session_mount(d->session, d->mountpoint) < 0) {
		fuse_session_destroy(take(d->session));
		return -EIO;
	}
	/*
	 * Not before: the kernel tells by the process group that it is an automount
	 * which mounts here, and makes all others that come by wait for that.
	 */
	(void)setsid();
	leave_terminal();
	closep(&d->directory);
	d->directory = -1;
	*ret_fd = fuse_session_fd(d->session);
	return 0;
}

static int do_unmount(struct duty *d)
{
	if (!d->session)
		return -EINVAL;
	fuse_session_unmount(d->session);
	fuse_session_destroy(take(d->session));
	return 0;
}

static int do_backing(const struct duty *d, const struct packet *request, int fd)
{
	struct wire_backing_map map = { .fd = fd };
	uint32_t id = (uint32_t)request->value;
	int r;

	if (!d->session)
		return -EINVAL;
	if (request->what == WARDEN_BACKING_OPEN)
		r = ioctl(fuse_session_fd(d->session), IOC_BACKING_OPEN, &map);
	else
		r = ioctl(fuse_session_fd(d->session), IOC_BACKING_CLOSE, &id);
	return r < 0 ? -errno : r;
}

/* False when the daemon has gone. */
static bool serve_one(int socket, struct duty *d)
{
	_cleanup_close_ int fd = -1;
	struct packet p;
	int answer_fd = -1;

	if (receive_packet(socket, &p, &fd) < 0)
		return false;
	switch (p.what) {
	case WARDEN_MOUNT:
		p.what = do_mount(d, p.value, &answer_fd);
		break;
	case WARDEN_UNMOUNT:
		p.what = do_unmount(d);
		break;
	case WARDEN_BACKING_OPEN:
	case WARDEN_BACKING_CLOSE:
		p.what = do_backing(d, &p, fd);
		break;
	default:
		p.what = -EINVAL;
	}
	return send_packet(socket, &p, answer_fd) == 0;
}

/* Signals that are meant for the daemon may reach the whole group, or all of a service's processes. */
static void ignore_signals(void)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGPIPE, SIGTSTP };

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		(void)signal(signals[i], SIG_IGN);
}

/* ps shows who it is, and who looks for the daemon by its command line finds one process. */
static void rename_self(const char *mountpoint)
{
	_cleanup_close_ int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
	size_t room = 0;
	char piece[4096];
	ssize_t n;

	while (fd >= 0 && (n = read(fd, piece, sizeof(piece))) > 0)
		room += (size_t)n;
	/* The arguments lie behind each other; glibc's pointer is that to the first. */
	if (room) {
		memset(program_invocation_name, 0, room);
		(void)snprintf(program_invocation_name, room, "goalfs-warden %s", mountpoint);
	}
	(void)prctl(PR_SET_NAME, "goalfs-warden");
}

static void run(int socket, struct duty *d) __attribute__((noreturn));

static void run(int socket, struct duty *d)
{
	(void)!chdir("/");
	rename_self(d->mountpoint);
	ignore_signals();
	/* Of the daemon's descriptors only the socket and the standard streams. */
	if (dup2(socket, STDERR_FILENO + 1) < 0)
		_exit(1);
	(void)close_range(STDERR_FILENO + 2, ~0U, 0);
	(void)fcntl(STDERR_FILENO + 1, F_SETFD, FD_CLOEXEC);
	d->directory = open(d->mountpoint, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	(void)sandbox_keep_capabilities(UINT64_C(1) << CAP_SYS_ADMIN | UINT64_C(1) << CAP_DAC_READ_SEARCH);
	while (serve_one(STDERR_FILENO + 1, d))
		;
	_exit(0);
}

/* ---- the daemon's side ---- */

int warden_start(const char *mountpoint, const char *options, struct warden **ret, struct why *why)
{
	_cleanup_free_ struct warden *w = calloc(1, sizeof(*w));
	int ends[2];

	if (!w)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
		return fail(why, -errno, "a pair of sockets: %s", strerror(errno));
	w->pid = fork();
	if (w->pid == 0)
		run(ends[1], &(struct duty){ mountpoint, options, -1, NULL });
	(void)close(ends[1]);
	if (w->pid < 0) {
		(void)close(ends[0]);
		return fail(why, -errno, "fork: %s", strerror(errno));
	}
	w->socket = ends[0];
	(void)pthread_mutex_init(&w->lock, NULL);
	*ret = take(w);
	return 0;
}

void warden_end(struct warden *w)
{
	if (!w)
		return;
	(void)close(w->socket);
	while (waitpid(w->pid, NULL, 0) < 0 && errno == EINTR)
		;
	(void)pthread_mutex_destroy(&w->lock);
	free(w);
}

static int ask(struct warden *w, int what, int value, int fd, int *ret_fd)
{
	struct packet p = { what, value };
	int r;
	LOCKED(&w->lock);

	r = send_packet(w->socket, &p, fd);
	if (r == 0)
		r = receive_packet(w->socket, &p, ret_fd);
	return r < 0 ? r : p.what;
}

/* Of what has no descriptor for an answer. */
static int ask_plainly(struct warden *w, int what, int value, int fd)
{
	_cleanup_close_ int unwanted = -1;

	return ask(w, what, value, fd, &unwanted);
}

int warden_mount(struct warden *w, bool shared, int *ret_fd)
{
	int r = ask(w, WARDEN_MOUNT, shared, -1, ret_fd);

	return r == 0 && *ret_fd < 0 ? -EIO : r;
}

int warden_unmount(struct warden *w)
{
	return ask_plainly(w, WARDEN_UNMOUNT, 0, -1);
}

int warden_backing_open(struct warden *w, int fd)
{
	return ask_plainly(w, WARDEN_BACKING_OPEN, 0, fd);
}

void warden_backing_close(struct warden *w, int id)
{
	(void)ask_plainly(w, WARDEN_BACKING_CLOSE, id, -1);
}
