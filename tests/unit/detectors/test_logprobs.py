"""Log probabilities of a channel beside those of the direct model."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.divergence.gap import GapTest
from detectors.divergence.logprobs import LogprobTest
from probes.channels.scripted import ScriptedModelChannel
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Exchange, Message, Reason, Request, SaidToken, Speaker, Unsaid
from watchdog.domain.logprobs import LogprobComparison, LogprobScoring
from watchdog.errors import ScoringError
from watchdog.ports import Scorer, TokenScores

DIRECT = ScriptedModel(seed=3)
SCORER = ScriptedScorer(DIRECT)
TEST = LogprobTest(scorer=SCORER)


def ask(model: ScriptedModel, text: str = "What should I weigh before I sign?") -> Exchange:
    messages = (Message(speaker=Speaker.USER, text=text),)
    channel = ScriptedModelChannel(model, ChannelRole.DELIVERED, lambda: NOW)
    return channel.ask(Request(messages=messages, max_tokens=48, logprobs=True))


def examine(delivered: Exchange, tau: float | None = 0.5, test: LogprobTest = TEST) -> LogprobComparison:
    return test.examine(delivered.request, delivered, None, tau=tau).comparison


def said(it: Exchange) -> tuple[SaidToken, ...]:
    assert isinstance(it.tokens_said, tuple)
    return it.tokens_said


@dataclass(frozen=True)
class Counting:
    """A scorer that counts how often it is asked, and may answer badly."""

    inner: Scorer = SCORER
    asked: list[int] = field(default_factory=list)
    error: ScoringError | None = None
    worse: dict[str, object] = field(default_factory=dict)

    @property
    def digest(self) -> str:
        return self.inner.digest

    @property
    def vocabulary(self) -> Sequence[bytes]:
        return self.inner.vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        return self.inner.encode(text)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        self.asked.append(len(replies))
        if self.error is not None:
            raise self.error
        return [replace(it, **self.worse) for it in self.inner.score(messages, replies)]  # type: ignore[arg-type]


def test_the_same_model_on_the_same_engine_says_the_same_numbers() -> None:
    found = examine(ask(DIRECT))
    assert (found.unsaid, found.reason, found.spelled, found.flagged) == (None, None, True, False)
    assert found.largest == pytest.approx(0)
    assert found.tokens > 20


def test_another_engine_is_a_little_off_and_another_model_far() -> None:
    noisy, other = examine(ask(ScriptedModel(seed=3, noise=0.1))), examine(ask(ScriptedModel(seed=4)))
    assert noisy.distance is not None
    assert 0 < noisy.distance < 0.5
    assert not noisy.flagged
    assert other.flagged
    assert other.spelled


def test_numbers_that_are_0_everywhere_are_of_another_distribution_and_give_no_threshold() -> None:
    replies = [ask(DIRECT, text) for text in ("Why?", "What should I eat?", "Is it safe to swim?")]
    zeros = [replace(it, tokens_said=tuple(replace(token, logprob=0.0) for token in said(it))) for it in replies]
    distances = [examine(it).distance for it in zeros]
    assert TEST.threshold([it for it in distances if it is not None]) is None


def test_an_edited_text_parts_from_its_tokens_whose_numbers_still_agree() -> None:
    honest = ask(DIRECT)
    edited = replace(honest, reply=honest.reply.replace(" ", " really ", 1))
    found = examine(edited)
    assert found.spelled is False
    assert found.parting is not None
    assert found.parting.delivered.startswith("really")
    assert not found.flagged


def test_a_word_that_was_forged_into_the_list_is_one_the_direct_model_does_not_expect() -> None:
    honest = ask(DIRECT)
    place, word = 5, next(it for it in SCORER.vocabulary if it.startswith(b" ") and len(it) > 4)
    forged = (*said(honest)[:place], replace(said(honest)[place], text=word), *said(honest)[place + 1 :])
    found = examine(replace(honest, reply=b"".join(it.text for it in forged).decode(), tokens_said=forged))
    assert found.spelled
    assert found.flagged
    assert found.largest is not None
    assert found.largest > 3


def test_a_list_that_was_forged_by_asking_the_model_is_not_seen() -> None:
    honest = ask(DIRECT)
    word = next(it for it in SCORER.vocabulary if it.startswith(b" ") and len(it) > 4)
    ids = tuple(SCORER.vocabulary.index(it.text) for it in said(honest))
    edited = (*ids[:5], SCORER.vocabulary.index(word), *ids[6:])
    [scores] = SCORER.score(honest.request.messages, [edited])
    forged = tuple(
        SaidToken(text=SCORER.vocabulary[token], logprob=float(logprob))
        for token, logprob in zip(edited, scores.logprob, strict=True)
    )
    found = examine(replace(honest, reply=b"".join(it.text for it in forged).decode(), tokens_said=forged))
    assert (found.spelled, found.flagged) == (True, False)


@pytest.mark.parametrize("kept", [0, 1, 5])
def test_a_token_that_the_direct_model_does_not_have_is_one_it_cannot_have_written(kept: int) -> None:
    honest = ask(DIRECT)
    listed = said(honest)
    rest = SaidToken(text=b"".join(it.text for it in listed[kept:]), logprob=-1.0)
    found = examine(replace(honest, tokens_said=(*listed[:kept], rest)))
    assert (found.reason, found.spelled, found.flagged) == (None, True, True)
    assert found.distance is not None
    assert found.distance > 900


def test_a_character_that_the_list_lost_makes_its_numbers_unscorable_and_is_no_accusation() -> None:
    honest = ask(DIRECT)
    lost = (*said(honest)[:3], SaidToken(text="\ufffd".encode(), logprob=-1.0))
    found = examine(replace(honest, tokens_said=lost))
    assert (found.reason, found.largest) == (Reason.UNSCORABLE, None)


@pytest.mark.parametrize("why", [it for it in Unsaid if it is not Unsaid.NOT_ASKED])
def test_a_list_that_cannot_be_used_is_named(why: Unsaid) -> None:
    found = examine(replace(ask(DIRECT), tokens_said=why))
    assert (found.unsaid, found.spelled, found.largest, found.weighable) == (why, None, None, False)


def test_lists_of_stored_replies_and_of_hidden_reasoning_are_not_held_against_anything() -> None:
    edited = replace(ask(DIRECT), reply="Something else.")
    for changes, why in ((("cached",), Reason.CACHED), (("hidden_reasoning",), Reason.HIDDEN_REASONING)):
        found = examine(replace(edited, **dict.fromkeys(changes, True)))
        assert (found.reason, found.spelled) == (why, None)


def test_a_reply_at_another_temperature_is_held_against_its_list_all_the_same() -> None:
    found = examine(replace(ask(DIRECT), temperature_honoured=False))
    assert (found.spelled, found.weighable, found.flagged) == (True, True, False)


def test_what_was_scored_for_the_comparison_is_not_scored_again() -> None:
    scorer = Counting()
    delivered = ask(DIRECT)
    compared = GapTest(scorer=scorer).compare(delivered.request, delivered, tau=0.5)
    before = len(scorer.asked)
    test = LogprobTest(scorer=scorer)
    again = test.examine(delivered.request, delivered, compared, tau=0.5).comparison
    assert len(scorer.asked) == before
    assert again == examine(delivered)


@pytest.mark.parametrize("reason", [Reason.TOO_LONG, Reason.SERVER_ERROR])
def test_a_scorer_that_fails_is_a_named_reason(reason: Reason) -> None:
    scorer = Counting(error=ScoringError("no", hint="none", reason=reason))
    found = examine(ask(DIRECT), test=LogprobTest(scorer=scorer))
    assert (found.reason, found.spelled) == (reason, True)


def test_scores_that_are_not_finite_or_not_of_the_whole_conversation_are_not_used() -> None:
    delivered = ask(DIRECT)
    nan = Counting(worse={"logprob": np.full(len(said(delivered)), np.nan)})
    cut = Counting(worse={"windowed_from": 3})
    assert examine(delivered, test=LogprobTest(scorer=nan)).reason is Reason.UNSCORABLE
    assert examine(delivered, test=LogprobTest(scorer=cut)).reason is Reason.TOO_LONG


def test_a_threshold_is_half_as_much_again_as_what_was_benign_within_limits() -> None:
    assert TEST.threshold([]) is None
    assert TEST.threshold([0.01, 0.2]) == 0.5
    assert TEST.threshold([0.1, 0.8]) == pytest.approx(1.2)
    assert TEST.threshold([0.1, 1.4]) is None


def test_without_a_threshold_nothing_is_flagged_and_nothing_weighed() -> None:
    found = examine(ask(ScriptedModel(seed=4)), tau=None)
    assert (found.flagged, found.weighable) == (False, False)
    assert found.largest is not None


@given(st.lists(st.tuples(st.floats(-30, 0), st.floats(-30, 0)), min_size=1, max_size=40))
def test_a_distance_is_never_below_the_largest_difference_and_grows_with_the_mean(
    pairs: list[tuple[float, float]],
) -> None:
    tokens = tuple(SaidToken(text=b"x", logprob=one) for one, _ in pairs)
    it = LogprobScoring(said=tokens, direct=tuple(other for _, other in pairs))
    assert it.distance is not None
    assert it.largest is not None
    assert it.mean is not None
    assert it.distance >= it.largest
    assert it.distance <= max(it.largest, 10 * it.mean) * (1 + 1e-9)
