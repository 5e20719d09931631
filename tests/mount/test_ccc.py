# SPDX-License-Identifier: GPL-2.0-or-later
"""CCC: the control channel is in clear after the login, so that a firewall can read where
data connections go, and nothing secret is ever on the wire."""

import concurrent.futures
import os

import pytest

import servers
from content import MIB, some_bytes, write_file
from relay import Relay

# ProFTPD allows CCC where TLS is demanded of the login and of data only; Pure-FTPd always does.
CLEARING = [("proftpd", {"extra": "TLSRequired auth+data"}), ("pureftpd", {})]


@pytest.fixture
def relay():
    made = []

    def make(server):
        made.append(Relay(server.port))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.fixture(params=CLEARING, ids=[kind for kind, _ in CLEARING])
def clearing(request, own_server):
    kind, options = request.param
    return own_server(kind, **options)


def clear_lines(relay):
    """The commands that could be read by whoever sits on the wire."""
    return [line for log in relay.sent for line in bytes(log).split(b"\r\n")
            if line[:3].isalpha() and line.isascii()]


@pytest.mark.parametrize("ccc", ["yes", "require"])
def test_everyday(clearing, relay, mount, ccc):
    clearing.put("d/file", some_bytes(MIB))
    wire = relay(clearing)
    m = mount(clearing, port=wire.port, ccc=ccc, loglevel="trace")
    assert os.listdir(m) == ["d"]
    assert (m / "d/file").read_bytes() == some_bytes(MIB)
    write_file(m / "d/new", some_bytes(MIB, 1))
    assert clearing.disk("d/new").read_bytes() == some_bytes(MIB, 1)
    os.rename(m / "d/new", m / "d/renamed")
    assert clearing.disk("d/renamed").exists()
    m.unmount()

    lines = clear_lines(wire)
    verbs = {line.split()[0] for line in lines}
    assert {b"PASV", b"RETR", b"STOR", b"RNFR"} <= verbs, verbs
    assert not verbs & {b"USER", b"PASS", b"ACCT", b"EPSV"}, verbs
    everything = b"".join(bytes(log) for log in wire.sent + wire.received)
    assert servers.PASSWORD.encode() not in everything
    assert servers.USER.encode() not in b"".join(bytes(log) for log in wire.sent)

    log = m.log_text()
    assert "in clear > PASV" in log and "in clear < 227" in log
    assert "in clear > PASS" not in log and servers.PASSWORD not in log


def test_data_stays_encrypted(clearing, mount):
    """The server is the witness: ProFTPD demands it, Pure-FTPd is asked for PROT P."""
    clearing.put("file", b"x")
    m = mount(clearing, ccc="require", loglevel="trace")
    assert os.listdir(m) == ["file"]
    assert "> PROT P" in m.log_text()
    if clearing.kind == "proftpd":
        assert "data connection" in (clearing.run / "tls.log").read_text().lower()


def test_tls12_unless_asked(clearing, mount):
    for options, version in (({}, "TLS1.2"), ({"tls_max": "1.3"}, "TLS1.3")):
        m = mount(clearing, ccc="require", loglevel="trace", **options)
        assert os.listdir(m) == []
        assert f", {version} " in m.log_text() and ", then clear" in m.log_text()
        assert "in clear > " in m.log_text()
        m.unmount()


def test_many_connections(clearing, mount):
    """Each connection logs in under TLS and is cleared on its own."""
    for n in range(8):
        clearing.put(f"f{n}", some_bytes(4 * MIB, n))
    m = mount(clearing, ccc="require", loglevel="trace", max_conns=3)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        for n, data in enumerate(pool.map(lambda n: (m / f"f{n}").read_bytes(), range(8))):
            assert data == some_bytes(4 * MIB, n)
    assert m.log_text().count("> CCC") >= 2


def test_refused(own_server, mount):
    server = own_server("vsftpd")
    server.put("file", b"x")
    done = mount.prepare(server, ccc="require").run()
    assert done.returncode == 32
    assert "CCC: 500" in done.stderr and "ccc=require" in done.stderr
    m = mount(server, ccc="yes")
    assert os.listdir(m) == ["file"]
    assert m.log_text().count("stays encrypted") == 1


def test_without_tls(own_server, mount):
    done = mount.prepare(own_server("proftpd"), tls="none", ccc="require").run()
    assert done.returncode == 1
    assert "ccc=require and tls=none" in done.stderr
