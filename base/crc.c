/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/crc.h"

#include <pthread.h>

static uint32_t table32c[256];
static uint16_t table16[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		uint16_t s = (uint16_t)i;

		for (int bit = 0; bit < 8; bit++) {
			c = c >> 1 ^ (c & 1 ? 0x82F63B78u : 0);
			s = (uint16_t)(s >> 1 ^ (s & 1 ? 0xA001u : 0));
		}
		table32c[i] = c;
		table16[i] = s;
	}
}

/* Byte by byte: a grown filesystem checksums some hundred KB at most. */
uint32_t crc32c(uint32_t crc, const void *buf, size_t count)
{
	const uint8_t *p = buf;

	pthread_once(&once, make_tables);
	while (count--)
		crc = crc >> 8 ^ table32c[(crc ^ *p++) & 0xff];
	return crc;
}

uint16_t crc16(uint16_t crc, const void *buf, size_t count)
{
	const uint8_t *p = buf;

	pthread_once(&once, make_tables);
	while (count--)
		crc = (uint16_t)(crc >> 8 ^ table16[(crc ^ *p++) & 0xff]);
	return crc;
}
