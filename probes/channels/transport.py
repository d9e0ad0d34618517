"""The one way in which every HTTP channel sends a request: TLS, one deadline for all of it, and a limit of size."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpx
from pydantic import JsonValue

from probes.channels import codec, tls
from probes.channels.codec import Codec, Failure
from probes.channels.config import HttpConfig
from probes.channels.deadline import Deadline
from watchdog.config.secrets import Secret
from watchdog.domain.exchanges import Reason
from watchdog.errors import ConfigError

_LARGEST_BODY = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A whole HTTP answer."""

    status: int
    headers: Mapping[str, str]
    """By name, in small letters; of a header that came twice, both values with a comma between them."""
    body: bytes
    seconds: float
    """From sending the request to holding all of this."""


class Transport:
    """Sends to one URL. Each request has a connection of its own."""

    def __init__(self, http: httpx.Client, url: httpx.URL, timeout_s: float) -> None:
        self._http = http
        self._url = url
        self._timeout_s = timeout_s

    @property
    def host(self) -> str:
        """Who is asked, for messages."""
        return self._url.netloc.decode("ascii")

    def post(self, payload: Mapping[str, JsonValue]) -> Answer | Failure:
        """Send a body, and return what came back; never tries again."""
        return self._send("POST", payload)

    def get(self) -> Answer | Failure:
        """Ask for what is there, and return what came back; never tries again."""
        return self._send("GET", None)

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def _send(self, method: str, payload: Mapping[str, JsonValue] | None) -> Answer | Failure:
        started = time.monotonic()
        with Deadline(self._timeout_s) as deadline:
            try:
                extensions = {"trace": deadline.trace}
                with self._http.stream(method, self._url, json=payload, extensions=extensions) as response:
                    status, headers, body = response.status_code, dict(response.headers), _read(response)
            except httpx.RequestError as exc:
                return self._timed_out() if deadline.passed else self._no_answer(exc)
            except httpx.InvalidURL:
                # httpx reads where a redirect leads although it is not followed.
                return codec.malformed("a redirect to an address that cannot be")
        if deadline.passed:
            return self._timed_out()
        if body is None:
            return codec.malformed(f"more than {_LARGEST_BODY:,} bytes")
        return Answer(status=status, headers=headers, body=body, seconds=time.monotonic() - started)

    def _no_answer(self, error: httpx.RequestError) -> Failure:
        if isinstance(error, httpx.TimeoutException):
            return self._timed_out()
        if isinstance(error, httpx.RemoteProtocolError | httpx.DecodingError):
            return codec.malformed("something that is broken off, or is not HTTP")
        if isinstance(error, httpx.ProxyError):
            return Failure("cannot be reached through its proxy", Reason.UNREACHABLE, "check `proxy`")
        hint = "check base-url, the name service, the certificates and the firewall"
        return Failure("cannot be reached", Reason.UNREACHABLE, hint)

    def _timed_out(self) -> Failure:
        what = f"gave no whole answer within {self._timeout_s:g} s"
        return Failure(what, Reason.TIMED_OUT, "check the endpoint's load, or raise timeout-s")


def open_transport(
    config: HttpConfig, speaks: Codec, key: Secret | None, *, network: httpx.BaseTransport | None = None
) -> Transport:
    """Open a transport; nothing is sent yet. `network` takes the place of the real one.

    Raises ConfigError when the key, the certificates or the URL cannot be used.
    """
    http = httpx.Client(
        headers=dict(speaks.headers) | config.headers | _authorization(speaks, key),
        transport=network,
        timeout=config.timeout_s,
        # Environment variables and redirects could send a probe, and the key with it, somewhere else.
        trust_env=False,
        proxy=config.proxy,
        follow_redirects=False,
        verify=tls.context_of(config),
        limits=httpx.Limits(max_keepalive_connections=0),  # as Deadline asks
    )
    try:
        url = httpx.URL(f"{config.base_url}{speaks.path}", params=dict(speaks.params) or None)
    except httpx.InvalidURL as exc:
        http.close()
        raise ConfigError("base-url: the host is not one that can exist", hint="check its spelling") from exc
    return Transport(http, url, config.timeout_s)


def _authorization(speaks: Codec, key: Secret | None) -> dict[str, str]:
    if key is None:
        return {}
    text = key.reveal()
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ConfigError("the API key has characters that no header can carry", hint="store the key, and nothing else")
    return dict(speaks.authorize(text))


def _read(response: httpx.Response) -> bytes | None:
    """Return the body; None when it is too large to be a reply."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > _LARGEST_BODY:
            return None
    return bytes(body)
