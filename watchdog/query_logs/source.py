"""A query log that is to be read: what is configured for it, and how its stream is opened once its format is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from watchdog.query_logs.checks import LogChecks
from watchdog.query_logs.own_probes import OwnProbes
from watchdog.query_logs.streaming import Streaming


class Opens(Protocol):
    """Opens the stream of a log."""

    def __call__(self) -> Streaming | None:
        """Return it; None as long as there is no line to tell the format from.

        Raises ConfigError when the lines that are there fit no format.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSource:
    """One log of a configuration."""

    name: str
    key: str
    """Changes with everything that is configured for it; a reload leaves alone what has the same key."""
    open: Opens
    checks: LogChecks
    own: OwnProbes | None = None
    """Our own probes that have to appear in it; None when none have to."""


Heard = Callable[[Streaming], None]
"""Passes on to a stream what people said."""
