"""What detectors can look for in a query log, and what they cannot for want of which fields."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCoverage:
    """What one log's configuration means."""

    log: str
    format: str
    """Empty when it is not known yet."""
    why: str
    """Why it is this format, or why none is known."""
    looking: Mapping[str, str]
    """What each rule that can look looks for."""
    blind: Mapping[str, str]
    """The fields that each of the others lacks."""
    off: tuple[str, ...]
    """Rules that the configuration leaves out."""
    probes: str
    """Whether our own probes are looked for in it."""
    tickets_per_week: float
    pages_per_year: float
