/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "backends/nbd/confine.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

#define LISTEN_FD 3 /* SD_LISTEN_FDS_START */

/* It is asked to end, and made to after so long. */
#define GRACE_MS 3000

/* A hostile image could have its reader write without end. */
#define LINES_MAX 200

struct nbd_child {
	char *name;
	bool (*is_dull)(const char *line);
	pid_t pid;
	int pidfd;
	int output; /* its standard output and error; -1 when closed */
	int socket; /* the socket's file, O_PATH: all that is left of it */
	char path[32];
	char line[NBD_CHILD_LINE_MAX]; /* as far as it has come */
	size_t len;
	char last[NBD_CHILD_LINE_MAX];
	unsigned n_lines;
};

/* ---- the program ---- */

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

int nbd_child_find(const char *program, char **ret)
{
	const char *path = getenv("PATH");
	_cleanup_free_ char *dirs = NULL;

	if (strchr(program, '/')) {
		if (!is_program(program))
			return access(program, F_OK) < 0 ? -ENOENT : -EACCES;
		*ret = strdup(program);
		return *ret ? 0 : -ENOMEM;
	}
	dirs = strdup(path && *path ? path : "/usr/local/bin:/usr/bin:/bin");
	if (!dirs)
		return -ENOMEM;
	for (char *save, *dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		_cleanup_free_ char *at = text_new("%s/%s", dir, program);

		if (!at)
			return -ENOMEM;
		if (is_program(at)) {
			*ret = take(at);
			return 0;
		}
	}
	return -ENOENT;
}

/* ---- the socket ---- */

/*
 * A socket has to have a name for as long as it takes to open its file. Through that,
 * it can be connected to for as long as it listens, and nobody else gets at it.
 */
static int listen_in(int dir, int *ret_listen, int *ret_file)
{
	_cleanup_close_ int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	if (s < 0)
		return -errno;
	/* The directory's own name may be too long for this. */
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "/proc/self/fd/%d/socket", dir);
	if (bind(s, (const struct sockaddr *)&at, sizeof(at)) < 0)
		return -errno;
	*ret_file = openat(dir, "socket", O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (*ret_file < 0 || listen(s, 16) < 0)
		return -errno;
	*ret_listen = take_fd(s);
	return 0;
}

static int make_socket(struct nbd_child *c, int *ret_listen, struct why *why)
{
	const char *tmp = getenv("TMPDIR");
	_cleanup_free_ char *path = text_new("%s/goalfs-XXXXXX", tmp && *tmp == '/' ? tmp : "/tmp");
	_cleanup_close_ int dir = -1;
	int r;

	if (!path)
		return -ENOMEM;
	if (!mkdtemp(path))
		return fail(why, -errno, "'%s' can't be made, for a socket: %s", path, strerror(errno));
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = dir < 0 ? -errno : listen_in(dir, ret_listen, &c->socket);
	if (dir >= 0)
		(void)unlinkat(dir, "socket", 0);
	(void)rmdir(path);
	(void)snprintf(c->path, sizeof(c->path), "/proc/self/fd/%d", c->socket);
	return r < 0 ? fail(why, r, "'%s': there can't be a socket: %s", path, strerror(-r)) : 0;
}

/* ---- the start ---- */

/* All that the child needs, made before the fork: behind it nothing may be allocated. */
struct launch {
	const struct nbd_child_options *options;
	char *program;
	char **environment;
	char listen_pid[32];
	int *fds; /* n_fds; ours, above all that the child will have */
	size_t n_fds;
	struct confinement confinement;
	sigset_t no_signals;
};

static void launch_done(struct launch *l)
{
	free(l->program);
	free(l->environment);
	for (size_t i = 0; l->fds && i < l->n_fds; i++)
		closep(&l->fds[i]);
	free(l->fds);
	confine_done(&l->confinement);
}

static int make_environment(struct launch *l)
{
	static char path[] = "PATH=/usr/local/bin:/usr/bin:/bin", lang[] = "LC_ALL=C", fds[] = "LISTEN_FDS=1";
	size_t n = 0, k = 0;

	while (environ && environ[n])
		n++;
	l->environment = calloc(n + 5, sizeof(*l->environment));
	if (!l->environment)
		return -ENOMEM;
	for (size_t i = 0; i < n && !l->options->confined; i++)
		if (strncmp(environ[i], "LISTEN_", strlen("LISTEN_")) != 0)
			l->environment[k++] = environ[i];
	if (l->options->confined) {
		l->environment[k++] = path;
		l->environment[k++] = lang;
	}
	l->environment[k++] = fds;
	l->environment[k++] = l->listen_pid;
	return 0;
}

