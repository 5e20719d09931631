# SPDX-License-Identifier: GPL-2.0-or-later
"""Mounts through a SOCKS5 and an HTTP proxy: control and data connections, logins, refusals."""

import os
import re
import shutil
import socket
import subprocess

import pytest

import mounting
import reaper
import servers
from content import MIB, some_bytes, write_file

USER, PASSWORD = "proxy-user", "pr0xy-Pass"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


class Proxy:
    def __init__(self, bed, folder, kind, login=False, connect_ports=()):
        self.bed, self.kind, self.login = bed, kind, login
        self.port = free_port()
        self.log = folder / f"{kind}-{self.port}.log"
        scheme = "socks5h" if kind == "microsocks" else "http"
        self.url = f"{scheme}://{USER + '@' if login else ''}127.0.0.1:{self.port}"
        argv = self.microsocks() if kind == "microsocks" else self.tinyproxy(folder, connect_ports)
        self.mark = f"{os.getpid()}-proxy-{self.port}"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            cwd="/", start_new_session=True,
                                            env={**os.environ, reaper.TAG: self.mark})
        bed.reaper.add_server(self.mark, self.process.pid)
        assert mounting.eventually(lambda: servers.listening(self.port)), self.text()

    def microsocks(self):
        login = ["-u", USER, "-P", PASSWORD] if self.login else []
        return [shutil.which("microsocks"), "-i", "127.0.0.1", "-p", str(self.port), *login]

    def tinyproxy(self, folder, connect_ports):
        conf = folder / f"tinyproxy-{self.port}.conf"
        conf.write_text("".join(line + "\n" for line in (
            f"Port {self.port}", "Listen 127.0.0.1", "Timeout 600", "MaxClients 50",
            "LogLevel Connect", f"BasicAuth {USER} {PASSWORD}" if self.login else "",
            *(f"ConnectPort {port}" for port in connect_ports))))
        return [shutil.which("tinyproxy"), "-d", "-c", conf]

    def text(self):
        return self.log.read_text(errors="replace")

    def ports(self):
        """Where it was asked to connect to."""
        return [int(port) for port in
                re.findall(r"(?:connected to \S+?:|CONNECT \S+?:)(\d+)", self.text())]

    def close(self):
        reaper.kill(reaper.server_pids(self.mark, self.process.pid))
        self.process.wait()
        self.bed.reaper.forget(self.mark)


@pytest.fixture
def proxy(bed, tmp_path):
    made = []

    def make(kind, **options):
        if not shutil.which(kind):
            pytest.fail(f"{kind} is missing") if os.environ.get("FTPSFS_MUST_RUN") == "1" \
                else pytest.skip(f"{kind} is missing")
        made.append(Proxy(bed, tmp_path, kind, **options))
        return made[-1]
    yield make
    for one in made:
        one.close()


KINDS = pytest.mark.parametrize("kind", ["microsocks", "tinyproxy"])


def credentials(mount, text):
    path = mount.folder / "proxy-credentials"
    path.touch(mode=0o600)
    path.write_text(f"username={servers.USER}\npassword={servers.PASSWORD}\n{text}")
    return path


def with_password(mount, password=PASSWORD):
    return {"credentials": credentials(mount, f"proxy_password={password}\n")}


@KINDS
@pytest.mark.parametrize("login", [False, True], ids=["open", "login"])
@pytest.mark.parametrize("mode", ["explicit", "implicit"])
def test_everyday(own_server, mount, proxy, kind, login, mode):
    server = own_server("proftpd", mode)
    server.put("d/file", some_bytes(MIB))
    through = proxy(kind, login=login)
    m = mount(server, proxy=through.url, loglevel="trace", **with_password(mount))
    assert os.listdir(m) == ["d"]
    assert (m / "d/file").read_bytes() == some_bytes(MIB)
    write_file(m / "d/new", some_bytes(MIB, 1))
    assert server.disk("d/new").read_bytes() == some_bytes(MIB, 1)
    # Control and every data connection went through it.
    ports = through.ports()
    assert ports.count(server.port) >= 1
    assert sum(server.ports.low <= port <= server.ports.high for port in ports) >= 4, ports
    assert PASSWORD not in m.log_text()


@pytest.mark.parametrize("server_kind", ["vsftpd", "pureftpd", "pyftpdlib"])
def test_other_servers(own_server, mount, proxy, server_kind):
    server = own_server(server_kind)
    server.put("file", some_bytes(MIB))
    m = mount(server, proxy=proxy("microsocks").url)
    assert (m / "file").read_bytes() == some_bytes(MIB)
    write_file(m / "new", some_bytes(MIB, 1))
    assert server.disk("new").read_bytes() == some_bytes(MIB, 1)


@KINDS
def test_pasv(own_server, mount, proxy, kind):
    server = own_server("proftpd")
    server.put("file", b"x")
    assert os.listdir(mount(server, proxy=proxy(kind).url, epsv="no")) == ["file"]


@KINDS
def test_wrong_password(own_server, mount, proxy, kind):
    done = mount.prepare(own_server("proftpd"), proxy=proxy(kind, login=True).url,
                         **with_password(mount, "not-the-Pass")).run()
    assert done.returncode == 32
    assert f"refused the login of {USER}" in done.stderr, done.stderr
    assert "not-the-Pass" not in done.stderr


@KINDS
def test_login_wanted(own_server, mount, proxy, kind):
    through = proxy(kind, login=True)
    done = mount.prepare(own_server("proftpd"), proxy=through.url.replace(f"{USER}@", "")).run()
    assert done.returncode == 32
    assert "wants a login" in done.stderr and "proxy_password=" in done.stderr


def test_port_not_allowed(own_server, mount, proxy):
    done = mount.prepare(own_server("proftpd"),
                         proxy=proxy("tinyproxy", connect_ports=[443]).url).run()
    assert done.returncode == 32
    assert "not allowed" in done.stderr and "CONNECT" in done.stderr, done.stderr


def test_no_proxy_there(own_server, mount):
    done = mount.prepare(own_server("proftpd"), proxy=f"socks5h://127.0.0.1:{free_port()}").run()
    assert done.returncode == 32
    assert "cannot connect to the proxy 127.0.0.1" in done.stderr


@KINDS
def test_no_server_behind_it(own_server, mount, proxy, kind):
    server = own_server("proftpd")
    done = mount.prepare(server, proxy=proxy(kind).url, port=free_port()).run()
    assert done.returncode == 32
    assert "the proxy 127.0.0.1" in done.stderr


@KINDS
def test_other_protocol(own_server, mount, proxy, kind):
    """One kind taken for the other."""
    through = proxy(kind)
    wrong = "http" if kind == "microsocks" else "socks5h"
    done = mount.prepare(own_server("proftpd"), proxy=f"{wrong}://127.0.0.1:{through.port}",
                         connect_timeout=3).run()
    assert done.returncode == 32
    assert "proxy" in done.stderr


@pytest.mark.parametrize("url, words", [
    ("socks4://127.0.0.1:1080", "socks5h://"),
    ("http://127.0.0.1", "no port"),
    ("socks5h://:1080", "no host"),
    ("http://me:hunter2@127.0.0.1:8080", "credentials file"),
])
def test_urls_refused(own_server, mount, url, words):
    done = mount.prepare(own_server("proftpd"), proxy=url).run()
    assert done.returncode == 1
    assert words in done.stderr and "hunter2" not in done.stderr


def test_active_refused(own_server, mount):
    done = mount.prepare(own_server("proftpd"), proxy="socks5h://127.0.0.1:1",
                         mode="active").run()
    assert done.returncode == 1
    assert "passive" in done.stderr
