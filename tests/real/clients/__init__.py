"""Real HTTP clients behind one function each: (method, url, headers, body file or None, out file) -> status."""

import subprocess
from pathlib import Path

import httpx
import requests

HERE = Path(__file__).parent
SECONDS = 30


def _program(*command: str):
    def call(method, url, headers, body, out):
        pairs = [f"{name}:{value}" for name, value in headers.items()]
        arguments = [method, url, str(body or "-"), str(out), *pairs]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=True)
        return int(done.stdout)

    return call


def _curl(method, url, headers, body, out):
    command = ["curl", "-sS", "--noproxy", "*", "-X", method, "-o", str(out), "-w", "%{http_code}"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if body:
        command += ["--data-binary", f"@{body}"]
    done = subprocess.run([*command, url], capture_output=True, text=True, timeout=SECONDS, check=True)
    return int(done.stdout)


def _requests(method, url, headers, body, out):
    with requests.Session() as session:
        session.trust_env = False
        reply = session.request(method, url, headers=headers, data=body and body.read_bytes(), timeout=SECONDS)
    out.write_bytes(reply.content)
    return reply.status_code


def _httpx(method, url, headers, body, out):
    with httpx.Client(trust_env=False, timeout=SECONDS) as client:
        reply = client.request(method, url, headers=headers, content=body and body.read_bytes())
    out.write_bytes(reply.content)
    return reply.status_code


CLIENTS = {
    "curl": _curl,
    "requests": _requests,
    "httpx": _httpx,
    "fetch of Node": _program("node", str(HERE / "client.mjs")),
    "HttpClient of Java": _program("java", str(HERE / "Client.java")),
}
