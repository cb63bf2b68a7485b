"""Tables and charts from one run's results."""

from statistics import median

from . import chart, peer, summary
from .scenarios import BY_NAME, PEERS, REFERENCE

HEADLINES = ["get1k", "get1k-https", "rate-https", "post16k-https"]


def titles():
    return {name: peer.read(name)["title"] for name in peer.names()}


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value, digits=2):
    return "–" if value is None else f"{value:,.{digits}f}"


def measured(results, names=PEERS):
    """The peers with results, in the usual order."""
    found = {name for loads in results["loads"].values() for name in loads}
    found |= {name for single in ("idle", "memory") for name in results["singles"].get(single, {})}
    return [name for name in names if name in found]


def cpu(results):
    names = [name for name in measured(results) if name != "direct"]
    label = titles()
    rows = []
    for scenario in results["loads"]:
        absolute = summary.value(results, scenario, REFERENCE, "cpu_us")
        if absolute is not None and not BY_NAME[scenario].peers:
            cells = [ratio_cell(summary.ratio(results, scenario, name)) for name in names if name != REFERENCE]
            rows.append([BY_NAME[scenario].title, number(absolute, 1), *cells])
    if rows:
        yield "### CPU per request, as a ratio to nginx\n"
        yield "Lower is better. Median over starts (lowest–highest start); nginx in µs.\n"
        yield table(["", "nginx, µs", *(label[name] for name in names if name != REFERENCE)], rows)


def ratio_cell(ratio):
    return "–" if ratio is None else f"**{ratio[0]:.2f}** ({ratio[1]:.2f}–{ratio[2]:.2f})"


def http2(results):
    names = ("bearerd", "bearerd-http2")
    rows = []
    for scenario in (name for name in results["loads"] if name.endswith("-http2")):
        absolute = summary.value(results, scenario, REFERENCE, "cpu_us")
        if absolute is not None:
            cells = [ratio_cell(summary.ratio(results, scenario, name)) for name in names]
            rows.append([BY_NAME[scenario].title, number(absolute, 1), *cells])
    if rows:
        yield "### HTTP/2 to the upstream\n"
        yield "CPU per request over https, as a ratio to nginx, which speaks HTTP/1.1 to upstreams.\n"
        yield table(["", "nginx, µs", *(titles()[name] for name in names)], rows)


def throughput(results):
    rows = []
    for name in measured(results):
        rates = [summary.value(results, scenario, name, "rps") for scenario in ("get1k", "get1k-https")]
        rows.append([titles()[name], *(number(rate, 0) for rate in rates)])
    if rows:
        yield "### Requests per second on one core, 64 connections, 1 KB\n"
        yield table(["", "http", "https"], rows)


def latency(results):
    columns = [(scenario, key) for scenario in ("rate", "rate-https", "one", "one-https") for key in ("p50", "p99", "p999")
               if key != "p999" or scenario.startswith("rate")]
    columns = [(scenario, key) for scenario, key in columns if results["loads"].get(scenario)]
    rows = [[titles()[name], *(number(summary.value(results, scenario, name, key), 0) for scenario, key in columns)]
            for name in measured(results)]
    if columns:
        yield "### Latency in µs\n"
        yield "At 2,000 requests/s, from the moment each request was due (no coordinated omission); and one after the other on one connection.\n"
        where = {"rate": "2,000/s", "rate-https": "2,000/s https", "one": "one", "one-https": "one, https"}
        yield table(["", *(f"{where[scenario]} {key.replace('p999', 'p99.9')}" for scenario, key in columns)], rows)


def renewal(results):
    found = results["loads"].get("renewal", {})
    rows = []
    for name in ("bearerd", "bearerd-day"):
        if name in found:
            values = [summary.value(results, "renewal", name, key) for key in ("p50", "p99", "p999", "token_requests")]
            seconds = BY_NAME["renewal"].seconds
            rows.append([titles()[name], *(number(value, 0) for value in values[:3]), number(values[3], 0) + f" in {seconds:.0f} s"])
    if rows:
        yield "### Latency in µs while tokens are renewed\n"
        yield "2,000 requests/s, https. Requests only read the token, so a renewal every second should not show.\n"
        yield table(["", "p50", "p99", "p99.9", "token requests"], rows)


