# SPDX-License-Identifier: GPL-2.0-or-later
"""upload=auto|inplace|atomic: a failed upload must not cost the old bytes (interop #29)."""

import errno
import os
import re

import pytest

from content import MIB, some_bytes, write_file

TIMES = {"connect_timeout": 2, "io_timeout": 4, "retry": 1}
OLD = b"the old content\n" * 1000


def verbs(m, verb):
    return re.findall(rf"> ({verb} .*)", m.log_text())


@pytest.fixture
def traced(mount):
    return lambda server, **options: mount(server, loglevel="trace", **options)


def test_full_disk_keeps_the_old_file(own_server, each_kind, mount):
    server = own_server(each_kind.kind, tmpfs="2m")
    server.put("file", OLD)
    m = mount(server, io_timeout=4)
    with pytest.raises(OSError) as e:
        write_file(m / "file", some_bytes(6 * MIB))
    assert e.value.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO)
    assert server.disk("file").read_bytes() == OLD
    assert os.listdir(server.root) == ["file"]


def test_killed_server_keeps_the_old_file(own_server, each_kind, mount):
    mortal = own_server(each_kind.kind)
    mortal.put("file", OLD)
    m = mount(mortal, **TIMES)
    with pytest.raises(OSError):
        with open(m / "file", "wb", buffering=0) as f:
            f.write(some_bytes(4 * MIB))
            mortal.kill9()
    assert mortal.disk("file").read_bytes() == OLD


def test_replaced_whole_with_its_mode(each_kind, traced):
    path = each_kind.put("file", OLD)
    os.chmod(path, 0o640)
    m = traced(each_kind)
    write_file(m / "file", b"new")
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(each_kind.root) == ["file"]
    assert all(".ftpsfs-" in v for v in verbs(m, "STOR")) and verbs(m, "RNTO")


def test_new_files_need_no_second_name(each_kind, traced):
    m = traced(each_kind)
    write_file(m / "new", b"x")
    assert verbs(m, "STOR") == ["STOR /new"] and not verbs(m, "RNTO")


def test_inplace(each_kind, traced):
    path = each_kind.put("file", OLD)
    m = traced(each_kind, upload="inplace")
    write_file(m / "file", b"new")
    assert path.read_bytes() == b"new"
    assert verbs(m, "STOR") == ["STOR /file"] and not verbs(m, "RNTO")


def test_atomic_for_new_files_too(each_kind, traced):
    m = traced(each_kind, upload="atomic")
    write_file(m / "new", b"x")
    assert each_kind.disk("new").read_bytes() == b"x"
    assert verbs(m, "RNTO") == ["RNTO /new"]


def test_where_no_other_name_is_allowed(each_kind, mount):
    """A file that may be written in a folder that may not."""
    path = each_kind.put("d/file", OLD)
    os.chmod(each_kind.disk("d"), 0o555)
    m = mount(each_kind)
    write_file(m / "d/file", b"new")
    assert path.read_bytes() == b"new"
    assert os.listdir(each_kind.disk("d")) == ["file"]
    assert "in place" in m.log_text()
