# SPDX-License-Identifier: GPL-2.0-or-later
"""write=back: close() returns early, and what it promised survives."""

import os

import pytest

from content import MIB, some_bytes, write_file
from mounting import eventually

RESTARTABLE = ("proftpd", "vsftpd", "pyftpdlib")  # Pure-FTPd cannot listen again for a minute
TIMES = {"connect_timeout": 2, "io_timeout": 4, "retry": 0}


@pytest.fixture
def back(mount):
    return lambda server, **options: mount(server, write="back", **options)


def journal(m):
    """Names of the journal's files."""
    return sorted(name for _, _, names in os.walk(m.mounter.spool) for name in names)


def has(server, name, data):
    path = server.disk(name)
    return path.exists() and path.read_bytes() == data


def test_all_arrives(each_kind, back):
    m = back(each_kind)
    files = {f"file{n}": some_bytes(n * 50000, n) for n in range(20)}
    for name, data in files.items():
        write_file(m / name, data)
        assert (m / name).read_bytes() == data  # before or after it has arrived
    for name, data in files.items():
        assert eventually(lambda: has(each_kind, name, data), 20)
    assert eventually(lambda: journal(m) == [], 5)


def test_close_does_not_wait_for_a_server_that_stands_still(own_server, each_kind, back):
    server = own_server(each_kind.kind)
    m = back(server)
    os.listdir(m)
    write_file(m / "first", b"1")
    assert eventually(lambda: has(server, "first", b"1"), 10)
    server.freeze()
    try:
        write_file(m / "second", b"22")  # would take io_timeout otherwise, and fail
        assert len(journal(m)) == 2
        assert (m / "second").read_bytes() == b"22"
    finally:
        server.thaw()
    assert eventually(lambda: has(server, "second", b"22"), 60)


def test_fsync_waits(each_kind, back):
    m = back(each_kind)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(b"durable")
        os.fsync(f.fileno())
        assert has(each_kind, "file", b"durable")


def test_unmount_delivers(each_kind, back):
    m = back(each_kind)
    for n in range(8):
        write_file(m / f"file{n}", some_bytes(300000, n))
    m.unmount()
    for n in range(8):
        assert has(each_kind, f"file{n}", some_bytes(300000, n))
    assert journal(m) == []


@pytest.mark.parametrize("kind", RESTARTABLE)
def test_killed_mount_and_the_next_one(own_server, kind, back):
    """kill -9 with the server away: the next mount delivers all that was closed."""
    server = own_server(kind)
    server.put("old", b"old content")
    m = back(server, **TIMES)
    os.listdir(m)
    write_file(m / "warm", b"w")
    assert eventually(lambda: has(server, "warm", b"w"), 10)
    server.kill9()
    files = {"new": some_bytes(2 * MIB), "old": b"new content", "empty": b""}
    for name, data in files.items():
        write_file(m / name, data)
    os.chmod(m / "new", 0o640)
    m.kill()
    assert len(journal(m)) == 6
    server.start()
    assert has(server, "old", b"old content")

    m = back(server)
    for name, data in files.items():  # the first access waits for what is owed
        assert (m / name).read_bytes() == data
        assert has(server, name, data), name
    assert journal(m) == []
    assert "delivered that an earlier mount still owed" in m.log_text()


def test_two_mounts_leave_each_other_alone(own_server, each_kind, back):
    server = own_server(each_kind.kind)
    first = back(server)
    os.listdir(first)
    server.freeze()
    write_file(first / "file", b"of the first")
    server.thaw()
    second = back(server)
    assert "earlier mount" not in second.log_text()
    assert eventually(lambda: has(server, "file", b"of the first"), 60)


@pytest.mark.parametrize("kind", RESTARTABLE)
def test_unmounted_without_the_server(own_server, kind, back):
    server = own_server(kind)
    m = back(server, **TIMES)
    os.listdir(m)
    server.kill9()
    write_file(m / "file", b"kept")
    m.unmount_if_mounted()
    assert m.ended(30)
    assert len(journal(m)) == 2
    assert "the next mount of this server delivers it" in m.log_text()
    server.start()
    m = back(server)
    assert (m / "file").read_bytes() == b"kept"
    assert has(server, "file", b"kept")


def test_removed_before_it_arrived(own_server, each_kind, back):
    server = own_server(each_kind.kind)
    m = back(server)
    os.listdir(m)
    server.freeze()
    write_file(m / "file", b"nobody wants it")
    server.thaw()
    os.unlink(m / "file")
    assert journal(m) == []
    m.unmount()
    assert os.listdir(server.root) == []


def test_refused_for_good(each_kind, back):
    folder = each_kind.mkdir("closed")
    m = back(each_kind)
    os.listdir(m / "closed")
    os.chmod(folder, 0o555)
    write_file(m / "closed/file", b"refused")
    assert eventually(lambda: "kept as" in m.log_text(), 20)
    assert [name for name in journal(m) if name.endswith(".ftpsfs-lost")]
    assert not [name for name in journal(m) if name.endswith(".entry")]


def test_renamed_at_once(each_kind, back):
    """The saving pattern of editors."""
    each_kind.put("text", b"old")
    m = back(each_kind)
    write_file(m / "text.tmp", b"new")
    os.rename(m / "text.tmp", m / "text")
    assert eventually(lambda: has(each_kind, "text", b"new"), 10)
    os.mkdir(m / "dir")
    write_file(m / "dir/file", b"inside")
    os.rename(m / "dir", m / "dir2")
    assert eventually(lambda: has(each_kind, "dir2/file", b"inside"), 10)
    assert sorted(os.listdir(each_kind.root)) == ["dir2", "text"]


def test_appends_are_not_owed(each_kind, back):
    each_kind.put("log", b"one\n")
    m = back(each_kind)
    with open(m / "log", "ab", buffering=0) as f:
        f.write(b"two\n")
    assert each_kind.disk("log").read_bytes() == b"one\ntwo\n"
