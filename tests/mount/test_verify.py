# SPDX-License-Identifier: GPL-2.0-or-later
"""verify=hash|no: digests compared after uploads, or nothing."""

import os

import pytest

from content import MIB, some_bytes, write_file


@pytest.mark.parametrize("upload", ["inplace", "atomic"])
def test_hash(proftpd, mount, upload):
    m = mount(proftpd, verify="hash", upload=upload, loglevel="trace")
    for n, size in enumerate((0, 5, MIB + 1, 20 * MIB)):
        write_file(m / f"file {n}", some_bytes(size))
        assert proftpd.disk(f"file {n}").read_bytes() == some_bytes(size)
    # Within a second and of one size: of a name that stays ProFTPD answers from memory, and the
    # file is sent again.
    for seed in range(3):
        write_file(m / "file 1", some_bytes(5, seed))
        assert proftpd.disk("file 1").read_bytes() == some_bytes(5, seed)
    log = m.log_text()
    assert log.count("> HASH /") >= 7
    assert "verify=hash" not in log and "given up" not in log
    assert upload == "inplace" or "has other bytes" not in log


def test_hash_of_appends(proftpd, mount):
    proftpd.put("old", b"first\n")
    m = mount(proftpd, verify="hash", loglevel="trace")
    with open(m / "new", "wb") as f:
        f.write(b"first\n")
    for name in ("old", "new"):
        with open(m / name, "ab") as f:
            f.write(b"second\n")
        assert proftpd.disk(name).read_bytes() == b"first\nsecond\n"
    assert "> HASH /new" in m.log_text()


def test_falls_back_to_sizes(own_server, mount):
    server = own_server("vsftpd")
    m = mount(server, verify="hash")
    for n in range(3):
        write_file(m / f"file{n}", b"x" * n)
    assert m.log_text().count("verify=hash") == 1
    assert sorted(os.listdir(server.root)) == ["file0", "file1", "file2"]


def test_no(each_kind, mount):
    m = mount(each_kind, verify="no")
    write_file(m / "file", some_bytes(MIB))
    os.utime(m / "file", (1500000000, 1500000000))
    assert each_kind.disk("file").read_bytes() == some_bytes(MIB)
    assert os.stat(m / "file").st_mtime == 1500000000 == each_kind.disk("file").stat().st_mtime
