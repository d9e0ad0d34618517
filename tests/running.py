"""The command line as a user runs it, with everything it printed."""

import contextlib
import io
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from watchdog.cli import main

COMMAND = (sys.executable, "-c", "from watchdog.cli import main; main()")
_STEERING = ("\x1b", "\x9b", "\x07", "\x00", "\u202a", "\u202b", "\u202d", "\u202e", "\u2066", "\u2067", "\u2068")
"""Characters that move a cursor, change colours, ring, or turn a line around."""


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        """Everything it printed."""
        return self.out + self.err


def run(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command to its end in this process, which is fast, and hold it to what every command promises."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with (
        _environment(env or {}),
        _arguments(arguments),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as exc:
            code = exc.code if isinstance(exc.code, int) else 0 if exc.code is None else 1
        except Exception:  # noqa: BLE001 - what a user would see as a traceback
            code = 1
            traceback.print_exc()
    return _held_to_promises(Ran(code, out.getvalue(), err.getvalue()))


def run_process(*arguments: str | Path, env: Mapping[str, str] | None = None) -> Ran:
    """Run a command to its end in a process of its own, as a user does, and hold it to the same."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        capture_output=True,
        check=False,
        timeout=120,
        env={**os.environ, **(env or {}), "PYTHONIOENCODING": "utf-8"},
    )
    return _held_to_promises(Ran(done.returncode, done.stdout.decode(), done.stderr.decode()))


def write_config(folder: Path, base_url: str, *, more: str = "") -> Path:
    """Write a configuration of one target that is probed, and not compared, at this address."""
    path = folder / "watchdog.yaml"
    path.write_text(
        f"ledger: {folder / 'ledger.sqlite'}\n"
        "targets:\n"
        "  - name: assistant\n"
        "    delivered:\n"
        "      kind: openai\n"
        f"      base-url: {base_url}\n"
        "      model: m\n"
        "      timeout-s: 5\n"
        "    probes: [stop]\n" + more
    )
    return path


def _held_to_promises(ran: Ran) -> Ran:
    """No traceback, nothing that steers a terminal, and nothing that a pipe could not carry."""
    assert "Traceback" not in ran.said, ran.said
    assert not [it for it in _STEERING if it in ran.said], repr(ran.said)
    ran.said.encode()
    return ran


@contextlib.contextmanager
def _environment(more: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(more)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def _arguments(arguments: tuple[str | Path, ...]) -> Iterator[None]:
    before = sys.argv
    sys.argv = ["corrigibility-watchdog", *map(str, arguments)]
    try:
        yield
    finally:
        sys.argv = before
