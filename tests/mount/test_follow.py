# SPDX-License-Identifier: GPL-2.0-or-later
"""Uploads that follow the writer, and what the local spool may hold meanwhile."""

import errno
import os
import re
import time

import pytest

from content import MIB, some_bytes, write_file
from mounting import eventually


def uploads(m):
    return re.findall(r"> ((?:STOR|APPE|RNTO|DELE) .*)", m.log_text())


def held(m):
    """Bytes of the local disk that the mount's nameless spools hold."""
    total = 0
    for pid in m.pids():
        for fd in os.listdir(f"/proc/{pid}/fd"):
            try:
                if os.readlink(f"/proc/{pid}/fd/{fd}").startswith(str(m.mounter.spool)):
                    total += os.stat(f"/proc/{pid}/fd/{fd}").st_blocks * 512
            except FileNotFoundError:
                pass
    return total


@pytest.fixture
def traced(mount):
    return lambda server, **options: mount(server, loglevel="trace", **options)


def test_the_server_has_it_before_the_end(each_kind, traced):
    m = traced(each_kind)
    data = some_bytes(8 * MIB)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data[:6 * MIB])
        path = each_kind.disk("file")
        assert eventually(lambda: path.exists() and path.stat().st_size >= 5 * MIB, 10)
        f.write(data[6 * MIB:])
    assert path.read_bytes() == data
    assert uploads(m) == ["STOR /file"]
    assert (m / "file").read_bytes() == data


def test_small_files_are_sent_in_one_go(each_kind, traced):
    m = traced(each_kind)
    with open(m / "file", "wb", buffering=0) as f:
        for _ in range(64):
            f.write(bytes(1000))
        time.sleep(0.3)
        assert uploads(m) == []
    assert uploads(m) == ["STOR /file"]


def test_a_replaced_file_keeps_its_old_bytes_meanwhile(each_kind, traced):
    each_kind.put("file", b"old")
    m = traced(each_kind)
    data = some_bytes(5 * MIB)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data)
        assert eventually(lambda: len(os.listdir(each_kind.root)) == 2, 10)
        assert each_kind.disk("file").read_bytes() == b"old"
    assert each_kind.disk("file").read_bytes() == data
    assert os.listdir(each_kind.root) == ["file"]


def test_a_header_written_last(each_kind, traced):
    m = traced(each_kind)
    data = bytearray(some_bytes(6 * MIB))
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data)
        assert eventually(lambda: uploads(m), 10)
        f.seek(16)
        f.write(b"the header, known at last")
        data[16:16 + 25] = b"the header, known at last"
        f.seek(0, os.SEEK_END)
        f.write(b"and more")
    assert each_kind.disk("file").read_bytes() == data + b"and more"
    assert os.listdir(each_kind.root) == ["file"]


def test_appending_follows_too(each_kind, traced):
    each_kind.put("log", b"first line\n")
    m = traced(each_kind)
    data = some_bytes(4 * MIB)
    with open(m / "log", "ab", buffering=0) as f:
        f.write(data)
        assert eventually(lambda: each_kind.disk("log").stat().st_size > 2 * MIB, 10)
    assert each_kind.disk("log").read_bytes() == b"first line\n" + data
    assert uploads(m) == ["APPE /log"]


def test_flush_in_the_middle(each_kind, traced):
    m = traced(each_kind)
    data = some_bytes(6 * MIB)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data[:3 * MIB])
        os.fsync(f.fileno())
        assert each_kind.disk("file").read_bytes() == data[:3 * MIB]
        f.write(data[3 * MIB:])
    assert each_kind.disk("file").read_bytes() == data
    assert uploads(m) == ["STOR /file", "APPE /file"]


def test_unlinked_while_it_is_written(each_kind, mount):
    m = mount(each_kind)
    with open(m / "file", "w+b", buffering=0) as f:
        f.write(some_bytes(4 * MIB))
        assert eventually(lambda: each_kind.disk("file").exists(), 10)
        os.unlink(m / "file")
        f.write(b"more")
        f.seek(4 * MIB)
        assert f.read() == b"more"
    assert os.listdir(each_kind.root) == []


