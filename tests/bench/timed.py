# SPDX-License-Identifier: GPL-2.0-or-later
"""Work in a process of its own, timed there, given up when its deadline passes: on a mount that
hangs nothing else can be ended."""

import errno
import json
import os
import select
import signal
import time
import traceback

import rows


def outcome(work):
    """{"seconds", "bytes"} or {"error"}."""
    start = time.monotonic()
    try:
        moved = work()
    except OSError as e:
        return {"error": f"{errno.errorcode.get(e.errno, e.errno)}: {e.filename or e.strerror}"}
    except rows.Wrong as e:
        return {"error": str(e)}
    except Exception as e:  # told in the table: the run goes on
        return {"error": f"{e!r} at {traceback.extract_tb(e.__traceback__)[-1].lineno}"}
    return {"seconds": time.monotonic() - start, "bytes": moved or 0}


def timed(work, deadline, unstick):
    """The outcome of work(). unstick() makes its system calls return when they must."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.write(writing, json.dumps(outcome(work)).encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        in_time = bool(select.select([reading], [], [], deadline)[0])
        data = os.read(reading, 65536) if in_time else b""
        ended = bool(data)
    finally:
        os.close(reading)
        if not ended_by_itself(pid):
            end(pid, unstick)
    if not in_time:
        return {"error": f"not done after {deadline:.0f} s"}
    return json.loads(data) if ended else {"error": "the work's process died"}


def ended_by_itself(pid):
    for _ in range(100):
        if os.waitpid(pid, os.WNOHANG)[0]:
            return True
        time.sleep(0.002)
    return False


def end(pid, unstick):
    for sig in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(pid, sig)
        except (ProcessLookupError, PermissionError):
            pass
        if sig == signal.SIGTERM and ended_by_itself(pid):
            return
    unstick()
    os.waitpid(pid, 0)
