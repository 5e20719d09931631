# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that die, freeze and count their guests: errors in time, never a hang."""

import ctypes
import errno
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from content import MIB, some_bytes, write_file
from mounting import eventually
from test_read import run_threads

TIMES = {"io_timeout": 4, "connect_timeout": 3}
LOST = (errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN, errno.ECONNREFUSED, errno.EHOSTDOWN)


@pytest.fixture
def mortal(own_server, each_kind):
    """A server that the test may kill."""
    return own_server(each_kind.kind)


def works_again(path, data, seconds=40):
    def reads():
        try:
            return path.read_bytes() == data
        except OSError:
            return False
    return eventually(reads, seconds)


@pytest.mark.core
def test_killed_while_reading(mortal, mount):
    mortal.put("big", some_bytes(64 * MIB))
    mortal.put("small", b"small")
    m = mount(mortal, **TIMES)
    with open(m / "big", "rb", buffering=0) as f:
        assert len(f.read(MIB)) > 0
        mortal.kill9()
        start = time.monotonic()
        with pytest.raises(OSError) as e:
            while f.read(MIB):
                pass
        took = time.monotonic() - start
    assert e.value.errno == errno.EIO
    assert took < 4 + 3 + 5
    mortal.start()
    assert works_again(m / "small", b"small")
    assert (m / "big").read_bytes() == some_bytes(64 * MIB)


def test_restarted_between_operations(mortal, mount):
    """Nobody was looking: the next program sees no error at all."""
    mortal.put("d/file", b"x")
    m = mount(mortal, **TIMES)
    assert os.listdir(m) == ["d"]
    mortal.kill9()
    mortal.start()
    assert (m / "d/file").read_bytes() == b"x"
    write_file(m / "d/new", b"y")
    assert mortal.disk("d/new").read_bytes() == b"y"


