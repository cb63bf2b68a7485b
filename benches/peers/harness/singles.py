"""Measurements of one process at a time: start, idle, memory, system calls, instructions."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import paths, processes
from .bed import loadgen
from .peer import Peer

SETTLE = 3.0  # seconds: a proxy that gives memory back has done it by then
CALLS_OVER = ["get1k", "get1k-https", "post16k", "post16k-https"]


def progress(*words):
    print(*words, file=sys.stderr, flush=True)


def with_variants(plan, *variants):
    """bearerd's variants, if bearerd is measured."""
    names = [name for name in plan.peers if name != "direct"]
    return names + [variant for variant in variants if "bearerd" in names]


def startup(bed, plan):
    """Milliseconds from exec to the first 200 through the proxy, by kind of upstream and peer."""
    results = {"http": {}, "https": {}}
    for _ in range(plan.starts):
        for scheme, found in results.items():
            for name in with_variants(plan, "bearerd-static"):
                peer = Peer(name, bed, secure=scheme == "https")
                taken = peer.start()
                peer.stop()
                if taken is not None:
                    found.setdefault(name, []).append(taken)
    return results


def idle(bed, plan):
    """Wake-ups per second of each peer while idle after one request, all at the same time."""
    peers = [Peer(name, bed) for name in with_variants(plan, "bearerd-day", "bearerd-static")]
    peers = [peer for peer in peers if peer.start() is not None]
    try:
        time.sleep(SETTLE)
        before = {peer.name: processes.switches(peer.pids) for peer in peers}
        time.sleep(plan.idle_seconds)
        return {peer.name: (processes.switches(peer.pids) - before[peer.name]) / plan.idle_seconds for peer in peers}
    finally:
        for peer in peers:
            peer.stop()


def memory(bed, plan):
    """Memory at rest, and with many idle keep-alive callers.

    One process at a time: PSS would share the pages of one binary among its variants.
    """
    results = {}
    for name in with_variants(plan):
        peer = Peer(name, bed)
        if peer.start() is None:
            continue
        time.sleep(SETTLE)
        before = processes.pss(peer.pids)
        held, during = hold(peer, plan.held)
        peer.stop()
        results[name] = {"held": held, "before_mib": before, "during_mib": during, "kib_each": (during - before) * 1024 / max(1, held)}
    return results


def hold(peer, callers):
    """How many callers succeeded, and the memory while they stayed connected."""
    command = [paths.LOADGEN, "hold", "--port", str(peer.port), "--path", "/1k", "--connections", str(callers)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            held = json.loads(holder.stdout.readline())["held"]
            time.sleep(SETTLE)
            return held, processes.pss(peer.pids)
        finally:
            holder.stdin.close()
            holder.wait(timeout=60)


def syscalls(bed, plan):
    """System calls per request, by scenario and peer: {"all": n, "recvfrom": n, …}."""
    results = {}
    for load in (load for load in plan.loads if load.name in CALLS_OVER):
        for name in with_variants(plan):
            peer = Peer(name, bed, load.secure)
            if peer.start() is not None:
                results.setdefault(load.name, {})[name] = traced(bed, load, peer)
            peer.stop()
    return results


def traced(bed, load, peer):
    arguments = [*load.arguments(), "--port", peer.port, "--warm", 0]
    loadgen("load", [*arguments, "--seconds", 0.5])
    table = bed.run / "strace"
    attach = [word for pid in peer.pids for word in ("-p", str(pid))]
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", table, *attach], stderr=subprocess.DEVNULL)
    time.sleep(0.7)
    done = loadgen("load", [*arguments, "--seconds", 1.5])["done"]
    tracer.send_signal(signal.SIGINT)
    tracer.wait(timeout=30)
    rows = [line.split() for line in table.read_text().splitlines()]
    # Columns: share, seconds, µs per call, calls, errors if any, name.
    counts = {row[-1]: int(row[3]) / max(1, done) for row in rows if len(row) >= 5 and row[3].isdigit() and row[-1] != "total"}
    return {"all": sum(counts.values()), **{name: count for name, count in counts.items() if count >= 0.01}}


def instructions(bed, plan):
    """User-space instructions per GET of 1 KB: the slope between a short and a long run, so that start and end cancel."""
    results = {}
    for scheme in ("http", "https"):
        for name in with_variants(plan):
            # Under valgrind, one renewal costs as much as many requests, so measure without renewals.
            peer = Peer("bearerd-day" if name == "bearerd" else name, bed, scheme == "https")
            if "callgrind" in peer.described:
                points = [counted_run(bed, peer, seconds) for seconds in (0.6, 2.4)]
                if None not in points:
                    (few, at_few), (many, at_many) = points
                    results.setdefault(scheme, {})[name] = (at_many - at_few) / (many - few)
    return results


def counted_run(bed, peer, seconds):
    """(requests, instructions) of one process under valgrind."""
    pattern = bed.run / f"callgrind.{peer.name}"
    for old in bed.run.glob(pattern.name + ".*"):
        old.unlink()
    wrap = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={pattern}.%p", "-q"]
    if peer.start(wrap, peer.described["callgrind"], timeout=60) is None:
        return None
    load = ["--path", "/1k", "--connections", 8, "--port", peer.port, "--warm", 0, "--seconds", seconds]
    done = loadgen("load", load)["done"]
    peer.stop()
    total = sum(summary(file) for file in bed.run.glob(pattern.name + ".*"))
    return (done + 1, total) if total else None


def summary(file):
    for line in Path(file).read_text(errors="replace").splitlines():
        if line.startswith(("summary:", "totals:")):
            return int(line.split()[1])
    return 0


def measure(bed, plan):
    results = {}
    for name in plan.singles:
        if time.monotonic() > plan.deadline:
            progress("time is up: not measured:", name)
            continue
        progress("measure:", name)
        results[name] = globals()[name](bed, plan)
    return results
