# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of descriptors: dup and fork, files without a name, locks, links of all kinds."""

import errno
import fcntl
import os
import select
import socket
import stat
import struct
import subprocess
import sys

from checks import Fd, check, in_child, libc, python, refuses
from content import some_bytes

F_OFD_SETLK, F_OFD_GETLK = 37, 36


@check
def dup_shares_the_position(d):
    with d.open("f") as fd:
        with Fd(os.dup(fd)) as other:
            os.write(fd, b"one")
            os.write(other, b"two")
        os.write(fd, b"three")
    assert d.stored("f") == b"onetwothree"


@check
def close_of_a_dup_delivers(d):
    with d.open("f") as fd:
        os.write(fd, b"x")
        os.close(os.dup(fd))
        assert (d / "f").read_bytes() == b"x" == d.stored("f")


@check
def fork_shares_the_position(d):
    with d.open("f") as fd:
        os.write(fd, b"parent ")
        in_child(lambda: os.write(fd, b"child "))
        os.write(fd, b"parent")
    assert d.stored("f") == b"parent child parent"


@check
def inherited_by_exec(d):
    with d.open("f") as fd:
        subprocess.run(["sh", "-c", "echo one; echo two"], stdout=fd, check=True)
        os.write(fd, b"three\n")
    assert d.stored("f") == b"one\ntwo\nthree\n"


@check
def descriptor_passed_on(d):
    one, two = socket.socketpair()
    with d.open("f") as fd:
        socket.send_fds(one, [b"x"], [fd])
    with Fd(socket.recv_fds(two, 1, 1)[1][0]) as fd:
        os.write(fd, b"still open")
    one.close()
    two.close()
    assert d.stored("f") == b"still open"


@check
def closed_twice(d):
    fd = os.open(d.put("f"), os.O_RDONLY)
    os.close(fd)
    with refuses(errno.EBADF):
        os.close(fd)


@check
def unlinked_while_read(d):
    data = some_bytes(300000)
    d.put("f", data)
    with d.open("f", os.O_RDONLY) as fd:
        assert os.read(fd, 10) == data[:10]
        os.unlink(d / "f")
        assert d.names() == []
        with refuses(errno.ENOENT):
            os.stat(d / "f")
        assert os.fstat(fd).st_nlink == 0
        assert os.pread(fd, 400000, 0) == data


@check
def unlinked_while_written(d):
    with d.open("f") as fd:
        os.write(fd, b"first")
        os.unlink(d / "f")
        os.write(fd, b"second")
        os.ftruncate(fd, 9)
        assert os.pread(fd, 100, 0) == b"firstseco"
        os.fsync(fd)
    assert d.names() == [] == os.listdir(d.disk)


@check
def unlinked_and_made_again(d):
    d.put("f", b"old")
    with d.open("f") as fd:
        os.unlink(d / "f")
        d.put("f", b"new one")
        os.pwrite(fd, b"OLD", 0)
        assert os.pread(fd, 10, 0) == b"OLD"
    assert d.stored("f") == b"new one"


@check
def unlinked_never_closed_before_exit(d):
    python("import os, sys\nfd = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)\n"
           "os.write(fd, b'x' * 100000)\nos.unlink(sys.argv[1])\n", d / "f")
    assert d.names() == [] == os.listdir(d.disk)


@check
def written_by_a_killed_process(d):
    """What was written before SIGKILL is there: the kernel closes."""
    done = subprocess.run([sys.executable, "-c", "import os, sys\nfd = os.open(sys.argv[1], "
                           "os.O_RDWR | os.O_CREAT)\nos.write(fd, b'x' * 1000)\n"
                           "os.kill(os.getpid(), 9)", str(d / "f")], check=False)
    assert done.returncode == -9
    with d.open("f") as fd:
        os.fsync(fd)
    assert d.stored("f") == b"x" * 1000


@check
def many_descriptors(d):
    fds = [d.open(f"f{n}") for n in range(120)]
    for n, fd in enumerate(fds):
        os.write(fd, b"%d" % n)
    for fd in fds:
        fd.close()
    assert [d.stored(f"f{n}") for n in range(120)] == [b"%d" % n for n in range(120)]


@check
def many_descriptors_of_one_file(d):
    d.put("f", b"content")
    fds = [d.open("f", os.O_RDONLY) for _ in range(100)]
    assert {os.read(fd, 10) for fd in fds} == {b"content"}
    for fd in fds:
        fd.close()


@check
def poll_is_ready(d):
    with d.open("f") as fd:
        poll = select.poll()
        poll.register(fd, select.POLLIN | select.POLLOUT)
        assert poll.poll(1000)[0][1] & (select.POLLIN | select.POLLOUT)


@check
def ioctl_refused(d):
    with d.open("f") as fd, refuses(errno.ENOTTY):
        fcntl.ioctl(fd, 0x5401, bytes(64))


