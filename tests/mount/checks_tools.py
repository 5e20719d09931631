# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of small tools and libraries: what shells, editors and languages do to files."""

import os
import sqlite3
import subprocess
import sys
import time

from checks import check, python, refuses
from content import MIB, some_bytes
from programs import program, run, shell


@check
def dd_without_truncation(d):
    d.put("f", b"x" * 100000)
    (d.tmp / "part").write_bytes(b"y" * 1000)
    run("dd", f"if={d.tmp / 'part'}", f"of={d / 'f'}", "bs=500", "seek=20", "conv=notrunc")
    assert d.stored("f") == b"x" * 10000 + b"y" * 1000 + b"x" * 89000


@check
def dd_appends(d):
    d.put("f", b"one\n")
    shell("echo two | dd of=f oflag=append conv=notrunc; echo three >> f", d)
    assert d.stored("f") == b"one\ntwo\nthree\n"


@check
def dd_sparse(d):
    (d.tmp / "in").write_bytes(b"a" * 4096 + bytes(MIB) + b"b" * 4096)
    run("dd", f"if={d.tmp / 'in'}", f"of={d / 'f'}", "bs=4k", "conv=sparse")
    assert d.stored("f") == (d.tmp / "in").read_bytes()


@check
def dd_synced(d):
    run("dd", "if=/dev/zero", f"of={d / 'f'}", "bs=64k", "count=16", "conv=fsync")
    run("dd", "if=/dev/zero", f"of={d / 'g'}", "bs=4k", "count=8", "oflag=direct,dsync")
    assert d.stored("f") == bytes(MIB) and d.stored("g") == bytes(32768)


@check
def truncate_tool(d):
    shell("echo 12345 > f; truncate -s 3 f; truncate -s +7 f; truncate -s %8 f", d)
    assert d.stored("f") == b"123" + bytes(13)


@check
def fallocate_tool(d):
    shell("fallocate -l 100000 f; fallocate -l 5000 -o 100000 f", d)
    assert d.stored("f") == bytes(105000)


@check
def shell_redirections(d):
    shell("echo one > f; echo two >> f; cat < f > g; exec 3<> f; read -u 3 line; "
          "echo TWO >&3; exec 3>&-; set -C; ! echo no > f 2> /dev/null; echo yes >| g", d)
    assert d.stored("f") == b"one\nTWO\n" and d.stored("g") == b"yes\n"


@check
def here_documents(d):
    shell("for n in $(seq 50); do cat > f$n <<END\nline $n\nEND\ndone; cat f{1..50} > all", d)
    assert d.stored("all") == b"".join(b"line %d\n" % n for n in range(1, 51))


@check
def install_tool(d):
    (d.tmp / "in").write_bytes(b"program")
    run("install", "-D", "-m", "751", d.tmp / "in", d / "usr/bin/tool")
    assert d.stored("usr/bin/tool") == b"program"
    assert os.stat(d / "usr/bin/tool").st_mode & 0o777 == 0o751
    run("install", "-C", "-m", "751", d.tmp / "in", d / "usr/bin/tool")


@check
def cp_variants(d):
    (d.tmp / "in").write_bytes(some_bytes(200000))
    for n, words in enumerate((["--sparse=always"], ["--sparse=never"], ["--reflink=auto"],
                               ["-p"], ["--preserve=all"], ["--backup=numbered"], ["-u"],
                               ["--remove-destination"])):
        run("cp", *words, d.tmp / "in", d / f"f{n}")
        run("cp", *words, d / f"f{n}", d / f"g{n}")
        assert d.stored(f"g{n}") == some_bytes(200000)


@check
def mv_across(d):
    (d.tmp / "x/y").mkdir(parents=True)
    (d.tmp / "x/y/f").write_bytes(b"F")
    os.utime(d.tmp / "x/y/f", (1500000000, 1500000000))
    run("mv", d.tmp / "x", d)
    assert d.stored("x/y/f") == b"F" and not (d.tmp / "x").exists()
    assert int(os.stat(d / "x/y/f").st_mtime) == 1500000000
    run("mv", d / "x", d.tmp / "back")
    assert (d.tmp / "back/y/f").read_bytes() == b"F" and d.names() == []


@check
def mv_options(d):
    for name in "ab":
        d.put(name, name.encode())
    run("mv", "-n", d / "a", d / "b")
    assert d.stored("b") == b"b"
    run("mv", "-b", d / "a", d / "b")
    assert d.stored("b") == b"a" and d.stored("b~") == b"b"


@check
def touch_tool(d):
    run("touch", d / "f")
    run("touch", "-d", "2001-02-03 04:05:06 UTC", d / "f")
    assert int(os.stat(d / "f").st_mtime) == 981173106
    run("touch", "-r", d / "f", d / "g")
    run("touch", "-m", "-d", "@1600000000", d / "g")
    run("touch", "-a", d / "g")
    assert int(os.stat(d / "g").st_mtime) == 1600000000


