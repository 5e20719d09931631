/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pins: hashes of the public keys that a server may have. */
#include "tls/private.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

enum { PINS_MAX = 64, PIECE_SHOWN = 80 };

/* By encoding what was decoded: GnuTLS skips blanks and the like. */
static bool parse_piece(const char *text, size_t len, unsigned char ret[static PIN_BYTES])
{
	const gnutls_datum_t base64 = { (unsigned char *)(uintptr_t)text + 7,
					(unsigned)(len - 7) };
	gnutls_datum_t raw = { 0 };
	char again[PIN_TEXT] = "";
	bool ok;

	if (len != PIN_TEXT - 1 || strncmp(text, "sha256:", 7) != 0 ||
	    gnutls_base64_decode2(&base64, &raw) < 0) {
		return false;
	}
	ok = raw.size == PIN_BYTES && pin_format(raw.data, again) == 0 &&
	     strncmp(again, text, len) == 0;
	if (ok) {
		memcpy(ret, raw.data, PIN_BYTES);
	}
	gnutls_free(raw.data);
	return ok;
}

int pin_load(struct trust *t, const char *text, struct words *words)
{
	const char *end;

	t->pins = calloc(PINS_MAX, sizeof(*t->pins));
	if (!t->pins) {
		return -ENOMEM;
	}
	for (const char *piece = text; *piece; piece = *end ? end + 1 : end) {
		size_t len = strcspn(piece, ";");

		end = piece + len;
		if (len == 0) {
			continue; /* one ; too many */
		}
		if (t->n_pins == PINS_MAX) {
			words_set(words, "pin: more than %d keys", PINS_MAX);
			return -EINVAL;
		}
		if (!parse_piece(piece, len, t->pins[t->n_pins])) {
			words_set(words,
				  "pin: \"%.*s\" is not a pin: it must be sha256: and "
				  "the 44 characters of a SHA-256 in base64, as in the "
				  "message about a server that is not trusted",
				  (int)MIN(len, PIECE_SHOWN), piece);
			return -EINVAL;
		}
		t->n_pins++;
	}
	if (t->n_pins == 0) {
		words_set(words, "pin: no pin in \"%.80s\"", text);
		return -EINVAL;
	}
	return 0;
}

bool pin_known(const struct trust *t, const char *pin_text)
{
	unsigned char pin[PIN_BYTES];

	if (!parse_piece(pin_text, strlen(pin_text), pin)) {
		return false;
	}
	for (size_t i = 0; i < t->n_pins; i++) {
		if (memcmp(t->pins[i], pin, PIN_BYTES) == 0) {
			return true;
		}
	}
	return false;
}
