# SPDX-License-Identifier: GPL-2.0-or-later
"""What is bound by something else than round trips: the processor, on loopback, and one TCP
stream, on a long line that loses packets."""

import os
import subprocess
import time
from pathlib import Path

import peers
import rows
from content import MIB, some_bytes

GIB = 1024 * MIB
ROUNDS = 3  # the best of them counts: the machine may have other work
SLOWER, DEARER = 1.10, 1.3  # what we may take of curl's seconds, and of its processor seconds
LOSSY_SIZE = 192 * MIB
LOSSY_TIME = 60  # seconds that a reader on the lossy line gets
LOSSY_GAIN = 2.5  # what several streams must bring there


def spend(argv):
    """(seconds, processor seconds) of a program and what it started."""
    start = time.monotonic()
    child = subprocess.Popen([str(word) for word in argv], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    words = child.stderr.read().decode(errors="replace")
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = status
    if status != 0:
        raise rows.Wrong(f"{argv[0]}: {words.strip()}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime


def processor(pid):
    """Processor seconds of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def forget(path):
    """A copy of ours that lies about must not make the next round quicker."""
    path.unlink(missing_ok=True)


def by_curl(bench, verb):
    local = bench.strict.disk("one.bin") if verb == "put" else "/dev/null"
    seconds, own = spend(peers.curl(bench, verb, "two.bin" if verb == "put" else "one.bin", local))
    return {"seconds": seconds, "client": own, "all": own}


def by_mount(ours, bench, verb):
    """A mount and dd: 'client' is the mount's process, 'all' has dd in it, too."""
    player = ours(bench, 4)
    try:
        player.start()
        pid = player.mount.pids()[0]
        before = processor(pid)
        there, here = player.point / "one.bin", "/dev/null"
        if verb == "put":
            there, here = bench.strict.disk("one.bin"), player.point / "two.bin"
        seconds, reader = spend(["dd", "bs=1M", f"if={there}", f"of={here}"])
        own = processor(pid) - before
    finally:
        player.end()
    return {"seconds": seconds, "client": own, "all": own + reader}


def best(outcomes):
    return {key: min(o[key] for o in outcomes) for key in outcomes[0]}


def loopback(bench, out, ours):
    server = bench.server(None, peers.REUSE, tmpfs="2300m")
    bench.strict = bench.lenient = server
    with open(server.disk("one.bin"), "wb") as f:
        for n in range(GIB // (16 * MIB)):
            f.write(some_bytes(16 * MIB, n))
    server.own(server.disk("one.bin"))
    out.note(f"{out.all['stamp']}: 1 GiB through one ProFTPD on loopback, {os.cpu_count()} cores, "
             f"the best of {ROUNDS}; processor seconds per GB")
    for verb, what in (("get", "read"), ("put", "write")):
        found = {"curl": [], "ftpsfs": []}
        for _ in range(ROUNDS):
            for name, work in (("curl", by_curl), ("ftpsfs", lambda *a: by_mount(ours, *a))):
                forget(server.disk("two.bin"))
                found[name].append(work(bench, verb))
                if verb == "put":
                    rows.expect(server.disk("two.bin").stat().st_size, GIB, "bytes written")
        tell_loopback(out, what, best(found["curl"]), best(found["ftpsfs"]))


def tell_loopback(out, what, curl, mount):
    gb = GIB / 1e9
    wall, cpu = mount["seconds"] / curl["seconds"], mount["client"] / curl["client"]
    over = [word for word, bad in (("WALL", wall > SLOWER), ("CPU", cpu > DEARER)) if bad]
    out.line({"name": f"loopback-{what}", "wall_ratio": round(wall, 3),
              "cpu_ratio": round(cpu, 3), "over": bool(over), "curl": curl, "ftpsfs": mount},
             f"{what:6} curl {GIB / curl['seconds'] / 1e6:6.0f} MB/s, {curl['client'] / gb:.2f} s; "
             f"ftpsfs {GIB / mount['seconds'] / 1e6:6.0f} MB/s, {mount['client'] / gb:.2f} s "
             f"({mount['all'] / gb:.2f} s with the reader or writer); "
             f"ratio {wall:.2f} (budget {SLOWER:.2f}), processor {cpu:.2f} (budget {DEARER:.2f})"
             f"  {'OVER ' + ' '.join(over) if over else ''}")


def read_for(path, seconds):
    """(bytes, seconds) read in order until the end or the time is up."""
    start, got = time.monotonic(), 0
    with open(path, "rb", buffering=0) as f:
        while time.monotonic() - start < seconds:
            piece = f.read(MIB)
            if not piece:
                break
            got += len(piece)
    return got, time.monotonic() - start


def segments(bench, out, ours):
    bench.strict = bench.server(21)
    bench.strict.put("long.bin", some_bytes(LOSSY_SIZE))
    out.head(bench.args, bench.link, columns=False)
    rates, given = {}, list(bench.args.option)
    for name, options in (("one stream", ["segments=1"]), ("segments=auto", [])):
        bench.args.option = given + options
        player = ours(bench, 4)
        try:
            player.start()
            time.sleep(rows.SETTLE)
            got, seconds = read_for(player.point / "long.bin", LOSSY_TIME)
        finally:
            player.end()
        rates[name] = got / seconds / 1e6
        out.line({"name": name, "mb_s": rates[name]},
                 f"{name:14} {rates[name]:7.2f} MB/s ({got / 1e6:.0f} MB in {seconds:.1f} s)")
    gain = rates["segments=auto"] / rates["one stream"]
    want = LOSSY_GAIN if bench.link.loss else 0.95
    out.line({"name": "gain", "gain": gain, "over": gain < want},
             f"gain {gain:.2f}, budget {want}{'' if gain >= want else '  OVER'}")
