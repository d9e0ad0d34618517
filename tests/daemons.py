"""What tests of loops and threads share: a clock that they set, log lines that they read, and patience."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from tests.builders import NOW
from watchdog.config.load import Loaded
from watchdog.logs import Sink
from watchdog.wiring import read_config


def until(fact: Callable[[], bool], seconds: float = 40.0) -> bool:
    """Wait for a fact, and say whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not fact() and time.monotonic() < deadline:
        time.sleep(0.01)
    return fact()


@dataclass
class Time:
    """A wall clock that can be set, and a monotonic one that cannot."""

    wall: datetime = NOW
    mono: float = 1000.0

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.mono

    def passes(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.mono += seconds

    def is_set(self, by: timedelta) -> None:
        self.wall += by


class Lines(Sink):
    """A sink that keeps the lines."""

    def __init__(self) -> None:
        super().__init__(os.open(os.devnull, os.O_WRONLY))
        self.kept: list[dict[str, object]] = []

    def msg(self, line: str) -> None:
        self.kept.append(json.loads(line))

    debug = info = warning = error = critical = msg

    def events(self) -> list[object]:
        return [it["event"] for it in list(self.kept)]


def scripted(folder: Path, targets: int) -> Loaded:
    """Write and read a configuration of so many targets that need nothing."""
    path = folder / "config.yaml"
    rows = "".join(f"\n  - {{name: t{n}, every: 5m, delivered: {{kind: scripted}}}}" for n in range(targets))
    path.write_text(f"ledger: ./ledger.sqlite\ntargets:{rows}\n")
    return read_config(path)
