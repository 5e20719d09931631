# SPDX-License-Identifier: GPL-2.0-or-later
"""Ordinary programs at work in a mount; the verdict is read off the server's own disk."""

import os
import shutil
import stat
import sys
import time

import pytest

from conftest import get_server
from content import KIB, MIB, some_bytes, write_file
from programs import (LONG_AGO, assert_same, modes, program, run, shell, small_tree,
                      times)


@pytest.fixture(params=["proftpd", "vsftpd"])
def server(request, bed, running, server_used):
    """The world of MLSD and that of LIST."""
    return get_server(bed, running, server_used, request.param, "explicit")


# git


def make_repository(folder):
    run("git", "init", "-q", "-b", "main", folder)
    for n in range(20):
        (folder / f"d{n % 4}").mkdir(exist_ok=True)
        (folder / f"d{n % 4}/file{n}").write_bytes(some_bytes(5000 + n, n))
    run("git", "add", ".", cwd=folder)
    run("git", "commit", "-qm", "first", cwd=folder)
    return folder


@pytest.mark.limit(180)
def test_git(server, mount, tmp_path):
    """Clone, commit, branch, gc, fsck, push; the server's disk holds a sound repository."""
    program("git")
    origin = make_repository(tmp_path / "origin")
    m = mount(server)
    work = m / "work"
    run("git", "clone", "-q", f"file://{origin}", work)
    assert run("git", "status", "--porcelain", cwd=work) == ""
    (work / "d0/file0").write_bytes(b"changed\n")
    (work / "new file").write_bytes(some_bytes(100000))
    run("git", "rm", "-q", "d1/file1", cwd=work)
    run("git", "add", "-A", cwd=work)
    run("git", "commit", "-qm", "second", cwd=work)
    run("git", "checkout", "-qb", "side", "HEAD~1", cwd=work)
    assert (work / "d1/file1").read_bytes() == some_bytes(5001, 1)
    run("git", "merge", "-q", "main", cwd=work)
    run("git", "gc", "-q", "--prune=now", cwd=work)
    run("git", "fsck", "--full", "--strict", cwd=work)
    assert run("git", "status", "--porcelain", cwd=work) == ""
    bare = m / "bare.git"
    run("git", "init", "-q", "--bare", "-b", "main", bare)
    run("git", "push", "-q", f"file://{bare}", "main", cwd=work)

    disk = server.disk("work")
    assert not list(disk.rglob("*.lock"))
    run("git", "fsck", "--full", "--strict", cwd=disk)
    run("git", "fsck", "--full", "--strict", cwd=server.disk("bare.git"))
    assert run("git", "log", "--format=%s", cwd=disk).split() == ["second", "first"]
    assert_same(disk, work)
    shutil.copytree(disk, tmp_path / "copy")  # git clones nothing that others own
    run("git", "clone", "-q", tmp_path / "copy", tmp_path / "back")
    assert (tmp_path / "back/new file").read_bytes() == some_bytes(100000)


# copying


def assert_nothing_to_do(said, server):
    """The lines of rsync -i. vsftpd cannot set the time of a folder."""
    lines = [line for line in said.splitlines() if line]
    if server.kind == "vsftpd":
        lines = [line for line in lines if not line.startswith(".d..t...... ")]
    assert lines == []


