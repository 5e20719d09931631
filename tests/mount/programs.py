# SPDX-License-Identifier: GPL-2.0-or-later
"""Running ordinary programs, and comparing the trees they made."""

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from conftest import MUST_RUN
from content import make_tree

LONG_AGO = 1500000000
ENV = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent",
       "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
       "GIT_CONFIG_VALUE_0": "*", "GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@localhost",
       "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@localhost"}


def program(*names):
    for name in names:
        if shutil.which(name):
            return name
    (pytest.fail if MUST_RUN else pytest.skip)(f"needs {' or '.join(names)}")
    return None


def run(*argv, cwd=None, status=(0,), **more):
    done = subprocess.run([str(word) for word in argv], cwd=cwd, env=ENV, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False, **more)
    assert done.returncode in status, f"{argv}: exit {done.returncode}\n{done.stdout[-3000:]}"
    return done.stdout


def shell(line, cwd):
    return run("bash", "-euo", "pipefail", "-c", line, cwd=cwd)


def contents(folder):
    """path -> bytes, None for a folder."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        name = str(path.relative_to(folder))
        found[name] = None if path.is_dir() else path.read_bytes()
    return found


def assert_same(folder, other):
    one, two = contents(folder), contents(other)
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []


def times(folder):
    return {str(path.relative_to(folder)): int(path.stat().st_mtime)
            for path in sorted(Path(folder).rglob("*")) if not path.is_dir()}


def modes(folder):
    return {str(path.relative_to(folder)): stat.S_IMODE(path.stat().st_mode)
            for path in sorted(Path(folder).rglob("*")) if not path.is_dir()}


def small_tree(folder):
    folder.mkdir()
    make_tree(folder, files=80)
    (folder / "plain/forty").unlink()  # other tests have big files
    return folder
