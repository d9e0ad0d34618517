"""The product's parts as the bench uses them: the only module here that names them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from detectors.catalog import DETECTORS, watch_clients
from stream_parts.benign import RED_TEAM
from watchdog.domain.queries import FIELDS, Alarm, Query
from watchdog.ports import ClientWatch

LOG = "gateway"
ORGANISATION = "org:"
"""Stands before the name of an organisation where its accounts are judged together."""
_CHUNK = 500


def watch(tickets_per_week: float = 1.0, *, clients: int = 100_000, segments: bool = True) -> ClientWatch:
    """Return all detectors with nothing learned yet; the red team is declared."""
    return watch_clients(
        log=LOG,
        fields=FIELDS,
        segments={RED_TEAM: [f"{RED_TEAM}-*"]} if segments else {},
        tickets_per_week=tickets_per_week,
        # As in the default: a page a year where a ticket a week.
        pages_per_year=tickets_per_week,
        clients=clients,
    )


def play(watching: ClientWatch, queries: Iterable[Query]) -> list[Alarm]:
    """Let the detectors see all requests, and return their alarms."""
    return [alarm for chunk in chunks(queries, _CHUNK) for alarm in watching.observe(chunk)]


def chunks(queries: Iterable[Query], size: int) -> Iterator[Sequence[Query]]:
    """Yield requests in lists of a size that the pipeline also hands over."""
    source = iter(queries)
    while chunk := list(islice(source, size)):
        yield chunk


def rules() -> Sequence[str]:
    """Return the names of all detectors of clients."""
    return tuple(DETECTORS)
