"""How long an endpoint asks to be left alone, and whether what it sent came from a cache: both stand in headers.

Names of headers are expected in small letters.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST_WAIT = timedelta(minutes=15)
"""An endpoint cannot keep us away for longer at a time, whatever it says."""

_BUSY = frozenset({429, 503, 529})
_QUOTAS = (
    ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
    ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
    ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
    ("anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"),
)
_NUMBER = r"([0-9]{1,9}(?:\.[0-9]{1,9})?)"
_SECONDS = re.compile(_NUMBER)
_SPAN = re.compile(rf"(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?")

_FROM_CACHE = re.compile(r"\b(?:refresh)?hit\b|\b(?:stale|updating|revalidated)\b", re.IGNORECASE)
_STANDARD_HIT = re.compile(r";\s*hit\s*(?:[;,]|=\s*\?1|$)", re.IGNORECASE)
_CACHES = (
    "x-cache",
    "x-cache-status",
    "x-proxy-cache",
    "cf-cache-status",
    "cf-aig-cache-status",
    "helicone-cache",
    "x-openrouter-cache-status",
    "x-portkey-cache-status",
)


def quiet_until(status: int, headers: Mapping[str, str], now: datetime) -> datetime | None:
    """Return the time before which an endpoint wants no further request; None when it does not ask for one."""
    told = [headers[reset] for left, reset in _QUOTAS if headers.get(left, "").strip() == "0" and reset in headers]
    if status in _BUSY:
        told += [headers[it] for it in ("retry-after",) if it in headers]
        told += [f"{headers[it]}ms" for it in ("retry-after-ms",) if it in headers]
    waits = [wait for text in told if (wait := _wait(text.strip(), now)) is not None and wait > timedelta(0)]
    return now + min(max(waits), LONGEST_WAIT) if waits else None


def is_cached(headers: Mapping[str, str]) -> bool:
    """Say whether a reply was stored earlier, so that it tells nothing about the model now.

    The cache of prompts that providers keep is another thing: it saves reading the prompt again, not answering.
    """
    age = headers.get("age", "0").strip()
    return (
        any(_FROM_CACHE.search(headers.get(name, "")) for name in _CACHES)
        or bool(_STANDARD_HIT.search(headers.get("cache-status", "")))
        # LiteLLM names the key of a reply that it had stored.
        or "x-litellm-cache-key" in headers
        or (age.isascii() and age.isdigit() and int(age[:9]) > 0)
    )


def _wait(text: str, now: datetime) -> timedelta | None:
    """Read seconds, a span such as `6m0s`, or a date of HTTP or ISO 8601."""
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=float(text))
    span = _SPAN.fullmatch(text)
    if span is not None and text:
        hours, minutes, seconds, thousandths = (float(it or 0) for it in span.groups())
        return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=thousandths)
    for parse in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            at = parse(text)
            return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)) - now
        except (ValueError, OverflowError):
            continue
    return None
