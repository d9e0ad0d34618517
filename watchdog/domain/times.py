"""The one rule about time: every instant is aware, and in UTC; and how people read times."""

from datetime import UTC, datetime, timedelta


def utc(instant: datetime) -> datetime:
    """Return the instant in UTC.

    Raises ValueError when it has no time zone.
    """
    if instant.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone, got {instant!r}")
    return instant.astimezone(UTC)


def when(at: datetime) -> str:
    """Return an instant as people read it."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"


def lasting(it: timedelta) -> str:
    """Return a length of time in the unit that fits.

    >>> lasting(timedelta(minutes=3, seconds=5))
    '3 min 5 s'
    """
    seconds = max(round(it.total_seconds()), 0)
    for unit, name, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if seconds >= unit:
            whole, rest = divmod(seconds, unit)
            return f"{whole} {name} {rest // below} {small}" if rest // below else f"{whole} {name}"
    return f"{seconds} s"
