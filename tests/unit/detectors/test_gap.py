from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from detectors.divergence.gap import GapTest
from tests.builders import exchange, request
from tests.unit.detectors.parrot import Parrot
from watchdog.domain.banks import Limit
from watchdog.domain.comparisons import Comparison
from watchdog.domain.exchanges import FinishReason, Reason
from watchdog.errors import ScoringError

TAU = 0.5
SAFE = ("It", " is", " safe", ".", "\n", "\n", "Use", " it", ".")


def compare(model: Parrot, reply: str, finish: FinishReason = FinishReason.STOP, **bounds: int) -> Comparison:
    return GapTest(scorer=model, **bounds).compare(request(), exchange(reply, finish), tau=TAU).comparison


def test_the_models_own_reply_has_no_gap_and_takes_one_pass() -> None:
    model = Parrot((("It", " is", " safe", "."),))
    comparison = compare(model, "It is safe.")
    assert (comparison.gap, comparison.tokens, comparison.spans) == (0.0, 4, ())
    assert model.calls == [1]


def test_a_token_next_to_the_first_choice_is_noise() -> None:
    model = Parrot((("It", " is", " safe", "."),), rivals={" safe": (" fine", 0.3)})
    comparison = compare(model, "It is fine", FinishReason.LENGTH)
    assert comparison.gap == pytest.approx(0.3)
    assert not comparison.flagged


def test_a_blank_line_written_as_two_tokens_is_not_an_edit() -> None:
    model = Parrot((SAFE,), more=("\n\n",))
    assert compare(model, "".join(SAFE), passes=1).flagged
    assert not compare(model, "".join(SAFE)).flagged


def test_a_word_in_pieces_is_not_an_edit() -> None:
    model = Parrot((("He", " bro", "ke", " it", "."),), more=(" broke", " brok"))
    assert not compare(model, "He broke it.").flagged


def test_a_cut_inside_a_character_is_followed() -> None:
    model = Parrot(((b"It costs", b" \xe2", b"\x82", b"\xac", b"."),), more=(" \u20ac",))
    assert len(model.encode("It costs \u20ac.")) == 3
    assert not compare(model, "It costs \u20ac.").flagged


def test_an_edited_word_is_flagged_at_its_gap() -> None:
    comparison = compare(Parrot((SAFE,), more=(" risky",)), "It is risky.\n\nUse it.")
    assert comparison.flagged
    assert comparison.gap == pytest.approx(12.0)


def test_a_reply_that_ends_too_early_is_flagged_only_when_the_channel_says_it_ended_by_itself() -> None:
    model = Parrot((SAFE,))
    assert compare(model, "It is safe", FinishReason.STOP).flagged
    assert not compare(model, "It is safe", FinishReason.LENGTH).flagged


@pytest.mark.parametrize("text", [("\n", "It", "."), (" It", "."), ("It", ".", "\n", " "), ("It", ".\n\n")])
@pytest.mark.parametrize("finish", [FinishReason.STOP, FinishReason.LENGTH])
def test_white_space_that_a_server_trims_is_not_an_edit(text: tuple[str, ...], finish: FinishReason) -> None:
    assert not compare(Parrot((text,), more=("It",)), "It.", finish).flagged


def test_a_character_that_was_cut_off_with_the_reply_is_not_an_edit() -> None:
    model = Parrot((("It", " is"),), more=(" is",))
    assert not compare(model, "It is\ufffd", FinishReason.LENGTH).flagged


@pytest.mark.parametrize("reply", ["It is \ufffd safe.", "It was safe.\ufffd", "\ufffd"])
def test_half_a_character_in_a_reply_excuses_nothing(reply: str) -> None:
    # An editor can write U+FFFD, too: a reply that it made unmeasurable would weigh nothing.
    assert compare(Parrot((SAFE,)), reply).flagged