@check
def find_tool(d):
    shell("mkdir -p a/b c; echo x > a/f; : > a/b/g; touch -d @1500000000 c/h", d)
    assert shell("find . -type f -size 0 | sort", d) == "./a/b/g\n./c/h\n"
    assert shell("find . -newermt 2018-01-01 -type f | sort", d) == "./a/b/g\n./a/f\n"
    assert shell("find . -depth -empty -delete; find . -type f", d) == "./a/f\n"


@check
def grep_and_xargs(d):
    shell("for n in 1 2 3; do mkdir d$n; echo needle $n > d$n/f; echo hay > d$n/g; done", d)
    assert shell("grep -rl needle . | sort | xargs cat", d) == "needle 1\nneedle 2\nneedle 3\n"
    shell("find . -name g -print0 | xargs -0 rm; grep -c needle */f > count", d)
    assert d.stored("count") == b"d1/f:1\nd2/f:1\nd3/f:1\n"


@check
def du_and_wc(d):
    d.put("f", b"x" * 50000)
    assert int(shell("du -b f | cut -f1", d)) == 50000
    assert int(shell("du -k f | cut -f1", d)) >= 48
    assert shell("wc -c < f", d) == "50000\n"


@check
def diff_and_patch(d):
    shell("mkdir a b; seq 100 > a/f; sed 's/^50$/fifty/' a/f > b/f; echo new > b/g;"
          " diff -ruN a b > change || test $? = 1; cd a; patch -s -p1 < ../change; cd ..;"
          " diff -r a b", d)
    assert b"fifty" in d.stored("a/f") and d.stored("a/g") == b"new\n"


@check
def sort_in_place(d):
    shell("seq 20000 | shuf --random-source=<(yes) > f; sort -n -o f f; seq 20000 | cmp - f;"
          " sort -T . -S 100K -R f > g; sort -n g | cmp - f", d)


@check
def sed_in_place(d):
    d.put("f", b"old\n" * 1000)
    run("sed", "-i", "s/old/new/", d / "f")
    run("sed", "-i.bak", "1d", d / "f")
    assert d.stored("f") == b"new\n" * 999 and d.stored("f.bak") == b"new\n" * 1000


@check
def perl_in_place(d):
    d.put("f", b"old\n" * 1000)
    run("perl", "-i", "-pe", "s/old/new/", d / "f")
    run("perl", "-i.orig", "-ne", "print if $. > 1", d / "f")
    assert d.stored("f") == b"new\n" * 999 and d.stored("f.orig") == b"new\n" * 1000


@check
def ed_saves(d):
    program("ed")
    d.put("f", b"one\ntwo\n")
    shell("printf '%s\\n' '2s/two/TWO/' a three . w q | ed -s f", d)
    assert d.stored("f") == b"one\nTWO\nthree\n"


@check
def vim_saves(d):
    vim = program("vim", "vim.basic", "vim.tiny")
    d.put("f", b"old line\n" * 500)
    os.chmod(d / "f", 0o640)
    run(vim, "-es", "-N", "-u", "NONE", "-i", "NONE", "-c", "set backup backupcopy=auto undofile"
        " undodir=.", "-c", "%s/old/new/", "-c", "wq", d / "f")
    assert d.stored("f") == b"new line\n" * 500
    assert os.stat(d / "f").st_mode & 0o777 == 0o640


@check
def tee_and_pipes(d):
    shell("seq 1000 | tee f | tee -a g > h; cmp f g; cmp f h; tac f | tac | cmp - f;"
          " head -n 5 f > five; tail -n 5 f >> five; tail -c 10 f > ten", d)
    assert d.stored("ten") == b"\n999\n1000\n"


@check
def follows_own_writes(d):
    """tail -f on a file that grows here, also through a copy-and-truncate."""
    d.put("log", b"first\n")
    tail = subprocess.Popen(["tail", "-n", "+1", "-s", "0.1", "-f", d / "log"],
                            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert tail.stdout.readline() == b"first\n"
        with open(d / "log", "ab") as f:
            f.write(b"second\n")
        assert tail.stdout.readline() == b"second\n"
        with open(d / "log", "wb") as f:
            f.write(b"3\n")
        assert tail.stdout.readline() == b"3\n"
    finally:
        tail.kill()
        tail.wait()
        tail.stdout.close()


@check
def log_rotation(d):
    with d.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND) as fd:
        os.write(fd, b"one\n")
        shell("cp -p log log.1; truncate -s 0 log", d)
        os.write(fd, b"two\n")
    assert d.stored("log") == b"two\n" and d.stored("log.1") == b"one\n"
    shell("mv log.1 log.2; mv log log.1; : > log; gzip log.2", d)
    assert d.names() == ["log", "log.1", "log.2.gz"]


