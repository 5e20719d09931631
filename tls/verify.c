/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Certificate verdicts, in words a user can act on. */
#include "tls/private.h"

#include "base/buf.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum { CHAIN_MAX = 16 };

/* Who is judged. */
struct peer {
	const gnutls_datum_t *chain;
	unsigned n; /* >= 1 */
	const char *name; /* that the certificate must have */
	struct certificate leaf;
};

/* ---- what is wrong, a phrase a fault ---- */

static void add(struct buf *out, const char *text)
{
	(void)buf_printf(out, "%s%s", out->len ? "; " : "", text);
}

/* What GnuTLS says of the chain as a whole, found again in one certificate of it. */
static bool describe_fault(unsigned status, gnutls_x509_crt_t crt,
			   const struct certificate *c, const char *who, struct buf *out)
{
	unsigned bits = 0;
	int pk = gnutls_x509_crt_get_pk_algorithm(crt, &bits);
	int sign = gnutls_x509_crt_get_signature_algorithm(crt);
	const char *comma = out->len ? "; " : "";

	switch (status) {
	case GNUTLS_CERT_EXPIRED:
		if (gnutls_x509_crt_get_expiration_time(crt) < time(NULL)) {
			(void)buf_printf(out, "%s%s expired on %s", comma, who, c->to);
			return true;
		}
		return false;
	case GNUTLS_CERT_NOT_ACTIVATED:
		if (gnutls_x509_crt_get_activation_time(crt) > time(NULL)) {
			(void)buf_printf(out, "%s%s is not valid before %s", comma, who,
					 c->from);
			return true;
		}
		return false;
	default: /* GNUTLS_CERT_INSECURE_ALGORITHM */
		break;
	}
	/* What a root says of itself proves nothing, however it is signed. */
	if (!c->self_signed && sign > 0 &&
	    !gnutls_sign_is_secure2((gnutls_sign_algorithm_t)sign,
				    GNUTLS_SIGN_FLAG_SECURE_FOR_CERTS)) {
		(void)buf_printf(out, "%s%s is signed with %s, which can be forged",
				 comma, who,
				 gnutls_sign_get_name((gnutls_sign_algorithm_t)sign));
		return true;
	}
	if (pk > 0 && gnutls_pk_bits_to_sec_param((gnutls_pk_algorithm_t)pk, bits) <
			      GNUTLS_SEC_PARAM_LOW) {
		(void)buf_printf(out, "%s%s has a key of %u bits, too short to be safe",
				 comma, who, bits);
		return true;
	}
	return false;
}

static void add_from_chain(unsigned status, const struct peer *p, const char *otherwise,
			   struct buf *out)
{
	for (unsigned i = 0; i < MIN(p->n, CHAIN_MAX); i++) {
		struct certificate c;
		gnutls_x509_crt_t crt;
		bool found = false;

		if (certificate_import(p->chain[i].data, p->chain[i].size, &crt) < 0) {
			continue;
		}
		if (certificate_read(p->chain[i].data, p->chain[i].size, &c) == 0) {
			found = describe_fault(
				status, crt, &c,
				i == 0 ? "it" : "the certificate of its issuer", out);
		}
		gnutls_x509_crt_deinit(crt);
		if (found) {
			return;
		}
	}
	add(out, otherwise);
}

static void add_issuer_fault(unsigned status, const struct peer *p, struct buf *out)
{
	if (status & GNUTLS_CERT_SIGNER_NOT_FOUND) {
		add(out,
		    p->leaf.self_signed
			    ? "it is not trusted: it is self-signed, and unknown here"
			    : "it is not trusted: its issuer is unknown here, or the "
			      "server leaves out an intermediate certificate");
	}
	if (status & GNUTLS_CERT_SIGNER_NOT_CA) {
		add(out, "it is not trusted: its issuer may not issue certificates");
	}
	if (status & GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE) {
		add(out, "it is not trusted: its issuer may not issue certificates for "
			 "this name or use");
	}
	if (status & GNUTLS_CERT_SIGNATURE_FAILURE) {
		add(out, "it was signed with another key than the trusted certificate of "
			 "its issuer's name has: one of them was renewed, or somebody is "
			 "in between");
	}
}

