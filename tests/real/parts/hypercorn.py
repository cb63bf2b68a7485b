"""hypercorn as the upstream: HTTP/1.1, HTTP/2 without TLS, and both by ALPN."""

import random

import httpx
import requests

from harness import HERE, ROOT, VENV, Bearerd, Process, World, eventually, free_port

SET = "real"
NEEDS: list[str] = []
TLS = ROOT / "src/proxy/tests/tls"

# Name, TLS, protocols of the upstream, keys of bearerd's upstream, the version that the application must see.
WAYS = [
    ("http1", False, ["http/1.1"], "", "1.1"),
    ("h2c", False, ["h2"], 'protocol = "http2"', "2"),
    ("https-http1", True, ["http/1.1"], "", "1.1"),
    ("https-h2", True, ["h2", "http/1.1"], "", "2"),
    ("https-told", True, ["h2", "http/1.1"], 'protocol = "http1"', "1.1"),
]


def run(world: World, check) -> None:
    servers, tables, urls = [], "", {}
    for name, secure, offers, keys, _ in WAYS:
        port = free_port()
        servers.append(server(world, port, secure, offers))
        urls[name], table = world.upstream(name, "oauth2", world.BASIC)
        tls = f'tls = {{ ca = "{TLS / "certificate.pem"}", server_name = "localhost" }}' if secure else ""
        there = f'url = "{world.api.url}"'
        assert there in table
        tables += table.replace(there, f'url = "http{"s" if secure else ""}://127.0.0.1:{port}"\n{keys}\n{tls}')
    proxy = Bearerd(world, tables)
    for name, *_, version in WAYS:
        for caller, options in [("HTTP/1.1", {}), ("HTTP/2", {"http1": False, "http2": True})]:
            def connected():
                return httpx.Client(trust_env=False, timeout=20, base_url=urls[name], **options)

            with connected() as client:
                with check(f"hypercorn, {name}, {caller}: the request arrives whole, in the version agreed on"):
                    arrives(client, version)
                with check(f"hypercorn, {name}, {caller}: a body of 3 MB comes back while it is sent"):
                    body = random.Random(7).randbytes(3_000_000)
                    assert client.post("/echo", content=pieces(body)).content == body
                with check(f"hypercorn, {name}, {caller}: a caller that leaves ends the upstream's work"):
                    # httpx does not reset single HTTP/2 streams; it closes the connection.
                    leaves(connected(), client, f"{name}-{caller[-1]}")
        with check(f"hypercorn, {name}: an answer that comes before the body has ended is read"):
            early = requests.post(f"{urls[name]}/early", data=pieces(bytes(300_000)), timeout=20, proxies={"http": ""})
            assert (early.status_code, early.text) == (413, "early"), early
    proxy.stop()
    for one in servers:
        one.stop()


def server(world: World, port: int, secure: bool, offers: list[str]) -> Process:
    config = world.directory / f"hypercorn-{port}.toml"
    tls = f'certfile = "{TLS / "certificate.pem"}"\nkeyfile = "{TLS / "key.pem"}"\n' if secure else ""
    config.write_text(f'bind = ["127.0.0.1:{port}"]\nalpn_protocols = {offers}\nworkers = 1\n{tls}', encoding="utf-8")
    command = [VENV / "bin/hypercorn", "--config", config, "upstream_asgi:application"]
    started = Process("hypercorn", command, world.directory, {"PYTHONDONTWRITEBYTECODE": "1"}, cwd=HERE)
    eventually("hypercorn listens", lambda: f":{port}" in started.output())
    return started


def pieces(body: bytes):
    return (body[at : at + 50_000] for at in range(0, len(body), 50_000))


def arrives(client: httpx.Client, version: str) -> None:
    sent = {"X-Same": "1", "Authorization": "Basic stolen", "X-Forwarded-For": "192.0.2.1", "Cookie": "a=1; b=2"}
    about = client.put("/about?q=%20+%C3%A5&&x", headers=sent, content=b"hello").json()
    assert (about["version"], about["method"], about["length"]) == (version, "PUT", 5), about
    assert about["target"] == "/about?q=%20+%C3%A5&&x", about
    headers = dict(about["headers"])
    assert headers["authorization"].startswith("Bearer ") and headers["x-legal-entity"] == "Acme AB", headers
    assert (headers["cookie"], headers["x-same"]) == ("a=1; b=2", "1"), headers
    assert "x-forwarded-for" not in headers, headers


def leaves(leaver: httpx.Client, other: httpx.Client, who: str) -> None:
    with leaver, leaver.stream("GET", f"/slow?{who}") as answer:
        assert next(answer.iter_bytes()) == b"first"
    eventually(f"{who} was seen to leave", lambda: who in other.get("/gone").json())
