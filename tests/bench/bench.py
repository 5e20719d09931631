#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""./dev bench: what an FTPS mount costs in round trips, beside its budget and other clients.

Every row is done cold, on a mount of its own, against ProFTPD behind a slow line. A row that
fails is told as such and the run goes on. See rows.py for what the rows do.
"""

import argparse
import contextlib
import datetime
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "mount")]
sys.dont_write_bytecode = True

import bulk  # noqa: E402
import link  # noqa: E402
import mounting  # noqa: E402
import netns  # noqa: E402
import peers  # noqa: E402
import rows  # noqa: E402
import servers  # noqa: E402
import table  # noqa: E402
from timed import timed  # noqa: E402

GRACE = 20  # seconds a row may take beyond a multiple of its budget
USUAL, LONG = (50, 200, 0), (100, 1000, 0.5)  # ms, Mbit/s, percent
PEER_LIMIT = 150  # seconds for a row of another client


class Bench:
    """What all rows share: the line, the servers, a folder."""

    def __init__(self, args, line):
        self.args, self.link = args, line
        self.folder = Path(tempfile.mkdtemp(prefix="ftpsfs-bench-", dir="/tmp"))
        os.chmod(self.folder, 0o755)
        self.bed = servers.Bed(mounting.BUILD, self.folder)
        self.enter = line.client.enter if line else []
        self.strict = self.lenient = None

    def server(self, port, extra="", **more):
        """ProFTPD; it demands that sessions are resumed unless extra says otherwise."""
        if self.link:
            more.update(listen=self.link.address, netns=self.link.server.name, port=port,
                        passive=(50000 + port, 50999 + port))
        return self.bed.server("proftpd", extra=extra, **more)

    def address(self, server):
        return server.listen, server.port

    def mounter(self):
        folder = Path(tempfile.mkdtemp(prefix="row-", dir=self.folder))
        if self.link:
            return netns.Mounter(self.bed, folder, self.link.client)
        return mounting.Mounter(self.bed, folder)

    def close(self):
        self.bed.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Ours:
    """A mount of ours for one row."""

    name = "ftpsfs"

    def __init__(self, bench, conns):
        self.bench, self.mounter = bench, bench.mounter()
        options = {"max_conns": conns, "loglevel": "info"}
        if bench.args.trace:
            options["loglevel"] = "trace"
        for word in bench.args.option:
            name, _, value = word.partition("=")
            options[name] = value or True
        self.mount = self.mounter.prepare(bench.strict, **options)
        self.point = self.mount.point

    def start(self):
        done = self.mount.run()
        if done.returncode != 0:
            raise rows.Wrong(f"mount: {done.stderr.strip()}")

    def end(self):
        self.mounter.finish()

    def kill(self):
        self.mounter.kill_all()

    def keep_trace(self, row):
        if self.bench.args.trace:
            folder = Path(self.bench.args.trace)
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(self.mount.log, folder / f"{row.name.replace('/', '-')}.log")


def mount_and_work(player, row, disk, deadline):
    """The outcome of a row; of the mount itself for the row that has no work."""
    def first():
        player.start()
        os.stat(player.point)
    field = rows.Field(player.point, disk)
    start = time.monotonic()
    if not row.work:
        try:
            first()
        except rows.Wrong as e:
            return {"error": str(e)}
        return {"seconds": time.monotonic() - start, "bytes": 0}
    player.start()
    if row.settle:
        time.sleep(rows.SETTLE)
    if row.before:
        done = timed(lambda: row.before(field), deadline, player.kill)
        if "error" in done:
            return done
    return timed(lambda: row.work(field), deadline, player.kill)


def play(bench, make, row, server, deadline):
    rows.populate(server)
    try:
        player = make(bench, row.conns)
    except OSError as e:
        return {"error": str(e)}
    try:
        return mount_and_work(player, row, server.root, deadline)
    except (rows.Wrong, subprocess.SubprocessError, OSError) as e:
        return {"error": str(e)}
    finally:
        player.end()
        if isinstance(player, Ours):
            player.keep_trace(row)
        server.clear()


def median(outcomes):
    good = sorted((o for o in outcomes if "error" not in o), key=lambda o: o["seconds"])
    return good[len(good) // 2] if len(good) == len(outcomes) else \
        next(o for o in outcomes if "error" in o)


def single(bench, command, row):
    rows.populate(bench.lenient)
    try:
        size, seconds = peers.move(bench, command, *row.file)
    except (rows.Wrong, OSError) as e:
        return {"error": str(e)}
    finally:
        bench.lenient.clear()
    return {"seconds": seconds, "bytes": size}


def do_row(bench, row):
    """{"ftpsfs": outcome, "rclone": ...}"""
    deadline = GRACE + 5 * row.budget * bench.args.rtt / 1000
    found = {"ftpsfs": median([play(bench, Ours, row, bench.strict, deadline)
                               for _ in range(bench.args.repeat)])}
    if bench.args.peers:
        found["rclone"] = play(bench, peers.Rclone, row, bench.lenient, PEER_LIMIT)
        for name, command in peers.SINGLE.items():
            if row.file:
                found[name] = single(bench, command, row)
    return found


def run_rows(bench, out):
    bench.strict = bench.server(21)
    if bench.args.peers:
        bench.lenient = bench.server(2121, peers.REUSE)
    out.head(bench.args, bench.link)
    names = bench.args.rows
    for row in rows.ROWS:
        if not names or row.name in names:
            out.row(row, do_row(bench, row))


def arguments():
    parser = argparse.ArgumentParser(prog="./dev bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rtt", type=float, help="round trip in ms (50)")
    parser.add_argument("--mbit", type=float, help="rate in Mbit/s (200)")
    parser.add_argument("--loss", type=float, help="lost packets in percent (0)")
    parser.add_argument("--peers", action="store_true", help="rclone, curl and lftp too")
    parser.add_argument("--json", dest="form", action="store_const", const="json",
                        help="print JSON at the end")
    parser.add_argument("--markdown", dest="form", action="store_const", const="markdown",
                        help="print the table of HACKING.md at the end")
    parser.add_argument("--rows", type=lambda text: text.split(","), metavar="NAME,...",
                        help=" ".join(row.name for row in rows.ROWS))
    parser.add_argument("--repeat", type=int, default=1, help="the median of so many mounts")
    parser.add_argument("--trace", metavar="DIR", help="keep each row's log, with all commands")
    parser.add_argument("-o", dest="option", action="append", default=[], metavar="OPTION",
                        help="for the mounts, as of ftpsfs")
    parser.add_argument("--loopback", action="store_true",
                        help="instead: 1 GiB both ways on loopback, beside curl")
    parser.add_argument("--segments", action="store_true",
                        help="instead: one stream and several; 100 ms, 1 Gbit/s, 0.5 %% loss")
    args = parser.parse_args()
    for name, value in zip(("rtt", "mbit", "loss"), LONG if args.segments else USUAL):
        if getattr(args, name) is None:
            setattr(args, name, value)
    unknown = set(args.rows or []) - {row.name for row in rows.ROWS}
    if unknown:
        parser.error(f"no such row: {' '.join(unknown)}")
    return args


def commit():
    done = subprocess.run(["git", "-C", HERE, "rev-parse", "--short", "HEAD"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "no commit"


def stop(*_):
    raise KeyboardInterrupt


def main():
    args = arguments()
    why = None if os.geteuid() == 0 else "needs root: namespaces, servers, mounts"
    if why or not mounting.BINARY.exists():
        sys.exit(f"bench: {why or f'{mounting.BINARY} is not built'}")
    for sig in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(sig, stop)
    with contextlib.suppress(OSError):
        os.nice(-10)  # other work on the machine would be counted as round trips
    out = table.Table(args.form, f"{datetime.date.today()} {commit()}")
    with contextlib.ExitStack() as stack:
        line = None
        if not args.loopback:
            line = stack.enter_context(contextlib.closing(
                link.Link(args.rtt, args.mbit, args.loss)))
        bench = stack.enter_context(contextlib.closing(Bench(args, line)))
        try:
            if args.loopback:
                bulk.loopback(bench, out, Ours)
            elif args.segments:
                bulk.segments(bench, out, Ours)
            else:
                run_rows(bench, out)
        except KeyboardInterrupt:
            out.fail("interrupted")
        except rows.Wrong as e:
            out.fail(str(e))
        out.end()
    sys.exit(1 if out.failed else 0)


if __name__ == "__main__":
    main()