static void add_faults(unsigned status, const struct peer *p, struct buf *out)
{
	const unsigned known = GNUTLS_CERT_INVALID | GNUTLS_CERT_REVOKED |
			       GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA |
			       GNUTLS_CERT_SIGNER_CONSTRAINTS_FAILURE |
			       GNUTLS_CERT_SIGNATURE_FAILURE |
			       GNUTLS_CERT_UNEXPECTED_OWNER | GNUTLS_CERT_EXPIRED |
			       GNUTLS_CERT_NOT_ACTIVATED | GNUTLS_CERT_INSECURE_ALGORITHM;

	if (status & GNUTLS_CERT_REVOKED) {
		add(out, "its issuer has revoked it");
	}
	add_issuer_fault(status, p, out);
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER) {
		add(out, "it is for another name");
	}
	if (status & GNUTLS_CERT_EXPIRED) {
		add_from_chain(GNUTLS_CERT_EXPIRED, p,
			       "the certificate of its issuer has expired", out);
	}
	if (status & GNUTLS_CERT_NOT_ACTIVATED) {
		add_from_chain(GNUTLS_CERT_NOT_ACTIVATED, p,
			       "the certificate of its issuer is not valid yet", out);
	}
	if (status & GNUTLS_CERT_INSECURE_ALGORITHM) {
		add_from_chain(GNUTLS_CERT_INSECURE_ALGORITHM, p,
			       "it is signed with an insecure algorithm, or a key of the "
			       "chain is too short",
			       out);
	}
	if ((status & ~known) || out->len == 0) {
		(void)buf_printf(out, "%sGnuTLS status 0x%x", out->len ? "; " : "",
				 status);
	}
}

/* ---- what to do ---- */

static void add_remedies(unsigned status, const struct peer *p, struct buf *out)
{
	char today[16];
	time_t now = time(NULL);
	struct tm tm;

	if (status & GNUTLS_CERT_REVOKED) {
		add(out, "do not use this server before its administrator has replaced "
			 "the certificate");
		return;
	}
	if (status & GNUTLS_CERT_UNEXPECTED_OWNER) {
		add(out, "mount by one of its names, or give the right one with -o "
			 "tls_hostname=NAME");
	}
	if (status & GNUTLS_CERT_NOT_ACTIVATED && gmtime_r(&now, &tm) &&
	    strftime(today, sizeof(today), "%Y-%m-%d", &tm)) {
		(void)buf_printf(out, "%scheck this machine's clock (it says %s)",
				 out->len ? "; " : "", today);
	}
	if (status & GNUTLS_CERT_EXPIRED) {
		add(out, "the server's administrator must renew it");
	}
	if (status & GNUTLS_CERT_INSECURE_ALGORITHM) {
		add(out, "the server's administrator must have a new one made, with "
			 "SHA-256 and a key of at least 2048 bits (RSA) or 256 (ECDSA)");
	}
	if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE)) {
		add(out,
		    p->leaf.self_signed
			    ? "give the server's certificate with -o cacert=FILE"
			    : "give the certificate of its issuer with -o cacert=FILE");
	}
	(void)buf_printf(out,
			 "%sif the administrator confirms that this is the server's key, "
			 "mount with -o pin=%s (then only the key counts%s)",
			 out->len ? "; " : "", p->leaf.pin,
			 status & GNUTLS_CERT_EXPIRED ? ", and no date" : "");
}

/* ---- the message ---- */

static void say(struct words *words, const struct peer *p, struct buf *faults,
		struct buf *remedies)
{
	const char *wrong = buf_str(faults), *todo = buf_str(remedies);
	const struct certificate *c = &p->leaf;

