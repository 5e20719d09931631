# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS sessions that expire while the mount lives."""

import os
import time

import pytest

from content import MIB, some_bytes, write_file

LIFETIME = 4  # seconds
EXPIRING = {"extra": f"TLSSessionCache internal: {LIFETIME}\nTLSSessionTickets on"}


def use(m, server, n):
    os.listdir(m / f"d{n}")
    assert (m / f"d{n}/file").read_bytes() == some_bytes(100000, n)
    write_file(m / f"d{n}/new", some_bytes(100000, n + 50))
    assert server.disk(f"d{n}/new").read_bytes() == some_bytes(100000, n + 50)


GONE = "no longer resumes the TLS session"


@pytest.fixture
def expiring(own_server):
    """ProFTPD's own lifetime is 15840 s."""
    server = own_server("proftpd", **EXPIRING)
    for n in range(8):
        server.put(f"d{n}/file", some_bytes(100000, n))
    return server


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_in_steady_use(expiring, mount, version):
    """TLS 1.2: a new login, which nobody sees. TLS 1.3: each data connection brings the ticket
    of the next, so that nothing ever expires."""
    m = mount(expiring, tls_min=version, tls_max=version, max_conns=1)
    for n in range(8):
        use(m, expiring, n)
        time.sleep(1.2)
    log = m.log_text()
    assert (GONE in log) == (version == "1.2")
    assert " warning: " not in log and " error: " not in log


@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("what", ["list", "read", "write"])
def test_after_a_pause(expiring, mount, version, what):
    """The first thing asked after it has expired, whatever it is, succeeds silently."""
    m = mount(expiring, tls_min=version, tls_max=version)
    use(m, expiring, 0)
    time.sleep(LIFETIME + 2)
    if what == "list":
        assert os.listdir(m / "d1") == ["file"]
    elif what == "read":
        assert (m / "d0/file").read_bytes() == some_bytes(100000, 0)
    else:
        write_file(m / "d0/more", some_bytes(MIB, 3))
        assert expiring.disk("d0/more").read_bytes() == some_bytes(MIB, 3)
    log = m.log_text()
    assert " warning: " not in log and " error: " not in log
    if what != "read":  # which the page cache may answer
        assert GONE in log
