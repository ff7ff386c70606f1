/* SPDX-License-Identifier: GPL-2.0-or-later */
/* base/: sizes, texts, reasons, bytes, checksums, spans, by known answers. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/crc.h"
#include "base/patience.h"
#include "base/size.h"
#include "base/span.h"
#include "base/text.h"
#include "base/why.h"

/* Behind why.h, because it has a macro fail(); `(fail)` is the function. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SIZE_MOST (UINT64_C(0x7fffffffffffffff) - 511)

static void size_parse_knows_letters_and_fractions(void **state)
{
	static const struct {
		const char *text;
		uint64_t bytes;
	} rows[] = {
		{ "1", 1 },
		{ "512", 512 },
		{ "0512", 512 },
		{ "1K", 1024 },
		{ "1k", 1024 },
		{ "20G", 20 * GiB },
		{ "20g", 20 * GiB },
		{ "3M", 3 * MiB },
		{ "2T", 2 * TiB },
		{ "1.5G", 1536 * MiB },
		{ "1.50G", 1536 * MiB },
		{ "0.5K", 512 },
		{ "1.0K", 1024 },
		{ "0.001K", 2 },		 /* 1.024 bytes */
		{ "0.0000000000000000001T", 1 }, /* 19 digits, the last beyond those that count exactly */
		{ "1.0000000000000000000K", 1024 },
		{ "1.0000000000000000001K", 1025 },
		{ "0.333333333333333333333G", 357913942 },
		{ "9223372036854775296", SIZE_MOST },
		{ "8388607T", UINT64_C(8388607) << 40 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t bytes = 0;

		if (size_parse(rows[i].text, &bytes) != 0 || bytes != rows[i].bytes)
			fail_msg("'%s' is %ju, not %ju", rows[i].text, (uintmax_t)bytes,
				 (uintmax_t)rows[i].bytes);
	}
}

static void size_parse_refuses(void **state)
{
	static const struct {
		const char *text;
		int error;
	} rows[] = {
		{ "", -EINVAL },
		{ "G", -EINVAL },
		{ "-1G", -EINVAL },
		{ "+1G", -EINVAL },
		{ " 1G", -EINVAL },
		{ "1G ", -EINVAL },
		{ "1.5", -EINVAL }, /* half a byte */
		{ "1.G", -EINVAL },
		{ ".5G", -EINVAL },
		{ "1.5.5G", -EINVAL },
		{ "1GB", -EINVAL },
		{ "1GiB", -EINVAL },
		{ "5X", -EINVAL },
		{ "1P", -EINVAL },
		{ "0x10", -EINVAL },
		{ "1e3", -EINVAL },
		{ "0", -ERANGE },
		{ "0K", -ERANGE },
		{ "0.000G", -ERANGE },
		{ "9223372036854775297", -ERANGE },
		{ "9223372036854775807", -ERANGE },
		{ "8388608T", -ERANGE },
		{ "8388607.9999999999999T", -ERANGE },
		{ "18446744073709551615", -ERANGE },
		{ "18446744073709551616", -ERANGE },
		{ "18446744073709551617", -ERANGE },
		{ "99999999999999999999", -ERANGE }, /* runs over with its very last digit */
		{ "18446744073709551616T", -ERANGE },
		{ "99999999999999999999999999999999999999", -ERANGE },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		uint64_t bytes = 7;

		if (size_parse(rows[i].text, &bytes) != rows[i].error || bytes != 7)
			fail_msg("'%s' is not refused, it is %ju", rows[i].text, (uintmax_t)bytes);
	}
}

static void size_format_is_exact(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 1, "1" },
		{ 1000, "1000" },
		{ 1024, "1K" },
		{ 1536, "1536" },
		{ MiB, "1M" },
		{ 1536 * MiB, "1536M" },
		{ 20 * GiB, "20G" },
		{ 2 * TiB, "2T" },
		{ 2048 * TiB, "2048T" },
		{ SIZE_MOST, "9223372036854775296" },
		{ 0, "0" },
		{ UINT64_MAX, "18446744073709551615" },
	};
	char buf[SIZE_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(size_format(buf, rows[i].bytes), rows[i].text);
}

static void size_format_is_read_back(void **state)
{
	char buf[SIZE_TEXT_MAX];

	for (uint64_t bytes = 1; bytes < SIZE_MOST / 3; bytes = bytes * 3 + bytes % 5) {
		uint64_t back = 0;

		assert_int_equal(size_parse(size_format(buf, bytes), &back), 0);
		assert_int_equal(back, bytes);
	}
}

