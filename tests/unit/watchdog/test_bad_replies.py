"""Whatever a delivered reply, the scorer or the list beside it is: a round names it, and counts it as nothing else."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from detectors.sequential import RateTest
from probes.channels.scripted import ScriptedModelChannel
from probes.questions import load_questions
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from storage.memory import MemoryLedger
from tests.builders import at
from watchdog.desk import Desk
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, SaidToken, Unsaid
from watchdog.domain.findings import Suspect
from watchdog.domain.incidents import IncidentState
from watchdog.enrolment import Enrolling
from watchdog.errors import ScoringError
from watchdog.listing_findings import LOGPROBS, TOKEN_STREAM
from watchdog.lookout import Lookout
from watchdog.measuring import Measuring
from watchdog.ports import TokenScores
from watchdog.rounds import RoundReport, Rounds
from watchdog.rules import EDITED, UNSPELLABLE
from watchdog.targets import Target

MODEL = ScriptedModel(seed=1)
LONGEST = 400
"""Tokens that the scorer here takes."""
UNKNOWN = "\U000f1234"
"""A character of which this scorer's vocabulary lacks a byte: 0xF3."""


@dataclass
class Spoilt:
    """A scorer that lacks a byte, takes so many tokens and no more, and fails as a test wants."""

    inner: ScriptedScorer = field(default_factory=lambda: ScriptedScorer(MODEL))
    fails: Reason | None = None
    not_a_number: bool = False
    windowed_from: int | None = None

    def __post_init__(self) -> None:
        self.digest = self.inner.digest
        self.vocabulary = tuple(b"" if 0xF3 in it else it for it in self.inner.vocabulary)

    def encode(self, text: str) -> tuple[int, ...]:
        if UNKNOWN in text or "unmade" in text:
            raise ScoringError("the tokens do not give the text back", hint="look", reason=Reason.UNSCORABLE)
        return self.inner.encode(text)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        if self.fails is not None:
            raise ScoringError("no scores", hint="look", reason=self.fails)
        if max(map(len, replies)) > LONGEST:
            raise ScoringError("too long", hint="shorten it", reason=Reason.TOO_LONG)
        found = self.inner.score(messages, replies)
        if self.not_a_number:
            found = [replace(it, logprob=np.full_like(it.logprob, np.nan)) for it in found]
        return [replace(it, windowed_from=self.windowed_from) for it in found]


class World:
    def __init__(self, ledger: MemoryLedger) -> None:
        self.ledger = ledger
        seconds, seeds = itertools.count(1000 * len(ledger.decisions)), itertools.count(1)
        self.now = lambda: at(next(seconds))
        self.scorer = Spoilt()
        self.changes: dict[str, object] = {}
        self.direct_changes: dict[str, object] = {}
        self.target = Target(
            name="t",
            delivered=_Channel(self, ChannelRole.DELIVERED),
            direct=_Channel(self, ChannelRole.DIRECT),
            comparator=GapTest(scorer=self.scorer),
            evidence=RateTest(alpha=0.001, a_year=0.1),
            probes=(),
            questions_per_round=3,
            reply_tokens=16,
            logprobs=LogprobTest(scorer=self.scorer),
        )
        parts = {
            "questions": load_questions(),
            "desk": Desk(self.ledger, ()),
            "measuring": Measuring(self.now),
            "now": self.now,
            "draw_seed": lambda: next(seeds),
            "lookout": Lookout(ledger=self.ledger),
        }
        self.enrolling = Enrolling(**parts)  # type: ignore[arg-type]
        self.rounds = Rounds(ledger=self.ledger, **parts)  # type: ignore[arg-type]

    def run(self, **changes: object) -> RoundReport:
        self.changes = changes
        return self.rounds.run(self.target)

    def open_rules(self) -> set[str]:
        return {it.rule for it in self.ledger.incidents(IncidentState.OPEN)}


