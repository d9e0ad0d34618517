"""`rate_burst`: far more requests at once than the client ever sent."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.signals import HIT, MISS, Kind, Sight
from detectors.clients.state import Windows

WINDOW_S: Final = 15.0
"""Seconds whose requests are counted together."""
PAST: Final = 40
"""Windows with requests that a client has to have behind it."""
TIMES: Final = 4.0
"""How many times as many as in the fullest of them are a burst."""
LEAST: Final = 15
"""Requests in a window that are never a burst."""
KINDS: Final = (
    # However counts are spread: if windows are exchangeable, the next one is the largest of 41 with a chance of 1 in 41
    # at most. Busy windows come in runs, which is why four times the largest is asked for.
    Kind(
        name="burst",
        why="many times its fullest quarter of a minute so far",
        floor=0.05,
        assumed=0.5,
        needs=needed("client|address"),
    ),
)


@dataclass(frozen=True, slots=True)
class Bursts:
    """Counts windows, not requests: one is a unit when it is over, or as soon as it is a burst.

    Satisfies signals.Signal.
    """

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "rate_burst"
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Say hit as soon as a window is a burst, miss when one is over that was none; it takes a past."""
        windows = facts.client.windows
        if windows is None or windows.past < PAST:
            return None
        if int(facts.at // WINDOW_S) <= windows.window:
            return HIT if windows.count + 1 == most_usual(windows) else None
        return MISS if windows.count < most_usual(windows) else None

    usual = look


def most_usual(windows: Windows) -> int:
    """Return the number of requests at which a window becomes a burst."""
    return max(LEAST, int(TIMES * windows.usual) + 1)


def counted(windows: Windows, at: float) -> None:
    """Count a request. A window that was a burst teaches nothing about what is usual."""
    window = int(at // WINDOW_S)
    if window <= windows.window:
        windows.count += 1
        return
    if windows.window >= 0:
        if windows.past < PAST or windows.count < most_usual(windows):
            windows.usual = max(windows.usual, float(windows.count))
        windows.past += 1
    windows.window, windows.count = window, 1