static void size_human_has_three_digits(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} rows[] = {
		{ 0, "0" },
		{ 999, "999" },
		{ 1024, "1.00K" },
		{ 407 * MiB, "407M" },
		{ 1495 * MiB, "1.46G" },
		{ 20 * GiB, "20.0G" },
		{ 1000, "0.98K" },
		{ 10239 * MiB, "10.0G" },
	};
	char buf[SIZE_TEXT_MAX];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		assert_string_equal(size_human(buf, rows[i].bytes), rows[i].text);
}

static void text_grows(void **state)
{
	_cleanup_free_ char *chars = NULL;
	struct text t = TEXT_EMPTY;

	for (int i = 0; i < 1000; i++)
		text_add(&t, "%03d ", i);
	assert_int_equal(t.len, 4000);
	assert_int_equal(text_take(&t, &chars), 0);
	assert_int_equal(strlen(chars), 4000);
	assert_memory_equal(chars + 4 * 567, "567 568 ", 8);
	assert_null(t.chars);
}

static void text_of_nothing_is_empty(void **state)
{
	_cleanup_free_ char *chars = NULL;
	struct text t = TEXT_EMPTY;

	assert_int_equal(text_take(&t, &chars), 0);
	assert_string_equal(chars, "");
}

static void text_remembers_an_error(void **state)
{
	struct text t = TEXT_EMPTY;
	char *chars = NULL;

	text_add(&t, "a");
	t.error = -ENOMEM;
	text_add(&t, "b");
	assert_int_equal(t.len, 1);
	assert_int_equal(text_take(&t, &chars), -ENOMEM);
	assert_null(chars);
	assert_null(t.chars);
}

static void text_new_prints(void **state)
{
	_cleanup_free_ char *chars = text_new("%s-%d", "debian", 12);

	assert_string_equal(chars, "debian-12");
}

static void fail_writes_and_returns(void **state)
{
	struct why why = { "" };

	assert_int_equal((fail)(&why, -EBADMSG, "'%s' ends at %d", "x", 7), -EBADMSG);
	assert_string_equal(why.text, "'x' ends at 7");
	assert_string_equal(why_text(&why, -EBADMSG), "'x' ends at 7");
}

static void fail_accepts_nobody(void **state)
{
	assert_int_equal((fail)(NULL, -EIO, "unheard"), -EIO);
	assert_int_equal(fail_at(NULL, -EIO, "unheard"), -EIO);
	assert_string_equal(why_text(NULL, -ENOENT), strerror(ENOENT));
}

static void fail_at_goes_before(void **state)
{
	struct why why = { "" };

	assert_int_equal(fail_at(&why, -EIO, "line %d", 3), -EIO);
	assert_string_equal(why.text, "line 3: Input/output error");
	assert_int_equal(fail_at(&why, -EIO, "index '%s'", "a"), -EIO);
	assert_string_equal(why.text, "index 'a': line 3: Input/output error");
}