/* Where the child will put nothing. */
static int beyond(const struct launch *l)
{
	return LISTEN_FD + 1 + (int)l->options->n_fds + (l->options->connect != NULL);
}

static int move_beyond(int *fd, const struct launch *l)
{
	const int moved = fcntl(*fd, F_DUPFD_CLOEXEC, beyond(l));

	if (moved < 0)
		return -errno;
	closep(fd);
	*fd = moved;
	return 0;
}

/* The order: input, output, socket, the caller's, and what is made anew for each child. */
struct child_fds {
	int first[3], connection;
};

static int fd_at(const struct child_fds *fds, const struct nbd_child_options *o, size_t i)
{
	if (i < 3)
		return fds->first[i];
	return i - 3 < o->n_fds ? o->fds[i - 3] : fds->connection;
}

/* Copies beyond where the child's own will be put. */
static int gather_fds(struct launch *l, const struct child_fds *fds)
{
	const size_t n = 3 + l->options->n_fds + (l->options->connect != NULL);

	l->fds = calloc(n, sizeof(*l->fds));
	if (!l->fds)
		return -ENOMEM;
	for (; l->n_fds < n; l->n_fds++) {
		l->fds[l->n_fds] = fcntl(fd_at(fds, l->options, l->n_fds), F_DUPFD_CLOEXEC, beyond(l));
		if (l->fds[l->n_fds] < 0)
			return -errno;
	}
	return 0;
}

static int launch_init(struct launch *l, const struct nbd_child_options *o, int output, int listener,
		       struct why *why)
{
	_cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC), connection = -1;
	int r;

	*l = (struct launch){ .options = o, .confinement = { { -1 } } };
	(void)sigemptyset(&l->no_signals);
	r = nbd_child_find(o->argv[0], &l->program);
	if (r < 0)
		return fail(why, r, "'%s' can't be run: %s", o->argv[0], strerror(-r));
	if (null < 0)
		return fail(why, -errno, "'/dev/null' can't be opened: %s", strerror(errno));
	r = make_environment(l);
	if (r == 0 && o->connect)
		r = o->connect(o->arg, &connection, why);
	if (r == 0)
		r = gather_fds(l, &(struct child_fds){ { null, output, listener }, connection });
	if (r == 0 && o->confined)
		confine_prepare(&l->confinement, o->fds, o->n_fds);
	return r == 0 && l->confinement.sandbox.ruleset >= 0 ? move_beyond(&l->confinement.sandbox.ruleset, l)
							     : r;
}

static void put_number(char *to, long n)
{
	char digits[24];
	size_t k = 0;

	do
		digits[k++] = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	while (k)
		*to++ = digits[--k];
	*to = '\0';
}

/* Puts every descriptor in its place and closes all others. */
static int place_fds(const struct launch *l)
{
	static const int places[] = { STDIN_FILENO, STDOUT_FILENO, LISTEN_FD };

	for (size_t i = 0; i < l->n_fds; i++)
		if (dup2(l->fds[i], i < 3 ? places[i] : (int)(LISTEN_FD + 1 + i - 3)) < 0)
			return -errno;
	if (dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
		return -errno;
	/* As the program starts; until then some of ours are wanted. */
	return close_range((unsigned)beyond(l), ~0U, CLOSE_RANGE_CLOEXEC) < 0 ? -errno : 0;
}

/* Between fork and exec, in a process that had threads: system calls only. */
static void run_child(struct launch *l, pid_t parent, int report)
{
	int r = 0;

	for (int s = 1; s < NSIG; s++)
		(void)signal(s, SIG_DFL);
	/* A group of its own: the terminal's Ctrl-C is the daemon's alone, and all that it starts ends with it. */
	(void)setsid();
	(void)chdir("/");
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(127);
	put_number(stpcpy(l->listen_pid, "LISTEN_PID="), getpid());
	r = place_fds(l);
	if (r == 0 && l->options->confined)
		r = confine_self(&l->confinement);
	(void)sigprocmask(SIG_SETMASK, &l->no_signals, NULL);
	if (r == 0) {
		(void)execve(l->program, (char *const *)l->options->argv, l->environment);
		r = -errno;
	}
	if (write(report, &r, sizeof(r)) < 0)
		_exit(126);
	_exit(127);
}

/* The child's error before its program began, 0 when that did. */
static int read_report(int fd)
{
	int r = 0;
	ssize_t n;

	do
		n = read(fd, &r, sizeof(r));
	while (n < 0 && errno == EINTR);
	return n == sizeof(r) ? r : 0;
}

static int launch_run(struct launch *l, struct nbd_child *c, struct why *why)
{
	_cleanup_close_ int report = -1, report_end = -1;
	const pid_t parent = getpid();
	int ends[2], r;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	report = ends[0];
	report_end = ends[1];
	r = move_beyond(&report_end, l);
	if (r < 0)
		return r;
	c->pid = fork();
	if (c->pid < 0)
		return fail(why, -errno, "'%s' can't be run: %s", l->program, strerror(errno));
	if (c->pid == 0)
		run_child(l, parent, report_end);
	closep(&report_end);
	report_end = -1;
	/* Nobody else waits for it, so its number is its own until we have. */
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0)
		return fail(why, -errno, "'%s' can't be watched: %s", l->program, strerror(errno));
	r = read_report(report);
	return r < 0 ? fail(why, r, "'%s' can't be run: %s", l->program, strerror(-r)) : 0;
}

