# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of mmap: read, shared and private, among processes, beside read() and write()."""

import errno
import mmap
import os

from checks import check, in_child, refuses
from content import MIB, some_bytes


@check
def map_read(d):
    data = some_bytes(MIB + 77)
    d.put("f", data)
    with d.open("f", os.O_RDONLY) as fd, mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        assert m[:] == data
        assert m[MIB - 5:MIB + 5] == data[MIB - 5:MIB + 5]
    with d.open("f", os.O_RDONLY) as fd, \
            mmap.mmap(fd, 70000, mmap.MAP_PRIVATE, mmap.PROT_READ, offset=65536) as m:
        assert m[:] == data[65536:135536]


@check
def map_shared_write(d):
    data = bytearray(some_bytes(100000))
    d.put("f", data)
    with d.open("f") as fd, mmap.mmap(fd, 0) as m:
        m[50000:50004] = b"abcd"
        data[50000:50004] = b"abcd"
        assert os.pread(fd, 4, 50000) == b"abcd"
        m.flush()
        os.fsync(fd)
        assert d.stored("f") == data
        m[0:2] = data[0:2] = b"XY"
    assert d.stored("f") == data


@check
def map_written_after_close(d):
    """What a map wrote after the descriptor was closed counts, too."""
    d.put("f", b"x" * 20000)
    fd = os.open(d / "f", os.O_RDWR)
    m = mmap.mmap(fd, 0)
    os.close(fd)
    m[10000:10003] = b"map"
    m.flush()
    m.close()
    want = b"x" * 10000 + b"map" + b"x" * 9997
    assert (d / "f").read_bytes() == want
    with d.open("f") as fd:
        os.fsync(fd)
    assert d.stored("f") == want


@check
def map_private_write(d):
    d.put("f", b"x" * 20000)
    with d.open("f") as fd, mmap.mmap(fd, 0, mmap.MAP_PRIVATE) as m:
        m[0:4] = b"mine"
        assert m[0:4] == b"mine" and os.pread(fd, 4, 0) == b"xxxx"
    assert d.stored("f") == b"x" * 20000


@check
def map_sees_writes(d):
    d.put("f", b"x" * 20000)
    with d.open("f") as fd, mmap.mmap(fd, 0) as m:
        assert m[5000:5003] == b"xxx"
        os.pwrite(fd, b"new", 5000)
        assert m[5000:5003] == b"new"
        with d.open("f") as other:
            os.pwrite(other, b"two", 5003)
        assert m[5000:5006] == b"newtwo"


@check
def map_in_two_processes(d):
    d.put("f", bytes(8192))
    with d.open("f") as fd, mmap.mmap(fd, 0) as m:
        def work():
            with d.open("f") as mine, mmap.mmap(mine, 0) as other:
                assert other[0:1] == b"p"
                other[4096:4097] = b"c"
                other.flush()
        m[0:1] = b"p"
        in_child(work)
        assert m[4096:4097] == b"c"
    assert d.stored("f") == b"p" + bytes(4095) + b"c" + bytes(4095)


@check
def map_refused(d):
    d.put("f", b"x" * 5000)
    with d.open("f", os.O_RDONLY) as fd, refuses(errno.EACCES):
        mmap.mmap(fd, 0, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    with d.open("f", os.O_WRONLY) as fd, refuses(errno.EACCES):
        mmap.mmap(fd, 10, mmap.MAP_SHARED, mmap.PROT_READ)


@check
def map_executable(d):
    """What the dynamic loader asks for."""
    d.put("f", b"\xc3" * 5000)
    with d.open("f", os.O_RDONLY) as fd, \
            mmap.mmap(fd, 0, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC) as m:
        assert m[100:101] == b"\xc3"


@check
def map_of_a_grown_file(d):
    with d.open("f") as fd:
        for n in range(1, 5):
            os.ftruncate(fd, n * 65536)
            with mmap.mmap(fd, n * 65536) as m:
                m[-4:] = b"end%d" % n
    data = d.stored("f")
    assert [data[n * 65536 - 4:n * 65536] for n in range(1, 5)] == [b"end1", b"end2", b"end3",
                                                                  b"end4"]
