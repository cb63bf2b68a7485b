"""Real HTTP clients behind one function each: (method, url, headers, body file or None, out file) -> status."""

import asyncio
import os
import subprocess
from pathlib import Path

import aiohttp
import httpx
import requests

from harness import NPM

HERE = Path(__file__).parent
SECONDS = 30


def _program(*command: str):
    def call(method, url, headers, body, out):
        pairs = [f"{name}:{value}" for name, value in headers.items()]
        arguments = [method, url, str(body or "-"), str(out), *pairs]
        environment = os.environ | {"NPM": str(NPM)}
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=True, env=environment)
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


def _httpx(**options):
    def call(method, url, headers, body, out):
        with httpx.Client(trust_env=False, timeout=SECONDS, **options) as client:
            reply = client.request(method, url, headers=headers, content=body and body.read_bytes())
        out.write_bytes(reply.content)
        assert reply.http_version == ("HTTP/2" if options else "HTTP/1.1"), reply.http_version
        return reply.status_code

    return call


def _aiohttp(method, url, headers, body, out):
    async def call():
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(SECONDS)) as session,
            session.request(method, url, headers=headers, data=body and body.open("rb")) as reply,
        ):
            out.write_bytes(await reply.read())
            return reply.status

    return asyncio.run(call())


CLIENTS = {
    "curl": _curl,
    "requests": _requests,
    "httpx": _httpx(),
    "httpx with HTTP/2": _httpx(http1=False, http2=True),
    "aiohttp": _aiohttp,
    "fetch of Node": _program("node", str(HERE / "client.mjs")),
    "undici": _program("node", str(HERE / "undici.mjs")),
    "HttpClient of Java": _program("java", str(HERE / "Client.java")),
}
