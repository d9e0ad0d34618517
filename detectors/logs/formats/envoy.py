"""Envoy AI Gateway's access log as JSON: no texts and no keys, only what a proxy sees.

Its fields are chosen in the gateway's configuration; read are the names of its default and of Envoy Gateway's.
"""

from collections.abc import Sequence

import msgspec

from detectors.logs.formats.faults import line_error
from detectors.logs.formats.reading import Reader, keys_of
from detectors.logs.formats.values import count, endpoint, moment, name, status
from watchdog.domain.queries import Query


class _Access(
    msgspec.Struct,
    gc=False,
    rename={
        "request_path": "request.path",
        "original_path": "x-envoy-origin-path",
        "user_agent": "user-agent",
        "request_id": "x-request-id",
        "forwarded_for": "x-forwarded-for",
        "request_model": "gen_ai.request.model",
        "response_model": "gen_ai.response.model",
        "input_tokens": "gen_ai.usage.input_tokens",
        "output_tokens": "gen_ai.usage.output_tokens",
    },
):
    start_time: str | None
    response_code: int | str | None = None
    method: str | None = None
    request_path: str | None = None
    original_path: str | None = None
    user_agent: str | None = None
    request_id: str | None = None
    forwarded_for: str | None = None
    downstream_remote_address: str | None = None
    request_model: str | None = None
    response_model: str | None = None
    input_tokens: int | float | str | None = None
    output_tokens: int | float | str | None = None


_READER = Reader(_Access, once=("start_time", "x-forwarded-for", "downstream_remote_address"))


class Envoy:
    """A proxy in front of models."""

    name = "envoy"
    fields = frozenset({"id", "address", "agent", "endpoint", "model", "status", "tokens_in", "tokens_out"})

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        return {"start_time", "response_code"} <= keys_of(line).keys()

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the request in one line. Raises LineError when it is none."""
        it = _READER.read(line)
        if it is None:
            return ()
        if it.start_time in (None, "-"):
            raise line_error("missing")
        return (
            Query(
                at=moment(it.start_time),
                id=name(it.request_id),
                address=_address(it),
                agent=name(it.user_agent),
                endpoint=endpoint(it.request_path or it.original_path, it.method),
                model=name(it.request_model) or name(it.response_model),
                status=status(it.response_code),
                tokens_in=count(it.input_tokens),
                tokens_out=count(it.output_tokens),
            ),
        )


def _address(it: _Access) -> str | None:
    """Return the address that the gateway saw: whatever stands before the last one forwarded, the client wrote."""
    seen = it.downstream_remote_address
    if seen not in (None, "-"):
        host, _, port = seen.rpartition(":")
        return name(host.strip("[]") if host and port.isdigit() else seen)
    return name((it.forwarded_for or "").rpartition(",")[2].strip())
