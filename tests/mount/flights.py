# SPDX-License-Identifier: GPL-2.0-or-later
"""Counting round trips without a clock.

A line stands between a mount and a real server. What the mount sends passes at once; what the
server says is held until nobody has anything left to do: no thread of the mount, of the server or
of the test runs or is about to, and nothing is under way. Then all that was held is let go, and
that is one round trip. Flights that overlap so count once, as on a real line, and it does not
matter how slow or busy the machine is. Bandwidth costs nothing here, only waiting does.

Opening a connection takes one, too: what a new connection brings waits for the next. The kernel
lets connect() return before, but nothing can come back any sooner than on a real line.
"""

import contextlib
import errno
import os
import re
import selectors
import socket
import threading
import time
from pathlib import Path

CLIENT = "127.0.0.2"  # where the line listens, on all ports of the server
QUIET = 0.003  # seconds between two looks that have to agree
STOPPED = "ZXT"


def threads_of(pid):
    with contextlib.suppress(OSError):
        return [(pid, int(tid)) for tid in os.listdir(f"/proc/{pid}/task")]
    return []


def look(threads):
    """How often each thread went to sleep, or None if one is not asleep."""
    seen = {}
    for pid, tid in threads:
        try:
            text = Path(f"/proc/{pid}/task/{tid}/status").read_text()
        except OSError:
            continue
        fields = dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)
        state = fields["State"][0]
        if state == "R":
            return None
        if state not in STOPPED:
            seen[tid] = fields["voluntary_ctxt_switches"], fields["nonvoluntary_ctxt_switches"]
    return seen


def with_children(pid):
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        for _, tid in threads_of(found[-1]):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{found[-1]}/task/{tid}/children").read_text()
                todo += map(int, text.split())
    return found


class Pipe:
    """A connection of the mount and ours to the server; None until the first round trip."""

    def __init__(self, client, port):
        self.client, self.port, self.server = client, port, None
        self.early = bytearray()  # sent before the connection stood
        self.held = []  # from the server; b"": its end
        self.client_ended = self.server_ended = False


