# SPDX-License-Identifier: GPL-2.0-or-later
"""ftpsfs --probe against real servers, and against some that are none. What firewalls do to
it is tried in test_firewall.py."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

import pytest

import mounting
import servers

WAYS = ("EPSV", "PASV", "EPRT", "PORT")


class Probe:
    """One run: its exit status, its text, and the object it printed if asked for JSON."""

    def __init__(self, arguments, **how):
        start = time.monotonic()
        done = subprocess.run([str(mounting.BINARY), "--probe", *arguments], timeout=85,
                              stdin=subprocess.DEVNULL, capture_output=True, **how)
        self.seconds = time.monotonic() - start
        self.status = done.returncode
        self.raw = done.stdout
        self.text = done.stdout.decode()  # valid UTF-8 whatever the server sent
        self.errors = done.stderr.decode(errors="replace")
        self.found = json.loads(self.text) if "--json" in arguments else None

    def cells(self):
        return self.found["cells"]

    def verdicts(self):
        """{(tls, port, version, prot, ccc, data): verdict}, from either form."""
        if self.found:
            return {(c["tls"], c["port"], c["tls_version"], c["prot"], c["ccc"], c["data"]):
                    c["verdict"] for c in self.cells()}
        table = {}
        for line in self.text.splitlines():
            words = line.split()
            if len(words) > 6 and words[0] in ("explicit", "implicit") and words[1].isdigit():
                table[(words[0], int(words[1]), *words[2:6])] = words[6]
        return table

    def port(self, mode):
        return next(c for c in self.found["control"] if c["tls"] == mode)


@pytest.fixture
def probe(bed):
    """probe(server, "--json", option=value): as Mounter gives options, without a mount."""
    def run(server, *more, host="localhost", password=servers.PASSWORD, how=None, **options):
        credentials = bed.run / f"probe-credentials-{len(list(bed.run.iterdir()))}"
        credentials.touch(mode=0o600)
        credentials.write_text(f"username={servers.USER}\npassword={password}\n")
        if how:
            shutil.chown(credentials, servers.USER)
        given = {"cacert": bed.ca, "credentials": credentials}
        if server.mode == "implicit":
            given["tls"] = "implicit"
        return Probe([f"{host}:{server.port}", *more,
                      "-o", mounting.join_options({**given, **options})], **(how or {}))
    return run


def tree(folder):
    """Everything about every file that a write would change."""
    seen = {}
    for where, folders, files in os.walk(folder):
        for name in [".", *folders, *files]:
            path = os.path.join(where, name)
            st = os.lstat(path)
            seen[path] = (st.st_ino, st.st_size, st.st_mtime_ns, st.st_ctime_ns, st.st_mode)
    return seen


def test_what_real_servers_allow(server, probe):
    server.put("d/file", b"x" * 1000)
    before = tree(server.root)
    seen = probe(server, "--json")
    assert seen.status == 0, seen.text + seen.errors
    assert seen.errors == ""
    for version in ("1.3", "1.2"):
        for way in WAYS:
            key = (server.mode, server.port, version, "P", "no", way)
            assert seen.verdicts()[key] == "ok", key
    assert seen.found["given"]["verdict"] == "ok"
    assert seen.found["cause"] is None and seen.found["remedies"] == []
    assert tree(server.root) == before, "something was written on the server"


def test_text_and_json_agree(each_kind, probe):
    as_text, as_json = probe(each_kind), probe(each_kind, "--json")
    assert as_text.status == as_json.status == 0
    assert len(as_json.verdicts()) > 8
    assert as_text.verdicts() == as_json.verdicts()
    assert as_json.found["control"][0]["certificate"]["pin"] in as_text.text


@pytest.mark.parametrize("kind, demanded", [("proftpd", True), ("vsftpd", True),
                                            ("pureftpd", False), ("pyftpdlib", False)])
def test_session_reuse(own_server, probe, kind, demanded):
    seen = probe(own_server(kind), "--json")
    assert seen.found["session_reuse"]["demanded"] is demanded
    resumed = {c["session"] for c in seen.cells() if c["verdict"] == "ok" and c["prot"] == "P"
               and c["tls_version"] == "1.2"}
    assert resumed == {"resumed"}


def test_without_reuse_where_it_is_demanded(proftpd, probe):
    seen = probe(proftpd, "--json", session_reuse="no")
    assert seen.status == 1
    assert seen.found["given"]["verdict"] == "reuse-missed"
    assert {c["verdict"] for c in seen.cells() if c["prot"] == "P" and c["ccc"] == "no"
            and c["tls"] == "explicit"} == {"reuse-missed"}
    assert any("session_reuse" in line for line in seen.found["remedies"])


def test_ports_and_rules(proftpd, probe):
    seen = probe(proftpd, "--json")
    ports = seen.found["passive_ports"]
    assert len(ports["seen"]) >= 20
    assert all(proftpd.ports.low <= p <= proftpd.ports.high for p in ports["seen"])
    assert ports["not_reached"] == [] and len(ports["reached"]) >= 20
    low, high = map(int, ports["suggested"].split("-"))
    assert low <= min(ports["seen"]) and high >= max(ports["seen"])
    assert high - low < 2 * (proftpd.ports.high - proftpd.ports.low)
    passive = seen.port("explicit")["passive"]
    client = r"client \(ports > 1023\) +=> "
    assert re.fullmatch(rf"{client}server:{proftpd.port} tcp +control, outbound",
                        passive["flow"][0])
    assert re.fullmatch(rf"{client}server:{low}-{high} tcp +data, outbound", passive["flow"][1])
    assert f"{low}:{high}" in passive["iptables"]
    check = subprocess.run(["nft", "--check", "-f", "-"], text=True, capture_output=True,
                           input="add table inet filter\nadd chain inet filter output\n"
                                 + passive["nft"].removeprefix("nft ") + "\n")
    assert check.returncode == 0, check.stderr
    assert seen.port("explicit")["active"]["flow"][1].endswith("data, inbound")


def test_where_active_connections_come_from(own_server, probe):
    server = own_server("pureftpd")  # always from port 20
    active = probe(server, "--json").port("explicit")["active"]
    assert active["source_port"] == 20
    assert re.fullmatch(r"server:20 +=> client:1024-65535 tcp +data, inbound", active["flow"][1])
    assert "tcp sport 20" in active["nft"] and "--sport 20" in active["iptables"]
    server = own_server("pyftpdlib")
    active = probe(server, "--json", active_ports="41000-41009").port("explicit")["active"]
    assert active["source_port"] > 1023
    assert active["flow"][1].startswith("server (ports > 1023)")
    assert "client:41000-41009 " in active["flow"][1]
    assert "sport" not in active["nft"] and "41000-41009" in active["nft"]


def test_what_the_server_tells(proftpd, probe):
    seen = probe(proftpd, "--json")
    control = seen.port("explicit")
    assert control["greeting"].startswith("220 ProFTPD")
    assert control["auth"].startswith("234")
    assert {v["version"] for v in control["tls_versions"] if v["offered"]} == {"1.2", "1.3"}
    assert "MLST" in " ".join(seen.found["features"])
    assert "AUTH TLS" in seen.found["features"]
    assert control["certificate"]["names"].startswith("localhost")


def test_clear_data_and_ccc(own_server, probe):
    server = own_server("proftpd", extra="TLSRequired auth+data\n")
    seen = probe(server, "--json")
    for way in WAYS:
        key = ("explicit", server.port, "1.2", "P", "yes", way)
        assert seen.verdicts()[key] == "ok", seen.text
    server = own_server("proftpd", clear_data=True)
    seen = probe(server, "--json")
    for way in WAYS:
        assert seen.verdicts()[("explicit", server.port, "1.3", "C", "no", way)] == "ok"
    assert seen.verdicts()[("explicit", server.port, "1.2", "P", "yes", "any")] == "refused"


def test_wrong_password_is_tried_once(own_server, probe):
    server = own_server("pyftpdlib")
    seen = probe(server, "--json", password="not-it")
    assert seen.status == 32
    assert seen.found["stopped"] is True
    assert seen.found["given"]["verdict"] == "login-refused"
    assert {c["data"] for c in seen.cells()} == {"any"}
    log = server.log.read_text()
    assert log.count("<- PASS") == 1, log


def test_untrusted_server(proftpd, probe):
    seen = probe(proftpd, "--json", cacert=None)
    assert seen.status == 32
    assert seen.found["given"]["verdict"] == "untrusted"
    pin = seen.port("explicit")["certificate"]["pin"]
    assert pin in seen.found["cause"]
    assert probe(proftpd, cacert=None, pin=pin).status == 0


def test_no_secret_is_printed(proftpd, bed):
    for more in ([], ["--json"]):
        seen = Probe([f"localhost:{proftpd.port}", *more, "-o",
                      f"cacert={bed.ca},user={servers.USER},password={servers.PASSWORD}"])
        assert seen.status == 0
        assert "mount" in seen.text
        assert servers.PASSWORD not in seen.text + seen.errors


def run_mount_line(line, mount, server):
    """Does what the probe says: the printed line, with a folder for MOUNTPOINT."""
    made = mount.prepare(server)
    words = [str(made.point) if w == "MOUNTPOINT" else w for w in shlex.split(line)]
    assert words[0] == "ftpsfs" and str(made.point) in words
    done = subprocess.run([str(mounting.BINARY), *words[1:]], stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=40)
    assert done.returncode == 0, words
    return made


def test_the_mount_line_works(server, probe, mount):
    server.put("file", b"x")
    line = probe(server, "--json").found["mount"]
    assert os.listdir(run_mount_line(line, mount, server)) == ["file"]


@pytest.mark.parametrize("is_, asked", [("explicit", "implicit"), ("implicit", "explicit")])
def test_wrong_tls_mode(own_server, probe, mount, is_, asked):
    """The remedy that is printed makes the mount work."""
    server = own_server("proftpd", is_)
    server.put("file", b"x")
    seen = probe(server, "--json", tls=asked, connect_timeout=2)
    assert seen.status == 1, seen.text
    assert seen.found["given"]["verdict"] != "ok"
    assert seen.found["cause"]
    assert any(line.startswith("mount with: ") for line in seen.found["remedies"])
    assert os.listdir(run_mount_line(seen.found["mount"], mount, server)) == ["file"]


def test_outside_pasv_ports(proftpd, probe):
    seen = probe(proftpd, "--json", pasv_ports="4000-4010")
    assert seen.status == 1
    verdicts = seen.verdicts()
    for way in ("EPSV", "PASV"):
        assert verdicts[("explicit", proftpd.port, "1.3", "P", "no", way)] == "outside-range"
    for way in ("EPRT", "PORT"):
        assert verdicts[("explicit", proftpd.port, "1.3", "P", "no", way)] == "ok"
    assert "4000-4010" in seen.found["cause"]
    fits = seen.found["passive_ports"]["suggested"]
    assert f"then mount with pasv_ports={fits}" in seen.found["remedies"]
    assert probe(proftpd, pasv_ports=fits).status == 0


def test_address_behind_nat(own_server, probe):
    server = own_server("pyftpdlib", advertise="127.0.0.9")
    seen = probe(server, "--json")
    assert seen.status == 0
    assert seen.found["passive_ports"]["advertised_address"] == "127.0.0.9"
    assert seen.found["server"] == "127.0.0.1"
    told = probe(server, "--json", pasv_addr="reply", connect_timeout=1)
    assert told.status == 1
    key = ("explicit", server.port, "1.3", "P", "no", "PASV")
    assert told.verdicts()[key] == "rejected"


def test_ipv6(own_server, probe):
    server = own_server("proftpd", listen="::1")
    seen = probe(server, "--json", host="[::1]")
    assert seen.status == 0, seen.text
    verdicts = seen.verdicts()
    for way, expected in zip(WAYS, ("ok", "not-applicable", "ok", "not-applicable")):
        assert verdicts[("explicit", server.port, "1.3", "P", "no", way)] == expected
    assert "ip6 daddr ::1" in seen.port("explicit")["passive"]["nft"]
    assert "ftpsfs '[::1]:'" in seen.found["mount"]


def test_nothing_listens(bed):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))  # bound, not listening
        seen = Probe([f"localhost:{s.getsockname()[1]}", "--json", "-o",
                      f"cacert={bed.ca},user=x,password=y"])
    assert seen.status == 32
    assert [c["verdict"] for c in seen.found["control"]] == ["rejected", "rejected"]
    assert "RST" in seen.found["cause"]


def test_unknown_host(bed):
    seen = Probe(["no-such-host.invalid", "--json", "-o",
                  f"cacert={bed.ca},user=x,password=y"])
    assert seen.status == 32
    assert "no-such-host.invalid" in seen.found["cause"]


def test_without_root(proftpd, probe, bed):
    binary = bed.run / "ftpsfs-copy"
    shutil.copy(mounting.BINARY, binary)
    before, mounting.BINARY = mounting.BINARY, binary
    try:
        seen = probe(proftpd, "--json", how={"user": servers.USER, "env": {"HOME": "/"},
                                             "cwd": "/"})
    finally:
        mounting.BINARY = before
    assert seen.status == 0, seen.errors


class Fake:
    """Answers every connection with some bytes, then every line with others."""

    def __init__(self, greeting, answer=None):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.greeting, self.answer = greeting, answer
        self.connections = 0
        self.open = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                s, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            self.open.append(s)
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        try:
            s.sendall(self.greeting)
            while self.answer and s.recv(4096):
                s.sendall(self.answer)
        except OSError:
            pass

    def close(self):
        self.listener.close()
        for s in self.open:
            s.close()


@pytest.fixture
def fake():
    made = []

    def make(*how):
        made.append(Fake(*how))
        return made[-1]
    yield make
    for f in made:
        f.close()


EVIL = b'\x1b[2J"\\ \xff\xc3 \xc2\x9b1m \x07'


@pytest.mark.parametrize("form", ["text", "json"])
def test_hostile_texts(fake, bed, form):
    server = fake(b"220 " + EVIL + b"\r\n", b"502 " + EVIL + b"\r\n")
    arguments = [f"localhost:{server.port}", "-o", f"cacert={bed.ca},user=x,password=y,"
                 "connect_timeout=1"]
    done = subprocess.run([str(mounting.BINARY), "--probe", *arguments,
                           *(["--json"] if form == "json" else [])],
                          capture_output=True, timeout=60)
    assert done.returncode == 32
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]|\xc2[\x80-\x9f]", done.stdout)
    if form == "json":
        found = json.loads(done.stdout)
        explicit = next(c for c in found["control"] if c["tls"] == "explicit")
        assert explicit["verdict"] == "refused"
        assert explicit["auth"].startswith("502 ?[2J\"\\")
    else:
        assert b'502 ?[2J"\\' in done.stdout


def test_too_many_connections(fake, bed):
    server = fake(b"421 too many of you\r\n")
    seen = Probe([f"localhost:{server.port}", "--json", "-o",
                  f"cacert={bed.ca},user=x,password=y,connect_timeout=1"])
    assert seen.status == 32
    assert seen.port("explicit")["verdict"] == "limit"
    assert "421 too many of you" in seen.found["cause"]
    assert server.connections <= 3


def test_a_silent_server_ends_in_time(fake, bed):
    server = fake(b"")
    seen = Probe([f"localhost:{server.port}", "--json", "-o",
                  f"cacert={bed.ca},user=x,password=y,connect_timeout=1"])
    assert seen.status == 32
    assert "does not greet" in seen.found["cause"]
    assert seen.seconds < 20


def test_tls_none_is_not_proposed(fake, bed):
    """A server without TLS: said, and no password was sent to it."""
    server = fake(b"220 old\r\n", b"500 what?\r\n")
    seen = Probe([f"localhost:{server.port}", "--json", "-o",
                  f"cacert={bed.ca},user=x,password=y,connect_timeout=1"])
    assert seen.status == 32
    assert seen.port("explicit")["verdict"] == "refused"
    assert "500 what?" in seen.found["cause"]


def test_wrong_arguments():
    assert Probe([]).status == 1
    assert Probe(["host:", "/mnt"]).status == 1
