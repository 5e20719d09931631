# SPDX-License-Identifier: GPL-2.0-or-later
"""What the benchmark does, a row each: what stands on the server before, what is timed, and what
it may cost in round trips.

Rows do what people type; what they find is compared with the server's own disk."""

import os
import random
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from content import MIB, some_bytes, write_file

BIG = 32 * MIB
LONG_AGO = 1500000000
SETTLE = 1.0  # seconds between the mount and what is timed, unless a row comes "right after"
SMALL = 3000  # bytes of a small file


class Wrong(Exception):
    """The work was done, and the result is not what it should be."""


class Field:
    """Where a row works: point, the mount; disk, the server's own view of it."""

    def __init__(self, point, disk):
        self.point, self.disk = point, disk

    def same(self, got, name):
        if got != (self.disk / name).read_bytes():
            raise Wrong(f"{name} differs")
        return len(got)


def run(*argv, cwd=None):
    done = subprocess.run([str(word) for word in argv], cwd=cwd, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise Wrong(lines[-1] if lines else f"{argv[0]}: exit {done.returncode}")
    return done.stdout


def expect(got, want, what):
    if got != want:
        raise Wrong(f"{what}: {got}, not {want}")


def populate(server):
    """What the rows find on the server, all of it long there: what is as young as a mount is not
    trusted to stand still. Each row that changes something has a part of its own."""
    def put(path, data):
        server.put(path, data, mtime=LONG_AGO)
    put("small.txt", some_bytes(SMALL))
    put("sed.conf", b"colour = red\n" * 50)
    put("big.bin", some_bytes(BIG))
    for folder, count, size in (("entries", 1000, 20), ("cats", 100, SMALL), ("gone", 20, 20),
                                ("rename", 20, 20), ("rm", 30, 20)):
        for n in range(count):
            put(f"{folder}/file{n:04}", some_bytes(size, n))
    for a in range(10):
        for b in range(10):
            for n in range(3):
                put(f"tree/a{a}/b{b}/file{n}", some_bytes(900 * n, n))
    server.mkdir("create")
    for path in (server.root, *server.root.rglob("*")):
        if path.is_dir():
            os.utime(path, (LONG_AGO, LONG_AGO))


def ls_root(f):
    lines = run("ls", "-l", f.point).splitlines()
    expect(len(lines) - 1, len(os.listdir(f.disk)), "names in /")


def ls_1000(f):
    expect(len(run("ls", "-l", f.point / "entries").splitlines()) - 1, 1000, "names")


def cat_one(f):
    f.same(run("cat", f.point / "small.txt"), "small.txt")


def cat_100(f):
    got = run("sh", "-c", "cat cats/*", cwd=f.point)
    want = b"".join(p.read_bytes() for p in sorted((f.disk / "cats").iterdir()))
    expect(got == want, True, "contents equal")


def cat_100_at_once(f):
    names = [f"cats/{name}" for name in sorted(os.listdir(f.point / "cats"))]
    expect(len(names), 100, "names")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: f.same((f.point / name).read_bytes(), name), names))


def find(f):
    # -size asks for every file's attributes, as -type would not
    words = ("find", "tree", "-type", "f", "-size", "+2")
    expect(len(run(*words, cwd=f.point).splitlines()), 100, "files found")


def du(f):
    expect(len(run("du", "tree", cwd=f.point).splitlines()), 111, "directories")


def missing(f):
    for n in range(50):
        if os.path.lexists(f.point / "gone" / f"nothing{n}"):
            raise Wrong("a name that is not there was found")


def read_big(f):
    run("cmp", f.point / "big.bin", f.disk / "big.bin")
    return BIG


def reread_before(f):
    read_big(f)
    time.sleep(4)  # attributes are taken on trust for 3 s


