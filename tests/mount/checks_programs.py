# SPDX-License-Identifier: GPL-2.0-or-later
"""Checks of whole programs: version control, archives, compilers, synchronisers, languages."""

import os
import sys

from checks import NO_LINKS, check
from content import MIB, some_bytes
from programs import assert_same, program, run, shell, times

LONG_AGO = 1500000000


def source(d):
    """A small tree beside, with old times and several modes."""
    top = d.tmp / "source"
    for n in range(24):
        path = top / ("", "a", "a/b", "c d")[n % 4] / f"file {n}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(some_bytes((0, 1, 4095, 4096, 20000, 70001)[n % 6], n))
        os.chmod(path, (0o644, 0o600, 0o755)[n % 3])
        os.utime(path, (LONG_AGO + n, LONG_AGO + n))
    (top / "empty").mkdir()
    return top


def git(line, where):
    program("git")
    return shell(line, where)


@check
def git_init_and_commit(d):
    git("git init -q r; cd r; for n in 1 2 3; do echo $n > f$n; git add .; git commit -qm $n;"
        " done; test -z \"$(git status --porcelain)\"; git fsck --full --strict;"
        " test $(git log --oneline | wc -l) = 3", d)
    git("cd r; git fsck --full --strict", d.disk)


@check
def git_clone_from_here(d):
    git("git init -q r; cd r; seq 1000 > f; git add .; git commit -qm 1", d.tmp)
    git(f"git clone -q {d.tmp}/r here; cd here; git status --porcelain; git fsck --full;"
        " git clone -q --no-local . ../there; cd ../there; git fsck --full", d)
    assert (d / "there/f").read_bytes() == (d.tmp / "r/f").read_bytes()


@check
def git_gc_and_repack(d):
    git("git init -q r; cd r; for n in 1 2 3 4 5; do seq $n 200 > f; git add .;"
        " git commit -qm $n; done; git gc -q --prune=now; git repack -adq; git prune;"
        " git fsck --full; git count-objects -v | grep -q 'count: 0'", d)


@check
def git_branches_and_rebase(d):
    git("git init -q -b main r; cd r; seq 50 > f; git add .; git commit -qm base;"
        " git checkout -q -b side; sed -i s/^10$/ten/ f; git commit -qam ten;"
        " git checkout -q main; sed -i s/^40$/forty/ f; git commit -qam forty;"
        " git rebase -q main side; grep -q ten f; grep -q forty f; git checkout -q main;"
        " git merge -q --ff-only side; git branch -d side; git fsck --full", d)


@check
def git_stash_reset_clean(d):
    git("git init -q r; cd r; seq 50 > f; git add .; git commit -qm base; echo x >> f; echo y > g;"
        " git stash -qu; test ! -e g; git stash pop -q; test -e g; git reset -q --hard;"
        " git clean -fdq; test \"$(ls)\" = f; git mv f h; git commit -qm mv; git tag -a t -m t;"
        " git bundle create -q b HEAD; git archive HEAD | tar t | grep -q h", d)


@check
def git_worktree_and_push(d):
    git("git init -q --bare -b main bare.git; git clone -q bare.git one 2> /dev/null; cd one;"
        " git checkout -q -b main; echo 1 > f; git add .; git commit -qm 1;"
        " git push -q origin main;"
        " git worktree add -q ../tree -b other; cd ../tree; echo 2 >> f; git commit -qam 2;"
        " git push -q origin other; cd ../bare.git; git fsck --full; git log --oneline other", d)


@check
def rsync_twice(d):
    program("rsync")
    top = source(d)
    run("rsync", "-a", f"{top}/", f"{d}/copy/")
    assert_same(top, d.disk / "copy")
    out = run("rsync", "-a", "-i", f"{top}/", f"{d}/copy/")
    assert [line for line in out.splitlines() if line[:1] in "<>c"] == []
    out = run("rsync", "-an", "-i", "--checksum", f"{top}/", f"{d}/copy/")
    assert [line for line in out.splitlines() if line[:1] in "<>c"] == []
    assert times(d / "copy") == times(top)


