# SPDX-License-Identifier: GPL-2.0-or-later
"""What each operation costs in round trips (see flights.py): no more than stands here.

The floors are those of the table of budgets (HACKING.md, "The benchmark"), where bandwidth costs
nothing. Whoever saves a round trip lowers the number.
"""

import os
import shutil
import subprocess

import pytest

from content import MIB, some_bytes, write_file
from flights import CLIENT, Line

LARGE = 8 * MIB
MANY, FEW = 300, 20
LONG_AGO = 1500000000

pytestmark = pytest.mark.limit(240)


@pytest.fixture
def line(own_server):
    """All files and folders have been there for long."""
    server = own_server("proftpd")
    server.put("small", some_bytes(3000))
    server.put("large", some_bytes(LARGE))
    server.put("conf", b"red\n")
    server.mkdir("empty")
    for n in range(MANY):
        server.put(f"many/f{n:03}", b"x")
    for n in range(FEW):
        server.put(f"small-files/f{n:02}", some_bytes(3000, n))
        server.put(f"tree/d{n:02}/file", b"x")
    for path in (server.root, *server.root.rglob("*")):
        os.utime(path, (LONG_AGO, LONG_AGO))
    made = Line(server)
    yield made
    made.close()


@pytest.fixture
def far(line, mount):
    """far(): a mount behind the line."""
    def make(**options):
        prepared = mount.prepare(line.server, f"{CLIENT}:/", tls_hostname="localhost",
                                 loglevel="trace", **options)
        line.watch(prepared)
        with line.counted(settle=False) as spent:
            done = prepared.run()
            assert done.returncode == 0, done.stderr
            os.stat(prepared)
        prepared.spent = spent
        return prepared
    return make


def at_most(spent, trips, line, **more):
    print("\n".join(line.journal))  # which pytest shows when the test fails
    assert spent.trips <= trips, f"{spent}, at most {trips}"
    for name, value in more.items():
        assert getattr(spent, name) <= value, f"{spent}, at most {value} {name}"


def nothing(spent):
    assert (spent.trips, spent.sent, spent.control, spent.data) == (0, 0, 0, 0), spent


def list_all(path):
    """What ls -l asks."""
    with os.scandir(path) as entries:
        return {entry.name: entry.stat().st_size for entry in entries}


def read(path, at=0, size=65536):
    with open(path, "rb", buffering=0) as f:
        return os.pread(f.fileno(), size, at)


# Each works on a fresh mount that has come to rest.

def cat(m):
    assert (m / "small").read_bytes() == some_bytes(3000)


def cat_deep(m):
    assert (m / "small-files/f07").read_bytes() == some_bytes(3000, 7)


def cat_many(m):
    for name in sorted(os.listdir(m / "small-files")):
        assert (m / "small-files" / name).read_bytes() == some_bytes(3000, int(name[1:]))


def ls(m):
    assert len(list_all(m / "many")) == MANY


def walk(m):
    """As find goes: a directory read, its children asked for, then each of those."""
    found = 0
    for name in sorted(os.listdir(m / "tree")):
        found += len(list_all(m / "tree" / name))
    assert found == FEW


def missing_one(m):
    assert not os.path.lexists(m / "many/nothing")


def missing_fifty(m):
    for n in range(50):
        assert not os.path.lexists(m / f"many/nothing{n}")


def stat_one(m):
    assert os.stat(m / "many/f007").st_size == 1


def stat_hundred(m):
    for n in range(100):
        assert os.stat(m / f"many/f{n:03}").st_size == 1


def ends(m):
    assert read(m / "large") == some_bytes(LARGE)[:65536]
    assert read(m / "large", LARGE - 65536) == some_bytes(LARGE)[-65536:]


def create(m):
    write_file(m / "empty/new", b"new")
    assert m.server.disk("empty/new").read_bytes() == b"new"


def create_ten(m):
    for n in range(10):
        write_file(m / f"empty/new{n}", b"new")
    assert len(os.listdir(m.server.disk("empty"))) == 10


def rewrite(m):
    write_file(m / "small", b"another")
    assert m.server.disk("small").read_bytes() == b"another"


def write_large(m):
    write_file(m / "empty/large", some_bytes(LARGE))
    assert m.server.disk("empty/large").read_bytes() == some_bytes(LARGE)


def append(m):
    with open(m / "small", "ab") as f:
        f.write(b"more")
    assert m.server.disk("small").read_bytes() == some_bytes(3000) + b"more"


def rename(m):
    os.rename(m / "small", m / "smaller")
    assert m.server.disk("smaller").exists()


def rename_ten(m):
    for n in range(10):
        os.rename(m / f"many/f{n:03}", m / f"many/g{n:03}")
    assert m.server.disk("many/g009").exists()


def remove(m):
    os.unlink(m / "small")
    assert not m.server.disk("small").exists()


def remove_tree(m):
    shutil.rmtree(m / "small-files")
    assert not m.server.disk("small-files").exists()


def make_directory(m):
    os.mkdir(m / "made")
    assert m.server.disk("made").is_dir()


def remove_directory(m):
    os.rmdir(m / "empty")
    assert not m.server.disk("empty").exists()


def modes_and_times(m):
    """As cp -p and tar do at the end of each file."""
    os.chmod(m / "small", 0o600)
    os.utime(m / "small", (LONG_AGO + 99, LONG_AGO + 99))
    there = m.server.disk("small").stat()
    assert (there.st_mode & 0o777, there.st_mtime) == (0o600, LONG_AGO + 99)


def copy_preserving(m):
    """cp -p of one new file: content, time and mode in as few flights as can be."""
    fd = os.open(m / "empty/copy", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    os.write(fd, b"copied")
    os.utime(fd, (LONG_AGO, LONG_AGO))
    os.fchmod(fd, 0o640)
    os.close(fd)
    there = m.server.disk("empty/copy").stat()
    assert (there.st_mode & 0o777, there.st_mtime) == (0o640, LONG_AGO)


def sed(m):
    subprocess.run(["sed", "-i", "s/red/blue/", m / "conf"], check=True)
    assert m.server.disk("conf").read_bytes() == b"blue\n"


# work: (round trips, the floor). Where connections work side by side, who comes first may differ
# from run to run: a few more are allowed there.
COSTS = {
    cat: (5, 2), cat_deep: (6, 3), cat_many: (66, 26), ls: (6, 2), walk: (110, 26),
    missing_one: (2, 1), missing_fifty: (8, 3), stat_one: (2, 1), stat_hundred: (8, 3),
    ends: (12, 4), create: (8, 3), create_ten: (56, 21), rewrite: (8, 3), write_large: (8, 3),
    append: (8, 3), rename: (3, 1), rename_ten: (18, 12), remove: (2, 1), remove_tree: (28, 23),
    make_directory: (2, 1), remove_directory: (2, 1), modes_and_times: (3, 2),
    copy_preserving: (8, 3), sed: (15, 8),
}


def test_mount(far, line):
    m = far()
    at_most(m.spent, 5, line, control=1)


def test_ls_right_after(far, line):
    m = far()
    with line.counted(settle=False) as spent:
        list_all(m)
    at_most(spent, 6, line)


def test_ls_again(far, line):
    m = far()
    ls(m)
    with line.counted() as spent:
        ls(m)
    nothing(spent)


@pytest.mark.parametrize("work", COSTS, ids=lambda work: work.__name__)
def test_cost(far, line, work):
    m = far()
    with line.counted() as spent:
        work(m)
    print(f"{work.__name__}: {spent}, at most {COSTS[work][0]}, floor {COSTS[work][1]}")
    at_most(spent, COSTS[work][0], line)
