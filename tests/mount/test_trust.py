# SPDX-License-Identifier: GPL-2.0-or-later
"""Whom a mount trusts, and what it shows of itself: pins, trust on first use, revocation,
client certificates from files and from a token."""

import concurrent.futures
import os
import re
import shutil
import subprocess

import pytest

import pki
import servers
from content import MIB, some_bytes

PIN = re.compile(r"-o (pin=sha256:[A-Za-z0-9+/]{43}=)")
KEY_PASSWORD = "Schl\u00fcssel, 3 words"
USER_PIN = "246810"
CLIENT_CHECK = "TLSVerifyClient on\nTLSCACertificateFile {ca}"


def refused(mount, *patterns, status=32):
    done = mount.run()
    assert done.returncode == status, done.stderr
    assert not mount.mounted()
    for pattern in patterns:
        assert re.search(pattern, done.stderr), f"{pattern!r} not in: {done.stderr}"
    return done.stderr


def pin_by_openssl(certificate):
    """The way the man page tells, without our code and without GnuTLS."""
    return subprocess.run(
        f"openssl x509 -in {certificate} -noout -pubkey | openssl pkey -pubin -outform DER |"
        " openssl dgst -sha256 -binary | base64",
        shell=True, capture_output=True, text=True, check=True).stdout.strip()


def works(mount):
    mount.server.put("seen", b"x")
    assert "seen" in os.listdir(mount)


# ---- the message and its remedy ----

@pytest.mark.core
@pytest.mark.parametrize("kind, mode", [("proftpd", "explicit"), ("proftpd", "implicit"),
                                        ("vsftpd", "explicit"), ("pyftpdlib", "implicit")])
def test_the_pin_offered_works(own_server, mount, bed, kind, mode):
    server = own_server(kind, mode)
    text = refused(mount.prepare(server, cacert=bed.pki / "otherca.pem"),
                   "issuer is unknown", "CN=localhost", "127.0.0.1", "valid 20", "CN=ftpsfs test",
                   "cacert=")
    option = PIN.search(text)[1]
    assert option == f"pin=sha256:{pin_by_openssl(bed.pki / 'server.pem')}"
    works(mount(server, cacert=bed.pki / "otherca.pem", **dict([option.split("=", 1)])))


@pytest.mark.parametrize("cert, pattern", [("wronghost", "another name.*other.example"),
                                           ("expired", "expired on 2020-02-01")])
def test_the_pin_stands_for_name_and_date(own_server, mount, cert, pattern):
    server = own_server("pyftpdlib", cert=cert)
    text = refused(mount.prepare(server), pattern)
    works(mount(server, **dict([PIN.search(text)[1].split("=", 1)])))


def test_wrong_pin(proftpd, mount, bed):
    """A server whose authority is trusted, but whose key is another one."""
    other = "sha256:" + pin_by_openssl(bed.pki / "expired.pem")
    own = "sha256:" + pin_by_openssl(bed.pki / "server.pem")
    text = refused(mount.prepare(proftpd, pin=other), "none of those given")
    assert PIN.search(text)[1] == f"pin={own}"
    works(mount(proftpd, pin=f"{other};{own}", cacert=None))


@pytest.mark.parametrize("pin, piece", [
    ("sha256:AAAA", "sha256:AAAA"), ("md5:x", "md5:x"),
    ("sha256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;sha1:yes", '"sha1:yes"')])
def test_bad_pin(proftpd, mount, pin, piece):
    assert piece in refused(mount.prepare(proftpd, pin=pin), "44 characters", status=1)


def test_pin_and_tofu(proftpd, mount):
    refused(mount.prepare(proftpd, pin="sha256:x", tofu=True), "contradict", status=1)


# ---- authorities ----

def test_capath(proftpd, mount, bed):
    folder = mount.folder / "authorities"
    folder.mkdir()
    shutil.copy(bed.pki / "otherca.pem", folder)
    refused(mount.prepare(proftpd, cacert=None, capath=folder), "issuer is unknown")
    shutil.copy(bed.ca, folder)
    works(mount(proftpd, cacert=None, capath=folder))


