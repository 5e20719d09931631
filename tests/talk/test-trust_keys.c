/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys in place of authorities: pins, trust on first use; and the certificate that we show. */
#include "trust_bed.h"

#include <fcntl.h>
#include <sys/file.h>

/* ---- pins ---- */

#define NO_KEY "sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static void test_pin(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };
	char pin[64], list[200];

	bed_path(b, "ca.pem", ca);
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	pin_of_leaf(b, pin);
	config.pin = NO_KEY;
	/* A valid chain does not help. */
	assert_int_equal(shake(b, &config), -EKEYREJECTED);
	says(b, "none of those");
	remedy_works(b);
	snprintf(list, sizeof(list), ";%s;%s;", NO_KEY, pin);
	config.pin = list;
	assert_int_equal(shake(b, &config), 0);
	/* No check is turned off by turning the other one off. */
	config.pin = NO_KEY;
	config.insecure_no_verify_peer = true;
	assert_int_equal(shake(b, &config), -EKEYREJECTED);
}

static void test_pin_outlives_certificate(void **state)
{
	struct bed *b = *state;
	char pin[64];

	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	pin_of_leaf(b, pin);
	must(gnutls_x509_crt_set_expiration_time(b->leaf.crt, time(NULL) - DAY / 2));
	must(gnutls_x509_crt_set_dn(b->leaf.crt, "CN=renewed", NULL));
	must(gnutls_x509_crt_sign2(b->leaf.crt, b->leaf.crt, b->leaf.key,
				   GNUTLS_DIG_SHA256, 0));
	assert_int_equal(shake(b, &(struct trust_config){ .pin = pin }), 0);
}

/* ---- trust on first use ---- */

static size_t file_text(const char *path, char *text, size_t size)
{
	FILE *f = fopen(path, "re");
	size_t n;

	assert_non_null(f);
	n = fread(text, 1, size - 1, f);
	text[n] = '\0';
	fclose(f);
	return n;
}

static void test_tofu(void **state)
{
	struct bed *b = *state;
	struct log_hook hook = { bed_log, b, LEVEL_INFO };
	char path[PATH_ROOM], pin[64], text[4096], again[4096];
	struct trust_config config = { .tofu = path, .service = "2121", .hook = &hook };
	struct stat st;

	bed_path(b, "known", path);
	bed_leaf(b, &(struct spec){ .from = -30, .to = -3 });
	pin_of_leaf(b, pin);
	assert_int_equal(shake_as(b, &config, "FTP.example.ORG"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	(void)file_text(path, text, sizeof(text));
	assert_non_null(strstr(text, "|ftp.example.org|2121|"));
	assert_non_null(strstr(buf_str(&b->log), pin));
	assert_non_null(strstr(buf_str(&b->log), path));
	buf_clear(&b->log);

	assert_int_equal(shake(b, &config), 0);
	assert_int_equal(b->log.len, 0);
	bed_leaf(b, &(struct spec){ 0 });
	assert_int_equal(shake_as(b, &config, "ftp.EXAMPLE.org"), -EKEYREJECTED);
	says(b, path);
	says(b, "|g0|ftp.example.org|2121|");
	pin_of_leaf(b, pin);
	says(b, pin);
	(void)file_text(path, again, sizeof(again));
	assert_string_equal(text, again);

	/* Another port is another server. */
	strcpy(config.service, "990");
	assert_int_equal(shake(b, &config), 0);
	assert_true(file_text(path, again, sizeof(again)) > strlen(text));
	assert_memory_equal(text, again, strlen(text));
}

/* A valid chain is no reason to forget the key. */
static void test_tofu_before_chain(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };
	char path[PATH_ROOM];

	bed_path(b, "ca.pem", ca);
	bed_path(b, "known", path);
	config.tofu = path;
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	assert_int_equal(shake(b, &config), 0);
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	assert_int_equal(shake(b, &config), -EKEYREJECTED);
	says(b, "not the one kept");
}

static void test_tofu_usual_file(void **state)
{
	struct bed *b = *state;
	char *home = strdup(getenv("HOME") ? getenv("HOME") : "");
	char path[PATH_ROOM];
	struct stat st;

	assert_non_null(home);
	assert_int_equal(setenv("HOME", b->dir, 1), 0);
	bed_leaf(b, &(struct spec){ 0 });
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = "" }), 0);
	assert_int_equal(setenv("HOME", home, 1), 0);
	free(home);
	bed_path(b, ".config/ftpsfs", path);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	bed_path(b, ".config/ftpsfs/known_hosts", path);
	assert_int_equal(stat(path, &st), 0);
}

