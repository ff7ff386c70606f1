/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fs/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"

/* A path, or "@NAME" for one in the abstract namespace, whose first byte is zero and which no zero ends. */
static int parse_address(const char *name, struct sockaddr_un *address, socklen_t *ret_len, struct why *why)
{
	size_t len = strlen(name);

	if ((*name != '/' && *name != '@') || len < 2 || len >= sizeof(address->sun_path))
		return fail(why, -EINVAL, "NOTIFY_SOCKET '%s' is not the address of a local socket", name);
	*address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(address->sun_path, name, len);
	if (*name == '@')
		address->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (*name == '/'));
	return 0;
}

static int connect_to(const char *name, int *ret, struct why *why)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un address;
	socklen_t len = 0;
	int r = parse_address(name, &address, &len, why);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, len) < 0)
		return fail(why, -errno, "NOTIFY_SOCKET '%s': %s", name, strerror(errno));
	*ret = take_fd(fd);
	return 0;
}

int notify_open(int *ret, struct why *why)
{
	const char *name = getenv("NOTIFY_SOCKET");
	int fd = -1, r = 0;

	if (name && *name)
		r = connect_to(name, &fd, why);
	(void)unsetenv("NOTIFY_SOCKET");
	if (r == 0)
		*ret = fd;
	return r;
}

static void tell(int fd, const char *message)
{
	if (fd >= 0 && message && send(fd, message, strlen(message), MSG_NOSIGNAL) < 0)
		log_detail("the service manager can't be told: %s", strerror(errno));
}

/* A line each: what a path holds is not to be taken for another one. */
static void tell_status(int fd, const char *state, const char *status)
{
	_cleanup_free_ char *message = text_new("%s\nSTATUS=%s", state, status);

	for (char *p = message ? message + strlen(state) + 1 : NULL; p && *p; p++)
		if (*p == '\n')
			*p = ' ';
	tell(fd, message);
}

void notify_ready(int fd, const char *status)
{
	tell_status(fd, "READY=1", status);
}

/* The time tells the manager whether this is about the reload that it asked for. */
void notify_reloading(int fd)
{
	_cleanup_free_ char *message = NULL;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	message = text_new("RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=Reading the sources again",
			   (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	tell(fd, message);
}

void notify_stopping(int fd, const char *status)
{
	tell_status(fd, "STOPPING=1", status);
}
