/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A clear-signed message, line by line:
 *
 *	-----BEGIN PGP SIGNED MESSAGE-----
 *	Hash: SHA512			none, one or several
 *	(an empty line)
 *	the text			a "-" in front became "- -"
 *	-----BEGIN PGP SIGNATURE-----
 *	Comment: ...			none, one or several
 *	(an empty line)
 *	the signature packets in base64
 *	=CRC24
 *	-----END PGP SIGNATURE-----
 *
 * A detached signature is its second half, or the packets as they are.
 */
#include "backends/library/armor.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/span.h"

#define BEGIN		"-----BEGIN PGP "
#define BEGIN_SIGNED	"-----BEGIN PGP SIGNED MESSAGE-----"
#define BEGIN_SIGNATURE "-----BEGIN PGP SIGNATURE-----"
#define END_SIGNATURE	"-----END PGP SIGNATURE-----"

#define TAG_SIGNATURE 2

struct reader {
	const char *p, *end;
	struct slice line; /* without blanks and CR at its end, which no signature covers */
	unsigned number;
	const char *shown;
	struct why *why;
};

static bool starts_with(struct slice s, const char *text)
{
	size_t n = strlen(text);

	return s.n >= n && memcmp(s.p, text, n) == 0;
}

/* Returns 1 and the next line, 0 at the end, or an error. */
static int next_line(struct reader *in)
{
	bool whole;

	if (!take_line(&in->p, in->end, &in->line, &whole))
		return 0;
	in->number++;
	if (in->line.n > ARMOR_LINE_MAX)
		return fail(in->why, -EBADMSG,
			    "line %u of '%s' has %zu bytes, in a signed message %d are allowed", in->number,
			    in->shown, in->line.n, ARMOR_LINE_MAX);
	if (in->line.n && memchr(in->line.p, '\0', in->line.n))
		return fail(in->why, -EBADMSG, "line %u of '%s' holds a NUL byte", in->number, in->shown);
	while (in->line.n && strchr(" \t\r", in->line.p[in->line.n - 1]))
		in->line.n--;
	return 1;
}

static int cut_off(const struct reader *in, const char *what)
{
	return fail(in->why, -EBADMSG, "'%s' is cut off: %s", in->shown, what);
}

/* Every packet's first byte has this bit, no character of armor does. */
static bool is_binary(const char *bytes, size_t count)
{
	return count && (uint8_t)bytes[0] & 0x80;
}

/* Packets. */

static int packet_length(struct span *s, uint8_t tag, uint32_t *ret)
{
	const uint8_t *p;
	unsigned bytes;

	if (tag &
	    0x40) { /* the new format; a first byte of 224 to 254 is a length in parts, not for signatures */
		if (span_take(s, 1, &p) < 0)
			return -EBADMSG;
		if (*p < 192) {
			*ret = *p;
			return 0;
		}
		if (*p < 224) {
			*ret = (*p - 192) << 8;
			if (span_take(s, 1, &p) < 0)
				return -EBADMSG;
			*ret += *p + 192;
			return 0;
		}
		return *p == 255 ? span_take_be32(s, ret) : -EBADMSG;
	}
	if ((tag & 3) == 3) /* to the end of the file, not for signatures either */
		return -EBADMSG;
	bytes = 1U << (tag & 3);
	if (span_take(s, bytes, &p) < 0)
		return -EBADMSG;
	for (*ret = 0; bytes; bytes--)
		*ret = *ret << 8 | *p++;
	return 0;
}

/* Anything but signatures could bring a text of its own, and gpg would judge that instead. */
static int check_packets(struct span s, const char *shown, struct why *why)
{
	unsigned n = 0;

	while (s.len) {
		const uint8_t *p;
		uint32_t length;
		uint8_t tag;

		(void)span_take(&s, 1, &p);
		tag = *p;
		if (!(tag & 0x80))
			return fail(why, -EBADMSG, "the signature of '%s' is damaged: it is no OpenPGP packet",
				    shown);
		if ((tag & 0x40 ? tag & 0x3f : tag >> 2 & 0xf) != TAG_SIGNATURE)
			return fail(why, -EBADMSG, "the signature of '%s' holds something else than signatures",
				    shown);
		if (packet_length(&s, tag, &length) < 0 || span_take(&s, length, &p) < 0)
			return fail(why, -EBADMSG, "the signature of '%s' is cut off", shown);
		if (++n > ARMOR_SIGNATURES_MAX)
			return fail(why, -EBADMSG, "'%s' has more than %d signatures", shown,
				    ARMOR_SIGNATURES_MAX);
	}
	return n ? 0 : fail(why, -EBADMSG, "the signature of '%s' is empty", shown);
}

/* Base64. */

struct decoder {
	uint8_t *bytes; /* owned; room for all that is left of the message */
	size_t n;
	uint32_t bits;
	unsigned digits;
	bool ended; /* by the padding */
};

static void decoder_done(struct decoder *d)
{
	free(d->bytes);
}

