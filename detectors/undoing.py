"""Undo allowed edits of a delivered reply, where the direct model shows that there was something to undo.

The reply is read as the comparison reads it. At the first place that the model would not have written, the model is
asked what it wanted to say instead. If an allowed edit takes that away or covers it up, it is put back, and the
reading goes on from there; if not, the place stays as it is, and the comparison will flag it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from detectors.divergence.repair import furthest
from detectors.divergence.tokenisations import Draft, Reader, Reading
from watchdog.config.edits import AllowedEdit, MarkdownEdit, MaskEdit, TrimEdit
from watchdog.domain.exchanges import FinishReason
from watchdog.ports import TokenScores

SENTENCE_END = re.compile(r"""[。！？]|[.!?…]["'”’)\]*_`]*(?=\s|\Z)""")  # noqa: RUF001 - full-width marks are meant
"""Where a sentence ends; what comes after the last of these in a reply was not finished."""

_MARK = re.compile(r"[\s*_`~#>+•-]|(?:(?<=\n)|\A)\d{1,3}[.)](?=\s)")
_MOST_UNDONE = 24
_SETTLED = 16
"""Bytes of the delivered reply that the model must be ready to go on with before other options are left alone."""
_MOST_MASKED = 24
"""Tokens that a mask may stand for."""
_BEYOND_MASK = 12
"""Characters after what a mask's pattern matches from which on it will not match more."""
_MOST_MARKS = 8
"""Tokens that the model is followed at a mark."""
_WIDTH = 4
"""Ways to go on that are followed side by side where the model is undecided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """One edit that was undone, in characters."""

    start: int
    """In the text before the edits."""
    inserted: int
    removed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undone:
    """A reply before some of its edits."""

    text: str
    finish: FinishReason
    cuts: tuple[Cut, ...] = ()
    """From left to right."""

    def delivered_at(self, place: int) -> int:
        """Return where a place in this text lies in the delivered one."""
        ahead = 0
        for cut in self.cuts:
            if place <= cut.start:
                break
            if place < cut.start + cut.inserted:
                return cut.start - ahead
            ahead += cut.inserted - cut.removed
        return place - ahead

    def putting(self, text: str, *, at: int, removed: int, finish: FinishReason | None = None) -> "Undone":
        """Return this reply with a text put in, in place of some of its characters."""
        return Undone(
            text=self.text[:at] + text + self.text[at + removed :],
            finish=finish or self.finish,
            cuts=(*self.cuts, Cut(start=at, inserted=len(text), removed=removed)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """Undoes edits in replies to one request."""

    reader: Reader
    edits: tuple[AllowedEdit, ...]
    most_tokens: int
    """Upper limit of a reply."""

    def read(self, reply: Undone) -> Reading | None:
        """Return how the model reads a reply; None when it cannot, which is for the comparison to tell."""
        text = reply.text.rstrip("\ufffd")
        try:
            draft = Draft(text=text.encode(), ended=reply.finish is FinishReason.STOP)
        except UnicodeEncodeError:
            return None
        [readings] = self.reader.read([draft]) if text.strip() else [()]
        return furthest(readings) if readings else None

    def undo(self, reply: Undone) -> Undone:
        """Return the reply with every edit undone that the model gives a reason to undo."""
        reading = self.read(reply)
        for _ in range(_MOST_UNDONE):
            if reading is None or reading.excess is None:
                break
            better = self._undo_one(reply, reading)
            if better is None:
                break
            reply, reading = better
        return reply

    def _undo_one(self, reply: Undone, reading: Reading) -> tuple[Undone, Reading] | None:
        """Return the first option after which the model goes on as delivered, or else the one that goes furthest."""
        tried: set[Undone] = set()
        best: tuple[int, Undone, Reading] | None = None
        for option in self._options(reply, reading):
            read = None if option in tried else self.read(option)
            tried.add(option)
            if read is None:
                continue
            cut = option.cuts[-1]
            onward = read.reach - len(option.text[: cut.start + cut.inserted].encode())
            if read.excess is None or onward >= _SETTLED:
                return option, read
            if best is None or onward > best[0]:
                best = onward, option, read
        return None if best is None else best[1:]

    def _options(self, reply: Undone, reading: Reading) -> Iterator[Undone]:
        at = _characters(reply.text, reading.reach)
        for edit in self.edits:
            if isinstance(edit, MaskEdit):
                yield from self._unmasked(reply, reading, edit, at)
            elif isinstance(edit, MarkdownEdit):
                yield from self._marked(reply, reading, at)
            elif isinstance(edit, TrimEdit) and not reply.text[at:].strip() and reply.finish is FinishReason.STOP:
                yield from self._completed(reply, reading)

    def _unmasked(self, reply: Undone, reading: Reading, edit: MaskEdit, at: int) -> Iterator[Undone]:
        """Put back what the model wanted to say where the mask begins, as far as the mask covers it."""
        place = reply.text.find(edit.replacement, max(0, at - len(edit.replacement) + 1))
        if place < 0 or reply.text[at:place].strip():
            return
        row = min(_row(reading, len(reply.text[:place].encode())), _excess(reading))
        head = reply.text[: _characters(reply.text, reading.start(row))]

        def passed(said: str) -> bool:
            found = edit.pattern.match(head + said, place)
            return found is not None and found.end() + _BEYOND_MASK <= len(head + said)

        for said in self._said(reading, row, _MOST_MASKED, passed):
            whole = head + said.text
            masked = edit.pattern.match(whole, place) if whole.startswith(reply.text[:place]) else None
            if masked is not None and masked[0]:
                yield reply.putting(masked[0], at=place, removed=len(edit.replacement))

    def _marked(self, reply: Undone, reading: Reading, at: int) -> Iterator[Undone]:
        """Put back the marks that the model wanted, in place of what stands there instead."""
        for said in self._said(reading, _excess(reading), _MOST_MARKS):
            if said.ended or said.tokens == _MOST_MARKS:
                marked, removed = _with_marks(reply.text[:at], said.text, reply.text[at:])
                if marked != reply.text[at : at + removed]:
                    yield reply.putting(marked, at=at, removed=removed)

    def _completed(self, reply: Undone, reading: Reading) -> Iterator[Undone]:
        """Put back the sentence that the model could not finish before the limit of a reply, or did not finish."""
        row = _excess(reading)
        limit = self.most_tokens - row
        for said in self._said(reading, row, limit, lambda text: bool(SENTENCE_END.search(text[:-1]))):
            if (said.ended or said.tokens == limit) and not SENTENCE_END.search(said.text):
                finish = FinishReason.STOP if said.ended else FinishReason.LENGTH
                yield reply.putting(said.text, at=len(reply.text), removed=0, finish=finish)

    def _said(
        self, reading: Reading, row: int, limit: int, passed: Callable[[str], bool] = lambda _: False
    ) -> Iterator["_Said"]:
        """Yield what the model may say from a row on, token by token; what has `passed` is not followed further."""
        scorer, messages = self.reader.scorer, self.reader.messages
        beams: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for count in range(limit):
            scores = scorer.score(messages, [(*reading.ids[:row], *ids) for _, ids in beams])
            longer: list[tuple[float, tuple[int, ...]]] = []
            for (cost, ids), scored in zip(beams, scores, strict=True):
                if _may_end(scored, self.reader.tau):
                    yield _Said(text=self._text(ids), tokens=count, ended=True)
                longer += [(cost + gap, (*ids, token)) for token, gap in self._near(scored)]
            beams = [it for it in sorted(longer)[:_WIDTH] if not passed(self._text(it[1]))]
            if not beams:
                return
            yield from (_Said(text=self._text(ids), tokens=count + 1, ended=False) for _, ids in beams)

    def _near(self, scored: TokenScores) -> Iterator[tuple[int, float]]:
        top = scored.top_logprob[-1]
        highest = max(float(top[0]), float(scored.end_logprob[-1]))
        for token, logprob in zip(scored.top_ids[-1], top, strict=True):
            gap = highest - float(logprob)
            if gap <= self.reader.tau and self.reader.scorer.vocabulary[int(token)]:
                yield int(token), gap

    def _text(self, ids: Sequence[int]) -> str:
        return b"".join(self.reader.scorer.vocabulary[token] for token in ids).decode(errors="ignore")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    text: str
    tokens: int
    ended: bool
    """Whether the model may end its turn there."""


def _with_marks(head: str, said: str, rest: str) -> tuple[str, int]:
    """Follow what the model says along the rest of a reply, and take in the marks that the rest has lost.

    Returns the marked text, and how many characters of the rest it stands for.
    """
    said_at = rest_at = 0
    while said_at < len(said):
        mark = _MARK.match(head[-1:] + said, said_at + len(head[-1:]))
        if rest_at < len(rest) and said[said_at] == rest[rest_at]:
            said_at, rest_at = said_at + 1, rest_at + 1
        elif mark is not None:
            said_at += len(mark[0])
        elif rest_at < len(rest) and _MARK.match(rest, rest_at):
            rest_at += 1
        else:
            break
    return said[:said_at], rest_at


def _may_end(scored: TokenScores, tau: float) -> bool:
    return max(float(scored.top_logprob[-1, 0]), float(scored.end_logprob[-1])) - float(scored.end_logprob[-1]) <= tau


def _excess(reading: Reading) -> int:
    return len(reading.ids) if reading.excess is None else reading.excess


def _row(reading: Reading, byte: int) -> int:
    """Return the row of the token that holds a byte, or begins at it."""
    return sum(end <= byte for end in reading.ends)


def _characters(text: str, size: int) -> int:
    return len(text.encode()[:size].decode(errors="ignore"))
