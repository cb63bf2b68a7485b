"""Responses of a real API pass unchanged: statuses, encodings, streams, redirects, cookies."""

import http.client
import time

import requests

from harness import Bearerd, World, session

SET = "real"
NEEDS: list[str] = []


def run(world: World, check) -> None:
    url, table = world.upstream("answers", "oauth2", world.BASIC)
    proxy = Bearerd(world, table)
    client = session()

    def get(path: str, **options) -> requests.Response:
        return client.get(f"{url}{path}", timeout=20, allow_redirects=False, **options)

    for status in [204, 304, 403, 418, 500, 503]:
        with check(f"a {status} of the API is the API's: no error of bearerd in its place"):
            answer = get(f"/status/{status}")
            assert answer.status_code == status, f"status {answer.status_code}"
            assert "bearerd" not in answer.headers.get("Proxy-Status", "")
    for encoding in ["gzip", "deflate", "brotli"]:
        with check(f"a body in {encoding} comes through encoded"):
            answer = get(f"/{encoding}")
            assert answer.headers["Content-Encoding"] == encoding.replace("brotli", "br"), answer.headers
            assert answer.status_code == 200 and len(answer.content) > 100
    with check("a path and query arrive byte for byte"):
        target = "/echo/a%2Fb%20c//d;e=f/%C3%A5?x=%26+%20&x=2&empty=&'[]"
        seen = raw(url, target).headers["X-Target"]
        assert seen == target, seen
    with check("HEAD has the length of the body, and no body"):
        answer = client.head(f"{url}/bytes/1000", timeout=20)
        assert answer.headers["Content-Length"] == "1000" and not answer.content
    with check("a range is answered as one"):
        answer = get("/range/1000", headers={"Range": "bytes=10-19"})
        assert answer.status_code == 206 and len(answer.content) == 10
    with check("what drips arrives as it drips"):
        dripping(get)
    with check("a redirect is passed on, and one into the API leads back through the proxy"):
        there = get("/redirect-to", params={"url": f"{world.api.url}/status/200"})
        assert there.status_code == 302 and there.headers["Location"] == f"{url}/status/200", there.headers["Location"]
        away = get("/redirect-to", params={"url": "https://elsewhere.example/x"})
        assert away.headers["Location"] == "https://elsewhere.example/x", away.headers["Location"]
    with check("a cookie that the API sets comes back to the API"):
        get("/cookies/set", params={"flavour": "plain"})
        assert get("/cookies").json()["cookies"] == {"flavour": "plain"}
    with check("a path with a dot segment is refused"):
        for path in ["/a/../b", "/a/%2e%2e/b", "/a/.%2E/b"]:
            answer = raw(url, path)
            assert answer.status == 400 and b'"bad-request"' in answer.read(), f"{path}: {answer.status}"
    proxy.stop()


def raw(url: str, target: str) -> http.client.HTTPResponse:
    """Sends the target unchanged, while `requests` would encode it and resolve dot segments."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=20)
    connection.request("GET", target)
    return connection.getresponse()


def dripping(get) -> None:
    start = time.monotonic()
    answer = get("/drip?duration=2&numbytes=4&delay=0", stream=True)
    arrivals = [time.monotonic() - start for _ in answer.iter_content(1)]
    assert len(arrivals) == 4, arrivals
    assert arrivals[-1] - arrivals[0] > 0.75, f"all at once: {arrivals}"
