# SPDX-License-Identifier: GPL-2.0-or-later
"""Firewalls, with real packet filters between a client and a server in network namespaces.

Each test closes something, looks whether the mount names the true cause (which address and port,
dropped or rejected), applies the remedy that follows from it, and the mount works.
"""

import os
import re
import time

import pytest

import netns
from firewalled import (CLOSED, DATA, DNAT, MASQUERADE, RANGE, READING, REFUSED, SOURCE, TIMED_OUT,
                        network, offered, says, site)
from netns import CLIENT, CLIENT6, INSIDE, ROUTER, ROUTER_INSIDE, SERVER, SERVER6

__all__ = ["network", "site"]  # fixtures


# -- passive mode

@pytest.mark.parametrize("verdict, words", CLOSED, ids=["dropped", "reset", "prohibited"])
@pytest.mark.parametrize("epsv", ["yes", "no"])
def test_passive_range_closed(site, verdict, words, epsv):
    s = site()
    s.filter.open(f"tcp dport {DATA} {verdict}")
    text = s.fails(epsv=epsv)
    says(text, offered(), words)
    if verdict == "drop":
        says(text, "firewall")
    s.filter.open()
    s.works(epsv=epsv)


def test_ipv6(site):
    """PASV does not exist there; both directions, closed and open."""
    s = site(listen=SERVER6)
    s.works()  # also takes the first second, in which neighbours find each other
    s.filter.open(f"tcp dport {DATA} drop")
    says(s.fails(), rf"\[{SERVER6}\]:5000\d\b", TIMED_OUT, "firewall")
    s.works(mode="active")
    s.filter.open()
    s.client.open("ct state new drop")
    says(s.fails(mode="active"), rf"\[{CLIENT6}\]:\d+", TIMED_OUT, "passive")
    s.works()


@pytest.mark.parametrize("verdict, words", [
    ("reject with tcp reset", REFUSED), ("reject", REFUSED),
    ("reject with icmpv6 type admin-prohibited", "[Pp]rohibit|reject")],
    ids=["reset", "unreachable", "prohibited"])
def test_ipv6_rejected(site, verdict, words):
    """admin-prohibited becomes EACCES here, which is not a login refused nor a port that
    only root may use."""
    s = site(listen=SERVER6)
    s.filter.open(f"tcp dport {DATA} {verdict}")
    for options in ({}, {"data_source_ports": "45000-45019"}):
        text = s.fails(connect_timeout=4, **options)
        says(text, rf"\[{SERVER6}\]:5000\d\b", words)
        assert "for this user" not in text
    s.filter.open(f"tcp dport 21 {verdict}")
    text = s.fails(connect_timeout=4)
    says(text, rf"\[{SERVER6}\]:21\b", words)
    assert "login" not in text and "credentials" not in text


def test_range_opened_under_the_mount(site):
    """The firewall is corrected, and the mount that stood all the time works."""
    s = site()
    m = s.works(dir_ttl=0, connect_timeout=2)
    s.filter.open(f"tcp dport {DATA} drop")
    with pytest.raises(OSError):
        os.listdir(m / "d")
    s.filter.open()
    s.use(m)


def test_offer_inside_the_range(site):
    s = site()
    s.filter.strict(f"tcp dport {{ 21, {DATA} }} accept")
    s.works(pasv_ports=DATA)


def test_offer_outside_the_range(site):
    """Fails at once, not with a timeout, and both remedies work."""
    s = site(passive=(51000, 51009))
    s.filter.strict(f"tcp dport {{ 21, {DATA} }} accept\ntcp dport 51000-51009 counter drop")
    start = time.monotonic()
    text = s.fails(pasv_ports=DATA, connect_timeout=20)
    assert time.monotonic() - start < 8
    says(text, r"\b5100\d\b", DATA, "pasv_ports", r"passive (port )?range|passive ports")
    assert "counter packets 0 " in s.filter.run("nft", "list", "ruleset")  # not even tried
    s.filter.strict("tcp dport { 21, 51000-51009 } accept")
    s.works(pasv_ports="51000-51009")
    s.filter.strict(f"tcp dport {{ 21, {DATA} }} accept")
    s.start_server(passive=RANGE)
    s.works(pasv_ports=DATA)


