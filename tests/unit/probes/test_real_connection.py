"""A channel over a real connection: what it reads, and the name of everything that a server can do to it."""

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.builders import request
from tests.openai_channel import completion, config, connect
from watchdog.domain.exchanges import Reason
from watchdog.errors import ChannelError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Serve = Callable[[Callable[[socket.socket], None]], str]


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Answer one connection with a script; returns the base URL."""
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def work() -> None:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    _hear(connection)
                    script(connection)

            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join, 5)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def _hear(connection: socket.socket) -> None:
    """Read the whole request: whether closing on an unread one resets the connection is a matter of luck."""
    heard = connection.recv(65536)
    if not heard.startswith(b"POST "):
        return  # a TLS greeting: there is no request to hear
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head.lower())
    while len(body) < int(length):
        body += connection.recv(65536)


def _reason(base_url: str, timeout_s: float = 5) -> Reason:
    with connect(config(base_url=base_url, timeout_s=timeout_s)) as channel, pytest.raises(ChannelError) as failure:
        channel.ask(request())
    return failure.value.reason


def _drip(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)
        time.sleep(0.02)


def test_a_reply_over_a_real_connection_is_read(serve: Serve) -> None:
    body = json.dumps(completion()).encode()
    base_url = serve(lambda it: it.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body))

    with connect(config(base_url=base_url)) as channel:
        exchange = channel.ask(request())
    assert exchange.reply == "Yes."
    assert 0 < exchange.seconds < 5


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert _reason(f"http://127.0.0.1:{port}") is Reason.UNREACHABLE


def test_a_host_without_an_address_is_unreachable() -> None:
    assert _reason("http://nobody.invalid") is Reason.UNREACHABLE


def test_a_server_without_tls_is_unreachable_over_https(serve: Serve) -> None:
    base_url = serve(lambda it: it.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    assert _reason(base_url.replace("http:", "https:")) is Reason.UNREACHABLE


def test_a_silent_server_times_out(serve: Serve) -> None:
    base_url = serve(lambda it: time.sleep(0.4))

    assert _reason(base_url, timeout_s=0.2) is Reason.TIMED_OUT


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), (HEAD + b"Content-Length: 100000\r\n\r\n", b" "), (HEAD + b"\r\n", b" ")],
    ids=["headers", "body", "body without a length"],
)
def test_a_server_that_drips_times_out_as_a_whole(serve: Serve, head: bytes, piece: bytes) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        _drip(connection, piece)

    started = time.monotonic()

    assert _reason(serve(script), timeout_s=0.3) is Reason.TIMED_OUT
    assert time.monotonic() - started < 2


def test_a_reply_that_breaks_off_is_malformed(serve: Serve) -> None:
    base_url = serve(lambda it: it.sendall(HEAD + b'Content-Length: 500\r\n\r\n{"choices": ['))

    assert _reason(base_url) is Reason.MALFORMED


def test_a_server_that_hangs_up_is_malformed(serve: Serve) -> None:
    assert _reason(serve(lambda it: None)) is Reason.MALFORMED


def test_a_server_that_speaks_something_else_is_malformed(serve: Serve) -> None:
    assert _reason(serve(lambda it: it.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"))) is Reason.MALFORMED


def test_a_connection_that_is_reset_is_unreachable(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        # Lingering for no time at all makes the close a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert _reason(serve(script)) is Reason.UNREACHABLE


def test_a_body_without_end_is_given_up(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b" " * 65536)

    assert _reason(serve(script)) is Reason.MALFORMED


def test_proxies_that_the_environment_names_are_not_used(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    body = json.dumps(completion()).encode()
    base_url = serve(lambda it: it.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body))

    with connect(config(base_url=base_url)) as channel:
        assert channel.ask(request()).reply == "Yes."