static int digit_value(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static int decode_line(struct decoder *d, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		int value = digit_value(s.p[i]);

		if (s.p[i] == '=' && d->digits % 4 >= 2) {
			d->ended = true;
			continue;
		}
		if (value < 0 || d->ended)
			return -EBADMSG;
		d->bits = d->bits << 6 | value;
		if (++d->digits % 4 != 1)
			d->bytes[d->n++] = d->bits >> (4 - d->digits % 4) % 4 * 2;
	}
	return 0;
}

/* Behind BEGIN_SIGNATURE, up to END_SIGNATURE inclusive: its headers, then packets, all of them signatures. */
static int take_signature(struct reader *in)
{
	_cleanup_(decoder_done) struct decoder d = { .bytes = malloc(in->end - in->p + 1) };
	int r;

	if (!d.bytes)
		return -ENOMEM;
	while ((r = next_line(in)) > 0 && in->line.n)
		if (!memchr(in->line.p, ':', in->line.n))
			return fail(in->why, -EBADMSG,
				    "line %u of '%s' is no header of a signature: there is no ':'", in->number,
				    in->shown);
	while (r > 0 && (r = next_line(in)) > 0) {
		if (slice_is(in->line, END_SIGNATURE))
			return check_packets((struct span){ d.bytes, d.n }, in->shown, in->why);
		/* The checksum of the armor is for gpg to check. */
		if (in->line.n && in->line.p[0] == '=' && (d.ended || d.digits % 4 == 0))
			d.ended = true;
		else if (decode_line(&d, in->line) < 0)
			return fail(in->why, -EBADMSG, "line %u of '%s' is not a signature's base64",
				    in->number, in->shown);
	}
	return r < 0 ? r : cut_off(in, "its signature has no end");
}

/* Clear-signed text. */

static bool is_hash_char(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || strchr(" ,-", c);
}

/* NotDashEscaped, which gpg knows besides, changes how the text is to be read. */
static bool is_hash_header(struct slice s)
{
	static const char name[] = "Hash: ";

	if (!starts_with(s, name))
		return false;
	for (size_t i = sizeof(name) - 1; i < s.n; i++)
		if (!is_hash_char(s.p[i]))
			return false;
	return true;
}

static int find_begin(struct reader *in, const char **ret)
{
	int r;

	for (*ret = in->p; (r = next_line(in)) > 0; *ret = in->p) {
		if (slice_is(in->line, BEGIN_SIGNED))
			return 0;
		if (starts_with(in->line, BEGIN))
			return fail(in->why, -EBADMSG,
				    "'%s' is not clear-signed: in line %u begins an OpenPGP message of another "
				    "kind",
				    in->shown, in->number);
	}
	return r < 0 ? r : fail(in->why, -EBADMSG, "'%s' is not signed", in->shown);
}

/* Behind BEGIN_SIGNED, up to BEGIN_SIGNATURE inclusive. */
static int take_text(struct reader *in)
{
	int r;

	while ((r = next_line(in)) > 0 && in->line.n)
		if (!is_hash_header(in->line))
			return fail(
				in->why, -EBADMSG,
				"line %u of '%s' is no header of a signed text: only 'Hash:' may stand there",
				in->number, in->shown);
	while (r > 0 && (r = next_line(in)) > 0) {
		if (slice_is(in->line, BEGIN_SIGNATURE))
			return 0;
		if (in->line.n && in->line.p[0] == '-' && !starts_with(in->line, "- "))
			return fail(in->why, -EBADMSG,
				    "line %u of '%s' begins with '-', which signing would escape", in->number,
				    in->shown);
	}
	return r < 0 ? r : cut_off(in, "it has a signed text but no signature");
}

static int refuse_more(struct reader *in)
{
	int r;

	while ((r = next_line(in)) > 0)
		if (starts_with(in->line, BEGIN))
			return fail(in->why, -EBADMSG,
				    "'%s' has more than one signed part, another begins in line %u", in->shown,
				    in->number);
	return r;
}

int armor_find_clear(const char *bytes, size_t count, const char *shown, struct slice *ret, struct why *why)
{
	struct reader in = { .p = bytes, .end = bytes + count, .shown = shown, .why = why };
	const char *begin, *end;
	int r;

	if (is_binary(bytes, count))
		return fail(why, -EBADMSG, "'%s' is not clear-signed: it begins as binary messages do", shown);
	r = find_begin(&in, &begin);
	if (r == 0)
		r = take_text(&in);
	if (r == 0)
		r = take_signature(&in);
	end = in.p;
	if (r == 0)
		r = refuse_more(&in);
	if (r == 0)
		*ret = (struct slice){ begin, end - begin };
	return r;
}

int armor_check_detached(const char *bytes, size_t count, const char *shown, struct why *why)
{
	struct reader in = { .p = bytes, .end = bytes + count, .shown = shown, .why = why };
	int r;

	if (is_binary(bytes, count))
		return check_packets((struct span){ (const uint8_t *)bytes, count }, shown, why);
	while ((r = next_line(&in)) > 0 && !starts_with(in.line, BEGIN))
		;
	if (r < 0)
		return r;
	if (r == 0 || !slice_is(in.line, BEGIN_SIGNATURE))
		return fail(why, -EBADMSG, "what should be the signature of '%s' is no detached signature",
			    shown);
	r = take_signature(&in);
	return r < 0 ? r : refuse_more(&in);
}
