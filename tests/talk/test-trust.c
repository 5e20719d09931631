/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Verdicts on certificates: what is refused, in which words, and that the remedy these words
 * name works. */
#include "trust_bed.h"

#include "tls/certificate.h"

/* ---- verdicts of the chain ---- */

static void test_trusted(void **state)
{
	struct bed *b = *state;

	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	assert_int_equal(shake_ca(b), 0);
	assert_string_equal(b->words.text, "");
}

static void test_capath(void **state)
{
	struct bed *b = *state;
	char dir[PATH_ROOM], empty[PATH_ROOM], file[PATH_ROOM];
	struct party other = { 0 };

	bed_path(b, "dir", dir);
	bed_path(b, "empty", empty);
	bed_path(b, "ca.pem", file);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(mkdir(empty, 0700), 0);
	party_init(&other, &(struct spec){ .dn = "CN=another authority", .ca = true });
	bed_write_crt(b, "dir/other.pem", other.crt);
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	assert_int_equal(shake(b, &(struct trust_config){ .capath = dir }),
			 -EKEYREJECTED);
	bed_write_crt(b, "dir/ca.pem", b->ca.crt);
	assert_int_equal(shake(b, &(struct trust_config){ .capath = dir }), 0);
	/* Both count where both are given. */
	bed_leaf(b, &(struct spec){ .issuer = &other });
	assert_int_equal(
		shake(b, &(struct trust_config){ .capath = dir, .cacert = file }), 0);
	party_finish(&other);

	assert_int_equal(refused_config(b, &(struct trust_config){ .capath = empty }),
			 -EINVAL);
	says(b, "no PEM certificate");
	assert_int_equal(refused_config(b, &(struct trust_config){ .capath = file }),
			 -ENOTDIR);
	says(b, "cacert=");
	assert_int_equal(
		refused_config(b, &(struct trust_config){ .capath = "/nowhere" }),
		-ENOENT);
	says(b, "/nowhere");
}

static void test_unknown_issuer(void **state)
{
	struct bed *b = *state;
	struct party other = { 0 };

	party_init(&other, &(struct spec){ .dn = "CN=another authority", .ca = true });
	bed_leaf(b, &(struct spec){ .issuer = &other });
	party_finish(&other);
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "its issuer is unknown");
	says(b, "CN=another authority");
	says(b, HOST);
	says(b, "-o cacert=FILE");
	is_silent_about(b, "self-signed");
	remedy_works(b);
}

static void test_self_signed(void **state)
{
	struct bed *b = *state;
	char path[PATH_ROOM];

	bed_leaf(b, &(struct spec){ .dn = "CN=box,O=Toys" });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "self-signed");
	says(b, "Toys");
	remedy_works(b);
	/* The other remedy. */
	bed_write_crt(b, "leaf.pem", b->leaf.crt);
	bed_path(b, "leaf.pem", path);
	assert_int_equal(shake(b, &(struct trust_config){ .cacert = path }), 0);
}

static void test_other_name(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };

	bed_path(b, "ca.pem", ca);
	bed_leaf(b, &(struct spec){ .issuer = &b->ca, .name = "other.example.net" });
	assert_int_equal(shake(b, &config), -EKEYREJECTED);
	says(b, "another name");
	says(b, "other.example.net");
	says(b, "tls_hostname=");
	remedy_works(b);
	config.tls_hostname = "other.example.net";
	assert_int_equal(shake(b, &config), 0);
	config.tls_hostname = NULL;
	config.insecure_no_verify_hostname = true;
	assert_int_equal(shake(b, &config), 0);
}

static void test_expired(void **state)
{
	struct bed *b = *state;
	time_t end = time(NULL) - 3 * DAY;
	struct tm tm;
	char date[64];

	bed_leaf(b, &(struct spec){ .issuer = &b->ca, .from = -30, .to = -3 });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	assert_non_null(gmtime_r(&end, &tm));
	assert_true(strftime(date, sizeof(date), "it expired on %Y-%m-%d", &tm) > 0);
	says(b, date);
	says(b, "and no date");
	remedy_works(b);
}

