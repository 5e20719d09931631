# SPDX-License-Identifier: GPL-2.0-or-later
"""The other clients in the same run. They get a ProFTPD of their own that does not demand session
reuse: with its default rclone stumbles from one 425 to the next."""

import subprocess
import time

import mounting
import rows
import servers
from reaper import kill_mount

REUSE = "TLSOptions NoSessionReuseRequired"
USER = f"{servers.USER}:{servers.PASSWORD}"


class Rclone:
    """rclone mount, with what mounting.Mount offers and the benchmark uses."""

    name = "rclone"

    def __init__(self, bench, conns):
        self.bench = bench
        self.point = bench.folder / "rclone"
        self.point.mkdir(exist_ok=True)
        done = subprocess.run(["rclone", "obscure", "-"], input=servers.PASSWORD, text=True,
                              capture_output=True, check=True)
        host, port = bench.address(bench.lenient)
        # the daemon ends with us, however we end
        self.command = [
            *bench.enter, "setpriv", "--pdeathsig", "TERM", "rclone", "mount", ":ftp:", self.point,
            "--config", "/dev/null", "--cache-dir", bench.folder / "rclone-cache",
            "--ftp-host", host, "--ftp-port", str(port), "--ftp-user", servers.USER,
            "--ftp-pass", done.stdout.strip(), "--ftp-explicit-tls",
            "--ftp-no-check-certificate", "--ftp-concurrency", str(conns)]
        self.process = None

    def start(self):
        with open(self.bench.folder / "rclone.log", "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log)
        self.bench.bed.reaper.add_mount(self.point)
        if not mounting.eventually(self.mounted, 20):
            raise rows.Wrong("rclone mount: not there after 20 s")

    def mounted(self):
        return any(line.split()[4] == str(self.point) for line in open("/proc/self/mountinfo"))

    def end(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self.bench.bed.reaper.forget(self.point)

    def kill(self):
        self.process.kill()
        kill_mount(str(self.point))
        self.process.wait()


def curl(bench, verb, name, local):
    host, port = bench.address(bench.lenient)
    way = ["-o", local] if verb == "get" else ["-T", local]
    return ["curl", "-sS", "--ssl-reqd", "--cacert", bench.bed.ca, "-u", USER, "--resolve",
            f"localhost:{port}:{host}", *way, f"ftp://localhost:{port}/{name}"]


def lftp(bench, verb, name, local):
    host, port = bench.address(bench.lenient)
    # lftp asks for localhost too, but cannot be told where that is
    settings = ("set ftp:ssl-force yes; set ftp:ssl-protect-data yes; "
                "set ssl:check-hostname no; set net:max-retries 2; "
                f"set ssl:ca-file {bench.bed.ca}; set cmd:fail-exit yes; ")
    way = f"get {name} -o {local}" if verb == "get" else f"put {local} -o {name}"
    return ["lftp", "--norc", "-c",
            f"{settings} open -p {port} -u {servers.USER},{servers.PASSWORD} {host}; {way}"]


SINGLE = {"curl": curl, "lftp": lftp}


def move(bench, command, verb, name):
    """One file through a client of single files: login included, as it cannot do without."""
    local, there = bench.folder / "single", bench.lenient.disk(name)
    local.unlink(missing_ok=True)
    if verb == "put":
        local.write_bytes(bench.lenient.disk("big.bin").read_bytes())
    start = time.monotonic()
    rows.run(*bench.enter, *command(bench, verb, name, local))
    seconds = time.monotonic() - start
    data = local.read_bytes()
    rows.expect(data == there.read_bytes(), True, "contents equal")
    return len(data), seconds
