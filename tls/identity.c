/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The certificate that we show: PEM files, or objects on a PKCS#11 token. */
#include "tls/private.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_uri(const char *text)
{
	return strncmp(text, "pkcs11:", 7) == 0;
}

/* A token locks itself after a few wrong PINs: ours is tried once, and not where the last
 * try is at stake. GnuTLS asks again after fork(2), when the token's session is gone. */
static int give_pin(void *arg, int attempt, const char *url, const char *label,
		    unsigned flags, char *pin, size_t size)
{
	const struct trust *t = arg;
	int n;

	(void)url;
	(void)label;
	if (!t->key_password || attempt > 0 ||
	    (flags & (GNUTLS_PIN_WRONG | GNUTLS_PIN_FINAL_TRY))) {
		return GNUTLS_E_PKCS11_PIN_ERROR;
	}
	n = snprintf(pin, size, "%s", t->key_password);
	return n < 0 || (size_t)n >= size ? GNUTLS_E_PKCS11_PIN_ERROR : 0;
}

static int check_readable(const char *option, const char *path, struct words *words)
{
	if (!is_uri(path) && access(path, R_OK) < 0) {
		int r = -errno;

		words_set(words, "%s=%s: %s", option, path, strerror(-r));
		return r;
	}
	return 0;
}

static void locked_words(const struct trust_config *c, const char *key, int r,
			 struct words *words)
{
	const char *what = is_uri(key) ? "PIN" : "password";

	if (!c->key_password) {
		words_set(words,
			  "key=%s: a %s is needed: put the line key_password= into the "
			  "credentials file",
			  key, what);
	} else if (r == GNUTLS_E_PKCS11_PIN_LOCKED) {
		words_set(words, "key=%s: the token is locked after too many wrong PINs",
			  key);
	} else {
		words_set(words,
			  "key=%s: the %s is wrong (the line key_password= of the "
			  "credentials file)%s",
			  key, what,
			  is_uri(key) ? ", or the token has only one try left" : "");
	}
}

static int explain(const struct trust_config *c, const char *key, int r,
		   struct words *words)
{
	switch (r) {
	case GNUTLS_E_MEMORY_ERROR:
		return -ENOMEM;
	case GNUTLS_E_DECRYPTION_FAILED:
	case GNUTLS_E_PKCS11_PIN_ERROR:
	case GNUTLS_E_PKCS11_PIN_EXPIRED:
	case GNUTLS_E_PKCS11_PIN_LOCKED:
	case GNUTLS_E_PKCS11_USER_ERROR:
		locked_words(c, key, r, words);
		return -EACCES;
	case GNUTLS_E_CERTIFICATE_KEY_MISMATCH:
		words_set(words, "cert=%s and key=%s do not belong together", c->cert,
			  key);
		return -EINVAL;
	case GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE:
		if (is_uri(c->cert) || is_uri(key)) {
			words_set(words,
				  "cert=%s, key=%s: no such object on a token: `p11tool "
				  "--list-all --login URI` lists them",
				  c->cert, key);
			return -ENOENT;
		}
		__attribute__((fallthrough));
	case GNUTLS_E_BASE64_UNEXPECTED_HEADER_ERROR:
	case GNUTLS_E_NO_CERTIFICATE_FOUND:
		words_set(words, "cert=%s, key=%s: no %s in PEM there%s", c->cert, key,
			  r == GNUTLS_E_NO_CERTIFICATE_FOUND ? "certificate"
							     : "certificate or no key",
			  c->key ? "" : ": name the file of the key with key=");
		return -EINVAL;
	default:
		words_set(words, "cert=%s, key=%s: %s", c->cert, key, gnutls_strerror(r));
		return -EINVAL;
	}
}

int identity_load(struct trust *t, const struct trust_config *c, struct words *words)
{
	const char *key = c->key ? c->key : c->cert;
	int r;

	if (!c->cert) {
		if (c->key) {
			words_set(words, "key=%s without cert=: name its certificate",
				  c->key);
			return -EINVAL;
		}
		return 0;
	}
	r = check_readable("cert", c->cert, words);
	if (r == 0) {
		r = check_readable("key", key, words);
	}
	if (r < 0) {
		return r;
	}
	t->key_password = c->key_password;
	gnutls_certificate_set_pin_function(t->cred, give_pin, t);
	r = gnutls_certificate_set_x509_key_file2(
		t->cred, c->cert, key, GNUTLS_X509_FMT_PEM, c->key_password, 0);
	return r < 0 ? explain(c, key, r, words) : 0;
}
