"""Processes by id: descendants, resource usage, termination."""

import contextlib
import ctypes
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """Processes that the load generator leaves behind become children of this one, so that their end can be observed."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def stat(pid):
    """The fields of /proc/PID/stat after the name: [0] is the state, [1] the parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None


def family(pid):
    """A process and its descendants. Not from task/*/children: not every kernel has it."""
    parents = {int(entry): stat(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    found = [pid]
    for member in found:
        found += [child for child, fields in parents.items() if fields and int(fields[1]) == member]
    return found


def threads(pid):
    try:
        return [int(task) for task in os.listdir(f"/proc/{pid}/task")]
    except OSError:
        return []


def alive(pid):
    fields = stat(pid)
    if fields and fields[0] == "Z":
        with contextlib.suppress(OSError):
            os.waitpid(pid, os.WNOHANG)
        return False
    return fields is not None


def send(pids, number):
    for pid in pids:
        with contextlib.suppress(OSError):
            os.kill(pid, number)


def stop(pid, patience=5.0):
    """Ends a process and its descendants, first with SIGTERM."""
    pids = family(pid)
    send(pids, signal.SIGTERM)
    end = time.monotonic() + patience
    while any([alive(each) for each in pids]):
        if time.monotonic() > end:
            send([each for each in pids if alive(each)], signal.SIGKILL)
        time.sleep(0.01)


def pss(pids):
    """PSS in MiB: resident memory, with each shared page divided among its users."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


def tasks(pids, name):
    """The contents of a file of every thread."""
    for pid in pids:
        for thread in threads(pid):
            try:
                yield Path(f"/proc/{pid}/task/{thread}/{name}").read_text()
            except OSError:
                pass  # the thread ended meanwhile


def cpu_seconds(pids):
    return sum(int(text.split()[0]) for text in tasks(pids, "schedstat")) / 1e9


def switches(pids):
    """Voluntary context switches. Each is a wait, so they count the wake-ups."""
    lines = (line for text in tasks(pids, "status") for line in text.splitlines())
    return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))
