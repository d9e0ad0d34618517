"""Instants, as people type them."""

from datetime import datetime

from watchdog.domain.times import utc
from watchdog.errors import ConfigError

TIME = "An instant with its time zone, such as 2026-03-01T12:00Z."


def instant(option: str, text: str | None) -> datetime | None:
    """Return the instant that an option says; None when it was not given.

    Raises ConfigError when it is no instant with a time zone.
    """
    if text is None:
        return None
    try:
        return utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as exc:
        raise ConfigError(
            f"{option}: {text!r} is not an instant with a time zone", hint=f"write it like {option} 2026-03-01T12:00Z"
        ) from exc
