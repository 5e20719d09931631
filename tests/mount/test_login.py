# SPDX-License-Identifier: GPL-2.0-or-later
"""What is said between the connection and the first file: client certificates that are missed,
virtual hosts, commands of the user's own, the local address."""

import os
import re

import pytest

import servers

from content import some_bytes


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("mode", ["explicit", "implicit"])
@pytest.mark.parametrize("kind", ["proftpd", "vsftpd"])
def test_client_certificate_missed(bed, own_server, mount, kind, mode, version):
    """TLS 1.2: an alert in the handshake. TLS 1.3: the handshake is well, the first command
    meets an alert, or a reset that overtakes it."""
    extra = {"proftpd": f"TLSVerifyClient on\nTLSCACertificateFile {bed.pki}/ca.pem",
             "vsftpd": f"require_cert=YES\nvalidate_cert=YES\nca_certs_file={bed.pki}/ca.pem"}
    server = own_server(kind, mode, extra=extra[kind])
    done = mount.prepare(server, tls_min=version, tls_max=version).run()
    assert done.returncode == 32
    assert "client certificate" in done.stderr and "cert= and key=" in done.stderr, done.stderr


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_client_certificate_refused(bed, own_server, mount, version):
    """It is for servers, and that server looks."""
    server = own_server("proftpd", extra="TLSVerifyClient on\n"
                        f"TLSCACertificateFile {bed.pki}/ca.pem")
    done = mount.prepare(server, cert=bed.pki / "server.pem", key=bed.pki / "server.key",
                         tls_min=version, tls_max=version).run()
    assert done.returncode == 32
    assert "does not accept the client certificate" in done.stderr, done.stderr


def test_quote(own_server, mount):
    server = own_server("proftpd")
    m = mount(server, quote="SITE UMASK 077,quote=SITE NONSENSE", loglevel="trace")
    (m / "file").write_bytes(b"x")
    log = m.log_text()
    assert "> SITE UMASK 077" in log and "> SITE NONSENSE" in log
    assert len(re.findall("warning: quote: .*SITE NONSENSE", log)) == 1
    done = mount.prepare(server, quote="CCC").run()
    assert done.returncode == 1 and "ccc=" in done.stderr


def test_quote_from_a_file(own_server, mount):
    server = own_server("proftpd")
    config = mount.folder / "ftpsfs.conf"
    config.write_text('hosts = ( { match = "local*"; quote = [ "SITE UMASK 077", "NOOP" ]; } );\n')
    m = mount.prepare(server, loglevel="trace")
    assert m.run("-F", str(config)).returncode == 0
    assert re.search("> SITE UMASK 077.*> NOOP", m.log_text(), re.DOTALL)


def add_virtual_host(server, name, motto):
    server.stop()
    server.extra = f"""\
<VirtualHost 127.0.0.1>
Port {server.port}
ServerName "{motto}"
ServerAlias {name}
AuthUserFile {server.run}/passwd
AuthGroupFile {server.run}/group
RequireValidShell off
DefaultRoot ~
PassivePorts {server.ports.low} {server.ports.high}
TLSEngine on
TLSRequired on
TLSLog {server.run}/tls.log
TLSRSACertificateFile {server.bed.pki}/{server.cert}.pem
TLSRSACertificateKeyFile {server.bed.pki}/{server.cert}.key
</VirtualHost>
"""
    server.start()


def test_ftp_host(own_server, mount):
    """ProFTPD takes HOST before AUTH only, and chooses by SNI; the others know no HOST."""
    server = own_server("proftpd")
    server.put("file", b"x")
    done = mount.prepare(server, ftp_host="ftp.example.com").run()
    assert done.returncode == 32
    assert "does not have that virtual host ftp.example.com" in done.stderr, done.stderr
    add_virtual_host(server, "ftp.example.com", "the other one")
    done = mount.prepare(server, "127.0.0.1:/", ftp_host="ftp.example.com").run()
    assert done.returncode == 32
    assert "use tls_hostname=ftp.example.com" in done.stderr, done.stderr
    m = mount(server, "127.0.0.1:/", tls_hostname="ftp.example.com",
              insecure_no_verify_hostname=True)
    assert os.listdir(m) == ["file"]
    done = mount.prepare(server).run()
    assert done.returncode == 32
    assert "see tls_hostname=" in done.stderr
    done = mount.prepare(own_server("vsftpd"), ftp_host="ftp.example.com").run()
    assert done.returncode == 32 and "drop ftp_host=" in done.stderr, done.stderr


def test_bind(own_server, mount):
    server = own_server("pureftpd")
    server.put("file", some_bytes(100000))
    m = mount(server, bind="127.0.0.9")
    assert (m / "file").read_bytes() == some_bytes(100000)
    m.unmount()
    for address, status, words in (("192.0.2.9", 32, "not an address of this machine"),
                                   ("nonsense", 1, "not an IPv4 or IPv6 address")):
        done = mount.prepare(server, bind=address).run()
        assert done.returncode == status and words in done.stderr, done.stderr
    done = mount.prepare(server, bind="::1", ipv4=True).run()
    assert done.returncode == 1 and "contradict" in done.stderr


def test_plain_server(own_server, mount):
    server = own_server("pureftpd", extra="-Y 0")
    done = mount.prepare(server).run()
    assert done.returncode == 32
    assert "refuses TLS" in done.stderr


@pytest.mark.parametrize("kind, mode", servers.ALL)
def test_one_flight(own_server, mount, kind, mode):
    """From USER to CWD all commands go out before the first of their replies is there."""
    server = own_server(kind, mode)
    m = mount(server, loglevel="trace")
    assert os.listdir(m) == []
    m.unmount()
    log = m.log_text()
    first = re.search(r"#(\d+) > USER", log).group(1)
    said = re.findall(rf"#{first} ([<>]) (\S+)", log)
    begin = said.index((">", "USER"))
    flight = [verb for mark, verb in said[begin:said.index(("<", "331"))]]
    assert flight[:6] == ["USER", "PASS", "PBSZ", "PROT", "TYPE", "PWD"], said
    assert "FEAT" in flight and flight[-1] == "OPTS", said
    assert "one at a time" not in log
    assert "failed" not in log and "refuses" not in log, log


def test_wrong_password_once(own_server, mount):
    for kind, mode in servers.ALL:
        server = own_server(kind, mode)
        m = mount.prepare(server, password="wr0ng", loglevel="trace")
        done = m.run()
        assert done.returncode == 32 and "check user name and password" in done.stderr, done.stderr
        assert m.log_text().count("> PASS") == 1, kind
