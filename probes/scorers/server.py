"""A small scoring server: it lends the model in this process to watchdogs on other machines.

It is no serving engine. One computation runs at a time; a few more may wait, and whoever comes then is asked to come
again. It writes no log of what it is sent, shows no pages, and reads nothing from those who lack its token.
"""

import hmac
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from probes.scorers import wire
from watchdog.config.secrets import Secret
from watchdog.domain.exchanges import Reason
from watchdog.errors import ChannelError, ConfigError, ScoringError
from watchdog.ports import Channel, Scorer

_LARGEST_BODY = 2_000_000
_AGAIN_AFTER_S = 5
_MOST_CONNECTIONS = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Lent:
    """A model that a server lends."""

    name: str
    channel: Channel
    scorer: Scorer
    top: int
    """Likeliest tokens that its scores list."""


class BusyError(Exception):
    """Enough requests wait already."""


class Turnstile:
    """Lets one caller in at a time, and a few wait."""

    def __init__(self, waiting: int) -> None:
        self._places = threading.BoundedSemaphore(1 + waiting)
        self._turn = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn.

        Raises BusyError when there is no place to wait.
        """
        if not self._places.acquire(blocking=False):
            raise BusyError
        try:
            with self._turn:
                yield
        finally:
            self._places.release()


def create_app(lent: Lent, *, token: Secret | None, waiting: int = 8) -> ASGIApp:
    """Return the application; `token` is what every request has to carry, if anything."""
    app = FastAPI(openapi_url=None, title="scores")
    turnstile = Turnstile(waiting)
    packed = wire.Vocabulary.of(lent.scorer.vocabulary)
    digest = lent.scorer.digest
    model = wire.Model(
        protocol=wire.PROTOCOL, name=lent.name, digest=digest, vocabulary=wire.digest_of(packed), top=lent.top
    )
    app.add_exception_handler(RequestValidationError, lambda *_: _refused(400, "the request is not as documented"))
    app.add_exception_handler(BusyError, lambda *_: _busy())
    app.add_exception_handler(ScoringError, _not_scored)
    app.add_exception_handler(ChannelError, _not_answered)

    @app.get("/v1/model")
    def model_() -> wire.Model:
        return model

    @app.get("/v1/vocabulary")
    def vocabulary() -> wire.Vocabulary:
        return packed

    @app.post("/v1/encode")
    def encode(body: wire.ToEncode) -> wire.Ids:
        return wire.Ids(digest=digest, ids=list(lent.scorer.encode(body.text)))

    @app.post("/v1/score")
    def score(body: wire.ToScore) -> wire.AllScored:
        replies = [tuple(it) for it in body.replies]
        _check(replies, len(lent.scorer.vocabulary))
        with turnstile.turn():
            scores = lent.scorer.score([it.message() for it in body.messages], replies)
        return wire.AllScored(digest=digest, scores=[wire.Scored.of(it) for it in scores])

    @app.post("/v1/generate")
    def generate(body: wire.ToGenerate) -> dict[str, str]:
        with turnstile.turn():
            try:
                said = lent.channel.ask(body.request())
            except ChannelError as exc:
                if exc.reason is not Reason.EMPTY:
                    raise
                return {"digest": digest, "model": lent.name, "reply": "", "finish": "stop"}
        return {"digest": digest, "model": said.model, "reply": said.reply, "finish": said.finish}

    return Door(GZipMiddleware(app), token)


def listen(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises ConfigError when there cannot be one.
    """
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as exc:
        hint = "name an address of this machine, and a port that nobody uses"
        raise ConfigError(f"cannot listen at {host}, port {port}: {exc.strerror or exc}", hint=hint) from exc


def check_certificate(certificate: Path, key: Path) -> None:
    """Raise ConfigError when a certificate and its key cannot be used."""
    try:
        # Without a password of its own OpenSSL would ask for one at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as exc:
        hint = "name PEM files of a certificate and of its own key, without a password"
        raise ConfigError(f"--tls-certificate: {certificate} cannot be used with its key: {exc}", hint=hint) from exc


def serve(app: ASGIApp, listener: socket.socket, *, certificate: Path | None = None, key: Path | None = None) -> None:
    """Serve until a signal ends it."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        limit_concurrency=_MOST_CONNECTIONS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )
    uvicorn.Server(config).run([listener])


class Door:
    """Lets in whoever carries the token, with as much as a request may be."""

    def __init__(self, app: ASGIApp, token: Secret | None) -> None:
        self._app = app
        self._expected = None if token is None else b"Bearer " + token.reveal().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        shown = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
        if self._expected is not None and not hmac.compare_digest(shown, self._expected):
            await _refused(401, "the token is missing or wrong")(scope, receive, send)
            return
        body = await _whole(receive)
        if body is None:
            await _refused(413, f"a request may have {_LARGEST_BODY:,} bytes")(scope, receive, send)
            return
        await self._app(scope, _again(body, receive), send)


async def _whole(receive: Receive) -> bytes | None:
    """Return the body of a request; None when it is too large."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > _LARGEST_BODY:
            return None
        if not message.get("more_body", False):
            return bytes(body)


def _again(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    parts = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replay() -> Message:
        part = next(parts, None)
        return await receive() if part is None else part

    return replay


def _check(replies: list[tuple[int, ...]], vocabulary: int) -> None:
    tokens = sum(map(len, replies))
    if tokens > wire.MOST_TOKENS:
        problem = f"a request may have {wire.MOST_TOKENS:,} tokens, this one has {tokens:,}"
        raise ScoringError(problem, hint="ask for shorter replies", reason=Reason.TOO_LONG)
    if any(token >= vocabulary for reply in replies for token in reply):
        hint = "read the vocabulary again"
        raise ScoringError("a reply has a token that there is not", hint=hint, reason=Reason.UNSCORABLE)


def _not_scored(_: object, exc: Exception) -> Response:
    assert isinstance(exc, ScoringError)  # noqa: S101 - it is handled for this type only
    fault = wire.Fault(reason=exc.reason, problem=exc.problem, hint=exc.hint)
    return JSONResponse(fault.model_dump(mode="json"), 422)


def _not_answered(_: object, exc: Exception) -> Response:
    assert isinstance(exc, ChannelError)  # noqa: S101 - it is handled for this type only
    return _refused(400 if exc.reason is Reason.REJECTED else 500, exc.problem)


def _busy() -> Response:
    response = _refused(503, "enough requests wait already")
    response.headers["Retry-After"] = str(_AGAIN_AFTER_S)
    return response


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": {"message": why}}, status)