static void fail_cuts_what_is_too_long(void **state)
{
	struct why why = { "" };
	char longer[2 * sizeof(why.text)];

	memset(longer, 'x', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	(void)(fail)(&why, -EIO, "%s", longer);
	assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
	(void)fail_at(&why, -EIO, "%s", longer);
	assert_int_equal(strlen(why.text), sizeof(why.text) - 1);
}

static void bytes_have_an_order(void **state)
{
	static const uint8_t disk[9] = { 0xff, 1, 2, 3, 4, 5, 6, 7, 8 };
	uint8_t out[8];

	assert_int_equal(get_le16(disk + 1), 0x0201);
	assert_int_equal(get_be16(disk + 1), 0x0102);
	assert_int_equal(get_le32(disk + 1), 0x04030201);
	assert_int_equal(get_be32(disk + 1), 0x01020304);
	assert_int_equal(get_le64(disk + 1), UINT64_C(0x0807060504030201));
	assert_int_equal(get_be64(disk + 1), UINT64_C(0x0102030405060708));
	put_be64(out, UINT64_C(0x0102030405060708));
	assert_memory_equal(out, disk + 1, 8);
	put_le32(out, 0x04030201);
	assert_memory_equal(out, disk + 1, 4);
	put_be16(out, 0x0102);
	assert_memory_equal(out, disk + 1, 2);
}

static void ranges_do_not_run_over(void **state)
{
	assert_true(range_ok(0, 0, 0));
	assert_true(range_ok(10, 0, 10));
	assert_true(range_ok(0, 10, 10));
	assert_false(range_ok(1, 10, 10));
	assert_false(range_ok(11, 0, 10));
	assert_false(range_ok(2, UINT64_MAX, 10));
	assert_false(range_ok(UINT64_MAX, 2, 10));
}

static void aligns_and_divides(void **state)
{
	assert_int_equal(align_up(0, 512), 0);
	assert_int_equal(align_up(1, 512), 512);
	assert_int_equal(align_up(512, 512), 512);
	assert_int_equal(align_down(1023, 512), 512);
	assert_int_equal(div_up(0, 4), 0);
	assert_int_equal(div_up(5, 4), 2);
	assert_int_equal(div_up(UINT64_MAX, 2), UINT64_C(1) << 63);
}

static void zero_is_zero_at_every_length(void **state)
{
	uint8_t buf[80] = { 0 };

	for (size_t n = 0; n <= sizeof(buf); n++) {
		assert_true(bytes_are_zero(buf, n));
		for (size_t at = 0; at < n; at++) {
			buf[at] = 0x80;
			if (bytes_are_zero(buf, n))
				fail_msg("byte %zu of %zu is overlooked", at, n);
			buf[at] = 0;
		}
	}
}

/* "123456789", the check string of the catalogues of CRCs. */
static void crc32c_has_its_check_value(void **state)
{
	static const uint8_t zeros[32]; /* RFC 3720, B.4 */

	assert_int_equal(~crc32c(~0u, "123456789", 9), 0xE3069283);
	assert_int_equal(~crc32c(~0u, zeros, 32), 0x8A9136AA);
	assert_int_equal(~crc32c(crc32c(~0u, "1234", 4), "56789", 5), 0xE3069283);
	assert_int_equal(crc32c(7, "", 0), 7);
}

static void crc16_has_its_check_value(void **state)
{
	assert_int_equal(crc16(0, "123456789", 9), 0xBB3D);
	assert_int_equal(crc16(0xffff, "123456789", 9), 0x4B37);
	assert_int_equal(crc16(crc16(0, "12", 2), "3456789", 7), 0xBB3D);
}

static void span_takes_what_is_there(void **state)
{
	static const uint8_t bytes[14] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };
	struct span s = { bytes, sizeof(bytes) };
	const uint8_t *p;
	uint16_t two;
	uint32_t four;
	uint64_t eight;

	assert_int_equal(span_take_be16(&s, &two), 0);
	assert_int_equal(two, 0x0102);
	assert_int_equal(span_take_le32(&s, &four), 0);
	assert_int_equal(four, 0x06050403);
	assert_int_equal(span_take_be64(&s, &eight), 0);
	assert_int_equal(eight, UINT64_C(0x0708090a0b0c0d0e));
	assert_int_equal(s.len, 0);
	assert_int_equal(span_take(&s, 0, &p), 0);
}

static void span_never_overruns(void **state)
{
	static const uint8_t bytes[3] = { 1, 2, 3 };
	struct span s = { bytes, sizeof(bytes) };
	const uint8_t *p = NULL;
	uint32_t four = 7;

	assert_int_equal(span_take_be32(&s, &four), -EBADMSG);
	assert_int_equal(span_take(&s, SIZE_MAX, &p), -EBADMSG);
	assert_int_equal(four, 7);
	assert_null(p);
	assert_int_equal(s.len, 3);
	assert_ptr_equal(s.p, bytes);
}

static bool as_told(void *arg)
{
	return *(bool *)arg;
}

static void patience_can_be_limited(void **state)
{
	struct patience_limit hour, none;
	bool lost = false;

	patience_set(as_told, &lost);
	patience_limit_begin(&hour, 3600 * 1000);
	assert_false(patience_lost());
	lost = true;
	assert_true(patience_lost());
	lost = false;
	patience_limit_begin(&none, 0);
	assert_true(patience_lost());
	patience_limit_end(&none);
	assert_false(patience_lost());
	patience_limit_end(&hour);
	lost = true;
	assert_true(patience_lost());
	patience_set(NULL, NULL);
	assert_false(patience_lost());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(size_parse_knows_letters_and_fractions),
		cmocka_unit_test(size_parse_refuses),
		cmocka_unit_test(size_format_is_exact),
		cmocka_unit_test(size_format_is_read_back),
		cmocka_unit_test(size_human_has_three_digits),
		cmocka_unit_test(text_grows),
		cmocka_unit_test(text_of_nothing_is_empty),
		cmocka_unit_test(text_remembers_an_error),
		cmocka_unit_test(text_new_prints),
		cmocka_unit_test(fail_writes_and_returns),
		cmocka_unit_test(fail_accepts_nobody),
		cmocka_unit_test(fail_at_goes_before),
		cmocka_unit_test(fail_cuts_what_is_too_long),
		cmocka_unit_test(bytes_have_an_order),
		cmocka_unit_test(ranges_do_not_run_over),
		cmocka_unit_test(aligns_and_divides),
		cmocka_unit_test(zero_is_zero_at_every_length),
		cmocka_unit_test(crc32c_has_its_check_value),
		cmocka_unit_test(crc16_has_its_check_value),
		cmocka_unit_test(span_takes_what_is_there),
		cmocka_unit_test(span_never_overruns),
		cmocka_unit_test(patience_can_be_limited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
