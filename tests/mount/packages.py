# SPDX-License-Identifier: GPL-2.0-or-later
"""FTP servers from Debian packages, unpacked and not installed: they conflict with
each other, and a test must not put an FTP server into the machine's start-up."""

import fcntl
import subprocess
from pathlib import Path

PACKAGES = ("proftpd-core", "proftpd-mod-crypto", "vsftpd", "pure-ftpd")

# Shared libraries the unpacked servers need; ./dev installs them.
LIBRARIES = ("libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libsodium23", "libwrap0")


class Missing(Exception):
    """A server cannot be had here; the text says why."""


def fetch(folder, package):
    done = subprocess.run(["apt-get", "download", package], cwd=folder,
                          capture_output=True, text=True)
    debs = sorted(folder.glob(f"{package}_*.deb"))
    if not debs:
        raise Missing(f"apt-get download {package}: {done.stderr.strip()}")
    subprocess.run(["dpkg", "-x", debs[-1], folder / f"{package}.part"], check=True)
    (folder / f"{package}.part").rename(folder / package)


def unpack(folder):
    """The folder with each package below a folder of its own name."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for package in PACKAGES:
            if not (folder / package).is_dir():
                fetch(folder, package)
        modules = folder / "proftpd-modules"
        modules.mkdir(exist_ok=True)
        for package in ("proftpd-core", "proftpd-mod-crypto"):
            for module in (folder / package / "usr/lib/proftpd").glob("*.so"):
                link = modules / module.name
                if not link.is_symlink():
                    link.symlink_to(Path("..") / module.relative_to(folder))
    return folder


def check_libraries(binary):
    done = subprocess.run(["ldd", binary], capture_output=True, text=True)
    lost = [line.split()[0] for line in done.stdout.splitlines() if "not found" in line]
    if lost:
        raise Missing(f"{binary} needs {' '.join(lost)}: apt-get install {' '.join(LIBRARIES)}")
