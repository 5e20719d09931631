# SPDX-License-Identifier: GPL-2.0-or-later
"""What the tests of firewalls share: a server behind one, and rules."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

import netns
from conftest import MUST_RUN
from content import MIB, some_bytes, write_file
from netns import CLIENT, INSIDE, ROUTER, SERVER

RANGE = (50000, 50009)
DATA = "50000-50009"
CONTROL = {"explicit": 21, "implicit": 990}
SOURCE = {"explicit": 20, "implicit": 989}  # of active data connections

TIMED_OUT = r"timed out|within \d+ s"
REFUSED = r"refused"
CLOSED = [("drop", TIMED_OUT), ("reject with tcp reset", REFUSED),
          ("reject with icmpx type admin-prohibited", r"[Nn]o route to host|unreachable")]

# A server inside is reached by the router's address.
DNAT = f"""\
table ip nat {{
	chain prerouting {{
		type nat hook prerouting priority -100;
		ip daddr {ROUTER} tcp dport {{ 21, {DATA} }} dnat to {INSIDE}
	}}
}}
table ip filter {{
	chain forward {{
		type filter hook forward priority 0; policy drop;
		ct state established accept
		ct status dnat accept
	}}
}}
"""

# A client inside is seen by the router's address. %s: for the way back
MASQUERADE = f"""\
table ip nat {{
	chain prerouting {{
		type nat hook prerouting priority -100;
		%s
	}}
	chain postrouting {{
		type nat hook postrouting priority 100;
		ip saddr {CLIENT} masquerade
	}}
}}
"""

# nf_conntrack_ftp, the kernel's own: it opens the data ports that it reads of.
READING = """\
table inet filter {
	ct helper ftp {
		type "ftp" protocol tcp;
	}
	chain prerouting {
		type filter hook prerouting priority 0;
		tcp dport 21 ct helper set "ftp"
	}
	chain forward {
		type filter hook forward priority 0; policy drop;
		ct state established,related accept
		tcp dport 21 accept
	}
}
"""


@pytest.fixture
def network(bed):
    """network(routed=False): namespaces of this test alone."""
    for program, package in (("nft", "nftables"), ("ip", "iproute2")):
        if not shutil.which(program):
            why = f"needs {program}: apt-get install {package}"
            (pytest.fail if MUST_RUN else pytest.skip)(why)
    netns.sweep()
    made = []

    def make(routed=False):
        made.append(netns.Network(len(made), routed))
        return made[-1]
    yield make
    for network in made:
        network.close()


@pytest.fixture
def site(network, own_server, request, bed):
    """site(kind, mode, routed, **server options): a network, a server in it on the port of
    its mode, and as .mount what mounts from the client's side."""
    mounters = []

    def make(kind="proftpd", mode="explicit", routed=False, **options):
        made = Site(network(routed), own_server, kind, mode, options)
        folder = Path(tempfile.mkdtemp(prefix="mount-", dir=bed.run))
        made.mount = netns.Mounter(bed, folder, made.client)
        mounters.append(made.mount)
        request.node.mounter, request.node.servers = made.mount, made.servers
        return made
    yield make
    complaints = [line for mounter in mounters for line in mounter.finish()]
    assert not complaints, "; ".join(complaints)


class Site:
    def __init__(self, network, own_server, kind, mode, options):
        self.network, self.kind, self.mode = network, kind, mode
        self.client, self.router = network.client, network.router
        self.filter = network.server  # where the server's packet filter is
        self.own_server = own_server
        self.options = {"port": CONTROL[mode], "passive": RANGE, "listen": self.network.address,
                        "netns": self.network.server.name, **options}
        self.servers = []
        self.start_server()

    def start_server(self, **change):
        """The server, or the server again with other options."""
        for server in self.servers:
            server.close()
        self.options |= change
        self.server = self.own_server(self.kind, self.mode, **self.options)
        self.servers.append(self.server)
        self.server.put("d/down", some_bytes(70000, 1))

    def works(self, source=None, **options):
        """Mounts, lists, reads and writes; returns the mount."""
        m = self.mount(self.server, source, **options)
        self.use(m)
        return m

    def use(self, m):
        assert os.listdir(m / "d") == ["down"]
        assert (m / "d/down").read_bytes() == some_bytes(70000, 1)
        write_file(m / "d/up", some_bytes(70000, 2))
        assert self.server.disk("d/up").read_bytes() == some_bytes(70000, 2)
        os.unlink(m / "d/up")

    def works_twice(self, **options):
        """The same, and on a second connection while the first one is busy."""
        m = self.works(**options)
        big = self.server.put("big", some_bytes(30 * MIB))
        with open(m / "big", "rb") as f:
            start = f.read(4096)
            write_file(m / "second", some_bytes(70000, 3))
            assert (start + f.read()) == big.read_bytes()
        assert self.server.disk("second").read_bytes() == some_bytes(70000, 3)
        for name in ("big", "second"):
            os.unlink(m / name)

    def fails(self, source=None, **options):
        """A mount that cannot list: what it said, to the user or in its log."""
        m = self.mount.prepare(self.server, source, **{"connect_timeout": 1, **options})
        done = m.run()
        if done.returncode == 0:
            with pytest.raises(OSError):
                os.listdir(m / "d")
            m.unmount()
        else:
            assert done.returncode == 32
        return warnings(m.log_text() + done.stderr)

    def only_this_flow(self, direction):
        """Both hosts drop everything but this one flow, of one mode of one kind of TLS."""
        control, source = CONTROL[self.mode], SOURCE[self.mode]
        if direction == "active":
            there, back = f"tcp sport {source} tcp dport 1024-65535 accept", ""
        else:
            there, back = "", f"tcp dport {DATA} accept"
        # client port > 1023 in all
        allowed = f"tcp sport 1024-65535 tcp dport {control} accept\n{back}"
        self.client.strict(there, allowed)
        self.filter.strict(allowed, there)


def warnings(text):
    """Without what only a debugging log tells."""
    return "\n".join(line for line in text.splitlines()
                     if not re.search(r"\b(debug|trace): ", line))


def says(text, *patterns):
    for pattern in patterns:
        assert re.search(pattern, text), f"nothing like {pattern!r} in:\n{text}"


def offered(address=SERVER):
    """A data port of the range at this address."""
    return rf"{re.escape(address)}:5000\d\b"
