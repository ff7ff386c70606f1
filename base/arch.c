/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/arch.h"

#include <pthread.h>
#include <string.h>
#include <sys/utsname.h>

static const char *const known[] = {
	"aarch64", "alpha",  "armv6l",	 "armv7l", "hppa",    "i386",	"ia64",	   "loongarch64", "m68k",
	"mips",	   "mips64", "mips64el", "mipsel", "ppc",     "ppc64",	"ppc64le", "riscv32",	  "riscv64",
	"s390",	   "s390x",  "sh4",	 "sparc",  "sparc64", "x86_64", NULL,
};

/* virt-builder's own table, and what it leaves alone: Go's and Debian's arm64, Debian's armhf and ppc64el. */
static const struct {
	const char *name;
	const char *normal;
} aliases[] = {
	{ "i486", "i386" },    { "i586", "i386" },	 { "i686", "i386" },	       { "amd64", "x86_64" },
	{ "powerpc", "ppc" },  { "powerpc64", "ppc64" }, { "powerpc64le", "ppc64le" }, { "arm64", "aarch64" },
	{ "armhf", "armv7l" }, { "ppc64el", "ppc64le" },
};

const char *const *arch_known(void)
{
	return known;
}

const char *arch_normal(const char *name)
{
	for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
		if (strcmp(name, aliases[i].name) == 0)
			return aliases[i].normal;
	for (size_t i = 0; known[i]; i++)
		if (strcmp(name, known[i]) == 0)
			return known[i];
	return NULL;
}

static struct utsname host;
static const char *host_name;

static void ask_host(void)
{
	const char *normal;

	if (uname(&host) < 0)
		(void)strcpy(host.machine, "unknown");
	normal = arch_normal(host.machine);
	host_name = normal ? normal : host.machine;
}

const char *arch_host(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, ask_host);
	return host_name;
}
