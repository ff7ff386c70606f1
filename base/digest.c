/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/digest.h"

#include <pthread.h>

static bool is_ready;

static void begin(void)
{
	is_ready = gcry_check_version("1.8.0") != NULL;
	if (!is_ready)
		return;
	/* No secrets are hashed, and locked memory may be scarce. */
	(void)gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	(void)gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
}

bool digest_ready(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	(void)pthread_once(&once, begin);
	return is_ready;
}
