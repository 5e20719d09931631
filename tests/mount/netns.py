# SPDX-License-Identifier: GPL-2.0-or-later
"""Networks of a test's own: a client and a server in a network namespace each, joined by a
cable or by a router, with nftables rules in any of them.

Names carry the pid of the test run: what a killed run left behind goes when the next one starts.
Programs are run with nsenter, which keeps the mount namespace, unlike `ip netns exec`: mounts made
in a namespace are seen everywhere.
"""

import ctypes
import os
import re
import socket
import subprocess
import threading
from pathlib import Path

import mounting

FOLDER = Path("/run/netns")
PREFIX = "ftpsfs-"

CLIENT, SERVER = "10.9.0.1", "10.9.0.2"  # joined by a cable
CLIENT6, SERVER6 = "fd00:9::1", "fd00:9::2"
ROUTER, INSIDE, ROUTER_INSIDE = "10.9.0.254", "192.168.77.2", "192.168.77.254"

# What the rules that a test gives a host are put into: a host that lets nothing in.
STRICT = """\
table inet filter {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state established accept
		iifname lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
%s
	}
	chain output {
		type filter hook output priority 0; policy drop;
		ct state established accept
		oifname lo accept
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
%s
	}
}
"""

# A host that lets everything through but for these.
OPEN = """\
table inet filter {
	chain input {
		type filter hook input priority 0; policy accept;
		ct state established accept
%s
	}
	chain output {
		type filter hook output priority 0; policy accept;
%s
	}
}
"""


def run(*argv, text=None):
    done = subprocess.run(argv, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}\n{text or ''}")
    return done.stdout


def sweep():
    """Removes the namespaces of test runs that are no more; a veth pair goes with them."""
    for path in FOLDER.glob(PREFIX + "*"):
        owner = re.match(r"(\d+)-", path.name[len(PREFIX):])
        if owner and not os.path.exists(f"/proc/{owner[1]}"):
            subprocess.run(["ip", "netns", "del", path.name], check=False)


