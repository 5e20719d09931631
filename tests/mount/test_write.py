# SPDX-License-Identifier: GPL-2.0-or-later
"""Writing: after close() the bytes stand on the server's disk, or close() said why not."""

import ctypes
import errno
import os
import random
import stat

import pytest

from content import AWKWARD_NAMES, BIG, MIB, some_bytes, write_file

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EIO)  # not every server says which


@pytest.mark.core
@pytest.mark.parametrize("size", [0, 1, 16384, MIB + 1, 20 * MIB])
def test_create(server, mount, size):
    m = mount(server)
    write_file(m / "file", some_bytes(size))
    assert server.disk("file").read_bytes() == some_bytes(size)
    assert os.stat(m / "file").st_size == size
    assert (m / "file").read_bytes() == some_bytes(size)


@pytest.mark.parametrize("before, after", [(10, 100000), (100000, 10), (100000, 0)])
def test_overwrite(server, mount, before, after):
    server.put("file", some_bytes(before, 1))
    m = mount(server)
    write_file(m / "file", some_bytes(after, 2))
    assert server.disk("file").read_bytes() == some_bytes(after, 2)


@pytest.mark.core
def test_append(server, mount):
    server.put("file", b"first\n")
    m = mount(server)
    for line in (b"second\n", b"third\n"):
        with open(m / "file", "ab") as f:
            f.write(line)
    assert server.disk("file").read_bytes() == b"first\nsecond\nthird\n"
    with open(m / "new", "ab") as f:
        f.write(b"x")
    assert server.disk("new").read_bytes() == b"x"


@pytest.mark.parametrize("to", [0, 5, 100, 70000])
@pytest.mark.parametrize("how", ["path", "open"])
def test_truncate(server, mount, to, how):
    data = some_bytes(100)
    server.put("file", data)
    m = mount(server)
    if how == "path":
        os.truncate(m / "file", to)
    else:
        with open(m / "file", "r+b") as f:
            f.truncate(to)
    assert server.disk("file").read_bytes() == data[:to].ljust(to, b"\0")
    assert os.stat(m / "file").st_size == to


@pytest.mark.core
def test_random_writes(server, mount):
    """Read and written through one O_RDWR descriptor, compared with the same in memory."""
    rng = random.Random(3)
    model = bytearray(some_bytes(500000))
    server.put("file", bytes(model))
    m = mount(server)
    with open(m / "file", "r+b", buffering=0) as f:
        for n in range(40):
            at, length = rng.randrange(600000), rng.randrange(1, 20000)
            if n % 3 == 0:
                assert os.pread(f.fileno(), length, at) == model[at:at + length]
                continue
            model.extend(bytes(max(0, at - len(model))))
            data = some_bytes(length, n)
            model[at:at + length] = data
            assert os.pwrite(f.fileno(), data, at) == length
    assert server.disk("file").read_bytes() == model
    assert (m / "file").read_bytes() == model


def test_backward_write_in_a_new_file(server, mount):
    """The head is written last, as zip and linkers do."""
    m = mount(server)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(bytes(100))
        f.write(some_bytes(3 * MIB))
        f.seek(0)
        f.write(b"head")
    assert server.disk("file").read_bytes() == b"head" + bytes(96) + some_bytes(3 * MIB)


def test_sparse(each_kind, mount):
    m = mount(each_kind)
    with open(m / "file", "wb") as f:
        f.seek(MIB)
        f.write(b"end")
    assert each_kind.disk("file").read_bytes() == bytes(MIB) + b"end"


