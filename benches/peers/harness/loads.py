"""The load scenarios: every start restarts every peer, within a start the peers take turns."""

import itertools
import sys
import time

from . import host
from .bed import loadgen
from .peer import Peer

CALM = 2.0  # percent of a core that the host may keep back before a measurement is of the host
TRIES = 4
NOTICE = "time is up: {} of {} starts were measured"


def measure(bed, plan):
    """results[scenario][peer] is a list of starts; each is a list of rounds with the load generator's counts."""
    results = {scenario.name: {} for scenario in plan.loads}
    for start in range(plan.starts):
        for secure, peers in groups(plan.loads):
            loads = [load for load in plan.loads if (load.secure, load.peers) == (secure, peers)]
            if time.monotonic() > plan.deadline:
                print(NOTICE.format(start, plan.starts), file=sys.stderr)
                return results
            one_start(bed, plan, loads, peers or plan.peers, start, results)
        print(f"start {start + 1} of {plan.starts} done", file=sys.stderr, flush=True)
    return results


def groups(loads):
    """Scenarios that can share the same running peers."""
    return dict.fromkeys((load.secure, load.peers) for load in loads)


def one_start(bed, plan, loads, names, start, results):
    peers = [peer for peer in (Peer(name, bed, loads[0].secure) for name in names) if peer.usable]
    try:
        running = [peer for peer in peers if peer.start() is not None]
        for load in loads:
            rounds = {peer.name: [] for peer in running}
            for turn in range(plan.rounds):
                for peer in rotated(running, start + turn):
                    rounds[peer.name].append(once(bed, plan, load, peer))
            for name, counted in rounds.items():
                results[load.name].setdefault(name, []).append(counted)
    finally:
        for peer in peers:
            peer.stop()


def rotated(peers, by):
    """Rotates the order, so that no peer is always first or always follows the same neighbour."""
    by %= len(peers) or 1
    return list(itertools.islice(itertools.cycle(peers), by, by + len(peers)))


def once(bed, plan, load, peer):
    """The calmest of a few tries. A try is repeated only because of the host's load."""
    tries = []
    while len(tries) < TRIES and not (tries and time.monotonic() > plan.deadline):
        tries.append(attempt(bed, plan, load, peer))
        if tries[-1]["stolen"] <= CALM:
            break
    return min(tries, key=lambda counted: counted["stolen"])


def attempt(bed, plan, load, peer):
    arguments = [*load.arguments(), "--port", peer.port, "--pids", ",".join(map(str, peer.pids))]
    arguments += ["--seconds", load.seconds or plan.seconds, "--warm", plan.warm]
    for header in peer.headers:
        arguments += ["--header", header]
    pids = [*peer.pids, *bed.upstream_pids]
    meanwhile, before = host.Meanwhile(pids), len(bed.token_requests())
    if load.realtime:
        with host.realtime(pids):
            counted = loadgen("load", arguments)
    else:
        counted = loadgen("load", arguments)
    return {**counted, **meanwhile.percent(), "token_requests": len(bed.token_requests()) - before}

