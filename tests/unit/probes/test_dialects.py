"""What engines say about a prompt's tokens: how it is read, and every way in which it cannot be true."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.scorers import dialects
from probes.scorers.dialects import Dialect, LieError, Names, Row

TEXTS = ["a", "b", "c", "d", "é", None, "<end>"]
NAMES = Names(ids={"a": 0, "b": 1, "c": 2, "d": 3, "é": 4, "<end>": 6}, texts=TEXTS.__getitem__, unknown=7)
PROMPT = (0, 1, 6)
TOP = 2
Scores = dict[int, float]
LISTED: list[Scores | None] = [None, {1: -3.0, 2: -0.2, 3: -2.0}, {6: -0.1, 0: -4.0}]


def _vllm(listed: list[Scores | None] = LISTED) -> dict[str, Any]:
    rows = [
        row and {str(token): {"logprob": it, "rank": 1, "decoded_token": "?"} for token, it in row.items()}
        for row in listed
    ]
    return {"id": "1", "model": "m", "choices": [{"index": 0, "text": "", "prompt_logprobs": rows}]}


def _echo(listed: list[Scores | None] = LISTED, tokens: tuple[str, ...] = ("a", "b", "<end>")) -> dict[str, Any]:
    tops = [row and {str(TEXTS[token]): it for token, it in row.items()} for row in listed]
    own = [None if row is None else row.get(token) for row, token in zip(listed, PROMPT, strict=False)]
    logprobs = {"tokens": tokens, "token_logprobs": own, "top_logprobs": tops, "text_offset": [0, 1, 2]}
    return {"id": "1", "model": "m", "choices": [{"index": 0, "text": "", "logprobs": logprobs}]}


def _read(dialect: Dialect, answer: Any) -> dialects.Answered:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return dialects.read(dialect, body, PROMPT, NAMES, TOP)


BOTH = pytest.mark.parametrize(("dialect", "make"), [("vllm", _vllm), ("echo", _echo)])


@BOTH
def test_each_token_but_the_first_has_its_score_and_the_likeliest_in_order(dialect: Dialect, make: Any) -> None:
    answered = _read(dialect, make())

    assert answered.model == "m"
    assert answered.rows == (
        Row(token=1, logprob=-3.0, top=((2, -0.2), (3, -2.0), (1, -3.0)), unlisted=-2.0),
        Row(token=6, logprob=-0.1, top=((6, -0.1), (0, -4.0)), unlisted=-4.0),
    )


def test_the_requests_are_the_documented_ones() -> None:
    assert dialects.write("vllm", PROMPT, 20) == {
        "prompt": [0, 1, 6],
        "max_tokens": 1,
        "temperature": 0,
        "prompt_logprobs": 20,
    }
    assert dialects.write("echo", PROMPT, 5) == {
        "prompt": [0, 1, 6],
        "max_tokens": 1,
        "temperature": 0,
        "echo": True,
        "logprobs": 5,
    }


def test_the_token_that_had_to_be_generated_is_not_looked_at() -> None:
    answer = _echo()
    logprobs = answer["choices"][0]["logprobs"]
    logprobs["tokens"] = [*logprobs["tokens"], "x"]
    logprobs["token_logprobs"].append(math.nan)
    logprobs["top_logprobs"].append({"x": 7.0})

    assert len(_read("echo", answer).rows) == 2


def test_tokens_may_be_named_by_their_ids_in_an_echo() -> None:
    answer = _echo()
    logprobs = answer["choices"][0]["logprobs"]
    logprobs["tokens"] = [f"token_id:{it}" for it in PROMPT]
    logprobs["top_logprobs"] = [None, *({f"token_id:{it}": s for it, s in row.items()} for row in LISTED if row)]

    assert _read("echo", answer).rows == _read("vllm", _vllm()).rows


def test_a_token_that_a_text_does_not_name_is_an_unknown_one() -> None:
    answer = _echo()
    answer["choices"][0]["logprobs"]["top_logprobs"][1] = {"b": -3.0, "\ufffd": -0.5, "bytes:\\xe2": -1.5}

    assert _read("echo", answer).rows[0].top == ((7, -1.5), (1, -3.0))


def test_ids_beyond_the_tokenizer_are_unknown() -> None:
    assert _read("vllm", _vllm([None, {1: -3.0, 99: -0.2}, {6: -0.1, 0: -4.0}])).rows[0].top[0] == (7, -0.2)


LIES: dict[str, tuple[list[Scores | None], str]] = {
    "missing positions": (LISTED[:2], "scored 2 tokens of the 3"),
    "a token without a score": ([None, None, LISTED[2]], "without a score"),
    "a probability above 1": ([None, {1: 0.5, 2: -0.2, 3: -2.0}, LISTED[2]], "above 1"),
    "probabilities that come to more than 1": ([None, {1: -0.1, 2: -0.2, 3: -2.0}, LISTED[2]], "more than 1"),
    "not a number": ([None, {1: math.nan, 2: -0.2, 3: -2.0}, LISTED[2]], "not a finite number"),
    "infinity": ([None, {1: -3.0, 2: -math.inf, 3: -2.0}, LISTED[2]], "not a finite number"),
}


@pytest.mark.parametrize("lie", LIES)
@BOTH
def test_an_answer_that_cannot_be_true_is_named(dialect: Dialect, make: Any, lie: str) -> None:
    listed, words = LIES[lie]

    with pytest.raises(LieError, match=words):
        _read(dialect, make(listed) if dialect == "vllm" else make(listed, ("a", "b", "<end>")[: len(listed)]))


def test_a_list_without_the_token_that_was_sent_is_named() -> None:
    with pytest.raises(LieError, match="another token"):
        _read("vllm", _vllm([None, {2: -0.2, 3: -2.0, 4: -3.0}, LISTED[2]]))


def test_other_tokens_than_were_sent_are_named() -> None:
    with pytest.raises(LieError, match="another token"):
        _read("echo", _echo(tokens=("a", "c", "<end>")))


def test_a_token_with_two_scores_is_named() -> None:
    answer = _echo()
    answer["choices"][0]["logprobs"]["token_logprobs"][1] = -0.5

    with pytest.raises(LieError, match="two scores"):
        _read("echo", answer)


@pytest.mark.parametrize("dialect", ["vllm", "echo"])
def test_a_list_of_nothing_but_the_token_itself_is_named(dialect: Dialect) -> None:
    # Every gap would be 0, and every reply would pass.
    listed: list[Scores | None] = [None, {1: 0.0}, {6: 0.0}]

    with pytest.raises(LieError, match="fewer likely tokens"):
        _read(dialect, _vllm(listed) if dialect == "vllm" else _echo(listed))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"choices": []}',
        b'{"choices": [{"text": "a", "logprobs": null}]}',
        b'{"choices": [{"prompt_logprobs": null}]}',
        b'{"choices": [{"prompt_logprobs": [null, {"1": {"logprob": "-1"}}, null]}]}',
        b'{"choices": [{"prompt_logprobs": [null, {"x": {"logprob": -1}}, null]}]}',
        b'{"error": {"message": "no"}}',
    ],
)
@pytest.mark.parametrize("dialect", ["vllm", "echo"])
def test_a_body_that_is_no_such_answer_is_named(dialect: Dialect, body: bytes) -> None:
    with pytest.raises(LieError):
        _read(dialect, body)


def test_two_choices_are_one_too_many() -> None:
    answer = _vllm()
    answer["choices"] *= 2

    with pytest.raises(LieError, match="2 choices"):
        _read("vllm", answer)


@given(
    st.sampled_from(["vllm", "echo"]),
    st.lists(
        st.none() | st.dictionaries(st.integers(0, 12), st.floats(-20, 0.1) | st.floats(), max_size=5), max_size=5
    ),
    st.sampled_from([_vllm, lambda it: _echo([row and {k % 7: v for k, v in row.items()} for row in it])]),
)
def test_any_answer_is_read_or_named(dialect: Dialect, listed: list[Scores | None], make: Any) -> None:
    try:
        rows = _read(dialect, make(listed)).rows
    except LieError:
        return
    for row in rows:
        scores = [score for _, score in row.top]
        assert scores == sorted(scores, reverse=True)
        assert row.logprob <= scores[0]
        assert sum(map(math.exp, scores)) < 1.02
