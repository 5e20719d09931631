# SPDX-License-Identifier: GPL-2.0-or-later
"""What --probe says of a firewall: its verdicts name what the packet filter really does, and the
remedies it prints (rules, options, the mount line) are applied as printed and work."""

import json
import re
import shlex
import subprocess
import time

import pytest

import mounting
from firewalled import DATA, DNAT, READING, REFUSED, TIMED_OUT, network, offered, says, site
from netns import CLIENT, INSIDE, ROUTER, SERVER

__all__ = ["network", "site"]  # fixtures

# Few, so that 20 replies show them all: the suggested range is exactly this one. Of vsftpd:
# ProFTPD 1.3.8 does not offer the last port of its range.
FEW = (50000, 50002)
FEW_TEXT = "50000-50002"
PASSIVE, ACTIVE = ("EPSV", "PASV"), ("EPRT", "PORT")


class Report:
    def __init__(self, done, seconds):
        self.status, self.seconds = done.returncode, seconds
        self.json = json.loads(done.stdout)

    def __getattr__(self, name):
        return self.json[name]

    def cells(self, *ways, **wanted):
        """The lines of the matrix for these ways of asking for a data connection."""
        wanted = {"tls": "explicit", "ccc": "no", "prot": "P", **wanted}
        return [c for c in self.json["cells"] if c["data"] in ways and
                all(c[name] == value for name, value in wanted.items())]

    def verdicts(self, *ways, **wanted):
        return {c["verdict"] for c in self.cells(*ways, **wanted)}

    def door(self, tls):
        return next(d for d in self.control if d["tls"] == tls)


def probe(s, host=None, **options):
    """--probe --json from the client's side, as the given mount would be made."""
    m = s.mount.prepare(s.server, f"{host or s.server.listen}:",
                        **{"connect_timeout": 2, **options})
    for name in ("loglevel", "spool_dir", "logfile"):
        m.options.pop(name)
    argv = [*s.client.enter, str(mounting.BINARY), "--probe", m.source,
            "-o", mounting.join_options(m.options), "--json"]
    start = time.monotonic()
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=80)
    assert done.stdout, done.stderr
    return Report(done, time.monotonic() - start)


def mount_as_printed(s, line):
    """Runs a mount line of the probe, in which only MOUNTPOINT is filled in."""
    words = shlex.split(line)
    assert words[0] == "ftpsfs" and words[2:4] == ["MOUNTPOINT", "-o"]
    m = s.mount.prepare(s.server)
    words[0], words[2] = str(mounting.BINARY), str(m.point)
    words[4] += f",logfile={m.log},spool_dir={s.mount.spool},loglevel=trace"
    m.command = lambda *_: [*s.client.enter, *words]
    done = m.run()
    assert done.returncode == 0, done.stderr
    s.use(m)
    return m


def rule_in(texts):
    """The nft rule in a remedy."""
    found = re.search(r"nft insert rule .*", "\n".join(texts))
    assert found, texts
    return found[0]


def apply(host, rule):
    """As an administrator pastes it."""
    host.run("sh", "-c", rule)


def test_outbound_closed(site):
    """This side lets only the control port out: the printed rule opens the rest."""
    s = site("vsftpd", passive=FEW)
    s.client.strict("", "tcp dport 21 accept")
    r = probe(s)
    assert r.status == 1 and r.given["verdict"] == "blocked"
    assert r.verdicts(*PASSIVE) == {"blocked"}
    for cell in r.cells(*PASSIVE):
        says(cell["reason"], r"SYN", offered(), TIMED_OUT)
    assert not r.verdicts(*ACTIVE) & {"ok"}
    assert r.passive_ports["suggested"] == FEW_TEXT
    says(r.cause, offered(), TIMED_OUT)
    apply(s.client, rule_in(r.remedies))
    s.works(max_conns=2)
    r = probe(s, max_conns=2)
    assert r.status == 0 and r.verdicts(*PASSIVE) == {"ok"}
    mount_as_printed(s, r.mount)


@pytest.mark.parametrize("verdict, word, words", [
    ("drop", "blocked", TIMED_OUT), ("reject with tcp reset", "rejected", f"RST|{REFUSED}"),
    ("reject with icmpx type admin-prohibited", "unreachable", "route|unreachable|ICMP")],
    ids=["dropped", "reset", "prohibited"])
def test_passive_range_closed(site, verdict, word, words):
    """The server's side lets no data connection in: the way that is left is printed."""
    s = site()
    s.filter.open(f"tcp dport {DATA} {verdict}")
    r = probe(s)
    assert r.status == 1 and r.given["verdict"] == word
    assert r.verdicts(*PASSIVE) == {word} and r.verdicts(*ACTIVE) == {"ok"}
    for cell in r.cells(*PASSIVE):
        says(cell["reason"], offered(), words)
    says(r.cause, offered())
    m = mount_as_printed(s, r.mount)
    assert re.search("> (EPRT|PORT) ", m.log_text())


