/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a client may send us: whatever it is, no byte beside the export is read, and the connection ends when it does. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "backends/nbd/server.h"
#include "base/bytes.h"

#define SIZE 100000

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static int read_zeros(void *arg, void *buf, size_t count, uint64_t offset, struct why *why)
{
	if (count == 0 || !range_ok(offset, count, SIZE))
		abort();
	memset(buf, 0, count);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
	static const struct nbd_export export = { .size = SIZE, .read = read_zeros };
	struct nbd_server *s = nbd_server_new(&export);
	uint8_t buf[4096];
	int fd;

	/* So much fits into the socket without anybody reading. */
	count = min_u64(count, 32 * KiB);
	if (!s || nbd_server_connect(s, &fd, NULL) < 0)
		abort();
	(void)send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(fd, SHUT_WR);
	while (recv(fd, buf, sizeof(buf), 0) > 0)
		;
	(void)close(fd);
	nbd_server_free(s);
	return 0;
}
