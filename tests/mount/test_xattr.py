# SPDX-License-Identifier: GPL-2.0-or-later
"""Digests and facts as extended attributes, and forgetting on demand."""

import errno
import hashlib
import os
import subprocess
import zlib

import pytest

import mounting
from content import some_bytes

DIGESTS = {
    "sha256": lambda data: hashlib.sha256(data).hexdigest(),
    "sha1": lambda data: hashlib.sha1(data).hexdigest(),
    "md5": lambda data: hashlib.md5(data).hexdigest(),
    "crc32": lambda data: f"{zlib.crc32(data):08x}",
}


def flush(path):
    return subprocess.run([mounting.BINARY, "--flush", path], capture_output=True, text=True)


def refused(call, *codes):
    with pytest.raises(OSError) as e:
        call()
    assert e.value.errno in codes, e.value


@pytest.mark.core
@pytest.mark.parametrize("name", ["file", "a b", "-x;y"])
def test_digests(proftpd, mount, name):
    data = some_bytes(300000)
    proftpd.put(name, data)
    m = mount(proftpd)
    for kind, digest in DIGESTS.items():
        assert os.getxattr(m / name, f"user.ftpsfs.{kind}").decode() == digest(data)


def test_digest_of_a_file_being_written(proftpd, mount):
    m = mount(proftpd)
    with open(m / "file", "wb", buffering=0) as f:
        f.write(b"what was written")
        assert os.getxattr(m / "file", "user.ftpsfs.sha256").decode() == \
            DIGESTS["sha256"](b"what was written")


def test_what_there_is_not(each_kind, mount):
    each_kind.put("file", b"x")
    each_kind.mkdir("folder")
    m = mount(each_kind)
    if each_kind.kind != "proftpd":
        refused(lambda: os.getxattr(m / "file", "user.ftpsfs.sha256"), errno.EOPNOTSUPP)
    refused(lambda: os.getxattr(m / "folder", "user.ftpsfs.sha256"), errno.ENODATA)
    for name in ("user.other", "user.ftpsfs.other"):
        refused(lambda: os.getxattr(m / "file", name), errno.ENODATA)
    refused(lambda: os.getxattr(m / "file", "security.capability"), errno.ENODATA,
            errno.EOPNOTSUPP)
    for name in ("user.other", "user.ftpsfs.sha256"):
        refused(lambda: os.setxattr(m / "file", name, b"x"), errno.EOPNOTSUPP)
    refused(lambda: os.removexattr(m / "file", "user.other"), errno.EOPNOTSUPP)
    assert os.listxattr(m / "file") == []


def test_facts(each_kind, mount):
    each_kind.put("a file", b"x" * 77, mtime=1500000000)
    m = mount(each_kind)
    if not each_kind.lists_facts:
        refused(lambda: os.getxattr(m / "a file", "user.ftpsfs.facts"), errno.EOPNOTSUPP)
        return
    facts = os.getxattr(m / "a file", "user.ftpsfs.facts").decode()
    assert "size=77;" in facts and "modify=20170714024000" in facts and "a file" not in facts
    assert "dir;" in os.getxattr(m, "user.ftpsfs.facts").decode()


def test_copies_take_no_digests(proftpd, mount, tmp_path):
    """cp -a and rsync -X copy what is listed: the server is not asked to read everything."""
    proftpd.put("file", b"x")
    m = mount(proftpd, loglevel="trace")
    for n, command in enumerate((["cp", "-a"], ["rsync", "-aX"])):
        done = subprocess.run([*command, f"{m}/", tmp_path / str(n)], capture_output=True,
                              text=True)
        assert done.returncode == 0 and done.stderr == ""
        done = subprocess.run([*command, f"{tmp_path / str(n)}/", m / f"back{n}"],
                              capture_output=True, text=True)
        assert done.returncode == 0 and done.stderr == ""
    assert "HASH" not in m.log_text().split("211 End")[1]


def test_writes_ask_nothing(proftpd, mount):
    """The kernel asks for security.capability at each write: answered here."""
    m = mount(proftpd, loglevel="trace")
    with open(m / "file", "wb", buffering=0) as f:
        before = m.log_text().count(" > ")
        for _ in range(50):
            f.write(b"x" * 4096)
        assert m.log_text().count(" > ") - before < 10


# ---- forgetting ----

def test_flush(each_kind, mount):
    each_kind.put("d/changed", b"old", mtime=1500000000)
    each_kind.put("d/gone", b"x")
    m = mount(each_kind, dir_ttl=600, neg_ttl=600)
    assert sorted(os.listdir(m / "d")) == ["changed", "gone"]
    assert (m / "d/changed").read_bytes() == b"old"
    assert not (m / "d/new").exists()
    each_kind.put("d/changed", b"longer now", mtime=1500000001)
    each_kind.put("d/new", b"new")
    each_kind.disk("d/gone").unlink()
    done = flush(m)
    assert (done.returncode, done.stderr) == (0, "")
    assert (m / "d/new").read_bytes() == b"new"
    assert os.stat(m / "d/changed").st_size == 10
    assert not (m / "d/gone").exists()
    assert sorted(os.listdir(m / "d")) == ["changed", "new"]
    each_kind.put("d/gone", b"again")
    assert flush(m / "d").returncode == 0
    assert (m / "d/gone").read_bytes() == b"again"


def test_flush_by_setfattr(proftpd, mount):
    m = mount(proftpd, dir_ttl=600)
    assert os.listdir(m) == []
    proftpd.put("new", b"x")
    os.setxattr(m, "user.ftpsfs.flush", b"1")
    assert os.listdir(m) == ["new"]


@pytest.mark.parametrize("option", ["ro", "single"])
def test_flush_in_other_mounts(proftpd, mount, option):
    if option == "ro":
        m = mount(proftpd, dir_ttl=600, ro=True)
    else:
        m = mount.prepare(proftpd, dir_ttl=600).start("-s")
    assert os.listdir(m) == []
    assert not (m / "new").exists()
    proftpd.put("new", b"x")
    assert flush(m).returncode == 0
    assert mounting.eventually(lambda: (m / "new").exists())
    assert os.listdir(m) == ["new"]


def test_flush_by_others(proftpd, mount, bed):
    m = mount(proftpd, allow_other=True)
    os.chmod(m.point.parent, 0o755)
    for user, status in ((0, 0), (bed.user.pw_uid, 1)):
        done = subprocess.run([mounting.BINARY, "--flush", m], capture_output=True, text=True,
                              user=user)
        assert done.returncode == status, done.stderr
    assert "only root and the user who mounted" in done.stderr


def test_flush_elsewhere(bed, tmp_path):
    for path, words in ((tmp_path, "not a mount of ftpsfs"),
                        (tmp_path / "nowhere", "No such file")):
        done = flush(path)
        assert done.returncode == 1 and words in done.stderr and str(path) in done.stderr
    done = subprocess.run([mounting.BINARY, "--flush"], capture_output=True, text=True)
    assert done.returncode == 1 and "--flush MOUNTPOINT" in done.stderr
