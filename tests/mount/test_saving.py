# SPDX-License-Identifier: GPL-2.0-or-later
"""How editors, databases and daemons write: temporary names, backups, journals, locks. The
verdict is read off the server's own disk."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import time

import pytest

from conftest import get_server
from content import some_bytes, write_file
from programs import program, run, shell


@pytest.fixture(params=["proftpd", "vsftpd"])
def server(request, bed, running, server_used):
    """The world of MLSD and that of LIST."""
    return get_server(bed, running, server_used, request.param, "explicit")


# databases


def ask(base, question):
    """All rows, and no cursor left that would keep the file open."""
    cursor = base.execute(question)
    rows = cursor.fetchall()
    cursor.close()
    return rows


def fill(base, rounds):
    for n in range(rounds):
        with base:
            base.execute("insert into t values (?, ?)", (n, some_bytes(500, n)))
            base.execute("update t set data = ? where n = ?", (some_bytes(400, -n), n // 2))
    with base:
        base.execute("delete from t where n % 3 = 0")


@pytest.mark.parametrize("journal", ["delete", "truncate", "persist", "memory", "wal"])
def test_sqlite(server, mount, tmp_path, journal):
    """Transactions, a roll-back, a second connection; then the same rows as on a local disk."""
    m = mount(server)
    rows = []
    for path in (m / "base.db", tmp_path / "base.db"):
        base = sqlite3.connect(path)
        assert ask(base, f"pragma journal_mode={journal}") == [(journal,)]
        base.execute("create table t (n integer primary key, data blob)")
        fill(base, 12)
        try:
            with base:
                base.execute("delete from t")
                raise KeyError("roll back")
        except KeyError:
            pass
        other = sqlite3.connect(path)
        assert ask(other, "select count(*) from t") == [(8,)]
        with other:
            other.execute("insert into t values (1000, x'00')")
        assert ask(base, "select data from t where n = 1000") == [(b"\0",)]
        other.close()
        base.execute("vacuum")
        base.close()
        base = sqlite3.connect(path)
        rows.append(ask(base, "select * from t order by n"))
        base.close()
    assert rows[0] == rows[1]
    assert sorted(os.listdir(server.root)) == sorted(os.listdir(tmp_path))
    copy = tmp_path / "copy.db"
    shutil.copy(server.disk("base.db"), copy)
    base = sqlite3.connect(copy)
    assert ask(base, "pragma integrity_check") == [("ok",)]
    assert ask(base, "select * from t order by n") == rows[1]
    base.close()


def test_sqlite_is_locked(server, mount):
    """Locks hold among the processes of this machine."""
    m = mount(server)
    base = sqlite3.connect(m / "base.db", isolation_level=None)
    base.execute("create table t (n)")
    base.execute("begin exclusive")
    script = ("import sqlite3, sys\n"
              "sqlite3.connect(sys.argv[1], timeout=0.2).execute('insert into t values (1)')")
    assert "locked" in run(sys.executable, "-c", script, m / "base.db", status=(1,))
    base.execute("commit")
    base.close()
    run("flock", "-n", m / "lock", "true")
    holder = subprocess.Popen(["flock", m / "lock", "sleep", "5"])
    try:
        deadline = time.monotonic() + 4
        while (subprocess.run(["flock", "-n", m / "lock", "true"], check=False).returncode == 0
               and time.monotonic() < deadline):
            time.sleep(0.05)
        assert time.monotonic() < deadline, "two had the lock"
    finally:
        subprocess.run(["pkill", "-P", str(holder.pid)], check=False)
        holder.wait()


# saving


def save_by_rename(path, data):
    temporary = path.with_name(f".{path.name}.swp1")
    with open(temporary, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())
    os.chmod(temporary, 0o640)
    os.rename(temporary, path)


def save_with_backup(path, data):
    backup = path.with_name(path.name + "~")
    os.rename(path, backup)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    os.write(fd, data)
    os.fsync(fd)
    os.close(fd)
    os.unlink(backup)


def save_in_place(path, data):
    with open(path, "r+b") as f:
        f.write(data)
        f.truncate()


def save_truncating(path, data):
    write_file(path, data)


def save_office(path, data):
    """Lock file, temporary, old one aside, new one in, old one and lock away."""
    lock = path.with_name(f".~lock.{path.name}#")
    lock.write_bytes(b"somebody")
    temporary, old = path.with_name("lu1234.tmp"), path.with_name(path.name + ".old")
    with open(temporary, "w+b") as f:
        f.write(bytes(len(data)))
        f.seek(0)
        f.write(data)
        f.seek(0)
        assert f.read() == data
    os.rename(path, old)
    os.rename(temporary, path)
    os.unlink(old)
    os.unlink(lock)


@pytest.mark.parametrize("save", [save_by_rename, save_with_backup, save_in_place,
                                  save_truncating, save_office])
def test_save(server, mount, save):
    """Three times in a row, somebody reading the version before meanwhile."""
    server.put("doc", b"version 0\n" * 1000)
    m = mount(server)
    for n, size in ((1, 50000), (2, 3), (3, 200000)):
        with open(m / "doc", "rb") as reader:
            old = reader.read(10)
            data = some_bytes(size, n)
            save(m / "doc", data)
            assert server.disk("doc").read_bytes() == data
            assert (m / "doc").read_bytes() == data
            if save in (save_by_rename, save_with_backup, save_office):
                reader.seek(0)
                assert reader.read(10) == old, "the reader of the old version lost it"
    assert os.listdir(server.root) == ["doc"]


@pytest.mark.parametrize("setting", [
    "nobackup nowritebackup", "backupcopy=yes", "backupcopy=no",
    "backup backupskip= backupcopy=no", "swapfile backupcopy=auto"])
def test_vim(server, mount, setting):
    vim = program("vim", "vim.basic", "vim.tiny")
    server.put("doc", b"old line\n" * 5000)
    m = mount(server)
    run(vim, "-es", "-N", "-u", "NONE", "-i", "NONE", "-c", f"set {setting}",
        "-c", "%s/old/brand new/", "-c", "w", "-c", "$d", "-c", "wq", m / "doc")
    assert server.disk("doc").read_bytes() == b"brand new line\n" * 4999
    left = sorted(name for name in os.listdir(server.root) if name != "doc")
    assert left == (["doc~"] if setting.startswith("backup ") else [])


def test_stream_editors(server, mount):
    server.put("doc", b"old line\n" * 5000)
    os.chmod(server.disk("doc"), 0o640)
    m = mount(server)
    run("sed", "-i", "s/old/new/", m / "doc")
    assert server.disk("doc").read_bytes() == b"new line\n" * 5000
    assert stat.S_IMODE(server.disk("doc").stat().st_mode) == 0o640
    run("sed", "-i.bak", "1d", m / "doc")
    assert server.disk("doc").read_bytes() == b"new line\n" * 4999
    assert server.disk("doc.bak").read_bytes() == b"new line\n" * 5000
    run("perl", "-pi", "-e", "s/new/newer/", m / "doc")
    assert server.disk("doc").read_bytes() == b"newer line\n" * 4999
    shell("diff -u doc.bak doc > change || test $? = 1; patch -s doc.bak change", m)
    assert server.disk("doc.bak").read_bytes() == b"newer line\n" * 4999
    shell("cat doc > copy; cat doc >> copy; echo end | tee -a copy > tee; head -c 5 copy > five", m)
    assert server.disk("copy").read_bytes() == b"newer line\n" * 9998 + b"end\n"
    assert server.disk("five").read_bytes() == b"newer"
    assert "sed" not in "".join(os.listdir(server.root))


def test_log_files(server, mount):
    """A daemon's log: appended line by line, copied and cut, moved away under the writer."""
    m = mount(server)
    fd = os.open(m / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for n in range(50):
        os.write(fd, b"line %d\n" % n)
    run("cp", m / "log", m / "log.1")
    os.truncate(m / "log", 0)
    os.write(fd, b"after the cut\n")
    os.fsync(fd)
    assert server.disk("log").read_bytes() == b"after the cut\n"
    assert server.disk("log.1").read_bytes() == b"".join(b"line %d\n" % n for n in range(50))
    os.rename(m / "log", m / "log.2")
    os.write(fd, b"after the move\n")
    os.close(fd)
    assert server.disk("log.2").read_bytes() == b"after the cut\nafter the move\n"
    assert sorted(os.listdir(server.root)) == ["log.1", "log.2"]
