"""What a line of each format tells, in the shapes that the projects document."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from detectors.logs.formats.catalog import FORMATS, open_format
from detectors.logs.formats.mapping import MappingFormat
from detectors.logs.formats.values import PROMPT_LIMIT, REPLY_LIMIT
from detectors.logs.formats.vllm import Vllm
from watchdog.domain.queries import Query
from watchdog.errors import ConfigError, LineError

AT = 1_764_000_000.1
LITELLM: dict[str, Any] = {
    "id": "chatcmpl-a1",
    "call_type": "acompletion",
    "status": "success",
    "prompt_tokens": 12,
    "completion_tokens": 9,
    "startTime": AT,
    "endTime": AT + 1,
    "model": "openai/gpt-4o-mini",
    "model_group": "gpt-4o-mini",
    "metadata": {
        "user_api_key_hash": "88dc28d0",
        "user_api_key_alias": "k1",
        "user_api_key_team_id": "t3",
        "user_api_key_org_id": None,
        "requester_ip_address": "10.0.0.7",
    },
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": "Sure, here"},
    ],
    "response": {"choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hi."}}]},
    "error_information": None,
    "model_parameters": {"logprobs": True, "top_logprobs": 20, "logit_bias": {"1": 100, "2": -1}, "n": 2, "seed": 7},
}
OTEL: dict[str, Any] = {
    "name": "chat gpt-4o",
    "traceId": "5b8aa5a2d2c872e8321cf37308d69df2",
    "spanId": "051581bf3cb55c13",
    "startTimeUnixNano": "1764000000100000000",
    "attributes": {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-123",
        "gen_ai.request.max_tokens": 100,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 180,
        "gen_ai.response.finish_reasons": ["stop"],
        "enduser.id": "u1",
        "gen_ai.system_instructions": [{"type": "text", "content": "Translate."}],
        "gen_ai.input.messages": [{"role": "user", "parts": [{"type": "text", "content": "Weather in Paris?"}]}],
        "gen_ai.output.messages": [{"role": "assistant", "parts": [{"type": "text", "content": "Rain."}]}],
    },
}
PAIR: dict[str, Any] = {
    "ts": AT,
    "custom_id": "req-1",
    "api_key_hash": "88dc28d0",
    "request": {
        "method": "POST",
        "url": "/v1/chat/completions?x=1",
        "body": {
            "model": "gpt-4o",
            "messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "Sure"}],
            "logit_bias": {"50256": -100},
            "seed": 1,
        },
    },
    "response": {
        "status_code": 200,
        "body": {
            "id": "chatcmpl-1",
            "created": 1764000000,
            "choices": [{"finish_reason": "stop", "message": {"content": "Yes.", "refusal": None}}],
            "usage": {"prompt_tokens": 8, "completion_tokens": 3},
        },
    },
}
ENVOY: dict[str, Any] = {
    "start_time": "2026-11-24T22:00:00.000Z",
    "method": "POST",
    "request.path": "/v1/chat/completions",
    "response_code": 200,
    "user-agent": "OpenAI/Python 1.99",
    "x-request-id": "5895f5a9",
    "x-forwarded-for": "1.2.3.4, 10.0.0.7",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 100,
    "gen_ai.usage.output_tokens": "-",
}
NGINX: dict[str, Any] = {
    "msec": "1764000000.920",
    "remote_addr": "10.0.0.7",
    "remote_user": "",
    "request_method": "GET",
    "request_uri": "/v1/models?limit=3",
    "status": "200",
    "request_time": "0.820",
    "http_user_agent": "curl",
}
RECEIVED = (
    "(APIServer pid=9) INFO 02-13 11:33:33 [logger.py:49] Received request chatcmpl-a2: params: SamplingParams(n=1, "
    "temperature=0.7, seed=None, stop=[], max_tokens=100, min_tokens=0, logprobs=5, prompt_logprobs=None), "
    "lora_request: None."
)
ACCESS = '(APIServer pid=9) INFO:     10.80.23.18:51408 - "POST /v1/chat/completions HTTP/1.1" 200 OK'


def _parse(name: str, line: Mapping[str, Any] | str) -> Query:
    text = line if isinstance(line, str) else json.dumps(line)
    (query,) = FORMATS[name]().parse(text.encode())
    return query


def _told(query: Query) -> dict[str, Any]:
    return {key: value for key, value in query._asdict().items() if value is not None}


def test_litellm_tells_everything_but_training() -> None:
    query = _parse("litellm", LITELLM)
    assert _told(query) == {
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
    assert [_parse("litellm", it).refused for it in (filtered, field, policy, guardrail)] == [True] * 4
    assert [_parse("litellm", it).refused for it in (other, in_words)] == [None, None]
    assert [_parse("litellm", it).status for it in (policy, other)] == [400, 429]
    assert _parse("litellm", field).reply == "No."


def test_long_texts_keep_their_beginning_and_their_end_and_replies_their_beginning() -> None:
    long = LITELLM | {
        "messages": "a" * 9_000 + "suffix",
        "response": {"choices": [{"text": "b" * 9_000}]},
    }
    query = _parse("litellm", long)
    assert query.prompt is not None
    assert len(query.prompt) <= PROMPT_LIMIT
    assert query.prompt.endswith("suffix")
    assert query.reply == "b" * REPLY_LIMIT


def test_a_text_that_the_gateway_redacted_is_not_told() -> None:
    redacted = LITELLM | {"messages": [{"role": "user", "content": "redacted-by-litellm"}], "response": "redacted"}
    query = _parse("litellm", redacted)
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
    query = _parse("litellm", LITELLM | odd)
    assert query.client == "88dc28d0"
    assert (query.seed is None) == ("model_parameters" in odd)


@pytest.mark.parametrize(
    "odd", [{"startTime": []}, {"metadata": "k1"}, {"prompt_tokens": "many"}, {"id": 5}, {"model": ["x"]}]
)
def test_what_the_gateway_writes_is_held_to_its_type(odd: dict[str, Any]) -> None:
    with pytest.raises(LineError) as caught:
        _parse("litellm", LITELLM | odd)
    assert caught.value.reason == "wrong_type"


def test_identities_are_short_printable_and_still_different() -> None:
    def client(name: str) -> str | None:
        return _parse("litellm", LITELLM | {"metadata": {"user_api_key_hash": name}}).client

    found = [client(name) for name in ("k" * 500 + "a", "k" * 500 + "b", "k\n\x1b[31m", "k\n\x1b[32m", "k")]
    assert len(set(found)) == 5
    assert all(it is not None and len(it) <= 200 and it.isprintable() for it in found)


def test_otel_spans_flattened() -> None:
    query = _parse("otel", OTEL)
    assert _told(query) == {
        "at": AT,
        "id": "chatcmpl-123",
        "client": "u1",
        "endpoint": "chat",
        "model": "gpt-4o",
        "system": "Translate.",
        "prompt": "Weather in Paris?",
        "turns": 1,
        "prefill": False,
        "reply": "Rain.",
        "tokens_in": 100,
        "tokens_out": 180,
        "max_tokens": 100,
    }


def _otlp_value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case int():
            return {"intValue": str(value)}
        case list():
            return {"arrayValue": {"values": [_otlp_value(it) for it in value]}}
        case _:
            return {"kvlistValue": {"values": [{"key": k, "value": _otlp_value(v)} for k, v in value.items()]}}


def test_otlp_json_with_many_spans_says_the_same() -> None:
    attributes = [{"key": key, "value": _otlp_value(value)} for key, value in OTEL["attributes"].items()]
    span = OTEL | {"attributes": attributes}
    other = OTEL | {"attributes": [{"key": "http.route", "value": {"stringValue": "/"}}]}
    line = {"resourceSpans": [{"resource": {}, "scopeSpans": [{"spans": [span, other, span]}]}]}
    queries = FORMATS["otel"]().parse(json.dumps(line).encode())
    assert list(queries) == [_parse("otel", OTEL)] * 2


@pytest.mark.parametrize(
    "older",
    [
        {"gen_ai.prompt": '[{"role": "user", "content": "Hi"}]', "gen_ai.completion": '[{"content": "Yo"}]'},
        {
            "gen_ai.prompt.0.role": "system",
            "gen_ai.prompt.0.content": "x",
            "gen_ai.prompt.1.role": "user",
            "gen_ai.prompt.1.content": "Hi",
            "gen_ai.completion.0.content": "Yo",
        },
        {"gen_ai.prompt": "Hi", "gen_ai.completion": "Yo"},
    ],
)
def test_older_conventions_of_otel_are_read(older: dict[str, str]) -> None:
    names = {
        "gen_ai.system": "openai",
        "gen_ai.request.model": "m",
        "gen_ai.usage.prompt_tokens": 3,
        "gen_ai.usage.completion_tokens": 4,
        "gen_ai.openai.request.seed": 5,
        "gen_ai.response.finish_reasons": ["content_filter"],
    }
    query = _parse("otel", OTEL | {"attributes": names | older})
    assert (query.prompt, query.reply, query.turns, query.refused) == ("Hi", "Yo", 1, True)
    assert (query.tokens_in, query.tokens_out, query.seed) == (3, 4, 5)


def test_messages_as_events_of_a_span_are_read() -> None:
    events = [
        {"name": "gen_ai.user.message", "attributes": {"content": "Hi"}},
        {"name": "gen_ai.choice", "attributes": {"finish_reason": "stop", "message": '{"content": "Yo"}'}},
    ]
    query = _parse("otel", OTEL | {"attributes": {"gen_ai.request.model": "m"}, "events": events})
    assert (query.prompt, query.reply) == ("Hi", "Yo")


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "create_agent"])
def test_spans_around_requests_are_no_requests(operation: str) -> None:
    span = OTEL | {"attributes": {"gen_ai.operation.name": operation, "gen_ai.request.model": "m"}}
    assert FORMATS["otel"]().parse(json.dumps(span).encode()) == ()


def test_openai_pairs() -> None:
    query = _parse("openai", PAIR)
    assert _told(query) == {
        "at": AT,
        "id": "chatcmpl-1",
        "client": "88dc28d0",
        "endpoint": "/v1/chat/completions",
        "model": "gpt-4o",
        "status": 200,
        "prompt": "hi",
        "turns": 2,
        "prefill": True,
        "reply": "Yes.",
        "tokens_in": 8,
        "tokens_out": 3,
        "logit_bias": 1,
        "seed": 1,
    }


def test_openai_pairs_of_the_responses_api() -> None:
    body = {"model": "m", "instructions": "Be brief.", "input": "hi", "max_output_tokens": 9}
    output = [{"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}]
    said = {"id": "resp_1", "created_at": 1764000000, "output": output, "usage": {"input_tokens": 1}}
    line = {
        "request": {"method": "POST", "url": "/v1/responses", "body": body},
        "response": {"status_code": 200, "body": said},
    }
    query = _parse("openai", line)
    assert (query.system, query.prompt, query.reply, query.refused) == ("Be brief.", "hi", "No.", True)
    assert (query.at, query.tokens_in, query.max_tokens) == (1764000000.0, 1, 9)


def test_a_fine_tuning_job_has_the_examples_that_the_gateway_counted() -> None:
    job = PAIR | {
        "training_examples": 120,
        "request": {"method": "POST", "url": "/v1/fine_tuning/jobs", "body": {"model": "m", "training_file": "f"}},
        "response": {"status_code": 200, "body": {"id": "ftjob-1", "created_at": 1764000000}},
    }
    query = _parse("openai", job)
    assert (query.endpoint, query.training_examples, query.id) == ("/v1/fine_tuning/jobs", 120, "ftjob-1")


def test_envoy_tells_the_address_that_it_saw_itself() -> None:
    query = _parse("envoy", ENVOY)
    assert query.at == datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp()
    assert (query.address, query.status, query.tokens_in, query.tokens_out) == ("10.0.0.7", 200, 100, None)
    assert _parse("envoy", ENVOY | {"downstream_remote_address": "[::1]:4711"}).address == "::1"
    assert _parse("envoy", ENVOY | {"response_code": 0}).status is None


def test_nginx_tells_when_a_request_came_and_its_method_unless_it_is_post() -> None:
    query = _parse("nginx", NGINX)
    assert query.at == pytest.approx(1_764_000_000.1)
    assert (query.endpoint, query.client, query.address) == ("GET /v1/models", None, "10.0.0.7")
    whole = {"time_iso8601": "2026-11-24T22:00:00+00:00", "request": "POST /v1/x?y HTTP/1.1", "remote_user": "bob"}
    assert _parse("nginx", whole)[3:7:3] == (None, "/v1/x")
    assert _parse("nginx", whole).client == "bob"


def test_the_two_lines_of_vllm_tell_their_halves() -> None:
    now = datetime(2026, 2, 14, tzinfo=UTC).timestamp()
    form = Vllm(now=lambda: now)
    (received,), (access,) = form.parse(RECEIVED.encode()), form.parse(ACCESS.encode())
    at = datetime(2026, 2, 13, 11, 33, 33, tzinfo=UTC).timestamp()
    assert _told(received) == {"at": at, "id": "chatcmpl-a2", "top_logprobs": 5, "choices": 1, "max_tokens": 100}
    assert _told(access) == {
        "at": at,
        "address": "10.80.23.18",
        "endpoint": "/v1/chat/completions",
        "status": 200,
    }
    assert form.parse(b"(APIServer pid=9) INFO 02-13 11:33:40 [loggers.py:1] Engine 000: Avg prompt throughput") == ()


def test_an_older_vllm_tells_the_prompt_and_a_container_the_time() -> None:
    older = "2026-02-13T10:00:00.5Z INFO 02-13 11:33:33 logger.py:41] Received request c-1: prompt: 'It\\'s\\n{x}', "
    older += "params: SamplingParams(n=1, seed=3, max_tokens=9), prompt_token_ids: None, lora_request: None."
    (query,) = Vllm().parse(older.encode())
    assert (query.prompt, query.seed) == ("It's\n{x}", 3)
    assert query.at == datetime(2026, 2, 13, 10, 0, 0, 500_000, tzinfo=UTC).timestamp()


def test_a_time_of_vllm_belongs_to_the_year_that_it_is_the_last_of() -> None:
    now = datetime(2026, 1, 1, 0, 5, tzinfo=UTC).timestamp()
    (query,) = Vllm(now=lambda: now).parse(RECEIVED.replace("02-13", "12-31").encode())
    assert query.at == datetime(2025, 12, 31, 11, 33, 33, tzinfo=UTC).timestamp()


def test_a_mapping_takes_fields_from_where_it_says() -> None:
    form = MappingFormat(
        {
            "at": "time",
            "client": "user.key",
            "prompt": "messages.-1.content",
            "endpoint": "path",
            "turns": "messages",
            "refused": "finish",
            "status": 'http."status.code"',
            "logit_bias": "bias",
        }
    )
    line = {
        "time": "2026-11-24T22:00:00Z",
        "user": {"key": 17},
        "messages": [{"content": "a"}, {"content": [{"text": "b"}]}],
        "path": "/v1/x?y",
        "finish": "content_filter",
        "http": {"status.code": "200"},
        "bias": {"1": 2},
    }
    (query,) = form.parse(json.dumps(line).encode())
    assert _told(query) == {
        "at": datetime(2026, 11, 24, 22, tzinfo=UTC).timestamp(),
        "client": "17",
        "endpoint": "/v1/x",
        "status": 200,
        "prompt": "b",
        "turns": 2,
        "refused": True,
        "logit_bias": 1,
    }
    assert form.fields == {"client", "prompt", "endpoint", "turns", "refused", "status", "logit_bias"}
    with pytest.raises(LineError) as caught:
        form.parse(b'{"user": {"key": "a"}}')
    assert caught.value.reason == "missing"


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
    assert _parse("litellm", LITELLM | {"startTime": written}).at == pytest.approx(read)


@pytest.mark.parametrize(
    "impossible", ["NaN", "inf", -5, 0, "9999-12-31T23:59:59Z", "1999-12-31T00:00:00Z", 1e300, "soon", "1" * 5000]
)
def test_an_impossible_time_is_a_bad_line(impossible: float | str) -> None:
    with pytest.raises(LineError) as caught:
        _parse("litellm", LITELLM | {"startTime": impossible})
    assert caught.value.reason == "time"


SAMPLES = {
    "litellm": json.dumps(LITELLM),
    "otel": json.dumps(OTEL),
    "openai": json.dumps(PAIR),
    "envoy": json.dumps(ENVOY),
    "nginx": json.dumps(NGINX),
    "vllm": ACCESS,
}


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_each_format_is_guessed_from_its_lines_also_between_bad_ones(name: str) -> None:
    line = SAMPLES[name].encode()
    chosen = open_format("auto", None, [b"", b"\xff\x00", b"{" * 500, line, b"[]", line, b'{"a":1}'])
    assert chosen.format.name == name
    assert chosen.why == f"2 of the first 6 lines look like {name}"


def test_a_format_tells_only_what_it_says_that_it_can() -> None:
    for name, line in SAMPLES.items():
        form = FORMATS[name]()
        (query,) = form.parse(line.encode())
        assert _told(query).keys() - {"at"} <= form.fields


@pytest.mark.parametrize("lines", [[], [b""], [b'{"a": 1}'] * 20, [b"hello"]])
def test_an_unknown_format_is_an_error_that_names_the_known_ones(lines: list[bytes]) -> None:
    with pytest.raises(ConfigError) as caught:
        open_format("auto", None, lines)
    assert "format:" in caught.value.hint
    assert all(name in caught.value.hint for name in FORMATS)


def test_lines_of_two_formats_are_not_guessed_between() -> None:
    with pytest.raises(ConfigError, match=r"several formats fit many: (nginx|vllm) \(2\), (nginx|vllm) \(2\)"):
        open_format("auto", None, [SAMPLES["nginx"].encode(), SAMPLES["vllm"].encode()] * 2)


def test_parsing_keeps_up_with_more_than_the_target() -> None:
    line = json.dumps(LITELLM | {"hidden_params": {"x": "y" * 1300}}).encode()
    parse, best = FORMATS["litellm"]().parse, 0.0
    for _ in range(5):
        began = time.process_time()
        for _ in range(2000):
            parse(line)
        best = max(best, 2000 / (time.process_time() - began))
    assert best > 15_000  # measured 53,000 to 63,000 on a busy machine; the bound leaves room for a busier one
