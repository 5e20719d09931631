# SPDX-License-Identifier: GPL-2.0-or-later
"""Mounting: what the command line accepts, what it says when it cannot, how mounts end."""

import os
import re
import signal
import socket
import subprocess

import pytest

import mounting
import servers


def refused(mount, status, words):
    """The mount fails with this status and one sentence that has these words."""
    done = mount.run()
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert done.returncode == status, done.stderr
    assert len(lines) == 1, f"not one sentence: {done.stderr}"
    assert re.search(words, lines[0], re.IGNORECASE), lines[0]
    assert not mount.mounted()
    assert mount.ended()
    return lines[0]


@pytest.mark.core
def test_lists_and_reads(server, mount):
    server.put("hello.txt", b"hello\n")
    m = mount(server)
    assert os.listdir(m) == ["hello.txt"]
    assert (m / "hello.txt").read_bytes() == b"hello\n"


def test_wrong_password(each_kind, mount):
    text = refused(mount.prepare(each_kind, password="not-this-one"), 32, "password|login")
    assert "not-this-one" not in text


def test_untrusted_authority(each_kind, mount, bed):
    refused(mount.prepare(each_kind, cacert=bed.pki / "otherca.pem"), 32, "trust|issuer|cacert")


@pytest.mark.parametrize("kind, mode", [("proftpd", "explicit"), ("proftpd", "implicit"),
                                        ("vsftpd", "explicit"), ("pyftpdlib", "explicit")])
@pytest.mark.parametrize("cert, words", [("wronghost", "name|localhost"), ("expired", "expired")])
def test_bad_certificate(own_server, mount, kind, mode, cert, words):
    refused(mount.prepare(own_server(kind, mode, cert=cert)), 32, words)


def test_unknown_host(proftpd, mount):
    refused(mount.prepare(proftpd, "nosuchhost.invalid:/"), 32, "nosuchhost.invalid")


def test_closed_port(proftpd, mount):
    with socket.socket() as s:  # bound, not listening: nobody else gets the port meanwhile
        s.bind(("127.0.0.1", 0))
        refused(mount.prepare(proftpd, port=s.getsockname()[1], ipv4=True), 32, "refused")


@pytest.mark.parametrize("option, words", [
    ({"nosuchoption": "1"}, "nosuchoption"),
    ({"port": "99999"}, "port"),
    ({"port": "21x"}, "port"),
    ({"tls": "sometimes"}, "tls"),
    ({"max_conns": "0"}, "max_conns"),
    ({"dir_ttl": "-5"}, "dir_ttl"),
    ({"tls_min": "9.9"}, "tls_min"),
])
def test_bad_option(proftpd, mount, option, words):
    refused(mount.prepare(proftpd, **option), 1, words)


def test_no_arguments(bed):
    done = subprocess.run([mounting.BINARY], capture_output=True, text=True)
    assert done.returncode == 1
    assert "ftpsfs" in done.stderr


def test_mountpoint_missing(proftpd, mount):
    m = mount.prepare(proftpd)
    m.point.rmdir()
    done = m.run()
    assert done.returncode in (1, 2, 32)
    assert str(m.point) in done.stderr
    m.point.mkdir()


def test_remote_folder_missing(each_kind, mount):
    refused(mount.prepare(each_kind, "localhost:/no/such"), 32, "no/such|no such|not found")


def test_credentials_open_to_others(proftpd, mount):
    m = mount.prepare(proftpd)
    os.chmod(m.options["credentials"], 0o644)
    done = m.run()
    assert done.returncode in (1, 32)
    assert str(m.options["credentials"]) in done.stderr
    assert servers.PASSWORD not in done.stderr


@pytest.mark.parametrize("sig", mounting.SIGNALS, ids=lambda s: s.name)
def test_signal_ends_it(proftpd, mount, sig):
    proftpd.put("file", b"x")
    m = mount(proftpd)
    assert os.listdir(m) == ["file"]
    m.signal(sig)
    assert m.ended()
    assert not m.mounted()


