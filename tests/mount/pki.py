# SPDX-License-Identifier: GPL-2.0-or-later
"""A throw-away certificate authority and the certificates the tests present."""

import fcntl
import os
import shutil
import subprocess

LOCALHOST = "DNS:localhost,IP:127.0.0.1,IP:::1"
NAMES = ("server", "wronghost", "expired")


def openssl(*args, cwd):
    done = subprocess.run(["openssl", *args], cwd=cwd, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(args)}: {done.stderr}")


def authority(folder, name):
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650",
            "-subj", f"/CN=ftpsfs test {name}", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", cwd=folder)


def leaf(folder, name, common_name, san, dates):
    """A server certificate; `openssl ca` because only it can set both dates."""
    (folder / "db").mkdir(exist_ok=True)
    (folder / "db/index.txt").write_text("")
    (folder / "db/serial").write_text(f"{1000 + NAMES.index(name)}\n")
    (folder / f"{name}.cnf").write_text(f"""\
[ca]
default_ca = d
[d]
database = db/index.txt
serial = db/serial
new_certs_dir = db
default_md = sha256
policy = p
x509_extensions = e
unique_subject = no
[p]
commonName = supplied
[e]
basicConstraints = CA:FALSE
keyUsage = digitalSignature,keyEncipherment
extendedKeyUsage = serverAuth
subjectAltName = {san}
""")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
            "-keyout", f"{name}.key", "-out", f"{name}.csr", cwd=folder)
    openssl("ca", "-batch", "-notext", "-config", f"{name}.cnf", "-cert", "ca.pem",
            "-keyfile", "ca.key", "-in", f"{name}.csr", "-out", f"{name}.pem", *dates, cwd=folder)
    both = (folder / f"{name}.key").read_text() + (folder / f"{name}.pem").read_text()
    (folder / f"{name}.both.pem").write_text(both)


def make(folder):
    """Makes the authority and the certificates in `folder`, once."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (folder / "complete").exists():
            return folder
        authority(folder, "ca")
        authority(folder, "otherca")
        valid = ("-days", "3650")
        leaf(folder, "server", "localhost", LOCALHOST, valid)
        leaf(folder, "wronghost", "other.example", "DNS:other.example", valid)
        leaf(folder, "expired", "localhost", LOCALHOST,
             ("-startdate", "20200101000000Z", "-enddate", "20200201000000Z"))
        (folder / "complete").write_text("")
    return folder


def copy_for(source, target, uid):
    """A copy that the servers' own user can read, whatever the build folder's mode."""
    target.mkdir()
    for path in source.iterdir():
        if path.suffix in (".pem", ".key"):
            shutil.copy(path, target)
            os.chown(target / path.name, uid, -1)
            os.chmod(target / path.name, 0o600)
    os.chown(target, uid, -1)
    return target