def test_exclusive(server, mount):
    server.put("there", b"x")
    m = mount(server)
    with pytest.raises(FileExistsError):
        os.open(m / "there", os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    os.close(os.open(m / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL))
    assert server.disk("new").read_bytes() == b""
    assert server.disk("there").read_bytes() == b"x"


def test_fsync(server, mount):
    """What fsync() answered for is on the server while the file is still open."""
    m = mount(server)
    with open(m / "file", "wb", buffering=0) as f:
        for n in range(3):
            f.write(some_bytes(50000, n))
            os.fsync(f.fileno())
            assert server.disk("file").stat().st_size == 50000 * (n + 1)
    assert server.disk("file").read_bytes() == b"".join(some_bytes(50000, n) for n in range(3))


def test_read_while_written(each_kind, mount):
    """A second opener sees what was written, as on a local disk."""
    m = mount(each_kind)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(b"so far")
        assert (m / "file").read_bytes() == b"so far"
        f.write(b" so good")
    assert (m / "file").read_bytes() == b"so far so good"


@pytest.mark.core
def test_rename(server, mount):
    server.put("old", b"old")
    server.put("new", b"new")
    server.put("a/file", b"moved")
    server.mkdir("b")
    m = mount(server)
    os.rename(m / "old", m / "new")
    os.rename(m / "a/file", m / "b/other")
    os.rename(m / "b", m / "c")
    assert server.disk("new").read_bytes() == b"old", "not replaced by the rename over it"
    assert not server.disk("old").exists()
    assert server.disk("c/other").read_bytes() == b"moved"
    assert sorted(os.listdir(m)) == ["a", "c", "new"]
    assert (m / "new").read_bytes() == b"old"


def test_save_by_rename(server, mount):
    """As editors do: a new file beside the old one, then renamed over it."""
    server.put("doc", b"version 1")
    m = mount(server)
    for n in (2, 3):
        write_file(m / "doc.tmp", b"version %d" % n)
        os.rename(m / "doc.tmp", m / "doc")
        assert server.disk("doc").read_bytes() == b"version %d" % n
        assert (m / "doc").read_bytes() == b"version %d" % n
    assert os.listdir(m) == ["doc"]


@pytest.mark.core
def test_make_and_remove(server, mount):
    m = mount(server)
    os.makedirs(m / "a/b")
    write_file(m / "a/b/file", b"x")
    assert server.disk("a/b/file").read_bytes() == b"x"
    os.unlink(m / "a/b/file")
    assert not server.disk("a/b/file").exists()
    os.rmdir(m / "a/b")
    assert os.listdir(server.disk("a")) == []
    assert os.listdir(m / "a") == []
    os.rmdir(m / "a")
    assert os.listdir(server.root) == []


def test_unlink_while_open(each_kind, mount):
    data = some_bytes(200000)
    each_kind.put("file", data)
    m = mount(each_kind)
    with open(m / "file", "r+b") as f:
        assert f.read(1000) == data[:1000]
        os.unlink(m / "file")
        assert not each_kind.disk("file").exists()
    assert os.listdir(m) == []
    assert os.listdir(each_kind.root) == [], "close() brought the file back"


def test_awkward_names(server, mount):
    names = sorted(name for name in AWKWARD_NAMES if name not in server.cannot_name)
    m = mount(server)
    for name in names:
        write_file(m / name, name.encode())
    assert sorted(os.listdir(server.root)) == names
    for name in names:
        assert server.disk(name).read_bytes() == name.encode(), name
    m.unmount()
    m = mount(server)
    assert sorted(os.listdir(m)) == names
    for name in names:
        assert (m / name).read_bytes() == name.encode(), name
        os.unlink(m / name)
    assert os.listdir(server.root) == []


def test_names_that_the_server_changes_or_refuses(own_server, mount):
    """An upload that ended under another name is no success."""
    server = own_server("pureftpd")
    m = mount(server)
    for name in server.cannot_name:
        with pytest.raises(OSError):
            write_file(m / name, b"x")


@pytest.mark.parametrize("name", ["a\nDELE victim", "a\r\nDELE victim", "\n", "end\r"])
def test_no_command_in_a_name(each_kind, mount, name):
    each_kind.put("victim", b"x")
    m = mount(each_kind)
    with pytest.raises(OSError):
        write_file(m / name, b"x")
    with pytest.raises(OSError):
        os.mkdir(m / name)
    assert os.listdir(each_kind.root) == ["victim"]


@pytest.mark.parametrize("mode", [0o600, 0o755, 0o444])
def test_chmod(server, mount, mode):
    server.put("file", b"x")
    m = mount(server)
    os.chmod(m / "file", mode)
    assert stat.S_IMODE(server.disk("file").stat().st_mode) == mode


@pytest.mark.parametrize("when", [1700000000, 981173106, 1767225599])
def test_utimens(server, mount, when):
    server.put("file", b"x")
    m = mount(server)
    os.utime(m / "file", (when, when))
    assert int(server.disk("file").stat().st_mtime) == when
    assert int(os.stat(m / "file").st_mtime) == when


def test_time_of_an_open_file(server, mount):
    """cp -p and tar set the time before they close: the upload must not undo it."""
    m = mount(server)
    fd = os.open(m / "file", os.O_WRONLY | os.O_CREAT, 0o644)
    os.write(fd, some_bytes(100000))
    os.utime(fd, (1500000000, 1500000000))
    os.close(fd)
    assert server.disk("file").read_bytes() == some_bytes(100000)
    assert int(server.disk("file").stat().st_mtime) == 1500000000


def test_times_are_read(server, mount):
    """LIST alone has no seconds: a stat of a file is exact all the same."""
    when = 981173106
    server.put("file", b"x", mtime=when)
    server.mkdir("d")
    m = mount(server)
    assert int(os.stat(m / "file").st_mtime) == when
    assert stat.S_ISDIR(os.stat(m / "d").st_mode)


def test_symlinks_are_read(server, mount):
    server.put("d/file", b"x")
    (server.root / "link").symlink_to("d/file")
    (server.root / "dirlink").symlink_to("d")
    (server.root / "dangling").symlink_to("nowhere")
    m = mount(server)
    names = os.listdir(m)
    assert sorted(name for name in names if name != "dangling") == ["d", "dirlink", "link"]
    if not server.lists_facts:  # the MLSD of some servers leaves dangling links out
        assert "dangling" in names
    assert (m / "link").read_bytes() == b"x"
    assert os.listdir(m / "dirlink") == ["file"]
    with pytest.raises(OSError):
        (m / "dangling").read_bytes()


def test_statfs(each_kind, mount):
    fs = os.statvfs(mount(each_kind))
    assert fs.f_bsize > 0
    assert fs.f_bavail * fs.f_frsize > 1 << 30
    assert fs.f_namemax >= 255


@pytest.mark.parametrize("what", ["create", "overwrite"])
def test_close_tells_of_a_full_disk(own_server, each_kind, mount, what):
    server = own_server(each_kind.kind, tmpfs="2m")
    if what == "overwrite":
        server.put("file", b"old")
    m = mount(server, io_timeout=4)  # pyftpdlib never answers
    with pytest.raises(OSError) as e:
        write_file(m / "file", some_bytes(6 * MIB))
    assert e.value.errno in NO_SPACE
    os.unlink(m / "file")
    write_file(m / "small", b"fits")
    assert server.disk("small").read_bytes() == b"fits"


def test_read_only_folder(server, mount):
    os.chmod(server.mkdir("ro"), 0o555)
    m = mount(server)
    with pytest.raises(PermissionError):
        write_file(m / "ro/file", b"x")
    with pytest.raises(PermissionError):
        os.mkdir(m / "ro/d")
    assert os.listdir(server.disk("ro")) == []


def test_mounted_read_only(proftpd, mount):
    proftpd.put("file", b"x")
    m = mount(proftpd, ro=True)
    with pytest.raises(OSError) as e:
        write_file(m / "new", b"x")
    assert e.value.errno == errno.EROFS
    assert (m / "file").read_bytes() == b"x"


@pytest.mark.limit(300)
def test_memory_stays_small(each_kind, mount):
    """A big file in and out; the process never holds more than its windows."""
    block = some_bytes(MIB)
    m = mount(each_kind)
    with open(m / "big", "wb", buffering=0) as f:
        for n in range(BIG // MIB):
            f.write(n.to_bytes(8, "big") + block[8:])
    with open(each_kind.disk("big"), "rb") as f:
        for n in range(BIG // MIB):
            assert f.read(MIB) == n.to_bytes(8, "big") + block[8:], f"MiB {n} on the server"
        assert f.read(1) == b""
    with open(m / "big", "rb", buffering=0) as f:
        os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        for n in range(BIG // MIB):
            got = b""
            while len(got) < MIB:
                got += f.read(MIB - len(got))
            assert got == n.to_bytes(8, "big") + block[8:], f"MiB {n} read back"
    assert m.memory_peak() < 100 * MIB


def test_exclusive_creation_asks_the_server(each_kind, mount):
    """What somebody else has made since the last listing is there."""
    m = mount(each_kind)
    assert os.listdir(m) == []
    each_kind.put("theirs", b"theirs")
    with pytest.raises(FileExistsError):
        os.open(m / "theirs", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    with pytest.raises(FileExistsError):
        os.mknod(m / "theirs")
    assert each_kind.disk("theirs").read_bytes() == b"theirs"
    os.close(os.open(m / "ours", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    with pytest.raises(FileExistsError):
        os.open(m / "ours", os.O_CREAT | os.O_EXCL | os.O_WRONLY)


def test_allocating(each_kind, mount):
    libc = ctypes.CDLL(None, use_errno=True)
    keep, punch, zero, collapse = 1, 2, 16, 8

    def fallocate(fd, mode, off, length):
        if libc.fallocate(fd, mode, ctypes.c_long(off), ctypes.c_long(length)) < 0:
            raise OSError(ctypes.get_errno(), "fallocate")

    each_kind.put("file", b"x" * 5000)
    m = mount(each_kind)
    with open(m / "file", "r+b", buffering=0) as f:
        fallocate(f.fileno(), 0, 0, 6000)
        assert os.fstat(f.fileno()).st_size == 6000
        fallocate(f.fileno(), keep, 0, 9000)
        assert os.fstat(f.fileno()).st_size == 6000
        fallocate(f.fileno(), keep | punch, 100, 50)
        fallocate(f.fileno(), zero, 5990, 110)
        with pytest.raises(OSError) as e:
            fallocate(f.fileno(), collapse, 0, 4096)
        assert e.value.errno == errno.EOPNOTSUPP
        os.posix_fallocate(f.fileno(), 0, 6200)
        want = b"x" * 100 + bytes(50) + b"x" * 4850 + bytes(1200)
        assert f.read() == want
    assert each_kind.disk("file").read_bytes() == want
