"""A line to whatever scores elsewhere: one request at a time, kept away from when asked, and cut after a crash."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pydantic import JsonValue

from probes.channels import courtesy
from probes.channels.codec import Failure
from probes.channels.refusals import refused
from probes.channels.transport import Answer, Transport
from watchdog.domain.exchanges import Reason
from watchdog.errors import ScoringError
from watchdog.ports import Clock

_AGAIN = "reload or restart the watchdog to try again"


@dataclass(slots=True)
class Gate:
    """What everybody who scores on the same engine shares."""

    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held while a request is under way."""
    broken: str = ""
    """How the engine answered when it failed; empty while it has not."""


class Line:
    """Sends to one engine and returns the bodies of its answers; raises ScoringError for everything else.

    The first answer that says the engine failed, or a connection that breaks off, ends it: scores of a prompt can
    take an engine's last memory, and whoever lets it start again should not see it taken down again by a watchdog.
    """

    def __init__(self, transport: Transport, path: str, clock: Clock, gate: Gate) -> None:
        self._transport = transport
        self._path = path
        self._clock = clock
        self._gate = gate
        self._quiet_until: datetime | None = None

    def post(self, payload: Mapping[str, JsonValue]) -> bytes:
        """Return the body of the answer.

        Raises ScoringError with a named reason when there is none that could be read.
        """
        with self._gate.turn:
            if self._gate.broken:
                what = f"is off, because the engine {self._gate.broken} when it was last asked for scores"
                raise self.fault(Failure(what, Reason.SCORING_OFF, f"look at the engine's own log; {_AGAIN}"))
            answer = self._once(payload)
        if isinstance(answer, Failure):
            raise self.fault(answer)
        return answer

    def fault(self, failure: Failure) -> ScoringError:
        """Return the error that a failure is."""
        return ScoringError(
            f"scoring at {self._transport.host} {failure.what}", hint=failure.hint, reason=failure.reason
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def _once(self, payload: Mapping[str, JsonValue]) -> bytes | Failure:
        now = self._clock()
        if self._quiet_until is not None and timedelta(0) < self._quiet_until - now <= courtesy.LONGEST_WAIT:
            what = f"asked us to wait until {self._quiet_until:%H:%M:%S} UTC, so nothing was sent"
            return Failure(what, Reason.RATE_LIMITED, "wait; or ask for fewer scores")
        answer = self._transport.post(payload)
        if isinstance(answer, Answer):
            self._quiet_until = courtesy.quiet_until(answer.status, answer.headers, self._clock())
            if 200 <= answer.status < 300:
                return answer.body
            answer = refused(answer.status, answer.body, self._path)
        if answer.reason in {Reason.SERVER_ERROR, Reason.MALFORMED}:
            self._gate.broken = answer.what
        return answer


_GATES: dict[str, Gate] = {}


def gate_of(engine: str) -> Gate:
    """Return the gate of an engine, by its address; asking for it opens it again, as a start or a reload does."""
    gate = _GATES.setdefault(engine, Gate())
    gate.broken = ""
    return gate
