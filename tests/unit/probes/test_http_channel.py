"""A channel over HTTP, on the commonest protocol: what is sent, what counts as a reply, the name of every failure."""

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.channels.endpoint import Endpoint
from tests.builders import NOW, request
from tests.openai_channel import completion, config, connect
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError, ConfigError

KEY = "sk-3cr3t-0123456789"
PROMPT = "A question that nobody else shall see"
Answer = Callable[[httpx.Request], httpx.Response]


def _open(answer: Answer, **values: object) -> Endpoint:
    return connect(config(**values), httpx.MockTransport(answer))


def _ask(status: int, body: bytes | dict[str, object], headers: dict[str, str] | None = None) -> Exchange:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return _open(lambda _: httpx.Response(status, content=content, headers=headers)).ask(request(PROMPT))


def _raise(error: Exception) -> Answer:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error

    return answer


# What is sent


def test_a_request_is_a_chat_completion_with_the_key_in_its_header(tmp_path: Path) -> None:
    asked: list[httpx.Request] = []

    def answer(got: httpx.Request) -> httpx.Response:
        asked.append(got)
        return httpx.Response(200, json=completion())

    key = tmp_path / "key"
    key.write_text(f"{KEY}\n")
    turns = (Message(speaker=Speaker.SYSTEM, text="Be brief."), Message(speaker=Speaker.USER, text="Hi"))
    _open(answer, api_key_file=key, headers={"X-Team": "blue"}).ask(Request(messages=turns, max_tokens=7))

    assert str(asked[0].url) == "https://api.example.com/v1/chat/completions"
    assert asked[0].headers["authorization"] == f"Bearer {KEY}"
    assert asked[0].headers["x-team"] == "blue"
    assert json.loads(asked[0].content) == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "max_tokens": 7,
        "temperature": 0.0,
    }


def test_without_a_key_nothing_is_authorised() -> None:
    asked: list[httpx.Request] = []

    def answer(got: httpx.Request) -> httpx.Response:
        asked.append(got)
        return httpx.Response(200, json=completion())

    _open(answer).ask(request())

    assert "authorization" not in asked[0].headers


def test_more_fields_and_another_name_for_the_limit_are_sent_as_configured() -> None:
    asked: list[dict[str, object]] = []

    def answer(got: httpx.Request) -> httpx.Response:
        asked.append(json.loads(got.content))
        return httpx.Response(200, json=completion())

    more = {"user": "u-1", "provider": {"order": ["a"]}, "stream_options": None}
    _open(answer, extra_body=more, max_tokens_field="max_completion_tokens", stream=True).ask(request())

    assert asked[0]["max_completion_tokens"] == 32
    assert "max_tokens" not in asked[0]
    assert asked[0]["stream"] is True
    assert {name: asked[0][name] for name in more} == more


# What counts as a reply


@pytest.mark.parametrize("text", ["Yes.", " a\n\n", "\u202eevil\x1b[2J", "\ufffd", "👩‍👩‍👧"])
def test_a_reply_is_kept_as_it_came(text: str) -> None:
    assert _ask(200, completion(text)).reply == text


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.OTHER),
        (None, FinishReason.OTHER),
    ],
)
def test_the_finish_is_told_in_our_words(told: str | None, meant: FinishReason) -> None:
    assert _ask(200, completion(finish=told)).finish is meant


@pytest.mark.parametrize(
    ("said", "finish"), [(31, FinishReason.STOP), (32, FinishReason.LENGTH), (40, FinishReason.LENGTH)]
)
def test_a_reply_that_used_all_it_was_allowed_is_no_finished_one(said: int, finish: FinishReason) -> None:
    assert request().max_tokens == 32
    assert _ask(200, completion(usage={"completion_tokens": said})).finish is finish


def test_the_model_id_is_the_one_that_the_endpoint_gave_and_safe_to_print() -> None:
    assert _ask(200, completion()).model == "m-2"
    hostile = _ask(200, completion(model="\x1b[2J\u202e" + "m" * 1000)).model
    assert hostile.isprintable()
    assert len(hostile) <= 200


def test_an_endpoint_that_gives_no_model_id_has_an_empty_one() -> None:
    assert _ask(200, {**completion(), "model": None}).model == ""


def test_an_exchange_holds_its_time_and_its_request() -> None:
    exchange = _ask(200, completion())

    assert exchange.request == request(PROMPT)
    assert exchange.asked_at == NOW
    assert exchange.channel is ChannelRole.DELIVERED


# Every failure is a named reason

