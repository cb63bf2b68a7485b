"""A peer is one file in peers/: how to start it, and what differs when the upstream is https.

Keys: `title`, `command`, `conf` (a template in conf/), `environment`, `version` (a command), `values` (for the templates),
`[plain]` and `[secure]` (values for an http and an https upstream; `arguments` of `[secure]` are added to the command),
`https = false` (has no https upstream), `caller_sends_headers`, `callgrind` (arguments added under valgrind; without the
key it is not run there), `base` (another peer, whose keys hold where this file is silent).
"""

import tomllib

from . import host, paths, processes
from .bed import HEADERS, fill


def names():
    return sorted(path.stem for path in (paths.PEERS / "peers").glob("*.toml"))


def read(name):
    with open(paths.PEERS / "peers" / f"{name}.toml", "rb") as file:
        described = tomllib.load(file)
    base = read(described["base"]) if "base" in described else {}
    return {**base, **described, "values": {**base.get("values", {}), **described.get("values", {})}}


class Peer:
    """One peer with one kind of upstream; `start` makes a new process on a new port each time."""

    def __init__(self, name, bed, secure=False):
        self.name, self.bed, self.secure = name, bed, secure
        self.described = read(name)
        self.title = self.described["title"]
        self.pid, self.pids, self.port = None, [], None

    @property
    def usable(self):
        return not self.secure or self.described.get("https", True)

    @property
    def has_process(self):
        return "command" in self.described

    @property
    def headers(self):
        return HEADERS if self.described.get("caller_sends_headers") else []

    def start(self, wrap=(), extra=(), timeout=15):
        """Milliseconds from exec to the first response, or None."""
        if not self.has_process:
            self.port = self.bed.values[self.described["port"]]
            return 0.0
        values = self.values()
        command = self.described["command"] + list(extra)
        if self.secure:
            command = command + self.described.get("secure", {}).get("arguments", [])
        environment = {key: fill(value, values) for key, value in self.described.get("environment", {}).items()}
        command = [*wrap, *(fill(word, values) for word in command)]
        answer = self.bed.first(command, self.port, host.PROXY_CORE, self.name, self.headers, environment, timeout)
        self.pid = answer["pid"]
        if "error" in answer:
            print(f"!! {self.name}: {answer['error']}\n{self.bed.log(self.name)}")
            self.stop()
            return None
        self.pids = processes.family(self.pid)
        return answer["answered_ms"]

    def values(self):
        self.port = next(self.bed.ports)
        shared = self.bed.values
        values = {
            **shared, "port": self.port, "admin_port": next(self.bed.ports),
            "scheme": "https" if self.secure else "http",
            "upstream_port": shared["https_port" if self.secure else "http_port"],
            **self.described["values"], **self.described.get("secure" if self.secure else "plain", {}),
        }
        if "conf" in self.described:
            template = paths.PEERS / "conf" / self.described["conf"]
            values["conf"] = self.bed.run / f"{self.port}-{template.name}"
            values["conf"].write_text(fill(template.read_text(), values))
        return values

    def stop(self):
        if self.pid:
            self.bed.stop(self.pid)
        self.pid, self.pids = None, []

    def version(self):
        command = self.described.get("version")
        return host.version([fill(word, self.bed.values) for word in command]) if command else None
