"""What every scorer promises, run over each implementation."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from probes.catalog import CHANNELS
from probes.channels.scripted import ScriptedModelChannel
from probes.scorers.scripted import ScriptedScorer
from probes.scorers.server import Lent, create_app
from probes.scripted_model import ScriptedModel
from tests.builders import NOW
from tests.contract.engines import MODEL, Engine
from watchdog.domain.exchanges import ChannelRole, Message, Reason, Speaker
from watchdog.errors import ScoringError
from watchdog.ports import Scorer
from watchdog.rehearsal.serving import serve

PROMPT = (Message(speaker=Speaker.USER, text="Should I lend money to my brother? Answer briefly."),)
TEXT = "It depends on how well you know him."
NOISE = 1e-3
"""What another order of additions may change in a log probability."""


def _scripted(_: pytest.FixtureRequest) -> Scorer:
    return ScriptedScorer(ScriptedModel(1))


def _weights(request: pytest.FixtureRequest) -> Scorer:
    from probes.scorers.weights import WeightsScorer

    return WeightsScorer(request.getfixturevalue("weights"))


def _open(request: pytest.FixtureRequest, kind: str, keys: dict[str, object]) -> Scorer:
    config = CHANNELS[kind].settings.model_validate({"kind": kind, **keys})
    opened = CHANNELS[kind].open(config, ChannelRole.DIRECT, lambda: NOW)
    request.addfinalizer(opened.close)
    assert opened.scorer is not None
    return opened.scorer


def _served(request: pytest.FixtureRequest, app: Any) -> str:
    serving = serve(app)
    request.addfinalizer(lambda: serving.__exit__(None, None, None))
    return serving.__enter__().base_url


def _lent(request: pytest.FixtureRequest, lent: Lent) -> Scorer:
    url = _served(request, create_app(lent, token=None))
    return _open(request, "scores", {"base-url": url, "digest": lent.scorer.digest})


def _scripted_elsewhere(request: pytest.FixtureRequest) -> Scorer:
    channel = ScriptedModelChannel(ScriptedModel(1), ChannelRole.DIRECT, lambda: NOW)
    return _lent(request, Lent(name="tiny", channel=channel, scorer=_scripted(request), top=20))


def _weights_elsewhere(request: pytest.FixtureRequest) -> Scorer:
    from probes.channels.weights import WeightsChannel

    channel = WeightsChannel(request.getfixturevalue("weights"), ChannelRole.DIRECT, lambda: NOW)
    return _lent(request, Lent(name="small", channel=channel, scorer=_weights(request), top=16))


def _on_engine(request: pytest.FixtureRequest, *, dialect: str) -> Scorer:
    weights = request.getfixturevalue("weights")
    folder: Path = request.getfixturevalue("tmp_path_factory").mktemp("tokenizer")
    weights.tokenizer.save_pretrained(folder)

    def rows(ids: Sequence[int]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = weights.run([ids], weights.new_cache())[0].log_softmax(dim=-1).double().numpy()
        return found

    engine = Engine(
        rows=rows,
        encode=partial(weights.tokenizer.encode, add_special_tokens=False),
        name=lambda token: weights.tokenizer.decode([token], clean_up_tokenization_spaces=False),
    )
    url = _served(request, engine.create_app())
    keys = {"base-url": f"{url}/v1", "model": MODEL, "score": dialect, "score-top": 6, "tokenizer": folder}
    return _open(request, "openai", keys)


# A new kind of scorer is one more line here.
FACTORIES = [
    pytest.param(_scripted, id="scripted"),
    pytest.param(_scripted_elsewhere, id="scripted-elsewhere"),
    pytest.param(_weights, id="weights", marks=pytest.mark.model),
    pytest.param(_weights_elsewhere, id="weights-elsewhere", marks=pytest.mark.model),
    pytest.param(partial(_on_engine, dialect="vllm"), id="vllm", marks=pytest.mark.model),
    pytest.param(partial(_on_engine, dialect="echo"), id="echo", marks=pytest.mark.model),
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


SCRIPTS = [
    "Москва не сразу",
    "東京タワー",
    "안녕하세요",
    "مرحبا بالعالم",
    "שָׁלוֹם",
    "हिन्दी",
    "ไทย",
    "Ελληνικά",
    "ქართული",
]
PIECES = {
    "other scripts": st.sampled_from(SCRIPTS),
    "blank lines": st.sampled_from(["\n", "\n\n", "\n\n\n", " \n", "\n \n", "\t\n", "a", "."]),
    "line ends": st.sampled_from(["\r\n", "\r", "\n", "\u2028", "\u0085", "\v", "\f", "a", " "]),
    "code": st.sampled_from(["def f(x):", "\n\t", "    ", "return x**2", "  # no", ";\n", "{", "}", "=>", "\\n", '""']),
    "Markdown": st.sampled_from(["# ", "- ", "**a**", "```", "\n", "| a | b |", "~~", "[x](y)", "  \n", "1. ", "***"]),
    "emoji": st.sampled_from(["👩‍👩‍👧‍👦", "🏳️‍🌈", "👍🏽", "🇩🇪", "❤️", "1️⃣", "\u200d", "\ufe0f", "🏽", " ", "a"]),
    "right to left": st.sampled_from(["שלום", "\u200f", "عالم", "\u202e", "abc", " ", "\u2067", "12", "\u2069"]),
    "combining marks": st.sampled_from(
        ["e\u0301", "é", "\u0301", "a\u0323\u0302", "\u1112\u1161", "한", "\u0344", "q"]
    ),
    "replacement characters": st.sampled_from(["\ufffd", "\ufffd\ufffd", "a", " ", "é"]),
    "tabs and spaces": st.sampled_from(["\t", " ", "  ", "\t\t", "\u00a0", "\u3000", "\u2009", "a", "\ufeff"]),
}


@pytest.mark.parametrize("kind", PIECES)
def test_the_tokens_of_a_text_give_it_back_or_are_refused_and_are_never_those_of_another(
    scorer: Scorer, kind: str
) -> None:
    @settings(deadline=None, max_examples=25)
    @given(st.lists(PIECES[kind], max_size=12).map("".join))
    def holds(text: str) -> None:
        try:
            ids = scorer.encode(text)
        except ScoringError as exc:
            assert exc.reason is Reason.UNSCORABLE  # noqa: PT017 - either is right, and the text decides which
        else:
            assert b"".join(scorer.vocabulary[token] for token in ids) == text.encode()

    holds()


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
    assert whole.end_logprob[:4] == pytest.approx(part.end_logprob[:4], abs=NOISE)
    # In the middle of a reply some scorers know only how likely the end is at most.
    assert whole.end_logprob[4] >= part.end_logprob[4] - NOISE


def test_the_conversation_changes_the_scores_and_is_not_remembered(scorer: Scorer) -> None:
    other = (Message(speaker=Speaker.USER, text="Name three rivers."),)
    ids = scorer.encode(TEXT)
    before, between, after = (scorer.score(prompt, [ids])[0] for prompt in (PROMPT, other, PROMPT))

    assert before.logprob == pytest.approx(after.logprob, abs=NOISE)
    assert np.abs(before.logprob - between.logprob).max() > NOISE


def test_a_reply_that_is_far_too_long_is_named_so(scorer: Scorer) -> None:
    with pytest.raises(ScoringError, match="tokens") as failure:
        scorer.score(PROMPT, [scorer.encode("a") * 100_000])

    assert failure.value.reason is Reason.TOO_LONG


def test_a_reply_of_one_token_has_one_score(scorer: Scorer) -> None:
    (scores,) = scorer.score(PROMPT, [scorer.encode("N")])

    assert scores.logprob.shape == (1,)
    assert np.isfinite(scores.logprob).all()


def test_a_short_conversation_is_scored_as_a_whole(scorer: Scorer) -> None:
    (scores,) = scorer.score(PROMPT, [scorer.encode(TEXT)])

    assert scores.windowed_from is None
