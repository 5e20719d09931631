# SPDX-License-Identifier: GPL-2.0-or-later
"""An FTPS server from pyftpdlib, explicit or implicit, for the tests and the demo.

pyftpd.py PORT LOW HIGH ROOT CERT KEY explicit|implicit USER [listen=ADDRESS] [advertise=ADDRESS]
[clear_data=yes] [avbl=BYTES], the password on stdin. LOW 0: any port the kernel gives.
"""

import logging
import os
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import TLS_FTPHandler
from pyftpdlib.servers import ThreadedFTPServer


class Explicit(TLS_FTPHandler):
    tls_control_required = True
    tls_data_required = True
    room = None  # what AVBL answers

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        if self.room:
            self._extra_feats.append("AVBL")

    def ftp_CWD(self, path):
        """pyftpdlib answers 250 while the process still stands in the directory: if that is
        removed then, every CWD of every session fails from there on."""
        try:
            return super().ftp_CWD(path)
        except FileNotFoundError:
            os.chdir("/")
            return None

    def ftp_AVBL(self, line):
        self.respond(f"213 {self.room}")


class Implicit(Explicit):
    """pyftpdlib greets first; implicit TLS means: the handshake, then the greeting."""

    def handle(self):
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self):
        super().handle()


def main():
    port, low, high, root, cert, key, mode, user = sys.argv[1:9]
    more = dict(word.split("=", 1) for word in sys.argv[9:])
    password = sys.stdin.readline().rstrip("\n")
    logging.basicConfig(level=logging.DEBUG)
    handler = Implicit if mode == "implicit" else Explicit
    handler.authorizer = DummyAuthorizer()
    handler.authorizer.add_user(user, password, root, perm="elradfmwMT")
    handler.certfile, handler.keyfile = cert, key
    handler.tls_data_required = not more.get("clear_data")
    handler.masquerade_address = more.get("advertise") or None
    if int(low):
        handler.passive_ports = range(int(low), int(high) + 1)
    handler.room = more.get("avbl")
    handler.proto_cmds = {**handler.proto_cmds, "AVBL": {
        "perm": None, "auth": True, "arg": None, "help": "Syntax: AVBL [path]"}}
    handler.banner = "pyftpdlib for the tests of ftpsfs"
    ThreadedFTPServer((more.get("listen") or "127.0.0.1", int(port)), handler).serve_forever()


if __name__ == "__main__":
    main()
