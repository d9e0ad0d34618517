"""Whether a list of tokens spells the text beside it: byte for byte, and what is no difference."""

import itertools
from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from detectors.divergence.listing import parting, spoken
from tests.builders import exchange
from watchdog.domain.exchanges import Exchange, FinishReason, SaidToken
from watchdog.domain.logprobs import Parting

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=30)


def tokens(*texts: bytes) -> tuple[SaidToken, ...]:
    return tuple(SaidToken(text=it, logprob=-0.1) for it in texts)


def _cut(text: bytes, places: list[int]) -> tuple[SaidToken, ...]:
    edges = sorted({0, len(text), *(place % (len(text) + 1) for place in places)})
    return tokens(*(text[a:b] for a, b in itertools.pairwise(edges)))


def _parting(delivered: Exchange, *texts: bytes) -> Parting | None:
    return parting(delivered, spoken(delivered, tokens(*texts)))


@given(TEXTS, st.lists(st.integers(0, 200), max_size=8))
def test_a_text_never_parts_from_tokens_that_spell_it_however_they_are_cut(text: str, places: list[int]) -> None:
    assert parting(exchange(text), _cut(text.encode(), places)) is None


@given(TEXTS, TEXTS)
def test_a_text_parts_from_tokens_that_spell_another(text: str, other: str) -> None:
    assume(text.encode().strip() != other.encode().strip())
    assume("\ufffd" not in other)
    found = parting(exchange(text), tokens(other.encode()))

    assert found is not None
    assert text[found.start :].startswith(found.delivered) or len(found.delivered) == 80
    assert other.endswith(found.listed) or len(found.listed) == 80 or "\ufffd" in found.listed


def test_the_first_edited_word_is_shown_whole_in_both_texts() -> None:
    found = _parting(exchange("It is careless, I think."), b"It is", b" care", b"ful", b", I think.")

    assert found == Parting(start=6, delivered="careless, I think.", listed="careful, I think.")


def test_what_was_added_after_the_tokens_and_what_was_cut_off_parts() -> None:
    added = _parting(exchange("Yes. Buy now."), b"Yes", b".")
    cut = _parting(exchange("Yes."), b"Yes", b".", b" But ask first.")

    assert (added and added.delivered, added and added.listed) == ("Yes. Buy now.", "Yes.")
    assert (cut and cut.delivered, cut and cut.listed) == ("Yes.", "Yes. But ask first.")


def test_white_space_that_a_server_trims_is_no_difference() -> None:
    assert _parting(exchange("Yes."), b"\n", b" Yes", b".", b"\n\n") is None


def test_white_space_inside_is_one() -> None:
    assert _parting(exchange("Yes. No."), b"Yes.", b"\n\n", b"No.") is not None


def test_the_token_that_ends_the_turn_is_no_difference_where_the_model_ended_it() -> None:
    for end in (b"<|im_end|>", b"</s>", b"<eos>", b"<end_of_turn>", b"[EOS]", b""):
        assert _parting(exchange("Yes."), b"Yes", b".", end) is None
        if end:
            assert _parting(exchange("Yes.", FinishReason.LENGTH), b"Yes", b".", end) is not None
            assert _parting(exchange("Yes."), b"Yes", end, b".") is not None


def test_a_character_in_several_tokens_may_be_listed_as_lost() -> None:
    lost = "\ufffd".encode()
    assert _parting(exchange("I \N{HEAVY BLACK HEART} it"), b"I ", lost, lost, b" it") is None
    assert _parting(exchange("I love it"), b"I ", lost, b" it") is not None
    assert _parting(exchange("I \N{HEAVY BLACK HEART} tea"), b"I ", lost, b" it") is not None


def test_a_character_that_the_limit_cut_in_two_is_no_difference() -> None:
    whole = "Yes \N{GRINNING FACE}".encode()
    for delivered in ("Yes ", "Yes", "Yes \ufffd"):
        for cut in (1, 2, 3):
            assert _parting(exchange(delivered, FinishReason.LENGTH), b"Yes", whole[3:-cut]) is None
    assert _parting(exchange("Yes \N{GRINNING FACE}", FinishReason.LENGTH), whole[:4], whole[4:]) is None


def test_half_of_a_surrogate_pair_was_never_listed() -> None:
    assert _parting(exchange("Yes\ud83d"), b"Yes") is not None


def test_declared_edits_are_done_to_the_tokens_before_they_are_compared() -> None:
    said = tokens(b"Call ", b"555", b"-1234", b" now.")

    def masked(text: str) -> str:
        return text.replace("555-1234", "[number]")

    assert parting(exchange("Call [number] now."), said, masked) is None
    assert parting(exchange("Call 555-1234 now."), said, masked) is None
    found = parting(exchange("Call [number] never."), said, masked)
    assert found is not None
    assert (found.delivered, found.listed) == ("never.", "now.")


@given(st.binary(min_size=1, max_size=40), TEXTS, st.sampled_from(FinishReason))
def test_whatever_is_listed_both_texts_are_the_same_or_part_somewhere(
    listed: bytes, text: str, finish: FinishReason
) -> None:
    delivered = replace(exchange(text), finish=finish)
    found = parting(delivered, spoken(delivered, tokens(listed)))
    assert found is None or 0 <= found.start <= len(text)
