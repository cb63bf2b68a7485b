"""The scenarios and their order."""

from dataclasses import dataclass

PEERS = ["direct", "nginx", "haproxy", "envoy", "go", "hyper-spawn", "bearerd"]
QUICK_PEERS = ["direct", "nginx", "hyper-spawn", "bearerd"]
REFERENCE = "nginx"


@dataclass(frozen=True)
class Scenario:
    name: str
    title: str
    path: str
    connections: int
    body: int = 0
    rate: int = 0
    secure: bool = False
    realtime: bool = False  # it measures latency: go before all other work
    seconds: float = 0  # 0: as the plan says
    quick: bool = False
    peers: tuple = ()  # instead of the chosen ones

    def arguments(self):
        post = ["--method", "POST", "--body", self.body] if self.body else []
        return ["--path", self.path, "--connections", self.connections, "--rate", self.rate, *post]


def both(name, title, path, connections, **more):
    """The same with an http and with an https upstream."""
    return [
        Scenario(name, f"{title}, http", path, connections, **more),
        Scenario(f"{name}-https", f"{title}, https", path, connections, secure=True, **more),
    ]


def over_http2(name, title, path, connections, **more):
    """With an upstream that also offers HTTP/2, compared with HTTP/1.1."""
    return Scenario(f"{name}-http2", title, path, connections, secure=True, peers=(REFERENCE, "bearerd", "bearerd-http2"), **more)


LOADS = [
    *both("get1k", "GET 1 KB, 64 connections", "/1k", 64, quick=True),
    *both("rate", "GET 1 KB, 2,000 requests/s", "/1k", 16, rate=2000, realtime=True, seconds=2.0, quick=True),
    *both("one", "GET 1 KB, one connection", "/1k", 1, realtime=True),
    *both("post16k", "POST 16 KB", "/post", 32, body=16 * 1024, quick=True),
    *both("get64k", "GET 64 KB", "/64k", 32),
    *both("post64k", "POST 64 KB", "/post", 32, body=64 * 1024),
    *both("get10m", "GET 10 MB", "/10m", 8),
    *both("post10m", "POST 10 MB", "/post", 4, body=10 * 1024 * 1024),
    Scenario("renewal", "2,000 requests/s while tokens are renewed, https", "/1k", 16, rate=2000, secure=True,
             realtime=True, seconds=4.0, quick=True, peers=("bearerd", "bearerd-day")),
    over_http2("get1k", "GET 1 KB, 64 connections", "/1k", 64),
    over_http2("rate", "GET 1 KB, 2,000 requests/s", "/1k", 16, rate=2000, realtime=True, seconds=2.0),
    over_http2("post16k", "POST 16 KB", "/post", 32, body=16 * 1024),
    over_http2("get10m", "GET 10 MB", "/10m", 8),
]
BY_NAME = {scenario.name: scenario for scenario in LOADS}

# Measured on one process at a time, not interleaved.
SINGLES = ["startup", "idle", "memory", "syscalls", "instructions"]
QUICK_SINGLES = ["startup", "idle", "memory"]


@dataclass(frozen=True)
class Plan:
    peers: tuple
    loads: tuple
    singles: tuple
    starts: int
    rounds: int
    seconds: float
    warm: float
    idle_seconds: float
    held: int  # kept-alive callers that say nothing
    deadline: float  # monotonic seconds at which nothing new is begun