static void test_tofu_file_edited(void **state)
{
	struct bed *b = *state;
	char path[PATH_ROOM], text[4096];
	const char *comment = "# hosts of the office\n|g0|x|21|0|AAAA";

	bed_path(b, "known", path);
	bed_write(b, "known", comment, strlen(comment), 0600);
	bed_leaf(b, &(struct spec){ 0 });
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = path }), 0);
	(void)file_text(path, text, sizeof(text));
	assert_memory_equal(text, comment, strlen(comment));
	assert_memory_equal(text + strlen(comment), "\n|g0|ftp.example.org|21|", 24);
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = path }), 0);
}

static void test_tofu_file_unfit(void **state)
{
	struct bed *b = *state;
	char path[PATH_ROOM];

	bed_leaf(b, &(struct spec){ 0 });
	bed_path(b, "no/such/known", path);
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = path }), -EKEYREJECTED);
	says(b, path);
	says(b, "cannot be stored");
	bed_path(b, "loose", path);
	bed_write(b, "loose", "", 0, 0666);
	assert_int_equal(refused_config(b, &(struct trust_config){ .tofu = path }),
			 -EACCES);
	says(b, "chmod 600");
	assert_int_equal(refused_config(b, &(struct trust_config){ .tofu = b->dir }),
			 -EINVAL);
	says(b, "not a file");
	/* /dev/full takes no byte: not a file either. */
	assert_int_equal(refused_config(b, &(struct trust_config){ .tofu = "/dev/full" }),
			 -EINVAL);
}

static void test_tofu_file_locked(void **state)
{
	struct bed *b = *state;
	char path[PATH_ROOM];
	int64_t start;
	int fd;

	bed_path(b, "known", path);
	bed_write(b, "known", "", 0, 0600);
	bed_leaf(b, &(struct spec){ 0 });
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	start = now_ms();
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = path }), -EKEYREJECTED);
	assert_true(now_ms() - start < 6000);
	says(b, "locked");
	close(fd);
	assert_int_equal(shake(b, &(struct trust_config){ .tofu = path }), 0);
}

/* ---- our own certificate ---- */

static void write_key(struct bed *b, const char *name, gnutls_x509_privkey_t key,
		      const char *password)
{
	char text[8192];
	size_t len = sizeof(text);

	must(gnutls_x509_privkey_export_pkcs8(
		key, GNUTLS_X509_FMT_PEM, password,
		password ? GNUTLS_PKCS_PBES2_AES_256 : GNUTLS_PKCS_PLAIN, text, &len));
	bed_write(b, name, text, len, 0600);
}

static void test_client_certificate(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };
	struct party me = { 0 }, other = { 0 };
	char cert[PATH_ROOM], key[PATH_ROOM];

	bed_path(b, "ca.pem", ca);
	bed_leaf(b, &(struct spec){ .issuer = &b->ca });
	b->asks_client = true;
	assert_int_equal(shake(b, &config), 0);
	assert_false(b->saw_client);

	party_init(&me, &(struct spec){ .dn = "CN=me", .issuer = &b->ca });
	party_init(&other, &(struct spec){ .dn = "CN=other", .issuer = &b->ca });
	bed_write_crt(b, "me.pem", me.crt);
	bed_path(b, "me.pem", cert);
	bed_path(b, "key.pem", key);
	config.cert = cert;
	assert_int_equal(refused_config(b, &config), -EINVAL);
	says(b, "key=");
	config.key = key;
	assert_int_equal(refused_config(b, &config), -ENOENT);
	write_key(b, "key.pem", me.key, NULL);
	assert_int_equal(shake(b, &config), 0);
	assert_true(b->saw_client);

	write_key(b, "key.pem", me.key, "pass phrase");
	assert_int_equal(refused_config(b, &config), -EACCES);
	says(b, "key_password=");
	config.key_password = "another";
	assert_int_equal(refused_config(b, &config), -EACCES);
	says(b, "wrong");
	is_silent_about(b, "another");
	config.key_password = "pass phrase";
	assert_int_equal(shake(b, &config), 0);
	assert_true(b->saw_client);

	write_key(b, "key.pem", other.key, NULL);
	assert_int_equal(refused_config(b, &config), -EINVAL);
	says(b, "do not belong together");
	config.cert = NULL;
	assert_int_equal(refused_config(b, &config), -EINVAL);
	says(b, "without cert=");
	party_finish(&me);
	party_finish(&other);
}

static void test_no_such_token(void **state)
{
	struct bed *b = *state;
	char ca[PATH_ROOM];
	struct trust_config config = { .cacert = ca };

	bed_path(b, "ca.pem", ca);
	config.cert = "pkcs11:token=no-such-token;object=nothing";
	assert_true(refused_config(b, &config) < 0);
	says(b, "no-such-token");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BED(test_pin),
		BED(test_pin_outlives_certificate),
		BED(test_tofu),
		BED(test_tofu_before_chain),
		BED(test_tofu_usual_file),
		BED(test_tofu_file_edited),
		BED(test_tofu_file_unfit),
		BED(test_tofu_file_locked),
		BED(test_client_certificate),
		BED(test_no_such_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