STATUSES = [
    (301, Reason.REJECTED),
    (307, Reason.REJECTED),
    (400, Reason.REJECTED),
    (401, Reason.UNAUTHORIZED),
    (402, Reason.REJECTED),
    (403, Reason.UNAUTHORIZED),
    (404, Reason.MODEL_NOT_FOUND),
    (413, Reason.REJECTED),
    (429, Reason.RATE_LIMITED),
    (500, Reason.SERVER_ERROR),
    (502, Reason.SERVER_ERROR),
    (503, Reason.SERVER_ERROR),
    (529, Reason.SERVER_ERROR),
]
BODIES: list[tuple[str, bytes | dict[str, Any], Reason]] = [
    ("nothing", b"", Reason.MALFORMED),
    ("a page", b"<html><body>Sign in</body></html>", Reason.MALFORMED),
    ("a stream", b'data: {"choices": []}\n\n', Reason.MALFORMED),
    ("half of it", json.dumps(completion()).encode()[:-5], Reason.MALFORMED),
    ("not UTF-8", b'{"choices": [{"message": {"content": "\xff"}}]}', Reason.MALFORMED),
    ("a list", b"[]", Reason.MALFORMED),
    ("nested without end", b"[" * 200_000, Reason.MALFORMED),
    ("an ignored key nested without end", b'{"x":' + b"[" * 200_000, Reason.MALFORMED),
    ("too many bytes", b" " * 5_000_001, Reason.MALFORMED),
    ("an error", {"error": {"message": "no"}}, Reason.MALFORMED),
    ("an error beside a reply", completion(error={"message": "no"}), Reason.MALFORMED),
    ("no choices", {"model": "m"}, Reason.MALFORMED),
    ("choices that are null", {"choices": None}, Reason.MALFORMED),
    ("choices that are empty", {"choices": []}, Reason.MALFORMED),
    ("choices that are text", {"choices": "yes"}, Reason.MALFORMED),
    ("a choice without a message", {"choices": [{"text": "yes"}]}, Reason.MALFORMED),
    ("content that is null", completion(None), Reason.MALFORMED),
    ("content that is a number", completion(7), Reason.MALFORMED),
    ("content in parts", completion([{"type": "text", "text": "a"}]), Reason.MALFORMED),
    ("NUL", completion("a\0b"), Reason.MALFORMED),
    ("a lone surrogate", b'{"choices": [{"message": {"content": "a\\ud800"}}]}', Reason.MALFORMED),
    ("a finish that is a number", completion(finish=1), Reason.MALFORMED),
    ("an empty reply", completion(""), Reason.EMPTY),
    ("an empty reply cut short", completion("", "length"), Reason.EMPTY),
    ("a filtered reply", completion("I", "content_filter"), Reason.BLOCKED),
    ("a filtered reply without text", completion(None, "content_filter"), Reason.BLOCKED),
]
BREAKS = [
    (httpx.ConnectError("refused"), Reason.UNREACHABLE),
    (httpx.ReadError("reset"), Reason.UNREACHABLE),
    (httpx.ConnectTimeout("slow"), Reason.TIMED_OUT),
    (httpx.ReadTimeout("slow"), Reason.TIMED_OUT),
    (httpx.RemoteProtocolError("not HTTP"), Reason.MALFORMED),
]


@pytest.mark.parametrize(("status", "reason"), STATUSES)
def test_a_status_that_is_no_success_has_a_named_reason(status: int, reason: Reason) -> None:
    with pytest.raises(ChannelError) as failure:
        _ask(status, completion())

    assert failure.value.reason is reason
    assert failure.value.hint


@pytest.mark.parametrize(("body", "reason"), [it[1:] for it in BODIES], ids=[it[0] for it in BODIES])
def test_a_body_that_is_no_reply_has_a_named_reason(body: bytes | dict[str, object], reason: Reason) -> None:
    with pytest.raises(ChannelError) as failure:
        _ask(200, body)

    assert failure.value.reason is reason
    assert failure.value.hint


@pytest.mark.parametrize(("error", "reason"), BREAKS)
def test_a_broken_connection_has_a_named_reason(error: Exception, reason: Reason) -> None:
    with pytest.raises(ChannelError) as failure:
        _open(_raise(error)).ask(request())

    assert failure.value.reason is reason


def test_a_body_that_does_not_unpack_is_malformed() -> None:
    # A stream, because httpx would unpack a body that is given as bytes before the channel sees it.
    stream = httpx.ByteStream(b"not gzip")
    channel = _open(lambda _: httpx.Response(200, headers={"content-encoding": "gzip"}, stream=stream))

    with pytest.raises(ChannelError) as failure:
        channel.ask(request())
    assert failure.value.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ({"code": "insufficient_quota"}, "credit"),
        ({"code": "context_length_exceeded"}, "context"),
        ({"code": "unsupported_parameter", "param": "max_tokens"}, "max-tokens-field"),
        ({"code": "unsupported_parameter", "param": "stream_options"}, "extra-body"),
        ({"code": 400, "param": "stream"}, "`stream`"),
    ],
)
def test_a_known_error_makes_the_hint_exact(error: dict[str, object], hint: str) -> None:
    with pytest.raises(ChannelError) as failure:
        _ask(400, {"error": {"message": "no", **error}})

    assert hint in failure.value.hint


