# SPDX-License-Identifier: GPL-2.0-or-later
"""Directories of a hundred thousand names. FTPSFS_BIG=1: of a million."""

import os
import random
import re
import subprocess
import time
from pathlib import Path

import pytest

from conftest import get_server

MANY = 1000000 if os.environ.get("FTPSFS_BIG") == "1" else 100000


@pytest.fixture(params=["proftpd", "vsftpd"])
def full(request, bed, running, server_used):
    """A server with one large directory, `many`, filled on its disk and emptied again."""
    server = get_server(bed, running, server_used, request.param, "explicit")
    server.put("many/first", b"content")
    folder = server.disk("many")
    for n in range(MANY - 1):
        os.close(os.open(folder / f"file {n:07}", os.O_CREAT | os.O_WRONLY, 0o644))
    owner = os.stat(server.disk("many/first"))
    subprocess.run(["chown", "-R", f"{owner.st_uid}:{owner.st_gid}", folder], check=True)
    yield server
    subprocess.run(["rm", "-rf", folder], check=True)


def resident(m):
    status = Path(f"/proc/{m.pids()[0]}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def commands(m):
    return m.log_text().count(" > ")


@pytest.mark.limit(1200)
def test_many_names(full, mount):
    m = mount(full, dir_ttl=3600, loglevel="trace")
    before = resident(m)
    times = {}

    def timed(what, function):
        start = time.monotonic()
        result = function()
        times[what] = time.monotonic() - start
        return result

    assert len(timed("first listing", lambda: os.listdir(m / "many"))) == MANY
    cost = (resident(m) - before) / MANY
    sent = commands(m)
    assert len(timed("second listing", lambda: os.listdir(m / "many"))) == MANY
    found = timed("find -size", lambda: subprocess.run(
        ["find", m / "many", "-size", "+0"], capture_output=True, text=True, check=True).stdout)
    assert sorted(found.split("\n")) == ["", f"{m}/many", f"{m}/many/first"] or \
        sorted(found.split("\n")) == ["", f"{m}/many/first"]
    assert commands(m) == sent, "a command was sent for what is known"
    names = [f"file {n:07}" for n in range(MANY - 1)]
    random.Random(1).shuffle(names)

    def changes():
        for name in names[:300]:
            os.unlink(m / "many" / name)
        for name in names[300:600]:
            os.rename(m / "many" / name, m / "many" / ("new " + name))
        for n in range(100):
            (m / "many" / f"made {n}").write_bytes(b"x")

    timed("300 removed, 300 renamed, 100 made", changes)
    left = set(os.listdir(m / "many"))
    assert len(left) == MANY - 200
    assert left == set(os.listdir(full.disk("many")))
    print(f"{full.kind}: {MANY} names, {cost:.0f} bytes each resident;",
          ", ".join(f"{what}: {seconds:.2f} s" for what, seconds in times.items()))


def test_bounded_memory(proftpd, mount):
    """dir_cache_max: what was not used for longest goes, and comes back when asked for."""
    for d in range(20):
        for n in range(200):
            proftpd.put(f"{d:02}/{n:03}", b"x" * d)
    m = mount(proftpd, dir_cache_max=1000, dir_ttl=3600, loglevel="trace")
    for _ in range(2):
        for d in range(20):
            assert len(os.listdir(m / f"{d:02}")) == 200
    for d in range(20):
        assert os.stat(m / f"{d:02}/100").st_size == d
    sent = m.log_text().count(" > MLSD")
    assert sent >= 35, "nothing was thrown away"
    # what is open stays what it is
    with open(m / "05/007", "rb") as f:
        number = os.fstat(f.fileno()).st_ino
        for d in range(20):
            os.listdir(m / f"{d:02}")
        assert os.fstat(f.fileno()).st_ino == number
        assert os.stat(m / "05/007").st_ino == number
        assert f.read() == b"x" * 5
    # the last one is still there
    sent = m.log_text().count(" > MLSD")
    assert len(os.listdir(m / "19")) == 200
    assert m.log_text().count(" > MLSD") == sent
