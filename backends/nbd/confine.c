/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/nbd/confine.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/bytes.h"
#include "base/log.h"

void confine_prepare(struct confinement *c, const int *fds, size_t n_fds)
{
	/* Programs and libraries, and what these read as they start. */
	static const char *const paths[] = {
		"/usr", "/lib", "/lib64", "/nix/store", "/etc/ld.so.cache", "/dev/null", "/dev/urandom",
	};
	const int r = sandbox_new(&c->sandbox, SANDBOX_TIGHT);

	if (r < 0)
		log_detail("landlock: not to be had: %s", strerror(-r));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		sandbox_allow_path(&c->sandbox, paths[i], SANDBOX_READ | SANDBOX_RUN);
	for (size_t i = 0; i < n_fds; i++)
		sandbox_allow(&c->sandbox, fds[i], SANDBOX_READ);
}

void confine_done(struct confinement *c)
{
	sandbox_done(&c->sandbox);
}

int confine_self(const struct confinement *c)
{
	const struct rlimit none = { 0, 0 };
	const int sockets = SYS_socket;
	struct rlimit data;
	int r;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || getrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	data.rlim_cur = data.rlim_max = min_u64(data.rlim_max, 2 * GiB);
	if (setrlimit(RLIMIT_DATA, &data) < 0)
		return -errno;
	r = sandbox_enter(&c->sandbox);
	return r < 0 ? r : sandbox_forbid_calls(&sockets, 1, EACCES);
}