class Host:
    """One namespace. Everything in it listens and talks as on a machine of its own."""

    def __init__(self, role, number):
        self.name = f"{PREFIX}{os.getpid()}-{number}-{role}"
        run("ip", "netns", "add", self.name)
        self.ip("link", "set", "lo", "up")
        # pyftpdlib runs as a plain user and has to get port 21
        self.sysctl("net.ipv4.ip_unprivileged_port_start", 0)
        # an IPv6 address could not be used for a second or two otherwise
        for name in ("all", "default"):
            self.sysctl(f"net.ipv6.conf.{name}.accept_dad", 0)

    @property
    def enter(self):
        """The words that run a program here."""
        return ["nsenter", f"--net={FOLDER / self.name}"]

    def run(self, *argv, text=None):
        return run(*self.enter, *argv, text=text)

    def call(self, function):
        """Runs it in a thread in this namespace: sockets made there, and by threads started
        there, belong to the namespace for good."""
        def body():
            try:
                with open(FOLDER / self.name) as f:
                    if ctypes.CDLL(None, use_errno=True).setns(f.fileno(), 0) != 0:
                        raise OSError(ctypes.get_errno(), "setns")
                results.append(function())
            except BaseException as e:  # told in the thread that asked
                errors.append(e)
        results, errors = [], []
        thread = threading.Thread(target=body)
        thread.start()
        thread.join()
        if errors:
            raise errors[0]
        return results[0]

    def ip(self, *words):
        return run("ip", "-n", self.name, *words)

    def sysctl(self, name, value):
        self.run("sysctl", "-qw", f"{name}={value}")

    def nft(self, text):
        """Takes these rules in place of all earlier ones."""
        self.run("nft", "-f", "-", text="flush ruleset\n" + text)

    def strict(self, incoming="", outgoing=""):
        self.nft(STRICT % (incoming, outgoing))

    def open(self, incoming="", outgoing=""):
        self.nft(OPEN % (incoming, outgoing))

    def close(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


def cable(one, addresses_one, other, addresses_other):
    """A veth pair, up on both sides, each with addresses such as 10.0.0.1/24."""
    names = [f"to-{h.name.rsplit('-', 1)[1]}" for h in (other, one)]
    run("ip", "link", "add", names[0], "netns", one.name, "type", "veth",
        "peer", "name", names[1], "netns", other.name)
    for host, name, addresses in ((one, names[0], addresses_one),
                                  (other, names[1], addresses_other)):
        for address in addresses:
            host.ip("addr", "add", address, "dev", name)
        host.ip("link", "set", name, "up")


class Network:
    """client -- server, or with routed=True client -- router -- server."""

    def __init__(self, number, routed=False):
        self.hosts = []
        try:
            self.build(number, routed)
        except BaseException:
            self.close()
            raise

    def host(self, role, number):
        self.hosts.append(Host(role, number))
        return self.hosts[-1]

    def build(self, number, routed):
        self.client = self.host("client", number)
        self.server = self.host("server", number)
        self.router = None
        self.address = SERVER  # where the server is
        if not routed:
            cable(self.client, (f"{CLIENT}/24", f"{CLIENT6}/64"),
                  self.server, (f"{SERVER}/24", f"{SERVER6}/64"))
            return
        self.router = self.host("router", number)
        self.address = INSIDE
        cable(self.client, (f"{CLIENT}/24",), self.router, (f"{ROUTER}/24",))
        cable(self.server, (f"{INSIDE}/24",), self.router, (f"{ROUTER_INSIDE}/24",))
        self.router.sysctl("net.ipv4.ip_forward", 1)
        self.client.ip("route", "add", "default", "via", ROUTER)
        self.server.ip("route", "add", "default", "via", ROUTER_INSIDE)

    def close(self):
        for host in self.hosts:
            host.close()


class Relay:
    """A TCP relay that reads the control channel where that is in clear, as a firewall's
    application layer gateway does, and spoils EPSV.

    refuse: answers in the server's place; swallow: no answer ever; mangle: the port
    is gone from the reply; wrong: another port is in it."""

    REPLIES = {"mangle": b"0", "wrong": b"9"}

    def __init__(self, host, listen, to, how):
        self.host, self.to, self.how = host, to, how
        self.seen = []  # EPSV commands met
        self.sockets = []
        self.listener = host.call(lambda: socket.create_server(listen))
        host.call(lambda: threading.Thread(target=self.accept, daemon=True).start())

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(self.to)
            self.sockets += [client, server]
            for source, target, change in ((client, server, self.command),
                                           (server, client, self.reply)):
                threading.Thread(target=self.pass_on, args=(source, target, change, client),
                                 daemon=True).start()

    def pass_on(self, source, target, change, client):
        try:
            while data := source.recv(65536):
                data = change(data, client)
                if data:
                    target.sendall(data)
        except OSError:
            pass
        for s in (source, target):
            try:
                s.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def command(self, data, client):
        if not data.startswith(b"EPSV"):
            return data
        self.seen.append(data)
        if self.how == "refuse":
            client.sendall(b"500 EPSV not understood\r\n")
        return data if self.how in self.REPLIES else b""

    def reply(self, data, _):
        if not data.startswith(b"229 ") or self.how not in self.REPLIES:
            return data
        return re.sub(rb"\|\d+\|", b"|" + self.REPLIES[self.how] + b"|", data)

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.sockets:
            s.close()


class Mounter(mounting.Mounter):
    """Mounts from inside the client's namespace; they are seen here all the same."""

    def __init__(self, bed, folder, host):
        super().__init__(bed, folder)
        self.host = host

    def defaults(self, server):
        # The certificate names localhost: the addresses are the business of the network here.
        return {**super().defaults(server), "tls_hostname": "localhost", "connect_timeout": 5}

    def prepare(self, server, source=None, **options):
        address = f"[{server.listen}]" if server.ipv6 else server.listen
        mount = super().prepare(server, source or f"{address}:/", **options)
        plain = mount.command
        mount.command = lambda *more: [*self.host.enter, *plain(*more)]
        return mount

    def __call__(self, server, source=None, **options):
        return super().__call__(server, source, **options)