static int start(struct nbd_child *c, const struct nbd_child_options *options, struct why *why)
{
	_cleanup_(launch_done) struct launch l = { .confinement = { { -1 } } };
	_cleanup_close_ int listener = -1, output = -1;
	int ends[2], r;

	c->name = strdup(options->name);
	if (!c->name || pipe2(ends, O_CLOEXEC) < 0)
		return c->name ? -errno : -ENOMEM;
	c->output = ends[0];
	output = ends[1];
	(void)fcntl(c->output, F_SETFL, O_NONBLOCK);
	r = make_socket(c, &listener, why);
	if (r == 0)
		r = launch_init(&l, options, output, listener, why);
	return r < 0 ? r : launch_run(&l, c, why);
}

int nbd_child_start(const struct nbd_child_options *options, struct nbd_child **ret, struct why *why)
{
	struct nbd_child *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->pidfd = c->output = c->socket = -1;
	c->is_dull = options->is_dull;
	r = start(c, options, why);
	if (r < 0) {
		nbd_child_end(c, /* ret_last= */ NULL);
		return r;
	}
	log_detail("nbd: %s: started '%s' as process %d", options->name, options->argv[0], (int)c->pid);
	*ret = c;
	return 0;
}

const char *nbd_child_socket(const struct nbd_child *c)
{
	return c->path;
}

int nbd_child_output_fd(const struct nbd_child *c)
{
	return c->output;
}

int nbd_child_pidfd(const struct nbd_child *c)
{
	return c->pidfd;
}

/* ---- its lines ---- */

static void end_line(struct nbd_child *c)
{
	c->line[c->len] = '\0';
	c->len = 0;
	if (!c->line[0])
		return;
	(void)strcpy(c->last, c->line);
	if (c->is_dull && c->is_dull(c->line))
		log_detail("%s: %s", c->name, c->line);
	else if (++c->n_lines < LINES_MAX)
		log_note("%s: %s", c->name, c->line);
	else if (c->n_lines == LINES_MAX)
		log_note("%s: it says more, which is not shown", c->name);
}

static void add_byte(struct nbd_child *c, char byte)
{
	if (byte == '\n' || c->len == sizeof(c->line) - 1)
		end_line(c);
	if (byte != '\n')
		c->line[c->len++] = (unsigned char)byte < ' ' || byte == 0x7f ? '?' : byte;
}

void nbd_child_output(struct nbd_child *c)
{
	char buf[1024];
	ssize_t n;

	while (c->output >= 0 && (n = read(c->output, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return;
		for (ssize_t i = 0; i < n; i++)
			add_byte(c, buf[i]);
	}
	closep(&c->output);
	c->output = -1;
}

/* ---- the end ---- */

static void reap(struct nbd_child *c)
{
	struct pollfd ended = { c->pidfd, POLLIN, 0 };
	siginfo_t info;

	/* It may not have a group of its own yet. */
	(void)kill(c->pid, SIGTERM);
	(void)kill(-c->pid, SIGTERM);
	if (c->pidfd < 0 || poll(&ended, 1, GRACE_MS) != 1)
		(void)kill(c->pid, SIGKILL);
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT) < 0 && errno == EINTR)
		continue;
	/* Whatever it has started and left; its number stands for the group as long as nobody has waited. */
	(void)kill(-c->pid, SIGKILL);
	while (waitid(P_PID, (id_t)c->pid, &info, WEXITED) < 0 && errno == EINTR)
		continue;
	log_detail("nbd: %s: process %d has ended", c->name, (int)c->pid);
}

void nbd_child_end(struct nbd_child *c, char *ret_last)
{
	if (!c)
		return;
	if (c->pid > 0)
		reap(c);
	nbd_child_output(c);
	if (c->name)
		end_line(c);
	if (ret_last)
		(void)strcpy(ret_last, c->last);
	closep(&c->pidfd);
	closep(&c->output);
	closep(&c->socket);
	free(c->name);
	free(c);
}
