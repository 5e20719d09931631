# SPDX-License-Identifier: GPL-2.0-or-later
"""Nothing that a test run starts outlives it.

PR_SET_PDEATHSIG does not do for servers: the kernel clears it when a process
changes its user, and ProFTPD and vsftpd do. So a small process of its own holds
the reading end of a pipe, is told what was started, and cleans up when the pipe
ends, however the test run came to its end.
"""

import os
import signal
import subprocess
import sys
import time


def born(pid):
    """The start time of a process; tells a reused pid from the one meant."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as f:
            return int(f.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


TAG = "FTPSFS_TEST_SERVER"


def server_pids(mark, leader=-1):
    """Every process of a server: those with the mark that the first was given in its
    environment, and those of the session it leads (ProFTPD overwrites its environment,
    vsftpd's children leave the session)."""
    found = []
    mark = f"{TAG}={mark}".encode()
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as f:
                fields = f.read().rpartition(b")")[2].split()
            with open(f"/proc/{name}/environ", "rb") as f:
                marked = mark in f.read().split(b"\0")
        except OSError:
            continue
        if fields[0] != b"Z" and (int(fields[3]) == leader or marked):
            found.append(int(name))
    return found


def pids_with_argument(arg, binary):
    """Running copies of `binary` that were given `arg`."""
    found = []
    want = os.fsencode(arg)
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/cmdline", "rb") as f:
                words = f.read().split(b"\0")
            exe = os.readlink(f"/proc/{name}/exe")
        except OSError:
            continue
        if want in words and os.path.basename(exe).split(" ")[0] == binary:
            found.append(int(name))
    return found


def kill(pids, sig=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


def kill_mount(mountpoint):
    """Ends a mount by force: no test may leave a stuck one behind."""
    kill(pids_with_argument(mountpoint, "ftpsfs"))
    for _ in range(3):
        done = subprocess.run(["umount", "-l", mountpoint], stderr=subprocess.DEVNULL)
        if done.returncode != 0:
            break


class Reaper:
    """Our end: add() what was started, forget() what has ended properly."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__)],
            stdin=subprocess.PIPE, text=True, start_new_session=True)

    def tell(self, *words):
        try:
            print(*words, file=self.process.stdin, flush=True)
        except (OSError, ValueError):
            pass

    def add_server(self, mark, leader):
        self.tell("add", "server", mark, leader, born(leader))

    def add_mount(self, mountpoint):
        self.tell("add", "mount", mountpoint)

    def forget(self, what):
        self.tell("forget", what)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=20)


def main():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    known = {}
    for line in sys.stdin:
        words = line.split()
        if words[0] == "add":
            known[words[2]] = words
        else:
            known.pop(words[1], None)
    for words in known.values():
        if words[1] == "mount":
            kill_mount(words[2])
            continue
        mark, leader, start = words[2:]
        now = born(leader)
        leader = int(leader) if now is None or str(now) == start else -1
        kill(server_pids(mark, leader), signal.SIGTERM)
        time.sleep(0.2)
        kill(server_pids(mark, leader))


if __name__ == "__main__":
    main()