@check
def rsync_in_place(d):
    program("rsync")
    data = bytearray(some_bytes(MIB))
    (d.tmp / "big").write_bytes(data)
    run("rsync", "-t", "--inplace", d.tmp / "big", d / "big")
    data[500000:500010] = b"0123456789"
    (d.tmp / "big").write_bytes(data)
    run("rsync", "--inplace", "--no-whole-file", "-I", d.tmp / "big", d / "big")
    assert d.stored("big") == data


@check
def rsync_append(d):
    program("rsync")
    data = some_bytes(300000)
    (d.tmp / "big").write_bytes(data[:200000])
    run("rsync", d.tmp / "big", d / "big")
    (d.tmp / "big").write_bytes(data)
    run("rsync", "--append-verify", d.tmp / "big", d / "big")
    assert d.stored("big") == data


@check
def rsync_delete(d):
    program("rsync")
    top = source(d)
    run("rsync", "-a", f"{top}/", f"{d}/copy/")
    shell("rm -r a; echo new > new; mv 'c d' e", top)
    run("rsync", "-a", "--delete", "--delete-after", "--partial", f"{top}/", f"{d}/copy/")
    assert_same(top, d.disk / "copy")
    run("rsync", "-a", "--backup", "--suffix=.old", "--temp-dir=.", f"{top}/", f"{d}/copy/")


@check
def rsync_out(d):
    program("rsync")
    top = source(d)
    run("cp", "-a", top, d / "copy")
    run("rsync", "-a", f"{d}/copy/", f"{d.tmp}/back/")
    assert_same(top, d.tmp / "back")
    assert times(top) == times(d.tmp / "back")


@check
def tar_both_ways(d):
    top = source(d)
    run("tar", "-C", top, "-cf", d / "a.tar", ".")
    (d / "out").mkdir()
    run("tar", "-C", d / "out", "-xpf", d / "a.tar")
    assert_same(top, d.disk / "out")
    assert times(d / "out") == times(top)
    assert "Mod time" not in run("tar", "-C", d / "out", "-df", d / "a.tar", status=(0, 1))


@check
def tar_appends_and_updates(d):
    shell("seq 100 > a; seq 200 > b; tar cf t.tar a; tar rf t.tar b; tar uf t.tar a;"
          " tar --delete -f t.tar a; test \"$(tar tf t.tar)\" = b; tar czf t.tgz a b;"
          " tar cJf t.txz a b; tar tf t.txz | wc -l", d)


@check
def tar_sparse(d):
    shell("truncate -s 2M f; echo x >> f; tar cSf t.tar f; rm f; tar xSf t.tar", d)
    assert d.stored("f") == bytes(2 * MIB) + b"x\n"


@check
def cp_archive(d):
    top = source(d)
    run("cp", "-a", top, d / "copy")
    assert_same(top, d.disk / "copy")
    assert times(top) == times(d / "copy")
    run("cp", "-a", d / "copy", d / "again")
    run("cp", "-r", d / "copy", d.tmp / "back")
    assert_same(d.disk / "again", d.tmp / "back")
    run("rm", "-r", d / "copy")
    assert d.names() == ["again"]


@check
def cpio_both_ways(d):
    program("cpio")
    top = source(d)
    shell(f"find . -depth -print0 | cpio -0 -o --quiet -H newc > {d.tmp}/a.cpio", top)
    (d / "out").mkdir()
    shell(f"cpio -idm --quiet < {d.tmp}/a.cpio", d / "out")
    assert_same(top, d.disk / "out")
    shell(f"find . -depth -print0 | cpio -0 -pdm --quiet {d}/pass", top)
    assert_same(top, d.disk / "pass")


@check
def zip_and_unzip(d):
    program("zip")
    program("unzip")
    top = source(d)
    run("cp", "-a", top, d / "in")
    shell("zip -qr a.zip in; zip -q a.zip -d 'in/a/*'; unzip -tq a.zip; unzip -q a.zip -d out;"
          " touch in/'c d'/*; zip -qu a.zip in/'c d'/*; unzip -qo a.zip -d out", d)
    run("rm", "-r", d / "in/a", d / "out/in/a", status=(0, 1))
    assert_same(d / "in", d.disk / "out/in")


