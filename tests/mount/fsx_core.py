# SPDX-License-Identifier: GPL-2.0-or-later
"""What both modes of fsx.py share: numbered bytes, the words of a difference, the run."""

import array
import os
import random
import shutil
import sys
import time
from pathlib import Path

SIZE = 1 << 20  # how long a file becomes
PART = 256 << 10  # how much one operation moves
RECENT = 40  # operations told after a failure
WORD = 8


class Wrong(Exception):
    """The file system gave another answer than it should."""


def pattern(number, off, length):
    """The bytes that operation `number` writes at off."""
    first = off // WORD
    count = (off + length - 1) // WORD - first + 1
    base = number << 32 | first
    words = array.array("Q", range(base, base + count))
    if sys.byteorder == "little":
        words.byteswap()
    skip = off - first * WORD
    return words.tobytes()[skip:skip + length]


def whose(data, at):
    """What the word around data[at] says, data being bytes from a multiple of WORD on."""
    word = data[at - at % WORD:at - at % WORD + WORD]
    if word.strip(b"\0") == b"":
        return "zeros"
    return (f"operation {int.from_bytes(word[:4], 'big')}"
            f" word {int.from_bytes(word[4:], 'big')} (word {at // WORD} belongs here)")


def difference(got, want, off=0):
    """In words, None when there is none. off: where in the file both begin."""
    if got == want:
        return None
    pad = bytes(off % WORD)
    got, want, start = pad + got, pad + want, off - off % WORD
    common = min(len(got), len(want))
    at = next((n for n in range(common) if got[n] != want[n]), common)
    differ = sum(a != b for a, b in zip(got, want))
    text = f"{len(got) - len(pad)} bytes for {len(want) - len(pad)}, {differ} differ"
    if at == common:
        return text
    # The words of a file lie at multiples of WORD: so do those of both slices now.
    return (f"{text}, the first at {start + at}: {whose(got, at)} instead of"
            f" {whose(want, at)}, slice from {start}")


def place(rng, size, limit):
    """An offset and a length: all over the file, at times at its very end or at pages."""
    off = rng.choice((rng.randrange(size + 1), rng.randrange(size + 1), size,
                      rng.randrange(size + 1) & ~4095, rng.randrange(limit)))
    length = rng.choice((rng.randint(1, 64), rng.randint(1, 4096), 4096,
                         rng.randint(1, 65536), rng.randint(1, PART)))
    off = min(off, limit - 1)
    return off, min(length, limit - off)


def write_all(fd, data, off):
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], off + done)


def read_all(fd, length, off):
    """Short at the end of the file only."""
    got = b""
    while len(got) < length:
        part = os.pread(fd, length - len(got), off + len(got))
        if not part:
            break
        got += part
    return got


class Run:
    """What both modes share: the numbered operations and the words of a failure."""

    def __init__(self, folder, seed, disk, second):
        self.rng = random.Random(seed)
        self.seed, self.number, self.recent = seed, 0, []
        self.name = f"fsx-{os.getpid()}-{seed}"
        self.folder = Path(folder) / self.name
        self.disk = disk and Path(disk) / self.name
        self.second = second and Path(second) / self.name
        self.counts, self.slowest = {}, (0, "", 0)
        os.mkdir(self.folder)

    def say(self, text):
        self.recent.append(f"{self.number} {time.time() % 1000:.2f}: {text}")
        del self.recent[:-RECENT]

    def choose(self, table):
        names = list(table)
        return self.rng.choices(names, [table[name] for name in names])[0]

    def step(self):
        self.number += 1
        name = self.choose(self.TABLE)
        self.counts[name] = self.counts.get(name, 0) + 1
        started = time.monotonic()
        getattr(self, name)()
        self.slowest = max(self.slowest, (time.monotonic() - started, name, self.number))

    def run(self, ops):
        try:
            for _ in range(ops):
                self.step()
            self.end()
        except (Wrong, OSError) as e:
            raise Wrong("\n".join([f"seed {self.seed}, operation {self.number}: {e}",
                                   *self.recent])) from e
        finally:
            self.give_up()
        shutil.rmtree(self.folder)
        if self.disk and self.disk.exists():
            raise Wrong(f"{self.disk} is still on the server after rm -r")

    def give_up(self):
        """Lets go of everything, whatever close() says: the mount must be free to end."""
        raise NotImplementedError

    def must_be(self, got, want, what, off=0):
        text = difference(got, want, off)
        if text:
            raise Wrong(f"{what}: {text}")
