"""A channel over HTTP, on the commonest protocol: what is sent, what counts as a reply, the name of every failure."""

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from probes.channels.endpoint import Endpoint, open_endpoint
from probes.channels.openai import OpenAIConfig, codec
from tests.builders import NOW, request
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Message, Reason, Request, Speaker
from watchdog.errors import ChannelError, ConfigError

KEY = "sk-3cr3t-0123456789"
PROMPT = "A question that nobody else shall see"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Answer = Callable[[httpx.Request], httpx.Response]
Serve = Callable[[Callable[[socket.socket], None]], str]


def _config(**values: object) -> OpenAIConfig:
    given = {name.replace("_", "-"): value for name, value in values.items()}
    return OpenAIConfig.model_validate({"base-url": "https://api.example.com/v1", "model": "m", **given})


def _connect(config: OpenAIConfig, network: httpx.BaseTransport | None = None) -> Endpoint:
    return open_endpoint(config, codec(config), ChannelRole.DELIVERED, lambda: NOW, network=network)


def _open(answer: Answer, **values: object) -> Endpoint:
    return _connect(_config(**values), httpx.MockTransport(answer))


def _completion(content: object = "Yes.", finish: object = "stop", **more: object) -> dict[str, object]:
    message = {"role": "assistant", "content": content}
    return {"model": "m-2", "choices": [{"index": 0, "message": message, "finish_reason": finish}], **more}


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
        return httpx.Response(200, json=_completion())

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
        return httpx.Response(200, json=_completion())

    _open(answer).ask(request())

    assert "authorization" not in asked[0].headers


def test_more_fields_and_another_name_for_the_limit_are_sent_as_configured() -> None:
    asked: list[dict[str, object]] = []

    def answer(got: httpx.Request) -> httpx.Response:
        asked.append(json.loads(got.content))
        return httpx.Response(200, json=_completion())

    more = {"user": "u-1", "provider": {"order": ["a"]}, "stream_options": None}
    _open(answer, extra_body=more, max_tokens_field="max_completion_tokens", stream=True).ask(request())

    assert asked[0]["max_completion_tokens"] == 32
    assert "max_tokens" not in asked[0]
    assert asked[0]["stream"] is True
    assert {name: asked[0][name] for name in more} == more


def test_proxies_that_the_environment_names_are_not_used(monkeypatch: pytest.MonkeyPatch, serve: Serve) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    body = json.dumps(_completion()).encode()
    base_url = serve(lambda it: it.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body))

    with _connect(_config(base_url=base_url)) as channel:
        assert channel.ask(request()).reply == "Yes."


# What counts as a reply


@pytest.mark.parametrize("text", ["Yes.", " a\n\n", "\u202eevil\x1b[2J", "\ufffd", "👩‍👩‍👧"])
def test_a_reply_is_kept_as_it_came(text: str) -> None:
    assert _ask(200, _completion(text)).reply == text


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
    assert _ask(200, _completion(finish=told)).finish is meant


@pytest.mark.parametrize(
    ("said", "finish"), [(31, FinishReason.STOP), (32, FinishReason.LENGTH), (40, FinishReason.LENGTH)]
)
def test_a_reply_that_used_all_it_was_allowed_is_no_finished_one(said: int, finish: FinishReason) -> None:
    assert request().max_tokens == 32
    assert _ask(200, _completion(usage={"completion_tokens": said})).finish is finish


def test_the_model_id_is_the_one_that_the_endpoint_gave_and_safe_to_print() -> None:
    assert _ask(200, _completion()).model == "m-2"
    hostile = _ask(200, _completion(model="\x1b[2J\u202e" + "m" * 1000)).model
    assert hostile.isprintable()
    assert len(hostile) <= 200


def test_an_endpoint_that_gives_no_model_id_has_an_empty_one() -> None:
    assert _ask(200, {**_completion(), "model": None}).model == ""


def test_an_exchange_holds_its_time_and_its_request() -> None:
    exchange = _ask(200, _completion())

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
    ("half of it", json.dumps(_completion()).encode()[:-5], Reason.MALFORMED),
    ("not UTF-8", b'{"choices": [{"message": {"content": "\xff"}}]}', Reason.MALFORMED),
    ("a list", b"[]", Reason.MALFORMED),
    ("nested without end", b"[" * 200_000, Reason.MALFORMED),
    ("an ignored key nested without end", b'{"x":' + b"[" * 200_000, Reason.MALFORMED),
    ("too many bytes", b" " * 5_000_001, Reason.MALFORMED),
    ("an error", {"error": {"message": "no"}}, Reason.MALFORMED),
    ("an error beside a reply", _completion(error={"message": "no"}), Reason.MALFORMED),
    ("no choices", {"model": "m"}, Reason.MALFORMED),
    ("choices that are null", {"choices": None}, Reason.MALFORMED),
    ("choices that are empty", {"choices": []}, Reason.MALFORMED),
    ("choices that are text", {"choices": "yes"}, Reason.MALFORMED),
    ("a choice without a message", {"choices": [{"text": "yes"}]}, Reason.MALFORMED),
    ("content that is null", _completion(None), Reason.MALFORMED),
    ("content that is a number", _completion(7), Reason.MALFORMED),
    ("content in parts", _completion([{"type": "text", "text": "a"}]), Reason.MALFORMED),
    ("NUL", _completion("a\0b"), Reason.MALFORMED),
    ("a lone surrogate", b'{"choices": [{"message": {"content": "a\\ud800"}}]}', Reason.MALFORMED),
    ("a finish that is a number", _completion(finish=1), Reason.MALFORMED),
    ("an empty reply", _completion(""), Reason.EMPTY),
    ("an empty reply cut short", _completion("", "length"), Reason.EMPTY),
    ("a filtered reply", _completion("I", "content_filter"), Reason.BLOCKED),
    ("a filtered reply without text", _completion(None, "content_filter"), Reason.BLOCKED),
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
        _ask(status, _completion())

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
        "empty": json.dumps({**_completion(""), "model": echo}),
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


