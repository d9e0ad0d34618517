"""What a comparison keeps is enough to make it again, to the last bit, whatever was delivered."""

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.allowed_edits import Tolerant
from detectors.divergence.gap import GapTest
from detectors.divergence.scorings import remeasure
from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from tests.builders import exchange, request
from tests.unit.detectors.parrot import Parrot
from watchdog.config.edits import FooterEdit, TrimEdit
from watchdog.domain.comparisons import Examined, Scoring
from watchdog.domain.exchanges import FinishReason
from watchdog.errors import ScoringError

TAU = 0.5
TEXT = ("It", " is", " always", " safe", ".", "\n", "\n", "Use", " it", " well", ".")
PARROT = Parrot((TEXT,), more=(" never", " risky", "\n\n", " badly"))
SCRIPTED = ScriptedScorer(ScriptedModel(seed=1))
REPLIES = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([*TEXT, " never", " risky", "\0", "\u202e", "\U0001f600", "שלום", " "]), max_size=14).map(
        "".join
    ),
)


def _agrees(examined: Examined, tau: float = TAU) -> Scoring:
    comparison, made = examined.comparison, examined.scoring
    assert made is not None
    again = remeasure(made, tau)
    assert again.gap == comparison.gap
    assert again.span_gaps == tuple(span.gap for span in comparison.spans)
    assert again.spelled
    assert len(made.tokens.ids) == comparison.tokens
    return made


@settings(max_examples=50, deadline=None)
@given(REPLIES, st.sampled_from([FinishReason.STOP, FinishReason.LENGTH]), st.sampled_from([0.0, TAU, 20.0]))
@example(reply="\x0c0", finish=FinishReason.STOP, tau=0.0)
def test_any_reply_is_measured_again_from_what_was_kept(reply: str, finish: FinishReason, tau: float) -> None:
    for scorer in (PARROT, SCRIPTED):
        try:
            examined = GapTest(scorer=scorer, steps=3).compare(request(), exchange(reply, finish), tau=tau)
        except ScoringError:
            return  # nothing was measured, so nothing is kept
        made = _agrees(examined, tau)
        assert made.text == (reply.rstrip("\ufffd") if finish is FinishReason.LENGTH else reply).encode()
        assert (made.model, made.tokenizer, made.allowed_edits) == (scorer.digest, None, None)


def test_every_edited_word_is_measured_again_from_the_reading_that_led_to_it() -> None:
    edited = "".join(TEXT).replace("always", "never").replace("well", "badly")
    made = _agrees(GapTest(scorer=PARROT).compare(request(), exchange(edited), tau=TAU))
    assert len(made.repairs) == 2
    named = {token for it in (made.tokens, *made.repairs) for token in (*it.ids, *it.first_ids)}
    assert made.spellings == {token: PARROT.vocabulary[token] for token in named}


def test_a_score_that_is_another_by_a_trillionth_gives_another_gap() -> None:
    made = _agrees(GapTest(scorer=PARROT).compare(request(), exchange("It is never safe."), tau=TAU))
    other = tuple(it * (1 + 1e-12) for it in made.tokens.logprob)
    assert remeasure(replace(made, tokens=replace(made.tokens, logprob=other)), TAU) != remeasure(made, TAU)


def test_scores_of_another_text_do_not_spell_the_reply() -> None:
    made = _agrees(GapTest(scorer=PARROT).compare(request(), exchange("It is always safe."), tau=TAU))
    for text in (b"It is never safe.", b"It is always", b"It is always safe. Always."):
        assert not remeasure(replace(made, text=text), TAU).spelled
    assert not remeasure(replace(made, spellings={}), TAU).spelled


def test_allowed_edits_keep_the_text_that_was_scored_and_name_their_settings() -> None:
    footer = FooterEdit(kind="footer", pattern=re.compile(r"— Gateway \d+\."))
    digests = set()
    for edits in ((footer,), (footer, TrimEdit(kind="trim")), (replace_pattern(footer),)):
        tolerant = Tolerant(inner=GapTest(scorer=PARROT), scorer=PARROT, edits=edits)
        examined = tolerant.compare(request(), exchange("".join(TEXT) + "\n\n— Gateway 7."), tau=TAU)
        made = _agrees(examined)
        assert not examined.comparison.flagged
        assert made.text == "".join(TEXT).encode()
        digests.add(made.allowed_edits)
    assert len(digests) == 3
    assert None not in digests


def replace_pattern(footer: FooterEdit) -> FooterEdit:
    return FooterEdit(kind=footer.kind, pattern=re.compile(r"— Gateway .*"))


def test_a_scorer_that_names_its_tokenizer_is_quoted() -> None:
    class Telling(Parrot):
        tokenizer_digest = "its tokenizer"

    made = _agrees(GapTest(scorer=Telling((TEXT,))).compare(request(), exchange("It is"), tau=TAU))
    assert made.tokenizer == "its tokenizer"


@pytest.mark.parametrize("reply", ["", "   ", "\ud800"])
def test_what_cannot_be_scored_keeps_nothing(reply: str) -> None:
    with pytest.raises(ScoringError):
        GapTest(scorer=PARROT).compare(request(), exchange(reply), tau=TAU)
