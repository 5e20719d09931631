# SPDX-License-Identifier: GPL-2.0-or-later
"""Random operations (fsx.py) on every kind of server, each answer checked.

FTPSFS_FSX_OPS   operations a run (default: as many as are done in some 15 s)
FTPSFS_FSX_SEED  repeats a run that failed; the failure tells the seed
"""

import os
import random

import pytest

import fsx

OPS = int(os.environ.get("FTPSFS_FSX_OPS", 0))
SEED = os.environ.get("FTPSFS_FSX_SEED")
LIMIT = 90 + OPS // 10


def check(kind, mount, ops, disk=None, second=None):
    seed = int(SEED) if SEED else random.SystemRandom().randrange(1 << 31)
    try:
        kind(mount.point, seed, disk, second).run(OPS or ops)
    except fsx.Wrong as e:
        pytest.fail(str(e), pytrace=False)


@pytest.mark.limit(LIMIT)
def test_one_file(each_kind, mount):
    """Read, written, truncated, mapped, renamed, replaced; close() and fsync() deliver."""
    check(fsx.OneFile, mount(each_kind), 1500, each_kind.root)


@pytest.mark.limit(LIMIT)
def test_names(each_kind, mount):
    """Files and folders that come, go and move while they are open."""
    check(fsx.Names, mount(each_kind), 2000, each_kind.root)


@pytest.mark.limit(LIMIT)
@pytest.mark.parametrize("kind", [fsx.OneFile, fsx.Names], ids=["file", "names"])
def test_two_mounts(each_kind, mount, kind):
    """What one mount delivered is what another one shows."""
    writer, reader = mount(each_kind, dir_ttl=0), mount(each_kind, dir_ttl=0)
    check(kind, writer, 700, each_kind.root, reader.point)
