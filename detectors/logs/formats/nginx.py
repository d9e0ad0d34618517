"""nginx with `log_format … escape=json`: no texts, no models, only what a web server sees.

Read are the names of nginx's own variables; `format: mapping` reads a log that names them differently.
"""

from collections.abc import Sequence

import msgspec

from detectors.logs.formats.faults import line_error
from detectors.logs.formats.reading import Reader, keys_of
from detectors.logs.formats.values import endpoint, moment, name, status
from watchdog.domain.queries import Query


class _Access(msgspec.Struct, gc=False):
    msec: float | str | None = None
    time_iso8601: str | None = None
    request_id: str | None = None
    remote_addr: str | None = None
    remote_user: str | None = None
    request: str | None = None
    request_method: str | None = None
    request_uri: str | None = None
    uri: str | None = None
    status: int | str | None = None
    request_time: float | str | None = None
    http_user_agent: str | None = None


_READER = Reader(_Access, once=("msec", "remote_addr", "remote_user"))


class Nginx:
    """A web server in front of models."""

    name = "nginx"
    fields = frozenset({"id", "client", "address", "agent", "endpoint", "status"})

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        keys = keys_of(line).keys()
        return bool(keys & {"msec", "time_iso8601"}) and bool(keys & {"request_uri", "request", "uri"})

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the request in one line. Raises LineError when it is none."""
        it = _READER.read(line)
        if it is None:
            return ()
        written = it.msec if it.msec is not None else it.time_iso8601
        if written is None:
            raise line_error("missing")
        method, path = _asked(it)
        return (
            Query(
                at=moment(written) - _took(it.request_time),
                id=name(it.request_id),
                client=name(it.remote_user),
                address=name(it.remote_addr),
                agent=name(it.http_user_agent),
                endpoint=endpoint(path, method),
                status=status(it.status),
            ),
        )


def _asked(it: _Access) -> tuple[str | None, str | None]:
    path = it.request_uri or it.uri
    if path is not None or it.request is None:
        return it.request_method, path
    method, _, rest = it.request.partition(" ")
    return method, rest.rpartition(" ")[0] or rest


def _took(seconds: float | str | None) -> float:
    """Return how long before its line a request came: nginx writes the line when it is done."""
    try:
        took = float(seconds or 0)
    except ValueError:
        return 0.0
    return took if 0 <= took < 86_400 else 0.0
