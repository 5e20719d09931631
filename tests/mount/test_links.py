# SPDX-License-Identifier: GPL-2.0-or-later
"""Symbolic links: read, kept inside the mount, followed, hidden, made, and never taken for what
they lead to."""

import errno
import os
import stat
import subprocess

import pytest

import servers
from conftest import get_server

TELLS_NO_LINKS = "pyftpdlib"  # its listings show what a link leads to, never a link
KINDS = [kind for kind in servers.KINDS if kind != TELLS_NO_LINKS]


@pytest.fixture(params=KINDS)
def links_told(request, bed, running, server_used):
    return get_server(bed, running, server_used, request.param, "explicit")


def plant(server, links):
    for name, target in links.items():
        server.mkdir(os.path.dirname(name))
        server.disk(name).symlink_to(target)
        server.own(server.disk(name))


def refused(call, *codes):
    with pytest.raises(OSError) as e:
        call()
    assert e.value.errno in codes, e.value


def test_contained(links_told, mount):
    links_told.put("d/e/file", b"inside")
    links_told.put("up/x", b"x")
    plant(links_told, {"d/e/near": "file", "d/e/far": "../../up/x", "d/e/abs": "/d/e/file",
                       "d/e/root": "/", "d/e/out": "../../../etc/passwd",
                       "d/e/late": "../../up/../../up/x", "d/up2": "../up/../d/e/file"})
    m = mount(links_told)
    for name, target, data in (("near", "file", b"inside"), ("far", "../../up/x", b"x"),
                               ("abs", "file", b"inside")):
        assert os.readlink(m / f"d/e/{name}") == target
        assert os.lstat(m / f"d/e/{name}").st_size == len(target)
        assert (m / f"d/e/{name}").read_bytes() == data
    assert os.readlink(m / "d/up2") == "../d/e/file"
    assert sorted(os.listdir(m / "d/e/root/up")) == ["x"]
    names = os.listdir(m / "d/e")
    for name in {"out", "late"} & set(names):  # some servers do not list dangling links
        refused(lambda: os.readlink(m / "d/e" / name), errno.EPERM)
        refused(lambda: (m / "d/e" / name).read_bytes(), errno.EPERM)
        assert stat.S_ISLNK(os.lstat(m / "d/e" / name).st_mode)


def test_contained_in_a_folder(links_told, mount):
    """Of a mounted folder: what is outside on the server is outside of the mount."""
    links_told.put("pub/a/file", b"inside")
    links_told.put("secret", b"outside")
    plant(links_told, {"pub/a/abs": "/pub/a/file", "pub/a/out": "/secret",
                       "pub/a/up": "../../secret", "pub/top": "/pub"})
    m = mount(links_told, "localhost:/pub")
    assert (m / "a/abs").read_bytes() == b"inside"
    assert os.readlink(m / "top") == "."
    for name in ("out", "up"):
        refused(lambda: os.readlink(m / "a" / name), errno.EPERM)
        refused(lambda: (m / "a" / name).read_bytes(), errno.EPERM)


def test_programs_go_on_after_a_refused_link(links_told, mount, tmp_path):
    """ls, find, cp -a and rsync -a name the link and do the rest."""
    links_told.put("a", b"1")
    links_told.put("sub/z", b"2")
    links_told.put("other/t", b"3")
    plant(links_told, {"sub/out": "/other/t", "sub/ok": "z"})
    m = mount(links_told, "localhost:/sub")
    for n, command in enumerate((["ls", "-l"], ["cp", "-a"], ["rsync", "-a"])):
        to = [] if command[0] == "ls" else [tmp_path / str(n)]
        done = subprocess.run([*command, f"{m}/", *to], capture_output=True, text=True)
        assert done.returncode != 0 and "out" in done.stderr
        if to:
            assert sorted(os.listdir(to[0])) == ["ok", "z"]
            assert os.readlink(to[0] / "ok") == "z"
    done = subprocess.run(["find", m], capture_output=True, text=True)
    assert done.returncode == 0 and f"{m}/out" in done.stdout.splitlines()


def test_raw(links_told, mount):
    links_told.put("sub/file", b"x")
    plant(links_told, {"sub/abs": "/sub/file", "sub/up": "../sub/file"})
    m = mount(links_told, "localhost:/sub", symlinks="raw")
    assert os.readlink(m / "abs") == "/sub/file"
    assert os.readlink(m / "up") == "../sub/file"


def test_hidden(links_told, mount):
    links_told.put("d/file", b"x")
    plant(links_told, {"link": "d/file", "dirlink": "d"})
    m = mount(links_told, symlinks="hide")
    refused(lambda: os.lstat(m / "link"), errno.ENOENT)
    assert os.listdir(m) == ["d"]
    refused(lambda: os.lstat(m / "dirlink"), errno.ENOENT)


