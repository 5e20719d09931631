# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of attributes: modes, times, owners, sizes, numbers, access, extended attributes."""

import errno
import os
import stat
import time

from checks import check, libc, refuses
from content import some_bytes

WHEN = 1500000001


def mode(path):
    return stat.S_IMODE(os.lstat(path).st_mode)


@check
def chmod_of_files(d):
    d.put("f")
    for bits in (0o600, 0o755, 0o444, 0o640, 0o777):
        os.chmod(d / "f", bits)
        assert mode(d / "f") == bits == mode(d.disk / "f")


@check
def chmod_of_folders(d):
    (d / "x").mkdir()
    for bits in (0o700, 0o755, 0o711):
        os.chmod(d / "x", bits)
        assert mode(d / "x") == bits == mode(d.disk / "x")


@check
def chmod_of_an_open_file(d):
    with d.open("f") as fd:
        os.write(fd, b"x")
        os.fchmod(fd, 0o600)
        assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
    assert mode(d / "f") == 0o600 == mode(d.disk / "f")


@check
def chmod_refused(d):
    with refuses(errno.ENOENT):
        os.chmod(d / "none", 0o600)
    with refuses(errno.ENOTDIR):
        os.chmod(d.put("f") / "x", 0o600)


@check
def mode_at_creation(d):
    for bits in (0o600, 0o640, 0o755, 0o644):
        d.open(f"f{bits:o}", os.O_CREAT | os.O_WRONLY, bits).close()
        assert mode(d / f"f{bits:o}") == bits == mode(d.disk / f"f{bits:o}")
    os.mkdir(d / "x", 0o700)
    assert mode(d / "x") == 0o700 == mode(d.disk / "x")


@check
def umask_counts(d):
    before = os.umask(0o077)
    try:
        d.open("f", os.O_CREAT | os.O_WRONLY, 0o666).close()
        os.mkdir(d / "x")
    finally:
        os.umask(before)
    assert mode(d / "f") == 0o600 and mode(d / "x") == 0o700


@check
def write_to_a_read_only_creation(d):
    """open(O_CREAT, 0444) gives a descriptor that writes: git's objects."""
    with d.open("f", os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o444) as fd:
        os.write(fd, b"object")
    assert d.stored("f") == b"object" and mode(d / "f") == 0o444


@check
def mode_survives_writing(d):
    d.put("f", b"old")
    os.chmod(d / "f", 0o750)
    d.put("f", b"new content")
    assert mode(d / "f") == 0o750 == mode(d.disk / "f")
    with d.open("f", os.O_WRONLY | os.O_APPEND) as fd:
        os.write(fd, b"more")
    assert mode(d.disk / "f") == 0o750


@check
def times_to_the_second(d):
    d.put("f")
    for when in (0, 1, WHEN, 981173106, 1709164800, 2000000000):
        os.utime(d / "f", (when, when))
        assert int(os.stat(d / "f").st_mtime) == when == int((d.disk / "f").stat().st_mtime)


@check
def times_now_and_omit(d):
    d.put("f")
    os.utime(d / "f", (WHEN, WHEN))
    os.utime(d / "f")
    assert abs(os.stat(d / "f").st_mtime - time.time()) < 5
    import ctypes
    spec = (ctypes.c_long * 4)(WHEN, 0, 0, (1 << 30) - 2)  # mtime OMIT
    before = os.stat(d / "f").st_mtime
    libc("utimensat", -100, d / "f", spec, 0)
    assert os.stat(d / "f").st_mtime == before
    spec = (ctypes.c_long * 4)(0, (1 << 30) - 2, WHEN, 0)  # atime OMIT
    libc("utimensat", -100, d / "f", spec, 0)
    assert int(os.stat(d / "f").st_mtime) == WHEN


@check
def times_of_an_open_file(d):
    with d.open("f") as fd:
        os.write(fd, b"x")
        os.utime(fd, (WHEN, WHEN))
        assert int(os.fstat(fd).st_mtime) == WHEN
    assert int(os.stat(d / "f").st_mtime) == WHEN == int((d.disk / "f").stat().st_mtime)


@check
def times_set_then_written(d):
    """A write after utime counts as newer."""
    with d.open("f") as fd:
        os.write(fd, b"x")
        os.utime(fd, (WHEN, WHEN))
        os.write(fd, b"y")
    assert os.stat(d / "f").st_mtime > WHEN + 1000


