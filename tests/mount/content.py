# SPDX-License-Identifier: GPL-2.0-or-later
"""Bytes and trees for the tests: the same for the same seed."""

import os
import random

KIB, MIB = 1024, 1024 * 1024
BIG = 2048 * MIB if os.environ.get("FTPSFS_BIG") == "1" else 256 * MIB

# One name of each kind that clients have been seen to get wrong.
AWKWARD_NAMES = (
    "with blank", " leading blank", "trailing blank ", "two  blanks", "-dash", "--help", "~tilde",
    "#hash", "100%", "a+b", "a&b;c=d", "it's", 'quo"te', "back\\slash", "que?ry", "st*r", "[br]",
    "{curly}", "$dollar", "a -> b", "grüße.txt", "日本語", "e\u0301", "😀", ".hidden", "...", "x" * 200,
)

# Pure-FTPd refuses the one and stores the other under "trailing blank_".
NOT_EVERYWHERE = ("back\\slash", "trailing blank ")


def some_bytes(size, seed=0):
    return random.Random(seed).randbytes(size)


def write_file(path, data):
    """As a careful program does: the server's verdict comes with close()."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view[:MIB]):]
    finally:
        os.close(fd)


def make_tree(folder, files=500, seed=1):
    """A tree with sizes from 0 bytes to 40 MB, awkward names, old dates, several modes."""
    rng = random.Random(seed)
    folders = [folder]
    for name in ("plain", "blank folder", "-dashed", "grüße", "deep/er/and/deeper", "empty"):
        (folder / name).mkdir(parents=True)
        folders.append(folder / name)
    folders.pop()
    awkward = [name for name in AWKWARD_NAMES if name not in NOT_EVERYWHERE]
    names = [f"file{n}" for n in range(files - len(awkward) - 1)]
    for n, name in enumerate([*awkward, *names]):
        size = rng.choice((0, 1, 100, 1000, 4095, 4096, 4097, 16383, 16384, 16385, 70000))
        path = rng.choice(folders) / name
        path.write_bytes(some_bytes(size, n))
        os.chmod(path, rng.choice((0o644, 0o600, 0o755, 0o444)))
        when = rng.randrange(946684800, 1700000000)
        os.utime(path, (when, when))
    (folder / "plain/forty").write_bytes(some_bytes(40 * 1000 * 1000))
    os.utime(folder / "plain/forty", (1600000000, 1600000000))
    return folder


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(where, name), folder)
                  for where, _, names in os.walk(folder) for name in names)
