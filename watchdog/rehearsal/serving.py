"""Serve a web application from a thread of this process, for as long as a block runs."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

_LOOPBACK = "127.0.0.1"
_START_S = 10.0
_STOP_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Where a served application answers."""

    host: str
    port: int

    @property
    def base_url(self) -> str:
        """The address of its root, without a slash at the end."""
        return f"http://{self.host}:{self.port}"


@contextmanager
def serve(app: ASGIApp, *, port: int = 0) -> Iterator[Served]:
    """Serve an application on the loopback interface while the block runs.

    Takes the wanted port, or a free one when that is taken; 0 asks for a free one.
    Raises RuntimeError when the server does not start.
    """
    with _listen(port) as listener:
        server = uvicorn.Server(_config(app))
        thread = threading.Thread(target=server.run, args=([listener],), name="rehearsal-server", daemon=True)
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield Served(host=_LOOPBACK, port=listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(_STOP_S)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="asyncio",
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        # A client that keeps its connection open, or a request that hangs, must not hold up the end of a rehearsal.
        timeout_graceful_shutdown=1,
    )


def _listen(port: int) -> socket.socket:
    try:
        return _bound(port)
    except OSError:
        if port == 0:
            raise
        return _bound(0)


def _bound(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((_LOOPBACK, port))
        # Two sockets may both bind with SO_REUSEADDR; only one of them may listen, so a taken port shows here.
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_S
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise RuntimeError("the rehearsal server did not start")
        time.sleep(0.005)
