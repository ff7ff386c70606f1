/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "backends/content/facts.h"

#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf.h"

static void strip_blanks(struct content *c)
{
	size_t n = strlen(c->label);

	while (n > 0 && c->label[n - 1] == ' ')
		n--;
	c->label[n] = '\0';
}

void content_set_label(struct content *c, const void *text, size_t length)
{
	unsigned char from[sizeof(c->label)] = { 0 };
	size_t n = min_u64(length, sizeof(from) - 1), to = 0;

	memcpy(from, text, n);
	for (size_t i = 0; i < n && from[i];) {
		size_t one = utf8_length(from + i);

		if (one == 0 || from[i] < ' ' || from[i] == 0x7f) {
			c->label[to++] = '?';
			i++;
			continue;
		}
		memcpy(c->label + to, from + i, one);
		to += one;
		i += one;
	}
	c->label[to] = '\0';
	strip_blanks(c);
}

void content_set_label_utf16(struct content *c, const uint8_t *text, size_t units, bool big_endian)
{
	_Static_assert(sizeof(c->label) >= UTF16_TEXT_MAX(128), "room for a label of 128 units");
	(void)utf16_text(c->label, text, min_u64(units, 128), big_endian);
	strip_blanks(c);
}

void content_set_uuid(struct content *c, const uint8_t u[16])
{
	(void)snprintf(c->uuid, sizeof(c->uuid),
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[0], u[1], u[2],
		       u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11], u[12], u[13], u[14], u[15]);
}

void content_set_size(struct content *c, uint64_t n, uint64_t of)
{
	if (__builtin_mul_overflow(n, of, &c->size))
		c->size = 0;
}
