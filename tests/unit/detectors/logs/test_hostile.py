"""Hostile lines: each is a named reason without a word of the line, and none keeps a good line from being read."""

import hashlib
import json
import tracemalloc
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.logs.formats.catalog import FORMATS
from detectors.logs.formats.faults import REASONS
from detectors.logs.formats.mapping import MappingFormat
from detectors.logs.quarantine import MOST, Quarantine
from watchdog.domain.queries import Query
from watchdog.errors import LineError
from watchdog.ports import LogFormat

GOOD = (
    b'{"call_type":"acompletion","startTime":1764000000.1,"id":"%d","metadata":{"user_api_key_hash":"k"},'
    b'"messages":[{"role":"user","content":"hi"}]}'
)
SECRET = b"sesame"


def _line(start_time: bytes = b"1764000000.1", rest: bytes = b"") -> bytes:
    return b'{"call_type":"' + SECRET + b'","startTime":' + start_time + rest + b"}"


HOSTILE = {
    "deep lists": (_line(rest=b',"x":' + b"[" * 100_000 + b"]" * 100_000), "too_deep"),
    "deep objects": (_line(rest=b',"x":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_000), "too_deep"),
    "four million digits": (_line(b"9" * 4_000_000), "number"),
    "four million digits elsewhere": (_line(rest=b',"prompt_tokens":' + b"9" * 4_000_000), "number"),
    "a key's hash twice": (
        _line(rest=b',"metadata":{"user_api_key_hash":"a","user_api_key_hash":"b"}'),
        "duplicate_key",
    ),
    "a key's hash twice, once escaped": (
        _line(rest=b',"metadata":{"user_api_key_h\\u0061sh":"a","user_api_key_hash":"b"}'),
        "duplicate_key",
    ),
    "metadata twice": (
        _line(rest=b',"metadata":{"user_api_key_hash":"a"},"metadata":{"user_api_key_hash":"b"}'),
        "duplicate_key",
    ),
    "a NUL": (_line(rest=b',"id":"a\0b"'), "nul"),
    "NULs alone": (b"\0" * 4096, "nul"),
    "half of a pair": (_line(rest=b',"id":"\\ud800\\u0041"'), "surrogate"),
    "the other half": (_line(rest=b',"id":"\\udc00"'), "surrogate"),
    "not a number": (_line(b"NaN"), "not_json"),
    "infinity": (_line(b"Infinity"), "not_json"),
    "beyond every number": (_line(b"1e999"), "number"),
    "an escape sequence": (b"\x1b[31m" + _line(), "not_json"),
    "an escape sequence inside": (_line(rest=b',"id":"\x1b[31m"'), "not_json"),
    "ten megabytes": (SECRET * 1_700_000, "not_json"),
    "ten megabytes of JSON": (b'["' + SECRET * 1_700_000 + b'"]', "wrong_type"),
    "not UTF-8": (_line(rest=b',"id":"\xff\xfe"'), "not_utf8"),
    "a list": (b"[]", "wrong_type"),
    "a text": (b'"' + SECRET + b'"', "wrong_type"),
    "a wrong type": (_line(b'{"' + SECRET + b'":1}'), "wrong_type"),
    "nothing of it": (b'{"x":"' + SECRET + b'"}', "missing"),
    "cut off": (_line()[:-5], "not_json"),
    "two in one": (_line() + _line(), "not_json"),
    "year 9999": (_line(b'"9999-12-31T00:00:00Z"'), "time"),
    "before everything": (_line(b"-1"), "time"),
}


def _outcome(form: LogFormat, line: bytes) -> tuple[str | None, Sequence[Query]]:
    try:
        return None, form.parse(line)
    except LineError as exc:
        return exc.reason, ()


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_a_hostile_line_is_a_named_reason_and_nothing_of_it_is_told(what: str) -> None:
    line, reason = HOSTILE[what]
    with pytest.raises(LineError) as caught:
        FORMATS["litellm"]().parse(line)
    assert caught.value.reason == reason
    assert reason in REASONS
    assert SECRET.decode() not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"


@pytest.mark.parametrize("name", ["otel", "openai", "envoy", "nginx", "mapping"])
@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_every_format_refuses_hostile_lines_or_takes_nothing_of_them(name: str, what: str) -> None:
    form = MappingFormat({"at": "startTime", "client": "id"}) if name == "mapping" else FORMATS[name]()
    reason, queries = _outcome(form, HOSTILE[what][0])
    # A span of no model is passed over; what the mapping does not name does a line no harm.
    assert reason in REASONS or queries == () or name == "mapping"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("openai", b'{"ts":1764000000,"request":{},"api_key_hash":"a","api_key_hash":"b"}'),
        ("nginx", b'{"msec":"1764000000.1","remote_user":"a","remote_user":"b"}'),
        ("envoy", b'{"start_time":"2026-11-24T22:00:00Z","x-forwarded-for":"1.1.1.1","x-forwarded-for":"2.2.2.2"}'),
        (
            "otel",
            b'{"startTimeUnixNano":"1764000000100000000","attributes":{"gen_ai.request.model":"m","user.id":"a","user.id":"b"}}',
        ),
        (
            "otel",
            (
                b'{"startTimeUnixNano":"1764000000100000000","attributes":[{"key":"user.id","value":{"stringValue":"a"}},'
                b'{"key":"user.id","value":{"stringValue":"b"}}]}'
            ),
        ),
    ],
)
def test_who_asked_is_not_said_twice_in_any_format(name: str, line: bytes) -> None:
    with pytest.raises(LineError) as caught:
        FORMATS[name]().parse(line)
    assert caught.value.reason == "duplicate_key"