@check
def bytes_waiting(d):
    """FIONREAD, which shells and Java ask."""
    d.put("f", b"0123456789")
    with d.open("f") as fd:
        os.read(fd, 3)
        assert struct.unpack("i", fcntl.ioctl(fd, 0x541b, bytes(4)))[0] == 7


# locks


@check
def flock_excludes(d):
    with d.open("f") as a, d.open("f") as b:
        fcntl.flock(a, fcntl.LOCK_EX)
        with refuses(errno.EWOULDBLOCK):
            fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(a, fcntl.LOCK_SH)
        fcntl.flock(b, fcntl.LOCK_SH | fcntl.LOCK_NB)
        fcntl.flock(a, fcntl.LOCK_UN)
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)


@check
def flock_ends_with_close(d):
    with d.open("f") as a:
        fcntl.flock(a, fcntl.LOCK_EX)
    with d.open("f") as b:
        fcntl.flock(b, fcntl.LOCK_EX | fcntl.LOCK_NB)


@check
def posix_lock_between_processes(d):
    d.put("f", b"0123456789")
    with d.open("f") as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX, 5, 0)

        def work():
            with d.open("f") as mine:
                with refuses(errno.EACCES, errno.EAGAIN):
                    fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 4)
                fcntl.lockf(mine, fcntl.LOCK_EX | fcntl.LOCK_NB, 5, 5)
                asked = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0)
                told = struct.unpack("hhqqi4x", fcntl.fcntl(mine, fcntl.F_GETLK, asked))
                assert told[0] == fcntl.F_WRLCK and told[4] == os.getppid()
        in_child(work)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        in_child(lambda: fcntl.lockf(d.open("f"), fcntl.LOCK_EX | fcntl.LOCK_NB))


@check
def posix_lock_is_waited_for(d):
    d.put("f")
    with d.open("f") as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        child = subprocess.Popen([sys.executable, "-c", "import fcntl, sys\n"
                                  "f = open(sys.argv[1], 'r+b')\nprint('go', flush=True)\n"
                                  "fcntl.lockf(f, fcntl.LOCK_EX)\nprint('got')", str(d / "f")],
                                 stdout=subprocess.PIPE)
        assert child.stdout.readline() == b"go\n"
        assert child.poll() is None
        fcntl.lockf(fd, fcntl.LOCK_UN)
        assert child.communicate(timeout=20)[0] == b"got\n"


@check
def posix_locks_end_with_any_close(d):
    d.put("f")
    with d.open("f") as fd:
        fcntl.lockf(fd, fcntl.LOCK_EX)
        os.close(os.open(d / "f", os.O_RDONLY))
        in_child(lambda: fcntl.lockf(d.open("f"), fcntl.LOCK_EX | fcntl.LOCK_NB))


@check
def descriptor_locks(d):
    """F_OFD_SETLK: between two descriptors of one process."""
    d.put("f")
    lock = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    with d.open("f") as a, d.open("f") as b:
        fcntl.fcntl(a, F_OFD_SETLK, lock)
        with refuses(errno.EACCES, errno.EAGAIN):
            fcntl.fcntl(b, F_OFD_SETLK, lock)
    with d.open("f") as b:
        fcntl.fcntl(b, F_OFD_SETLK, lock)


@check
def leases(d):
    """A read lease, or an errno that programs (Samba) know."""
    d.put("f")
    with d.open("f", os.O_RDONLY) as fd:
        try:
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
            assert fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_RDLCK
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except OSError as e:
            assert e.errno in (errno.EINVAL, errno.EAGAIN, errno.EOPNOTSUPP)


