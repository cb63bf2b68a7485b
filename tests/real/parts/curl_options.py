"""curl with twenty sets of options: compares each call directly to the API with the same call through bearerd."""

import json
import re
import subprocess

from harness import Bearerd, World, session

SET = "real"
NEEDS = ["curl"]

# Name and options; `{url}` is the API or the proxy, `{file}` a file of 200 KB, `{out}` a file for the response.
SETS = [
    ("nothing", ["{url}/anything"]),
    ("-I", ["-I", "{url}/anything"]),
    ("-X OPTIONS", ["-X", "OPTIONS", "{url}/anything"]),
    ("-X PURGE, a method of nobody's", ["-X", "PURGE", "{url}/echo"]),
    ("--http1.0", ["--http1.0", "{url}/anything"]),
    ("-T FILE", ["-T", "{file}", "{url}/echo"]),
    ("-T - chunked from standard input", ["-T", "-", "{url}/echo"]),
    ("--data-binary of 200 KB, which expects to be asked", ["-H", "Expect: 100-continue", "--data-binary", "@{file}", "{url}/echo"]),
    ("-d with Transfer-Encoding: chunked", ["-H", "Transfer-Encoding: chunked", "-d", "a=1&b=2", "{url}/anything"]),
    ("-r", ["-r", "10-19", "{url}/range/100"]),
    ("--compressed", ["--compressed", "{url}/gzip"]),
    ("-L over two redirects", ["-L", "{url}/relative-redirect/2"]),
    ("-e, -A, -b", ["-e", "https://from.example/", "-A", "agent/1", "-b", "c=1; d=2", "{url}/anything"]),
    ("-u, credentials that must not arrive", ["-u", "user:stolen", "{url}/anything"]),
    ("--path-as-is with doubled slashes", ["--path-as-is", "{url}/anything//a///b"]),
    ("-g with brackets", ["-g", "{url}/anything?x[]=1&x[]={2}"]),
    ("-F multipart", ["-F", "text=hello", "-F", "file=@{file};type=text/plain", "{url}/anything"]),
    ("-G --data-urlencode", ["-G", "--data-urlencode", "q=å & ä", "{url}/anything"]),
    ("two URLs on one connection", ["{url}/anything?1", "{url}/anything?2"]),
    ("-Z, at the same time", ["-Z", "--no-progress-meter", "{url}/anything", "{url}/anything"]),
    ("--raw of a chunked answer", ["--raw", "{url}/stream-bytes/300?seed=7&chunk_size=100"]),
    ("-N --limit-rate", ["-N", "--limit-rate", "400K", "{url}/bytes/100000?seed=3"]),
    ("--http2-prior-knowledge", ["--http2-prior-knowledge", "-d", "x=1", "{url}/anything"]),
    ("-C -, to go on", ["-C", "50", "{url}/range/100"]),
    ("empty and repeated headers", ["-H", "X-Empty;", "-H", "X-Twice: 1", "-H", "X-Twice: 2", "{url}/anything"]),
]
# What bearerd changes in each call: the host, the token, and the headers of flow and upstream.
CHANGED = ["Host", "Authorization", "X-Legal-Entity"]
# Response headers that differ between calls, or belong to a connection.
OF_THE_MOMENT = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}


def run(world: World, check) -> None:
    url, table = world.upstream("curl-options", "oauth2", world.BASIC)
    proxy = Bearerd(world, table)
    file = world.directory / "curl.file"
    file.write_bytes(bytes(range(256)) * 800)
    for name, options in SETS:
        with check(f"curl {name}: the same as straight to the API"):
            straight = made(options, world.api.url, file, token(world))
            through = made(options, url, file, [])
            # A `Location` into the API is rewritten to the proxy, so both addresses count as equal.
            straight, through = told(straight, world.api.url), told(through, url)
            assert through == straight, f"\nstraight {straight}\nthrough  {through}"
    with check("curl --max-time: who gives up in the middle leaves nothing behind"):
        done = subprocess.run([*curl(), "--max-time", "0.3", f"{url}/delay/5"], capture_output=True, check=False)
        assert done.returncode == 28, done
        assert session().get(f"{url}/anything", timeout=20).status_code == 200
        assert proxy.metric("bearerd_requests_in_flight", upstream="curl-options") == 0
    proxy.stop()


def curl() -> list[str]:
    return ["curl", "-sS", "-q", "--noproxy", "*", "-D", "/dev/stderr"]


def token(world: World) -> list[str]:
    auth = (world.POST["client_id"], world.POST["client_secret"])
    form = {"grant_type": "client_credentials", "scope": "api", "client_id": auth[0], "client_secret": auth[1]}
    reply = session().post(f"{world.oauth.url}/token", data=form, timeout=20)
    return ["-H", f"Authorization: Bearer {reply.json()['access_token']}", "-H", "X-Legal-Entity: Acme AB"]


def made(options: list[str], url: str, file, headers: list[str]):
    filled = [word.replace("{url}", url).replace("{file}", str(file)) for word in options]
    # In the direct call, `-u` would replace the required token, and gunicorn does not support HTTP/2.
    if headers and "-u" in filled:
        at = filled.index("-u")
        del filled[at : at + 2]
    if headers and "--http2-prior-knowledge" in filled:
        filled.remove("--http2-prior-knowledge")
    with open(file, "rb") as stdin:
        done = subprocess.run([*curl(), *filled, *headers], stdin=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stderr.decode(), done.stdout


def told(made, url: str) -> tuple:
    code, heads, body = made
    lines = [line.replace(url, "http://here") for line in heads.replace("\r", "").split("\n")]
    statuses = [line.split()[1] for line in lines if line.startswith("HTTP/")]
    fields = [line.lower().split(": ", 1) for line in lines if re.match(r"[\w-]+: ", line)]
    kept = sorted(field for field in fields if field[0] not in OF_THE_MOMENT | {"x-target"})
    # With `-I` curl writes the head as the body.
    return code, statuses, kept, None if body.startswith(b"HTTP/") else even(body)


def even(body: bytes):
    """httpbin's description of the request, without the allowed differences."""
    parts = body.split(b"}\n{")
    try:
        tellings = [json.loads((b"{" if at else b"") + part + (b"}" if at < len(parts) - 1 else b"")) for at, part in enumerate(parts)]
    except ValueError:
        return body
    for telling in tellings:
        for name in CHANGED:
            telling.get("headers", {}).pop(name, None)
        telling.pop("origin", None)
        telling["url"] = telling.get("url", "").split("/", 3)[-1]
    return sorted(json.dumps(even_multipart(telling), sort_keys=True) for telling in tellings)


def even_multipart(telling: dict) -> dict:
    kind = telling.get("headers", {}).get("Content-Type", "")
    if kind.startswith("multipart/"):
        # curl generates a boundary per call.
        telling["headers"]["Content-Type"] = kind.split("boundary=")[0]
    return telling
