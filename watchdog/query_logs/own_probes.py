"""Our own probes, where a log of the delivered channel is read: each has to appear there, once, as it was sent.

What is sent is noted before it leaves, so that its line is known however soon it comes. Nothing of this is written
anywhere but into the ledger: neither the API nor the log can tell a probe from a customer's request.
"""

import json
import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from difflib import SequenceMatcher
from enum import StrEnum

from watchdog.domain.exchanges import Request, Speaker
from watchdog.domain.queries import Query
from watchdog.errors import LedgerError

WITHIN = timedelta(minutes=10)
"""For how long a probe may take to appear in the log."""
PREFIX = "own/"
"""How the keys of this state begin."""

_VERSION = 1
_ERROR = 400
_ALIKE = 0.6
_MOST_STRANGE = 200
_MOST_SENT = 5_000
_LONGEST = 4_000
"""Characters that are compared; of a longer prompt, what reads the log may have kept the beginning and the end."""
_EARLY_S = 120.0
"""How far the log's clock may be behind ours."""


class Fate(StrEnum):
    """What is wrong with a probe in the log."""

    MISSING = "missing"
    CHANGED = "changed"
    DOUBLED = "doubled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One request of ours."""

    id: str
    prompt: str
    """The beginning of the user's last turn, which is what logs tell of a request."""
    at: float
    answered: bool = False
    """Whether a reply came: without one nobody knows whether it has to appear."""
    seen: int = 0
    """How often it appeared and was answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """A probe that is not in the log as it was sent."""

    fate: Fate
    sent_at: datetime


class OwnProbes:
    """Knows what was sent to one target, and looks for it in the log. Any thread may note what it sends."""

    def __init__(self, *, within: timedelta = WITHIN) -> None:
        self.within = within
        self._within = within.total_seconds()
        self._lock = threading.Lock()
        self._sent: dict[str, Sent] = {}
        self._changed: set[str] = set()
        self._clients: set[str] = set()
        self.sees_prompts = False
        """Whether any request in the log had a prompt; without prompts none can be known again."""
        self._strange: deque[tuple[float, str]] = deque(maxlen=_MOST_STRANGE)

    def sending(self, request: Request, at: datetime) -> str:
        """Note a request that is about to leave; the id is for `answered`."""
        prompt = next((it.text for it in reversed(request.messages) if it.speaker is Speaker.USER), "")
        sent = Sent(id=str(uuid.uuid4()), prompt=_beginning(prompt), at=at.timestamp())
        with self._lock:
            if len(self._sent) >= _MOST_SENT:
                self._drop(next(iter(self._sent)))
            self._put(sent)
        return sent.id

    def answered(self, id_: str) -> None:
        """Note that a reply came from the model: the request has to appear in the log."""
        with self._lock:
            if id_ in self._sent:
                self._put(replace(self._sent[id_], answered=True))

    def excuse(self) -> None:
        """Take note that the log may be read from after what was sent so far: that may appear, and need not."""
        with self._lock:
            for it in [it for it in self._sent.values() if it.answered]:
                self._put(replace(it, answered=False))

    def take(self, queries: Sequence[Query]) -> list[Query]:
        """Return the requests that are not ours."""
        with self._lock:
            self.sees_prompts = self.sees_prompts or any(it.prompt for it in queries)
            if not self._sent and not self._clients:
                return list(queries)
            waiting: dict[str, list[str]] = {}
            for it in self._sent.values():
                waiting.setdefault(it.prompt, []).append(it.id)
            return [it for it in queries if not self._is_ours(it, waiting)]

    def settle(self, newest: datetime | None, now: datetime) -> list[Wrong]:
        """Return what is wrong with the probes whose time is over, by our clock and by the log's; forget them."""
        if newest is None:
            return []
        over = min(newest, now).timestamp() - self._within
        with self._lock:
            done = [it for it in self._sent.values() if it.at <= over]
            for it in done:
                self._drop(it.id)
            found = [(self._fate(it), it) for it in done] if self.sees_prompts else []
        return [Wrong(fate=fate, sent_at=datetime.fromtimestamp(it.at, UTC)) for fate, it in found if fate is not None]

    def waits_since(self) -> datetime | None:
        """Return when the oldest answered probe was sent that has not appeared yet."""
        with self._lock:
            waiting = [it.at for it in self._sent.values() if it.answered and not it.seen]
        return datetime.fromtimestamp(min(waiting), UTC) if waiting else None

    def changed(self) -> dict[str, bytes | None]:
        """Return what changed since the last `committed`, as `ClientWatch.changed` does."""
        with self._lock:
            known = {PREFIX + it: self._sent.get(it) for it in self._changed}
            return {key: None if it is None else _packed(it) for key, it in known.items()}

    def committed(self, keys: Mapping[str, bytes | None]) -> None:
        """Take what `changed` returned as being in the ledger; what changed again since then stays to be kept."""
        with self._lock:
            for key, body in keys.items():
                id_ = key.removeprefix(PREFIX)
                now = self._sent.get(id_)
                if body == (None if now is None else _packed(now)):
                    self._changed.discard(id_)

    def restore(self, state: Mapping[str, bytes]) -> None:
        """Take up what was sent and not settled yet, where the log is read on from what this state was kept with.

        What was seen after that will be read again; that a reply came is known no less. Raises LedgerError when another
        version wrote it.
        """
        kept = {it.id: it for key, body in state.items() if key.startswith(PREFIX) for it in [_unpacked(body)]}
        with self._lock:
            before = self._sent
            self._sent = kept | {id_: replace(it, seen=0) for id_, it in before.items() if id_ not in kept}
            for id_ in kept.keys() & before.keys():
                self._sent[id_] = replace(kept[id_], answered=kept[id_].answered or before[id_].answered)

    def _is_ours(self, query: Query, waiting: Mapping[str, Sequence[str]]) -> bool:
        near = [
            self._sent[id_]
            for id_ in waiting.get(_beginning(query.prompt or ""), ())
            if self._sent[id_].at - _EARLY_S <= query.at <= self._sent[id_].at + self._within
        ]
        if not near:
            if query.client in self._clients and query.prompt:
                self._strange.append((query.at, query.prompt))
            return False
        if self._clients and query.client not in self._clients and all(it.seen for it in near):
            return False  # somebody else who asks the same
        if query.client is not None:
            self._clients.add(query.client)
        if query.status is None or query.status < _ERROR:
            sent = min(near, key=lambda it: (it.seen, it.at))
            self._put(replace(sent, seen=sent.seen + 1))
        return True

    def _fate(self, it: Sent) -> Fate | None:
        if it.seen > 1:
            return Fate.DOUBLED
        if it.seen or not it.answered:
            return None
        near = (text for at, text in self._strange if it.at - _EARLY_S <= at <= it.at + self._within)
        return Fate.CHANGED if any(_alike(it.prompt, text) for text in near) else Fate.MISSING

    def _put(self, it: Sent) -> None:
        self._sent[it.id] = it
        self._changed.add(it.id)

    def _drop(self, id_: str) -> None:
        del self._sent[id_]
        self._changed.add(id_)


def _beginning(text: str) -> str:
    return text.strip()[:_LONGEST]


def _alike(sent: str, read: str) -> bool:
    matcher = SequenceMatcher(None, sent[:1000], read[:1000], autojunk=False)
    return matcher.real_quick_ratio() >= _ALIKE and matcher.ratio() >= _ALIKE


def _packed(it: Sent) -> bytes:
    return json.dumps({"v": _VERSION, **asdict(it)}, separators=(",", ":")).encode()


def _unpacked(body: bytes) -> Sent:
    row = json.loads(body)
    if row.pop("v") != _VERSION:
        raise LedgerError(
            "what was sent before this start cannot be read", hint="use the version of the program that wrote it"
        )
    return Sent(**row)
