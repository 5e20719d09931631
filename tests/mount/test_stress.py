# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs in C that try to confuse: fsx.c (one file) and fsstress.c (a tree, many processes).

FTPSFS_STRESS=N does N times as many operations. FTPSFS_STRESS_SEED repeats a run.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from checks import differences
from programs import program, run

TIMES = int(os.environ.get("FTPSFS_STRESS", 1))
SEED = int(os.environ.get("FTPSFS_STRESS_SEED") or random.SystemRandom().randrange(1 << 30))
LIMIT = 90 + 90 * TIMES
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    program("gcc")
    folder = tmp_path_factory.mktemp("built")
    for name in ("fsx", "fsstress"):
        run("gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-o", folder / name,
            HERE / f"{name}.c")
    return folder


@pytest.mark.limit(LIMIT)
@pytest.mark.parametrize("alignment", [1, 512, 4096])
def test_fsx(built, each_kind, mount, tmp_path, alignment):
    run(built / "fsx", tmp_path / "f", 2000, SEED, alignment)  # the checker itself
    m = mount(each_kind)
    run(built / "fsx", m / "f", 1000 * TIMES, SEED, alignment)
    assert each_kind.disk("f").read_bytes() == (m / "f").read_bytes()
    if TIMES == 1:
        assert each_kind.disk("f").read_bytes() == fsx_locally(built, tmp_path, alignment)


def fsx_locally(built, tmp_path, alignment):
    """The same seed makes the same file."""
    run(built / "fsx", tmp_path / "g", 1000, SEED, alignment)
    return (tmp_path / "g").read_bytes()


@pytest.mark.limit(LIMIT)
@pytest.mark.xfail(strict=False, reason="HACKING.md, Known gaps: a tree under many processes")
def test_fsstress(built, proftpd, mount):
    """No answer that a disk would not give; then the mount, a fresh one and the disk agree."""
    m = mount(proftpd)
    done = subprocess.run([built / "fsstress", m, "6", str(150 * TIMES), str(SEED)],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {SEED}: {done.stderr}"
    assert differences(m, proftpd.root) == [], f"seed {SEED}"
    assert differences(mount(proftpd), proftpd.root) == [], f"seed {SEED}, fresh mount"


@pytest.mark.limit(LIMIT)
@pytest.mark.xfail(strict=False, reason="HACKING.md, Known gaps: a tree under many processes")
def test_fsstress_of_two_mounts(built, proftpd, mount):
    """Two mounts of one server in one tree: when both rest, fresh eyes and the disk agree."""
    mounts = [mount(proftpd, dir_ttl=0), mount(proftpd, dir_ttl=0)]
    for m in mounts:
        os.mkdir(m / f"own{mounts.index(m)}")
    both = [subprocess.Popen([built / "fsstress", m / f"own{n}", "3", str(100 * TIMES), str(SEED)],
                             stderr=subprocess.PIPE, text=True) for n, m in enumerate(mounts)]
    for child in both:
        words = child.communicate()[1]
        assert child.returncode == 0, f"seed {SEED}: {words}"
    for m in mounts:
        assert differences(m, proftpd.root) == [], f"seed {SEED}"
