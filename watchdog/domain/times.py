"""The one rule about time: every instant is aware, and in UTC."""

from datetime import UTC, datetime


def utc(instant: datetime) -> datetime:
    """Return the instant in UTC.

    Raises ValueError when it has no time zone.
    """
    if instant.utcoffset() is None:
        raise ValueError(f"an instant needs a time zone, got {instant!r}")
    return instant.astimezone(UTC)