def random_reads(f):
    rng = random.Random(7)
    with open(f.point / "big.bin", "rb", buffering=0) as there, \
            open(f.disk / "big.bin", "rb") as here:
        for _ in range(50):
            at = rng.randrange(BIG // 4096) * 4096
            expect(os.pread(there.fileno(), 4096, at) == os.pread(here.fileno(), 4096, at), True,
                   f"4096 bytes at {at} equal")


def ends(f):
    with open(f.point / "big.bin", "rb", buffering=0) as there, \
            open(f.disk / "big.bin", "rb") as here:
        for at in (0, BIG - 65536):
            got = b""
            while len(got) < 65536:
                piece = os.pread(there.fileno(), 65536 - len(got), at + len(got))
                if not piece:
                    raise Wrong(f"the file ends at {at + len(got)}")
                got += piece
            expect(got == os.pread(here.fileno(), 65536, at), True, f"64 KiB at {at} equal")


def write_big(f):
    data = (f.disk / "big.bin").read_bytes()
    write_file(f.point / "written.bin", data)
    return f.same(data, "written.bin")


def create(f):
    for n in range(50):
        write_file(f.point / f"create/new{n}", some_bytes(SMALL, n))
        f.same(some_bytes(SMALL, n), f"create/new{n}")


def rename(f):
    run("sh", "-ec", "for f in rename/*; do mv $f $f.old; done", cwd=f.point)
    expect(all(name.endswith(".old") for name in os.listdir(f.disk / "rename")), True, "renamed")


def remove(f):
    run("rm", "-r", f.point / "rm")
    expect((f.disk / "rm").exists(), False, "still there")


def sed(f):
    run("sed", "-i", "s/red/blue/", f.point / "sed.conf")
    expect((f.disk / "sed.conf").read_bytes(), b"colour = blue\n" * 50, "content")


class Row:
    """before: done on the same mount, not timed. settle: whether the mount may come to rest first.
    file: (get or put, name), for clients that move single files."""

    def __init__(self, name, what, floor, budget, work, **more):
        self.name, self.what, self.floor, self.budget, self.work = name, what, floor, budget, work
        self.before = more.get("before")
        self.settle = more.get("settle", True)
        self.file = more.get("file")
        self.conns = more.get("conns", 4)

    def on(self, conns):
        return Row(f"{self.name}/{conns}c", f"{self.what}, {conns} connections", "50-56", 65,
                   self.work, conns=conns)


MANY = [
    Row("cat100", "cat of 100 small files", "100", 115, cat_100),
    Row("cat100x8", "the same, 8 at once", "100", 115, cat_100_at_once),
    Row("find", "find -size over 111 directories", "111", 125, find),
    Row("du", "du over the same", "111", 125, du),
]

# The first row times the mount itself.
ROWS = [
    Row("mount", "mount, until it answers", "5+", 8, None),
    Row("ls", "ls -l / right after", "0-2", 3, ls_root, settle=False),
    Row("ls1000", "ls -l of 1000 entries", "5-6", 7, ls_1000),
    Row("ls-again", "the same again within the ttl", "0", 0, ls_1000, before=ls_1000),
    Row("cat", "cat of one small file, cold", "2", 3, cat_one, file=("get", "small.txt")),
    *MANY,
    *[row.on(8) for row in MANY],
    Row("missing", "50 names that do not exist", "1 list", 7, missing),
    Row("read", "32 MiB sequential, compared", "34", 36, read_big, file=("get", "big.bin")),
    Row("reread", "the same again, unchanged", "1", 2, read_big, before=reread_before),
    Row("random", "50 random 4 KiB reads in it", "34", 42, random_reads),
    Row("ends", "first and last 64 KiB of it", "4", 8, ends),
    Row("write", "write 32 MiB, close() confirmed", "34", 38, write_big,
        file=("put", "written.bin")),
    Row("create", "create 50 small files, confirmed", "100", 120, create),
    Row("rename", "rename 20", "20 + list", 24, rename),
    Row("rm", "rm -r of 30 files", "31", 36, remove),
    Row("sed", "sed -i on one file, confirmed", "8", 10, sed),
]
