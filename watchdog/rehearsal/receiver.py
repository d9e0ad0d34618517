"""A webhook receiver that keeps what it gets, and answers as it is told to."""

import asyncio
import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType

from fastapi import FastAPI, Request, Response

from watchdog.ports import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How to answer one message."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One message as it came in, and the status it was answered with."""

    at: datetime
    path: str
    headers: Mapping[str, str]
    """Names in lower case."""
    content: bytes
    """The body as sent, which is what a signature covers."""
    body: object
    """The body as JSON; None when it is not JSON."""
    status: int

    @property
    def id(self) -> str | None:
        """The `webhook-id`, which is the same over all attempts to hand one notice over."""
        return self.headers.get("webhook-id")


def _now() -> datetime:
    return datetime.now(UTC)


class Receiver:
    """Takes messages on every path of `app`; may be read from any thread while it does."""

    def __init__(self, clock: Clock = _now) -> None:
        self.app = FastAPI(openapi_url=None, title="webhook receiver")
        self.app.add_api_route("/{path:path}", self._receive, methods=["POST"])
        self._clock = clock
        self._answers: deque[Answer] = deque()
        self._received: list[Received] = []
        self._news = threading.Condition()

    @property
    def received(self) -> tuple[Received, ...]:
        """Every message, in the order in which they came in; each attempt counts."""
        with self._news:
            return tuple(self._received)

    @property
    def accepted(self) -> tuple[Received, ...]:
        """The messages answered with a 2xx status, once for each `webhook-id`."""
        first: dict[str, Received] = {}
        for place, message in enumerate(self.received):
            if 200 <= message.status < 300:
                first.setdefault(message.id or f"message {place}", message)
        return tuple(first.values())

    def answer_next(self, *answers: int | Answer) -> None:
        """Answer the next messages with these, one each; after them everything is accepted again."""
        with self._news:
            self._answers.extend(Answer(status=one) if isinstance(one, int) else one for one in answers)

    def wait_for(self, predicate: Callable[[Received], bool], timeout: float) -> Received:
        """Return the first message that the predicate holds for, as soon as it is there.

        Raises TimeoutError when none came within `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        seen = 0
        with self._news:
            while True:
                for message in self._received[seen:]:
                    if predicate(message):
                        return message
                seen = len(self._received)
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError(f"none of {seen} messages was the awaited one within {timeout:g} s")
                self._news.wait(left)

    async def _receive(self, request: Request) -> Response:
        content = await request.body()
        answer = self._keep(request, content)
        await asyncio.sleep(answer.delay_s)
        return Response(answer.text, status_code=answer.status, headers=dict(answer.headers))

    def _keep(self, request: Request, content: bytes) -> Answer:
        with self._news:
            answer = self._answers.popleft() if self._answers else Answer(status=204)
            message = Received(
                at=self._clock(),
                path=request.url.path,
                headers=MappingProxyType(dict(request.headers)),
                content=content,
                body=_json(content),
                status=answer.status,
            )
            self._received.append(message)
            self._news.notify_all()
        return answer


def _json(content: bytes) -> object:
    try:
        parsed: object = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return parsed
