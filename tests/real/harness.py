"""Processes that are cleaned up, and the servers that all parts share: OAuth server, API, proxy."""

import json
import os
import secrets
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import requests

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
NPM = ROOT / "target/real/npm"
VENV = ROOT / "target/real/venv"
TOKEN_LIFE = 5


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def eventually(what: str, condition, seconds: float = 20):
    """Polls until the condition holds and returns its value. A condition that raises does not hold yet."""
    end = time.monotonic() + seconds
    while True:
        try:
            value = condition()
        except (requests.RequestException, OSError):
            value = None
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def session() -> requests.Session:
    """A client that ignores proxies from the environment."""
    made = requests.Session()
    made.trust_env = False
    return made


def plain_environment() -> dict:
    """The environment without the harness's own variables, because bearerd reads every BEARERD_ variable as a key."""
    return {name: value for name, value in os.environ.items() if not name.startswith("BEARERD_")}


class Process:
    """A process with its output in a file."""

    def __init__(self, name: str, command: list, directory: Path, env: dict | None = None, cwd: Path | None = None):
        self.log = directory / f"{name}-{secrets.token_hex(3)}.log"
        with open(self.log, "wb") as out:
            self.child = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=plain_environment() | (env or {}),
                cwd=cwd,
            )

    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def stop(self, seconds: float = 20) -> int:
        """Sends SIGTERM and returns the exit code; kills the process after a timeout."""
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(seconds)
            except subprocess.TimeoutExpired:
                self.child.kill()
        return self.child.wait()


class OAuthServer(Process):
    """`oidc-provider`, with its log of token requests."""

    def __init__(self, directory: Path, clients: list[dict]):
        setup = json.dumps({"clients": clients, "life": TOKEN_LIFE, "lasting": World.LASTING["client_id"]})
        super().__init__("oidc", ["node", HERE / "oidc.mjs", setup], directory, cwd=NPM)
        lines = eventually("the OAuth server listens", lambda: self._lines("listening "))
        self.url = f"http://127.0.0.1:{lines[0].split()[1]}"

    def _lines(self, start: str) -> list[str]:
        return [line for line in self.output().splitlines() if line.startswith(start)]

    def token_requests(self, **wanted) -> int:
        answered = [json.loads(line) for line in self._lines("{")]
        return sum(all(one.get(key) == value for key, value in wanted.items()) for one in answered)


class Api(Process):
    """httpbin under gunicorn, with a journal of its requests."""

    def __init__(self, directory: Path, oauth: OAuthServer, client: dict):
        self.journal = directory / "api.journal"
        self.journal.touch()
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        env = {
            "API_INTROSPECTION": f"{oauth.url}/token/introspection",
            "API_CLIENT": client["client_id"],
            "API_SECRET": client["client_secret"],
            "API_JOURNAL": str(self.journal),
        }
        gunicorn = [VENV / "bin/gunicorn", "-k", "gthread", "--threads", "16", "--bind", f"127.0.0.1:{port}"]
        super().__init__("api", [*gunicorn, "--chdir", HERE, "api:application"], directory, env)
        eventually("the API answers", lambda: session().get(self.url, timeout=2).status_code == 401)

    def _journalled(self, kind: str) -> list[str]:
        lines = self.journal.read_text().splitlines()
        return [line.split(" ", 1)[1] for line in lines if line.startswith(kind + " ")]

    def bearers(self) -> set[str]:
        return set(self._journalled("bearer"))

    def refused(self) -> int:
        return len(self._journalled("refused"))


class Bearerd(Process):
    """The proxy with one configuration and full logging."""

    def __init__(self, world: "World", upstreams: str, wait_for: str = "ready", within: list = (), admin_keys: str = ""):
        self.admin = f"127.0.0.1:{free_port()}"
        config = world.directory / f"bearerd-{secrets.token_hex(3)}.toml"
        config.write_text(f'[admin]\nlisten = "{self.admin}"\n{admin_keys}[log]\naccess = "all"\n{upstreams}', encoding="utf-8")
        binary = os.environ["BEARERD_BIN"]
        super().__init__("bearerd", [*within, binary, "run", "--config", config], world.directory, {"RUST_LOG": "trace"})
        self.config = config
        self.pages: list[str] = []
        world.proxies.append(self)
        waited = subprocess.run([binary, "wait", "--for", wait_for, "--admin", self.admin], capture_output=True, text=True)
        assert waited.returncode == 0, f"`bearerd wait` ended with {waited.returncode}: {waited.stderr}\n{self.output()}"

    def page(self, path: str) -> str:
        reply = session().get(f"http://{self.admin}{path}", timeout=5)
        self.pages.append(reply.text)
        return reply.text

    def metric(self, name: str, **labels) -> float:
        """The sum of a metric's series with these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        lines = [line for line in self.page("/metrics").splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if all(label in line for label in wanted))

    def stop(self, seconds: float = 20) -> int:
        if self.child.poll() is None:
            self.page("/status"), self.page("/metrics")
        return super().stop(seconds)


class World:
    """The servers of a run. Parts start proxies in it; everything stops with it."""

    # Characters that must be percent-encoded in the Basic pair (RFC 6749); unencoded, the server refuses them.
    BASIC = {"client_id": "by basic:1", "client_secret": "odd +%:/&=" + secrets.token_hex(16)}
    POST = {"client_id": "by-post", "client_secret": "odd +%:/&=" + secrets.token_hex(16)}
    LOAD = {"client_id": "under-load", "client_secret": secrets.token_hex(16)}
    # Its tokens outlast any run, so that checks for missing requests do not race with renewals.
    LASTING = {"client_id": "lasting", "client_secret": secrets.token_hex(16)}
    API = {"client_id": "api", "client_secret": secrets.token_hex(16)}

    def __init__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="bearerd-real-")
        self.directory = Path(self._directory.name)
        self.proxies: list[Bearerd] = []
        basic, post = "client_secret_basic", "client_secret_post"
        methods = [(self.BASIC, basic), (self.POST, post), (self.LOAD, basic), (self.LASTING, basic), (self.API, basic)]
        clients = [client | {"token_endpoint_auth_method": method, "scope": "api"} for client, method in methods]
        self.oauth = OAuthServer(self.directory, clients)
        self.api = Api(self.directory, self.oauth, self.API)

    def upstream(self, name: str, flow: str, client: dict) -> tuple[str, str]:
        """The address and the configuration of an upstream for the API."""
        address = f"127.0.0.1:{free_port()}"
        secret = self.directory / f"{name}.secret"
        secret.write_text(client["client_secret"] + "\n")
        table = f"""
[upstream.{name}]
listen = "{address}"
flow = "{flow}"
url = "{self.api.url}"
headers = {{ x-legal-entity = "Acme AB" }}
[upstream.{name}.with]
token_url = "{self.oauth.url}/token"
client_id = {json.dumps(client["client_id"])}
client_secret = {{ file = "{secret}" }}
scope = "api"
"""
        return f"http://{address}", table

    def secrets(self) -> set[str]:
        """Everything that no output of bearerd may contain."""
        return {client["client_secret"] for client in (self.BASIC, self.POST, self.LOAD, self.LASTING)} | self.api.bearers()

    def close(self) -> None:
        for proxy in self.proxies:
            proxy.stop()
        self.api.stop()
        self.oauth.stop()
        self._directory.cleanup()
