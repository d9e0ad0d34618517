"""The product's detectors as the bench uses them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from detectors.catalog import DETECTORS, watch_clients
from stream_parts.benign import RED_TEAM
from watchdog.domain.queries import FIELDS, Alarm, Query
from watchdog.ports import ClientWatch

LOG = "gateway"
_CHUNK = 500
"""Requests that the detectors are handed at once, about as many as by the pipeline."""


def watch(tickets_per_week: float = 1.0, *, clients: int = 100_000) -> ClientWatch:
    """Return all detectors with nothing learned yet; the red team is declared."""
    return watch_clients(
        log=LOG,
        fields=FIELDS,
        segments={RED_TEAM: [f"{RED_TEAM}-*"]},
        tickets_per_week=tickets_per_week,
        # As in the default: a page a year where a ticket a week.
        pages_per_year=tickets_per_week,
        clients=clients,
    )


def play(watching: ClientWatch, queries: Iterable[Query]) -> list[Alarm]:
    """Let the detectors see all requests, and return their alarms."""
    return [alarm for chunk in _chunks(queries) for alarm in watching.observe(chunk)]


def _chunks(queries: Iterable[Query]) -> Iterator[Sequence[Query]]:
    source = iter(queries)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk


def rules() -> Sequence[str]:
    """Return the names of all detectors of clients."""
    return tuple(DETECTORS)
