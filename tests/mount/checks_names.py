# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of names and folders: rename in all its forms, listings, lookups, awkward names."""

import ctypes
import errno
import os
import threading

from checks import EXCHANGE, NOREPLACE, check, libc, refuses, renameat2
from content import AWKWARD_NAMES, NOT_EVERYWHERE, some_bytes

DEEP = 40


@check
def rename_to_a_new_name(d):
    d.put("a", b"A")
    os.rename(d / "a", d / "b")
    assert d.names() == ["b"] and d.stored("b") == b"A"
    with refuses(errno.ENOENT):
        os.stat(d / "a")


@check
def rename_over_a_file(d):
    d.put("a", b"A" * 1000)
    d.put("b", b"B")
    os.rename(d / "a", d / "b")
    assert d.names() == ["b"] and d.stored("b") == b"A" * 1000
    assert os.stat(d / "b").st_size == 1000


@check
def rename_into_another_folder(d):
    (d / "x").mkdir()
    (d / "y").mkdir()
    (d / "x" / "f").write_bytes(b"F")
    os.rename(d / "x/f", d / "y/g")
    assert os.listdir(d / "x") == [] and d.stored("y/g") == b"F"


@check
def rename_of_a_full_folder(d):
    (d / "x/deep").mkdir(parents=True)
    (d / "x/deep/f").write_bytes(b"F")
    os.rename(d / "x", d / "y")
    assert (d / "y/deep/f").read_bytes() == b"F"
    with refuses(errno.ENOENT):
        os.stat(d / "x/deep/f")


@check
def rename_over_an_empty_folder(d):
    (d / "x").mkdir()
    (d / "x/f").write_bytes(b"F")
    (d / "y").mkdir()
    os.rename(d / "x", d / "y")
    assert d.names() == ["y"] and d.stored("y/f") == b"F"


