"""What a line of LiteLLM tells, and what neither its gateway nor a client can hide."""

import json
import time
from typing import Any

import pytest

from detectors.logs.formats.catalog import FORMATS
from detectors.logs.formats.values import PROMPT_LIMIT, REPLY_LIMIT
from tests.unit.detectors.logs.samples import AT, LITELLM, parse, told
from watchdog.errors import LineError


def test_litellm_tells_everything_but_training() -> None:
    query = parse("litellm", LITELLM)
    assert told(query) == {
        "at": AT,
        "id": "chatcmpl-a1",
        "client": "88dc28d0",
        "org": "t3",
        "address": "10.0.0.7",
        "endpoint": "acompletion",
        "model": "gpt-4o-mini",
        "status": 200,
        "system": "Be brief.",
        "prompt": "Hello",
        "turns": 2,
        "prefill": True,
        "reply": "Hi.",
        "tokens_in": 12,
        "tokens_out": 9,
        "top_logprobs": 20,
        "logit_bias": 2,
        "choices": 2,
        "seed": 7,
    }


@pytest.mark.parametrize("key", ["max_tokens", "max_completion_tokens", "max_output_tokens"])
def test_the_longest_reply_has_the_name_of_the_api_that_was_asked(key: str) -> None:
    assert parse("litellm", LITELLM | {"model_parameters": {key: 9, "logprobs": 3}})[-6:-1] == (3, None, None, None, 9)


def test_only_the_api_says_that_it_refused() -> None:
    filtered = LITELLM | {"response": {"choices": [{"finish_reason": "content_filter", "message": {"content": ""}}]}}
    field = LITELLM | {"response": {"choices": [{"finish_reason": "stop", "message": {"refusal": "No."}}]}}
    policy = LITELLM | {
        "status": "failure",
        "response": {},
        "error_information": {"error_code": "400", "error_class": "ContentPolicyViolationError"},
    }
    guardrail = policy | {"error_information": {}, "status_fields": {"guardrail_status": "guardrail_intervened"}}
    other = policy | {"error_information": {"error_code": "429", "error_class": "RateLimitError"}}
    in_words = LITELLM | {"response": {"choices": [{"message": {"content": "I'm sorry, but I can't help with that."}}]}}
    assert [parse("litellm", it).refused for it in (filtered, field, policy, guardrail)] == [True] * 4
    assert [parse("litellm", it).refused for it in (other, in_words)] == [None, None]
    assert [parse("litellm", it).status for it in (policy, other)] == [400, 429]
    assert parse("litellm", field).reply == "No."


def test_long_texts_keep_their_beginning_and_their_end_and_replies_their_beginning() -> None:
    long = LITELLM | {
        "messages": "a" * 9_000 + "suffix",
        "response": {"choices": [{"text": "b" * 9_000}]},
    }
    query = parse("litellm", long)
    assert query.prompt is not None
    assert len(query.prompt) <= PROMPT_LIMIT
    assert query.prompt.endswith("suffix")
    assert query.reply == "b" * REPLY_LIMIT


def test_a_text_that_the_gateway_redacted_is_nottold() -> None:
    redacted = LITELLM | {"messages": [{"role": "user", "content": "redacted-by-litellm"}], "response": "redacted"}
    query = parse("litellm", redacted)
    assert (query.prompt, query.reply, query.turns) == (None, None, 1)


@pytest.mark.parametrize(
    "odd",
    [
        {"model_parameters": {"seed": "abc", "n": [1], "top_logprobs": 1e300, "logit_bias": 5, "max_tokens": -1}},
        {"messages": [{"role": 5, "content": {"text": 7}}]},
        {"messages": {"anything": "else"}},
        {"messages": 17},
        {"response": [1, 2]},
        {"response": {"choices": "none"}},
        {"end_user": {"a": 1}},
    ],
)
def test_what_a_client_can_write_never_hides_its_request(odd: dict[str, Any]) -> None:
    query = parse("litellm", LITELLM | odd)
    assert query.client == "88dc28d0"
    assert (query.seed is None) == ("model_parameters" in odd)


@pytest.mark.parametrize(
    "odd", [{"startTime": []}, {"metadata": "k1"}, {"prompt_tokens": "many"}, {"id": 5}, {"model": ["x"]}]
)
def test_what_the_gateway_writes_is_held_to_its_type(odd: dict[str, Any]) -> None:
    with pytest.raises(LineError) as caught:
        parse("litellm", LITELLM | odd)
    assert caught.value.reason == "wrong_type"


def test_identities_are_short_printable_and_still_different() -> None:
    def client(name: str) -> str | None:
        return parse("litellm", LITELLM | {"metadata": {"user_api_key_hash": name}}).client

    found = [client(name) for name in ("k" * 500 + "a", "k" * 500 + "b", "k\n\x1b[31m", "k\n\x1b[32m", "k")]
    assert len(set(found)) == 5
    assert all(it is not None and len(it) <= 200 and it.isprintable() for it in found)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (AT, AT),
        (1_764_000_000_100, AT),
        ("1764000000100000000", AT),
        ("2025-11-24 16:00:00.100000", AT),
        ("2025-11-24T17:00:00.1+01:00", AT),
    ],
)
def test_times_are_read_in_every_unit(written: float | str, read: float) -> None:
    assert parse("litellm", LITELLM | {"startTime": written}).at == pytest.approx(read)


@pytest.mark.parametrize(
    "impossible", ["NaN", "inf", -5, 0, "9999-12-31T23:59:59Z", "1999-12-31T00:00:00Z", 1e300, "soon", "1" * 5000]
)
def test_an_impossible_time_is_a_bad_line(impossible: float | str) -> None:
    with pytest.raises(LineError) as caught:
        parse("litellm", LITELLM | {"startTime": impossible})
    assert caught.value.reason == "time"


def test_parsing_keeps_up_with_more_than_the_target() -> None:
    line = json.dumps(LITELLM | {"hidden_params": {"x": "y" * 1300}}).encode()
    read, best = FORMATS["litellm"]().parse, 0.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(2000):
            read(line)
        best = max(best, 2000 / (time.process_time() - began))
    assert best > 15_000  # measured 53,000 to 63,000 on a busy machine; the bound leaves room for a busier one
