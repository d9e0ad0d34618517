"""When rounds begin: drawn from a day's secret seed, so that nobody without it can foresee them. Pure.

The seed's SHA-256 stands in the ledger before the day begins, and the seed itself after the day, so that an auditor can
draw the same times again and hold them against the rounds: nobody can have chosen convenient ones.
"""

import hashlib
import hmac
import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

SHORTEST, LONGEST = 0.25, 3.0
"""Bounds of the gap between two rounds of a day, in multiples of the target's `every`."""

SEED_BYTES = 32

_SPAN = LONGEST - SHORTEST
# Rate of the exponential part. Cut off at _SPAN its mean is 0.75, so that a gap is `every` long on average.
_RATE = 1.1452014
_CUT = -math.expm1(-_RATE * _SPAN)
_DAY = timedelta(days=1)


def commitment(seed: bytes) -> str:
    """Return what is published of a seed before its day: its SHA-256 in hex."""
    return hashlib.sha256(seed).hexdigest()


def day_of(at: datetime) -> date:
    """Return the UTC day of an instant: the day whose seed its rounds are drawn from."""
    return at.astimezone(UTC).date()


def times(seed: bytes, target: str, every: timedelta, day: date) -> tuple[datetime, ...]:
    """Return the instants at which the rounds of a target begin on a day."""
    return tuple(_times(seed, target, every, day))


def first_after(seed: bytes, target: str, every: timedelta, day: date, at: datetime) -> datetime | None:
    """Return the first time of the day after `at`; None when the day has no more."""
    return next((it for it in _times(seed, target, every, day) if it > at), None)


def _times(seed: bytes, target: str, every: timedelta, day: date) -> Iterator[datetime]:
    """Begin anywhere within `every` of midnight, and go on with exponential gaps: whatever was seen, little is known.

    The first time may lie behind the day, when `every` is longer than one: then the day has no round.
    """
    midnight = datetime.combine(day, time.min, tzinfo=UTC)
    every_ms = every / timedelta(milliseconds=1)
    offset_ms = round(_uniform(seed, target, day, 0) * every_ms)
    number = 0
    while (at := midnight + timedelta(milliseconds=offset_ms)) < midnight + _DAY:
        yield at
        number += 1
        # Whole milliseconds: the sum is then the same on every machine.
        offset_ms += max(1, round(_gap(_uniform(seed, target, day, number)) * every_ms))


def _gap(uniform: float) -> float:
    """Map a uniform number to a gap: an exponential one between the bounds, 1 on average."""
    return SHORTEST - math.log1p(-uniform * _CUT) / _RATE


def _uniform(seed: bytes, target: str, day: date, number: int) -> float:
    drawn = hmac.digest(seed, f"{day.isoformat()}\0{target}\0{number}".encode(), "sha256")
    return (int.from_bytes(drawn[:8], "big") >> 11) / 2**53