@check
def lock_file_by_exclusive_creation(d):
    """What mail programs and package managers do."""
    for _ in range(3):
        with d.open("f.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY) as fd:
            os.write(fd, b"%d\n" % os.getpid())
        with refuses(errno.EEXIST):
            os.open(d / "f.lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.unlink(d / "f.lock")


@check
def notified_of_own_changes(d):
    """inotify: creation, writing, closing, renaming and removing by this machine."""
    fd = libc("inotify_init1", os.O_NONBLOCK)
    libc("inotify_add_watch", fd, str(d), 0xfff)
    d.put("f")
    os.rename(d / "f", d / "g")
    os.unlink(d / "g")
    (d / "folder").mkdir()
    events, seen = os.read(fd, 65536), 0
    os.close(fd)
    while events:
        _, mask, _, length = struct.unpack("iIII", events[:16])
        seen |= mask
        events = events[16 + length:]
    for bit in (0x100, 0x2, 0x8, 0x40, 0x80, 0x200):  # CREATE MODIFY CLOSE MOVED DELETE
        assert seen & bit, hex(seen)


# links


@check(refused=errno.EPERM)
def hard_link(d):
    os.link(d.put("f"), d / "g")
    assert os.stat(d / "f").st_nlink == 2 and os.path.samefile(d / "f", d / "g")


@check(refused=errno.EPERM)
def fifo(d):
    os.mkfifo(d / "fifo")
    assert stat.S_ISFIFO(os.lstat(d / "fifo").st_mode)
    os.unlink(d / "fifo")


@check(refused=errno.EPERM)
def unix_socket(d):
    with socket.socket(socket.AF_UNIX) as s:
        os.chdir(d)
        s.bind("socket")
    os.chdir("/")
    os.unlink(d / "socket")


@check(refused=errno.EPERM)
def device(d):
    os.mknod(d / "null", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    os.unlink(d / "null")


@check
def mknod_of_a_file(d):
    os.mknod(d / "f", stat.S_IFREG | 0o644)
    assert d.stored("f") == b""
    with refuses(errno.EEXIST):
        os.mknod(d / "f", stat.S_IFREG | 0o644)


@check
def link_refused(d):
    """The errno of a hard link that no file system would make."""
    d.put("f")
    d.put("g")
    with refuses(errno.EEXIST):
        os.link(d / "f", d / "g")
    with refuses(errno.ENOENT):
        os.link(d / "none", d / "h")


@check(links=True, refused=errno.EPERM)
def symlink(d):
    d.put("f", b"target")
    os.symlink("f", d / "l")
    assert os.readlink(d / "l") == "f"
    assert stat.S_ISLNK(os.lstat(d / "l").st_mode) and (d / "l").read_bytes() == b"target"
    with refuses(errno.EEXIST):
        os.symlink("f", d / "l")
    os.unlink(d / "l")
    assert d.names() == ["f"]


@check(links=True, refused=errno.EPERM)
def symlink_size(d):
    d.put("some-name")
    os.symlink("some-name", d / "l")
    assert os.lstat(d / "l").st_size == 9


@check(links=True, refused=errno.EPERM)
def symlink_to_a_folder(d):
    (d / "folder").mkdir()
    os.symlink("folder", d / "l")
    (d / "l" / "f").write_bytes(b"x")
    assert d.stored("folder/f") == b"x"
    assert os.listdir(d / "l") == ["f"]
    with refuses(errno.ENOTDIR):
        os.rmdir(d / "l")
    os.unlink(d / "l")


@check(links=True, refused=errno.EPERM)
def symlink_upwards(d):
    d.put("f", b"up")
    (d / "a" / "b").mkdir(parents=True)
    os.symlink("../../f", d / "a" / "b" / "l")
    assert os.readlink(d / "a/b/l") == "../../f" and (d / "a/b/l").read_bytes() == b"up"


@check(refused=errno.EPERM)  # ProFTPD asks for a target that is there
def symlink_that_dangles(d):
    os.symlink("none", d / "l")
    assert os.readlink(d / "l") == "none"
    with refuses(errno.ENOENT):
        os.stat(d / "l")
    os.lstat(d / "l")
    assert d.names() == ["l"]


@check(links=True, refused=errno.EPERM)
def symlink_not_followed(d):
    d.put("f")
    os.symlink("f", d / "l")
    with refuses(errno.ELOOP):
        os.open(d / "l", os.O_RDONLY | os.O_NOFOLLOW)
    with refuses(errno.EEXIST):
        os.open(d / "l", os.O_CREAT | os.O_EXCL | os.O_WRONLY)


@check(refused=errno.EPERM)  # ProFTPD asks for a target that is there
def symlink_loop(d):
    os.symlink("b", d / "a")
    os.symlink("a", d / "b")
    with refuses(errno.ELOOP):
        os.stat(d / "a")
    with refuses(errno.ELOOP):
        os.open(d / "a", os.O_RDONLY)
    os.unlink(d / "a")
    os.unlink(d / "b")


@check(links=True, refused=errno.EPERM)
def symlink_renamed(d):
    d.put("f", b"target")
    os.symlink("f", d / "l")
    os.rename(d / "l", d / "m")
    assert os.readlink(d / "m") == "f" and d.names() == ["f", "m"]
    os.rename(d.put("new", b"new"), d / "m")
    assert stat.S_ISREG(os.lstat(d / "m").st_mode)
    assert d.stored("f") == b"target" and d.stored("m") == b"new"


@check(links=True, refused=errno.EPERM)
def symlink_written_through(d):
    d.put("f", b"old and long")
    os.symlink("f", d / "l")
    (d / "l").write_bytes(b"new")
    assert d.stored("f") == b"new" and os.path.islink(d / "l")


@check
def readlink_refused(d):
    d.put("f")
    (d / "folder").mkdir()
    for name, number in (("f", errno.EINVAL), ("folder", errno.EINVAL), ("none", errno.ENOENT)):
        with refuses(number):
            os.readlink(d / name)
