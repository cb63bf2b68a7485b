"""The machine: its cores, the harness's priority, and other load."""

import contextlib
import os
import platform
import re
import resource
import subprocess
import time
from pathlib import Path

from . import processes

PROXY_CORE = 0
OTHER_CORE = 1  # load generator and upstream
TICK = os.sysconf("SC_CLK_TCK")


def take_priority(nice=-15):
    """Other work on the machine must not take part: an own session is an own scheduler group, raised as a whole.

    False if we may not; the measurement is then noisier, not wrong.
    """
    with contextlib.suppress(OSError):
        os.setsid()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {OTHER_CORE})
    try:
        os.setpriority(os.PRIO_PROCESS, 0, nice)
        Path("/proc/self/autogroup").write_text(str(nice))
    except OSError:
        return False
    return True


@contextlib.contextmanager
def realtime(pids):
    """Latency at a fixed rate includes the time to be woken, so all processes get a real-time policy."""
    every = [thread for pid in [os.getpid(), *pids] for thread in processes.threads(pid)]
    policy(every, os.SCHED_RR, 1)
    try:
        yield
    finally:
        policy(every, os.SCHED_OTHER, 0)


def policy(threads, kind, priority):
    for thread in threads:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(thread, kind, os.sched_param(priority))


class Meanwhile:
    """Other load during a measurement, in percent of a core."""

    def __init__(self, pids):
        self.pids, self.at = pids, time.monotonic()
        self.busy, self.kept, self.ours = *work(), self.own()

    def own(self):
        used = os.times()
        return processes.cpu_seconds(self.pids) + used.user + used.system + used.children_user + used.children_system

    def percent(self):
        """`foreign`: used by other processes; `stolen`: withheld by the host of a virtual machine."""
        seconds = time.monotonic() - self.at
        busy, kept = work()
        foreign = (busy - self.busy) - (self.own() - self.ours)
        return {"foreign": max(0.0, 100 * foreign / seconds), "stolen": 100 * (kept - self.kept) / seconds}


def work():
    """Busy seconds of all cores, and the seconds that the host withheld added."""
    user, nice, system, _idle, _iowait, irq, softirq, steal, *_ = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:])
    return (user + nice + system + irq + softirq) / TICK, steal / TICK


def facts(priority):
    kernel = re.match(r"[\d.]+", platform.release()).group()
    return {"cores": os.cpu_count(), "kernel": f"{platform.system()} {kernel}", "machine": platform.machine(), "priority": priority}


def version(command):
    """The first version number in a program's output."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except OSError:
        return "?"
    found = re.search(r"\d+\.\d+\.\d+[\w.+-]*", done.stdout + done.stderr)
    return found.group() if found else "?"
