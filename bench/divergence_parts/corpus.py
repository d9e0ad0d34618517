"""Replies of engines, kept as JSON lines, so that an interrupted or repeated run generates only what is missing."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from divergence_parts.clock import now
from divergence_parts.deck import Conversation
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What one engine said."""

    question: str
    seed: int
    tokens: int
    """The most it was allowed."""
    text: str
    """Empty where the engine said nothing."""
    stopped: bool
    """Whether the model ended its turn by itself."""

    @property
    def key(self) -> tuple[str, int, int]:
        """The conversation it belongs to."""
        return self.question, self.seed, self.tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A reply and the conversation it answers: what a comparison takes."""

    conversation: Conversation
    reply: Reply

    @property
    def request(self) -> Request:
        """The conversation as it was sent."""
        return self.conversation.request

    def delivered(self, text: str | None = None, *, stopped: bool | None = None) -> Exchange:
        """Return the exchange as a channel delivers it; with another text where a wrapper changed it."""
        ended = self.reply.stopped if stopped is None else stopped
        return Exchange(
            channel=ChannelRole.DELIVERED,
            request=self.request,
            reply=self.reply.text if text is None else text,
            finish=FinishReason.STOP if ended else FinishReason.LENGTH,
            model="bench",
            asked_at=now(),
            seconds=0.0,
        )


Generate = Callable[[Sequence[Conversation]], Iterator[Reply]]
"""Answers conversations, in any order."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A folder with one file of replies for each engine."""

    folder: Path

    def said(self, engine: str, asked: Sequence[Conversation], generate: Callable[[], Generate]) -> list[Said]:
        """Return the engine's replies to the conversations, in their order; `generate` is opened if one is missing."""
        have = {reply.key: reply for reply in self._read(engine)}
        missing = [it for it in asked if it.key not in have]
        if missing:
            have.update((reply.key, reply) for reply in self._write(engine, generate()(missing)))
        return [Said(conversation=it, reply=have[it.key]) for it in asked if have[it.key].text.strip()]

    def count(self) -> int:
        """Return how many replies are kept."""
        return sum(1 for path in self.folder.glob("*.jsonl") for _ in path.open(encoding="utf-8"))

    def _read(self, engine: str) -> Iterator[Reply]:
        path = self._path(engine)
        if path.exists():
            with path.open(encoding="utf-8") as lines:
                # A line without its end was being written when an earlier run was stopped.
                yield from (Reply(**json.loads(line)) for line in lines if line.endswith("\n"))

    def _write(self, engine: str, replies: Iterable[Reply]) -> Iterator[Reply]:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(engine)
        if path.exists():
            whole = path.read_bytes()
            with path.open("r+b") as file:
                file.truncate(whole.rfind(b"\n") + 1)
        with path.open("a", encoding="utf-8") as lines:
            for reply in replies:
                lines.write(json.dumps(asdict(reply)) + "\n")
                lines.flush()
                yield reply

    def _path(self, engine: str) -> Path:
        return self.folder / f"{engine}.jsonl"