def footprint(results):
    singles = results["singles"]
    start, idle, memory = (singles.get(name, {}) for name in ("startup", "idle", "memory"))
    names = [*measured(results), *(name for name in ("bearerd-day", "bearerd-static") if name in idle)]
    rows = []
    for name in (name for name in names if name != "direct"):
        starts = [number(median(start[scheme][name]) if start.get(scheme, {}).get(name) else None, 1) for scheme in ("http", "https")]
        held = memory.get(name, {})
        cells = [number(held.get("before_mib"), 1), number(held.get("kib_each"), 1), number(idle.get(name), 1)]
        rows.append([titles()[name], *starts, *cells])
    if rows and (start or idle or memory):
        yield "### Start, rest and memory\n"
        yield (f"From exec to the first answered request (with the token fetched, where one is); memory as PSS; "
               f"{results['plan']['held']:,} idle callers.\n")
        yield table(["", "start, ms", "start https, ms", "at rest, MiB", "KiB per idle caller", "wake-ups/s at rest"], rows)


def syscalls(results):
    found = results["singles"].get("syscalls", {})
    names = [name for name in PEERS if any(name in counts for counts in found.values())]
    if names:
        yield "### System calls per request\n"
        rows = [[titles()[name], *(number(counts.get(name, {}).get("all")) for counts in found.values())] for name in names]
        yield table(["", *(BY_NAME[scenario].title for scenario in found)], rows)


def instructions(results):
    found = results["singles"].get("instructions", {})
    names = [name for name in PEERS if any(name in counts for counts in found.values())]
    if names:
        yield "### User-space instructions per GET of 1 KB, 8 connections\n"
        rows = [[titles()[name], *(number(found.get(scheme, {}).get(name), 0) for scheme in ("http", "https"))] for name in names]
        yield table(["", "http", "https"], rows)


def conditions(results):
    facts, plan = results["facts"], results["plan"]
    middle, most = summary.share(results, "foreign")
    kept, worst = summary.share(results, "stolen")
    versions = ", ".join(f"{titles()[name]} {version}" for name, version in results["versions"].items() if version)
    yield "### Conditions\n"
    yield (f"{facts['kernel']} {facts['machine']}, {facts['cores']} cores. {plan['starts']} starts × {plan['rounds']} rounds × "
           f"{plan['seconds']} s. Other work on the machine took {middle:.0f} % of a core (median; at most {most:.0f} %), "
           f"and the host kept back {kept:.0f} % (at most {worst:.0f} %). "
           + ("" if facts["priority"] else "Without raised priority. ") + f"Versions: {versions}.")
    absent = [titles()[name] for name in plan["peers"] if name not in measured(results, plan["peers"])]
    if absent:
        yield f"\n**Not measured, it did not start:** {', '.join(absent)}"
    for line in summary.failures(results):
        yield f"\n**Not valid:** {line}"


SECTIONS = [cpu, http2, throughput, latency, renewal, footprint, syscalls, instructions, conditions]


def markdown(results):
    blocks = ["\n".join(section(results)) for section in SECTIONS]
    return "\n\n".join(block for block in blocks if block)


def charts(results):
    """File names and their SVG."""
    label = titles()
    names = [name for name in measured(results) if name != "direct"]

    def rows(value_of):
        return [(label[name], value, name == "bearerd") for name in names if (value := value_of(name)) is not None]

    def ratio(scenario):
        return lambda name: (summary.ratio(results, scenario, name) or [None])[0]

    panels = [(BY_NAME[scenario].title, rows(ratio(scenario))) for scenario in HEADLINES if scenario in results["loads"]]
    yield "cpu.svg", chart.bars("CPU per request, nginx = 1 (less is better)", panels, reference=1)
    quantiles = [(f"{key.replace('p999', 'p99.9')}", key) for key in ("p50", "p99")]
    panels = [(f"{title}, https upstream", rows(lambda name, key=key: summary.value(results, "rate-https", name, key))) for title, key in quantiles]
    yield "latency.svg", chart.bars("Latency at 2,000 requests/s, µs (less is better)", panels, digits=0)
    memory = results["singles"].get("memory", {})
    panels = [("at rest, MiB", rows(lambda name: memory.get(name, {}).get("before_mib"))),
              ("with kept-alive callers that say nothing, MiB", rows(lambda name: memory.get(name, {}).get("during_mib")))]
    yield "memory.svg", chart.bars("Memory, PSS (less is better)", panels, digits=1)