def test_killed_while_writing(mortal, mount):
    """close() tells; no byte counts as stored that is not."""
    m = mount(mortal, **TIMES)
    with pytest.raises(OSError) as e:
        fd = os.open(m / "file", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            for n in range(8):
                os.write(fd, some_bytes(MIB, n))
                if n == 4:
                    mortal.kill9()
        finally:
            os.close(fd)
    assert e.value.errno in LOST
    mortal.start()
    mortal.put("after", b"after")
    assert works_again(m / "after", b"after")


def test_cached_names_need_no_server(mortal, mount):
    mortal.put("d/file", b"x")
    m = mount(mortal, **TIMES, dir_ttl=300)
    assert os.listdir(m) == ["d"]
    mortal.kill9()
    start = time.monotonic()
    assert os.stat(m).st_mode
    assert os.statvfs(m).f_bsize > 0
    assert time.monotonic() - start < 1


# Each says that it is ready, waits for a line, and then needs the server.
READER = """
import sys
f = open(sys.argv[1], "rb", buffering=0)
f.read(4096)
print("ready", flush=True)
sys.stdin.readline()
while f.read(65536):
    pass
"""
LISTER = """
import os, sys
print("ready", flush=True)
sys.stdin.readline()
os.listdir(sys.argv[1])
"""


@pytest.mark.core
@pytest.mark.parametrize("script, name", [(READER, "big"), (LISTER, "d/e")],
                         ids=["reader", "lister"])
def test_interrupt_frees_at_once(mortal, mount, script, name):
    """A frozen server, and Ctrl-C in the program that waits for it."""
    mortal.put("big", some_bytes(128 * MIB))
    mortal.put("d/e/file", b"x")
    m = mount(mortal, io_timeout=20, dir_ttl=0)
    child = subprocess.Popen([sys.executable, "-c", script, str(m / name)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
    try:
        assert child.stdout.readline() == "ready\n"
        mortal.freeze()
        child.stdin.write("\n")
        child.stdin.flush()
        time.sleep(1)
        assert child.poll() is None, "it did not need the frozen server"
        child.send_signal(signal.SIGINT)
        start = time.monotonic()
        child.wait(timeout=10)
        assert time.monotonic() - start < 1
    finally:
        child.kill()
        mortal.thaw()
        child.wait()
    assert (m / "d/e/file").read_bytes() == b"x"


def test_frozen_server_times_out(mortal, mount):
    mortal.put("d/file", b"x")
    m = mount(mortal, **TIMES, retry=0)
    os.listdir(m)
    mortal.freeze()
    start = time.monotonic()
    with pytest.raises(OSError) as e:
        (m / "d/file").read_bytes()
    assert time.monotonic() - start < 3 * (4 + 3)
    assert e.value.errno in LOST
    mortal.thaw()
    assert works_again(m / "d/file", b"x")


def test_unmount_of_a_frozen_server(mortal, mount):
    """Ends in time though nobody answers the QUIT."""
    mortal.put("file", b"x")
    m = mount(mortal, **TIMES)
    assert (m / "file").read_bytes() == b"x"
    mortal.freeze()
    m.unmount("umount", "-l")
    mortal.thaw()


def test_one_connection_is_enough(each_kind, mount):
    """Two readers and a listing share the only connection."""
    for n in range(2):
        each_kind.put(f"f{n}", some_bytes(6 * MIB, n))
    each_kind.put("d/inner", b"x")
    m = mount(each_kind, max_conns=1)

    def reader(n):
        def work():
            assert (m / f"f{n}").read_bytes() == some_bytes(6 * MIB, n)
        return work

    def lister():
        assert os.listdir(m / "d") == ["inner"]
    run_threads([reader(0), reader(1), lister])


def test_open_file_does_not_hold_the_connection(each_kind, mount):
    """A file held open half read, and the one connection is still free for others."""
    data = some_bytes(12 * MIB)
    each_kind.put("held", data)
    each_kind.put("d/inner", b"x")
    m = mount(each_kind, max_conns=1)
    with open(m / "held", "rb", buffering=0) as f:
        assert f.read(1000) == data[:1000]
        assert os.listdir(m / "d") == ["inner"]
        assert (m / "d/inner").read_bytes() == b"x"
        write_file(m / "d/new", b"y")
        f.seek(11 * MIB)
        assert f.read(1000) == data[11 * MIB:11 * MIB + 1000]
    assert each_kind.disk("d/new").read_bytes() == b"y"


@pytest.mark.parametrize("kind, extra", [
    ("proftpd", 'MaxClientsPerUser 2 "only %m per user"'), ("vsftpd", "max_per_ip=2"),
    ("pureftpd", "-C 2")])
def test_limit_of_the_server(own_server, mount, kind, extra):
    """The server takes fewer connections than we would open: a queue, not an error."""
    server = own_server(kind, extra=extra)
    for n in range(6):
        server.put(f"f{n}", some_bytes(2 * MIB, n))
    m = mount(server, max_conns=6)

    def reader(n):
        def work():
            assert (m / f"f{n}").read_bytes() == some_bytes(2 * MIB, n)
        return work
    run_threads([reader(n) for n in range(6)])


@pytest.mark.parametrize("kind, extra", [
    ("proftpd", "TimeoutIdle 2"), ("vsftpd", "idle_session_timeout=2")])
def test_idle_connections_cut_by_the_server(own_server, mount, kind, extra):
    server = own_server(kind, extra=extra)
    server.put("d/file", b"x")
    m = mount(server)
    assert os.listdir(m) == ["d"]
    time.sleep(4)
    assert (m / "d/file").read_bytes() == b"x"
    time.sleep(4)
    write_file(m / "new", b"y")
    assert server.disk("new").read_bytes() == b"y"


def test_commands_after_idle_time(each_kind, mount):
    """Our own idle timeout closes connections; the next operation opens one."""
    each_kind.put("d/file", b"x")
    m = mount(each_kind, idle_timeout=1)
    assert os.listdir(m) == ["d"]
    time.sleep(3)
    assert (m / "d/file").read_bytes() == b"x"


def test_only_signals_that_end_programs_interrupt(own_server, mount):
    """A timer's signal does not end mkdir() with EINTR: no disk does that."""
    server = own_server("proftpd")
    m = mount(server)
    os.listdir(m)
    rang = []
    old = signal.signal(signal.SIGALRM, lambda *_: rang.append(1))
    server.freeze()
    try:
        threading.Timer(1.5, server.thaw).start()
        signal.setitimer(signal.ITIMER_REAL, 0.2, 0.2)
        assert libc_mkdir(m / "dir") == 0
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
        server.thaw()
    assert rang and server.disk("dir").is_dir()


def libc_mkdir(path):
    """Without Python's own repetition after EINTR."""
    libc = ctypes.CDLL(None, use_errno=True)
    return 0 if libc.mkdir(os.fsencode(path), 0o755) == 0 else ctypes.get_errno()