def test_data_source_ports(site):
    """The server's firewall lets data connections in only from certain ports of the client."""
    s = site()
    s.filter.strict(f"tcp dport 21 accept\ntcp sport 45000-45019 tcp dport {DATA} accept")
    says(s.fails(), offered(), TIMED_OUT)
    s.works(data_source_ports="45000-45019")


# -- the control port

@pytest.mark.parametrize("mode, port", [("explicit", 21), ("implicit", 990)])
@pytest.mark.parametrize("verdict, words", CLOSED, ids=["dropped", "reset", "prohibited"])
def test_control_port_closed(site, mode, port, verdict, words):
    s = site(mode=mode)
    s.filter.open(f"tcp dport {port} {verdict}")
    says(s.fails(), rf"{SERVER}:{port}\b|{SERVER} port {port}\b", words)
    s.filter.open()
    s.works()


# -- active mode

def test_inbound_dropped(site):
    """Active fails and says why; passive works; so does active through ports let in."""
    s = site()
    s.client.open("ct state new drop")
    text = s.fails(mode="active")
    says(text, rf"{CLIENT}:\d+", TIMED_OUT, "passive", "active_ports")
    s.works(mode="passive")
    s.works(mode="auto", connect_timeout=2)
    s.client.strict("tcp dport 41000-41009 accept", "accept")
    s.works(mode="active", active_ports="41000-41009")


def test_auto_goes_active(site):
    """Passive is closed, and mode=auto finds the way."""
    s = site()
    s.filter.open(f"tcp dport {DATA} drop")
    s.works(mode="auto", connect_timeout=2)
    s.works(mode="auto", pasv_ports="51000-51009")  # learnt without a connect


ACTIVE_SERVERS = [("proftpd", "explicit"), ("proftpd", "implicit"), ("vsftpd", "explicit"),
                  ("vsftpd", "implicit"), ("pureftpd", "explicit")]


@pytest.mark.parametrize("kind, mode", ACTIVE_SERVERS, ids=["-".join(a) for a in ACTIVE_SERVERS])
def test_flow_active(site, kind, mode):
    """client => server:21, server:20 => client; client => server:990, server:989 => client."""
    s = site(kind, mode, active_port=SOURCE[mode])
    s.only_this_flow("active")
    says(s.fails(mode="passive"), offered(), TIMED_OUT, "firewall")
    m = s.works(mode="active", active_source_port="default", loglevel="trace")
    assert re.search(r"> (EPRT|PORT) ", m.log_text())
    s.works(mode="auto", connect_timeout=2)


@pytest.mark.parametrize("kind, mode", [("proftpd", "explicit"), ("proftpd", "implicit"),
                                        ("pyftpdlib", "explicit"), ("vsftpd", "implicit")])
def test_flow_passive(site, kind, mode):
    """client => server:21 or 990, client => server:range."""
    s = site(kind, mode)
    s.only_this_flow("passive")
    says(s.fails(mode="active"), rf"{CLIENT}:\d+", "passive")
    s.works(mode="passive", pasv_ports=DATA)


def test_active_from_another_port(site):
    """The server calls from a port of its liking: active_source_port=default takes it for
    a stranger and says so."""
    s = site("pyftpdlib")
    s.works(mode="active")
    text = s.fails(mode="active", active_source_port="default")
    says(text, r"\b20\b", "active_source_port")


# -- NAT

