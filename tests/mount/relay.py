# SPDX-License-Identifier: GPL-2.0-or-later
"""A TCP relay on loopback that records what went through: the wire, as a firewall sees it."""

import contextlib
import socket
import threading


class Relay:
    """Listens on `port` and passes connections on to 127.0.0.1:`target`. sent and received
    hold the bytes of all connections in order, as the client saw the direction."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.sent, self.received = [], []  # a bytearray per connection
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            self.sockets += [client, server]
            for source, sink, log in ((client, server, self.sent),
                                      (server, client, self.received)):
                log.append(bytearray())
                threading.Thread(target=self.pump, args=(source, sink, log[-1]),
                                 daemon=True).start()

    @staticmethod
    def pump(source, sink, log):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                log += data
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for s in self.sockets:
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()
