"""A limit for a whole HTTP exchange.

The timeouts of httpx are per read, so a peer that sends one byte at a time would hold a request, and with it the
watchdog's look at this target, for ever. This limit cuts the connection instead.
"""

import contextlib
import socket
import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

_CONNECTED = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete", "proxy.start_tls.complete"})


class Deadline:
    """Cuts the connections of one request when its time is over.

    Hand `trace` to httpx as the request's extension of that name. Connections must not be kept for a next request,
    since one that was opened earlier is not seen here.
    """

    def __init__(self, seconds: float) -> None:
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    @property
    def passed(self) -> bool:
        """Whether the time is over, so that an error of the connection is our own doing."""
        return self._over

    def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Remember each connection as httpx opens it."""
        if event not in _CONNECTED:
            return
        connection = info["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.append(connection)
            over = self._over
        if over:
            _shut(connection)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._timer.cancel()

    def _cut(self) -> None:
        with self._lock:
            self._over = True
            connections = tuple(self._sockets)
        for connection in connections:
            _shut(connection)


def _shut(connection: socket.socket) -> None:
    # Shutting down, unlike closing, wakes a thread that waits in a read. It fails when the peer was faster.
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