@check
def times_of_folders(d):
    (d / "x").mkdir()
    os.utime(d / "x", (WHEN, WHEN))
    assert int(os.stat(d / "x").st_mtime) == WHEN


@check
def times_refused(d):
    with refuses(errno.ENOENT):
        os.utime(d / "none")
    with refuses(errno.ENOTDIR):
        os.utime(d.put("f") / "x")


@check
def change_makes_a_folder_young(d):
    for act in (lambda: d.put("x/f", b""), lambda: os.rename(d / "x/f", d / "x/g"),
                lambda: os.unlink(d / "x/g"), lambda: os.mkdir(d / "x/y"),
                lambda: os.rmdir(d / "x/y")):
        (d / "x").mkdir(exist_ok=True)
        os.utime(d / "x", (WHEN, WHEN))
        act()
        assert os.stat(d / "x").st_mtime > WHEN + 1000


@check
def writing_makes_a_file_young(d):
    d.put("f", b"x" * 10)
    for act in (lambda fd: os.write(fd, b"y"), lambda fd: os.ftruncate(fd, 3),
                lambda fd: os.ftruncate(fd, 20)):
        os.utime(d / "f", (WHEN, WHEN))
        with d.open("f") as fd:
            act(fd)
        assert os.stat(d / "f").st_mtime > WHEN + 1000


@check
def reading_keeps_the_time(d):
    d.put("f")
    os.utime(d / "f", (WHEN, WHEN))
    (d / "f").read_bytes()
    with d.open("f"):
        pass
    assert int(os.stat(d / "f").st_mtime) == WHEN


@check
def rename_keeps_time_and_mode(d):
    d.put("f")
    os.chmod(d / "f", 0o640)
    os.utime(d / "f", (WHEN, WHEN))
    os.rename(d / "f", d / "g")
    assert int(os.stat(d / "g").st_mtime) == WHEN and mode(d / "g") == 0o640


@check
def owner_unchanged(d):
    info = os.stat(d.put("f"))
    os.chown(d / "f", -1, -1)
    os.chown(d / "f", info.st_uid, info.st_gid)
    with d.open("f") as fd:
        os.fchown(fd, info.st_uid, -1)
    assert os.stat(d / "f").st_uid == info.st_uid


@check(refused=errno.EPERM)
def owner_changed(d):
    os.chown(d.put("f"), 12345, 12345)
    assert os.stat(d / "f").st_uid == 12345


@check
def owner_is_mine(d):
    info = os.stat(d.put("f"))
    assert (info.st_uid, info.st_gid) == (os.geteuid(), os.getegid())


@check
def access_of_files(d):
    d.put("f")
    os.chmod(d / "f", 0o644)
    assert os.access(d / "f", os.R_OK | os.W_OK) and not os.access(d / "f", os.X_OK)
    os.chmod(d / "f", 0o755)
    assert os.access(d / "f", os.X_OK) and os.access(d, os.X_OK | os.W_OK)
    assert os.access(d / "f", os.X_OK, effective_ids=True)
    assert not os.access(d / "none", os.F_OK)
    assert os.access(d / "f", os.F_OK)


@check
def programs_run(d):
    from programs import run
    d.put("script", b"#!/bin/sh\necho ran $1\n")
    os.chmod(d / "script", 0o755)
    assert run(d / "script", "well") == "ran well\n"
    os.chmod(d / "script", 0o644)
    with refuses(errno.EACCES):
        run(d / "script")


@check
def programs_run_compiled(d):
    import shutil
    from programs import run
    shutil.copy("/bin/true", d / "true")
    run(d / "true")
    shutil.copy("/bin/echo", d / "say")
    assert run(d / "say", "hello") == "hello\n"


@check
def text_busy(d):
    """A program that runs cannot be written, one that is written cannot run."""
    import shutil
    import subprocess
    shutil.copy("/bin/sleep", d / "sleep")
    child = subprocess.Popen([str(d / "sleep"), "30"])
    try:
        with refuses(errno.ETXTBSY):
            os.open(d / "sleep", os.O_WRONLY)
    finally:
        child.kill()
        child.wait()