def test_a_client_cannot_make_its_own_line_a_bad_one_by_quoting_a_key() -> None:
    tail = 'you said "user_api_key_hash": "metadata": {"metadata'
    line = {
        "call_type": "c",
        "startTime": 1764000000.1,
        "metadata": {"user_api_key_hash": "k", "requester_metadata": {"user_api_key_hash": "k", "m\u0065tadata": "x"}},
        "messages": [{"role": "user", "content": tail}],
        "x": {"metadata": {}},
    }
    (query,) = FORMATS["litellm"]().parse(json.dumps(line).encode())
    assert (query.client, query.prompt) == ("k", tail)


def test_an_escaped_nul_in_a_prompt_hides_nothing() -> None:
    (query,) = FORMATS["litellm"]().parse((GOOD % 1).replace(b"hi", b"h\\u0000i"))
    assert query.prompt == "h\N{REPLACEMENT CHARACTER}i"


@given(st.binary(max_size=300), st.sampled_from(sorted(FORMATS)))
def test_no_bytes_do_more_than_raise_a_line_error(line: bytes, name: str) -> None:
    reason, queries = _outcome(FORMATS[name](), line)
    assert reason in REASONS or queries == ()


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["messages", "role", "content", "parts", "text", "choices", "message", "x"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=12,
)


@given(_JSON, _JSON, _JSON, _JSON)
def test_whatever_stands_in_messages_replies_and_parameters_the_request_is_seen(
    messages: object, response: object, parameters: object, attributes: object
) -> None:
    line = {"call_type": "c", "startTime": 1764000000.1, "messages": messages, "response": response}
    body = {"messages": messages, "input": parameters, "n": attributes}
    pair = {"ts": 1764000000.1, "api_key_hash": "k", "request": {"body": body}, "response": {"body": response}}
    span = {
        "startTimeUnixNano": "1764000000100000000",
        "attributes": {
            "gen_ai.request.model": "m",
            "gen_ai.input.messages": messages,
            "gen_ai.output.messages": response,
            "gen_ai.prompt.0.content": parameters,
            "gen_ai.response.finish_reasons": attributes,
        },
    }
    for name, it in (("litellm", line | {"model_parameters": parameters}), ("openai", pair), ("otel", span)):
        text = json.dumps(it)
        if "NaN" not in text and "Infinity" not in text and "\\ud" not in text:
            assert len(FORMATS[name]().parse(text.encode())) == 1


@settings(max_examples=30)
@given(st.lists(st.sampled_from(sorted(it for it in HOSTILE if "million" not in it and "mega" not in it)), max_size=60))
def test_every_good_line_comes_through_among_as_many_hostile_ones(hostile: list[str]) -> None:
    form, seen, bad = FORMATS["litellm"](), [], 0
    for number, what in enumerate(hostile):
        for line in (HOSTILE[what][0], GOOD % number):
            try:
                seen += [it.id for it in form.parse(line)]
            except LineError:
                bad += 1
    assert seen == [str(it) for it in range(len(hostile))]
    assert bad == len(hostile)


def test_the_quarantine_keeps_the_digests_of_the_newest_lines() -> None:
    quarantine = Quarantine()
    for number in range(2_500):
        quarantine.refuse(b"%d" % number)
    assert quarantine.digests() == tuple(hashlib.sha256(b"%d" % it).hexdigest() for it in range(2_500 - MOST, 2_500))


def test_memory_is_flat_over_many_large_hostile_lines() -> None:
    form, quarantine = FORMATS["litellm"](), Quarantine()
    line = HOSTILE["ten megabytes of JSON"][0]

    def some() -> None:
        for _ in range(10):
            with pytest.raises(LineError):
                form.parse(line)
            quarantine.refuse(line)

    some()
    tracemalloc.start()
    some()
    left, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert left < 1 << 20
