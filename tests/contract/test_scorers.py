"""What every scorer promises, run over each implementation."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from probes.scorers.scripted import ScriptedScorer
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import Message, Reason, Speaker
from watchdog.errors import ScoringError
from watchdog.ports import Scorer

PROMPT = (Message(speaker=Speaker.USER, text="Should I lend money to my brother? Answer briefly."),)
TEXT = "It depends on how well you know him."
NOISE = 1e-3
"""What another order of additions may change in a log probability."""


def _scripted(_: pytest.FixtureRequest) -> Scorer:
    return ScriptedScorer(ScriptedModel(1))


def _weights(request: pytest.FixtureRequest) -> Scorer:
    from probes.scorers.weights import WeightsScorer

    return WeightsScorer(request.getfixturevalue("weights"))


# A new kind of scorer is one more line here.
FACTORIES = [
    pytest.param(_scripted, id="scripted"),
    pytest.param(_weights, id="weights", marks=pytest.mark.model),
]


@pytest.fixture(params=FACTORIES, scope="module")
def scorer(request: pytest.FixtureRequest) -> Scorer:
    factory: Callable[[pytest.FixtureRequest], Scorer] = request.param
    return factory(request)


@pytest.fixture(scope="module")
def alphabet(scorer: Scorer) -> frozenset[bytes]:
    return frozenset(token for token in scorer.vocabulary if len(token) == 1)


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_tokens_of_a_text_spell_it_unless_the_vocabulary_lacks_a_byte(
    scorer: Scorer, alphabet: frozenset[bytes], text: str
) -> None:
    if all(bytes([byte]) in alphabet for byte in text.encode()):
        assert b"".join(scorer.vocabulary[token] for token in scorer.encode(text)) == text.encode()
    else:
        with pytest.raises(ScoringError):
            scorer.encode(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a\n\n\n b",
        "\n\n",
        "trailing  \n",
        "naïve café",
        "שלום, עולם",
        "👩‍👩‍👧‍👦🏽",
        "def f(x):\n\treturn x\r\n",
        "a<|im_end|>b",
        "\x00",
    ],
)
def test_the_tokens_of_awkward_texts_spell_them(scorer: Scorer, text: str) -> None:
    assert b"".join(scorer.vocabulary[token] for token in scorer.encode(text)) == text.encode()


def test_a_lone_surrogate_is_unscorable(scorer: Scorer) -> None:
    with pytest.raises(ScoringError) as failure:
        scorer.encode("a\ud800")

    assert failure.value.reason is Reason.UNSCORABLE


def test_a_scorer_names_its_model(scorer: Scorer) -> None:
    assert scorer.digest
    assert scorer.digest == scorer.digest


def test_n_tokens_have_n_scores_and_one_more_row_after_them(scorer: Scorer) -> None:
    ids = scorer.encode(TEXT)
    (scores,) = scorer.score(PROMPT, [ids])

    assert scores.logprob.shape == (len(ids),)
    assert scores.end_logprob.shape == (len(ids) + 1,)
    assert scores.top_ids.shape == scores.top_logprob.shape
    assert scores.top_ids.shape[0] == len(ids) + 1
    assert scores.logprob.dtype == scores.top_logprob.dtype == scores.end_logprob.dtype == np.float64
    assert scores.top_ids.dtype == np.int64


def test_scores_are_log_probabilities_and_the_likeliest_come_first(scorer: Scorer) -> None:
    (scores,) = scorer.score(PROMPT, [scorer.encode(TEXT)])

    assert (np.diff(scores.top_logprob, axis=1) <= 0).all()
    assert (np.exp(scores.top_logprob).sum(axis=1) <= 1 + NOISE).all()
    assert (scores.logprob <= scores.top_logprob[:-1, 0] + NOISE).all()
    assert (scores.end_logprob <= NOISE).all()


def test_a_delivered_token_among_the_likeliest_has_the_same_score_there(scorer: Scorer) -> None:
    (first,) = scorer.score(PROMPT, [()])
    ids = tuple(int(token) for token in first.top_ids[0])
    scores = scorer.score(PROMPT, [(token,) for token in ids])

    assert [float(it.logprob[0]) for it in scores] == pytest.approx(first.top_logprob[0], abs=NOISE)


def test_an_empty_reply_has_the_one_row_after_it(scorer: Scorer) -> None:
    (scores,) = scorer.score(PROMPT, [()])

    assert scores.logprob.shape == (0,)
    assert scores.top_ids.shape[0] == 1


def test_no_replies_have_no_scores(scorer: Scorer) -> None:
    assert scorer.score(PROMPT, []) == []


def test_replies_scored_together_have_the_scores_they_have_alone(scorer: Scorer) -> None:
    replies = [scorer.encode(text) for text in (TEXT, "No.", "", "Never lend what you cannot lose:\n\n- money\n- time")]
    together = scorer.score(PROMPT, replies)
    alone = [scores for reply in replies for scores in scorer.score(PROMPT, [reply])]

    for a, b in zip(together, alone, strict=True):
        assert a.logprob == pytest.approx(b.logprob, abs=NOISE)
        assert a.top_logprob == pytest.approx(b.top_logprob, abs=NOISE)
        assert a.end_logprob == pytest.approx(b.end_logprob, abs=NOISE)


def test_what_follows_a_token_does_not_change_its_score(scorer: Scorer) -> None:
    ids = scorer.encode(TEXT)
    whole, part = scorer.score(PROMPT, [ids, ids[:4]])

    assert whole.logprob[:4] == pytest.approx(part.logprob, abs=NOISE)
    assert whole.end_logprob[:5] == pytest.approx(part.end_logprob, abs=NOISE)


def test_the_conversation_changes_the_scores_and_is_not_remembered(scorer: Scorer) -> None:
    other = (Message(speaker=Speaker.USER, text="Name three rivers."),)
    ids = scorer.encode(TEXT)
    before, between, after = (scorer.score(prompt, [ids])[0] for prompt in (PROMPT, other, PROMPT))

    assert before.logprob == pytest.approx(after.logprob, abs=NOISE)
    assert np.abs(before.logprob - between.logprob).max() > NOISE


def test_a_reply_longer_than_the_context_is_unscorable(scorer: Scorer) -> None:
    with pytest.raises(ScoringError, match="tokens") as failure:
        scorer.score(PROMPT, [scorer.encode("a") * 100_000])

    assert failure.value.reason is Reason.UNSCORABLE