@pytest.mark.limit(180)
def test_rsync(server, mount, tmp_path):
    program("rsync")
    local = small_tree(tmp_path / "tree")
    m = mount(server)
    run("rsync", "-a", f"{local}/", m / "copy/")
    disk = server.disk("copy")
    assert_same(disk, local)
    assert times(disk) == times(local)
    assert modes(disk) == modes(local)
    assert run("rsync", "-ai", f"{local}/", m / "copy/") == "", "the second run found work"
    assert run("rsync", "-aci", f"{local}/", m / "copy/") == "", "by checksum, too"

    m.unmount()
    m = mount(server)
    assert_nothing_to_do(run("rsync", "-ai", f"{local}/", m / "copy/"), server)
    (local / "plain/changed").write_bytes(b"new")
    next(path for path in sorted((local / "plain").iterdir()) if path.name[:4] == "file").unlink()
    said = run("rsync", "-ai", "--delete", f"{local}/", m / "copy/")
    assert said.count(">f") == 1 and said.count("*deleting") == 1, said
    assert_same(disk, local)
    run("rsync", "-a", "--inplace", "--no-whole-file", f"{local}/", m / "second/")
    assert_same(server.disk("second"), local)
    run("rsync", "-a", f"{m}/copy/", tmp_path / "back/")
    assert_same(tmp_path / "back", local)
    assert times(tmp_path / "back") == times(local)

    m.unmount()
    m = mount(server, dir_ttl=0)
    assert_nothing_to_do(run("rsync", "-ai", f"{local}/", m / "copy/"), server)


@pytest.mark.parametrize("delta", ["--inplace", "--append-verify", "--partial"])
def test_rsync_changes_a_big_file(server, mount, tmp_path, delta):
    program("rsync")
    data = some_bytes(3 * MIB)
    m = mount(server)
    write_file(m / "big", data)
    changed = data + b"more" if delta == "--append-verify" else (
        data[:MIB] + b"in the middle" + data[MIB + 100:])
    (tmp_path / "big").write_bytes(changed)
    run("rsync", "-a", "--no-whole-file", delta, tmp_path / "big", m / "big")
    assert server.disk("big").read_bytes() == changed
    assert os.listdir(server.root) == ["big"]


def test_tar(server, mount, tmp_path):
    """Out of the mount and into it, with times and modes."""
    local = small_tree(tmp_path / "tree")
    m = mount(server)
    run("tar", "-cf", m / "tree.tar", "-C", local, ".")
    run("tar", "-cf", tmp_path / "tree.tar", "-C", local, ".")
    assert server.disk("tree.tar").read_bytes() == (tmp_path / "tree.tar").read_bytes()
    (m / "out").mkdir()
    run("tar", "-xpf", m / "tree.tar", "-C", m / "out")
    assert_same(server.disk("out"), local)
    assert times(server.disk("out")) == times(local)
    assert modes(server.disk("out")) == modes(local)
    run("tar", "-czf", m / "back.tgz", "-C", m / "out", ".")
    (tmp_path / "back").mkdir()
    run("tar", "-xpzf", server.disk("back.tgz"), "-C", tmp_path / "back")
    assert_same(tmp_path / "back", local)
    assert times(tmp_path / "back") == times(local)
    run("tar", "-df", m / "tree.tar", "-C", m / "out")  # tar's own comparison
    run("tar", "-rf", m / "tree.tar", "-C", tmp_path, "back/plain")
    assert "back/plain/" in run("tar", "-tf", server.disk("tree.tar"))


def test_cp(server, mount, tmp_path):
    local = small_tree(tmp_path / "tree")
    m = mount(server)
    run("cp", "-a", local, m / "a")
    assert_same(server.disk("a"), local)
    assert times(server.disk("a")) == times(local)
    run("cp", "-a", m / "a", m / "b")
    assert_same(server.disk("b"), local)
    assert times(server.disk("b")) == times(local)
    run("mv", m / "b", m / "c")
    run("mv", m / "c", tmp_path / "moved")  # another file system: copy and remove
    assert_same(tmp_path / "moved", local)
    assert times(tmp_path / "moved") == times(local)
    run("rm", "-r", m / "a")
    assert os.listdir(server.root) == []


def test_cp_sparse(server, mount, tmp_path):
    holes = tmp_path / "holes"
    with open(holes, "wb") as f:
        f.seek(2 * MIB)
        f.write(b"middle")
        f.truncate(5 * MIB)
    m = mount(server)
    for how in ("always", "never", "auto"):
        run("cp", f"--sparse={how}", holes, m / how)
        assert server.disk(how).read_bytes() == holes.read_bytes()
    run("cp", "--sparse=always", m / "never", m / "again")
    assert server.disk("again").read_bytes() == holes.read_bytes()
    run("install", "-D", "-m", "600", holes, m / "x/y/installed")
    assert stat.S_IMODE(server.disk("x/y/installed").stat().st_mode) == 0o600


