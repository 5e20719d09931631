# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tables of checks_*.py share: each check is a small function of a folder.

A check is run on a local folder, where it must pass, and on a mount. `refused` names the errno
by which it fails where FTP cannot hold what it asks for; `without` the kinds of server that
cannot hold it. Afterwards the folder and the server's own disk are compared byte by byte.
"""

import ctypes
import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.mmap.restype = ctypes.c_void_p
CHECKS = {}
NO_LINKS = ("vsftpd", "pureftpd", "pyftpdlib")  # no SITE SYMLINK


class Check:
    def __init__(self, act, refused, without, links):
        self.act, self.refused, self.without, self.links = act, refused, without, links
        self.name = act.__name__


def check(act=None, *, refused=None, without=(), links=False):
    """links: makes symbolic links, so that only ProFTPD can hold them."""
    def add(act):
        assert act.__name__ not in CHECKS, act.__name__
        CHECKS[act.__name__] = Check(act, refused, NO_LINKS if links else without, links)
        return act
    return add(act) if act else add


class Folder:
    """Where a check works: `d / "name"` is a path in it. disk: the same on the server's own
    disk. tmp: a local folder beside."""

    def __init__(self, path, disk, tmp):
        self.path, self.disk, self.tmp = Path(path), Path(disk), Path(tmp)

    def __truediv__(self, name):
        return self.path / name

    def __fspath__(self):
        return str(self.path)

    __str__ = __fspath__

    def put(self, name, data=b"content"):
        (self / name).write_bytes(data)
        return self / name

    def open(self, name, flags=os.O_RDWR | os.O_CREAT, mode=0o644):
        return Fd(os.open(self / name, flags, mode))

    def stored(self, name):
        return (self.disk / name).read_bytes()

    def names(self):
        return sorted(os.listdir(self.path))


class Fd(int):
    """A descriptor that closes with its block; an error of close() counts."""

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        if not getattr(self, "closed", False):
            self.closed = True
            os.close(self)


class refuses:
    """with refuses(errno.X): the block must fail with one of these."""

    def __init__(self, *numbers):
        self.numbers = numbers

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        words = "/".join(errno.errorcode[n] for n in self.numbers)
        assert value is not None, f"nothing was refused, {words} was due"
        if not isinstance(value, OSError):
            return False
        got = errno.errorcode.get(value.errno, value.errno)
        assert value.errno in self.numbers, f"{got} instead of {words}: {value}"
        return True


def libc(name, *args):
    """A call of libc that Python has not; fails like those it has."""
    changed = [os.fsencode(arg) if isinstance(arg, (str, os.PathLike)) else arg for arg in args]
    result = getattr(LIBC, name)(*changed)
    if result == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def long(n):
    return ctypes.c_long(n)


AT_FDCWD, NOREPLACE, EXCHANGE = -100, 1, 2


def renameat2(old, new, flags):
    return libc("renameat2", AT_FDCWD, old, AT_FDCWD, new, flags)


def fallocate(fd, mode, off, length):
    return libc("fallocate", int(fd), mode, long(off), long(length))


def in_child(act):
    """Runs act() in a child process; what it asserts there fails here."""
    sys.stdout.flush()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        text = b""
        try:
            act()
        except BaseException as e:  # pylint: disable=broad-except
            text = repr(e).encode()
        os.write(writer, text[:4000])
        os._exit(1 if text else 0)
    os.close(writer)
    text = b""
    while part := os.read(reader, 4096):
        text += part
    os.close(reader)
    status = os.waitpid(pid, 0)[1]
    assert status == 0, f"in the child: {text.decode() or status}"


def as_user(uid, act):
    def work():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        act()
    in_child(work)


def python(line, *argv, cwd=None, status=0):
    done = subprocess.run([sys.executable, "-c", line, *map(str, argv)], cwd=cwd, text=True,
                          capture_output=True, check=False)
    assert done.returncode == status, done.stderr[-2000:]
    return done.stdout


def look(folder):
    """path -> what stands there: a file's bytes, a link's text, a folder. Through openat, since
    paths may be longer than PATH_MAX."""
    found = {}
    for where, folders, files, fd in os.fwalk(folder, follow_symlinks=False):
        for name in [*folders, *files]:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            path = os.path.join(os.path.relpath(where, folder), name)
            if stat.S_ISLNK(info.st_mode):
                found[path] = "link"  # the server's text may be another: checks ask for ours
            elif stat.S_ISDIR(info.st_mode):
                found[path] = "folder"
            else:
                part = os.open(name, os.O_RDONLY, dir_fd=fd)
                with open(part, "rb") as f:
                    found[path] = f.read()
    return found


def differences(one, other):
    """In words: what two folders hold differently."""
    a, b = look(one), look(other)
    words = [f"only in the mount: {name!r}" for name in sorted(a.keys() - b.keys())]
    words += [f"only on the disk: {name!r}" for name in sorted(b.keys() - a.keys())]
    words += [f"differs: {name!r}" for name in sorted(a.keys() & b.keys()) if a[name] != b[name]]
    return words