# A real connection


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Answer one connection with a script; returns the base URL."""
    with contextlib.ExitStack() as stack:

        def start(script: Callable[[socket.socket], None]) -> str:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def work() -> None:
                connection, _ = listener.accept()
                with connection, contextlib.suppress(OSError):
                    _hear(connection)
                    script(connection)

            thread = threading.Thread(target=work)
            thread.start()
            stack.callback(thread.join, 5)
            return f"http://127.0.0.1:{listener.getsockname()[1]}"

        yield start


def _hear(connection: socket.socket) -> None:
    """Read the whole request: whether closing on an unread one resets the connection is a matter of luck."""
    heard = connection.recv(65536)
    if not heard.startswith(b"POST "):
        return  # a TLS greeting: there is no request to hear
    while b"\r\n\r\n" not in heard:
        heard += connection.recv(65536)
    head, _, body = heard.partition(b"\r\n\r\n")
    (length,) = re.findall(rb"content-length: (\d+)", head.lower())
    while len(body) < int(length):
        body += connection.recv(65536)


def _reason(base_url: str, timeout_s: float = 5) -> Reason:
    config = _config(base_url=base_url, timeout_s=timeout_s)
    with _connect(config) as channel, pytest.raises(ChannelError) as failure:
        channel.ask(request())
    return failure.value.reason


def _drip(connection: socket.socket, piece: bytes) -> None:
    while True:
        connection.sendall(piece)
        time.sleep(0.02)


def test_a_reply_over_a_real_connection_is_read(serve: Serve) -> None:
    body = json.dumps(_completion()).encode()
    base_url = serve(lambda it: it.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body))

    with _connect(_config(base_url=base_url)) as channel:
        exchange = channel.ask(request())
    assert exchange.reply == "Yes."
    assert 0 < exchange.seconds < 5


def test_a_port_where_nobody_listens_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    assert _reason(f"http://127.0.0.1:{port}") is Reason.UNREACHABLE


def test_a_host_without_an_address_is_unreachable() -> None:
    assert _reason("http://nobody.invalid") is Reason.UNREACHABLE


def test_a_server_without_tls_is_unreachable_over_https(serve: Serve) -> None:
    base_url = serve(lambda it: it.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))

    assert _reason(base_url.replace("http:", "https:")) is Reason.UNREACHABLE


def test_a_silent_server_times_out(serve: Serve) -> None:
    base_url = serve(lambda it: time.sleep(0.4))

    assert _reason(base_url, timeout_s=0.2) is Reason.TIMED_OUT


@pytest.mark.parametrize(
    ("head", "piece"),
    [(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), (HEAD + b"Content-Length: 100000\r\n\r\n", b" "), (HEAD + b"\r\n", b" ")],
    ids=["headers", "body", "body without a length"],
)
def test_a_server_that_drips_times_out_as_a_whole(serve: Serve, head: bytes, piece: bytes) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(head)
        _drip(connection, piece)

    started = time.monotonic()

    assert _reason(serve(script), timeout_s=0.3) is Reason.TIMED_OUT
    assert time.monotonic() - started < 2


def test_a_reply_that_breaks_off_is_malformed(serve: Serve) -> None:
    base_url = serve(lambda it: it.sendall(HEAD + b'Content-Length: 500\r\n\r\n{"choices": ['))

    assert _reason(base_url) is Reason.MALFORMED


def test_a_server_that_hangs_up_is_malformed(serve: Serve) -> None:
    assert _reason(serve(lambda it: None)) is Reason.MALFORMED


def test_a_server_that_speaks_something_else_is_malformed(serve: Serve) -> None:
    assert _reason(serve(lambda it: it.sendall(b"SSH-2.0-OpenSSH_9.6\r\n"))) is Reason.MALFORMED


def test_a_connection_that_is_reset_is_unreachable(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        # Lingering for no time at all makes the close a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    assert _reason(serve(script)) is Reason.UNREACHABLE


def test_a_body_without_end_is_given_up(serve: Serve) -> None:
    def script(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b" " * 65536)

    assert _reason(serve(script)) is Reason.MALFORMED


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
        _config(**values)


def test_a_host_that_cannot_exist_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="host"):
        _open(_raise(AssertionError()), base_url="https://-é-.example.com")


def test_a_base_url_may_end_with_a_slash() -> None:
    assert _config(base_url="http://localhost:8000/v1/").base_url == "http://localhost:8000/v1"
