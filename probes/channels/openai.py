"""A channel to an HTTP endpoint that speaks the chat completions protocol of OpenAI."""

import ssl
import time
from pathlib import Path
from typing import Self

import httpx

from probes.channels import completions
from probes.channels.completions import Failure
from probes.channels.config import OpenAIConfig
from probes.channels.deadline import Deadline
from watchdog.config.secrets import Secret, read_secret
from watchdog.domain.exchanges import ChannelRole, Exchange, Reason, Request
from watchdog.errors import ChannelError, ConfigError
from watchdog.ports import Clock

_LARGEST_BODY = 5_000_000


class OpenAIChannel:
    """Asks over HTTP; satisfies `ports.Channel`. Each request has a connection of its own."""

    def __init__(self, http: httpx.Client, config: OpenAIConfig, role: ChannelRole, clock: Clock) -> None:
        self.role = role
        self._http = http
        self._clock = clock
        self._url = httpx.URL(f"{config.base_url}/chat/completions")
        self._model = config.model
        self._timeout_s = config.timeout_s

    def ask(self, request: Request) -> Exchange:
        """Return what the endpoint answered.

        Raises ChannelError with a named reason when it gave no reply that could be judged.
        """
        asked_at, started = self._clock(), time.monotonic()
        status, body = self._post(request)
        seconds = time.monotonic() - started
        answer = completions.read(status, body)
        if isinstance(answer, Failure):
            raise self._error(answer)
        return Exchange(
            channel=self.role,
            request=request,
            reply=answer.reply,
            finish=answer.finish,
            model=answer.model,
            asked_at=asked_at,
            seconds=seconds,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _post(self, request: Request) -> tuple[int, bytes]:
        payload = {
            "model": self._model,
            "messages": [{"role": it.speaker.value, "content": it.text} for it in request.messages],
            "max_tokens": request.max_tokens,
            "temperature": request.temperature,
        }
        with Deadline(self._timeout_s) as deadline:
            try:
                extensions = {"trace": deadline.trace}
                with self._http.stream("POST", self._url, json=payload, extensions=extensions) as response:
                    status, body = response.status_code, _read(response)
            except httpx.RequestError as exc:
                failure = self._timed_out() if deadline.passed else self._no_answer(exc)
                raise self._error(failure) from exc
        if deadline.passed:
            raise self._error(self._timed_out())
        if body is None:
            raise self._error(completions.malformed(f"more than {_LARGEST_BODY:,} bytes"))
        return status, body

    def _no_answer(self, error: httpx.RequestError) -> Failure:
        if isinstance(error, httpx.TimeoutException):
            return self._timed_out()
        if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
            return completions.malformed("something that is broken off, or is not HTTP")
        hint = "check base-url, the name service, the certificate and the firewall"
        return Failure("cannot be reached", Reason.UNREACHABLE, hint)

    def _timed_out(self) -> Failure:
        what = f"gave no whole answer within {self._timeout_s:g} s"
        return Failure(what, Reason.TIMED_OUT, "check the endpoint's load, or raise timeout-s")

    def _error(self, failure: Failure) -> ChannelError:
        where = f"the {self.role} channel at {self._url.netloc.decode('ascii')}"
        return ChannelError(f"{where} {failure.what}", hint=failure.hint, reason=failure.reason)


def open_channel(
    config: OpenAIConfig, role: ChannelRole, clock: Clock, *, transport: httpx.BaseTransport | None = None
) -> OpenAIChannel:
    """Open a channel; nothing is sent yet. `transport` takes the place of the network.

    Raises ConfigError when the key, the certificates or the URL cannot be used.
    """
    key = read_secret(f"the {role} channel", env=config.api_key_env, file=config.api_key_file)
    http = httpx.Client(
        headers=config.headers | _authorization(key),
        transport=transport,
        timeout=config.timeout_s,
        # Environment variables and redirects could send a probe, and the key with it, somewhere else.
        trust_env=False,
        follow_redirects=False,
        verify=True if config.ca_bundle is None else _trusting(config.ca_bundle),
        limits=httpx.Limits(max_keepalive_connections=0),  # as Deadline asks
    )
    try:
        return OpenAIChannel(http, config, role, clock)
    except httpx.InvalidURL as exc:
        http.close()
        raise ConfigError("base-url: the host is not one that can exist", hint="check its spelling") from exc


def _authorization(key: Secret | None) -> dict[str, str]:
    if key is None:
        return {}
    text = key.reveal()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError("the API key has characters that no header can carry", hint="store the key, and nothing else")
    return {"Authorization": f"Bearer {text}"}


def _trusting(bundle: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as exc:
        raise ConfigError(f"ca-bundle: {bundle} cannot be used: {exc}", hint="name a PEM file of certificates") from exc


def _read(response: httpx.Response) -> bytes | None:
    """Return the body; None when it is too large to be a reply."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return bytes(body)
