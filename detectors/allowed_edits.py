"""Edits that the owner of a delivered channel has declared never count as edits; a change beside one still does.

`apply` does to a text what the declared edits do, so that our own samples can be shown beside what was delivered.
`Tolerant` goes the other way: it looks for a text that the direct model could have written and that the declared edits
turn into the delivered one, and hands that text to the comparison in place of the delivered one. So a mask passes only
where the model wanted to say something that the mask's pattern matches, a cut end only where the model had begun a
sentence it could not finish, and lost Markdown only where the model wanted a mark.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import assert_never

import rfc8785

from detectors.divergence.tokenisations import Reader
from detectors.undoing import SENTENCE_END, Undoing, Undone
from watchdog.config.edits import AllowedEdit, FooterEdit, MarkdownEdit, MaskEdit, TrimEdit
from watchdog.domain.banks import Threshold
from watchdog.domain.comparisons import Examined, Span
from watchdog.domain.exchanges import Exchange, Reason, Request
from watchdog.errors import ScoringError
from watchdog.ports import Comparator, Scorer

_PASSES = 4
"""Scoring calls for one reading: honest replies need one, rarely two or three, and edited ones are read many times."""
_LINE_MARKS = re.compile(r"^[ \t]*(?:(?:#{1,6}|[-*+•]|\d{1,3}[.)])[ \t]+|>[ \t]?|[-*_]{3,}[ \t]*$)+", re.MULTILINE)
_EMPHASIS = re.compile(r"[*`]|~~|__|(?<!\w)_|_(?!\w)")
_BLANK = re.compile(r"[ \t]*\n\s*")


def apply(edits: Sequence[AllowedEdit], text: str) -> str:
    """Return the text as the edits leave it.

    Which footer is added cannot be known from its pattern, so a footer is taken away instead: a text with and one
    without it become the same.
    """
    for edit in sorted(edits, key=lambda it: not isinstance(it, FooterEdit)):
        text = _applied(edit, text)
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerant:
    """Compares as `inner` does, after undoing allowed edits. Satisfies ports.Comparator."""

    inner: Comparator
    scorer: Scorer
    """The direct model, which says what may have stood where something was edited."""
    edits: tuple[AllowedEdit, ...]

    @property
    def digest(self) -> str:
        """Names the model that the comparisons are made against."""
        return self.inner.digest

    def threshold(self, gaps: Sequence[float]) -> Threshold:
        """Return the threshold of the comparison inside."""
        return self.inner.threshold(gaps)

    def compare(self, request: Request, delivered: Exchange, *, tau: float) -> Examined:
        """Return the comparison of the reply before its allowed edits; its spans are places in the delivered reply.

        Raises ScoringError when the reply could not be scored.
        """
        examined = self._compare(request, delivered, tau)
        if examined.scoring is None:
            return examined
        return replace(examined, scoring=replace(examined.scoring, allowed_edits=_digest(self.edits)))

    def _compare(self, request: Request, delivered: Exchange, tau: float) -> Examined:
        undone = self._undone(request, delivered, tau)
        if undone is None:
            return self._as_it_is(request, delivered, tau)
        before = replace(delivered, reply=undone.text, finish=undone.finish)
        examined = self.inner.compare(request, before, tau=tau)
        comparison = examined.comparison
        if not comparison.flagged and not self._allowed(undone.text, delivered.reply):
            return self.inner.compare(request, delivered, tau=tau)
        spans = tuple(_shown(span, undone, delivered.reply) for span in comparison.spans)
        return replace(examined, comparison=replace(comparison, spans=spans))

    def _as_it_is(self, request: Request, delivered: Exchange, tau: float) -> Examined:
        try:
            return self.inner.compare(request, delivered, tau=tau)
        except ScoringError as exc:
            if exc.reason is not Reason.UNSPELLABLE:
                raise
            # A text without tokens cannot be undone: a declared footer may be what the model cannot spell.
            raise ScoringError(exc.problem, hint=exc.hint, reason=Reason.UNSCORABLE) from exc

    def _undone(self, request: Request, delivered: Exchange, tau: float) -> Undone | None:
        """Return the reply before its allowed edits; None when there is nothing to undo."""
        reader = Reader(scorer=self.scorer, messages=request.messages, tau=tau, passes=_PASSES, width=4)
        undoing = Undoing(reader=reader, edits=self.edits, most_tokens=request.max_tokens)
        whole = Undone(text=delivered.reply, finish=delivered.finish)
        reading = undoing.read(whole)
        if reading is None or reading.excess is None:
            return None
        found = undoing.undo(replace(whole, text=_without_footer(self.edits, delivered.reply)))
        return None if (found.text, found.finish) == (whole.text, whole.finish) else found

    def _allowed(self, original: str, delivered: str) -> bool:
        """Say whether the edits make the delivered reply of the original one."""
        edited = apply(self.edits, original).rstrip()
        return edited in (_without_footer(self.edits, delivered).rstrip(), apply(self.edits, delivered).rstrip())


def _applied(edit: AllowedEdit, text: str) -> str:
    match edit:
        case MaskEdit():
            return edit.pattern.sub(lambda _: edit.replacement, text)
        case FooterEdit():
            ends = (it.start() for it in edit.pattern.finditer(text) if it[0] and not text[it.end() :].strip())
            start = next(ends, None)
            return text if start is None else text[:start].rstrip()
        case TrimEdit():
            text = text.rstrip()
            last = max((it.end() for it in SENTENCE_END.finditer(text)), default=len(text))
            return text[:last]
        case MarkdownEdit():
            return _BLANK.sub("\n", _EMPHASIS.sub("", _LINE_MARKS.sub("", text))).strip()
        case _:
            assert_never(edit)


def _digest(edits: Sequence[AllowedEdit]) -> str:
    """Name the declared edits by their settings."""
    settings = [edit.model_dump(mode="json") for edit in edits]
    return hashlib.sha256(rfc8785.dumps(settings)).hexdigest()


def _without_footer(edits: Sequence[AllowedEdit], text: str) -> str:
    return apply([it for it in edits if isinstance(it, FooterEdit)], text)


def _shown(span: Span, undone: Undone, delivered: str) -> Span:
    start, end = undone.delivered_at(span.start), undone.delivered_at(span.end)
    return replace(span, start=start, end=max(start, end), delivered=delivered[start:end])
