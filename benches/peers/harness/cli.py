"""The command line."""

import argparse
import dataclasses
import datetime
import fcntl
import json
import signal
import sys
import time
from pathlib import Path

from . import host, install, loads, paths, peer, processes, readme, report, scenarios, singles
from .bed import Bed

FULL = {"starts": 5, "rounds": 2, "seconds": 0.8, "warm": 0.2, "idle_seconds": 10.0, "minutes": 37.0}
QUICK = {"starts": 2, "rounds": 1, "seconds": 0.5, "warm": 0.2, "idle_seconds": 3.0, "minutes": 2.5}
HELD = 5000


def arguments():
    parser = argparse.ArgumentParser(description="Measure bearerd beside its peers on this machine.")
    parser.add_argument("--quick", action="store_true", help="three minutes, for development: fewer peers, scenarios and starts")
    parser.add_argument("--peers", help="comma-separated, of: " + " ".join(peer.names()))
    parser.add_argument("--scenarios", help="comma-separated, of: " + " ".join([*scenarios.BY_NAME, *scenarios.SINGLES]))
    parser.add_argument("--starts", type=int, help="separate starts of each process (5, which a claim needs)")
    parser.add_argument("--rounds", type=int, help="rounds within a start (2)")
    parser.add_argument("--seconds", type=float, help="of each measurement (0.8)")
    parser.add_argument("--minutes", type=float, help="start nothing new after this time (37)")
    parser.add_argument("--bearerd", type=Path, help="measure this binary instead of building one")
    parser.add_argument("--readme", action="store_true", help="write benches/README.md also after a partial run")
    parser.add_argument("--report", type=Path, metavar="FILE", help="no measurement: tables of an earlier run (with --readme: write them)")
    return parser.parse_args()


def chosen(text, all_of, default):
    wanted = text.split(",") if text else default
    unknown = [name for name in wanted if name not in all_of]
    if unknown:
        raise SystemExit(f"unknown: {', '.join(unknown)}; known: {', '.join(all_of)}")
    return wanted


def make_plan(options):
    base = QUICK if options.quick else FULL
    value = {key: getattr(options, key, None) or default for key, default in base.items()}
    peers = chosen(options.peers, peer.names(), scenarios.QUICK_PEERS if options.quick else scenarios.PEERS)
    every = [*scenarios.BY_NAME, *scenarios.SINGLES]
    quick = [load.name for load in scenarios.LOADS if load.quick] + scenarios.QUICK_SINGLES
    names = chosen(options.scenarios, every, quick if options.quick else every)
    picked = [load for load in scenarios.LOADS if load.name in names and (not load.peers or "bearerd" in peers)]
    return scenarios.Plan(
        peers=tuple(peers), loads=tuple(picked), singles=tuple(name for name in scenarios.SINGLES if name in names),
        held=HELD, deadline=time.monotonic() + 60 * value.pop("minutes"), **value,
    )


def measure(options):
    plan = make_plan(options)
    programs = install.prepare(plan.peers, options.bearerd)
    plan = dataclasses.replace(plan, deadline=make_plan(options).deadline)  # building is not measuring
    processes.adopt_orphans()
    priority = host.take_priority()
    with Bed(programs) as bed:
        versions = {name: peer.Peer(name, bed).version() for name in plan.peers}
        results = {
            "facts": host.facts(priority),
            "versions": versions,
            "plan": {key: getattr(plan, key) for key in ("peers", "starts", "rounds", "seconds", "warm", "idle_seconds", "held")},
            # Short ones first, so that a deadline does not skip them.
            "singles": singles.measure(bed, plan),
            "loads": loads.measure(bed, plan),
        }
    return results


def save(results):
    paths.RESULTS.mkdir(parents=True, exist_ok=True)
    path = paths.RESULTS / f"{datetime.datetime.now():%Y-%m-%dT%H%M%S}.json"
    path.write_text(json.dumps(results, indent=1))
    print("raw results:", path, file=sys.stderr)


def alone():
    """Only one run at a time: two would disturb each other."""
    paths.OUT.mkdir(parents=True, exist_ok=True)
    lock = open(paths.OUT / "lock", "w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise SystemExit("another run is measuring") from None
    return lock


def main():
    options = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that every process is ended on the way out
    if options.report:
        results = json.loads(options.report.read_text())
    else:
        lock = alone()
        if host.facts(False)["cores"] < 2:
            raise SystemExit("needs two cores: one for the proxy, one for generator and upstream")
        try:
            results = measure(options)
        except install.Missing as missing:
            print(missing, file=sys.stderr)
            return 2
        save(results)
        lock.close()
    print(report.markdown(results))
    whole = not (options.report or options.quick or options.peers or options.scenarios)
    if options.readme or whole:
        readme.write(results)
    return 0
