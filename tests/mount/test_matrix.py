# SPDX-License-Identifier: GPL-2.0-or-later
"""Every way to connect, a cell each: {explicit, implicit} x {EPSV, PASV, EPRT, PORT} x
{TLS 1.2, 1.3} x {PROT P, C} x {IPv4, IPv6} on every server, and CCC where servers know it.

A cell mounts, lists, reads and writes, compares bytes on the server's own disk, and asks the
trace whether the connections really were of that kind. PASV and PORT know IPv4 only.
"""

import os
import re

import pytest

import packages
import servers
from conftest import MUST_RUN
from content import some_bytes, write_file

SIZE = 200 * 1000
COMMANDS = {
    "EPSV": {"mode": "passive", "epsv": "yes"},
    "PASV": {"mode": "passive", "epsv": "no"},
    "EPRT": {"mode": "active", "epsv": "yes"},
    "PORT": {"mode": "active", "epsv": "no"},
}
HOSTS = {"ipv4": "127.0.0.1", "ipv6": "::1"}


CCC = [("proftpd", "explicit"), ("proftpd", "implicit"), ("pureftpd", "explicit")]


def cells(kinds, versions):
    """The servers in the outer loops: tests that share one follow each other."""
    for kind, mode in kinds:
        for family in HOSTS:
            for command in ("EPSV", "EPRT") if family == "ipv6" else COMMANDS:
                for version in versions:
                    for prot in "PC":
                        yield kind, mode, family, command, version, prot


def parametrize(kinds, versions):
    made = list(cells(kinds, versions))
    return pytest.mark.parametrize("kind, mode, family, command, version, prot", made,
                                   ids=["-".join(cell) for cell in made])


@pytest.fixture(scope="module")
def kept():
    """The servers that are up, by what they are."""
    up = {}
    yield up
    for server in up.values():
        server.close()


@pytest.fixture
def server_for(bed, kept, server_used):
    """server_for(kind, mode, family, **options): shared by the cells, its root empty. Those of
    another kind and mode end, for the cells come in this order."""
    def make(kind, mode, family, **options):
        key = (kind, mode, family, *sorted(options.items()))
        for other in [k for k in kept if k[:2] != key[:2]]:
            kept.pop(other).close()
        try:
            if key not in kept:
                kept[key] = bed.server(kind, mode, listen=HOSTS[family], **options)
        except packages.Missing as e:
            (pytest.fail if MUST_RUN else pytest.skip)(str(e))
        server_used.append(kept[key])
        kept[key].clear()
        return kept[key]
    return make


def source_of(family):
    return "[::1]:/" if family == "ipv6" else "127.0.0.1:/"


def use(server, mount, family, **options):
    """What each cell does; returns the mount."""
    server.put("d/down", some_bytes(SIZE, 1))
    m = mount(server, source_of(family), loglevel="trace", **options)
    assert os.listdir(m) == ["d"]
    assert os.listdir(m / "d") == ["down"]
    assert (m / "d/down").read_bytes() == some_bytes(SIZE, 1)
    write_file(m / "d/up", some_bytes(SIZE, 2))
    assert server.disk("d/up").read_bytes() == some_bytes(SIZE, 2)
    assert sorted(os.listdir(m / "d")) == ["down", "up"]
    return m


def sent(m):
    """The verbs that went out, from the trace."""
    return set(re.findall(r"> ([A-Z]{3,5})\b", m.log_text()))


def listened(m):
    """Asks the trace whether the connections were what the options say."""
    o = m.options
    verbs = sent(m)
    command = next(name for name, words in COMMANDS.items() if words.items() <= o.items())
    assert verbs & set(COMMANDS) == {command}
    assert ("AUTH" in verbs) == (o.get("tls") != "implicit")
    assert f"> PROT {o['prot']}" in m.log_text()


@parametrize(servers.ALL, ("1.2", "1.3"))
def test_cell(server_for, mount, kind, mode, family, command, version, prot):
    server = server_for(kind, mode, family, clear_data=True)
    m = use(server, mount, family, prot=prot, tls_min=version, tls_max=version,
            **COMMANDS[command])
    listened(m)


@parametrize(CCC, ("1.2",))
def test_ccc(server_for, mount, kind, mode, family, command, version, prot):
    """The control channel in clear after the login, data as PROT says."""
    extra = "" if kind != "proftpd" else "TLSRequired auth" + ("+data" if prot == "P" else "")
    m = use(server_for(kind, mode, family, extra=extra), mount, family, ccc="require", prot=prot,
            **COMMANDS[command])
    listened(m)
    assert re.search(r"> CCC\n.*< 200 ", m.log_text())
