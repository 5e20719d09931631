# SPDX-License-Identifier: GPL-2.0-or-later
"""fsx.py --names: several files, folders and handles, beside the same on a local disk."""

import errno
import mmap
import os
import shutil
import tempfile
from pathlib import Path

from fsx_core import PART, SIZE, Run, Wrong, pattern, place, read_all, write_all


class Handle:
    """The same open file on both sides."""

    def __init__(self, fds, flags, what):
        self.fds, self.flags, self.what = fds, flags, what

    @property
    def reads(self):
        return self.flags & os.O_ACCMODE != os.O_WRONLY

    @property
    def writes(self):
        return self.flags & os.O_ACCMODE != os.O_RDONLY


def tree(folder):
    """path -> bytes, None for a folder."""
    found = {}
    for where, folders, files in os.walk(folder):
        for name in folders:
            found[os.path.relpath(os.path.join(where, name), folder)] = None
        for name in files:
            path = os.path.join(where, name)
            found[os.path.relpath(path, folder)] = Path(path).read_bytes()
    return found


class Names(Run):
    """Several files, folders and handles; the same is done to a local folder."""

    TABLE = {"open": 14, "shut": 8, "read": 18, "write": 20, "ftruncate": 3, "truncate": 3,
             "map_write": 3, "rename": 9, "unlink": 5, "mkdir": 2, "rmdir": 2, "stat": 8,
             "list": 4, "whole": 6, "fsync": 4, "compare": 1}
    FOLDERS = ("", "d", "e", "d/in")
    FILES = ("a", "b", " c d", "ü")
    MOST = 6  # handles

    def __init__(self, folder, seed, disk=None, second=None, size=SIZE // 4):
        super().__init__(folder, seed, disk, second)
        self.size, self.handles = size, []
        self.local = Path(tempfile.mkdtemp(prefix="fsx-local-"))
        self.tops = (self.folder, self.local)

    def give_up(self):
        for handle in self.handles:
            for fd in handle.fds:
                try:
                    os.close(fd)
                except OSError:
                    pass
        self.handles.clear()
        shutil.rmtree(self.local, ignore_errors=True)

    def end(self):
        while self.handles:
            self.shut()
        self.compare()

    def any_path(self):
        return os.path.join(self.rng.choice(self.FOLDERS), self.rng.choice(self.FILES))

    def both(self, what, act, same=None):
        """act(side): its value or its errno must be the same on both sides. Returns both
        values, None where it failed as it had to."""
        self.say(what)
        values, words = [], []
        for side in (0, 1):
            try:
                values.append(act(side))
                words.append("ok")
            except OSError as e:
                values.append(None)
                words.append(errno.errorcode.get(e.errno, str(e.errno)))
        if words[0] != words[1]:
            raise Wrong(f"{what}: {words[0]} instead of {words[1]}")
        self.recent[-1] += f" = {words[0]}"
        if words[0] != "ok":
            return None
        if same:
            same(values[0], values[1])
        elif values[0] != values[1]:
            raise Wrong(f"{what}: {values[0]} instead of {values[1]}")
        return values

    def on_paths(self, what, act, *paths):
        return self.both(f"{what} {' '.join(map(repr, paths))}",
                         lambda side: act(*[self.tops[side] / path for path in paths]))

    def a_handle(self, test=lambda handle: True):
        fitting = [handle for handle in self.handles if test(handle)]
        return self.rng.choice(fitting) if fitting else None

    # what is chosen from

    def open(self):
        if len(self.handles) >= self.MOST:
            return self.shut()
        path = self.any_path()
        flags = self.rng.choice((os.O_RDONLY, os.O_RDWR, os.O_RDWR, os.O_WRONLY))
        words = {os.O_RDONLY: "r", os.O_RDWR: "rw", os.O_WRONLY: "w"}[flags]
        for flag, chance, word in ((os.O_CREAT, 0.7, "CREAT"), (os.O_EXCL, 0.1, "EXCL"),
                                   (os.O_TRUNC, 0.15, "TRUNC"), (os.O_APPEND, 0.2, "APPEND")):
            if flag == os.O_TRUNC and flags & os.O_ACCMODE == os.O_RDONLY:
                continue
            if flag == os.O_EXCL and not flags & os.O_CREAT:
                continue
            if self.rng.random() < chance:
                flags |= flag
                words += "," + word
        what = f"open {words} {path!r}"
        fds = self.both(what, lambda side: os.open(self.tops[side] / path, flags, 0o644),
                        same=lambda a, b: None)
        if fds:
            self.handles.append(Handle(fds, flags, path))
        return None

    def shut(self):
        handle = self.a_handle()
        if handle:
            self.handles.remove(handle)
            self.both(f"close {handle.what!r}", lambda side: os.close(handle.fds[side]))

    def read(self):
        handle = self.a_handle(lambda h: h.reads)
        if handle:
            off, length = place(self.rng, os.fstat(handle.fds[1]).st_size, self.size)
            self.both(f"read {length} at {off} of {handle.what!r}",
                      lambda side: read_all(handle.fds[side], length, off),
                      same=lambda a, b: self.must_be(a, b, f"read of {handle.what!r}", off))

    def write(self):
        handle = self.a_handle(lambda h: h.writes)
        if not handle:
            return
        size = os.fstat(handle.fds[1]).st_size
        off, length = place(self.rng, size, self.size)
        if handle.flags & os.O_APPEND:
            off = size  # pwrite() appends then, whatever it is told
            length = min(length, 4096)
        data = pattern(self.number, off, length)
        self.both(f"write {length} at {off} of {handle.what!r}",
                  lambda side: write_all(handle.fds[side], data, off))

    def map_write(self):
        handle = self.a_handle(lambda h: h.reads and h.writes)
        size = os.fstat(handle.fds[1]).st_size if handle else 0
        if not size:
            return
        off = self.rng.randrange(size) & ~(mmap.ALLOCATIONGRANULARITY - 1)
        length = self.rng.randint(1, min(PART, size - off))
        data = pattern(self.number, off, length)

        def act(side):
            with mmap.mmap(handle.fds[side], length, mmap.MAP_SHARED, offset=off) as m:
                before = m[:]
                m[:] = data
                m.flush()
            return before

        self.both(f"map {length} at {off} of {handle.what!r}, read, write, msync", act,
                  same=lambda a, b: self.must_be(a, b, f"map of {handle.what!r}", off))

    def ftruncate(self):
        handle = self.a_handle(lambda h: h.writes)
        if handle:
            size = self.rng.randrange(self.size)
            self.both(f"ftruncate {handle.what!r} to {size}",
                      lambda side: os.ftruncate(handle.fds[side], size))

    def truncate(self):
        size = self.rng.randrange(self.size)
        self.on_paths(f"truncate to {size}", lambda p: os.truncate(p, size), self.any_path())

    def rename(self):
        kind = self.rng.random()
        if kind < 0.75:
            self.on_paths("rename", os.rename, self.any_path(), self.any_path())
        elif kind < 0.9:
            self.on_paths("rename", os.rename, self.rng.choice(self.FOLDERS[1:]),
                          self.rng.choice(self.FOLDERS[1:]))
        else:
            pair = [self.any_path(), self.rng.choice(self.FOLDERS[1:])]
            self.rng.shuffle(pair)
            self.on_paths("rename", os.rename, *pair)

    def unlink(self):
        path = self.any_path() if self.rng.random() < 0.9 else self.rng.choice(self.FOLDERS[1:])
        self.on_paths("unlink", os.unlink, path)

    def mkdir(self):
        path = self.rng.choice(self.FOLDERS[1:]) if self.rng.random() < 0.9 else self.any_path()
        self.on_paths("mkdir", os.mkdir, path)

    def rmdir(self):
        path = self.rng.choice(self.FOLDERS[1:]) if self.rng.random() < 0.9 else self.any_path()
        self.on_paths("rmdir", os.rmdir, path)

    def stat(self):
        handle = self.a_handle() if self.rng.random() < 0.4 else None
        if handle:
            self.both(f"fstat {handle.what!r}", lambda side: os.fstat(handle.fds[side]).st_size)
            return

        def act(path):
            st = os.lstat(path)
            return (st.st_mode >> 12, st.st_size if st.st_mode >> 12 == 8 else None)

        self.on_paths("stat", act, self.any_path())

    def list(self):
        self.on_paths("list", lambda p: sorted(os.listdir(p)), self.rng.choice(self.FOLDERS))

    def whole(self):
        path = self.any_path()
        self.both(f"read all of {path!r}", lambda side: (self.tops[side] / path).read_bytes(),
                  same=lambda a, b: self.must_be(a, b, f"all of {path!r}"))

    def fsync(self):
        handle = self.a_handle()
        if handle:
            self.both(f"fsync {handle.what!r}", lambda side: os.fsync(handle.fds[side]))

    def compare(self):
        """Everything delivered: the trees must be the same, wherever one looks."""
        self.say("deliver all and compare the trees")
        for handle in self.handles:
            os.fsync(handle.fds[0])
        want = tree(self.local)
        for place_, folder in (("in the mount", self.folder), ("on the server", self.disk),
                               ("through the second mount", self.second)):
            if not folder:
                continue
            got = tree(folder)
            if got.keys() != want.keys():
                raise Wrong(f"{place_} there are {sorted(got)} instead of {sorted(want)}")
            for path, data in want.items():
                if (data is None) != (got[path] is None):
                    raise Wrong(f"{place_} {path!r} is of another kind")
                if data is not None:
                    self.must_be(got[path], data, f"{place_} {path!r}")
