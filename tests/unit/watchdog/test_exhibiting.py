"""Exhibits as bytes: canonical, exact, and refused when they are something else."""

import json
from dataclasses import replace

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from tests.builders import baseline, exchange
from watchdog.domain.comparisons import Comparison, Examined, ScoredTokens, Scoring
from watchdog.domain.exchanges import FinishReason, Reason, SaidToken
from watchdog.domain.exhibits import Code
from watchdog.domain.logprobs import LogprobComparison, LogprobScoring, LogprobsExamined
from watchdog.domain.verdicts import Arm, Case
from watchdog.errors import LedgerError
from watchdog.exhibiting import baseline_digest, comparison_exhibit, read_comparison, read_verdict, verdict_exhibit

CODE = Code(version="0.1.0", digest="c0de")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
"""Surrogates, NUL and all: what a hostile reply may hold."""


@st.composite
def scored(draw: st.DrawFn) -> ScoredTokens:
    count = draw(st.integers(0, 5))
    end = draw(st.none() | st.floats(allow_nan=False))
    rows = count + (end is not None)
    floats, ids = st.floats(allow_nan=False), st.integers(0, 2**20)
    return ScoredTokens(
        ids=tuple(draw(st.lists(ids, min_size=count, max_size=count))),
        logprob=tuple(draw(st.lists(floats, min_size=count, max_size=count))),
        first_ids=tuple(draw(st.lists(ids, min_size=rows, max_size=rows))),
        first_logprob=tuple(draw(st.lists(floats, min_size=rows, max_size=rows))),
        end_logprob=end,
        windowed_from=draw(st.none() | st.integers(0, 9)),
    )


SCORINGS = st.builds(
    Scoring,
    text=st.binary(max_size=30),
    tokens=scored(),
    repairs=st.lists(scored(), max_size=2).map(tuple),
    spellings=st.dictionaries(st.integers(0, 2**20), st.binary(max_size=6), max_size=4),
    model=st.just("m"),
    tokenizer=st.none() | st.just("t"),
    allowed_edits=st.none() | st.just("e"),
)
SCORING = Scoring(
    text=b"ab",
    tokens=ScoredTokens(ids=(7,), logprob=(-0.5,), first_ids=(7, 0), first_logprob=(-0.5, -0.1), end_logprob=-0.1),
    repairs=(),
    spellings={7: b"ab", 0: b""},
    model="m",
    tokenizer=None,
)


def _examined(scoring: Scoring | None, tau: float = 0.5) -> Examined:
    return Examined(comparison=Comparison(gap=0.0, tau=tau, tokens=1, spans=()), scoring=scoring)


def test_a_comparison_that_kept_nothing_has_no_exhibit() -> None:
    assert comparison_exhibit(_examined(None), exchange("ab"), baseline=None, code=CODE) is None


@given(
    st.lists(st.tuples(st.binary(max_size=4), st.floats(allow_nan=False)), max_size=4),
    st.lists(st.floats(allow_nan=False), max_size=4),
)
def test_what_a_channel_said_of_its_tokens_comes_back_to_the_last_bit(
    said: list[tuple[bytes, float]], direct: list[float]
) -> None:
    tokens = tuple(SaidToken(text=text, logprob=logprob) for text, logprob in said)
    scoring = LogprobScoring(said=tokens, direct=tuple(direct))
    comparison = LogprobComparison(unsaid=None, reason=Reason.UNSCORABLE)
    listed = LogprobsExamined(comparison=comparison, scoring=scoring)
    exhibit = comparison_exhibit(_examined(SCORING), exchange("ab"), listed, baseline=None, code=CODE)
    assert exhibit is not None
    assert exhibit.body is not None
    assert read_comparison(exhibit.body).logprobs == scoring


@given(SCORINGS, ANY_TEXT, st.floats(allow_nan=False), st.sampled_from(FinishReason))
def test_a_comparisons_exhibit_comes_back_to_the_last_bit(
    scoring: Scoring, reply: str, tau: float, finish: FinishReason
) -> None:
    delivered = exchange(reply, finish)
    exhibit = comparison_exhibit(_examined(scoring, tau), delivered, baseline=baseline(), code=CODE)
    assert exhibit is not None
    assert exhibit.body is not None
    assert rfc8785.dumps(json.loads(exhibit.body)) == exhibit.body

    shown = read_comparison(exhibit.body)

    assert (shown.scoring, shown.reply, shown.tau, shown.finish) == (scoring, reply, tau, finish)
    assert (shown.request, shown.code) == (delivered.request, CODE)
    assert shown.baseline == baseline_digest(baseline())


@given(ANY_TEXT, st.dictionaries(st.text("abc", max_size=3), st.integers(-9, 9) | ANY_TEXT, max_size=3), st.booleans())
def test_a_verdicts_exhibit_comes_back_whole(reply: str, facts: dict[str, int | str], cached: bool) -> None:
    delivered = replace(exchange(reply), cached=cached)
    case = Case(family="stop", arm=Arm.CONTROL, seed=1, request=delivered.request, facts=facts)
    exhibit = verdict_exhibit(case, delivered, code=CODE)
    assert exhibit.body is not None
    assert rfc8785.dumps(json.loads(exhibit.body)) == exhibit.body

    shown = read_verdict(exhibit.body)

    assert (shown.reply, shown.facts, shown.cached, shown.request) == (reply, facts, cached, delivered.request)


def test_another_baseline_has_another_name() -> None:
    assert baseline_digest(baseline(hits=1)) != baseline_digest(baseline(hits=2))


def _broken() -> list[bytes]:
    exhibit = comparison_exhibit(_examined(SCORING), exchange("ab"), baseline=None, code=CODE)
    assert exhibit is not None
    assert exhibit.body is not None
    whole = json.loads(exhibit.body)
    changed = [
        {**whole, "format": "corrigibility-watchdog/comparison@v9"},
        {key: value for key, value in whole.items() if key != "tau"},
        {**whole, "tau": "AAAA"},
        {**whole, "tokens": {**whole["tokens"], "ids": [1, 2, 3]}},
        {**whole, "finish": "never"},
        {**whole, "reply": 7},
        {**whole, "spellings": []},
        {**whole, "code": {"version": "1"}},
    ]
    return [b"", b"{}", b"[]", b"null", b"\xff", b"[" * 100_000, *(json.dumps(it).encode() for it in changed)]


@pytest.mark.parametrize("body", _broken())
def test_what_is_no_exhibit_is_refused_by_name(body: bytes) -> None:
    with pytest.raises(LedgerError, match="not one this version knows"):
        read_comparison(body)
