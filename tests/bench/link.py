# SPDX-License-Identifier: GPL-2.0-or-later
"""A slow line: two hosts in network namespaces, joined by netem where the kernel has it, else by
netlag (netlag.c)."""

import subprocess

import mounting
import netns

NETLAG = mounting.BUILD / "tests/bench/netlag"
END = 5  # seconds that netlag may take to end


class Link:
    """how: what makes the delay. client and server are hosts (tests/mount/netns.py)."""

    def __init__(self, rtt, mbit, loss):
        self.rtt, self.mbit, self.loss = rtt, mbit, loss
        self.hosts, self.netlag = [], None
        netns.sweep()
        try:
            self.build()
        except BaseException:
            self.close()
            raise

    def build(self):
        for role in ("client", "server"):
            self.hosts.append(netns.Host(role, 0))
        self.client, self.server = self.hosts
        self.address = netns.SERVER
        for host in self.hosts:  # what one row learnt about the path is no help for the next
            host.sysctl("net.ipv4.tcp_no_metrics_save", 1)
        if self.netem():
            self.how = "netem"
            return
        self.how = "TUN pair"
        self.netlag = subprocess.Popen(
            [NETLAG, self.client.name, netns.CLIENT, self.server.name, netns.SERVER,
             str(self.rtt), str(self.mbit), str(self.loss)], stdout=subprocess.PIPE)
        if self.netlag.stdout.readline() != b"up\n":
            raise RuntimeError("netlag did not start")

    def netem(self):
        words = ["netem", "limit", "100000", "delay", f"{self.rtt / 2}ms", "loss", f"{self.loss}%"]
        if self.mbit:
            words += ["rate", f"{self.mbit}mbit"]
        netns.cable(self.client, (f"{netns.CLIENT}/24",), self.server, (f"{netns.SERVER}/24",))
        try:
            for host, device in ((self.client, "to-server"), (self.server, "to-client")):
                netns.run("tc", "-n", host.name, "qdisc", "add", "dev", device, "root", *words)
                if self.loss:  # packets are lost, not bursts of many segments
                    host.ip("link", "set", device, "gso_max_segs", "1")
        except RuntimeError:  # no such discipline in this kernel
            self.client.ip("link", "del", "to-server")
            return False
        return True

    def close(self):
        if self.netlag:
            self.netlag.terminate()
            self.netlag.wait(END)
        for host in self.hosts:
            host.close()
