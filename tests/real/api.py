"""The API behind the proxy: httpbin and an echo of whole bodies, for tokens that a real OAuth server reports as active.

Served by gunicorn. `API_INTROSPECTION` is the URL to ask, `API_CLIENT` and `API_SECRET` are its credentials;
`API_JOURNAL` names the file that gets one line per new bearer (`bearer …`) and per refused call (`refused …`).
"""

import os
import threading
import time

import requests
from httpbin import app as httpbin

REMEMBERED_SECONDS = 1.0

_checked: dict[str, tuple[float, bool]] = {}
_journal_lock = threading.Lock()
_session = requests.Session()
_session.trust_env = False


def _journal(line: str) -> None:
    with _journal_lock, open(os.environ["API_JOURNAL"], "a", encoding="utf-8") as journal:
        journal.write(line + "\n")


def _introspect(token: str) -> bool:
    reply = _session.post(
        os.environ["API_INTROSPECTION"],
        data={"token": token},
        auth=(os.environ["API_CLIENT"], os.environ["API_SECRET"]),
        timeout=10,
    )
    reply.raise_for_status()
    return reply.json()["active"]


def _is_active(token: str) -> bool:
    now = time.monotonic()
    at, active = _checked.get(token, (0.0, False))
    if token not in _checked:
        _journal(f"bearer {token}")
    if not active or now - at > REMEMBERED_SECONDS:
        active = _introspect(token)
        _checked[token] = (now, active)
    return active


def _echo(environ, start_response):
    # Read the whole body first: a client that sends everything before it reads would otherwise block itself.
    body = environ["wsgi.input"].read()
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))]
    start_response("200 OK", [*headers, ("X-Target", environ["RAW_URI"])])
    return [body]


def _events(start_response):
    start_response("200 OK", [("Content-Type", "text/event-stream")])
    for number in range(4):
        yield b"data: %d\n\n" % number
        time.sleep(0.25)


def application(environ, start_response):
    scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme != "Bearer" or not _is_active(token):
        _journal(f"refused {environ['PATH_INFO']}")
        start_response("401 Unauthorized", [("WWW-Authenticate", 'Bearer error="invalid_token"'), ("Content-Length", "0")])
        return [b""]
    if environ["PATH_INFO"].startswith("/echo"):
        return _echo(environ, start_response)
    if environ["PATH_INFO"] == "/events":
        return _events(start_response)
    return httpbin(environ, start_response)