@check
def sizes_and_blocks(d):
    d.put("f", some_bytes(100000))
    info = os.stat(d / "f")
    assert info.st_size == 100000 and 190 <= info.st_blocks <= 300
    assert info.st_blksize >= 512 and info.st_blksize & (info.st_blksize - 1) == 0
    assert os.stat(d.put("empty", b"")).st_blocks == 0


@check
def size_grows_with_writes(d):
    with d.open("f") as fd:
        for n in range(1, 6):
            os.write(fd, b"x" * 1000)
            assert os.fstat(fd).st_size == n * 1000 == os.stat(d / "f").st_size


@check
def numbers(d):
    """Inode numbers: distinct, stable, the same in listings, on one device."""
    infos = {}
    for n in range(20):
        infos[f"f{n}"] = os.stat(d.put(f"f{n}", b""))
    (d / "x").mkdir()
    infos["x"] = os.stat(d / "x")
    assert len({info.st_ino for info in infos.values()}) == 21
    assert {info.st_dev for info in infos.values()} == {os.stat(d).st_dev}
    with os.scandir(d) as entries:
        assert {e.name: e.inode() for e in entries} == {n: i.st_ino for n, i in infos.items()}
    os.rename(d / "f1", d / "g1")
    assert os.stat(d / "g1").st_ino == infos["f1"].st_ino
    d.put("f2", b"rewritten")
    assert os.stat(d / "f2").st_ino == infos["f2"].st_ino


@check
def link_counts(d):
    d.put("f")
    assert os.stat(d / "f").st_nlink == 1
    (d / "x").mkdir()
    (d / "x/y").mkdir()
    assert os.stat(d / "x").st_nlink >= 1
    from programs import run
    assert run("find", d, "-name", "y") == f"{d / 'x/y'}\n"  # find trusts st_nlink


@check
def same_file(d):
    d.put("f")
    with d.open("f") as fd:
        assert os.path.sameopenfile(fd, fd) and os.path.samestat(os.fstat(fd), os.stat(d / "f"))


@check
def kinds_in_listings(d):
    d.put("f")
    (d / "x").mkdir()
    with os.scandir(d) as entries:
        assert {e.name: e.is_dir() for e in entries} == {"f": False, "x": True}


@check
def room(d):
    told = os.statvfs(d)
    assert told.f_bsize >= 512 and told.f_blocks > 0 and told.f_namemax >= 255
    assert 0 < told.f_bavail <= told.f_bfree <= told.f_blocks
    with d.open("f") as fd:
        assert os.fstatvfs(fd).f_namemax == told.f_namemax
    assert os.pathconf(d, "PC_NAME_MAX") == 255


@check
def extended_attributes_absent(d):
    """ENODATA or EOPNOTSUPP, never a failure that stops cp or ls."""
    d.put("f")
    for path in (d / "f", d.path):
        for name in ("user.none", "security.capability", "system.posix_acl_access"):
            with refuses(errno.ENODATA, errno.EOPNOTSUPP):
                os.getxattr(path, name)
        os.listxattr(path)
    with refuses(errno.ENODATA, errno.EOPNOTSUPP):
        os.removexattr(d / "f", "user.none")


@check(refused=errno.EOPNOTSUPP)
def extended_attributes(d):
    os.setxattr(d.put("f"), "user.colour", b"blue")
    assert os.getxattr(d / "f", "user.colour") == b"blue"


@check
def no_access_time_lies(d):
    info = os.stat(d.put("f"))
    now = time.time()
    for when in (info.st_atime, info.st_mtime, info.st_ctime):
        assert abs(when - now) < 10


@check
def statx_birth(d):
    """stat(1) prints all fields; ls -l and --time-style too."""
    from programs import run
    d.put("f", b"12345")
    assert run("stat", "-c", "%s %F %a %h", d / "f") == "5 regular file 644 1\n"
    run("stat", d / "f")
    run("stat", "-f", d / "f")
    assert " f" in run("ls", "-la", "--time-style=full-iso", d)
    run("ls", "-lR", d)


@check
def set_group_bit_or_refusal(d):
    """Special bits are kept, or quietly left out, but plain bits never change with them."""
    d.put("f")
    try:
        os.chmod(d / "f", 0o4755)
    except OSError as e:
        assert e.errno == errno.EPERM
        os.chmod(d / "f", 0o755)
    assert mode(d / "f") & 0o777 == 0o755
