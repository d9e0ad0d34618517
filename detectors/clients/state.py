"""What is remembered of one client: about a kilobyte, and more only while there is evidence against it.

Nothing here refers to itself, so the garbage collector need not look at it (`gc=False`): it would, for each client.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from detectors.clients.edetector import Evidence

VERSION: Final = 1
"""Of the bytes that a client and a log become."""

RING: Final = 32
"""Distinct requests that are remembered, so that a retry is known."""
ADDRESSES: Final = 32
MODELS: Final = 8
SIGNS: Final = 16
FEATURES: Final = (
    "prompt_length",
    "symbols",
    "retries",
    "reply_length",
    "refusals",
    "turns",
    "tokens_out",
    "gap_seconds",
)
"""Names of the features whose moments are kept; `watchdog.alarm_words.FEATURES` says each in plain words."""


_NO_RATES: Final[Mapping[str, float]] = {}


class Mark(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A request behind the evidence; its text is kept apart, where it can be erased."""

    at: float
    query: str
    why: str


class Case(msgspec.Struct, array_like=True, gc=False):
    """The evidence of one rule against one client, since its first hit."""

    since: float
    kinds: dict[str, Evidence] = {}
    value: float = 0.0
    """The evidence over all kinds."""
    hits: int = 0
    trials: int = 0
    base: float = 0.0
    """The highest base rate that a hit was held against."""
    level: int = 0
    """0 before an alarm, 1 after a ticket, 2 after a page."""
    alarmed_at: float = 0.0
    stride: int = 1
    """Every so-manieth unit is a point of the path."""
    path: list[tuple[float, float]] = []
    marks: list[Mark] = []
    reasons: dict[str, int] = {}
    """How often each kind was hit."""
    sketches: list[int] = []
    """SimHashes of the last hits."""


class Sweep(msgspec.Struct, array_like=True, gc=False):
    """The last prompt to the letter, and how it was sent."""

    exact: bytes = b""
    seed: int | None = None
    biased: int | None = None
    """How many tokens were biased."""


class Windows(msgspec.Struct, array_like=True, gc=False):
    """Requests at once: in the window of a few seconds that runs, and the most that were ever usual."""

    window: int = -1
    count: int = 0
    usual: float = 0.0
    """The most requests in an ordinary window so far."""
    past: int = 0
    """Windows with requests that are over."""


class Habits(msgspec.Struct, array_like=True, gc=False):
    """How a client used the API in its first requests, and what the block that runs adds up to."""

    requests: int = 0
    """In the block that runs."""
    sent: float = 0.0
    got: float = 0.0
    """Characters of prompts and tokens of replies in it."""
    strange: int = 0
    """Requests of the block to an endpoint or model that the client never used."""
    blocks: int = 0
    means: tuple[float, float] = (0.0, 0.0)
    squares: tuple[float, float] = (0.0, 0.0)
    """Sums of squared differences of the blocks' means from their mean (Welford)."""
    places: bytes = b""


class Shown(msgspec.Struct, array_like=True, gc=False):
    """What a client showed of the signals: most clients never have a hit."""

    hits: dict[str, int] = {}
    """Of each kind."""
    last_hits: dict[str, float] = {}
    """When the last one of each rule came."""
    own: dict[str, float] = {}
    """Base rates of its own, by kind: what was usual for it while nothing spoke against it."""


class Client(msgspec.Struct, array_like=True, gc=False):
    """One client of one log."""

    name: str
    org: str | None
    segment: str
    last: float
    """When its last request came."""
    queued: int = 0
    """Its place in the line of those that are dropped when there are too many."""
    recent: bool = True
    """Whether it was seen since it got that place."""
    seen: int = 0
    ring: bytes = b""
    """Its last distinct requests; of an organisation, its last accounts that had hits."""
    refused_last: bool = False
    refused_size: int = 0
    refused_name: bytes = b""
    """The last distinct text that was refused, to know it again when something is added to it."""
    trials: dict[str, int] = {}
    """Units of each rule."""
    shown: Shown | None = None
    """None while it never had a hit."""
    cases: dict[str, Case] = {}
    moments: list[float] = []
    signs: bytes = b""
    """What spoke against its last steering requests."""
    addresses: bytes = b""
    models: bytes = b""
    sweep: Sweep | None = None
    windows: Windows | None = None
    habits: Habits | None = None
    before_job: bytes | None = None
    """The models that it had used when it began its last fine-tuning job; None while it began none."""


def remembered(ring: bytes, new: bytes, most: int) -> bytes:
    """Put a digest at the front of a ring of the newest ones."""
    return (new + ring)[: most * len(new)]


def shown_by(client: Client) -> Shown:
    """Return what a client showed, to be added to."""
    if client.shown is None:
        client.shown = Shown()
    return client.shown


def own_rates(client: Client) -> Mapping[str, float]:
    """Return the base rates that a client has of its own, by kind."""
    return _NO_RATES if client.shown is None else client.shown.own