@check
def rename_over_a_full_folder(d):
    for name in "xy":
        (d / name).mkdir()
        (d / name / "f").write_bytes(name.encode())
    with refuses(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(d / "x", d / "y")
    assert d.stored("x/f") == b"x" and d.stored("y/f") == b"y"


@check
def rename_of_different_kinds(d):
    d.put("f")
    (d / "folder").mkdir()
    with refuses(errno.EISDIR):
        os.rename(d / "f", d / "folder")
    with refuses(errno.ENOTDIR):
        os.rename(d / "folder", d / "f")
    assert d.names() == ["f", "folder"]


@check
def rename_into_itself(d):
    (d / "x/y").mkdir(parents=True)
    with refuses(errno.EINVAL):
        os.rename(d / "x", d / "x/y/z")
    with refuses(errno.ENOTEMPTY, errno.EEXIST):
        os.rename(d / "x/y", d / "x")


@check
def rename_to_the_same_name(d):
    d.put("f", b"F")
    os.rename(d / "f", d / "f")
    assert d.stored("f") == b"F"


@check
def rename_of_what_is_not_there(d):
    d.put("f")
    for old, new, number in (("none", "x", errno.ENOENT), ("f", "none/x", errno.ENOENT),
                             ("f/x", "y", errno.ENOTDIR), ("f", "f/y", errno.ENOTDIR)):
        with refuses(number):
            os.rename(d / old, d / new)
    assert d.names() == ["f"]


@check
def rename_of_an_open_reader(d):
    data = some_bytes(200000)
    d.put("a", data)
    with d.open("a", os.O_RDONLY) as fd:
        head = os.read(fd, 1000)
        os.rename(d / "a", d / "b")
        while part := os.read(fd, 65536):
            head += part
    assert head == data


@check
def rename_of_a_dirty_file(d):
    with d.open("a") as fd:
        os.write(fd, b"one ")
        os.rename(d / "a", d / "b")
        os.write(fd, b"two")
        assert (d / "b").read_bytes() == b"one two"
    assert d.names() == ["b"] and d.stored("b") == b"one two"


@check
def rename_over_an_open_file(d):
    d.put("a", b"new")
    d.put("b", b"old content")
    with d.open("b") as fd:
        os.rename(d / "a", d / "b")
        assert os.pread(fd, 100, 0) == b"old content"
        os.pwrite(fd, b"OLD", 0)
        assert os.pread(fd, 100, 0) == b"OLD content" and os.fstat(fd).st_nlink == 0
    assert d.names() == ["b"] and d.stored("b") == b"new"


@check
def rename_above_an_open_file(d):
    (d / "x/y").mkdir(parents=True)
    with d.open("x/y/f") as fd:
        os.write(fd, b"one ")
        os.rename(d / "x", d / "z")
        os.write(fd, b"two")
        os.fsync(fd)
        os.write(fd, b" three")
    assert d.stored("z/y/f") == b"one two three"


@check
def rename_noreplace(d):
    d.put("a", b"A")
    d.put("b", b"B")
    with refuses(errno.EEXIST):
        renameat2(d / "a", d / "b", NOREPLACE)
    renameat2(d / "a", d / "c", NOREPLACE)
    assert d.stored("b") == b"B" and d.stored("c") == b"A" and d.names() == ["b", "c"]


@check(refused=errno.EINVAL)
def rename_exchange(d):
    d.put("a", b"A")
    d.put("b", b"B")
    renameat2(d / "a", d / "b", EXCHANGE)
    assert d.stored("a") == b"B" and d.stored("b") == b"A"


@check
def rename_ring(d):
    for n in range(3):
        d.put(f"f{n}", b"%d" % n)
    os.rename(d / "f0", d / "t")
    os.rename(d / "f1", d / "f0")
    os.rename(d / "f2", d / "f1")
    os.rename(d / "t", d / "f2")
    assert [d.stored(f"f{n}") for n in range(3)] == [b"1", b"2", b"0"]


@check
def rename_changes_case(d):
    d.put("name", b"x")
    os.rename(d / "name", d / "Name")
    assert d.names() == ["Name"]


@check
def names_of_both_cases(d):
    d.put("name", b"1")
    d.put("NAME", b"2")
    assert d.names() == ["NAME", "name"] and d.stored("name") == b"1"


@check
def renamed_in_parallel(d):
    def work(k):
        for n in range(10):
            d.put(f"{k}.tmp", b"%d" % n)
            os.replace(d / f"{k}.tmp", d / f"{k}")
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert d.names() == ["0", "1", "2", "3"] and d.stored("2") == b"9"


# folders


@check
def make_and_remove_folders(d):
    os.mkdir(d / "x")
    with refuses(errno.EEXIST):
        os.mkdir(d / "x")
    with refuses(errno.ENOENT):
        os.mkdir(d / "none/y")
    d.put("f")
    with refuses(errno.EEXIST):
        os.mkdir(d / "f")
    with refuses(errno.ENOTDIR):
        os.mkdir(d / "f/y")
    os.rmdir(d / "x")
    with refuses(errno.ENOENT):
        os.rmdir(d / "x")
    with refuses(errno.ENOTDIR):
        os.rmdir(d / "f")


@check
def rmdir_of_a_full_folder(d):
    (d / "x/y").mkdir(parents=True)
    with refuses(errno.ENOTEMPTY, errno.EEXIST):
        os.rmdir(d / "x")
    with refuses(errno.EINVAL):
        os.rmdir(f"{d}/x/.")
    with refuses(errno.ENOTEMPTY, errno.EEXIST, errno.EINVAL):
        os.rmdir(f"{d}/x/y/..")
    os.rmdir(d / "x/y")
    os.rmdir(d / "x")


@check
def rmdir_of_a_hidden_file(d):
    (d / "x").mkdir()
    (d / "x/.hidden").write_bytes(b"")
    with refuses(errno.ENOTEMPTY, errno.EEXIST):
        os.rmdir(d / "x")
    assert os.listdir(d / "x") == [".hidden"]


@check
def unlink_of_folders_and_nothing(d):
    (d / "x").mkdir()
    with refuses(errno.EISDIR, errno.EPERM):
        os.unlink(d / "x")
    with refuses(errno.ENOENT):
        os.unlink(d / "none")
    with refuses(errno.ENOTDIR):
        os.unlink(d.put("f") / "x")


@check
def trailing_slash(d):
    d.put("f")
    os.mkdir(f"{d}/x/")
    with refuses(errno.ENOTDIR):
        os.stat(f"{d}/f/")
    with refuses(errno.ENOTDIR):
        os.rename(d / "f", f"{d}/g/")
    with refuses(errno.ENOTDIR):
        os.unlink(f"{d}/f/")
    os.rename(f"{d}/x/", f"{d}/y/")
    os.rmdir(f"{d}/y/")


@check
def not_a_folder(d):
    d.put("f")
    for act in (os.stat, os.listdir, lambda p: os.open(p, os.O_RDONLY),
                lambda p: os.open(p, os.O_CREAT | os.O_WRONLY), os.mkdir, os.unlink):
        with refuses(errno.ENOTDIR):
            act(d / "f" / "x")


@check
def name_too_long(d):
    long = "n" * 256
    for act in (os.stat, os.mkdir, os.unlink, os.rmdir,
                lambda p: os.open(p, os.O_CREAT | os.O_WRONLY), lambda p: os.rename(p, d / "x")):
        with refuses(errno.ENAMETOOLONG):
            act(d / long)
    with refuses(errno.ENAMETOOLONG):
        os.stat(d / "/".join(["x" * 200] * 25))


@check
def longest_names(d):
    for name in ("n" * 255, "ü" * 127):
        d.put(name, b"x")
        assert (d / name).read_bytes() == b"x" and name in d.names()
        os.rename(d / name, d / (name[:-1] + "z"))
    (d / ("m" * 255)).mkdir()


@check
def deep_folders(d):
    path = d.path
    for n in range(DEEP):
        path = path / f"level{n}"
        os.mkdir(path)
    (path / "f").write_bytes(b"down here")
    assert (d.disk / path.relative_to(d.path) / "f").read_bytes() == b"down here"
    assert sum(len(files) for _, _, files in os.walk(d)) == 1


@check
def long_paths(d):
    """3500 bytes, by descriptors and whole."""
    fd = os.open(d, os.O_RDONLY | os.O_DIRECTORY)
    name = "p" * 200
    for _ in range(17):
        os.mkdir(name, dir_fd=fd)
        inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        os.close(fd)
        fd = inner
    file = os.open("f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd)
    os.write(file, b"x")
    os.close(file)
    os.close(fd)
    assert (d / "/".join([name] * 17) / "f").read_bytes() == b"x"


@check
def awkward_names(d):
    for name in AWKWARD_NAMES:
        if name not in NOT_EVERYWHERE:
            d.put(name, name.encode())
    want = sorted(name for name in AWKWARD_NAMES if name not in NOT_EVERYWHERE)
    assert d.names() == want
    for name in want:
        assert d.stored(name) == name.encode() == (d / name).read_bytes()


@check
def awkward_folders(d):
    for name in AWKWARD_NAMES:
        if name not in (*NOT_EVERYWHERE, "st*r"):  # ProFTPD: "Invalid directory name"
            (d / name / name).mkdir(parents=True)
            (d / name / name / name).write_bytes(b"x")
            os.rename(d / name / name, d / name / "renamed")
            assert (d / name / "renamed" / name).read_bytes() == b"x"


@check(without=("vsftpd", "pureftpd", "pyftpdlib"))  # HACKING.md, Known gaps: 0xFF
def bytes_that_are_not_utf8(d):
    name = os.fsencode(d) + b"/\xff\xfe latin \xe9"
    with open(name, "wb") as f:
        f.write(b"x")
    assert os.listdir(os.fsencode(d)) == [b"\xff\xfe latin \xe9"]
    assert os.listdir(os.fsencode(d.disk)) == [b"\xff\xfe latin \xe9"]


@check
def both_forms_of_an_accent(d):
    d.put("\u00e9", b"composed")
    d.put("e\u0301", b"decomposed")
    assert d.stored("\u00e9") == b"composed" and d.stored("e\u0301") == b"decomposed"
    assert len(d.names()) == 2


@check(without=("pureftpd",))
def control_characters(d):
    for n, name in enumerate(("tab\there", "bell\a", "esc\x1b[31m", "del\x7f")):
        d.put(name, b"%d" % n)
    assert len(d.names()) == 4 and d.stored("tab\there") == b"0"


# listings


@check
def listing_follows_changes(d):
    for n in range(5):
        d.put(f"f{n}")
        assert d.names() == [f"f{k}" for k in range(n + 1)]
    for n in range(5):
        os.unlink(d / f"f{n}")
        assert d.names() == [f"f{k}" for k in range(n + 1, 5)]


@check
def listing_of_many(d):
    for n in range(500):
        os.close(os.open(d / f"name {n:05}", os.O_CREAT | os.O_WRONLY))
    assert d.names() == [f"name {n:05}" for n in range(500)]
    with os.scandir(d) as entries:
        assert all(entry.is_file() for entry in entries)


@check
def listing_told_dots(d):
    (d / "x").mkdir()
    found = read_folder(d / "x")
    assert sorted(found) == [b".", b".."], found
    assert os.stat(d / "x/.").st_ino == os.stat(d / "x").st_ino
    assert os.stat(d / "x/..").st_ino == os.stat(d).st_ino


def folder_calls():
    class Entry(ctypes.Structure):
        _fields_ = [("ino", ctypes.c_ulong), ("off", ctypes.c_long), ("len", ctypes.c_ushort),
                    ("type", ctypes.c_ubyte), ("name", ctypes.c_char * 256)]
    lib = ctypes.CDLL(None)
    for name in ("opendir", "readdir"):
        getattr(lib, name).restype = ctypes.c_void_p
    lib.telldir.restype = ctypes.c_long

    def entry(stream):
        at = lib.readdir(ctypes.c_void_p(stream))
        return Entry.from_address(at).name if at else None

    def call(name, stream, *more):
        return getattr(lib, name)(ctypes.c_void_p(stream), *map(ctypes.c_long, more))
    return lambda path: lib.opendir(os.fsencode(path)), entry, call


def read_folder(path):
    opened, entry, call = folder_calls()
    stream, found = opened(path), []
    while name := entry(stream):
        found.append(name)
    call("closedir", stream)
    return found


@check
def tell_and_seek_in_a_folder(d):
    for n in range(60):
        d.put(f"f{n}", b"")
    opened, entry, call = folder_calls()
    stream, places = opened(d), []
    while True:
        at = call("telldir", stream)
        name = entry(stream)
        if not name:
            break
        places.append((at, name))
    assert len(places) == 62
    for at, name in (places[40], places[3], places[61], places[0]):
        call("seekdir", stream, at)
        assert entry(stream) == name
    call("closedir", stream)


@check
def rewind_a_folder(d):
    d.put("a", b"")
    opened, entry, call = folder_calls()
    stream = opened(d)
    while entry(stream):
        pass
    d.put("b", b"")
    call("rewinddir", stream)
    found = []
    while name := entry(stream):
        found.append(name)
    call("closedir", stream)
    assert sorted(found) == [b".", b"..", b"a", b"b"]


@check
def removed_while_listed(d):
    """rm -r: each name once, none left, although they go meanwhile."""
    for n in range(300):
        d.put(f"f{n}", b"")
    opened, entry, call = folder_calls()
    stream, seen = opened(d), []
    while name := entry(stream):
        if name not in (b".", b".."):
            os.unlink(d / name.decode())
            seen.append(name)
    call("closedir", stream)
    assert len(seen) == 300 == len(set(seen)) and d.names() == []


@check
def renamed_while_listed(d):
    for n in range(100):
        d.put(f"f{n}", b"")
    opened, entry, call = folder_calls()
    stream, seen = opened(d), []
    while name := entry(stream):
        seen.append(name)
        if name.startswith(b"f"):
            os.rename(d / name.decode(), d / name.decode().replace("f", "g"))
    call("closedir", stream)
    assert len(d.names()) == 100 and all(name[0] == "g" for name in d.names())
    assert len([name for name in seen if name.startswith(b"f")]) == 100


@check
def folder_descriptor(d):
    (d / "x").mkdir()
    fd = os.open(d / "x", os.O_RDONLY | os.O_DIRECTORY)
    file = os.open("f", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=fd)
    os.write(file, b"x")
    os.close(file)
    os.mkdir("sub", dir_fd=fd)
    os.rename("f", "sub/g", src_dir_fd=fd, dst_dir_fd=fd)
    assert os.stat("sub/g", dir_fd=fd).st_size == 1 and os.listdir(fd) == ["sub"]
    os.rename(d / "x", d / "y")
    os.unlink("sub/g", dir_fd=fd)
    os.rmdir("sub", dir_fd=fd)
    os.fsync(fd)
    os.close(fd)
    assert d.names() == ["y"]


@check
def working_folder(d):
    (d / "x").mkdir()
    os.chdir(d / "x")
    try:
        open("f", "wb").close()
        os.rename(d / "x", d / "y")
        assert os.getcwd() == str(d / "y") and os.listdir(".") == ["f"]
        os.unlink("f")
        os.rmdir(d / "y")
        with refuses(errno.ENOENT):
            os.getcwd()
        with refuses(errno.ENOENT):
            open("g", "wb").close()
        assert os.listdir(".") == []
    finally:
        os.chdir("/")


@check
def removed_folder_stays_open(d):
    (d / "x").mkdir()
    fd = os.open(d / "x", os.O_RDONLY | os.O_DIRECTORY)
    os.rmdir(d / "x")
    assert os.fstat(fd).st_nlink == 0 and os.listdir(fd) == []
    os.mkdir(d / "x")
    with refuses(errno.ENOENT):
        os.open("f", os.O_CREAT | os.O_WRONLY, dir_fd=fd)
    os.close(fd)


@check
def dots_in_paths(d):
    (d / "x/y").mkdir(parents=True)
    (d / "f").write_bytes(b"F")
    with open(f"{d}/x/./y/../../f", "rb") as f:
        assert f.read() == b"F"
    for name in (".", ".."):
        with refuses(errno.EEXIST):
            os.mkdir(f"{d}/x/{name}")
        with refuses(errno.EINVAL, errno.ENOTEMPTY, errno.EBUSY, errno.EEXIST):
            os.rmdir(f"{d}/x/{name}")
    with refuses(errno.EBUSY, errno.EINVAL):
        os.rename(f"{d}/x/.", d / "z")


@check
def made_in_parallel(d):
    def work(k):
        for n in range(10):
            os.mkdir(d / f"d{k}-{n}")
            (d / f"d{k}-{n}" / "f").write_bytes(b"x")
    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(d.names()) == 40 and len(list(d.disk.glob("*/f"))) == 40


@check
def made_and_removed_again(d):
    for n in range(20):
        d.put("f", b"%d" % n)
        assert d.stored("f") == b"%d" % n
        os.unlink(d / "f")
        assert not (d / "f").exists() and not (d.disk / "f").exists()
        os.mkdir(d / "f")
        os.rmdir(d / "f")


@check
def statx_and_mount_root(d):
    assert libc("access", d, 0) == 0
    assert os.path.ismount(d.path) is False