@pytest.mark.parametrize(
    ("reply", "reason"),
    [("", Reason.EMPTY), (" \n", Reason.EMPTY), ("a\ud800b", Reason.UNSCORABLE)],
)
def test_a_reply_that_cannot_be_scored_says_why(reply: str, reason: Reason) -> None:
    with pytest.raises(ScoringError) as caught:
        compare(Parrot((SAFE,)), reply)
    assert caught.value.reason is reason


@dataclass(frozen=True)
class Lacking(Parrot):
    """Has no token with the byte 0xF3 in it, as tokenizers that were trained without a whole alphabet."""

    @cached_property
    def vocabulary(self) -> Sequence[bytes]:
        return [b"" if 0xF3 in it else it for it in Parrot(self.texts).vocabulary]

    def encode(self, text: str) -> tuple[int, ...]:
        if b"\xf3" in text.encode():
            raise ScoringError("no tokens", hint="look", reason=Reason.UNSCORABLE)
        return super().encode(text)


@pytest.mark.parametrize("reply", ["It is\U000f1234 safe.", "\U000f1234", "It is safe.\ufffd\U000f1234"])
def test_a_byte_that_no_token_has_is_named_as_what_the_model_cannot_write(reply: str) -> None:
    with pytest.raises(ScoringError) as caught:
        compare(Lacking((SAFE,)), reply)
    assert caught.value.reason is Reason.UNSPELLABLE


def test_a_text_that_the_model_could_spell_and_the_tokenizer_does_not_is_only_unscorable() -> None:
    class Rewriting(Parrot):
        def encode(self, text: str) -> tuple[int, ...]:
            raise ScoringError("no tokens", hint="look", reason=Reason.UNSCORABLE)

    with pytest.raises(ScoringError) as caught:
        compare(Rewriting((SAFE,)), "It is safe.\ufffd")
    assert caught.value.reason is Reason.UNSCORABLE


def test_a_reply_that_is_too_long_for_the_model_cannot_be_scored() -> None:
    with pytest.raises(ScoringError):
        compare(Parrot((SAFE,), context=3), "It is safe.")


@pytest.mark.parametrize(
    ("gaps", "tau", "limit"),
    [
        ((), 0.5, Limit.FLOOR),
        ((0.0,) * 90, 0.5, Limit.FLOOR),
        ((0.02,) * 60 + tuple(n / 1000 for n in range(60)), 0.5, Limit.FLOOR),
        (tuple(n / 150 for n in range(60)), 0.7, Limit.BOUND),
        ((3.0,), 1.0, Limit.CEILING),
    ],
)
def test_the_threshold_bounds_what_honest_gaps_may_be_between_a_floor_and_a_ceiling(
    gaps: tuple[float, ...], tau: float, limit: Limit
) -> None:
    found = GapTest(scorer=Parrot((SAFE,))).threshold(gaps)
    assert found.limit is limit
    assert found.tau == pytest.approx(tau, abs=0.2 if limit is Limit.BOUND else 0)
    assert found.tau == min(max(0.5, found.bound), 1.0)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(["a", "b", "ab", "ba", "\n", "\n\n"]), min_size=1, max_size=7))
def test_however_the_model_cut_its_reply_it_is_not_flagged(tokens: list[str]) -> None:
    assume("".join(tokens).strip())
    model = Parrot((tuple(tokens),), more=("ab", "ba", "\n\n"))
    assert not compare(model, "".join(tokens), passes=60).flagged


@settings(deadline=None, max_examples=25)
@given(st.text(max_size=25), st.sampled_from(FinishReason))
def test_whatever_is_delivered_the_spans_lie_in_it_in_order(reply: str, finish: FinishReason) -> None:
    assume(reply.rstrip("\ufffd").strip())
    comparison = compare(Parrot((SAFE,)), reply, finish)
    assert comparison.flagged == bool(comparison.spans)
    end = 0
    for span in comparison.spans:
        assert end <= span.start <= span.end <= len(reply)
        assert span.delivered == reply[span.start : span.end]
        end = span.end
