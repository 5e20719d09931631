#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Random operations on files, each result compared with what it must be.

    python3 fsx.py DIR [--seed N] [--ops M] [--names] [--disk DIR] [--second DIR]

works in a new folder of DIR. One file (the default): read, write, truncate, append, mmap,
fsync, reopen, rename, unlink and replace while open, against a bytearray. --names: several
files in several folders with many handles, against the same operations on a local disk.
--disk: the same folder on the server's own disk, compared when everything is delivered.
--second: another mount of it (dir_ttl=0) that must show the same then.

Every 8 bytes written hold the number of the operation and the place in the file: a
difference tells whose bytes stand there. The same seed makes the same operations.
"""

import argparse
import mmap
import os
import random
import sys
import time

from fsx_core import PART, SIZE, Run, Wrong, pattern, place, read_all, write_all
from fsx_names import Names


class OneFile(Run):
    """One file through one descriptor, seldom through others. The model is a bytearray."""

    TABLE = {"read": 24, "write": 24, "truncate": 5, "append": 4, "map_read": 5,
             "map_write": 6, "fsync": 4, "reopen": 6, "rename": 2, "unlink": 1,
             "replace": 1, "replaced": 1, "empty": 1, "stat": 4, "read_other": 4,
             "write_other": 3}

    def __init__(self, folder, seed, disk=None, second=None, size=SIZE):
        super().__init__(folder, seed, disk, second)
        self.size, self.model, self.file = size, bytearray(), "file"
        self.fd = os.open(self.path(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)

    def path(self, where=None):
        return (where or self.folder) / self.file

    def close(self):
        if self.fd is not None:
            fd, self.fd = self.fd, None
            os.close(fd)

    def give_up(self):
        try:
            self.close()
        except OSError:
            pass

    def end(self):
        self.close()
        self.delivered()
        self.must_be(self.path().read_bytes(), bytes(self.model), "at the end")

    def delivered(self):
        """After close or fsync: other eyes must see it too."""
        if self.disk:
            self.must_be(self.path(self.disk).read_bytes(), bytes(self.model),
                         "on the server's disk")
        if self.second and self.rng.random() < 0.3:
            self.must_be(self.path(self.second).read_bytes(), bytes(self.model),
                         "through the second mount")

    def put(self, off, data):
        self.model.extend(bytes(max(0, off - len(self.model))))
        self.model[off:off + len(data)] = data

    def resize(self, size):
        del self.model[size:]
        self.model.extend(bytes(size - len(self.model)))

    # what is chosen from

    def read(self):
        off, length = place(self.rng, len(self.model), self.size)
        self.say(f"read {length} at {off}")
        self.must_be(read_all(self.fd, length, off), bytes(self.model[off:off + length]),
                     f"read {length} at {off}", off)

    def write(self):
        off, length = place(self.rng, len(self.model), self.size)
        self.say(f"write {length} at {off}")
        data = pattern(self.number, off, length)
        write_all(self.fd, data, off)
        self.put(off, data)

    def truncate(self):
        size = self.rng.choice((self.rng.randrange(self.size), len(self.model) // 2,
                                self.rng.randrange(len(self.model) + 1)))
        how = self.rng.choice(("ftruncate", "truncate"))
        self.say(f"{how} from {len(self.model)} to {size}")
        if how == "ftruncate":
            os.ftruncate(self.fd, size)
        else:
            os.truncate(self.path(), size)
        self.resize(size)

    def append(self):
        end = len(self.model)
        length = self.rng.randint(1, PART)
        if end + length > self.size:
            return
        self.say(f"append {length} at {end}")
        data = pattern(self.number, end, length)
        fd = os.open(self.path(), os.O_WRONLY | os.O_APPEND)
        try:
            done = 0
            while done < length:
                done += os.write(fd, data[done:])
        finally:
            os.close(fd)
        self.put(end, data)
        self.delivered()

    def mapped(self):
        """A range to map: offset at a page, within the file. None: too short for one."""
        if not self.model:
            return None
        off = self.rng.randrange(len(self.model)) & ~(mmap.ALLOCATIONGRANULARITY - 1)
        return off, self.rng.randint(1, min(PART, len(self.model) - off))

    def map_read(self):
        where = self.mapped()
        if where:
            off, length = where
            self.say(f"map {length} at {off} and read")
            with mmap.mmap(self.fd, length, mmap.MAP_SHARED, mmap.PROT_READ, offset=off) as m:
                self.must_be(m[:], bytes(self.model[off:off + length]),
                             f"mapped {length} at {off}", off)

    def map_write(self):
        where = self.mapped()
        if not where:
            return
        off, length = where
        skip = self.rng.randrange(length)
        data = pattern(self.number, off + skip, length - skip)
        sync = self.rng.random() < 0.5
        self.say(f"map {length} at {off}, write from {off + skip}{', msync' * sync}")
        with mmap.mmap(self.fd, length, mmap.MAP_SHARED, offset=off) as m:
            m[skip:] = data
            if sync:
                m.flush()
        self.put(off + skip, data)

    def fsync(self):
        how = self.rng.choice(("fsync", "fdatasync", "close of a dup"))
        self.say(how)
        if how == "fsync":
            os.fsync(self.fd)
        elif how == "fdatasync":
            os.fdatasync(self.fd)
        else:
            os.close(os.dup(self.fd))
        self.delivered()

    def reopen(self):
        self.say("close, open")
        self.close()
        self.delivered()
        self.fd = os.open(self.path(), os.O_RDWR)

    def rename(self):
        old = self.path()
        self.file = self.rng.choice([n for n in ("file", "other", "-b c") if n != self.file])
        self.say(f"rename to {self.file}")
        os.rename(old, self.path())
        if old.exists():
            raise Wrong(f"{old} is still there after its rename")

    def gone(self):
        """The open file has no name any more: it goes on all the same."""
        links = os.fstat(self.fd).st_nlink
        if links != 0:
            raise Wrong(f"the file without a name has {links} links")
        for _ in range(4):
            self.rng.choice((self.read, self.write, self.map_read, self.map_write,
                             self.gone_truncate))()
            self.number += 1
        self.say("read all of the file without a name")
        self.must_be(read_all(self.fd, self.size, 0), bytes(self.model),
                     "all of the file without a name")
        self.say("close the file without a name")
        self.close()
        if self.disk and self.rng.random() < 0.5:
            time.sleep(0.05)  # release follows close()
            names = os.listdir(self.disk)
            if names not in ([], [self.file]):
                raise Wrong(f"left on the server: {names}")

    def gone_truncate(self):
        size = self.rng.randrange(len(self.model) + 1)
        self.say(f"ftruncate to {size}")
        os.ftruncate(self.fd, size)
        self.resize(size)

    def unlink(self):
        self.say("unlink while open")
        os.unlink(self.path())
        if self.path().exists():
            raise Wrong("the file is still there after unlink")
        self.gone()
        self.model = bytearray()
        self.say("create again")
        self.fd = os.open(self.path(), os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)

    def newer(self):
        length = self.rng.randint(1, PART)
        data = pattern(self.number, 0, length)
        fd = os.open(self.folder / "new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        try:
            write_all(fd, data, 0)
        finally:
            os.close(fd)
        return bytearray(data)

    def replaced(self):
        """Somebody saves by rename while we have the file open."""
        self.say("another file is renamed over the open one")
        model = self.newer()
        os.rename(self.folder / "new", self.path())
        self.gone()
        self.model = model
        self.fd = os.open(self.path(), os.O_RDWR)

    def replace(self):
        """We save by rename: the new file stays open."""
        self.say("close, then rename an open new file over the old one")
        self.close()
        model = self.newer()
        self.fd = os.open(self.folder / "new", os.O_RDWR)
        if self.rng.random() < 0.5:
            off, length = place(self.rng, len(model), self.size)
            self.model, self.number = model, self.number + 1
            data = pattern(self.number, off, length)
            self.say(f"write {length} at {off} before the rename")
            write_all(self.fd, data, off)
            self.put(off, data)
        self.model = model
        os.rename(self.folder / "new", self.path())

    def empty(self):
        self.say("open O_TRUNC beside, close")
        os.close(os.open(self.path(), os.O_WRONLY | os.O_TRUNC))
        self.model.clear()
        self.delivered()

    def stat(self):
        self.say("stat")
        for size in (os.stat(self.path()).st_size, os.fstat(self.fd).st_size,
                     os.lseek(self.fd, 0, os.SEEK_END)):
            if size != len(self.model):
                raise Wrong(f"stat says {size} bytes, {len(self.model)} were written")

    def read_other(self):
        """Through a descriptor of its own, as another program does."""
        self.say(f"open beside, read {len(self.model)}")
        self.must_be(self.path().read_bytes(), bytes(self.model), "read beside the writer")

    def write_other(self):
        off, length = place(self.rng, len(self.model), self.size)
        self.say(f"open beside, write {length} at {off}, close")
        data = pattern(self.number, off, length)
        fd = os.open(self.path(), os.O_WRONLY)
        try:
            write_all(fd, data, off)
        finally:
            os.close(fd)
        self.put(off, data)
        self.delivered()


def main():
    parser = argparse.ArgumentParser(description="Random file operations, checked.")
    parser.add_argument("dir")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    parser.add_argument("--ops", type=int, default=10000)
    parser.add_argument("--names", action="store_true", help="several files and folders")
    parser.add_argument("--disk", help="DIR on the server's own disk")
    parser.add_argument("--second", help="DIR in another mount")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    kind = Names if args.names else OneFile
    started = time.monotonic()
    try:
        checker = kind(args.dir, args.seed, args.disk, args.second)
        checker.run(args.ops)
    except Wrong as e:
        sys.exit(f"fsx: {e}")
    told = ", ".join(f"{name} {n}" for name, n in sorted(checker.counts.items()))
    print(f"{args.ops} operations in {time.monotonic() - started:.1f} s, all right: {told}")
    print("the slowest: {:.2f} s, {}, operation {}".format(*checker.slowest))


if __name__ == "__main__":
    main()
