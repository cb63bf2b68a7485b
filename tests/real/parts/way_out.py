"""Connections to the upstream: with or without an outbound proxy, with session resumption, and to a name that moves."""

import json
import os
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from harness import ROOT, VENV, Bearerd, Process, World, eventually, free_port, session

SET = "real"
NEEDS = ["node", "unshare"]
TLS = ROOT / "src/proxy/tests/tls"
CREDENTIALS = "by proxy:also secret"


def run(world: World, check) -> None:
    outbound_proxy(world, check)
    resumed_sessions(world, check)
    moving_name(world, check)


class Api:
    """An API built with the standard library that returns the connection and address of each call."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0, secure: bool = False, stays: bool = True):
        self.resumed: list[bool] = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                if secure:
                    api.resumed.append(self.connection.session_reused)
                body = json.dumps({"address": address, "headers": dict(self.headers), "target": self.path}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                if not stays:
                    self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer((address, port), Handler)
        self.server.daemon_threads = True
        if secure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "certificate.pem", TLS / "key.pem")
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        scheme = "https" if secure else "http"
        self.port = self.server.server_address[1]
        self.url = f"{scheme}://{address}:{self.port}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def before(world: World, name: str, url: str, keys: str = "") -> tuple[str, str]:
    """The address and the configuration of an upstream for this API."""
    address, table = world.upstream(name, "oauth2", world.BASIC)
    there = f'url = "{world.api.url}"'
    assert there in table
    trust = f'tls = {{ ca = "{TLS / "certificate.pem"}", server_name = "localhost" }}' if url.startswith("https") else ""
    return address, table.replace(there, f'url = "{url}"\n{trust}\n{keys}')


def asked(address: str, path: str = "/") -> dict:
    reply = session().get(f"{address}{path}", timeout=20)
    assert reply.status_code == 200, f"{reply.status_code} {reply.text}"
    return reply.json()


def outbound_proxy(world: World, check) -> None:
    port = free_port()
    listens = ["--hostname", "127.0.0.1", "--port", str(port), "--num-workers", "1", "--num-acceptors", "1"]
    outbound = Process("outbound", [VENV / "bin/proxy", *listens, "--basic-auth", CREDENTIALS], world.directory)
    eventually("the outbound proxy listens", lambda: session().get(f"http://127.0.0.1:{port}", timeout=2) is not None)
    written = world.directory / "outbound.secret"
    written.write_text(f"http://by%20proxy:also%20secret@127.0.0.1:{port}\n")
    through = f'proxy = {{ file = "{written}" }}'
    with Api() as plain, Api(secure=True) as secure:
        ways = {
            "plain": before(world, "through-plain", plain.url, through),
            "tunnel": before(world, "through-tunnel", secure.url, through),
            "past": before(world, "past", plain.url, f'{through}\nno_proxy = ["127.0.0.1"]'),
        }
        proxy = Bearerd(world, "".join(table for _, table in ways.values()))

        def lines(*words: str) -> int:
            return sum(all(word in line for word in words) for line in outbound.output().splitlines())

        with check("outbound proxy: a plain call passes through it, with credentials that go no further"):
            got = asked(ways["plain"][0], "/plain?q=1")
            assert got["target"] == "/plain?q=1" and "Proxy-Authorization" not in got["headers"], got
            assert got["headers"]["Authorization"].startswith("Bearer "), got
            eventually("the proxy has logged it", lambda: lines("GET", "/plain"))
        with check("outbound proxy: a call over TLS passes through a tunnel, that the proxy cannot look into"):
            got = asked(ways["tunnel"][0], "/tunnel")
            assert "Proxy-Authorization" not in got["headers"], got
            assert not lines("/tunnel"), "the proxy saw the path"
        with check("outbound proxy: token calls take the same way, and `no_proxy` goes past it"):
            eventually("token calls were logged", lambda: lines("POST", "/token"))
            asked(ways["past"][0], "/past")
            assert not lines("/past"), "a call went through the proxy that was to go past it"
        proxy.stop()
        with check("outbound proxy: it was asked for a tunnel, which it logs at the tunnel's end"):
            eventually("it has logged the tunnel", lambda: lines("CONNECT", str(secure.port)))
        with check("outbound proxy: once it has gone, calls through it fail and those past it do not"):
            outbound.stop()
            again = Bearerd(world, ways["past"][1])
            asked(ways["past"][0], "/past-again")
            again.stop()
    outbound.stop()


def resumed_sessions(world: World, check) -> None:
    with Api(secure=True, stays=False) as api:
        address, table = before(world, "resumed", api.url)
        proxy = Bearerd(world, table)
        with check("TLS: each connection after the first resumes its session (RFC 8446 §2.2)"):
            for _ in range(5):
                asked(address)
            assert api.resumed == [False, True, True, True, True], api.resumed
        proxy.stop()


def moving_name(world: World, check) -> None:
    """The name is in a hosts file that only the proxy sees, through a mount namespace."""
    hosts: Path = world.directory / "hosts"
    hosts.write_text("127.0.0.1 localhost api.test\n")
    namespace = ["unshare", "-m"] if os.geteuid() == 0 else ["unshare", "-rm"]
    within = [*namespace, "sh", "-c", f'mount --bind "{hosts}" /etc/hosts && exec "$@"', "sh"]
    with Api() as old, Api("127.0.0.2", old.port):
        keys = 'timeouts = { connection_life = "1s" }\nunsafe_plaintext = true'
        address, table = before(world, "moving", f"http://api.test:{old.port}", keys)
        proxy = Bearerd(world, table, within=within)
        with check("a name whose address changes is followed at the end of `connection_life`, and no call fails"):
            assert asked(address)["address"] == "127.0.0.1"
            # Written in place, because this file is mounted.
            hosts.write_text("127.0.0.1 localhost\n127.0.0.2 api.test\n")
            assert asked(address)["address"] == "127.0.0.1", "a connection that lives is used"
            eventually("calls go to the new address", lambda: asked(address)["address"] == "127.0.0.2")
            assert {asked(address)["address"] for _ in range(20)} == {"127.0.0.2"}
        proxy.stop()
