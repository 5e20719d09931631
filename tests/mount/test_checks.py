# SPDX-License-Identifier: GPL-2.0-or-later
"""The tables of checks, each check on a local folder and on mounts: what programs rely on.

FTPSFS_SCORE=FILE appends a line for each check on a mount: kind, check, passed or not.
"""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import pytest

import checks_files  # noqa: F401  pylint: disable=unused-import
import checks_handles  # noqa: F401  pylint: disable=unused-import
import checks_maps  # noqa: F401  pylint: disable=unused-import
import checks_meta  # noqa: F401  pylint: disable=unused-import
import checks_names  # noqa: F401  pylint: disable=unused-import
import checks_programs  # noqa: F401  pylint: disable=unused-import
import checks_tools  # noqa: F401  pylint: disable=unused-import
import mounting
import packages
from checks import CHECKS, Folder, differences
from conftest import MUST_RUN

KINDS = ("proftpd", "vsftpd", "pureftpd", "pyftpdlib")
EVERY = 5  # the last two servers get every fifth check, FTPSFS_ALL_CHECKS=1 all
ALL = os.environ.get("FTPSFS_ALL_CHECKS") == "1"
SCORE = os.environ.get("FTPSFS_SCORE")

CASES = [(kind, name) for kind in KINDS for n, name in enumerate(CHECKS)
         if ALL or kind in KINDS[:2] or n % EVERY == KINDS.index(kind)]


class Places:
    """The mounts that checks share, one for each kind of server."""

    def __init__(self, bed):
        self.bed, self.used = bed, {}

    def get(self, kind):
        server, mounter, mount = self.used.get(kind, (None, None, None))
        if mount and mount.mounted() and mount.pids():
            return server, mounter, mount
        if mounter:
            mounter.kill_all()
        server = server or self.bed.server(kind)
        mounter = mounting.Mounter(self.bed, Path(tempfile.mkdtemp(prefix="checks-",
                                                                   dir=self.bed.run)))
        mount = mounter(server, loglevel="trace")
        self.used[kind] = server, mounter, mount
        return self.used[kind]

    def close(self):
        complaints = []
        for server, mounter, _ in self.used.values():
            complaints += mounter.finish()
            server.close()
        return complaints


@pytest.fixture(scope="module")
def places(bed):
    made = Places(bed)
    yield made
    complaints = made.close()
    assert not complaints, complaints


@pytest.fixture
def beside():
    """A short path: sockets and deep folders are made below it."""
    folder = tempfile.mkdtemp(prefix="c-", dir="/tmp")
    yield Path(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_umask():
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("name", CHECKS)
def test_local(name, beside, small_umask):
    """The reference: what a check asks for is what a local disk does."""
    (beside / "disk").mkdir()
    (beside / "tmp").mkdir()
    CHECKS[name].act(Folder(beside / "disk", beside / "disk", beside / "tmp"))


def run_check(check, kind, folder):
    if check.refused and kind in (check.without or KINDS):
        with pytest.raises(OSError) as e:
            check.act(folder)
        got = errno.errorcode.get(e.value.errno)
        assert e.value.errno == check.refused, f"refused with {got}: {e.value}"
    else:
        check.act(folder)


def count(kind, name, verdict):
    if SCORE:
        with open(SCORE, "a", encoding="utf-8") as f:
            f.write(f"{kind} {name} {verdict}\n")


@pytest.mark.limit(150)
@pytest.mark.parametrize("kind, name", CASES, ids=["-".join(case) for case in CASES])
def test_check(request, places, kind, name, beside, small_umask):
    check = CHECKS[name]
    if kind in check.without and not check.refused:
        pytest.skip(f"{kind} cannot hold it")
    try:
        server, mounter, mount = places.get(kind)
    except packages.Missing as e:
        (pytest.fail if MUST_RUN else pytest.skip)(str(e))
    request.node.mounter, request.node.servers = mounter, [server]
    folder = Folder(mount / name, server.disk(name), beside)
    os.mkdir(folder)
    verdict = "failed"
    try:
        run_check(check, kind, folder)
        assert differences(folder, folder.disk) == []
        verdict = "cannot" if check.refused and kind in (check.without or KINDS) else "passed"
    finally:
        count(kind, name, verdict)
        os.chdir("/")
        shutil.rmtree(folder.disk, ignore_errors=True)
