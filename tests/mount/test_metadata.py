# SPDX-License-Identifier: GPL-2.0-or-later
"""Times, modes and owners: what is set is on the server's disk to the second, or the call fails."""

import errno
import os
import stat
import subprocess
import time

import pytest

import mounting

WHENS = (946684799, 1767323045, 1)  # 1999, 2026, 1970
NO_DIR_TIMES = ("vsftpd", "pyftpdlib")


def run(*command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command}: {done.stderr}"
    assert done.stderr == ""
    return done.stdout


@pytest.mark.core
def test_touch_keeps_seconds(each_kind, mount):
    m = mount(each_kind)
    for when in WHENS:
        run("touch", "-d", f"@{when}", m / "file")
        assert os.stat(m / "file").st_mtime == when
        assert each_kind.disk("file").stat().st_mtime == when


def test_times_by_site_utime(own_server, mount):
    """A server that offers neither MFMT nor MFF nor MLST: ProFTPD without its facts."""
    server = own_server("proftpd", extra="FactsAdvertise off\n")
    server.put("file", b"x", mtime=1500000001)
    server.mkdir("folder")
    m = mount(server, loglevel="trace")
    for name in ("file", "folder"):
        for when in WHENS:
            os.utime(m / name, (when, when))
            assert server.disk(name).stat().st_mtime == when
            assert os.stat(m / name).st_mtime == when
    assert "SITE UTIME" in m.log_text()


def test_time_of_a_folder(each_kind, mount):
    """Where the server cannot, the mount keeps what it was told as long as it knows the folder."""
    each_kind.mkdir("folder")
    m = mount(each_kind)
    os.utime(m / "folder", (WHENS[0], WHENS[0]))
    assert os.stat(m / "folder").st_mtime == WHENS[0]
    if each_kind.kind not in NO_DIR_TIMES:
        assert each_kind.disk("folder").stat().st_mtime == WHENS[0]


def test_one_of_two_times(each_kind, mount):
    each_kind.put("file", b"x", mtime=WHENS[1])
    m = mount(each_kind)
    run("touch", "-a", "-d", "@1000000000", m / "file")
    assert os.stat(m / "file").st_mtime == WHENS[1]
    assert each_kind.disk("file").stat().st_mtime == WHENS[1]
    run("touch", "-m", "-d", f"@{WHENS[0]}", m / "file")
    assert each_kind.disk("file").stat().st_mtime == WHENS[0]
    run("touch", m / "file")
    assert abs(each_kind.disk("file").stat().st_mtime - time.time()) < 60


def test_cp_p_and_tar(each_kind, mount, tmp_path):
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    for n, when in enumerate(WHENS):
        path = tree / "sub" / f"file{n}"
        path.write_bytes(b"x" * n)
        path.chmod((0o600, 0o644, 0o755)[n])
        os.utime(path, (when, when))
    m = mount(each_kind)
    run("cp", "-rp", tree, m / "copy")
    run("tar", "-C", tmp_path, "-cf", tmp_path / "tree.tar", "tree")
    run("tar", "--no-same-owner", "-C", m, "-xpf", tmp_path / "tree.tar")
    for top in ("copy", "tree"):
        for n, when in enumerate(WHENS):
            path = f"{top}/sub/file{n}"
            assert os.stat(m / path).st_mtime == when
            assert each_kind.disk(path).stat().st_mtime == when
            assert stat.S_IMODE(each_kind.disk(path).stat().st_mode) == (0o600, 0o644, 0o755)[n]
    assert run("rsync", "-rti", "--dry-run", f"{tree}/", m / "copy") == ""


@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1777])
def test_special_bits(each_kind, mount, mode):
    """vsftpd says yes to these bits and leaves them out, pyftpdlib sets and never tells them:
    what is shown is what the server tells."""
    each_kind.put("file", b"x")
    each_kind.mkdir("folder")
    m = mount(each_kind)
    for name in ("file", "folder"):
        os.chmod(m / name, mode)
        there = stat.S_IMODE(each_kind.disk(name).stat().st_mode)
        assert there & 0o777 == mode & 0o777
        assert there == (mode & 0o777 if each_kind.kind == "vsftpd" else mode)
        shown = there & 0o777 if each_kind.kind == "pyftpdlib" else there
        assert stat.S_IMODE(os.stat(m / name).st_mode) == shown


def test_modes_at_creation(each_kind, mount):
    m = mount(each_kind)
    for umask, mode in ((0o022, 0o755), (0o077, 0o700), (0o002, 0o775), (0, 0o777)):
        old = os.umask(umask)
        try:
            os.mkdir(m / f"folder{mode:o}")
            os.close(os.open(m / f"file{mode:o}", os.O_CREAT | os.O_WRONLY, 0o666))
        finally:
            os.umask(old)
        assert stat.S_IMODE(os.stat(m / f"folder{mode:o}").st_mode) == mode
        assert stat.S_IMODE(each_kind.disk(f"folder{mode:o}").stat().st_mode) == mode
        assert stat.S_IMODE(os.stat(m / f"file{mode:o}").st_mode) == mode & 0o666
        assert stat.S_IMODE(each_kind.disk(f"file{mode:o}").stat().st_mode) == mode & 0o666