@check
def mail_spool(d):
    """Locked, appended, delivered: mbox and maildir."""
    import mailbox
    box = mailbox.mbox(d / "inbox")
    for n in range(5):
        box.lock()
        box.add(f"From: a@localhost\nSubject: {n}\n\nText {n}\n")
        box.flush()
        box.unlock()
    box.remove(2)
    box.close()
    assert d.stored("inbox").count(b"Subject:") == 4


@check
def maildir(d):
    """Maildir files are named with ':' and moved from tmp to new to cur."""
    for name in ("tmp", "new", "cur"):
        (d / name).mkdir()
    for n in range(5):
        (d / f"tmp/{n}.host").write_bytes(b"text %d" % n)
        os.rename(d / f"tmp/{n}.host", d / f"new/{n}.host")
        os.rename(d / f"new/{n}.host", d / f"cur/{n}.host:2,S")
    assert d.stored("cur/3.host:2,S") == b"text 3" and os.listdir(d / "new") == []


@check
def sqlite_rollback(d):
    base = sqlite3.connect(d / "base.db")
    base.execute("create table t (n integer primary key, v blob)")
    for n in range(20):
        with base:
            base.execute("insert into t values (?, ?)", (n, some_bytes(1000, n)))
    try:
        with base:
            base.execute("delete from t")
            raise KeyError
    except KeyError:
        pass
    assert base.execute("select count(*) from t").fetchall() == [(20,)]
    assert base.execute("pragma integrity_check").fetchall() == [("ok",)]
    base.execute("vacuum")
    base.close()
    assert d.names() == ["base.db"]


@check
def sqlite_wal(d):
    base = sqlite3.connect(d / "base.db")
    assert base.execute("pragma journal_mode=wal").fetchall() == [("wal",)]
    base.execute("create table t (n)")
    with base:
        base.executemany("insert into t values (?)", ((n,) for n in range(500)))
    other = sqlite3.connect(d / "base.db")
    assert other.execute("select sum(n) from t").fetchall() == [(124750,)]
    other.close()
    base.execute("pragma wal_checkpoint(truncate)")
    base.close()
    copy = sqlite3.connect(d.disk / "base.db")
    assert copy.execute("select count(*) from t").fetchall() == [(500,)]
    copy.close()


@check
def sqlite_of_two_processes(d):
    line = ("import sqlite3, sys\nb = sqlite3.connect(sys.argv[1], timeout=60)\n"
            "for n in range(10):\n    with b:\n        b.execute('update t set n = n + 1')\n")
    base = sqlite3.connect(d / "base.db")
    base.execute("create table t (n)")
    with base:
        base.execute("insert into t values (0)")
    children = [subprocess.Popen([sys.executable, "-c", line, str(d / "base.db")])
                for _ in range(2)]
    assert [child.wait() for child in children] == [0, 0]
    assert base.execute("select n from t").fetchall() == [(20,)]
    base.close()


@check
def dbm_files(d):
    import dbm.dumb
    with dbm.dumb.open(str(d / "dumb"), "c") as base:
        for n in range(50):
            base[str(n)] = b"value %d" % n
        del base["7"]
    with dbm.dumb.open(str(d / "dumb"), "r") as base:
        assert len(base) == 49 and base["8"] == b"value 8"


@check
def berkeley_files(d):
    line = ("use DB_File; tie(%h, 'DB_File', $ARGV[0]) or die $!; $h{$_} = $_ x 20 for 1..500;"
            " untie %h; tie(%h, 'DB_File', $ARGV[0]) or die $!; die if keys %h != 500;"
            " die if $h{77} ne '77' x 20")
    run("perl", "-e", line, d / "f.db")


@check
def temporary_files(d):
    env = {**os.environ, "TMPDIR": str(d)}
    python("import os, sys, tempfile\ntempfile.tempdir = sys.argv[1]\n"
           "with tempfile.NamedTemporaryFile() as f:\n    f.write(b'x'); f.flush()\n"
           "    assert os.path.getsize(f.name) == 1 and f.name.startswith(sys.argv[1])\n"
           "with tempfile.TemporaryDirectory() as t:\n    open(t + '/f', 'w').close()\n", d)
    subprocess.run(["sh", "-c", "f=$(mktemp); echo x > $f; rm $f; t=$(mktemp -d); rmdir $t"],
                   env=env, check=True)
    subprocess.run(["perl", "-MFile::Temp=tempfile", "-e", "($f, $n) = tempfile(UNLINK => 1);"
                    " print $f 'x' x 100000; close $f; die if -s $n != 100000"], env=env,
                   check=True)
    assert d.names() == []


