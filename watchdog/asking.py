"""How a command asks the daemon: one request, one answer, each one line of JSON, over the socket beside the ledger."""

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue, TypeAdapter, ValidationError

from watchdog.errors import ConfigError, LedgerError

MOST_BYTES = 64 * 1024
"""What a request may have; an answer may be longer."""
_LONGEST_PATH = 107
"""What the kernel has room for in the address of a socket, on Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a command asks for."""

    errand: str
    what: JsonValue
    by: str
    login: int | None = None
    """Who logged in, as the command sees it; only used where the daemon cannot look by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it."""

    outcome: Literal["done", "refused", "failed", "busy"]
    """`refused` is for whoever asked to mend, `failed` is the ledger's; `busy` may be tried again at once."""
    result: JsonValue = None
    problem: str = ""
    hint: str = ""


REQUESTS: TypeAdapter[Request] = TypeAdapter(Request)
ANSWERS: TypeAdapter[Answer] = TypeAdapter(Answer)
BUSY = Answer(outcome="busy", problem="the daemon is busy with other commands", hint="give the command again")


def counter_path(ledger: Path) -> Path:
    """Return where the daemon on a ledger takes requests."""
    return ledger.with_name(ledger.name + ".sock")


def ask(path: Path, request: Request, *, timeout_s: float) -> Answer | None:
    """Put a request to the daemon at `path`; None when nobody takes requests there.

    Raises LedgerError when the daemon does not answer: then nobody can say whether it did what was asked; ConfigError
    when the request cannot be sent.
    """
    try:
        sent = REQUESTS.dump_json(request) + b"\n"
    except ValueError as exc:
        raise ConfigError("the request holds a text that is none", hint="give it in UTF-8") from exc
    if len(sent) > MOST_BYTES:
        raise ConfigError(f"the request has {len(sent):,} bytes, {MOST_BYTES:,} are the most", hint="say it shorter")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(timeout_s)
        try:
            line.connect(address(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        except BlockingIOError:
            return BUSY  # too many wait before the door
        except OSError as exc:
            raise LedgerError(
                f"{path}: the daemon cannot be asked: {exc.strerror or 'it does not answer'}",
                hint="run this as root or as the daemon's user; `corrigibility-watchdog status` says how it is",
            ) from exc
        try:
            line.sendall(sent)
            return ANSWERS.validate_json(read_line(line, timeout_s, limit=None))
        except (OSError, ValidationError) as exc:
            raise LedgerError(
                f"{path}: the daemon did not answer within {timeout_s:.0f} s",
                hint="look at `incidents show` before you try again: it may have done it; `status` says how it is",
            ) from exc


def read_line(connection: socket.socket, patience_s: float, *, limit: int | None) -> bytes:
    """Return what arrives up to the end of a line.

    Raises OSError when it is too long, or the whole of it does not arrive in time.
    """
    deadline = time.monotonic() + patience_s
    line = bytearray()
    while not line.endswith(b"\n"):
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(65536)
        line += chunk
        if not chunk or time.monotonic() > deadline or (limit is not None and len(line) > limit):
            raise ConnectionError("no whole line came")
    return bytes(line)


def address(path: Path) -> str:
    """Return the address of a socket.

    Raises LedgerError when the path is too long to be one.
    """
    if len(os.fsencode(path)) > _LONGEST_PATH:
        raise LedgerError(
            f"{path}: a socket's path may have {_LONGEST_PATH} bytes, this has {len(os.fsencode(path))}",
            hint="give the ledger a shorter path; until then stop the daemon for commands that write",
        )
    return str(path)
