"""Common HTTP clients: what arrives at the API, and complete bodies in both directions."""

import json
import random

from clients import CLIENTS
from harness import Bearerd, World

SET = "real"
NEEDS = ["curl", "node", "java"]

SIZES = {"0 B": 0, "1 B": 1, "64 KiB": 1 << 16, "1 MiB": 1 << 20, "20 MB": 20_000_000}
SENT = {
    "Authorization": "Bearer of-the-caller",
    "X-Legal-Entity": "Another AB",
    "X-Forwarded-For": "192.0.2.1",
    "X-Kept": "as sent",
}


def run(world: World, check) -> None:
    url, table = world.upstream("callers", "oauth2", world.BASIC)
    proxy = Bearerd(world, table)
    for name, client in CLIENTS.items():
        with check(f"{name}: the API sees the injected headers once, and no credential of the caller"):
            headers_arrive(world, url, client)
        for size, length in SIZES.items():
            with check(f"{name}: {size} go to the API and come back byte for byte"):
                bodies_return(world, url, client, length)
    proxy.stop()


def headers_arrive(world: World, url: str, client) -> None:
    out = world.directory / "headers"
    out.unlink(missing_ok=True)
    # `show_env` makes httpbin show forwarding headers too. A repeated header shows as `a,b`.
    status = client("GET", f"{url}/headers?show_env=1", SENT, None, out)
    assert status == 200, f"status {status}: {out.read_bytes()[:300]!r}"
    seen = {name.lower(): value for name, value in json.loads(out.read_text())["headers"].items()}
    assert seen["authorization"].removeprefix("Bearer ") in world.api.bearers() - {"of-the-caller"}
    assert seen.get("x-legal-entity") == "Acme AB", seen
    assert seen.get("x-kept") == "as sent", seen
    assert seen["host"] == world.api.url.removeprefix("http://"), seen["host"]
    unwanted = {"x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "forwarded", "via", "upgrade", "http2-settings"}
    assert not unwanted & seen.keys(), unwanted & seen.keys()


def bodies_return(world: World, url: str, client, length: int) -> None:
    body, out = world.directory / "body", world.directory / "echo"
    body.write_bytes(random.Random(length).randbytes(length))
    out.unlink(missing_ok=True)
    status = client("POST", f"{url}/echo", SENT, body, out)
    assert status == 200, f"status {status}: {out.read_bytes()[:300]!r}"
    assert out.read_bytes() == body.read_bytes(), f"{out.stat().st_size} bytes came back"
