# SPDX-License-Identifier: GPL-2.0-or-later
"""Data connections opened ahead: the same bytes with and without them, on every server."""

import os
import re
import time

import pytest

import content


def events(m):
    """The verbs that were sent, and which replies came between."""
    return re.findall(r"#\d+ ([<>]) (\S+)", m.log.read_text(errors="replace"))


def asked_ahead(m):
    """Whether a connection's last transfer has left the port for another one behind it."""
    sent = re.findall(r"#(\d+) > (EPSV|PASV|RETR|MLSD|LIST|STOR)",
                      m.log.read_text(errors="replace"))
    last = dict(sent)  # the last verb of each connection
    return "EPSV" in last.values() or "PASV" in last.values()


@pytest.mark.parametrize("prewarm", ["yes", "no"])
def test_files_and_listings(each_kind, mount, prewarm):
    files = {f"f{i:02}": content.some_bytes(1 + i * 3001, i) for i in range(12)}
    for name, data in files.items():
        each_kind.put(f"d/{name}", data)
    m = mount(each_kind, prewarm=prewarm, loglevel="trace", max_conns=2)
    for _ in range(2):
        for name, data in files.items():
            assert (m / "d" / name).read_bytes() == data
    assert sorted(os.listdir(m / "d")) == sorted(files)
    for i in range(6):
        (m / f"new{i}").write_bytes(content.some_bytes(5000 + i, i))
    for i in range(6):
        assert each_kind.disk(f"new{i}").read_bytes() == content.some_bytes(5000 + i, i)
    assert asked_ahead(m) == (prewarm == "yes")
    assert "error: " not in m.log.read_text(errors="replace")


def test_seeks_with_warm_connections(each_kind, mount):
    data = content.some_bytes(3 << 20, 7)
    each_kind.put("big", data)
    m = mount(each_kind, prewarm="yes", max_conns=2)
    with open(m / "big", "rb", buffering=0) as f:
        for at in (0, 2 << 20, 100, (3 << 20) - 10, 1 << 20):
            assert os.pread(f.fileno(), 4096, at) == data[at:at + 4096]
    assert (m / "big").read_bytes() == data


def test_idle_ones_are_let_go(proftpd, mount):
    """A port of the server is not held for ever, and the next transfer does not mind."""
    proftpd.put("a", b"a")
    proftpd.put("b", b"b")
    m = mount(proftpd, prewarm="yes", max_conns=1, loglevel="trace")
    assert (m / "a").read_bytes() == b"a"
    time.sleep(12)
    assert (m / "b").read_bytes() == b"b"
    retr = [i for i, e in enumerate(events(m)) if e == (">", "RETR")]
    assert (">", "EPSV") in events(m)[retr[0] + 3:retr[1]]
