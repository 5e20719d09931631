# SPDX-License-Identifier: GPL-2.0-or-later
"""Real FTPS servers on loopback: configured, started, stopped, frozen, killed.

Every instance has a control port, a passive range, a root directory and logs of
its own, so that several test runs can live side by side. Tests look at bytes on
the server's own disk through Server.disk().
"""

import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import content
import packages
import pki
import reaper

USER = "ftpsfs-test"
PASSWORD = "s3cret-Pass"
PORTS_FIRST, PORTS_STEP, PORTS_BLOCKS = 12000, 200, 100  # below the ephemeral range

# vsftpd asks PAM. The account itself stays locked: only this one service, which
# nothing but a vsftpd of the tests names, knows the password of the tests.
PAM_FOLDER = Path("/var/lib") / USER
PAM_SERVICE = f"""\
auth required pam_userdb.so db={PAM_FOLDER}/passwd crypt=none
account required pam_permit.so
session required pam_permit.so
"""


def make_pam_service():
    PAM_FOLDER.mkdir(mode=0o700, exist_ok=True)
    with open(PAM_FOLDER / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (PAM_FOLDER / "passwd.db").exists():
            script = "use DB_File; tie(%h, 'DB_File', $ARGV[0]) or die $!; $h{$ARGV[1]} = $ARGV[2];"
            subprocess.run(["perl", "-e", script, PAM_FOLDER / "passwd.db", USER, PASSWORD],
                           check=True)
        service = Path("/etc/pam.d") / USER
        if not service.exists() or service.read_text() != PAM_SERVICE:
            service.write_text(PAM_SERVICE)


def make_user():
    """The unix user that owns what the servers serve. Needs root, may be repeated."""
    try:
        user = pwd.getpwnam(USER)
    except KeyError:
        subprocess.run(["useradd", "--system", "--user-group", "--no-create-home",
                        "--home-dir", "/", "--shell", "/usr/sbin/nologin", USER], check=True)
        user = pwd.getpwnam(USER)
    make_pam_service()
    return user


class Ports:
    """A block of ports that no other test run uses, held by a lock on a file."""

    def __init__(self):
        folder = Path("/tmp/ftpsfs-test-ports")
        folder.mkdir(exist_ok=True)
        for n in range(PORTS_BLOCKS):
            self.file = open(folder / str(n), "w")
            try:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self.file.close()
                continue
            self.control = PORTS_FIRST + n * PORTS_STEP
            self.low, self.high = self.control + 1, self.control + PORTS_STEP - 1
            if self.bindable():
                return
            self.file.close()
        raise RuntimeError("no free block of ports")

    def release(self):
        self.file.close()

    def bindable(self):
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", self.control))
            except OSError:
                return False
        return True


class GivenPorts:
    """Ports in a network namespace of the test's own, where none can be taken."""

    def __init__(self, control, passive):
        self.control = control
        self.low, self.high = passive

    def release(self):
        pass


def listening(port, pid="self"):
    """Asks the kernel instead of connecting: a probe would be a client to the server.
    pid: a process whose network namespace is meant."""
    for table in (f"/proc/{pid}/net/tcp", f"/proc/{pid}/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                return True
    return False


class Bed:
    """What all servers of one test run share."""

    def __init__(self, build, run):
        self.run = run
        self.user = make_user()
        self.reaper = reaper.Reaper()
        self.packages_folder = build / "servers"
        self.pki = pki.copy_for(pki.make(build / "servers/pki"), run / "pki", self.user.pw_uid)
        self.ca = self.pki / "ca.pem"
        self.servers = []

    def packages(self):
        return packages.unpack(self.packages_folder)

    def server(self, kind, mode="explicit", **options):
        """A running server; kind is a key of KINDS."""
        made = KINDS[kind](self, mode, len(self.servers), **options)
        self.servers.append(made)
        made.start()
        return made

    def close(self):
        for server in self.servers:
            server.close()
        self.reaper.close()


class Server:
    """listen: address of the control port, IPv4 or IPv6. netns, port, passive: run inside that
    network namespace, on this port, with this (low, high) range. advertise: the address that
    PASV names. clear_data: PROT C is allowed too. active_port: source of active data
    connections, any if not given (ProFTPD can only take its port - 1, Pure-FTPd always takes
    20, pyftpdlib any)."""

    kind = "?"
    modes = ("explicit",)
    lists_facts = True  # MLSD and MLST
    cannot_name = ()

    def __init__(self, bed, mode, number, cert="server", extra="", tmpfs=None,
                 listen="127.0.0.1", netns=None, port=None, passive=None, advertise=None,
                 clear_data=False, active_port=None):
        self.bed, self.mode, self.cert, self.extra = bed, mode, cert, extra
        self.listen, self.netns, self.advertise = listen, netns, advertise
        self.ipv6 = ":" in listen
        self.clear_data, self.active_port = clear_data, active_port
        self.ports = GivenPorts(port, passive) if port else Ports()
        self.port = self.ports.control
        self.run = bed.run / f"{self.kind}-{mode}-{number}"
        self.root = self.run / "root"
        self.log = self.run / "out.log"
        self.root.mkdir(parents=True)
        (self.run / "port").write_text(f"{self.port}\n")  # for a look by hand
        self.tmpfs = tmpfs
        if tmpfs:
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={tmpfs},mode=755",
                            "ftpsfs-test", self.root], check=True)
            bed.reaper.add_mount(self.root)
        self.own(self.root)
        self.process = None
        self.starts = 0

    @property
    def name(self):
        return f"{self.kind}-{self.mode}"

    # the server's own disk

    def own(self, path):
        os.lchown(path, self.bed.user.pw_uid, self.bed.user.pw_gid)

    def disk(self, path=""):
        return self.root / path

    def put(self, path, data=b"", mtime=None):
        """A file that is there before the mount looks."""
        target = self.disk(path)
        self.mkdir(Path(path).parent)
        target.write_bytes(data)
        self.own(target)
        if mtime is not None:
            os.utime(target, (mtime, mtime))
        return target

    def mkdir(self, path):
        target = self.root
        for part in Path(path).parts:
            target = target / part
            if not target.is_dir():
                target.mkdir()
                self.own(target)
        return target

    def clear(self):
        """An empty root, whatever the last test left in it."""
        for entry in self.root.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        os.chmod(self.root, 0o755)

    # the process

    def command(self):
        """Writes what the server needs to know; returns argv and its standard input."""
        raise NotImplementedError

    def start(self):
        deadline = time.monotonic() + 20
        while True:
            self.spawn()
            while self.process.poll() is None and time.monotonic() < deadline:
                if self.listens():
                    return self
                time.sleep(0.02)
            # After kill9() the port can be held for a moment by a dying child.
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"{self.name} did not start:\n{self.logs()}")
            self.stop()
            time.sleep(0.3)

    def listens(self):
        return listening(self.port, self.process.pid)

    def spawn(self):
        argv, text = self.command()
        if self.netns:
            argv = ["nsenter", f"--net=/run/netns/{self.netns}", *argv]
        with open(self.log, "ab") as log:
            # The mark goes by our own pid and a count, as the child's is not known yet.
            self.starts += 1
            self.mark = f"{os.getpid()}-{self.port}-{self.starts}"
            env = {**os.environ, "LANG": "C.UTF-8", "TZ": "UTC", reaper.TAG: self.mark}
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=log, stderr=log,
                                            cwd="/", start_new_session=True, env=env)
        self.bed.reaper.add_server(self.mark, self.process.pid)
        self.process.stdin.write(text.encode())
        self.process.stdin.close()

    def pids(self):
        return reaper.server_pids(self.mark, self.process.pid) if self.process else []

    def kill9(self):
        """Listener and sessions gone at once, as when the power fails."""
        while self.pids():
            reaper.kill(self.pids())
            time.sleep(0.01)
        self.process.wait()

    def freeze(self):
        reaper.kill(self.pids(), signal.SIGSTOP)

    def thaw(self):
        reaper.kill(self.pids(), signal.SIGCONT)

    def stop(self):
        if not self.process:
            return
        self.thaw()
        reaper.kill(self.pids(), signal.SIGTERM)
        deadline = time.monotonic() + 2
        while self.pids() and time.monotonic() < deadline:
            self.process.poll()
            time.sleep(0.02)
        self.kill9()
        self.bed.reaper.forget(self.mark)
        self.process = None

    def close(self):
        """For good: another server may have its ports."""
        self.stop()
        self.ports.release()
        if self.tmpfs:
            subprocess.run(["umount", "-l", self.root], check=False)
            self.bed.reaper.forget(self.root)

    def logs(self):
        text = ""
        for path in sorted(self.run.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-40:]
            text += f"--- {path}\n" + "\n".join(lines) + "\n"
        return text

    # for the helpers below

    def hashed_password(self):
        done = subprocess.run(["openssl", "passwd", "-6", PASSWORD],
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def binary(self, package, path):
        found = self.bed.packages() / package / path
        packages.check_libraries(found)
        return found


class Proftpd(Server):
    kind = "proftpd"
    modes = ("explicit", "implicit")

    def command(self):
        binary = self.binary("proftpd-core", "usr/sbin/proftpd")
        uid, gid = self.bed.user.pw_uid, self.bed.user.pw_gid
        self.secret("passwd", f"{USER}:{self.hashed_password()}:{uid}:{gid}::{self.root}:/bin/sh\n")
        self.secret("group", f"{USER}:x:{gid}:\n")
        implicit = "TLSOptions UseImplicitSSL" if self.mode == "implicit" else ""
        advertise = f"MasqueradeAddress {self.advertise}" if self.advertise else ""
        # Without root's powers, which it drops after login, it cannot have port 20 again.
        revoke = "RootRevoke off" if self.active_port else ""
        required = "TLSRequired " + ("ctrl" if self.clear_data else "on")
        if "TLSRequired" in self.extra:  # the first one counts
            required = ""
        conf = self.run / "proftpd.conf"
        conf.write_text(f"""\
ServerName "tests of ftpsfs"
ServerType standalone
DefaultAddress {self.listen}
SocketBindTight on
UseIPv6 {"on" if self.ipv6 else "off"}
Port {self.port}
PassivePorts {self.ports.low} {self.ports.high}
User {USER}
Group {USER}
ModulePath {self.bed.packages_folder}/proftpd-modules
LoadModule mod_tls.c
LoadModule mod_digest.c
LoadModule mod_site_misc.c
AuthOrder mod_auth_file.c
AuthUserFile {self.run}/passwd
AuthGroupFile {self.run}/group
AuthPAM off
RequireValidShell off
UseFtpUsers off
DefaultRoot ~
UseReverseDNS off
WtmpLog off
DelayEngine off
ControlsEngine off
PidFile {self.run}/pid
ScoreboardFile {self.run}/scoreboard
SystemLog {self.run}/system.log
TransferLog none
AllowOverwrite on
AllowStoreRestart on
AllowRetrieveRestart on
UseEncoding on
TimesGMT on
Umask 022
TLSEngine on
TLSLog {self.run}/tls.log
{required}
TLSRSACertificateFile {self.bed.pki}/{self.cert}.pem
TLSRSACertificateKeyFile {self.bed.pki}/{self.cert}.key
{implicit}
{advertise}
{revoke}
{self.extra}
""")
        return [binary, "-n", "-c", conf], ""

    def secret(self, name, text):
        """ProFTPD refuses a password file that others can read."""
        path = self.run / name
        path.touch(mode=0o600)
        path.write_text(text)


class Vsftpd(Server):
    kind = "vsftpd"
    modes = ("explicit", "implicit")
    lists_facts = False

    def command(self):
        binary = self.binary("vsftpd", "usr/sbin/vsftpd")
        empty = self.run / "empty"
        empty.mkdir(exist_ok=True)
        os.chmod(empty, 0o555)
        more = f"pasv_address={self.advertise}\n" if self.advertise else ""
        conf = self.run / "vsftpd.conf"
        conf.write_text(f"""\
listen={"NO" if self.ipv6 else "YES"}
listen_ipv6={"YES" if self.ipv6 else "NO"}
listen_address{"6" if self.ipv6 else ""}={self.listen}
background=NO
listen_port={self.port}
pasv_min_port={self.ports.low}
pasv_max_port={self.ports.high}
anonymous_enable=NO
local_enable=YES
write_enable=YES
local_umask=022
local_root={self.root}
chroot_local_user=YES
allow_writeable_chroot=YES
secure_chroot_dir={empty}
pam_service_name={USER}
session_support=NO
connect_from_port_20={"YES" if self.active_port else "NO"}
ftp_data_port={self.active_port or 20}
utf8_filesystem=YES
xferlog_enable=NO
dual_log_enable=NO
log_ftp_protocol=YES
vsftpd_log_file={self.run}/vsftpd.log
ssl_enable=YES
implicit_ssl={"YES" if self.mode == "implicit" else "NO"}
require_ssl_reuse=YES
force_local_data_ssl={"NO" if self.clear_data else "YES"}
force_local_logins_ssl=YES
rsa_cert_file={self.bed.pki}/{self.cert}.pem
rsa_private_key_file={self.bed.pki}/{self.cert}.key
{more}{self.extra}
""")
        return [binary, conf], ""


class PureFtpd(Server):
    """Has no implicit mode: its -Y option knows off, either, control, control and data."""

    kind = "pureftpd"
    cannot_name = content.NOT_EVERYWHERE

    def command(self):
        binary = self.binary("pure-ftpd", "usr/sbin/pure-ftpd")
        pure_pw = self.binary("pure-ftpd", "usr/bin/pure-pw")
        uid, gid = self.bed.user.pw_uid, self.bed.user.pw_gid
        passwd = self.run / "passwd"
        # Not `pure-pw useradd`: its argon2 hash makes a login take seconds.
        passwd.write_text(f"{USER}:{self.hashed_password()}:{uid}:{gid}::"
                          f"{self.root}/./::::::::::::\n")
        subprocess.run([pure_pw, "mkdb", self.run / "pdb", "-f", passwd], check=True,
                       stdout=subprocess.DEVNULL)
        advertise = ["-P", self.advertise] if self.advertise else []
        # -Y 2 demands TLS of the control connection only: PROT C is always allowed here.
        return [binary, "-6" if self.ipv6 else "-4", "-S", f"{self.listen},{self.port}",
                "-l", f"puredb:{self.run}/pdb", "-A", "-E", "-H", "-Y", "2", *advertise,
                "-2", self.bed.pki / f"{self.cert}.both.pem",
                "-p", f"{self.ports.low}:{self.ports.high}", "-L", "100000:50",
                "-g", self.run / "pid", *self.extra.split()], ""


class Pyftpdlib(Server):
    kind = "pyftpdlib"
    modes = ("explicit", "implicit")

    def command(self):
        script = Path(__file__).with_name("pyftpd.py")
        copy = self.run / script.name  # where the user of the tests can read it
        shutil.copy(script, copy)
        os.chmod(copy, 0o644)
        return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
                "/usr/bin/python3", copy, str(self.port), str(self.ports.low),
                str(self.ports.high), self.root, self.bed.pki / f"{self.cert}.pem",
                self.bed.pki / f"{self.cert}.key", self.mode, USER, f"listen={self.listen}",
                f"advertise={self.advertise or ''}",
                f"clear_data={'yes' if self.clear_data else ''}",
                *self.extra.split()], PASSWORD + "\n"


KINDS = {c.kind: c for c in (Proftpd, Vsftpd, PureFtpd, Pyftpdlib)}
ALL = [(c.kind, mode) for c in KINDS.values() for mode in c.modes]
