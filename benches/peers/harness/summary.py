"""Computes the published results from the counts.

A ratio is taken between neighbours in the same round, so that what the machine did then falls out of it. A start is the
median of its rounds; the figure is the median of the starts, and the range is that of the starts: processes differ more
from start to start than from round to round.
"""

from statistics import median

from .scenarios import REFERENCE


def value(results, scenario, peer, key):
    """The median over starts of the median over rounds, or none."""
    starts = results["loads"].get(scenario, {}).get(peer, [])
    return median(median(counted[key] for counted in rounds) for rounds in starts) if starts else None


def ratio(results, scenario, peer, key="cpu_us"):
    """(median, least, greatest) over starts of the ratio to the reference, or none."""
    found = results["loads"].get(scenario, {})
    starts = []
    for own, reference in zip(found.get(peer, []), found.get(REFERENCE, [])):
        pairs = [a[key] / b[key] for a, b in zip(own, reference) if b[key] > 0]
        if pairs:
            starts.append(median(pairs))
    return (median(starts), min(starts), max(starts)) if starts else None


def failures(results):
    """What invalidates a result: requests without a 2xx response. One line each."""
    lines = []
    for scenario, found in results["loads"].items():
        for peer, starts in found.items():
            every = [counted for rounds in starts for counted in rounds]
            bad = sum(counted["refused"] + counted["errors"] for counted in every)
            if bad:
                last = max(counted["last_refusal"] for counted in every)
                lines.append(f"{peer}, {scenario}: {bad:.0f} of {sum(counted['done'] for counted in every):.0f} requests failed (last status {last:.0f})")
    return lines


def share(results, what):
    """Median and maximum share of a core that other processes used (`foreign`) or the host withheld (`stolen`)."""
    every = [counted.get(what, 0.0) for found in results["loads"].values() for starts in found.values() for rounds in starts for counted in rounds]
    return (median(every), max(every)) if every else (0.0, 0.0)
