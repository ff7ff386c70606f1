/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/size.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static const char letters[] = "KMGT";

static int unit_shift(char c)
{
	for (int i = 0; letters[i]; i++)
		if (toupper((unsigned char)c) == letters[i])
			return 10 * (i + 1);
	return -1;
}

/*
 * The fraction's digits times the unit, rounded up, by long division: at most
 * 18 digits count exactly; what follows them can only round up.
 */
static uint64_t fraction_of(const char *digits, size_t n, int shift)
{
	unsigned __int128 value = 0, scale = 1;
	int rest = 0;

	for (size_t i = 0; i < n; i++) {
		if (i >= 18) {
			rest |= digits[i] != '0';
			continue;
		}
		value = value * 10 + (digits[i] - '0');
		scale *= 10;
	}
	value <<= shift;
	return (uint64_t)((value + scale - 1) / scale) + (rest && value % scale == 0);
}

int size_parse(const char *text, uint64_t *ret)
{
	const uint64_t limit = INT64_MAX - 511;
	const char *p = text, *fraction = NULL;
	size_t n_fraction = 0;
	uint64_t whole = 0, bytes;
	int shift = 0;

	if (!isdigit((unsigned char)*p))
		return -EINVAL;
	for (; isdigit((unsigned char)*p); p++)
		if (__builtin_mul_overflow(whole, 10, &whole) ||
		    __builtin_add_overflow(whole, *p - '0', &whole))
			whole = UINT64_MAX; /* stays too large whatever follows */
	if (*p == '.') {
		fraction = ++p;
		while (isdigit((unsigned char)*p))
			p++;
		n_fraction = p - fraction;
		if (n_fraction == 0)
			return -EINVAL;
	}
	if (*p) {
		shift = unit_shift(*p++);
		if (shift < 0 || *p)
			return -EINVAL;
	} else if (fraction) {
		return -EINVAL; /* half a byte */
	}
	if (whole > limit >> shift)
		return -ERANGE;
	bytes = whole << shift;
	if (fraction)
		bytes += fraction_of(fraction, n_fraction, shift);
	if (bytes == 0 || bytes > limit)
		return -ERANGE;
	*ret = bytes;
	return 0;
}

char *size_format(char buf[static SIZE_TEXT_MAX], uint64_t bytes)
{
	int unit = -1;

	while (bytes && bytes % 1024 == 0 && letters[unit + 1]) {
		bytes /= 1024;
		unit++;
	}
	if (unit < 0)
		(void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64, bytes);
	else
		(void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64 "%c", bytes, letters[unit]);
	return buf;
}

char *size_human(char buf[static SIZE_TEXT_MAX], uint64_t bytes)
{
	double value = (double)bytes;
	int unit = -1;

	while (value >= 999.5 && letters[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (unit < 0)
		(void)snprintf(buf, SIZE_TEXT_MAX, "%" PRIu64, bytes);
	else
		(void)snprintf(buf, SIZE_TEXT_MAX,
			       value < 9.995   ? "%.2f%c"
			       : value < 99.95 ? "%.1f%c"
					       : "%.0f%c",
			       value, letters[unit]);
	return buf;
}
