# SPDX-License-Identifier: GPL-2.0-or-later
"""Who opens data connections, and the options around that, against real servers."""

import os
import re
import threading

import pytest

from content import MIB, some_bytes, write_file
from servers import Ports

WAYS = {
    "EPSV": {"mode": "passive"},
    "PASV": {"mode": "passive", "epsv": "no"},
    "EPRT": {"mode": "active"},
    "PORT": {"mode": "active", "epsv": "no"},
}


def use(server, m):
    """Lists, reads 1 MiB, writes 1 MiB; compares on the server's own disk."""
    assert os.listdir(m) == ["down"]
    assert (m / "down").read_bytes() == some_bytes(MIB, 1)
    write_file(m / "up", some_bytes(MIB, 2))
    assert server.disk("up").read_bytes() == some_bytes(MIB, 2)


def sent(m):
    return set(re.findall(r"> (EPSV|PASV|EPRT|PORT)\b", m.log_text()))


def advertised_ports(m):
    """Of all EPRT commands."""
    return [int(port) for port in re.findall(r"> EPRT \|\d\|[^|]+\|(\d+)\|", m.log_text())]


@pytest.fixture
def range_of_ports():
    """Ports that no server of this run uses."""
    ports = Ports()
    yield ports.low, ports.low + 19
    ports.file.close()


@pytest.mark.core
@pytest.mark.parametrize("way", WAYS)
def test_way(server, mount, way):
    server.put("down", some_bytes(MIB, 1))
    m = mount(server, loglevel="trace", **WAYS[way])
    use(server, m)
    assert sent(m) == {way}


def test_empty_files(server, mount):
    """Active: the server may say 226 before we have accepted."""
    server.put("empty", b"")
    server.mkdir("hollow")
    m = mount(server, mode="active")
    for _ in range(5):
        assert (m / "empty").read_bytes() == b""
        assert os.listdir(m / "hollow") == []
        write_file(m / "made", b"")
        assert server.disk("made").read_bytes() == b""
        os.unlink(m / "made")


def test_active_ports(each_kind, mount, range_of_ports):
    """Several transfers at once, all from listeners of the range."""
    low, high = range_of_ports
    for n in range(8):
        each_kind.put(f"f{n}", some_bytes(MIB, n))
    m = mount(each_kind, mode="active", active_ports=f"{low}-{high}", loglevel="trace",
              max_conns=4)
    failed = []

    def read(n):
        if (m / f"f{n}").read_bytes() != some_bytes(MIB, n):
            failed.append(n)

    threads = [threading.Thread(target=read, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    ports = advertised_ports(m)
    assert len(ports) >= 8
    assert all(low <= port <= high for port in ports)
    assert len(set(ports)) > 1  # a random start


@pytest.mark.parametrize("kind", ["proftpd", "vsftpd", "pyftpdlib"])
def test_active_source_port_refused(own_server, mount, kind):
    """Pure-FTPd's choice depends on which low ports are free. Accepted ones: test_firewall.py,
    in a network where nothing else uses port 20."""
    server = own_server(kind)
    server.put("down", b"x")
    m = mount(server, mode="active", active_source_port="default", connect_timeout=2)
    with pytest.raises(OSError):
        os.listdir(m)
    assert "use active_source_port=any" in m.log_text()


def test_active_addr_that_is_not_ours(each_kind, mount):
    """Servers do not connect to third parties; the message says what to set."""
    each_kind.put("down", b"x")
    m = mount(each_kind, mode="active", active_addr="192.0.2.1", connect_timeout=3)
    with pytest.raises(OSError):
        os.listdir(m)
    assert "give that one as active_addr" in m.log_text()


def test_auto_stays_passive(server, mount):
    server.put("down", some_bytes(MIB, 1))
    m = mount(server, mode="auto", loglevel="trace")
    use(server, m)
    assert sent(m) == {"EPSV"}


def test_auto_goes_active(server, mount):
    """The firewall's range is not the server's: no passive port can be used."""
    server.put("down", some_bytes(MIB, 1))
    m = mount(server, mode="auto", pasv_ports="7-8", loglevel="trace")
    use(server, m)
    assert sent(m) == {"EPSV", "EPRT"}
    assert len(re.findall(r"> EPSV", m.log_text())) <= 2  # learnt by the first transfer


def test_pasv_ports(server, mount):
    server.put("down", some_bytes(MIB, 1))
    use(server, mount(server, pasv_ports=f"{server.ports.low}-{server.ports.high}"))


def test_pasv_ports_outside(each_kind, mount):
    each_kind.put("down", b"x")
    m = mount(each_kind, pasv_ports="7-8")
    with pytest.raises(OSError):
        os.listdir(m)
    assert re.search(r"offered data port \d+, outside pasv_ports=7-8: set the server's passive "
                     r"range to 7-8, or open its own range", m.log_text())


@pytest.mark.parametrize("address", ["control", "reply", "127.0.0.1"])
def test_pasv_addr(own_server, mount, address):
    """A server behind NAT that names its inner address."""
    server = own_server("proftpd", advertise="127.0.0.7" if address == "reply" else "192.0.2.7",
                        extra="PassivePorts 49152 65534" if address == "reply" else "")
    server.put("down", some_bytes(MIB, 1))
    m = mount(server, pasv_addr=address, epsv="no", connect_timeout=2)
    if address == "reply":  # nobody listens there, which is the proof that it went there
        with pytest.raises(OSError):
            os.listdir(m)
        assert "the data connection to 127.0.0.7:" in m.log_text()
        return
    use(server, m)
    assert m.log_text().count("server advertised 192.0.2.7, using 127.0.0.1") == 1


def test_data_source_ports(server, mount, range_of_ports):
    low, high = range_of_ports
    server.put("down", some_bytes(MIB, 1))
    m = mount(server, data_source_ports=f"{low}-{high}")
    use(server, m)
    for n in range(40):  # each port twice: what is in TIME_WAIT is no hindrance
        write_file(m / "again", some_bytes(100, n))
        assert server.disk("again").read_bytes() == some_bytes(100, n)


def test_bind(server, mount):
    """The server sees control and data come from there."""
    server.put("down", some_bytes(MIB, 1))
    for options in WAYS.values():
        m = mount(server, bind="127.0.0.5", **options)
        use(server, m)
        server.disk("up").unlink()
        m.unmount()


def test_bind_not_ours(proftpd, mount):
    done = mount.prepare(proftpd, bind="192.0.2.5").run()
    assert done.returncode == 32
    assert "bind=192.0.2.5" in done.stderr


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["proftpd", "vsftpd", "pureftpd", "pyftpdlib"])
def test_clear_data(own_server, mount, kind, way):
    server = own_server(kind, clear_data=True)
    server.put("down", some_bytes(MIB, 1))
    use(server, mount(server, prot="C", **WAYS[way]))