	words_set(words,
		  "the certificate of %.255s was refused: %s. Subject \"%s\", names "
		  "\"%s\", valid %s to %s, issuer \"%s\". What to do: %s",
		  p->name, wrong ? wrong : "?", c->subject, c->names, c->from, c->to,
		  c->issuer, todo ? todo : "?");
}

static int refuse_chain(unsigned status, const struct peer *p, struct words *words)
{
	_cleanup_buf_ struct buf faults = { 0 }, remedies = { 0 };

	add_faults(status, p, &faults);
	add_remedies(status, p, &remedies);
	say(words, p, &faults, &remedies);
	return -EKEYREJECTED;
}

static int judge_pins(const struct trust *t, const struct peer *p, struct words *words)
{
	_cleanup_buf_ struct buf faults = { 0 }, remedies = { 0 };

	if (pin_known(t, p->leaf.pin)) {
		return 0;
	}
	(void)buf_printf(&faults,
			 "its key is none of those given with pin= (%zu): the server was "
			 "given a new key, or somebody is in between",
			 t->n_pins);
	(void)buf_printf(&remedies,
			 "ask the server's administrator, and only if the new key is the "
			 "server's mount with -o pin=%s",
			 p->leaf.pin);
	say(words, p, &faults, &remedies);
	return -EKEYREJECTED;
}

static int judge_first_use(const struct trust *t, const struct peer *p,
			   struct words *words)
{
	_cleanup_buf_ struct buf faults = { 0 }, remedies = { 0 };
	_cleanup_free_ char *host = strdup(p->name);
	enum tofu_verdict verdict;
	int r;

	if (!host) {
		return -ENOMEM;
	}
	tofu_fold(host);
	r = tofu_check(t, host, &p->chain[0], p->leaf.pin, &verdict, words);
	if (r < 0) {
		return r;
	}
	if (verdict == TOFU_KNOWN) {
		return 0;
	}
	(void)buf_printf(&faults,
			 "its key is not the one kept for this host in %.300s: the "
			 "server was given a new key, or somebody is in between",
			 t->tofu);
	(void)buf_printf(
		&remedies,
		"ask the server's administrator, and only if the new key (pin=%s) "
		"is the server's delete the line that begins with "
		"|g0|%.255s|%s| from that file and mount again",
		p->leaf.pin, host, t->service);
	say(words, p, &faults, &remedies);
	return -EKEYREJECTED;
}

static int judge_chain(const struct trust *t, const struct peer *p,
		       gnutls_session_t session, struct words *words)
{
	unsigned status = 0;
	int r = gnutls_certificate_verify_peers3(
		session, t->verify_hostname ? p->name : NULL, &status);

	if (r < 0) {
		words_set(words, "the certificate of %.255s could not be checked: %s",
			  p->name, gnutls_strerror(r));
		return -EKEYREJECTED;
	}
	return status ? refuse_chain(status, p, words) : 0;
}

int verify_peer(const struct trust *t, gnutls_session_t session, const char *host,
		struct words *words)
{
	struct peer p = { .name = t->tls_hostname ? t->tls_hostname : host };
	int r;

	if (!t->n_pins && !t->tofu && !t->verify_peer) {
		return 0;
	}
	p.chain = gnutls_certificate_get_peers(session, &p.n);
	if (!p.chain || p.n == 0 ||
	    certificate_read(p.chain[0].data, p.chain[0].size, &p.leaf) < 0) {
		words_set(words, "%.255s shows no certificate that could be read",
			  p.name);
		return -EKEYREJECTED;
	}
	if (t->n_pins) {
		r = judge_pins(t, &p, words);
	} else if (t->tofu) {
		r = judge_first_use(t, &p, words);
	} else {
		r = judge_chain(t, &p, session, words);
	}
	return r;
}
