# SPDX-License-Identifier: GPL-2.0-or-later
"""TLS versions, and the resumption that ProFTPD and vsftpd demand of data connections."""

import os
import re

import pytest

from content import MIB, some_bytes, write_file

REUSE = r"session.{0,20}reus|resum"


@pytest.mark.core
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_version(server, mount, version):
    """Many data connections: listings, reads, uploads, in each version."""
    for n in range(5):
        server.put(f"d/f{n}", some_bytes(1000, n))
    m = mount(server, tls_max=version, tls_min=version)
    assert sorted(os.listdir(m / "d")) == [f"f{n}" for n in range(5)]
    for n in range(5):
        assert (m / f"d/f{n}").read_bytes() == some_bytes(1000, n)
        write_file(m / f"up{n}", some_bytes(1000, n + 10))
        assert server.disk(f"up{n}").read_bytes() == some_bytes(1000, n + 10)


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_version_is_what_the_server_saw(own_server, mount, version):
    server = own_server("proftpd")
    server.put("file", b"x")
    os.listdir(mount(server, tls_max=version))
    tls_log = (server.run / "tls.log").read_text()
    assert f"TLSv{version} " in tls_log
    assert not any(f"TLSv{v} " in tls_log for v in ("1.2", "1.3") if v != version)


@pytest.mark.parametrize("kind", ["proftpd", "vsftpd"])
def test_without_reuse_the_error_names_it(own_server, mount, kind):
    server = own_server(kind)
    server.put("file", some_bytes(MIB))
    m = mount.prepare(server, session_reuse="no")
    done = m.run()
    if done.returncode == 0:
        with pytest.raises(OSError):
            os.listdir(m)
        assert re.search(REUSE, m.log_text(), re.IGNORECASE)
    else:
        assert done.returncode == 32
        assert re.search(REUSE, done.stderr, re.IGNORECASE), done.stderr


@pytest.mark.parametrize("kind", ["proftpd", "vsftpd"])
def test_reuse_required(own_server, mount, kind):
    server = own_server(kind)
    server.put("file", b"x")
    assert os.listdir(mount(server, session_reuse="require")) == ["file"]


def test_explicit_on_an_implicit_port(own_server, mount):
    """Says what was met instead of waiting for ever."""
    server = own_server("proftpd", "implicit")
    done = mount.prepare(server, tls="explicit", connect_timeout=3).run()
    assert done.returncode == 32
    assert "implicit" in done.stderr


def test_implicit_on_an_explicit_port(own_server, mount):
    server = own_server("proftpd", "explicit")
    done = mount.prepare(server, tls="implicit", connect_timeout=3).run()
    assert done.returncode == 32
    assert "explicit" in done.stderr
