"""Chromium on hostile pages: another origin, another port of localhost, and a name that was rebound to 127.0.0.1."""

import http.server
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

from harness import HERE, Bearerd, World, eventually, session

SET = "debian"
NEEDS = ["chromium"]
APT = ["chromium"]

SECRET = "what-the-upstream-says"
STRANGER, REBOUND = "stranger.test", "rebound.test"

# Requests without a usable `Origin`: an allowed origin cannot let them through.
WITH_ORIGIN = {
    "fetch-cors", "fetch-credentials", "fetch-post-no-cors", "fetch-keepalive", "fetch-put", "xhr", "form-post", "img-cors",
    "script-module", "websocket", "event-source", "beacon", "ping", "link-modulepreload",
}  # fmt: skip

# Speculative requests of browsers: refused from everywhere.
AHEAD = {"link-prefetch", "rules-prefetch", "rules-prerender", "header-prefetch"}

# The same from a page of the listener's own origin.
OWN = WITH_ORIGIN | {
    "fetch-no-cors", "form-get", "img", "script", "stylesheet", "import", "background", "iframe", "object", "video",
    "link-preload",
}  # fmt: skip


class Quiet(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, body: str, kind: str, **headers) -> None:
        data = body.encode()
        self.send_response(200)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)


class Server:
    """A server on one address that records its requests."""

    def __init__(self, handler, address: str = "127.0.0.1", port: int = 0):
        self.paths: list[str] = []
        made = type("Handler", (handler,), {"owner": self, "do_POST": handler.do_GET, "do_PUT": handler.do_GET})
        self.http = http.server.ThreadingHTTPServer((address, port), made)
        self.port = self.http.server_address[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.http.shutdown()
        self.http.server_close()


class Upstream(Quiet):
    """Returns the same content in every readable format."""

    def do_GET(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.owner.paths.append(self.path)
        if self.path.endswith("/event-source"):
            return self.reply(f"data: {SECRET}\n\n", "text/event-stream")
        kind = "text/css" if self.path.endswith(("/stylesheet", "/import")) else "text/javascript"
        return self.reply(f'window.stolen = "{SECRET}"', kind)


class Stranger(Quiet):
    """The pages of an attacker, and what they report."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path, _, query = self.path.partition("?")
        if path == "/attack":
            plan = self.owner.plans[query]
            page = f'<meta charset=utf-8><body><script type="application/json" id=plan>{json.dumps(plan)}</script>'
            page += '<script type=module src="/attack.js"></script>'
            return self.reply(page, "text/html", Speculation_Rules=f'"/rules?{query}"', Cache_Control="max-age=600")
        if path == "/attack.js":
            script = (HERE / "clients/attack.js").read_text()
            return self.reply(script, "text/javascript", Cache_Control="max-age=600")
        if path == "/rules":
            plan = self.owner.plans[query]
            urls = [f"{plan['target']}/attack/{plan['tag']}/header-prefetch"]
            rules = {"prefetch": [{"source": "list", "urls": urls, "eagerness": "immediate"}]}
            allow = {"Access_Control_Allow_Origin": "*", "Cache_Control": "max-age=600"}
            return self.reply(json.dumps(rules), "application/speculationrules+json", **allow)
        if path == "/worker.js":
            call = f'oninstall = () => fetch(decodeURIComponent("{query}"), {{ mode: "no-cors" }})'
            return self.reply(call, "text/javascript")
        if path == "/told":
            told = json.loads(body)
            self.owner.told[told["tag"]] = told["read"]
        return self.reply("", "text/plain")


def run(world: World, check) -> None:
    with Server(Upstream) as upstream:
        attacks(world, check, upstream, "")
        attacks(world, check, upstream, 'access.hosts = ["{rebound}"]\naccess.origins = {origins}\n')


def attacks(world: World, check, upstream: Server, access: str) -> None:
    """All pages against a proxy; with `access`, one that allows them."""
    name = "invited" if access else "browsed"
    url, table = world.upstream(name, "oauth2", world.LASTING)
    there = f'url = "{world.api.url}"'
    port = int(url.rsplit(":", 1)[1])
    with Server(Stranger) as stranger, Server(Stranger, "127.0.0.2", port) as rebound, Server(Upstream) as sham:
        origins = {
            "rebound": f"http://{REBOUND}:{port}",
            "stranger": f"http://{STRANGER}:{stranger.port}",
            "neighbour": f"http://localhost:{stranger.port}",
        }
        keys = access.format(rebound=REBOUND, origins=json.dumps(list(origins.values())))
        table = table.replace(there, f'url = "http://127.0.0.1:{upstream.port}"\n{keys}')
        proxy = Bearerd(world, table, admin_keys="quit = true\n")
        # If the configuration were reloaded, there would be two upstreams.
        proxy.config.write_text(proxy.config.read_text() + world.upstream(f"{name}-too", "oauth2", world.LASTING)[1])
        # Admin never allows other origins, so a server in its place shows that everything is tried.
        admin = f"127.0.0.1:{sham.port}" if access else proxy.admin
        seen = play(world, port, origins, stranger, rebound, name, admin)
        if access:
            let_in(check, upstream, sham, seen)
        else:
            kept_out(check, proxy, url, upstream, seen)
        proxy.stop()


def play(world: World, port: int, origins: dict, stranger: Server, rebound: Server, name: str, admin: str) -> dict:
    """What the pages could read, by their origin."""
    stranger.told = rebound.told = {}
    collector = f"http://localhost:{stranger.port}/told"
    plans, follow = {}, ""
    for tag, origin in reversed(origins.items()):
        target = origin if tag == "rebound" else f"http://localhost:{port}"
        plans[tag] = {"tag": tag, "target": target, "admin": f"http://{admin}", "collector": collector, "next": follow}
        follow = f"{origin}/attack?{tag}"
    stranger.plans = rebound.plans = plans
    profile = world.directory / f"chromium-{name}"
    # While the name still points to the attacker, the browser caches its page.
    with Chromium(profile, {REBOUND: "127.0.0.2"}, origins, f"{origins['rebound']}/attack?rebound"):
        eventually("the page is fetched", lambda: "rebound" in stranger.told, 40)
    stranger.told.clear()
    with Chromium(profile, {REBOUND: "127.0.0.1", STRANGER: "127.0.0.1"}, origins, follow):
        eventually("each page has told what it read", lambda: len(stranger.told) == len(origins), 60)
    return dict(stranger.told)


class Chromium:
    """The headless browser on one page."""

    FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --no-default-browser-check --no-proxy-server
        --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage
        --disable-features=LocalNetworkAccessChecks,HttpsUpgrades,HttpsFirstBalancedModeAutoEnable""".split()

    def __init__(self, profile: Path, names: dict, origins: dict, page: str):
        rules = ",".join(f"MAP {name} {address}" for name, address in names.items())
        command = ["chromium", *self.FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}"]
        # Service workers and speculation rules work only there.
        command += [f"--unsafely-treat-insecure-origin-as-secure={','.join(origins.values())}", "--remote-debugging-port=0", page]
        self.log = open(f"{profile}.log", "ab")
        environment = os.environ | {"HOME": str(profile.parent)}
        quiet = {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": self.log}
        self.child = subprocess.Popen(command, start_new_session=True, env=environment, **quiet)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # On a regular exit, it writes its cache.
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            pass
        with_all_of_it = self.child.pid
        try:
            os.killpg(with_all_of_it, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.child.wait()
        self.log.close()


def asked(paths: list[str], tag: str) -> set[str]:
    """The methods by which a page made requests."""
    start = f"/attack/{tag}/"
    return {path.removeprefix(start).split("?")[0] for path in paths if path.startswith(start)}


def refused(proxy: Bearerd) -> list[str]:
    """The paths of all requests that the proxy refused."""
    lines = [json.loads(line) for line in proxy.output().splitlines() if line.startswith("{")]
    return [str(line["path"]) for line in lines if line.get("target") == "bearerd::access" and line.get("status") == 403]


def generations(proxy: Bearerd) -> list[int]:
    """How often each upstream's token has been renewed."""
    return [one["token"]["generation"] for one in json.loads(proxy.page("/status"))["upstreams"] if one["token"]]


def admin_post(proxy: Bearerd, path: str):
    return session().post(f"http://{proxy.admin}{path}", timeout=10)


def kept_out(check, proxy: Bearerd, url: str, upstream: Server, seen: dict) -> None:
    came = {tag: asked(refused(proxy), tag) for tag in seen}
    with check("a browser's pages: each way to call is tried, and refused"):
        for tag, ways in came.items():
            missing = (OWN if tag == "rebound" else OWN - {"link-preload"}) | AHEAD
            assert missing <= ways, f"{tag} did not try {missing - ways}"
    with check("a browser's pages: nothing of another origin's reaches the upstream"):
        assert not upstream.paths, upstream.paths
    with check("a browser's pages: nothing is read"):
        read = {f"{tag} {way}": said for tag, ways in seen.items() for way, said in ways.items()}
        known = (SECRET, "generation", "bearerd", url)
        held = {way: said for way, said in read.items() if any(word in said for word in known)}
        assert not held, held
    with check("a browser's pages: admin stays as it was"):
        assert proxy.child.poll() is None, "it has ended"
        assert generations(proxy) == [1], "there was a renewal or a reload"
    with check("a browser's pages: who is no page of others is served"):
        answer = session().get(f"{url}/attack/nobody/control", timeout=10)
        assert SECRET in answer.text and asked(upstream.paths, "nobody") == {"control"}, answer.text
        assert admin_post(proxy, "/refresh?upstream=browsed").ok
        eventually("it is renewed", lambda: generations(proxy) == [2])
        assert admin_post(proxy, "/reload").ok
        eventually("it has read its configuration again", lambda: len(generations(proxy)) == 2)
        assert admin_post(proxy, "/quit").ok
        eventually("it ends", lambda: proxy.child.poll() is not None)


def let_in(check, upstream: Server, sham: Server, seen: dict) -> None:
    with check("a browser's pages: those that access.origins and access.hosts name reach the upstream, and read"):
        for tag in seen:
            ways = asked(upstream.paths, tag)
            expected = OWN if tag == "rebound" else WITH_ORIGIN
            assert expected <= ways, f"{tag} did not reach it by {expected - ways}"
            assert not ways & AHEAD, f"{tag} reached it by {ways & AHEAD}"
            assert SECRET in seen[tag]["fetch-cors"] and SECRET in seen[tag]["event-source"], seen[tag]
    with check("a browser's pages: each way to admin is tried"):
        missing = {"/status", "/", "/events", "/refresh?upstream=browsed", "/reload", "/quit"} - set(sham.paths)
        assert not missing, missing