def test_system_store(proftpd, mount):
    refused(mount.prepare(proftpd, cacert=None), "issuer is unknown|store is empty",
            status=32 if os.path.exists("/etc/ssl/certs/ca-certificates.crt") else 1)


@pytest.fixture
def revocations(bed, tmp_path):
    """revocations(NAME...): a list of the authority, as a file."""
    def make(*names):
        (tmp_path / "index.txt").write_text("")
        (tmp_path / "ca.cnf").write_text(f"""\
[ca]
default_ca = d
[d]
database = {tmp_path}/index.txt
default_md = sha256
""")
        common = ("ca", "-config", tmp_path / "ca.cnf", "-cert", bed.ca,
                  "-keyfile", bed.pki / "ca.key")
        for name in names:
            pki.openssl(*common, "-revoke", bed.pki / f"{name}.pem", cwd=tmp_path)
        pki.openssl(*common, "-gencrl", "-crldays", "30", "-out", tmp_path / "crl.pem",
                    cwd=tmp_path)
        return tmp_path / "crl.pem"
    return make


def test_revoked(proftpd, mount, revocations):
    works(mount(proftpd, crl=revocations("expired")))
    text = refused(mount.prepare(proftpd, crl=revocations("expired", "server")), "revoked",
                   "do not use")
    assert not PIN.search(text)


def test_no_list_of_revocations(proftpd, mount, bed):
    refused(mount.prepare(proftpd, crl=bed.ca), "crl=.*no PEM list", status=1)


# ---- trust on first use ----

def test_tofu(own_server, mount, bed):
    server = own_server("proftpd")
    known = mount.folder / "known"
    trust = {"tofu": known, "cacert": None}
    m = mount(server, **trust)
    works(m)
    line = known.read_text()
    assert line.startswith(f"|g0|localhost|{server.port}|") and line.count("\n") == 1
    assert known.stat().st_mode & 0o777 == 0o600
    pin = pin_by_openssl(bed.pki / "server.pem")
    assert re.search(rf"first connection to localhost.*sha256:{re.escape(pin)}.*{known}",
                     m.log_text())
    m.unmount()

    m = mount(server, **trust)
    works(m)
    assert "first connection" not in m.log_text()
    m.unmount()

    server.stop()
    server.cert = "expired"  # another key
    server.start()
    for more in ({}, {"cacert": bed.ca}):
        text = refused(mount.prepare(server, **{**trust, **more}), str(known),
                       re.escape(f"|g0|localhost|{server.port}|"), "administrator")
        assert pin_by_openssl(bed.pki / "expired.pem") in text
    assert known.read_text() == line
    # What the message says to do:
    known.write_text("")
    works(mount(server, **trust))


def test_tofu_under_way(own_server, mount):
    """The key changes while the mount stands: no new connection, and the log says why."""
    server = own_server("proftpd")
    m = mount(server, tofu=mount.folder / "known", cacert=None, retry=0, dir_ttl=0)
    works(m)
    server.kill9()
    server.cert = "expired"
    server.start()
    with pytest.raises(OSError):
        os.listdir(m)
    assert "not the one kept" in m.log_text()


def test_tofu_usual_file(proftpd, mount, monkeypatch):
    monkeypatch.setenv("HOME", str(mount.folder))
    works(mount(proftpd, tofu=True, cacert=None))
    folder = mount.folder / ".config/ftpsfs"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "|localhost|" in (folder / "known_hosts").read_text()


def test_tofu_read_only(proftpd, mount, bed):
    folder = mount.folder / "ro"
    folder.mkdir()
    known = folder / "known"
    works(mount(proftpd, tofu=known, cacert=None))
    subprocess.run(["mount", "-t", "tmpfs", "-o", "ro", "ftpsfs-test", folder], check=True)
    bed.reaper.add_mount(folder)
    try:
        refused(mount.prepare(proftpd, tofu=known, cacert=None), f"tofu={known}",
                "Read-only", "another file")
    finally:
        subprocess.run(["umount", "-l", folder], check=True)
        bed.reaper.forget(folder)