def test_zip(server, mount, tmp_path):
    program("zip")
    program("unzip")
    local = small_tree(tmp_path / "tree")
    m = mount(server)
    run("cp", "-a", local, m / "tree")
    run("zip", "-qr", "tree.zip", "tree", cwd=m)
    run("unzip", "-tq", server.disk("tree.zip"))
    run("zip", "-q", "tree.zip", "tree/plain", "-d", cwd=m, status=(0, 12))
    (m / "more").write_bytes(some_bytes(70000))
    run("zip", "-q", "tree.zip", "more", cwd=m)  # rewrites the archive
    (m / "out").mkdir()
    run("unzip", "-q", "tree.zip", "-d", "out", cwd=m)
    assert server.disk("out/more").read_bytes() == some_bytes(70000)
    assert_same(server.disk("out/tree"), local)
    assert not [name for name in os.listdir(server.root) if name.startswith("zi")]


@pytest.mark.parametrize("packer", ["gzip", "bzip2", "xz"])
def test_compress_in_place(server, mount, packer):
    program(packer)
    m = mount(server)
    data = some_bytes(100000) * 5
    write_file(m / "file", data)
    os.utime(m / "file", (LONG_AGO, LONG_AGO))
    run(packer, m / "file")
    packed = os.listdir(server.root)
    assert len(packed) == 1 and packed[0] != "file"
    assert int(server.disk(packed[0]).stat().st_mtime) == LONG_AGO
    run(packer, "-t", server.disk(packed[0]))
    run(packer, "-d", m / packed[0])
    assert os.listdir(server.root) == ["file"]
    assert server.disk("file").read_bytes() == data
    assert int(server.disk("file").stat().st_mtime) == LONG_AGO


# building


MAKEFILE = """\
program: main.o part.o libmore.a
\t$(CC) -o $@ main.o part.o -L. -lmore
libmore.a: more.o
\tar rcsD $@ $^
main.o part.o more.o: common.h
clean:
\trm -f program *.o *.a
"""


def make_project(folder):
    folder.mkdir()
    (folder / "Makefile").write_text(MAKEFILE)
    (folder / "common.h").write_text("#define N 1\nint part(void);\nint more(void);\n")
    (folder / "main.c").write_text(
        '#include <stdio.h>\n#include "common.h"\n'
        'int main(void) { printf("%d\\n", N + part() + more()); return 0; }\n')
    (folder / "part.c").write_text('#include "common.h"\nint part(void) { return 10 * N; }\n')
    (folder / "more.c").write_text('#include "common.h"\nint more(void) { return 100 * N; }\n')


def date(folder, when):
    for path in folder.iterdir():
        os.utime(path, (when, when))


@pytest.mark.limit(120)
def test_make(server, mount, tmp_path):
    """Objects, a library, a program that runs from the mount; dates that make believes."""
    program("make")
    program("gcc", "cc")
    now = int(time.time())
    m = mount(server)
    for folder in (m / "project", tmp_path / "project"):
        make_project(folder)
        date(folder, now - 7200)
        run("make", "-s", "-j2", cwd=folder)
        assert run("./program", cwd=folder) == "111\n"
        assert "up to date" in run("make", cwd=folder)
        date(folder, now - 3600)
        (folder / "common.h").write_text("#define N 2\nint part(void);\nint more(void);\n")
        assert run("make", cwd=folder).count(" -c ") == 3
        assert run("./program", cwd=folder) == "222\n"
    assert_same(server.disk("project"), tmp_path / "project")
    assert os.access(server.disk("project/program"), os.X_OK)
    run("make", "-s", "clean", cwd=m / "project")
    assert sorted(os.listdir(server.disk("project"))) == [
        "Makefile", "common.h", "main.c", "more.c", "part.c"]


