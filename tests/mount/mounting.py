# SPDX-License-Identifier: GPL-2.0-or-later
"""The binary under test: mounts made with it, and what they left in their logs."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import reaper
import servers

REPO = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("FTPSFS_BUILD", REPO / "build"))
BINARY = Path(os.environ.get("FTPSFS", BUILD / "ftpsfs")).absolute()
END_TIME = 10  # seconds a mount may take to end


def join_options(options):
    """dict -> -o text: None drops an option, True is a bare word."""
    words = []
    for name, value in options.items():
        if value is True:
            words.append(name)
        elif value is not None and value is not False:
            words.append(f"{name}={value}")
    return ",".join(words)


def eventually(test, seconds=5):
    """Waits until test() holds; for states that follow an action, never for results."""
    deadline = time.monotonic() + seconds
    while not test():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


class Mounter:
    """Makes the mounts of one test; ends what the test did not end."""

    def __init__(self, bed, folder):
        self.bed, self.folder = bed, folder
        self.mounts = []
        self.spool = folder / "spool"  # a failed upload keeps its bytes: not in /var/tmp
        self.spool.mkdir(mode=0o700)

    def credentials(self, password=servers.PASSWORD):
        path = self.folder / f"credentials-{len(list(self.folder.iterdir()))}"
        path.touch(mode=0o600)
        path.write_text(f"username={servers.USER}\npassword={password}\n")
        return path

    def defaults(self, server):
        options = {"port": server.port, "cacert": self.bed.ca, "loglevel": "debug",
                   "spool_dir": self.spool}
        if server.mode == "implicit":
            options["tls"] = "implicit"
        return options

    def prepare(self, server, source="localhost:/", password=servers.PASSWORD, **options):
        """A Mount with its command line, not yet started."""
        return Mount(self, server, source, {
            **self.defaults(server), "credentials": self.credentials(password), **options})

    def __call__(self, server, source="localhost:/", **options):
        mount = self.prepare(server, source, **options)
        done = mount.run()
        assert done.returncode == 0, f"mount: exit {done.returncode}: {done.stderr}"
        assert mount.mounted(), "exit status 0, but nothing is mounted"
        return mount

    def kill_all(self):
        for mount in self.mounts:
            mount.kill()

    def logs(self):
        return "".join(mount.logs() for mount in self.mounts)

    def finish(self):
        """Unmounts what is left; returns complaints."""
        complaints = []
        for mount in self.mounts:
            try:
                mount.unmount_if_mounted()
            except AssertionError as e:
                complaints.append(str(e))
            finally:
                mount.kill()
                self.bed.reaper.forget(mount.point)
        return complaints


class Mount:
    """A mountpoint; `mount / "name"` is a path below it."""

    def __init__(self, mounter, server, source, options):
        self.mounter, self.server, self.source = mounter, server, source
        n = len(mounter.mounts)
        self.point = mounter.folder / f"mnt{n}"
        self.point.mkdir()
        self.log = mounter.folder / f"mount{n}.log"
        self.options = {"logfile": self.log, **options}
        self.foreground = None
        mounter.mounts.append(self)
        mounter.bed.reaper.add_mount(self.point)

    def __truediv__(self, name):
        return self.point / name

    def __fspath__(self):
        return str(self.point)

    __str__ = __fspath__

    def command(self, *more):
        return [str(BINARY), self.source, str(self.point), "-o", join_options(self.options), *more]

    def run(self, *more, timeout=40):
        """Mounts in the background: returns when the command has ended, with its status."""
        out = self.mounter.folder / f"{self.point.name}.out"
        with open(out, "w+") as f:  # a file: the daemon may keep a pipe open
            done = subprocess.run(self.command(*more), stdin=subprocess.DEVNULL, stdout=f,
                                  stderr=f, timeout=timeout)
        done.stderr = out.read_text(errors="replace")
        return done

    def start(self, *more):
        """Mounts with -f; waits until the mount stands."""
        out = open(self.mounter.folder / f"{self.point.name}.out", "w")
        self.foreground = subprocess.Popen(self.command("-f", *more), stdin=subprocess.DEVNULL,
                                           stdout=out, stderr=out)
        assert eventually(lambda: self.mounted() or self.foreground.poll() is not None, 20)
        assert self.mounted(), f"mount -f: exit {self.foreground.returncode}"
        return self

    def pids(self):
        return reaper.pids_with_argument(self.point, BINARY.name)

    def mounted(self):
        """From the kernel's table: touching the mountpoint itself could block."""
        return any(line.split()[4] == str(self.point)
                   for line in Path("/proc/self/mountinfo").read_text().splitlines())

    def ended(self, seconds=END_TIME):
        """Whether the process ends by itself within the time."""
        def gone():
            if self.foreground:
                self.foreground.poll()
            return not self.pids()
        return eventually(gone, seconds)

    def unmount(self, *command):
        command = command or ("fusermount3", "-u")
        done = subprocess.run([*command, str(self.point)], capture_output=True, text=True,
                              timeout=END_TIME)
        assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
        assert self.ended(), f"the process lived on {END_TIME} s after {' '.join(command)}"
        assert not self.mounted()

    def unmount_if_mounted(self):
        if self.mounted():
            self.unmount()

    def signal(self, sig):
        for pid in self.pids():
            os.kill(pid, sig)

    def kill(self):
        if self.pids() or self.mounted():
            reaper.kill_mount(str(self.point))
        if self.foreground:
            self.foreground.wait()

    def memory_peak(self):
        """VmHWM in bytes."""
        status = Path(f"/proc/{self.pids()[0]}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def logs(self):
        text = f"--- {' '.join(self.command())}\n"
        for path in (self.mounter.folder / f"{self.point.name}.out", self.log):
            if path.exists():
                lines = path.read_text(errors="replace").splitlines()[-60:]
                text += f"--- {path.name}\n" + "\n".join(lines) + "\n"
        return text


SIGNALS = (signal.SIGTERM, signal.SIGINT)