@check
def seven_zip(d):
    seven = program("7z", "7za", "7zz")
    top = source(d)
    run(seven, "a", "-bd", d / "a.7z", top)
    run(seven, "x", "-bd", f"-o{d / 'out'}", d / "a.7z")
    assert_same(top, d.disk / "out/source")


@check
def packed_in_place(d):
    data = b"some text that packs well\n" * 5000
    for pack, unpack, end in (("gzip", "gunzip", "gz"), ("bzip2", "bunzip2", "bz2"),
                              ("xz", "unxz", "xz")):
        d.put("f", data)
        os.utime(d / "f", (LONG_AGO, LONG_AGO))
        run(pack, d / "f")
        assert d.names() == [f"f.{end}"] and int(os.stat(d / f"f.{end}").st_mtime) == LONG_AGO
        run(unpack, d / f"f.{end}")
        assert d.stored("f") == data


@check
def large_image(d):
    """mksquashfs: written out of order, header last."""
    program("mksquashfs")
    run("mksquashfs", source(d), d / "image", "-quiet", "-no-progress")
    run("unsquashfs", "-q", "-n", "-d", d / "out", d / "image")
    assert_same(d.tmp / "source", d.disk / "out")


@check
def file_system_in_a_file(d):
    """mkfs, then fsck: sparse, random, direct."""
    program("mkfs.ext4")
    shell("truncate -s 8M image; mkfs.ext4 -qF image; fsck.ext4 -fn image", d)
    shell("fsck.ext4 -fn image", d.disk)


@check
def c_project(d):
    program("make")
    program("gcc")
    d.put("Makefile", b"CFLAGS = -g\nall: prog\nlibx.a: x.o\n\tar rcs $@ $^\nprog: main.o libx.a\n"
          b"\t$(CC) -o $@ main.o -L. -lx\nclean:\n\trm -f *.o *.a prog\n-include main.d\n")
    d.put("x.c", b"int x(void) { return 42; }\n")
    d.put("x.h", b"int x(void);\n")
    d.put("main.c", b'#include <stdio.h>\n#include "x.h"\n'
          b'int main(void) { printf("%d\\n", x()); return 0; }\n')
    run("make", "-C", d)
    assert run(d / "prog") == "42\n"
    assert "Nothing to be done" in run("make", "-C", d, "all")
    shell("strip prog; objcopy --only-keep-debug x.o x.dbg; ranlib libx.a; nm libx.a; ./prog", d)
    run("make", "-s", "-C", d, "clean")
    assert d.names() == ["Makefile", "main.c", "x.c", "x.dbg", "x.h"]


@check
def shared_library(d):
    program("gcc")
    d.put("x.c", b"int x(void) { return 42; }\n")
    d.put("main.c", b"int x(void);\nint main(void) { return x() != 42; }\n")
    shell("gcc -shared -fPIC -o libx.so x.c; gcc main.c -o prog -L. -lx -Wl,-rpath,$PWD; ./prog;"
          " gcc -flto -O2 main.c x.c -o lto; ./lto", d)
    run(sys.executable, "-c", "import ctypes, sys\n"
        "assert ctypes.CDLL(sys.argv[1]).x() == 42", d / "libx.so")


@check
def python_packages(d):
    """Modules imported and compiled to __pycache__, a zip that is run, an unpacked wheel."""
    shell("mkdir -p p; echo 'v = 7' > p/__init__.py; echo 'from p import v; w = v + 1' > p/q.py;"
          " python3 -c 'from p.q import w; assert w == 8'; test -d p/__pycache__;"
          " python3 -m compileall -q -f p; echo 'v = 70' > p/__init__.py;"
          " touch -d '+2 sec' p/__init__.py;"
          " python3 -c 'from p.q import w; assert w == 71'", d)
    import zipfile
    with zipfile.ZipFile(d / "x-1-py3-none-any.whl", "w") as z:
        for n in range(30):
            z.writestr(f"x/m{n}.py", f"n = {n}\n")
    with zipfile.ZipFile(d / "x-1-py3-none-any.whl") as z:
        z.extractall(d / "site")
    run(sys.executable, "-c", "import x.m7; assert x.m7.n == 7", cwd=d / "site")


