/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/trust.h"
#include "tls/private.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>

static const char *const versions[] = { "1.0", "1.1", "1.2", "1.3" };

static int version_index(const char *text, int fallback)
{
	if (!text) {
		return fallback;
	}
	for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
		if (strcmp(text, versions[i]) == 0) {
			return (int)i;
		}
	}
	return -1;
}

/* AES-GCM first where the CPU does AES itself (about six times ChaCha20's speed), 128
 * bits before 256. */
static const char *cipher_order(void)
{
#if defined(__x86_64__) || defined(__i386__)
	if (!__builtin_cpu_supports("aes")) {
		return "";
	}
#endif
	return ":-CIPHER-ALL:+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-CBC:+"
	       "AES-256-CBC";
}

static int priority_text(const struct trust_config *c, struct buf *ret,
			 struct words *words)
{
	int lo = version_index(c->tls_min, 2), hi = version_index(c->tls_max, 3);
	int r;

	if (c->priority) {
		return buf_printf(ret, "%s", c->priority);
	}
	if (lo < 0 || hi < 0 || lo > hi) {
		words_set(
			words,
			"tls_min=%s, tls_max=%s: not a range of TLS versions 1.0 to 1.3",
			c->tls_min ? c->tls_min : "1.2", c->tls_max ? c->tls_max : "1.3");
		return -EINVAL;
	}
	r = buf_printf(ret, "NORMAL:-VERS-ALL");
	for (int i = hi; i >= lo && r == 0; i--) {
		r = buf_printf(ret, ":+VERS-TLS%s", versions[i]);
	}
	if (r == 0) {
		r = buf_printf(ret, "%s", cipher_order());
	}
	if (r == 0 && lo < 2) {
		/* Devices that stopped at TLS 1.0 also sign with SHA-1 (T17). */
		r = buf_printf(ret, ":%%COMPAT:+SHA1:%%VERIFY_ALLOW_SIGN_WITH_SHA1");
	}
	return r;
}

static int load_priority(struct trust *t, const struct trust_config *c,
			 struct words *words)
{
	_cleanup_buf_ struct buf text = { 0 };
	const char *bad = NULL, *string;
	int r = priority_text(c, &text, words);

	if (r < 0) {
		return r;
	}
	string = buf_str(&text);
	if (!string) {
		return -ENOMEM;
	}
	r = gnutls_priority_init(&t->priority, string, &bad);
	if (r < 0) {
		words_set(words,
			  "tls_priority: GnuTLS does not understand it from \"%s\" on",
			  bad ? bad : string);
		return -EINVAL;
	}
	return 0;
}

static int load_trust(struct trust *t, const struct trust_config *c, struct words *words)
{
	int n;

	if (!c->cacert) {
		n = gnutls_certificate_set_x509_system_trust(t->cred);
		if (n <= 0 && !c->insecure_no_verify_peer) {
			words_set(words, "the system's certificate store is empty or "
					 "unreadable: install "
					 "ca-certificates or name the server's CA with "
					 "cacert=FILE");
			return -ENOENT;
		}
		return 0;
	}
	if (access(c->cacert, R_OK) < 0) {
		n = -errno;
		words_set(words, "cacert=%s: %s", c->cacert, strerror(-n));
		return n;
	}
	n = gnutls_certificate_set_x509_trust_file(t->cred, c->cacert,
						   GNUTLS_X509_FMT_PEM);
	if (n <= 0) {
		words_set(words, "cacert=%s: no PEM certificate in it%s%s", c->cacert,
			  n < 0 ? ": " : "", n < 0 ? gnutls_strerror(n) : "");
		return -EINVAL;
	}
	return 0;
}

int trust_new(const struct trust_config *c, struct trust **ret, struct words *words)
{
	_cleanup_(trust_freep) struct trust *t = calloc(1, sizeof(*t));
	int r;

	if (!t || gnutls_certificate_allocate_credentials(&t->cred) < 0) {
		return -ENOMEM;
	}
	t->verify_peer = !c->insecure_no_verify_peer;
	t->verify_hostname = !c->insecure_no_verify_hostname;
	if (c->tls_hostname) {
		t->tls_hostname = strdup(c->tls_hostname);
		if (!t->tls_hostname) {
			return -ENOMEM;
		}
	}
	r = load_priority(t, c, words);
	if (r == 0) {
		r = load_trust(t, c, words);
	}
	if (r < 0) {
		return r;
	}
	*ret = steal(&t);
	return 0;
}

void trust_free(struct trust *t)
{
	if (!t) {
		return;
	}
	if (t->priority) {
		gnutls_priority_deinit(t->priority);
	}
	if (t->cred) {
		gnutls_certificate_free_credentials(t->cred);
	}
	free(t->tls_hostname);
	free(t);
}
