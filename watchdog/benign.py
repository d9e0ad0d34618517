"""The bank of benign engines, measured: which gaps honest replies of the user's own model show, engine by engine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchdog.domain.banks import BenignBank, Engine, Variant, variant
from watchdog.domain.decisions import Compared
from watchdog.domain.exchanges import Message, Request, Speaker
from watchdog.domain.verdicts import Question
from watchdog.looking import side_check
from watchdog.ports import Comparator
from watchdog.targets import Side, Target

DELIVERED = Engine(name="the delivered channel", runs_on="unknown", precision="unknown", batch_size=0, libraries=())
"""Whatever runs behind it. Its replies stand beside the others: those are what the threshold is made of."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The gaps that one engine's replies showed."""

    engine: Engine
    gaps: tuple[float, ...]
    unmeasured: int = 0

    @property
    def variant(self) -> Variant:
        """What goes on the record."""
        return variant(self.engine, self.gaps, unmeasured=self.unmeasured)


@dataclass(frozen=True, slots=True)
class Engines:
    """What the engines of a target's own model showed; nothing where there are none, or none were asked."""

    heard: tuple[Heard, ...] = ()

    @property
    def gaps(self) -> tuple[float, ...]:
        """Of all of them together."""
        return tuple(gap for it in self.heard for gap in it.gaps)


def measure(
    target: Target, comparator: Comparator, questions: Sequence[Question], tick: Callable[[str], None]
) -> Engines:
    """Ask every engine of the scoring model every question; `tick` hears the engine's name after each reply."""
    engines = target.benign.get(target.yardstick)
    if engines is None or not questions:
        return Engines()
    requests = [_request(it, target.reply_tokens) for it in questions]
    # Each reply goes through the pipe of the delivered ones: allowed edits, search for the cut, the same scorer.
    pipe = Side(of=target.yardstick, under=target.yardstick, comparator=comparator)
    start = comparator.threshold(()).tau
    heard: list[Heard] = []
    for engine in engines.engines:
        gaps: list[float] = []
        for request, answer in zip(requests, engines.speak(engine, requests), strict=True):
            check = side_check(target, pipe, request, answer, start)
            gaps += [] if check.comparison is None else [check.comparison.gap]
            tick(engine.name)
        heard.append(Heard(engine, tuple(gaps), len(requests) - len(gaps)))
    return Engines(tuple(heard)) if any(it.gaps for it in heard) else Engines()


def delivered(compared: Sequence[Compared]) -> Heard:
    """Return what the delivered channel's own replies showed."""
    gaps = tuple(it.comparison.gap for it in compared if it.comparison is not None)
    return Heard(DELIVERED, gaps, sum(it.reason is not None for it in compared))


def bank_of(target: Target, comparator: Comparator, engines: Engines, last: Heard, at: datetime) -> BenignBank:
    """Return the bank with the delivered channel in it, and the threshold: made of our own engines where there are any.

    The delivered replies are what is held against the threshold next, so they have no part in it; unless they are all
    there is.
    """
    heard = (*engines.heard, last)
    return BenignBank(
        subject=target.name,
        model=comparator.digest,
        variants=tuple(it.variant for it in heard),
        counted=len(engines.heard) or 1,
        threshold=comparator.threshold(engines.gaps or last.gaps),
        measured_at=at,
    )


def left_out(comparator: Comparator, gaps: Sequence[float]) -> int:
    """Count the gaps above a threshold that is made of all others, so that none helps to excuse itself."""
    floor = comparator.threshold(()).tau
    return sum(gap > comparator.threshold([*gaps[:n], *gaps[n + 1 :]]).tau for n, gap in enumerate(gaps) if gap > floor)


def _request(question: Question, most: int) -> Request:
    return Request(messages=(Message(speaker=Speaker.USER, text=question.text),), max_tokens=most)
