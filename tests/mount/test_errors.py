# SPDX-License-Identifier: GPL-2.0-or-later
"""The errno that a program expects, from servers that say it each in its own words.

Where the kernel would answer from what it knows already, the change is made behind
the mount's back, so that the server is the one that refuses.
"""

import errno
import os

import pytest

from content import write_file

CANNOT = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)


def fails_with(expected, call, *args):
    with pytest.raises(OSError) as e:
        call(*args)
    got = e.value.errno
    wanted = expected if isinstance(expected, tuple) else (expected,)
    assert got in wanted, f"{errno.errorcode[got]}, not {[errno.errorcode[w] for w in wanted]}"


def test_missing(server, mount):
    server.put("d/file", b"x")
    m = mount(server)
    fails_with(errno.ENOENT, os.stat, m / "no")
    fails_with(errno.ENOENT, os.stat, m / "no/deeper")
    fails_with(errno.ENOENT, os.listdir, m / "d/no")
    fails_with(errno.ENOENT, os.open, m / "no", os.O_RDONLY)
    fails_with(errno.ENOENT, os.unlink, m / "no")
    fails_with(errno.ENOENT, os.rmdir, m / "no")
    fails_with(errno.ENOENT, os.mkdir, m / "no/d")
    fails_with(errno.ENOENT, os.rename, m / "no", m / "other")
    fails_with(errno.ENOENT, os.rename, m / "d/file", m / "no/file")
    fails_with(errno.ENOENT, write_file, m / "no/file", b"x")


def test_gone_on_the_server(server, mount):
    for name in ("read", "removed", "moved", "list/file", "empty/file"):
        server.put(name, b"x")
    server.disk("empty/file").unlink()
    m = mount(server)
    assert len(os.listdir(m)) == 5 and os.listdir(m / "empty") == []
    for name in ("read", "removed", "moved"):
        server.disk(name).unlink()
    server.disk("empty").rmdir()
    fails_with(errno.ENOENT, os.unlink, m / "removed")
    fails_with(errno.ENOENT, os.rename, m / "moved", m / "other")
    fails_with(errno.ENOENT, os.rmdir, m / "empty")
    fails_with(errno.ENOENT, lambda: (m / "read").read_bytes())


def test_there_already(server, mount):
    server.put("file", b"x")
    server.mkdir("d")
    m = mount(server)
    fails_with(errno.EEXIST, os.mkdir, m / "d")
    fails_with(errno.EEXIST, os.mkdir, m / "file")


def test_made_on_the_server(server, mount):
    m = mount(server)
    assert os.listdir(m) == []
    server.mkdir("d")
    server.put("file", b"theirs")
    fails_with(errno.EEXIST, os.mkdir, m / "d")
    fails_with(errno.EEXIST, os.mkdir, m / "file")
    fails_with(errno.EEXIST, os.open, m / "file", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    assert server.disk("file").read_bytes() == b"theirs"


def test_not_empty(server, mount):
    server.put("full/file", b"x")
    server.mkdir("other")
    server.mkdir("filled")
    m = mount(server)
    assert os.listdir(m / "filled") == []
    server.put("filled/file", b"x")
    fails_with(errno.ENOTEMPTY, os.rmdir, m / "full")
    fails_with(errno.ENOTEMPTY, os.rmdir, m / "filled")
    fails_with((errno.ENOTEMPTY, errno.EEXIST), os.rename, m / "other", m / "full")
    assert server.disk("full/file").exists() and server.disk("filled/file").exists()


def test_file_or_folder(server, mount):
    server.put("file", b"x")
    server.put("d/inner", b"x")
    m = mount(server)
    fails_with(errno.ENOTDIR, os.stat, m / "file/x")
    fails_with(errno.ENOTDIR, os.listdir, m / "file")
    fails_with(errno.ENOTDIR, os.rmdir, m / "file")
    fails_with(errno.ENOTDIR, os.rename, m / "d", m / "file")
    fails_with(errno.EISDIR, os.open, m / "d", os.O_WRONLY)
    fails_with(errno.EISDIR, os.unlink, m / "d")
    fails_with(errno.EISDIR, os.rename, m / "file", m / "d")
    assert server.disk("file").read_bytes() == b"x" and server.disk("d/inner").exists()


def test_no_access(server, mount):
    os.chmod(server.put("unreadable", b"x"), 0)
    server.put("closed/file", b"x")
    server.put("ro/file", b"x")
    os.chmod(server.disk("closed"), 0)
    os.chmod(server.disk("ro"), 0o555)
    m = mount(server)
    fails_with(errno.EACCES, lambda: (m / "unreadable").read_bytes())
    fails_with(errno.EACCES, os.listdir, m / "closed")
    fails_with((errno.EACCES, errno.EPERM), os.unlink, m / "ro/file")
    fails_with((errno.EACCES, errno.EPERM), os.mkdir, m / "ro/d")
    fails_with((errno.EACCES, errno.EPERM), os.rename, m / "ro/file", m / "file")
    fails_with((errno.EACCES, errno.EPERM), write_file, m / "ro/new", b"x")
    assert os.listdir(server.disk("ro")) == ["file"]


def test_what_ftp_cannot(each_kind, mount):
    each_kind.put("file", b"x")
    m = mount(each_kind)
    fails_with(CANNOT, os.link, m / "file", m / "hard")
    fails_with(CANNOT, os.mkfifo, m / "fifo")
    fails_with(CANNOT, os.chown, m / "file", 12345, 12345)
    assert os.listdir(each_kind.root) == ["file"]


def test_name_too_long(each_kind, mount):
    m = mount(each_kind)
    fails_with(errno.ENAMETOOLONG, write_file, m / ("x" * 256), b"x")
