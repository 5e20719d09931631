# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures: a server of each kind, mounts of the real binary, a limit on every test.

FTPSFS          the binary (default: <build>/ftpsfs)
FTPSFS_BUILD    the build folder (default: build): unpacked servers and keys go there too
FTPSFS_MUST_RUN 1 forbids skips
FTPSFS_BIG      1 uses 2 GiB where the tests use 256 MiB
"""

import os
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.dont_write_bytecode = True

import mounting  # noqa: E402
import packages  # noqa: E402
import servers  # noqa: E402

TIME_LIMIT = 90  # seconds a test; @pytest.mark.limit(seconds) asks for more
MUST_RUN = os.environ.get("FTPSFS_MUST_RUN") == "1"


def pytest_configure(config):
    # A shell's background job ignores SIGINT, and so would every program of the tests.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line("markers", "limit(seconds): time limit of the test")
    config.addinivalue_line("markers", "core: the subset that the sanitizer build runs too")


class OutOfTime(Exception):
    pass


def cannot_run():
    if os.geteuid() != 0:
        return "needs root: servers of several users, mounts"
    if not os.path.exists("/dev/fuse"):
        return "needs /dev/fuse"
    if not mounting.BINARY.exists():
        return f"{mounting.BINARY} is not built"
    return None


@pytest.fixture(scope="session")
def bed():
    why = cannot_run()
    if why:
        (pytest.fail if MUST_RUN else pytest.skip)(why)
    run = Path(tempfile.mkdtemp(prefix="ftpsfs-test-", dir="/tmp"))
    os.chmod(run, 0o755)
    made = servers.Bed(mounting.BUILD, run)
    yield made
    made.close()
    if os.environ.get("FTPSFS_KEEP") != "1":
        shutil.rmtree(run, ignore_errors=True)


@pytest.fixture(scope="session")
def running(bed):
    """The servers that tests share, started when first asked for."""
    return {}


@pytest.fixture
def server_used():
    """The servers of this test, for their logs."""
    return []


def get_server(bed, running, used, kind, mode):
    key = (kind, mode)
    try:
        if key not in running:
            running[key] = bed.server(kind, mode)
    except packages.Missing as e:
        (pytest.fail if MUST_RUN else pytest.skip)(str(e))
    server = running[key]
    if not servers.listening(server.port):  # a test that failed may have left it stopped
        server.stop()
        server.start()
    server.clear()
    used.append(server)
    return server


@pytest.fixture(params=servers.ALL, ids=["-".join(pair) for pair in servers.ALL])
def server(request, bed, running, server_used):
    """Every kind of server in every mode, its root empty."""
    return get_server(bed, running, server_used, *request.param)


@pytest.fixture(params=[pair for pair in servers.ALL if pair[1] == "explicit"],
                ids=[pair[0] for pair in servers.ALL if pair[1] == "explicit"])
def each_kind(request, bed, running, server_used):
    """Every kind of server once, for what does not depend on the mode."""
    return get_server(bed, running, server_used, *request.param)


@pytest.fixture
def proftpd(bed, running, server_used):
    """One server, for what does not depend on the kind."""
    return get_server(bed, running, server_used, "proftpd", "explicit")


@pytest.fixture
def own_server(bed, server_used):
    """own_server(kind, mode, ...): a server of this test alone, free to be killed."""
    def make(kind, mode="explicit", **options):
        try:
            server_used.append(bed.server(kind, mode, **options))
        except packages.Missing as e:
            (pytest.fail if MUST_RUN else pytest.skip)(str(e))
        mine.append(server_used[-1])
        return mine[-1]
    mine = []
    yield make
    for made in mine:
        made.close()


@pytest.fixture
def mount(request, bed, server_used):
    """mount(server, source="localhost:/", **options): see mounting.Mounter."""
    folder = Path(tempfile.mkdtemp(prefix="mount-", dir=bed.run))
    mounter = mounting.Mounter(bed, folder)
    request.node.mounter, request.node.servers = mounter, server_used
    yield mounter
    complaints = mounter.finish()
    if complaints:
        request.node.add_report_section("teardown", "mount", logs_of(request.node))
        pytest.fail("; ".join(complaints))


def logs_of(item):
    text = ""
    if getattr(item, "mounter", None):
        text += item.mounter.logs()
    for server in getattr(item, "servers", []):
        text += server.logs()
    return text


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and call.when in ("setup", "call"):
        report.sections.append(("mounts and servers", logs_of(item)))


class Watch:
    """Ends a test that runs too long. A thread, for the main thread may sit in a system
    call on a stuck mount, which only the end of the mount's process releases."""

    current = None  # the watch whose signal counts

    def __init__(self, item, seconds):
        self.item, self.seconds = item, seconds
        self.lock = threading.Lock()
        self.timer = threading.Timer(seconds, self.fire)
        self.timer.daemon = True

    def __enter__(self):
        Watch.current = self
        signal.signal(signal.SIGALRM, raise_out_of_time)
        self.timer.start()

    def __exit__(self, *exc):
        self.timer.cancel()
        with self.lock:  # the handler stays: a signal under way must not end the whole run
            Watch.current = None

    def fire(self):
        self.item.add_report_section("call", "at the time limit", logs_of(self.item))
        with self.lock:
            if Watch.current is not self:
                return
            signal.pthread_kill(threading.main_thread().ident, signal.SIGALRM)
        if getattr(self.item, "mounter", None):
            self.item.mounter.kill_all()


def raise_out_of_time(*_):
    if Watch.current:
        raise OutOfTime(f"more than {Watch.current.seconds} s")


def limit_of(item):
    marker = item.get_closest_marker("limit")
    return marker.args[0] if marker else TIME_LIMIT


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    with Watch(item, limit_of(item)):
        yield


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_teardown(item):
    with Watch(item, TIME_LIMIT):
        yield
