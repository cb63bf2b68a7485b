"""An ASGI application for hypercorn: describes requests, echoes bodies as they arrive, responds early, and counts disconnects."""

import asyncio
import json

gone: list[str] = []


async def whole(receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


async def start(send, status: int, *headers: tuple[bytes, bytes]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})


async def application(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"]
    if path == "/about":
        headers = [[name.decode(), value.decode()] for name, value in scope["headers"]]
        about = {"version": scope["http_version"], "method": scope["method"], "headers": headers}
        about["target"] = scope["raw_path"].decode() + "?" + scope["query_string"].decode()
        about["length"] = len(await whole(receive))
        await start(send, 200, (b"content-type", b"application/json"))
        await send({"type": "http.response.body", "body": json.dumps(about).encode()})
    elif path == "/echo":
        await start(send, 200, (b"content-type", b"application/octet-stream"))
        more = True
        while more:
            message = await receive()
            more = message.get("more_body", False)
            await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": more})
    elif path == "/early":
        # Responds before the body is read.
        await start(send, 413, (b"content-length", b"5"))
        await send({"type": "http.response.body", "body": b"early"})
        await whole(receive)
    elif path == "/slow":
        await whole(receive)
        await start(send, 200)
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            await asyncio.sleep(0)
        gone.append(scope["query_string"].decode())
    else:
        await start(send, 200)
        await send({"type": "http.response.body", "body": json.dumps(gone).encode()})