@check
def header_written_at_the_end(d):
    """Media writers: stream out, seek back, fill in the header; wave, zip and mp4 do."""
    import wave
    with wave.open(str(d / "sound.wav"), "wb") as w:
        w.setnchannels(1)
        w.setsampwidth(2)
        w.setframerate(8000)
        for n in range(20):
            w.writeframes(some_bytes(8000, n))
    with wave.open(str(d.disk / "sound.wav"), "rb") as w:
        assert w.getnframes() == 80000


@check
def archive_extended(d):
    import zipfile
    for n in range(3):
        with zipfile.ZipFile(d / "a.zip", "a") as z:
            z.writestr(f"f{n}", some_bytes(5000, n))
    with zipfile.ZipFile(d.disk / "a.zip") as z:
        assert z.testzip() is None and z.read("f1") == some_bytes(5000, 1)


@check
def office_saves(d):
    """Lock file, temporary beside, backup, rename, lock away; three times."""
    d.put("doc.odt", b"version 0")
    for n in range(1, 4):
        d.put(".~lock.doc.odt#", b"user")
        d.put("lu1.tmp", b"version %d" % n * 5000)
        os.rename(d / "doc.odt", d / "doc.bak")
        os.rename(d / "lu1.tmp", d / "doc.odt")
        os.unlink(d / "doc.bak")
        os.unlink(d / ".~lock.doc.odt#")
        assert d.stored("doc.odt") == b"version %d" % n * 5000
    assert d.names() == ["doc.odt"]


@check
def emacs_saves(d):
    """Backup by rename, lock as a dangling link where links can be, auto-save file."""
    d.put("f", b"old")
    d.put("#f#", b"auto")
    try:
        os.symlink("user@host.1:2", d / ".#f")
    except PermissionError:
        pass
    os.rename(d / "f", d / "f~")
    with d.open("f", os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
        os.write(fd, b"new")
        os.fsync(fd)
    os.unlink(d / "#f#")
    if os.path.lexists(d / ".#f"):
        os.unlink(d / ".#f")
    assert d.names() == ["f", "f~"] and d.stored("f") == b"new" and d.stored("f~") == b"old"


@check
def key_written_secretly(d):
    """openssl, ssh-keygen: umask 077, exclusive, mode 600 from the start."""
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", d / "key.pem")
    assert d.stored("key.pem").startswith(b"-----BEGIN PRIVATE KEY")
    assert os.stat(d / "key.pem").st_mode & 0o777 == 0o600
    shell("echo secret | openssl enc -aes-256-cbc -pbkdf2 -pass pass:x -out f.enc;"
          " openssl enc -d -aes-256-cbc -pbkdf2 -pass pass:x -in f.enc > f", d)
    assert d.stored("f") == b"secret\n"


@check
def checksums(d):
    shell("seq 1000 > f; sha256sum f > sums; md5sum f >> md5; sha256sum -c --quiet sums;"
          " md5sum -c --quiet md5; cksum f > /dev/null; b2sum f > b2; b2sum -c --quiet b2", d)


@check
def flock_tool(d):
    shell("flock lock sh -c '! flock -n lock true'; flock -n lock true", d)


@check
def inode_kept_by_rewriting(d):
    before = os.stat(d.put("f", b"1")).st_ino
    shell("cat > f <<< 22; echo 3 >> f", d)
    assert os.stat(d / "f").st_ino == before and d.stored("f") == b"22\n3\n"


@check
def make_goes_by_times(d):
    program("make")
    d.put("Makefile", b"out: in\n\tcp in out\n\techo made >> log\n")
    d.put("in", b"1")
    os.utime(d / "in", (time.time() - 100,) * 2)
    for _ in range(3):
        run("make", "-s", "-C", d)
    assert d.stored("log") == b"made\n"
    os.utime(d / "in", (time.time() + 2,) * 2)
    os.utime(d / "out", (time.time() - 50,) * 2)
    run("make", "-s", "-C", d)
    assert d.stored("log") == b"made\nmade\n"


@check
def refused_where_a_disk_refuses(d):
    import errno
    for line, words in (("rm none", "No such file"), ("rmdir f", "Not a directory"),
                        ("cat x", "Is a directory"), ("mkdir x", "File exists"),
                        ("ls f/y", "Not a directory")):
        (d / "x").mkdir(exist_ok=True)
        d.put("f")
        done = subprocess.run(["sh", "-c", line], cwd=d, capture_output=True, text=True,
                              env={**os.environ, "LC_ALL": "C"}, check=False)
        assert done.returncode != 0 and words in done.stderr, (line, done.stderr)
    with refuses(errno.ENOENT):
        os.listdir(d / "none")