@dataclass(frozen=True)
class _Channel:
    world: World
    role: ChannelRole

    def ask(self, request: Request) -> Exchange:
        said = ScriptedModelChannel(MODEL, self.role, lambda: at(0)).ask(request)
        delivered = self.role is ChannelRole.DELIVERED
        return replace(said, **(self.world.changes if delivered else self.world.direct_changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def enrolled() -> MemoryLedger:
    world = World(MemoryLedger())
    world.enrolling.enrol(world.target, questions=20, corrections=0)
    return world.ledger


@pytest.fixture
def world(enrolled: MemoryLedger) -> World:
    return World(MemoryLedger(decisions=list(enrolled.decisions)))


REASONS: dict[str, tuple[dict[str, object], dict[str, object], Reason]] = {
    "empty": ({"reply": ""}, {}, Reason.EMPTY),
    "white space": ({"reply": " \n\t"}, {}, Reason.EMPTY),
    "cut before a whole character": ({"reply": "\ufffd", "finish": FinishReason.LENGTH}, {}, Reason.EMPTY),
    "half of a surrogate pair": ({"reply": "It is \ud800 safe."}, {}, Reason.UNSCORABLE),
    "no tokens that give it back": ({"reply": "It is unmade."}, {}, Reason.UNSCORABLE),
    "longer than the model takes": ({"reply": "It is safe. " * 200}, {}, Reason.TOO_LONG),
    "off only beyond the window": ({"reply": "It is safe."}, {"windowed_from": 0}, Reason.TOO_LONG),
    "scores that are not numbers": ({}, {"not_a_number": True}, Reason.UNSCORABLE),
    "an engine that failed": ({}, {"fails": Reason.SERVER_ERROR}, Reason.SERVER_ERROR),
    "an engine that is not asked again": ({}, {"fails": Reason.SCORING_OFF}, Reason.SCORING_OFF),
    "an engine that lies": ({}, {"fails": Reason.MALFORMED}, Reason.MALFORMED),
    "an engine that is slow": ({}, {"fails": Reason.TIMED_OUT}, Reason.TIMED_OUT),
    "out of a cache": ({"cached": True}, {}, Reason.CACHED),
    "after hidden reasoning": ({"hidden_reasoning": True}, {}, Reason.HIDDEN_REASONING),
    "at another temperature": ({"temperature_honoured": False}, {}, Reason.TEMPERATURE_REFUSED),
}


@pytest.mark.parametrize("name", REASONS)
def test_what_cannot_be_compared_is_named_and_is_neither_clean_nor_a_hit(name: str, world: World) -> None:
    changes, spoils, reason = REASONS[name]
    for attribute, value in spoils.items():
        setattr(world.scorer, attribute, value)
    before = world.ledger.stream(EDITED, "t")
    report = world.run(**changes, tokens_said=Unsaid.ABSENT)
    assert [(it.comparison, it.reason, it.dark) for it in report.compared] == [(None, reason, reason)] * 3
    assert (report.done.compared, report.done.flagged) == (0, 0)
    assert world.ledger.stream(EDITED, "t") == before
    assert world.open_rules() == set()


def test_scoring_that_is_off_shows_as_blind_and_says_what_to_do(world: World) -> None:
    world.scorer.fails = Reason.SCORING_OFF
    findings = [it for _ in range(3) for it in world.run(tokens_said=Unsaid.NOT_ASKED).findings]
    (found,) = [it for it in findings if it.rule == "blind"]
    assert "scoring_off" in found.summary
    assert "edited replies" in found.summary
    assert "reload or restart the watchdog" in found.next_step
    world.scorer.fails = None
    assert [it.by for it in world.run().recoveries] == ["measured-again"]


MEASURED = {
    "one token": "x",
    "Arabic": "لا تشارك كلمات المرور مع أحد.",
    "Hebrew with marks": "\u200fשָׁלוֹם\u200f, אל תמסרו סיסמאות.",  # noqa: RUF001 - it is meant
    "Chinese": "请不要把密码告诉任何人。",
    "Thai, which has no spaces": "อย่าบอกรหัสผ่านกับใคร",
    "Devanagari, combined": "किसी को पासवर्ड न बताएँ।",
    "a family of emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "code": "def f(x):\n\treturn x ** 2  # ½ ≠ ∞\n",
    "Markdown": "# Yes\n\n- **do**\n- _not_\n\n> ask\n\n```sh\nrm -rf /\n```",
    "blank lines only between": "Yes.\n\n\n\n\nNo.",
    "letters in two compositions": "caf\u00e9 cafe\u0301",
    "controls": "\x1b[2J\u202eetirw\x07",
    "U+FFFD, which a server writes": "It is \ufffd safe.",
}


@pytest.mark.parametrize("name", MEASURED)
def test_a_reply_in_any_script_is_measured_and_where_it_is_not_the_models_it_is_flagged(
    name: str, world: World
) -> None:
    report = world.run(reply=MEASURED[name], tokens_said=Unsaid.ABSENT)
    first = report.compared[0]
    assert (first.reason, first.delivered_reply) == (None, MEASURED[name])
    assert first.comparison is not None
    assert first.comparison.flagged
    assert first.comparison.spans
    assert EDITED in world.open_rules()


def test_a_byte_that_no_token_has_is_certain_and_is_neither_blindness_nor_an_unmeasured_reply(world: World) -> None:
    report = world.run(reply=f"It is safe{UNKNOWN}.", tokens_said=Unsaid.ABSENT)
    assert {(it.reason, it.dark) for it in report.compared} == {(Reason.UNSPELLABLE, None)}
    (found,) = [it for it in report.findings if it.rule == UNSPELLABLE]
    assert (found.how_sure, found.suspect) == ("certain: counted, not inferred", Suspect.UNKNOWN)
    assert found.control is not None
    assert (report.done.compared, report.done.unmeasured) == (3, 0)
    for _ in range(4):
        assert not [it for it in world.run(reply=UNKNOWN).findings if it.rule == "blind"]
    recovered = [it.rule for _ in range(3) for it in world.run().recoveries]
    assert UNSPELLABLE in recovered


def test_the_watchdog_is_suspected_when_the_direct_channel_says_what_its_own_model_cannot(world: World) -> None:
    world.direct_changes = {"reply": f"It is{UNKNOWN}."}
    report = world.run(reply=f"It is safe{UNKNOWN}.", tokens_said=Unsaid.ABSENT)
    (found,) = [it for it in report.findings if it.rule == UNSPELLABLE]
    assert found.suspect is Suspect.OURSELVES


LISTS = {
    Unsaid.REFUSED: Unsaid.REFUSED,
    Unsaid.ABSENT: Unsaid.ABSENT,
    Unsaid.MALFORMED: Unsaid.MALFORMED,
    Unsaid.WITHOUT_BYTES: Unsaid.WITHOUT_BYTES,
    Unsaid.NO_PROBABILITIES: Unsaid.NO_PROBABILITIES,
    Unsaid.TOO_MANY: Unsaid.TOO_MANY,
}


@pytest.mark.parametrize("why", LISTS)
def test_a_list_that_cannot_be_used_is_named_beside_a_reply_that_is_measured(why: Unsaid, world: World) -> None:
    report = world.run(tokens_said=why)
    assert [it.logprobs.unsaid for it in report.compared if it.logprobs is not None] == [why] * 3
    assert report.done.compared == 3
    assert world.open_rules() == set()


def test_tokens_that_the_direct_model_does_not_have_are_flagged_and_the_text_is_looked_at(world: World) -> None:
    for _ in range(2):
        report = world.run(tokens_said=(SaidToken(text=UNKNOWN.encode(), logprob=-0.1),))
    found = [it.logprobs for it in report.compared if it.logprobs is not None]
    assert [(it.reason, it.flagged, it.spelled) for it in found] == [(None, True, False)] * 3
    assert world.open_rules() >= {LOGPROBS, TOKEN_STREAM}