def test_inbound_dropped(site):
    """Active mode was asked for, and this side lets nobody in."""
    s = site()
    s.client.strict("", "accept")
    r = probe(s, mode="active")
    assert r.status == 1 and r.given["verdict"] == "blocked"
    assert r.verdicts(*ACTIVE) == {"blocked"} and r.verdicts(*PASSIVE) == {"ok"}
    for cell in r.cells(*ACTIVE):
        says(cell["reason"], rf"{CLIENT}:\d+")
    says(r.cause, rf"{CLIENT}:\d+", "passive|active_ports")
    mount_as_printed(s, r.mount)
    s.client.strict("tcp dport 1024-65535 accept", "accept")
    r = probe(s, mode="active")
    assert r.status == 0
    rule = r.door("explicit")["active"]["nft"]
    s.client.strict("", "accept")
    apply(s.client, rule)  # the rule printed for what works is enough for it
    s.works(mode="active")


def test_only_implicit_active(site):
    """Of the four flows only one may pass, the rarest; the probe finds it."""
    s = site("vsftpd", "implicit", active_port=989)
    s.only_this_flow("active")
    r = probe(s)
    assert r.status == 1
    assert r.door("explicit")["verdict"] == "blocked"
    says(r.door("explicit")["reason"], rf"{SERVER}:21\b", TIMED_OUT)
    assert r.verdicts(*PASSIVE, tls="implicit") == {"blocked"}
    assert r.verdicts(*ACTIVE, tls="implicit") == {"ok"}
    flow = "\n".join(r.door("implicit")["active"]["flow"])
    says(flow, r"client .*=> server:990 tcp", r"server[: (]+989\b.*=> client:")
    mount_as_printed(s, r.mount)


@pytest.mark.parametrize("verdict, word", [("drop", "blocked"),
                                           ("reject with tcp reset", "rejected")],
                         ids=["dropped", "reset"])
def test_control_port_closed(site, verdict, word):
    """Nothing to be done from here, and that is said in time."""
    s = site()
    s.filter.open(f"tcp dport {{ 21, 990 }} {verdict}")
    r = probe(s)
    assert r.status == 32 and r.seconds < 20
    for tls, port in (("explicit", 21), ("implicit", 990)):
        assert r.door(tls)["verdict"] == word
        says(r.door(tls)["reason"], rf"{SERVER}:{port}\b")
    assert r.cause and r.mount is None
    s.filter.open()
    assert probe(s).status == 0


def test_everything_dropped_is_bounded(site):
    """Every SYN is swallowed, at the default timeouts."""
    s = site()
    s.client.strict("", "tcp dport 21 accept")
    r = probe(s, connect_timeout=None)
    assert r.seconds < 70
    assert r.verdicts(*PASSIVE) == {"blocked"}


def test_only_ccc_passes(site):
    """A firewall that reads the control channel: only CCC lets it open the data ports."""
    s = site("pureftpd", routed=True)
    s.router.nft(READING)
    r = probe(s)
    assert r.status == 1
    assert r.verdicts(*PASSIVE) == {"blocked"} == r.verdicts(*ACTIVE)
    assert r.verdicts("PASV", ccc="yes") == {"ok"}
    m = mount_as_printed(s, r.mount)
    assert "> CCC" in m.log_text()


def test_private_address_advertised(site):
    """NAT in front of the server: what PASV says is shown, and does not matter."""
    s = site(routed=True, advertise=INSIDE)
    s.router.nft(DNAT)
    r = probe(s, ROUTER)
    assert r.status == 0 and r.verdicts("PASV") == {"ok"}
    assert r.passive_ports["advertised_address"] == INSIDE
    for cell in r.cells("PASV"):
        assert cell["advertised"] == INSIDE and cell["address"].startswith(f"{ROUTER}:")
    mount_as_printed(s, r.mount)
    r = probe(s, ROUTER, pasv_addr="reply", epsv="no")
    assert r.status == 1
    says(r.cause, rf"{re.escape(INSIDE)}:5000\d\b")


def test_outside_the_given_range(site):
    """pasv_ports names another range than the server's."""
    s = site("vsftpd", passive=FEW)
    s.filter.strict(f"tcp dport {{ 21, {FEW_TEXT} }} accept")
    r = probe(s, pasv_ports="51000-51009")
    assert r.status == 1 and r.given["verdict"] == "outside-range"
    says(r.cause, r"\b5000[0-2]\b", "51000-51009")
    assert r.passive_ports["suggested"] == FEW_TEXT
    s.works(pasv_ports=r.passive_ports["suggested"], max_conns=2)