def test_tofu_file_of_others(proftpd, mount):
    known = mount.folder / "known"
    known.write_text("")
    os.chmod(known, 0o666)
    refused(mount.prepare(proftpd, tofu=known, cacert=None), "chmod 600", status=1)


# ---- our own certificate ----

@pytest.fixture
def client(bed, tmp_path):
    """A folder with me.pem, me.key and me.locked.key, of the authority of the tests."""
    pki.openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=me", "-keyout", "me.key",
                "-out", "me.csr", cwd=tmp_path)
    pki.openssl("x509", "-req", "-in", "me.csr", "-CA", bed.ca, "-CAkey", bed.pki / "ca.key",
                "-set_serial", "77", "-days", "30", "-out", "me.pem", cwd=tmp_path)
    pki.openssl("pkcs8", "-topk8", "-in", "me.key", "-out", "me.locked.key", "-passout",
                f"pass:{KEY_PASSWORD}", cwd=tmp_path)
    return tmp_path


@pytest.fixture
def strict(own_server, bed):
    """A server that wants a certificate of the authority."""
    return own_server("proftpd", extra=CLIENT_CHECK.format(ca=bed.ca))


def with_key_password(mount, password):
    path = mount.credentials()
    path.write_text(path.read_text() + f"key_password={password}\n")
    return path


def test_client_certificate(strict, mount, client):
    refused(mount.prepare(strict), "cert")
    works(mount(strict, cert=client / "me.pem", key=client / "me.key"))
    both = client / "both.pem"
    both.write_text((client / "me.pem").read_text() + (client / "me.key").read_text())
    works(mount(strict, cert=both))


def test_encrypted_key(strict, mount, client):
    mine = {"cert": client / "me.pem", "key": client / "me.locked.key"}
    refused(mount.prepare(strict, **mine), "key_password=", status=1)
    text = refused(mount.prepare(strict, **mine, credentials=with_key_password(mount, "no-good")),
                   "password is wrong", status=1)
    assert "no-good" not in text
    m = mount(strict, **mine, credentials=with_key_password(mount, KEY_PASSWORD))
    works(m)
    assert KEY_PASSWORD not in m.log_text()


def test_key_of_another(strict, mount, client, bed):
    mine = {"cert": client / "me.pem"}
    refused(mount.prepare(strict, **mine), "name the file of the key", status=1)
    refused(mount.prepare(strict, **mine, key=bed.pki / "server.key"), "do not belong", status=1)
    refused(mount.prepare(strict, key=client / "me.key"), "without cert=", status=1)
    refused(mount.prepare(strict, cert=client / "none.pem"), "none.pem: No such file", status=1)


def test_data_connections_show_it_too(own_server, mount, bed, client):
    """vsftpd asks for the certificate again where the session is not resumed."""
    server = own_server("vsftpd", extra=f"require_cert=YES\nvalidate_cert=YES\n"
                        f"ca_certs_file={bed.ca}\nrequire_ssl_reuse=NO")
    mine = {"cert": client / "me.pem", "key": client / "me.key", "session_reuse": "no"}
    for version in ("1.2", "1.3"):
        m = mount(server, tls_min=version, tls_max=version, **mine)
        works(m)
        assert (m / "seen").read_bytes() == b"x"


# ---- a token ----