def test_python(server, mount):
    """Byte code is written beside the source and believed; a venv of copies runs."""
    m = mount(server)
    (m / "package").mkdir()
    for n in range(10):
        (m / f"package/m{n}.py").write_text(f"VALUE = {n}\n")
    run(sys.executable, "-m", "compileall", "-q", "package", cwd=m)
    assert len(os.listdir(server.disk("package/__pycache__"))) == 10
    said = run(sys.executable, "-v", "-c", "import package.m3 as p; print('value', p.VALUE)", cwd=m)
    cached = f"code object from '{m}/package/__pycache__/m3."
    assert "value 3" in said and cached in said and f"'{m}/package/m3.py'" not in said
    os.makedirs(m / "venv/lib64")  # else venv makes a link, which FTP cannot
    run("/usr/bin/python3", "-m", "venv", "--copies", "--without-pip", m / "venv")
    assert run(m / "venv/bin/python", "-c", "import sys, json; print(sys.prefix)") == f"{m}/venv\n"
    assert_same(server.disk("venv"), m / "venv")


# blocks, lines, dates


def test_dd(server, mount, tmp_path):
    (tmp_path / "in").write_bytes(some_bytes(300000))
    m = mount(server)
    for top in (m.point, tmp_path):
        (top / "file").write_bytes(some_bytes(MIB, 1))
        for words in ("bs=1000 seek=100 conv=notrunc", "bs=4k seek=3 count=1 conv=notrunc",
                      "bs=64k oflag=append conv=notrunc", "bs=1 count=5 seek=7 conv=notrunc,fsync",
                      "bs=100k seek=20 conv=notrunc", "bs=32k skip=2 seek=1 conv=notrunc,sparse"):
            run("dd", "status=none", f"if={tmp_path}/in", f"of={top}/file", *words.split())
        run("dd", "status=none", f"if={tmp_path}/in", f"of={top}/cut", "bs=10k", "count=3")
        run("dd", "status=none", "if=/dev/null", f"of={top}/cut", "bs=1", "seek=12345")
    for name in ("file", "cut"):
        assert server.disk(name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_sort(server, mount, tmp_path):
    (tmp_path / "lines").write_text("".join(f"{n:07}\n" for n in range(200000)))
    m = mount(server)
    run("shuf", tmp_path / "lines", "-o", m / "lines")
    assert server.disk("lines").read_bytes() != (tmp_path / "lines").read_bytes()
    run("sort", "-S", "512K", "-T", m.point, "-o", m / "lines", m / "lines")
    assert server.disk("lines").read_bytes() == (tmp_path / "lines").read_bytes()
    shell("sort -r lines | uniq | tac | tee again | wc -l > count", m)
    assert server.disk("again").read_bytes() == (tmp_path / "lines").read_bytes()
    assert server.disk("count").read_text() == "200000\n"
    assert sorted(os.listdir(server.root)) == ["again", "count", "lines"]


def test_split(server, mount):
    data = some_bytes(3 * MIB + 77)
    m = mount(server)
    write_file(m / "whole", data)
    shell("split -b 300K -d whole part; cat part* > joined; cmp whole joined;"
          " sha256sum whole part* > sums; sha256sum --quiet -c sums", m)
    assert server.disk("joined").read_bytes() == data
    assert len(list(server.root.glob("part*"))) == 11
    shell("sha256sum --quiet -c sums", server.root)


def test_dates(server, mount):
    m = mount(server)
    for n, name in enumerate(("first", "second", "third")):
        (m / name).write_bytes(b"x")
        run("touch", "-d", f"@{LONG_AGO + n}", m / name)
    assert int(server.disk("second").stat().st_mtime) == LONG_AGO + 1
    assert run("find", ".", "-type", "f", "-newer", "second", cwd=m) == "./third\n"
    run("touch", "-r", "first", "third", cwd=m)
    assert run("find", ".", "-type", "f", "-newer", "first", cwd=m) == "./second\n"
    found = run("find", ".", "-type", "f", "-not", "-newermt", f"@{LONG_AGO}", cwd=m)
    assert sorted(found.split()) == ["./first", "./third"]
    run("touch", "-c", m / "none")
    assert not server.disk("none").exists()
    run("touch", m / "new")
    assert abs(server.disk("new").stat().st_mtime - time.time()) < 5
    run("touch", m / "first")
    assert abs(server.disk("first").stat().st_mtime - time.time()) < 5
    run("cp", "-p", m / "second", m / "kept")
    assert int(server.disk("kept").stat().st_mtime) == LONG_AGO + 1


FIO = {"write": ("--rw=write", "--bs=64k"), "randwrite": ("--rw=randwrite", "--bs=4k"),
       "randrw": ("--rw=randrw", "--bs=8k"), "mixed": ("--rw=randwrite", "--bsrange=512-64k"),
       "mmap": ("--rw=randwrite", "--bs=4k", "--ioengine=mmap"),
       "fsync": ("--rw=write", "--bs=128k", "--fsync=8")}


@pytest.mark.limit(120)
@pytest.mark.parametrize("how", FIO)
def test_fio(server, mount, how):
    """Blocks with checksums, read back through a second mount and on the server's disk."""
    program("fio")
    size = 8 * MIB if how in ("write", "fsync") else MIB  # random reads cost a command each
    words = ["fio", "--name=job", "--filename=data", f"--size={size}", "--verify=crc32c",
             "--fallocate=none", "--verify_fatal=1", "--thread", "--randseed=7",
             "--ioengine=psync", *FIO[how]]
    m = mount(server)
    run(*words, "--do_verify=1", cwd=m)
    assert server.disk("data").read_bytes() == (m / "data").read_bytes()
    assert server.disk("data").stat().st_size <= size
    if how != "randrw":  # which blocks it wrote only its own run knows
        run(*words, "--verify_only", cwd=mount(server))
        run(*words, "--verify_only", cwd=server.root)


def test_what_ftp_cannot(server, mount):
    """Refused with an error that programs know, and nothing is left behind."""
    m = mount(server)
    (m / "file").write_bytes(b"x")
    with pytest.raises(PermissionError):
        os.link(m / "file", m / "hard")
    with pytest.raises(PermissionError):
        os.mkfifo(m / "fifo")
    with pytest.raises(PermissionError):
        os.chown(m / "file", 12345, 12345)
    assert os.listdir(server.root) == ["file"]


def test_many_small_files(server, mount, tmp_path):
    """A tree made, searched, renamed and removed by the usual tools."""
    m = mount(server)
    shell("mkdir -p t/{a,b,c}/{x,y}; for d in t/*/*; do for n in 1 2 3 4 5; do"
          " echo $d $n > $d/$n; done; done", m)
    assert shell("find t -type f | wc -l", m) == "30\n"
    assert shell("grep -rl 'b/y 3' t", m) == "t/b/y/3\n"
    shell("find t -name 4 -delete; mv t/a t/z; find t -name '*[13]' -exec mv {} {}.txt ';'", m)
    local = tmp_path / "t"
    shell("mkdir -p t/{a,b,c}/{x,y}; for d in t/*/*; do for n in 1 2 3 4 5; do"
          " echo $d $n > $d/$n; done; done; find t -name 4 -delete; mv t/a t/z;"
          " find t -name '*[13]' -exec mv {} {}.txt ';'", tmp_path)
    assert_same(server.disk("t"), local)
    assert shell("du -sb t/b/x | cut -f1", m) != "0\n"
    run("rm", "-r", m / "t")
    assert os.listdir(server.root) == []


def test_big_file_in_small_writes(server, mount):
    """stdio of a compiler or a dump: thousands of small writes make one file."""
    m = mount(server)
    with open(m / "dump", "wb", buffering=0) as f:
        for n in range(8 * KIB):
            f.write(b"%08d-------\n" % n * 8)
    assert server.disk("dump").read_bytes() == b"".join(
        b"%08d-------\n" % n * 8 for n in range(8 * KIB))