@pytest.mark.parametrize("command", [("umount",), ("fusermount3", "-u")], ids=lambda c: c[0])
def test_unmount(server, mount, command):
    m = mount(server)
    os.listdir(m)
    m.unmount(*command)


@pytest.mark.core
def test_foreground(proftpd, mount):
    proftpd.put("file", b"x")
    m = mount.prepare(proftpd).start()
    assert os.listdir(m) == ["file"]
    m.foreground.send_signal(signal.SIGINT)
    assert m.foreground.wait(timeout=mounting.END_TIME) == 0
    assert not m.mounted()


@pytest.mark.parametrize("mode, scheme", [("explicit", "ftpes"), ("implicit", "ftps")])
def test_url(own_server, mount, mode, scheme):
    server = own_server("proftpd", mode)
    server.put("sub/file", b"x")
    source = f"{scheme}://{servers.USER}@localhost:{server.port}/sub"
    m = mount(server, source, port=None, tls=None)
    assert os.listdir(m) == ["file"]


def test_port_switch(proftpd, mount):
    proftpd.put("file", b"x")
    m = mount.prepare(proftpd, f"{servers.USER}@localhost:", port=None)
    assert m.run("-p", str(proftpd.port)).returncode == 0
    assert os.listdir(m) == ["file"]


@pytest.mark.parametrize("source, found", [
    ("localhost:", "in-home"), ("localhost:sub", "in-home-sub"), ("localhost:/sub", "in-sub"),
    ("localhost:/", "home"), ("localhost:/home/sub/", "in-home-sub")])
def test_relative_and_absolute(own_server, mount, source, found):
    server = own_server("proftpd", extra="DefaultChdir /home")
    for path in ("home/in-home", "home/sub/in-home-sub", "sub/in-sub"):
        server.put(path, b"x")
    assert found in os.listdir(mount(server, source))


@pytest.mark.parametrize("how", ["type", "fstab"])
def test_mount_command(proftpd, mount, how):
    """mount(8) finds the program in /usr/local/bin, in a mount namespace of the test's own."""
    proftpd.put("hello", b"hello\n")
    m = mount.prepare(proftpd, f"{servers.USER}@localhost:/")
    folder = mount.folder / "bin"
    folder.mkdir()
    (folder / "ftpsfs").symlink_to(mounting.BINARY)
    options = mounting.join_options(m.options)
    fstab = mount.folder / "fstab"
    fstab.write_text(f"{m.source} {m.point} fuse.ftpsfs _netdev,nofail,noauto,{options} 0 0\n")
    order = (f"mount -T '{fstab}' '{m.point}'" if how == "fstab" else
             f"mount -t fuse.ftpsfs '{m.source}' '{m.point}' -o '{options}'")
    script = f"""set -e
        mount --bind '{folder}' /usr/local/bin
        {order}
        cat '{m.point}/hello'
        umount '{m.point}'"""
    out = mount.folder / "mount.out"
    with open(out, "w") as f:
        status = subprocess.run(["unshare", "-m", "--propagation", "private", "sh", "-c", script],
                                stdout=f, stderr=f, timeout=60).returncode
    assert status == 0, out.read_text()
    assert "hello\n" in out.read_text()
    assert m.ended()


@pytest.mark.parametrize("form", ["credentials", "url"])
def test_password_is_kept_secret(proftpd, mount, form):
    """Not where ps looks, and not in the most talkative log."""
    proftpd.put("file", b"x")
    if form == "url":
        source = f"ftpes://{servers.USER}:{servers.PASSWORD}@localhost:{proftpd.port}/"
        m = mount(proftpd, source, credentials=None, port=None, loglevel="trace")
    else:
        m = mount(proftpd, loglevel="trace")
    assert os.listdir(m) == ["file"]
    for pid in m.pids():
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            assert servers.PASSWORD.encode() not in f.read()
    assert "PASS" in m.log_text(), "the trace does not show the login at all"
    assert servers.PASSWORD not in m.log_text()


def test_empty_root(server, mount):
    assert os.listdir(mount(server)) == []
