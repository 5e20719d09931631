# SPDX-License-Identifier: GPL-2.0-or-later
"""Ways to list: STAT without data connections, LIST with and without -a, what a server cuts."""

import errno
import os

import pytest


def fill(server):
    server.put("a b", b"12345", mtime=1577934245)
    server.put(".hidden", b"1")
    server.put("sub/x", b"")
    server.mkdir("empty")
    server.mkdir(" a dir ")
    server.put(" a dir / inside ", b"123")


@pytest.mark.parametrize("way", ["stat", "list", "auto"])
def test_ways(each_kind, mount, way):
    fill(each_kind)
    m = mount(each_kind, list=way, loglevel="trace")
    blanks = " a dir " if each_kind.kind != "pureftpd" or (each_kind.root / " a dir ").is_dir() \
        else " a dir_"
    assert sorted(os.listdir(m)) == sorted([".hidden", "a b", "empty", "sub", blanks])
    assert os.listdir(m / "empty") == []
    assert os.listdir(m / "sub") == ["x"]
    assert os.listdir(m / " a dir ") == [" inside "]
    assert os.stat(m / " a dir / inside ").st_size == 3
    assert os.stat(m / "a b").st_size == 5
    assert os.stat(m / "a b").st_mtime == 1577934245
    with pytest.raises(FileNotFoundError):
        os.listdir(m / "missing")
    if way == "stat":
        assert "> EPSV" not in m.log_text()
        assert "> STAT" in m.log_text()


def test_hidden_is_learnt_once(each_kind, mount):
    """LIST with and without -a at most once."""
    fill(each_kind)
    m = mount(each_kind, list="list", loglevel="trace")
    for _ in range(2):
        for folder in ("sub", "", " a dir ", "sub"):
            os.listdir(m / folder)
        os.system(f"kill -HUP {m.pids()[0]}")
    log = m.log_text()
    lists = [line.split("> ", 1)[1] for line in log.splitlines() if "> LIST" in line]
    assert lists
    assert len([line for line in lists if line == "LIST"]) in (0, 1, len(lists) - 1), lists


@pytest.mark.parametrize("way, limit", [("auto", 20), ("list", 20), ("stat", 2000)])
def test_truncated(own_server, mount, way, limit):
    """Pure-FTPd's LimitRecursion: what it leaves out is there when asked for. Behind STAT it
    does not even say so."""
    server = own_server("pureftpd", extra=f"-L {limit}:5")
    for n in range(limit + 40):
        server.put(f"f{n:04}", b"x" * (n % 7))
    m = mount(server, list=way)
    seen = os.listdir(m)
    assert limit - 10 < len(seen) <= limit
    for n in range(limit - 10, limit + 40):
        assert os.stat(m / f"f{n:04}").st_size == n % 7
    with pytest.raises(FileNotFoundError):
        os.stat(m / "f9999")
    assert ("left some out" in m.log_text()) == (way != "stat")


def test_charset(bed, running, server_used, mount):
    """A server whose names are Latin-1, and one name that is not."""
    from conftest import get_server
    server = get_server(bed, running, server_used, "vsftpd", "explicit")
    disk = os.fsencode(server.root)
    server.put("plain", b"1")
    os.makedirs(disk + b"/gr\xfcn")
    server.own(disk + b"/gr\xfcn")
    m = mount(server, charset="CP1252")
    (m / "gr\u00fcn/M\u00e4rz \u20ac").write_bytes(b"data")
    assert os.listdir(disk + b"/gr\xfcn") == [b"M\xe4rz \x80"]
    os.rename(m / "gr\u00fcn/M\u00e4rz \u20ac", m / "\u00f6\u00f6")
    assert (m / "\u00f6\u00f6").read_bytes() == b"data"
    assert os.path.exists(disk + b"/\xf6\xf6")
    with open(disk + b"/odd\x81", "wb") as f:  # no character of CP1252
        f.write(b"odd")
    server.own(disk + b"/odd\x81")
    other = mount(server, charset="CP1252")
    assert sorted(os.listdir(other)) == ["gr\u00fcn", "odd\uef81", "plain", "\u00f6\u00f6"]
    assert (other / "odd\uef81").read_bytes() == b"odd"
    os.unlink(other / "odd\uef81")
    assert not os.path.exists(disk + b"/odd\x81")
    with pytest.raises(OSError) as e:
        (other / "\u4e2d").mkdir()
    assert e.value.errno == errno.EILSEQ