@check(without=NO_LINKS)  # venv insists on lib64
def python_environment(d):
    run("/usr/bin/python3", "-m", "venv", "--without-pip", d / "env")
    run(d / "env/bin/python3", "-c", "import sys; assert sys.prefix != sys.base_prefix")


@check
def perl_files(d):
    line = ("open F, '+>', 'f' or die; print F 'x' x 5000; seek F, 100, 0; print F 'Y'; truncate F,"
            " 200; close F or die; die if -s 'f' != 200; rename 'f', 'g' or die; utime 1500000000,"
            " 1500000000, 'g'; die if (stat 'g')[9] != 1500000000; mkdir 'x' or die;"
            " opendir D, '.'; die if 4 != (() = readdir D); unlink 'g'; rmdir 'x' or die")
    run("perl", "-we", line, cwd=d)


@check
def many_small_files(d):
    """Layers of images, node_modules: hundreds of small files in dozens of folders."""
    for n in range(30):
        (d / f"m{n}/lib").mkdir(parents=True)
        for k in range(6):
            (d / f"m{n}/lib/{k}.js").write_bytes(b"module %d.%d\n" % (n, k))
    assert shell("find . -name '*.js' | wc -l", d).strip() == "180"
    assert shell("cat m*/lib/*.js | wc -l", d).strip() == "180"
    run("rm", "-rf", *[d / f"m{n}" for n in range(15)])
    assert len(d.names()) == 15


@check
def split_and_joined(d):
    data = some_bytes(3 * MIB + 5)
    d.put("f", data)
    shell("split -b 500K -d f p; cat p* > g; cmp f g; split -n 3 f q; cat qa? | cmp - f;"
          " csplit -sz <(seq 30) 10 20; cat xx* | wc -l", d)
    assert d.stored("g") == data


@check
def fio_sequential(d):
    program("fio")
    run("fio", "--name=j", "--filename=f", "--size=4M", "--bs=64k", "--rw=write",
        "--ioengine=psync",
        "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--fallocate=none", "--thread",
        cwd=d)


@check
def fio_random(d):
    program("fio")
    run("fio", "--name=j", "--filename=f", "--size=1M", "--bs=4k", "--rw=randwrite",
        "--ioengine=psync", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--thread",
        "--fallocate=none", cwd=d)


@check
def fio_mapped(d):
    program("fio")
    run("fio", "--name=j", "--filename=f", "--size=1M", "--bs=4k", "--rw=randrw",
        "--ioengine=mmap", "--verify=crc32c", "--do_verify=1", "--verify_fatal=1", "--thread",
        cwd=d)


@check
def fio_asynchronous(d):
    """libaio and vectors, several jobs in one file."""
    program("fio")
    run("fio", "--name=j", "--filename=f", "--size=2M", "--bs=16k", "--rw=randwrite",
        "--ioengine=libaio", "--iodepth=8", "--numjobs=2", "--fallocate=none", "--thread", cwd=d)
    run("fio", "--name=k", "--filename=g", "--size=1M", "--bs=8k", "--rw=randrw",
        "--ioengine=pvsync2", "--verify=crc32c", "--do_verify=1", "--thread", cwd=d)


@check
def database_dump(d):
    """A dump through a pipe, compressed on the way, restored from there."""
    program("sqlite3")
    shell("sqlite3 a.db 'create table t(n); with recursive c(n) as (select 1 union all select n+1"
          " from c where n < 2000) insert into t select n from c'; sqlite3 a.db .dump |"
          " gzip > d.gz;"
          " zcat d.gz | sqlite3 b.db; test $(sqlite3 b.db 'select sum(n) from t') = 2001000;"
          " sqlite3 a.db \".backup c.db\"; sqlite3 c.db 'pragma integrity_check'", d)