def test_owners(proftpd, mount):
    """Only what changes nothing is granted."""
    proftpd.put("file", b"x")
    m = mount(proftpd, uid=1234, gid=4321)
    for uid, gid in ((1234, 4321), (-1, -1), (1234, -1), (-1, 4321)):
        os.chown(m / "file", uid, gid)
    for uid, gid in ((1235, 4321), (-1, 1234), (0, -1)):
        with pytest.raises(PermissionError):
            os.chown(m / "file", uid, gid)
    st = os.stat(m / "file")
    assert (st.st_uid, st.st_gid) == (1234, 4321)


def test_noperm_errors(proftpd, mount):
    proftpd.put("file", b"x")
    os.chown(proftpd.disk("file"), 0, 0)  # not the login's: chmod and utimens are refused
    m = mount(proftpd, noperm_errors=True)
    os.chown(m / "file", 0, 0)
    os.chmod(m / "file", 0o600)
    os.utime(m / "file", (WHENS[0], WHENS[0]))
    assert stat.S_IMODE(proftpd.disk("file").stat().st_mode) == 0o644
    strict = mount(proftpd)
    for change in (lambda: os.chmod(strict / "file", 0o600),
                   lambda: os.utime(strict / "file", (WHENS[0], WHENS[0])),
                   lambda: os.chown(strict / "file", 5, 5)):
        with pytest.raises(PermissionError):
            change()


def test_sizes_and_links(each_kind, mount):
    each_kind.put("file", b"x" * 1000)
    each_kind.mkdir("folder")
    m = mount(each_kind)
    st = os.stat(m / "file")
    assert (st.st_size, st.st_blocks, st.st_nlink) == (1000, 2, 1)
    st = os.stat(m / "folder")
    assert (st.st_size, st.st_nlink) == (4096, 2)


def test_what_ftp_cannot_hold(each_kind, mount):
    each_kind.put("file", b"x")
    m = mount(each_kind)
    for make in (lambda: os.mkfifo(m / "fifo"),
                 lambda: os.mknod(m / "socket", stat.S_IFSOCK | 0o600),
                 lambda: os.mknod(m / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3)),
                 lambda: os.link(m / "file", m / "hard")):
        with pytest.raises(OSError) as e:
            make()
        assert e.value.errno == errno.EPERM
    assert sorted(os.listdir(m)) == ["file"]


def test_room(own_server, mount):
    """df: AVBL where it is offered, statfs_size, or 1 PiB."""
    server = own_server("pyftpdlib", extra=f"avbl={100 * 4096}")
    assert [os.statvfs(mount(server)).f_bavail] * 2 == [100, 100]
    fs = os.statvfs(mount(server, statfs_size="4M"))
    assert (fs.f_blocks, fs.f_bavail) == (1024, 100)
    server = own_server("pyftpdlib")
    fs = os.statvfs(mount(server, statfs_size="4M"))
    assert (fs.f_blocks, fs.f_bfree, fs.f_bavail) == (1024, 1024, 1024)
    assert os.statvfs(mount(server)).f_bavail * 4096 == 1 << 50


def test_df_does_not_wait(own_server, mount):
    """Of a server that has fallen silent df and stat know nothing, or what they knew."""
    server = own_server("pyftpdlib", extra=f"avbl={100 * 4096}")
    m = mount(server, io_timeout=60)
    server.freeze()
    done = subprocess.run(["df", "--output=avail", "-B4096", m], capture_output=True, text=True,
                          timeout=30)
    assert int(done.stdout.split()[1]) * 4096 == 1 << 50
    subprocess.run(["stat", m], check=True, timeout=30, stdout=subprocess.DEVNULL)
    server.thaw()
    assert mounting.eventually(lambda: os.statvfs(m).f_bavail == 100)


def test_access(proftpd, mount, bed):
    """By the mode that is shown: for root, for the owner shown, and for others."""
    for name, mode in (("script", 0o755), ("text", 0o644), ("secret", 0o600)):
        os.chmod(proftpd.put(name, b"x"), mode)
    os.chmod(proftpd.mkdir("closed"), 0o700)
    user = bed.user.pw_uid
    m = mount(proftpd, allow_other=True, uid=1234, gid=4321)
    os.chmod(m.point.parent, 0o755)

    def may(flag, name, **who):
        return subprocess.run(["test", flag, m / name], **who).returncode == 0

    for who in ({}, {"user": 1234, "group": 4321, "extra_groups": []}):
        assert may("-x", "script", **who) and not may("-x", "text", **who)
        assert may("-r", "secret", **who) and may("-w", "secret", **who)
        assert may("-x", "closed", **who)
    other = {"user": user, "group": user, "extra_groups": []}
    assert may("-r", "text", **other) and not may("-w", "text", **other)
    assert not may("-r", "secret", **other) and not may("-x", "closed", **other)
    assert not may("-r", "secret", user=user, group=user, extra_groups=[4321])
    os.chmod(m / "secret", 0o640)
    assert may("-r", "secret", user=user, group=user, extra_groups=[4321])
    assert not may("-r", "secret", **other)