def test_followed(links_told, mount):
    links_told.put("d/file", b"twelve bytes")
    links_told.mkdir("top/in")
    plant(links_told, {"top/filelink": "../d/file", "top/dirlink": "../d", "top/in/self": ".",
                       "top/in/parent": "..", "top/dangling": "nowhere"})
    m = mount(links_told, symlinks="follow", dir_ttl=0)
    st = os.lstat(m / "top/filelink")
    assert stat.S_ISREG(st.st_mode) and st.st_size == 12
    assert sorted(os.listdir(m / "top/dirlink")) == ["file"]
    assert stat.S_ISDIR(os.lstat(m / "top/dirlink").st_mode)
    assert (m / "top/filelink").read_bytes() == b"twelve bytes"
    if links_told.kind == "pureftpd":  # reads through links, and writes through none
        refused(lambda: (m / "top/filelink").write_bytes(b"new"), errno.ELOOP)
    else:
        (m / "top/filelink").write_bytes(b"new")
        assert links_told.disk("d/file").read_bytes() == b"new"
        os.utime(m / "top/filelink", (1500000000, 1500000000))
        assert links_told.disk("d/file").stat().st_mtime == 1500000000
    assert links_told.disk("top/filelink").is_symlink(), "the link was replaced by a file"
    found = subprocess.run(["find", m / "top", "-name", "i?"], capture_output=True, text=True)
    assert len(found.stdout.splitlines()) == 1, "went round in a loop"
    for name in os.listdir(m / "top/in"):
        assert stat.S_ISLNK(os.lstat(m / "top/in" / name).st_mode)
    os.unlink(m / "top/filelink")
    assert links_told.disk("d/file").exists()


def test_loop_ends(links_told, mount):
    links_told.put("file", b"x")
    plant(links_told, {"a": "b", "b": "a", "self": "self"})
    for mode in ("contain", "raw", "follow"):
        m = mount(links_told, symlinks=mode)
        for name in set(os.listdir(m)) - {"file"}:
            refused(lambda: (m / name).read_bytes(), errno.ELOOP)
        m.unmount()


def test_the_link_itself(links_told, mount):
    """Renamed, removed, its times and modes set: never the target."""
    links_told.put("target", b"precious", mtime=1500000000)
    links_told.mkdir("dir")
    plant(links_told, {"link": "target", "dirlink": "dir"})
    m = mount(links_told)
    os.utime(m / "link", (1, 1), follow_symlinks=False)
    assert os.lstat(m / "link").st_mtime == 1
    os.chown(m / "link", os.getuid(), os.getgid(), follow_symlinks=False)
    refused(lambda: os.chown(m / "link", 5, 5, follow_symlinks=False), errno.EPERM)
    assert links_told.disk("target").stat().st_mtime == 1500000000
    os.rename(m / "link", m / "renamed")
    assert os.readlink(links_told.disk("renamed")) == "target"
    assert os.readlink(m / "renamed") == "target"
    os.unlink(m / "renamed")
    os.unlink(m / "dirlink")
    assert links_told.disk("target").read_bytes() == b"precious"
    assert sorted(os.listdir(links_told.root)) == ["dir", "target"]


def test_made(proftpd, mount):
    """SITE SYMLINK of ProFTPD wants a target that exists and makes it absolute."""
    proftpd.put("d/file", b"x")
    proftpd.put("a b", b"y")
    m = mount(proftpd)
    os.mkdir(m / "some dir")
    made = {"link": "d/file", "d/up": "../d/file", "some dir/my link": "../d", "abs": f"{m}/d"}
    for name, target in made.items():
        os.symlink(target, m / name)
        assert proftpd.disk(name).is_symlink()
        assert os.path.samefile(m / name, m / os.path.join(os.path.dirname(name), target))
    assert os.readlink(proftpd.disk("link")) == "/d/file"
    assert os.readlink(m / "link") == "d/file"
    os.symlink("file", m / "d/same")
    assert os.readlink(m / "d/same") == "file"  # as it was written
    other = mount(proftpd)
    assert os.readlink(other / "some dir/my link") == "../d"
    assert os.readlink(other / "abs") == "d"
    refused(lambda: os.symlink("d", m / "link"), errno.EEXIST)
    for target in ("nowhere", "../out", "/etc/passwd", "a b"):
        refused(lambda: os.symlink(target, m / "bad"), errno.EPERM)
    assert not os.path.lexists(m / "bad") and not os.path.lexists(proftpd.disk("bad"))
    refused(lambda: os.symlink("d", mount(proftpd, ro=True) / "new"), errno.EROFS)


@pytest.mark.parametrize("kind", ["vsftpd", "pureftpd", "pyftpdlib"])
def test_cannot_be_made(own_server, mount, kind):
    server = own_server(kind)
    server.put("file", b"x")
    m = mount(server)
    refused(lambda: os.symlink("file", m / "link"), errno.EPERM)
    assert os.listdir(server.root) == ["file"]