@pytest.fixture
def token(client, monkeypatch):
    """A SoftHSM token "office" with certificate and key "me"."""
    if not shutil.which("softhsm2-util") or not shutil.which("p11tool"):
        pytest.fail("apt-get install softhsm2 gnutls-bin")
    (client / "tokens").mkdir()
    (client / "softhsm2.conf").write_text(f"directories.tokendir = {client}/tokens\n"
                                          "objectstore.backend = file\nlog.level = ERROR\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(client / "softhsm2.conf"))
    monkeypatch.setenv("GNUTLS_PIN", USER_PIN)
    run = {"check": True, "capture_output": True, "stdin": subprocess.DEVNULL, "cwd": client}
    subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", "office", "--so-pin",
                    "12345678", "--pin", USER_PIN], **run)
    write = ("p11tool", "--batch", "--login", "--write", "--label", "me", "--id", "01")
    for what in ("--load-privkey=me.key", "--load-certificate=me.pem"):
        subprocess.run([*write, what, "pkcs11:token=office"], **run)
    monkeypatch.delenv("GNUTLS_PIN")
    return "pkcs11:token=office;object=me"


@pytest.mark.parametrize("key_too", [False, True])
def test_token(strict, mount, token, key_too):
    """Mounts in the background: the connections after the fork must find the token again."""
    mine = {"cert": token, "key": token if key_too else None}
    for n in range(4):
        strict.put(f"later{n}", some_bytes(MIB, n))
    m = mount(strict, **mine, credentials=with_key_password(mount, USER_PIN))
    works(m)
    strict.kill9()
    strict.start()
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        read = list(pool.map(lambda n: (m / f"later{n}").read_bytes(), range(4)))
    assert read == [some_bytes(MIB, n) for n in range(4)]
    assert (strict.run / "tls.log").read_text().count("Client: CN = me") >= 2
    assert USER_PIN not in m.log_text()


def test_token_key_with_certificate_in_a_file(strict, mount, token, client):
    works(mount(strict, cert=client / "me.pem", key=token,
                credentials=with_key_password(mount, USER_PIN)))


def test_token_without_the_right_pin(strict, mount, token):
    refused(mount.prepare(strict, cert=token), "PIN is needed", "key_password=", status=1)
    wrong = {"credentials": with_key_password(mount, "999999")}
    refused(mount.prepare(strict, cert=token, **wrong), "PIN is wrong", status=1)
    refused(mount.prepare(strict, cert="pkcs11:token=office;object=you",
                          credentials=with_key_password(mount, USER_PIN)),
            "no such object", status=1)
    refused(mount.prepare(strict, cert="pkcs11:token=home;object=me", **wrong), "home", status=1)


# ---- old servers ----

class OldServer(servers.Pyftpdlib):
    """Speaks the TLS versions given as extra, and no newer ones."""

    kind = "pyftpdlib-old"

    def command(self):
        argv, text = super().command()
        argv.remove(self.extra)  # a word of ours, not of pyftpd.py
        script = self.run / "old.py"
        script.write_text(f"""\
import sys
import pyftpd
from OpenSSL import SSL
context = SSL.Context(SSL.SSLv23_METHOD)
context.set_cipher_list(b"ALL:@SECLEVEL=0")
context.set_min_proto_version(SSL.TLS1_VERSION)
context.set_max_proto_version(SSL.{self.extra})
context.use_certificate_chain_file(sys.argv[5])
context.use_privatekey_file(sys.argv[6])
pyftpd.TLS_FTPHandler.ssl_context = context
pyftpd.main()
""")
        os.chmod(script, 0o644)
        argv[argv.index(self.run / "pyftpd.py")] = script
        return argv, text


@pytest.fixture
def old_server(bed, server_used):
    made = []

    def make(version):
        server = OldServer(bed, "explicit", len(bed.servers), extra=version)
        bed.servers.append(server)
        server_used.append(server)
        made.append(server)
        return server.start()
    yield make
    for server in made:
        server.close()


@pytest.mark.parametrize("version, shown", [("TLS1_VERSION", "1.0"), ("TLS1_1_VERSION", "1.1")])
def test_old_versions(old_server, mount, version, shown):
    server = old_server(version)
    refused(mount.prepare(server), "TLS")
    m = mount(server, tls_min="1.0")
    works(m)
    assert (m / "seen").read_bytes() == b"x"
    assert f"TLS{shown} " in m.log_text()
