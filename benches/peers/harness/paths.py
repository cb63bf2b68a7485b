"""Paths: sources next to this file, output in target/bench."""

from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent
BENCHES = PEERS.parent
CRATE = BENCHES.parent
OUT = CRATE / "target" / "bench"
RESULTS = OUT / "results"
RUNS = OUT / "runs"

RUST = PEERS / "rs"
LOADGEN = OUT / "rs" / "release" / "loadgen"
HYPER_SPAWN = OUT / "rs" / "release" / "hyper-spawn"
GOPROXY = OUT / "goproxy"
VENV = OUT / "venv"
BEARERD = CRATE / "target" / "release" / "bearerd"
README = BENCHES / "README.md"
CHARTS = BENCHES / "charts"