def test_server_behind_nat(site):
    """PASV names an address of the inside; the control connection's is used instead."""
    s = site(routed=True, advertise=INSIDE)
    s.router.nft(DNAT)
    source = f"{ROUTER}:/"
    s.works(source)
    m = s.works(source, epsv="no", loglevel="info")
    says(m.log_text(), rf"{INSIDE}.*{ROUTER}")
    s.works(source, pasv_addr=ROUTER)
    text = s.fails(source, pasv_addr="reply", epsv="no")
    says(text, offered(INSIDE), TIMED_OUT)
    s.start_server(advertise=ROUTER)
    s.works(source, pasv_addr="reply", epsv="no")


@pytest.mark.parametrize("kind", ["proftpd", "vsftpd", "pyftpdlib", "pureftpd"])
def test_client_behind_nat(site, kind):
    """Active mode advertises an address that the server cannot use or takes for an attack."""
    s = site(kind, routed=True)
    s.router.nft(MASQUERADE % "")
    s.works(mode="passive")
    text = s.fails(mode="active")
    says(text, rf"{CLIENT}\b", "active_addr|passive")
    s.router.nft(MASQUERADE % f"ip daddr {ROUTER_INSIDE} tcp dport 41000-41009 dnat to {CLIENT}")
    s.works(mode="active", active_addr=ROUTER_INSIDE, active_ports="41000-41009")


# -- firewalls that read the control channel

@pytest.fixture
def relay():
    made = []

    def make(*args):
        made.append(netns.Relay(*args))
        return made[-1]
    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("how", ["refuse", "swallow", "mangle", "wrong"])
def test_epsv_spoiled(site, relay, how):
    """A gateway that does not know EPSV: PASV takes over, and EPSV is not asked for again."""
    s = site(routed=True, extra="TLSRequired off")
    s.router.nft(f"""\
table ip nat {{
	chain prerouting {{
		type nat hook prerouting priority -100;
		ip daddr {ROUTER} tcp dport {{ {DATA} }} dnat to {INSIDE}
	}}
	chain postrouting {{
		type nat hook postrouting priority 100;
		ip daddr {INSIDE} masquerade
	}}
}}
""")
    gateway = relay(s.router, (ROUTER, 21), (INSIDE, 21), how)
    m = s.works(f"{ROUTER}:/", tls="none", loglevel="trace")
    assert len(gateway.seen) == 1
    says(m.log_text(), "> EPSV", "> PASV")
    text = s.fails(f"{ROUTER}:/", tls="none", epsv="yes", io_timeout=2)
    says(text, "EPSV" if how != "wrong" else rf"{ROUTER}:9\b")
    s.works(f"{ROUTER}:/", tls="none", epsv="no")


CCC_SERVERS = [("proftpd", {"extra": "TLSRequired auth+data"}), ("pureftpd", {})]


@pytest.mark.parametrize("kind, options", CCC_SERVERS, ids=["proftpd", "pureftpd"])
@pytest.mark.parametrize("epsv", ["auto", "yes", "no"])
def test_ccc_opens_the_firewall(site, kind, options, epsv):
    """Only control and what it announces may pass: closed while control is encrypted."""
    s = site(kind, routed=True, **options)
    s.router.nft(READING)
    says(s.fails(epsv=epsv), offered(INSIDE), TIMED_OUT, "firewall")
    s.works_twice(ccc="require", epsv=epsv)


@pytest.mark.parametrize("kind, options", CCC_SERVERS, ids=["proftpd", "pureftpd"])
@pytest.mark.parametrize("nat", [False, True], ids=["routed", "nat"])
def test_ccc_opens_the_firewall_for_active(site, kind, options, nat):
    """The same for EPRT and PORT, whose address the kernel's NAT corrects."""
    s = site(kind, routed=True, **options)
    s.router.nft(READING + (MASQUERADE % "" if nat else ""))
    text = s.fails(mode="active")
    says(text, rf"{CLIENT}\b", "passive|active_addr")
    s.works_twice(mode="active", ccc="require")
    s.works_twice(mode="active", ccc="require", epsv="no")