def test_its_directory_moves(each_kind, mount):
    m = mount(each_kind)
    os.mkdir(m / "a")
    data = some_bytes(5 * MIB)
    with open(m / "a/file", "wb", buffering=0) as f:
        f.write(data[:3 * MIB])
        os.rename(m / "a", m / "b")
        f.write(data[3 * MIB:])
    assert each_kind.disk("b/file").read_bytes() == data
    assert os.listdir(each_kind.root) == ["b"]
    assert os.listdir(each_kind.disk("b")) == ["file"]


def test_truncated_while_it_is_written(each_kind, mount):
    m = mount(each_kind)
    data = some_bytes(5 * MIB)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data)
        f.truncate(2 * MIB)
        f.seek(2 * MIB)
        f.write(b"end")
    assert each_kind.disk("file").read_bytes() == data[:2 * MIB] + b"end"


def test_more_than_the_spool_may_hold(each_kind, mount):
    m = mount(each_kind, spool_max="8M")
    data = some_bytes(64 * MIB)
    most = 0
    with open(m / "file", "wb", buffering=0) as f:
        for at in range(0, len(data), MIB):
            assert f.write(data[at:at + MIB]) == MIB
            most = max(most, held(m))
    assert most <= 9 * MIB
    assert each_kind.disk("file").read_bytes() == data
    assert (m / "file").read_bytes() == data
    assert held(m) == 0


def test_what_was_given_up_is_read_from_the_server(each_kind, mount):
    m = mount(each_kind, spool_max="4M")
    data = bytearray(some_bytes(16 * MIB))
    with open(m / "file", "w+b", buffering=0) as f:
        f.write(data)
        assert os.pread(f.fileno(), 100, 5) == data[5:105]
        f.seek(0, os.SEEK_END)
        f.write(b"and on")
    assert each_kind.disk("file").read_bytes() == data + b"and on"


def test_full_spool(each_kind, mount):
    """Nothing to be given up: not written forward."""
    m = mount(each_kind, spool_max="4M")
    with open(m / "file", "wb", buffering=0) as f:
        os.pwrite(f.fileno(), bytes(MIB), MIB)
        os.pwrite(f.fileno(), bytes(MIB), 0)
        with pytest.raises(OSError) as e:
            for at in range(2, 8):
                os.pwrite(f.fileno(), bytes(MIB), at * MIB)
        assert e.value.errno == errno.ENOSPC
    assert each_kind.disk("file").stat().st_size >= 2 * MIB


def test_full_server_tells_a_follower(own_server, each_kind, mount):
    server = own_server(each_kind.kind, tmpfs="4m")
    m = mount(server, io_timeout=4)
    with pytest.raises(OSError) as e:
        with open(m / "file", "wb", buffering=0) as f:
            for _ in range(12):
                f.write(bytes(MIB))
                time.sleep(0.02)
    assert e.value.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)


@pytest.mark.parametrize("kind", ["proftpd", "vsftpd", "pyftpdlib"])
def test_killed_server_in_the_middle(own_server, kind, mount):
    """It comes back: the upload goes on, from what it has or from the start. (Pure-FTPd cannot
    listen again for a minute.)"""
    server = own_server(kind)
    m = mount(server, connect_timeout=3, io_timeout=6, retry=5)
    data = some_bytes(12 * MIB)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(data[:6 * MIB])
        assert eventually(lambda: server.disk("file").exists(), 10)
        server.kill9()
        server.start()
        f.write(data[6 * MIB:])
    assert server.disk("file").read_bytes() == data


def test_one_connection_for_reader_and_writer(each_kind, mount):
    m = mount(each_kind, max_conns=1)
    data = some_bytes(3 * MIB)
    each_kind.put("from", data)
    with open(m / "from", "rb", buffering=0) as source, open(m / "to", "wb", buffering=0) as to:
        while block := source.read(256 * 1024):
            to.write(block)
    assert each_kind.disk("to").read_bytes() == data


def test_many_writers_and_few_connections(each_kind, mount):
    """Writers that stand still let the others go on."""
    m = mount(each_kind, max_conns=2)
    data = some_bytes(2 * MIB)
    files = [open(m / f"file{n}", "wb", buffering=0) for n in range(5)]
    for f in files:
        f.write(data)
    for f in files:
        f.write(b"tail")
    write_file(m / "another", b"x")
    for f in files:
        f.close()
    for n in range(5):
        assert each_kind.disk(f"file{n}").read_bytes() == data + b"tail"
