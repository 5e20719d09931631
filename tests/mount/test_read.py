# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading: every byte as on the server's disk, in any order, by several at once."""

import os
import random
import threading

import pytest

from content import BIG, KIB, MIB, some_bytes

SIZES = (0, 1, 16383, 16384, 16385, MIB + 1, 40 * MIB)


@pytest.mark.core
def test_sizes(server, mount):
    for size in SIZES:
        server.put(f"f{size}", some_bytes(size, size))
    m = mount(server)
    for size in SIZES:
        assert os.stat(m / f"f{size}").st_size == size
        assert (m / f"f{size}").read_bytes() == some_bytes(size, size), f"{size} bytes"


def check_reads(path, data, offsets, length):
    fd = os.open(path, os.O_RDONLY)
    try:
        for offset in offsets:
            assert os.pread(fd, length, offset) == data[offset:offset + length], f"at {offset}"
    finally:
        os.close(fd)


@pytest.mark.parametrize("pattern", ["random", "backwards", "strides", "ends"])
def test_seeks(server, mount, pattern):
    size = 6 * MIB + 123
    data = some_bytes(size)
    server.put("file", data)
    offsets = {
        "random": [random.Random(7).randrange(size) for _ in range(25)],
        "backwards": range(size - MIB, 0, -700 * KIB),
        "strides": range(0, size, 900 * KIB),
        "ends": [size - 1, 0, size - 10, size, size + 5, 1],
    }[pattern]
    check_reads(mount(server) / "file", data, offsets, 5000)


def run_threads(workers):
    """Runs them side by side; raises what any of them raised."""
    errors = []

    def guarded(work):
        try:
            work()
        except Exception as e:  # handed to the test's own thread below
            errors.append(e)
    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_several_readers(server, mount):
    names = [f"f{n}" for n in range(6)]
    for n, name in enumerate(names):
        server.put(name, some_bytes(3 * MIB, n))
    m = mount(server)

    def reader(n, name):
        def work():
            assert (m / name).read_bytes() == some_bytes(3 * MIB, n)
        return work
    run_threads([reader(n, name) for n, name in enumerate(names)])


def test_readers_of_one_file(each_kind, mount):
    """At distant places of the same file."""
    data = some_bytes(24 * MIB)
    each_kind.put("file", data)
    m = mount(each_kind)

    def reader(start):
        def work():
            check_reads(m / "file", data, range(start, start + 6 * MIB, 128 * KIB), 128 * KIB)
        return work
    run_threads([reader(n * 6 * MIB) for n in range(4)])


def test_file_grows_on_the_server(each_kind, mount):
    path = each_kind.put("file", b"one\n")
    m = mount(each_kind, dir_ttl=0)
    assert (m / "file").read_bytes() == b"one\n"
    path.write_bytes(b"one\nand two\n")
    os.utime(path, (1700000000, 1700000000))
    assert (m / "file").read_bytes() == b"one\nand two\n"


@pytest.mark.limit(300)
def test_big_sequential(each_kind, mount):
    path = each_kind.put("big")
    block = some_bytes(MIB)
    with open(path, "wb") as f:
        for n in range(BIG // MIB):
            f.write(n.to_bytes(8, "big") + block[8:])
    m = mount(each_kind)
    with open(m / "big", "rb") as f:
        for n in range(BIG // MIB):
            assert f.read(MIB) == n.to_bytes(8, "big") + block[8:], f"MiB {n}"
        assert f.read(1) == b""