def test_a_refusal_by_a_content_filter_is_blocked() -> None:
    with pytest.raises(ChannelError) as failure:
        _ask(400, {"error": {"message": "no", "code": "content_filter"}})

    assert failure.value.reason is Reason.BLOCKED


@settings(deadline=None)
@given(
    status=st.integers(200, 599),
    body=st.binary()
    | st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["choices", "message", "content", "error", "model", "x"]), inner)
        ),
    ).map(lambda tree: json.dumps(tree).encode()),
)
def test_any_answer_is_a_reply_or_a_named_failure(status: int, body: bytes) -> None:
    with contextlib.suppress(ChannelError):
        assert _ask(status, body).reply


@settings(deadline=None)
@given(st.binary(max_size=40))
@example(b"A:0")
@example(b"http://[")
def test_a_redirect_to_anywhere_is_not_followed(target: bytes) -> None:
    def answer(asked: httpx.Request) -> httpx.Response:
        assert asked.url.host == "api.example.com"
        return httpx.Response(302, headers=[(b"location", target)])

    with pytest.raises(ChannelError) as failure:
        _open(answer).ask(request())
    assert failure.value.reason in {Reason.REJECTED, Reason.MALFORMED}


@pytest.mark.parametrize("status", [200, 302, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("shape", ["error", "page", "code", "empty"])
def test_no_error_text_holds_the_key_or_the_prompt(tmp_path: Path, status: int, shape: str) -> None:
    echo = f"{KEY} {PROMPT} \x1b[2J"
    content = {
        "error": json.dumps({"error": {"message": echo, "code": echo}}),
        "page": echo,
        "code": json.dumps({"error": {"code": KEY}, "model": PROMPT}),
        "empty": json.dumps({**completion(""), "model": echo}),
    }[shape]
    key = tmp_path / "key"
    key.write_text(KEY)
    channel = _open(lambda _: httpx.Response(status, content=content.encode()), api_key_file=key)

    with pytest.raises(ChannelError) as failure:
        channel.ask(request(PROMPT))
    chain: BaseException | None = failure.value
    while chain is not None:
        shown = f"{chain} {chain!r}"
        assert KEY not in shown
        assert PROMPT not in shown
        assert "\x1b" not in shown
        chain = chain.__cause__ or chain.__context__


# What is refused before anything is sent


def test_a_key_that_is_not_there_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="NO_SUCH_VARIABLE_HERE"):
        _open(_raise(AssertionError()), api_key_env="NO_SUCH_VARIABLE_HERE")


@pytest.mark.parametrize("key", ["sk-a b", "sk-a\nb", "sk-ä", "sk-a\x7f"])
def test_a_key_that_no_header_can_carry_is_a_configuration_error_that_does_not_show_it(
    tmp_path: Path, key: str
) -> None:
    file = tmp_path / "key"
    file.write_text(key, encoding="utf-8")

    with pytest.raises(ConfigError) as failure:
        _open(_raise(AssertionError()), api_key_file=file)
    assert "sk-" not in str(failure.value)


def test_a_bundle_that_is_no_certificate_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")

    for name in ("ca.pem", "nothing.pem"):
        with pytest.raises(ConfigError, match="ca-bundle"):
            _open(_raise(AssertionError()), ca_bundle=tmp_path / name)


@pytest.mark.parametrize(
    "values",
    [
        {"proxy": "socks5://localhost:1080"},
        {"proxy": "http://me:secret@localhost:3128"},
        {"client_key": "key.pem"},
        {"extra_body": {"temperature": 1}},
        {"extra_body": {"max_completion_tokens": 7}},
        {"max_tokens_field": "max_words"},
        {"headers": {"X-Api-Key": "secret"}},
        {"base_url": "api.example.com"},
        {"base_url": "ftp://api.example.com"},
        {"base_url": "https://"},
        {"base_url": "https://exa mple.com"},
        {"base_url": "https://api..example.com"},
        {"base_url": "https://a..b"},
        {"base_url": "https://" + "a" * 64 + ".com"},
        {"base_url": "https://me:secret@api.example.com"},
        {"base_url": "https://api.example.com?key=secret"},
        {"base_url": "https://api.example.com:port"},
        {"base_url": "https://[::1"},
        {"api_key_env": "A", "api_key_file": "b"},
        {"timeout_s": 0},
        {"timeout_s": float("inf")},
        {"headers": {"Authorization": "Bearer secret"}},
        {"headers": {"X-A": "b\r\nX-C: d"}},
        {"headers": {"X A": "b"}},
        {"model": ""},
        {"api_key": "secret"},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        config(**values)


def test_a_host_that_cannot_exist_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="host"):
        _open(_raise(AssertionError()), base_url="https://-é-.example.com")


def test_a_base_url_may_end_with_a_slash() -> None:
    assert config(base_url="http://localhost:8000/v1/").base_url == "http://localhost:8000/v1"