static void test_issuer_expired(void **state)
{
	struct bed *b = *state;
	struct party old = { 0 };
	char path[PATH_ROOM];

	party_init(&old,
		   &(struct spec){ .dn = "CN=old", .ca = true, .from = -30, .to = -3 });
	bed_write_crt(b, "old.pem", old.crt);
	bed_path(b, "old.pem", path);
	bed_leaf(b, &(struct spec){ .issuer = &old });
	party_finish(&old);
	assert_int_equal(shake(b, &(struct trust_config){ .cacert = path }),
			 -EKEYREJECTED);
	says(b, "issuer has expired");
	remedy_works(b);
}

static void test_not_yet_valid(void **state)
{
	struct bed *b = *state;

	bed_leaf(b, &(struct spec){ .issuer = &b->ca, .from = 5, .to = 30 });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "not valid before");
	says(b, "clock");
	remedy_works(b);
}

static void test_two_faults(void **state)
{
	struct bed *b = *state;

	bed_leaf(b, &(struct spec){
			    .issuer = &b->ca, .name = "x.org", .from = -9, .to = -3 });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "another name");
	says(b, "expired");
}

static void test_sha1(void **state)
{
	struct bed *b = *state;

	bed_leaf(b, &(struct spec){ .issuer = &b->ca, .digest = GNUTLS_DIG_SHA1 });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "it is signed with");
	says(b, "SHA1");
	remedy_works(b);
}

static void test_short_key(void **state)
{
	struct bed *b = *state;

	bed_leaf(b, &(struct spec){ .issuer = &b->ca, .rsa_bits = 1008 });
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "key of 1008 bits");
	remedy_works(b);
}

static void test_renewed_authority(void **state)
{
	struct bed *b = *state;
	struct party twin = { 0 };

	party_init(&twin, &(struct spec){ .dn = "CN=the authority", .ca = true });
	bed_leaf(b, &(struct spec){ .issuer = &twin });
	party_finish(&twin);
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	says(b, "renewed");
	says(b, "in between");
	remedy_works(b);
}

/* ---- revocation ---- */

static void write_crl(struct bed *b, const char *name, gnutls_x509_crt_t revoked,
		      int next)
{
	gnutls_x509_crl_t crl;
	gnutls_datum_t pem;
	time_t now = time(NULL);

	must(gnutls_x509_crl_init(&crl));
	must(gnutls_x509_crl_set_version(crl, 2));
	must(gnutls_x509_crl_set_this_update(crl, now - 10 * DAY));
	must(gnutls_x509_crl_set_next_update(crl, now + next * DAY));
	if (revoked) {
		must(gnutls_x509_crl_set_crt(crl, revoked, now - 11 * DAY));
	}
	must(gnutls_x509_crl_sign2(crl, b->ca.crt, b->ca.key, GNUTLS_DIG_SHA256, 0));
	must(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &pem));
	bed_write(b, name, pem.data, pem.size, 0600);
	gnutls_free(pem.data);
	gnutls_x509_crl_deinit(crl);
}

static void test_revoked(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };
	char path[PATH_ROOM];

	bed_path(b, "ca.pem", ca);
	bed_path(b, "crl.pem", path);
	config.crl = path;
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	write_crl(b, "crl.pem", NULL, 10);
	assert_int_equal(shake(b, &config), 0);
	write_crl(b, "crl.pem", b->leaf.crt, 10);
	assert_int_equal(shake(b, &config), -EKEYREJECTED);
	says(b, "revoked");
	says(b, "do not use");
	is_silent_about(b, "pin=");
	write_crl(b, "crl.pem", NULL, -2);
	assert_int_equal(refused_config(b, &config), -EINVAL);
	says(b, "fetch the new one");
	bed_write(b, "crl.pem", "nonsense\n", 9, 0600);
	assert_int_equal(refused_config(b, &config), -EINVAL);
	says(b, "crl=");
}

/* ---- hostile certificates ---- */

static void check_printable(const struct bed *b)
{
	assert_true(strlen(b->words.text) < sizeof(b->words.text) - 1);
	for (const char *p = b->words.text; *p; p++) {
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	}
}

