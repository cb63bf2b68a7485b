"""bearerd between real clients, a real API and a real OAuth server.

    python tests/real/run.py [real|all]      with BEARERD_BIN naming the program

Each module of `parts` is one real part: `SET` is `real` or `debian`, `NEEDS` names commands and `APT` the Debian packages
that bring them, and `run(world, check)` does the rest. Prints `ok NAME`, `not ok NAME: why` or `skip NAME: why`, and at the
end `N passed, N failed`. A part whose commands are missing is skipped; with CI=true that is a failure.
"""

import contextlib
import importlib
import os
import pkgutil
import shutil
import signal
import subprocess
import sys
import traceback

import parts
from harness import World


class Checks:
    """Counts checks. A check that raises has failed; later checks still run."""

    def __init__(self):
        self.passed = 0
        self.failures = []

    @contextlib.contextmanager
    def __call__(self, name: str):
        with self.survive(name):
            yield
            self.passed += 1
            print(f"ok {name}", flush=True)

    @contextlib.contextmanager
    def survive(self, name: str):
        """Counts an exception within as a failure."""
        try:
            yield
        except Exception as error:  # noqa: BLE001: whatever goes wrong, the report goes on
            told = isinstance(error, AssertionError) and str(error)
            self.fail(name, str(error) if told else traceback.format_exc())

    def fail(self, name: str, why: str) -> None:
        self.failures.append(f"not ok {name}: {why}")
        print(self.failures[-1], flush=True)

    def missing(self, name: str, why: str) -> None:
        if os.environ.get("CI") == "true":
            self.fail(name, why)
        else:
            print(f"skip {name}: {why}", flush=True)


def absent(part) -> list[str]:
    """The commands that a part still lacks after trying to install them."""
    lacking = [command for command in part.NEEDS if not shutil.which(command)]
    packages = getattr(part, "APT", [])
    if lacking and packages and os.geteuid() == 0 and shutil.which("apt-get"):
        install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
        subprocess.run(install, stdin=subprocess.DEVNULL, check=False, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    return [command for command in lacking if not shutil.which(command)]


def chosen(argument: str) -> list:
    sets = {"real": {"real"}, "all": {"real", "debian"}}[argument]
    names = sorted(module.name for module in pkgutil.iter_modules(parts.__path__))
    modules = [importlib.import_module(f"parts.{name}") for name in names]
    return [module for module in modules if module.SET in sets]


def leaks(world: World, check: Checks) -> None:
    """Checks all output of every proxy of the run."""
    with check("no secret and no token in logs at trace level, /status and /metrics"):
        known = world.secrets()
        assert len(known) > 3, "the API saw no bearer, so nothing was looked for"
        for proxy in world.proxies:
            proxy.stop()
            said = {"its log": proxy.output(), "an admin page": "\n".join(proxy.pages)}
            assert all(said.values()), "a proxy that said nothing proves nothing"
            for where, text in said.items():
                held = [line for line in text.splitlines() if any(secret in line for secret in known)]
                assert not held, f"{len(held)} lines of {where} hold a secret"


def main() -> int:
    # A run that is stopped by a signal still ends its servers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    check = Checks()
    world = World()
    try:
        for part in chosen(sys.argv[1] if len(sys.argv) > 1 else "real"):
            name = part.__name__.removeprefix("parts.")
            lacking = absent(part)
            if lacking:
                check.missing(name, f"needs {', '.join(lacking)}")
                continue
            with check.survive(f"{name} runs to its end"):
                part.run(world, check)
        leaks(world, check)
    finally:
        world.close()
    # Repeated at the end, because the log may be long or truncated.
    print(*check.failures, f"{check.passed} passed, {len(check.failures)} failed", sep="\n")
    return 1 if check.failures else 0


if __name__ == "__main__":
    sys.exit(main())
