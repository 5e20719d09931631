# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole trees through the programs people use: cp, diff, rsync, tar, git."""

import os
import subprocess

import pytest

from content import MIB, files_below, make_tree, some_bytes, write_file
from test_read import run_threads

pytestmark = pytest.mark.limit(240)
GIT = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null",
       "GIT_TERMINAL_PROMPT": "0", "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.test",
       "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.test"}


def run(*argv, env=None):
    done = subprocess.run([os.fspath(a) for a in argv], capture_output=True, text=True,
                          errors="replace", env={**os.environ, **(env or {})})
    assert done.returncode == 0, f"{argv}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return make_tree(tmp_path_factory.mktemp("tree") / "tree")


def same_times(one, other):
    for name in files_below(one):
        assert int((one / name).stat().st_mtime) == int((other / name).stat().st_mtime), name


def test_cp_in_and_out(server, mount, tree, tmp_path):
    m = mount(server)
    run("cp", "-a", tree, m / "copy")
    run("diff", "-r", tree, server.disk("copy"))
    run("diff", "-r", tree, m / "copy")
    assert len(files_below(m / "copy")) == 500
    same_times(tree, server.disk("copy"))
    m.unmount()
    m = mount(server)
    run("cp", "-a", m / "copy", tmp_path / "back")
    run("diff", "-r", tree, tmp_path / "back")
    same_times(tree, tmp_path / "back")


def rsync(tree, m):
    """The itemised lines of files that were sent; folders' own times do not count."""
    out = run("rsync", "-a", "--itemize-changes", f"{tree}/", f"{m / 'copy'}/")
    return [line for line in out.splitlines() if line[:1] in "<>c"]


def test_rsync_twice(server, mount, tree):
    m = mount(server)
    assert len([line for line in rsync(tree, m) if line.startswith(">f")]) == 500
    run("diff", "-r", tree, server.disk("copy"))
    assert rsync(tree, m) == []
    m.unmount()
    assert rsync(tree, mount(server)) == [], "with nothing cached"


def test_tar(server, mount, tree, tmp_path):
    run("tar", "-C", tree, "-cf", tmp_path / "in.tar", ".")
    m = mount(server)
    os.mkdir(m / "copy")
    run("tar", "-C", m / "copy", "-xf", tmp_path / "in.tar")
    run("diff", "-r", tree, server.disk("copy"))
    run("tar", "-C", m / "copy", "-cf", tmp_path / "out.tar", ".")
    (tmp_path / "back").mkdir()
    run("tar", "-C", tmp_path / "back", "-xf", tmp_path / "out.tar")
    run("diff", "-r", tree, tmp_path / "back")


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    folder = tmp_path_factory.mktemp("git") / "source"
    run("git", "init", "-q", folder, env=GIT)
    for commit in range(4):
        for n in range(15):
            path = folder / f"dir{n % 4}" / f"file{n}"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(some_bytes(3000 * n, commit))
        run("git", "-C", folder, "add", "-A", env=GIT)
        run("git", "-C", folder, "commit", "-q", "-m", f"commit {commit}", env=GIT)
    return folder


def test_git_clone(server, mount, repository):
    m = mount(server)
    run("git", "clone", "-q", "--no-hardlinks", repository, m / "clone", env=GIT)
    run("git", "-C", m / "clone", "fsck", "--full", "--strict", env=GIT)
    assert run("git", "-C", m / "clone", "status", "--porcelain", env=GIT) == ""
    run("diff", "-r", "--exclude=.git", repository, server.disk("clone"))
    write_file(m / "clone/new", b"new\n")
    run("git", "-C", m / "clone", "add", "new", env=GIT)
    run("git", "-C", m / "clone", "commit", "-q", "-m", "in the mount", env=GIT)
    run("git", "-C", m / "clone", "fsck", "--full", env=GIT)


@pytest.mark.core
def test_thousand_entries(server, mount):
    folder = server.mkdir("many")
    for n in range(1000):
        (folder / f"entry {n}").write_bytes(b"x" * n)
    m = mount(server)
    assert sorted(os.listdir(m / "many")) == sorted(f"entry {n}" for n in range(1000))
    assert len(run("ls", "-l", m / "many").splitlines()) == 1001
    with os.scandir(m / "many") as entries:
        assert sum(entry.stat().st_size for entry in entries) == 999 * 500


def test_two_readers_and_a_writer(server, mount):
    for n in range(2):
        server.put(f"r{n}", some_bytes(12 * MIB, n))
    m = mount(server)

    def reader(n):
        def work():
            assert (m / f"r{n}").read_bytes() == some_bytes(12 * MIB, n)
        return work
    run_threads([reader(0), reader(1), lambda: write_file(m / "w", some_bytes(12 * MIB, 9))])
    assert server.disk("w").read_bytes() == some_bytes(12 * MIB, 9)


def test_find_and_remove(server, mount, tree):
    m = mount(server)
    run("cp", "-r", tree / "deep", tree / "plain", m)
    found = run("find", m, "-type", "f").splitlines()
    assert len(found) == len(files_below(tree / "deep")) + len(files_below(tree / "plain"))
    run("rm", "-r", m / "deep", m / "plain")
    assert os.listdir(server.root) == []