static void test_hostile_text(void **state)
{
	struct bed *b = *state;
	const char org[] = "evil\x1b[2J\r\n\" fine\xe2\x80\xae M\xc3\xbcller";
	/* A GeneralNames of one dNSName; gnutls_x509_crt_set_subject_alt_name() cleans. */
	const char names[] = "\x30\x10\x82\x0e"
			     "a\x07"
			     "b\x1b]0;c\n\0.org";

	bed_leaf(b, &(struct spec){ .ca = true });
	must(gnutls_x509_crt_set_extension_by_oid(b->leaf.crt, GNUTLS_X509EXT_OID_SAN,
						  names, sizeof(names) - 1, 0));
	must(gnutls_x509_crt_set_dn_by_oid(b->leaf.crt, GNUTLS_OID_X520_ORGANIZATION_NAME,
					   0, org, sizeof(org) - 1));
	must(gnutls_x509_crt_sign2(b->leaf.crt, b->leaf.crt, b->leaf.key,
				   GNUTLS_DIG_SHA256, 0));
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	check_printable(b);
	says(b, "evil?[2J");
	says(b, "M\xc3\xbcller");
	says(b, "a?b?]0;c??.org");
	is_silent_about(b, "\xe2\x80\xae");
	is_silent_about(b, "\" fine");
	remedy_works(b);
}

/* Whatever bytes a server sends: read or refused, and what is read is fit to be shown. */
static void test_mangled(void **state)
{
	struct bed *b = *state;
	unsigned seed = 1, read = 0;
	unsigned char *copy;
	gnutls_datum_t der;

	bed_leaf(b, &(struct spec){ .dn = "CN=box,O=Toys" });
	must(gnutls_x509_crt_export2(b->leaf.crt, GNUTLS_X509_FMT_DER, &der));
	copy = malloc(der.size);
	assert_non_null(copy);
	for (int turn = 0; turn < 20000; turn++) {
		struct certificate c;
		size_t len = der.size - (turn % 7 == 0 ? (unsigned)turn % der.size : 0);

		memcpy(copy, der.data, der.size);
		for (int i = turn % 4; i >= 0; i--) {
			seed = seed * 1103515245 + 12345;
			copy[(seed >> 8) % der.size] = (unsigned char)(seed >> 24);
		}
		if (certificate_read(copy, len, &c) < 0) {
			continue;
		}
		read++;
		words_set(&b->words, "%s%s%s%s%s%s", c.subject, c.names, c.issuer, c.from,
			  c.to, c.pin);
		check_printable(b);
		assert_int_equal(strlen(c.pin), PIN_TEXT - 1);
	}
	assert_true(read > 100);
	free(copy);
	gnutls_free(der.data);
}

/* Whatever the length, the remedy at the end is not cut off. */
static void test_long_text(void **state)
{
	struct bed *b = *state;
	char dn[1024] = "", name[251], host[256], ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };

	bed_path(b, "ca.pem", ca);
	for (int i = 0; i < 14; i++) {
		sprintf(dn + strlen(dn), "%sOU=%d%058d", i ? "," : "", i, i);
	}
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(host, 'h', sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	bed_leaf(b, &(struct spec){ .dn = dn, .name = name, .from = -9, .to = -3 });
	assert_int_equal(shake_as(b, &config, host), -EKEYREJECTED);
	check_printable(b);
	says(b, "0...\"");
	remedy_works(b);
}

static void test_many_names(void **state)
{
	struct bed *b = *state;
	char name[64];

	bed_leaf(b, &(struct spec){ .name = "first.org" });
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "name-number-%d.example.org", i);
		must(gnutls_x509_crt_set_subject_alt_name(b->leaf.crt, GNUTLS_SAN_DNSNAME,
							  name, (unsigned)strlen(name),
							  GNUTLS_FSAN_APPEND));
	}
	must(gnutls_x509_crt_set_subject_alt_name(b->leaf.crt, GNUTLS_SAN_IPADDRESS,
						  "\x7f\0\0\x1", 4, GNUTLS_FSAN_APPEND));
	must(gnutls_x509_crt_sign2(b->leaf.crt, b->leaf.crt, b->leaf.key,
				   GNUTLS_DIG_SHA256, 0));
	assert_int_equal(shake_ca(b), -EKEYREJECTED);
	check_printable(b);
	says(b, "first.org, name-number-0.example.org, ");
	says(b, "...\"");
	remedy_works(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(test_trusted),	  BED(test_capath),
		BED(test_unknown_issuer), BED(test_self_signed),
		BED(test_other_name),	  BED(test_expired),
		BED(test_issuer_expired), BED(test_not_yet_valid),
		BED(test_two_faults),	  BED(test_sha1),
		BED(test_short_key),	  BED(test_renewed_authority),
		BED(test_revoked),	  BED(test_hostile_text),
		BED(test_mangled),	  BED(test_long_text),
		BED(test_many_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
