"""Protocols besides plain HTTP/1.1: HTTP/2 from the caller, gRPC, WebSocket, server-sent events."""

import subprocess
import threading
import time
from concurrent import futures

import grpc
import websockets.exceptions
import websockets.sync.client
import websockets.sync.server

from harness import Bearerd, World, free_port, session

SET = "real"
NEEDS = ["curl"]

FRAME = 3_000_000


def run(world: World, check) -> None:
    http, http_table = world.upstream("protocols", "oauth2", world.BASIC)
    rpc_port, chat_port = free_port(), free_port()
    rpc, rpc_table = before(world, "rpc", rpc_port, 'protocol = "http2"')
    chat, chat_table = before(world, "chat", chat_port, "")
    proxy = Bearerd(world, http_table + rpc_table + chat_table)
    with check("curl speaks HTTP/2 with prior knowledge, and bodies come back byte for byte"):
        curl_http2(world, http)
    with grpc_server(rpc_port) as service:
        rpcs(check, rpc.removeprefix("http://"), service)
    with check("WebSocket: frames of 3 MB, and the reason why it closes"):
        web_socket(chat_port, chat)
    with check("server-sent events arrive one by one"):
        events(http)
    proxy.stop()


def before(world: World, name: str, port: int, more: str) -> tuple[str, str]:
    """An upstream for a server other than the API."""
    url, table = world.upstream(name, "oauth2", world.BASIC)
    there = f'url = "{world.api.url}"'
    assert there in table
    return url, table.replace(there, f'url = "http://127.0.0.1:{port}"\n{more}')


def curl_http2(world: World, url: str) -> None:
    body, out = world.directory / "h2.body", world.directory / "h2.echo"
    body.write_bytes(bytes(range(256)) * 8192)
    # One request per run: curl 7.88 cannot reuse such a connection, whatever the server is.
    command = ["curl", "-sS", "--noproxy", "*", "--http2-prior-knowledge", "-w", "%{http_version} %{http_code}"]
    command += ["--data-binary", f"@{body}", "-o", out, f"{url}/echo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.stdout == "2 200", f"{done.stdout}{done.stderr}"
    assert out.read_bytes() == body.read_bytes()


class Service(grpc.GenericRpcHandler):
    """Echoes; rejects the first token of a call to `/t.T/Once` with status 16."""

    def __init__(self):
        self.refused: set[str] = set()
        self.seen: list[str] = []

    def service(self, call):
        name = call.method.rsplit("/", 1)[1]
        return getattr(self, name)(dict(call.invocation_metadata))

    def Unary(self, metadata):
        self.seen.append(metadata["authorization"])
        return grpc.unary_unary_rpc_method_handler(lambda request, context: request[::-1])

    def Once(self, metadata):
        def answer(request, context):
            token = metadata["authorization"]
            if not self.refused or token in self.refused:
                self.refused.add(token)
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "dead token")
            return request

        return grpc.unary_unary_rpc_method_handler(answer)

    def Both(self, metadata):
        return grpc.stream_stream_rpc_method_handler(lambda requests, context: (word.upper() for word in requests))

    def Sum(self, metadata):
        return grpc.stream_unary_rpc_method_handler(lambda requests, context: b"".join(requests))

    def Slow(self, metadata):
        def answer(request, context):
            while context.is_active():
                time.sleep(0.01)
            self.cancelled.set()
            return request

        self.cancelled = threading.Event()
        return grpc.unary_unary_rpc_method_handler(answer)

    def Fails(self, metadata):
        def answer(request, context):
            context.set_trailing_metadata([("why", "told")])
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "not now")

        return grpc.unary_unary_rpc_method_handler(answer)


class grpc_server:
    def __init__(self, port: int):
        self.service = Service()
        self.server = grpc.server(futures.ThreadPoolExecutor(8), options=[("grpc.max_receive_message_length", -1)])
        self.server.add_generic_rpc_handlers([self.service])
        self.server.add_insecure_port(f"127.0.0.1:{port}")

    def __enter__(self) -> Service:
        self.server.start()
        return self.service

    def __exit__(self, *_):
        self.server.stop(None).wait()


def rpcs(check, address: str, service: Service) -> None:
    options = [("grpc.enable_http_proxy", 0), ("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(address, options) as channel:
        with check("gRPC: a unary call goes through with a token, large messages too"):
            for message in [b"", b"hello", bytes(3_000_000)]:
                assert channel.unary_unary("/t.T/Unary")(message, timeout=20) == message[::-1]
            assert all(seen.startswith("Bearer ") for seen in service.seen)
        with check("gRPC: messages stream from the caller, and in both directions at once"):
            words = [b"one", b"two", b"three"]
            assert channel.stream_unary("/t.T/Sum")(iter(words), timeout=20) == b"".join(words)
            in_turn(channel, words)
        with check("gRPC: an error comes with its status, its message and its trailing metadata"):
            error = failing(channel, "/t.T/Fails")
            assert (error.code(), error.details()) == (grpc.StatusCode.FAILED_PRECONDITION, "not now")
            assert ("why", "told") in [tuple(pair) for pair in error.trailing_metadata()]
        with check("gRPC: a deadline of the caller's ends the server's work"):
            error = failing(channel, "/t.T/Slow", timeout=0.5)
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
            assert service.cancelled.wait(10)
        with check("gRPC: status 16 is a sign of expiry: the call is repeated with another token"):
            assert channel.unary_unary("/t.T/Once")(b"again", timeout=20) == b"again"
            assert len(service.refused) == 1


def in_turn(channel, words: list[bytes]) -> None:
    """Sends each word only after the previous one has come back."""
    back = threading.Semaphore(1)

    def requests():
        for word in words:
            assert back.acquire(timeout=10)
            yield word

    seen = []
    for word in channel.stream_stream("/t.T/Both")(requests(), timeout=20):
        seen.append(word)
        back.release()
    assert seen == [word.upper() for word in words], seen


def failing(channel, method: str, timeout: float = 20) -> grpc.RpcError:
    try:
        channel.unary_unary(method)(b"x", timeout=timeout)
    except grpc.RpcError as error:
        return error
    raise AssertionError("the call did not fail")


def web_socket(port: int, url: str) -> None:
    seen = []

    def echo(connection) -> None:
        seen.append(connection.request.headers["Authorization"])
        for message in connection:
            if message == "close":
                connection.close(4001, "as asked")
                return
            connection.send(message)

    with websockets.sync.server.serve(echo, "127.0.0.1", port, max_size=None) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        there = url.replace("http://", "ws://")
        with websockets.sync.client.connect(there, max_size=None, proxy=None) as client:
            for message in ["text", bytes(FRAME), "é" * 1000]:
                client.send(message)
                assert client.recv(timeout=20) == message
            client.send("close")
            try:
                client.recv(timeout=20)
                raise AssertionError("it did not close")
            except websockets.exceptions.ConnectionClosed as closed:
                assert (closed.rcvd.code, closed.rcvd.reason) == (4001, "as asked"), closed
        assert len(seen) == 1 and seen[0].startswith("Bearer "), seen
        server.shutdown()


def events(url: str) -> None:
    start = time.monotonic()
    answer = session().get(f"{url}/events", stream=True, timeout=20)
    assert answer.headers["Content-Type"] == "text/event-stream", answer.headers
    arrivals = [(line, time.monotonic() - start) for line in answer.iter_lines() if line]
    assert [line for line, _ in arrivals] == [b"data: %d" % number for number in range(4)], arrivals
    assert arrivals[-1][1] - arrivals[0][1] > 0.5, f"all at once: {arrivals}"
