"""The counter: where the daemon takes requests of commands on its machine, on a local socket beside the ledger.

Whoever is let in could as well write the ledger file; so the walls here are against accidents, and against taking the
daemon along.
"""

import os
import socket
import socketserver
import stat
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import structlog
from pydantic import JsonValue, ValidationError

from watchdog.accounts import login_of
from watchdog.asking import ANSWERS, BUSY, MOST_BYTES, REQUESTS, Answer, Request, address, read_line
from watchdog.domain.actors import Actor
from watchdog.errors import ConfigError, LedgerError, WatchdogError
from watchdog.hatch import AbandonedError

MOST_AT_ONCE = 8
READ_S = 5.0
"""How long a request may take to arrive, and an answer to be taken."""
_PEER = struct.Struct("iII")


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is on the other end, as the kernel says."""

    pid: int
    uid: int


Do = Callable[[str, object, Actor], object]
"""Do an errand for an actor; take and return JSON values."""


class Counter:
    """Takes requests on threads of its own, so that they delay no round."""

    def __init__(self, path: Path, do: Do, log: structlog.typing.FilteringBoundLogger) -> None:
        self._path, self._do, self._log = path, do, log
        self._server: _Server | None = None

    def open(self) -> None:
        """Begin to take requests; without a socket the daemon goes on, and the log says why.

        A socket that lies there is a dead daemon's: whoever opens the counter holds the writer's lock.
        """
        try:
            _make_way(self._path)
            self._server = _Server(self._path, self._do, self._log)
        except (OSError, WatchdogError) as exc:
            self._log.error("counter.failed", problem=exc.problem if isinstance(exc, WatchdogError) else exc.strerror)
            return
        threading.Thread(target=self._server.serve_forever, args=(0.2,), name="counter", daemon=True).start()

    def close(self) -> None:
        """Take no further request."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        self._path.unlink(missing_ok=True)
        self._server = None


def answer(line: bytes, peer: Peer, do: Do) -> Answer:
    """Do what one line asks for. Whatever the line is, this returns an answer."""
    if peer.uid not in {0, os.geteuid()}:
        return _refused(f"user id {peer.uid} may ask the daemon for nothing", "run this as root or the daemon's user")
    try:
        request = REQUESTS.validate_json(line)
        actor = Actor(name=request.by, uid=peer.uid, login=_login(peer, request))
        return Answer(outcome="done", result=cast("JsonValue", do(request.errand, request.what, actor)))
    except Exception as exc:  # noqa: BLE001 - whatever went wrong, whoever asked is told, and the daemon goes on
        return _trouble(exc)


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: Path, do: Do, log: structlog.typing.FilteringBoundLogger) -> None:
        self.do, self.log = do, log
        self.slots = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__(address(path), _Handler)

    def server_bind(self) -> None:
        # The file that `bind` makes takes its mode from here: there is no moment in which others could connect.
        os.fchmod(self.fileno(), 0o600)
        super().server_bind()

    def get_request(self) -> tuple[socket.socket, object]:
        try:
            return super().get_request()
        except OSError:
            time.sleep(0.1)  # out of files: the caller tries again at once, and would take a whole core
            raise

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.slots.acquire(blocking=False):
            request.send(_line(BUSY), socket.MSG_DONTWAIT)
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except RuntimeError:  # no further thread
            self.slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the names are socketserver's
        self.log.warning("counter.hung_up")


class _Handler(socketserver.BaseRequestHandler):
    server: _Server
    request: socket.socket

    def handle(self) -> None:
        pid, uid, _ = _PEER.unpack(self.request.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size))
        said = answer(read_line(self.request, READ_S, limit=MOST_BYTES), Peer(pid, uid), self.server.do)
        self.request.settimeout(READ_S)
        self.request.sendall(_line(said))


def _line(said: Answer) -> bytes:
    return ANSWERS.dump_json(said) + b"\n"


def _login(peer: Peer, request: Request) -> int | None:
    # The unit hides other users' processes from the daemon; then the command's own word has to do.
    return login_of(peer.pid) if Path(f"/proc/{peer.pid}").exists() else request.login


def _trouble(exc: Exception) -> Answer:
    match exc:
        case ConfigError():
            return _refused(exc.problem, exc.hint)
        case WatchdogError():
            return Answer(outcome="failed", problem=exc.problem, hint=exc.hint)
        case AbandonedError():
            return replace(BUSY, problem="the daemon is stopping")
        case ValidationError():
            return _refused("the request cannot be read", "use a command and a daemon of the same version")
        case ValueError():
            return _refused(str(exc), "mend it, and give the command again")
        case _:
            return Answer(outcome="failed", problem=f"a fault of the program ({type(exc).__name__})", hint="report it")


def _refused(problem: str, hint: str) -> Answer:
    return Answer(outcome="refused", problem=problem, hint=hint)


def _make_way(path: Path) -> None:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise LedgerError(f"{path}: what lies here is no socket", hint="move it away, and restart the daemon")
    path.unlink()
