"""The test bed: a directory for one run, a certificate, the mock API and its token endpoint."""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from . import host, paths, processes

TOKEN = "bench-token-0123456789abcdef0123456789abcdef"
LEGAL_ENTITY = "1234567890"
API_VERSION = "2024-10-01"
HEADERS = [f"Authorization: Bearer {TOKEN}", f"legal-entity: {LEGAL_ENTITY}", f"api-version: {API_VERSION}"]
ECHO_MODULE = "/usr/lib/nginx/modules/ngx_http_echo_module.so"
EXTENSIONS = "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"


def fill(text, values):
    """Replaces each ${name}, also inside the values; an unknown name is a KeyError."""
    return re.sub(r"\$\{(\w+)\}", lambda found: fill(str(values[found[1]]), values), text)


def ports():
    """Free ports below the range of outgoing connections, each handed out once."""
    return (port for port in range(18100, 32000) if is_free(port))


def is_free(port):
    with contextlib.closing(socket.socket()) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


class Bed:
    """A context manager: on exit, all its processes have ended and its directory is deleted."""

    def __init__(self, programs):
        paths.RUNS.mkdir(parents=True, exist_ok=True)
        self.run = Path(tempfile.mkdtemp(dir=paths.RUNS))
        os.chmod(self.run, 0o755)
        self.ports = ports()
        self.running = []
        self.values = {
            "run": self.run, "ca": self.run / "ca.crt", "rs": paths.RUST, "echo_module": ECHO_MODULE,
            "token": TOKEN, "legal_entity": LEGAL_ENTITY, "api_version": API_VERSION,
            **{name: next(self.ports) for name in ("http_port", "https_port", "http2_port", "token_port")},
            "json_1k": sample_json(), **programs,
        }

    def __enter__(self):
        try:
            self.make_files()
            self.make_certificates()
            self.start_upstream()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for pid in reversed(self.running[:]):
            self.stop(pid)
        shutil.rmtree(self.run, ignore_errors=True)

    def make_files(self):
        (self.run / "files").mkdir()
        (self.run / "files" / "64k").write_text("a" * 64 * 1024)
        (self.run / "files" / "10m").write_text("b" * 10 * 1024 * 1024)

    def make_certificates(self):
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        (self.run / "extensions").write_text(EXTENSIONS)
        for arguments in (
            ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=bench",
             "-addext", "basicConstraints=critical,CA:TRUE"],
            ["req", *key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost"],
            ["x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
             "-out", "server.crt", "-days", "2", "-extfile", "extensions"],
        ):
            subprocess.run(["openssl", *arguments], cwd=self.run, check=True, capture_output=True)

    def start_upstream(self):
        conf = self.run / "upstream.conf"
        conf.write_text(fill((paths.PEERS / "conf" / "upstream.conf").read_text(), self.values))
        command = ["nginx", "-p", str(self.run), "-e", "stderr", "-c", str(conf)]
        answer = self.first(command, self.values["http_port"], host.OTHER_CORE, "upstream", HEADERS)
        if "error" in answer:
            raise RuntimeError(f"upstream: {answer['error']}\n{self.log('upstream')}")
        self.upstream_pids = processes.family(answer["pid"])

    def first(self, command, port, core, name, headers=(), environment=None, timeout=15):
        """Starts a command and waits for its first 200. It ends with the bed at the latest."""
        arguments = ["--port", port, "--path", "/1k", "--cpu", core, "--log", self.run / f"{name}.log", "--timeout", timeout]
        for header in headers:
            arguments += ["--header", header]
        answer = loadgen("first", arguments, command, dict(os.environ, **(environment or {})))
        self.running.append(answer["pid"])
        return answer

    def stop(self, pid):
        processes.stop(pid)
        self.running.remove(pid)

    def log(self, name):
        path = self.run / f"{name}.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else ""

    def token_requests(self):
        """The times of all token requests so far."""
        return [float(line) for line in (self.run / "token.log").read_text().split()]


def loadgen(action, arguments, command=(), environment=None, timeout=120):
    line = [str(paths.LOADGEN), action, *map(str, arguments), *(["--", *command] if command else [])]
    done = subprocess.run(line, capture_output=True, text=True, env=environment, timeout=timeout)
    if done.returncode != 0:
        raise RuntimeError(f"loadgen {action}: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def sample_json():
    """A document of exactly 1 KB."""
    document = {"id": "x" * 36, "items": [{"name": f"n{number:03}", "value": number * 1.5} for number in range(25)], "pad": ""}
    document["pad"] = "y" * (1024 - len(json.dumps(document)))
    return json.dumps(document)