class Line:
    """count: round trips so far. control, data: connections opened so far. sent: bytes that the
    mount sent. journal: for each round trip the commands in front of it, as the log of the mount
    has them, and the connections and bytes that it let go."""

    def __init__(self, server):
        self.server = server
        self.count = self.control = self.data = self.sent = 0
        self.journal = []
        self.worker = None  # the thread of the test that works on the mount
        self.mount = None
        self.logged = 0  # characters of its log that the journal has
        self.selector = selectors.DefaultSelector()
        self.pipes = []
        self.idle = threading.Event()
        self.ending = False
        self.failure = None
        self.port = server.port
        for port in (server.port, *range(server.ports.low, server.ports.high + 1)):
            listener = socket.create_server((CLIENT, port), backlog=64)
            listener.setblocking(False)
            self.selector.register(listener, selectors.EVENT_READ, ("accept", port))
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            while not self.ending:
                self.step()
        except BaseException as e:  # told in the thread that waits
            self.failure = e
            self.idle.set()

    def step(self):
        if self.pass_on(0.001):
            self.idle.clear()
            return
        if not self.quiet():
            return
        if any(p.held or not p.server for p in self.pipes):
            self.let_go()
        else:
            self.idle.set()

    # bytes

    def pass_on(self, timeout):
        """Whether anything came."""
        events = self.selector.select(timeout)
        for key, _ in events:
            what, thing = key.data
            if what == "accept":
                self.accept(key.fileobj, thing)
            elif what == "client":
                self.from_client(thing)
            else:
                self.from_server(thing)
        return bool(events)

    def accept(self, listener, port):
        client = listener.accept()[0]
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pipe = Pipe(client, port)
        if port == self.server.port:
            self.control += 1
        else:
            self.data += 1
        self.pipes.append(pipe)
        self.selector.register(client, selectors.EVENT_READ, ("client", pipe))

    @staticmethod
    def receive(sock):
        try:
            return sock.recv(1 << 20)
        except OSError:  # reset: the other side is told of an end
            return b""

    def from_client(self, pipe):
        data = self.receive(pipe.client)
        self.sent += len(data)
        if not data:
            self.selector.unregister(pipe.client)
            pipe.client_ended = True
        if pipe.server:
            self.to_server(pipe, data)
        else:
            pipe.early += data

    def to_server(self, pipe, data):
        with contextlib.suppress(OSError):
            if data:
                pipe.server.settimeout(30)
                pipe.server.sendall(data)
            else:
                pipe.server.shutdown(socket.SHUT_WR)
        self.drop_if_ended(pipe)

    def from_server(self, pipe):
        data = self.receive(pipe.server)
        pipe.held.append(data)
        if not data:
            self.selector.unregister(pipe.server)
            pipe.server_ended = True

    def drop_if_ended(self, pipe):
        if pipe.client_ended and pipe.server_ended and not pipe.held and pipe in self.pipes:
            self.pipes.remove(pipe)
            pipe.client.close()
            pipe.server.close()

    # time

    def pids(self):
        mine = self.mount.pids() if self.mount else []
        return mine, with_children(self.server.process.pid)

    def threads(self):
        mine, theirs = self.pids()
        found = [thread for pid in (*mine, *theirs) for thread in threads_of(pid)]
        if self.worker:
            found.append((os.getpid(), self.worker))
            for pid in with_children(os.getpid())[1:]:
                found += threads_of(pid)
        return found

    def quiet(self):
        before = look(self.threads())
        if before is None:
            return False
        time.sleep(QUIET)
        if look(self.threads()) != before:
            return False
        return not self.selector.select(0)

    def let_go(self):
        """One round trip passes."""
        self.count += 1
        told = self.commands()
        for pipe in list(self.pipes):
            if not pipe.server:
                told.append(f"open {self.name(pipe)}")
                self.open(pipe)
                continue
            if pipe.held:
                told.append(f"{self.name(pipe)} {sum(map(len, pipe.held))}")
            held, pipe.held = pipe.held, []
            for data in held:
                self.to_client(pipe, data)
            self.drop_if_ended(pipe)
        self.journal.append(f"{self.count}: {'; '.join(told)}")

    def commands(self):
        text = self.mount.log_text() if self.mount else ""
        new, self.logged = text[self.logged:], len(text)
        return re.findall(r"trace: (#\d+ > .*)", new)

    def name(self, pipe):
        return "control" if pipe.port == self.server.port else f"data {pipe.port}"

    def open(self, pipe):
        try:
            pipe.server = socket.create_connection((self.server.listen, pipe.port), 30)
        except OSError as e:
            if e.errno != errno.ECONNREFUSED:
                raise
            self.refuse(pipe)
            return
        pipe.server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.selector.register(pipe.server, selectors.EVENT_READ, ("server", pipe))
        if pipe.early:
            self.to_server(pipe, bytes(pipe.early))
        if pipe.client_ended:
            self.to_server(pipe, b"")

    def refuse(self, pipe):
        self.pipes.remove(pipe)
        if not pipe.client_ended:
            self.selector.unregister(pipe.client)
        pipe.client.close()

    def to_client(self, pipe, data):
        with contextlib.suppress(OSError):
            if data:
                pipe.client.settimeout(30)
                pipe.client.sendall(data)
            else:
                pipe.client.shutdown(socket.SHUT_WR)

    # for the test

    def watch(self, mount):
        """The mount whose threads have to sleep: before it is started."""
        self.mount, self.logged = mount, 0

    def settle(self, seconds=30):
        """Waits until nobody has anything to do and nothing is held."""
        self.worker = None
        self.idle.clear()
        assert self.idle.wait(seconds), "the mount does not come to rest"
        if self.failure:
            raise self.failure

    @contextlib.contextmanager
    def counted(self, settle=True):
        """`with line.counted() as spent`: spent.trips, .control, .data, .sent are what was
        spent from here to the end of the block by all that ran, not by what comes after."""
        if settle:
            self.settle()
        before = self.count, self.control, self.data, self.sent
        spent = Spent()
        self.worker = threading.get_native_id()
        try:
            yield spent
        finally:
            after = self.count, self.control, self.data, self.sent
            self.worker = None
            spent.trips, spent.control, spent.data, spent.sent = (
                a - b for a, b in zip(after, before))
        if self.failure:
            raise self.failure

    def close(self):
        self.ending = True
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        for pipe in self.pipes:
            pipe.client.close()
            if pipe.server:
                pipe.server.close()


class Spent:
    trips = control = data = sent = 0

    def __repr__(self):
        return (f"{self.trips} round trips, {self.control} logins, {self.data} data connections, "
                f"{self.sent} bytes sent")
