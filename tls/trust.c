/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls/trust.h"
#include "tls/private.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

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

/* n: what GnuTLS says it has read from option=path. */
static int check_read(int n, const char *option, const char *path, const char *what,
		      struct words *words)
{
	if (n > 0) {
		return 0;
	}
	words_set(words, "%s=%s: no PEM %s in it%s%s", option, path, what,
		  n < 0 ? ": " : "", n < 0 ? gnutls_strerror(n) : "");
	return -EINVAL;
}

static int check_access(const char *option, const char *path, int mode,
			struct words *words)
{
	int r;

	if (access(path, mode) == 0) {
		return 0;
	}
	r = -errno;
	words_set(words, "%s=%s: %s", option, path, strerror(-r));
	return r;
}

static int load_system(struct trust *t, const struct trust_config *c, struct words *words)
{
	int n = gnutls_certificate_set_x509_system_trust(t->cred);

	if (n <= 0 && !c->insecure_no_verify_peer && !c->pin && !c->tofu) {
		words_set(words, "the system's certificate store is empty or unreadable: "
				 "install ca-certificates or name the server's CA with "
				 "cacert=FILE");
		return -ENOENT;
	}
	return 0;
}

static int load_cacert(struct trust *t, const char *path, struct words *words)
{
	int r = check_access("cacert", path, R_OK, words);

	if (r < 0) {
		return r;
	}
	return check_read(gnutls_certificate_set_x509_trust_file(t->cred, path,
								 GNUTLS_X509_FMT_PEM),
			  "cacert", path, "certificate", words);
}

static int load_capath(struct trust *t, const char *path, struct words *words)
{
	struct stat st;
	int r;

	if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
		words_set(words, "capath=%s: not a directory: cacert= names a file",
			  path);
		return -ENOTDIR;
	}
	r = check_access("capath", path, R_OK | X_OK, words);
	if (r < 0) {
		return r;
	}
	return check_read(
		gnutls_certificate_set_x509_trust_dir(t->cred, path, GNUTLS_X509_FMT_PEM),
		"capath", path, "certificate", words);
}

/* GnuTLS would go on with a list that was to be replaced long ago. */
static int check_crl(gnutls_x509_crl_t crl, const char *path, struct words *words)
{
	time_t next = gnutls_x509_crl_get_next_update(crl);
	char date[32] = "?";
	struct tm tm;

	if (next == (time_t)-1 || next > time(NULL)) {
		return 0;
	}
	if (gmtime_r(&next, &tm)) {
		(void)strftime(date, sizeof(date), "%Y-%m-%d", &tm);
	}
	words_set(words,
		  "crl=%s: the list of revoked certificates in it was to be replaced by "
		  "%s: fetch the new one",
		  path, date);
	return -EINVAL;
}

static int load_crl(struct trust *t, const char *path, struct words *words)
{
	gnutls_datum_t text = { 0 };
	gnutls_x509_crl_t *list = NULL;
	unsigned n = 0;
	int r = check_access("crl", path, R_OK, words);

	if (r < 0) {
		return r;
	}
	r = gnutls_load_file(path, &text);
	if (r >= 0) {
		r = gnutls_x509_crl_list_import2(&list, &n, &text, GNUTLS_X509_FMT_PEM,
						 0);
		gnutls_free(text.data);
	}
	r = check_read(r < 0 ? r : (int)n, "crl", path, "list of revoked certificates",
		       words);
	for (unsigned i = 0; i < n && r == 0; i++) {
		r = check_crl(list[i], path, words);
	}
	if (r == 0 && gnutls_certificate_set_x509_crl(t->cred, list, (int)n) < 0) {
		r = -ENOMEM;
	}
	for (unsigned i = 0; i < n; i++) {
		gnutls_x509_crl_deinit(list[i]);
	}
	gnutls_free(list);
	return r;
}

static int load_trust(struct trust *t, const struct trust_config *c, struct words *words)
{
	int r = 0;

	if (c->cacert) {
		r = load_cacert(t, c->cacert, words);
	}
	if (r == 0 && c->capath) {
		r = load_capath(t, c->capath, words);
	}
	if (r == 0 && !c->cacert && !c->capath) {
		r = load_system(t, c, words);
	}
	if (r == 0 && c->crl) {
		r = load_crl(t, c->crl, words);
	}
	if (r == 0 && c->pin) {
		r = pin_load(t, c->pin, words);
	}
	if (r == 0 && c->tofu) {
		r = tofu_load(t, c, words);
	}
	return r == 0 ? identity_load(t, c, words) : r;
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
	free(t->pins);
	free(t->tofu);
	free(t);
}
