"""What a span tells, by the conventions of today and by older ones."""

import json
from typing import Any

import pytest

from detectors.logs.formats.catalog import FORMATS
from tests.unit.detectors.logs.samples import AT, OTEL, parse, told


def test_otel_spans_flattened() -> None:
    query = parse("otel", OTEL)
    assert told(query) == {
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
    assert list(queries) == [parse("otel", OTEL)] * 2


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
    query = parse("otel", OTEL | {"attributes": names | older})
    assert (query.prompt, query.reply, query.turns, query.refused) == ("Hi", "Yo", 1, True)
    assert (query.tokens_in, query.tokens_out, query.seed) == (3, 4, 5)


def test_messages_as_events_of_a_span_are_read() -> None:
    events = [
        {"name": "gen_ai.user.message", "attributes": {"content": "Hi"}},
        {"name": "gen_ai.choice", "attributes": {"finish_reason": "stop", "message": '{"content": "Yo"}'}},
    ]
    query = parse("otel", OTEL | {"attributes": {"gen_ai.request.model": "m"}, "events": events})
    assert (query.prompt, query.reply) == ("Hi", "Yo")


@pytest.mark.parametrize("operation", ["invoke_agent", "execute_tool", "create_agent"])
def test_spans_around_requests_are_no_requests(operation: str) -> None:
    span = OTEL | {"attributes": {"gen_ai.operation.name": operation, "gen_ai.request.model": "m"}}
    assert FORMATS["otel"]().parse(json.dumps(span).encode()) == ()
