"""A channel to an HTTP endpoint, whatever protocol it speaks."""

from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Self

import httpx

from probes.channels import courtesy, sse
from probes.channels.codec import Codec, Completion, Failure
from probes.channels.config import HttpConfig
from probes.channels.refusals import refused
from probes.channels.transport import Answer, Transport, open_transport
from watchdog.config.secrets import read_secret
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Reason, Request, SaidToken, Unsaid
from watchdog.domain.spoken_calls import spoken
from watchdog.errors import ChannelError
from watchdog.ports import Clock

_TEMPERATURE = "temperature"
_TOOLS = "tools"
_NO_TOOLS = "set `tool-questions-per-round` to 0, or have the engine started with a parser for tool calls"
_REMEMBERED = timedelta(hours=1)
"""How long a refused parameter is left out: then it is offered again, because a gateway may have been at fault."""


class Endpoint:
    """Asks over HTTP; satisfies `ports.Channel`.

    It keeps away from an endpoint that asked for it, and leaves out the temperature, or the wish for log probabilities,
    where they are not taken.
    """

    def __init__(self, transport: Transport, codec: Codec, config: HttpConfig, role: ChannelRole, clock: Clock) -> None:
        self.role = role
        self._transport = transport
        self._codec = codec
        self._config = config
        self._clock = clock
        self._quiet_until: datetime | None = None
        self._refused_at: dict[str, datetime] = {}
        """When each parameter that may be left out was last refused."""

    def ask(self, request: Request) -> Exchange:
        """Return what the endpoint answered.

        Raises ChannelError with a named reason when it gave no reply that could be judged, or wants to be left alone.
        """
        asked_at = self._clock()
        remembered = {name for name, at in self._refused_at.items() if abs(asked_at - at) < _REMEMBERED}
        left_out = set(remembered)
        got = self._once(request, left_out)
        while isinstance(got, Failure):
            if request.tools and got.parameter == _TOOLS:
                got = replace(got, reason=Reason.TOOLS_REFUSED, hint=_NO_TOOLS)
            refused = self._to_leave_out(got, request)
            if refused is None or refused in left_out:
                raise self._error(got)
            left_out.add(refused)
            got = self._once(request, left_out)
        self._refused_at |= dict.fromkeys(left_out - remembered, asked_at)
        answer, told = got
        reply, calls = told.reply, told.tool_calls
        if request.tools and not calls:  # a server that does not take the model's calls apart leaves them in its text
            reply, calls = spoken(reply)
        return Exchange(
            channel=self.role,
            request=request,
            reply=reply,
            finish=_finish(told, request.max_tokens),
            model=told.model,
            asked_at=asked_at,
            seconds=answer.seconds,
            tokens=told.tokens,
            temperature_honoured=_TEMPERATURE not in left_out,
            hidden_reasoning=told.hidden_reasoning,
            cached=courtesy.is_cached(answer.headers),
            tokens_said=self._tokens_said(request, told, left_out),
            tool_calls=calls,
        )

    def close(self) -> None:
        """Let go of the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _to_leave_out(self, refusal: Failure, request: Request) -> str | None:
        """Return the key of the body that a refusal is about, where the reply can do without it."""
        if refusal.parameter == _TEMPERATURE:
            return _TEMPERATURE
        about_logprobs = request.logprobs and refusal.parameter in {"include", "logprobs", "top_logprobs"}
        return self._codec.asks_logprobs if about_logprobs else None

    def _tokens_said(
        self, request: Request, told: Completion, left_out: AbstractSet[str]
    ) -> tuple[SaidToken, ...] | Unsaid:
        if self._codec.asks_logprobs is None or not (request.logprobs and self._config.asks_logprobs):
            return Unsaid.NOT_ASKED
        return Unsaid.REFUSED if self._codec.asks_logprobs in left_out else told.tokens_said

    def _once(self, request: Request, left_out: AbstractSet[str]) -> tuple[Answer, Completion] | Failure:
        until = self._quiet_until
        # A wait that looks longer than any we grant means that the clock was moved.
        if until is not None and timedelta(0) < until - self._clock() <= courtesy.LONGEST_WAIT:
            what = f"asked us to wait until {until:%H:%M:%S} UTC, so nothing was sent"
            hint = "wait; or ask for a higher limit for this key, or send fewer probes"
            return Failure(what, Reason.RATE_LIMITED, hint)
        if request.tools and not self._codec.takes_tools:
            return Failure("takes no tools", Reason.TOOLS_REFUSED, _NO_TOOLS)
        wanted = replace(request, logprobs=request.logprobs and self._config.asks_logprobs)
        written = {key: value for key, value in self._codec.write(wanted).items() if key not in left_out}
        body = written | ({"stream": True} if self._config.stream else {}) | self._config.extra_body
        answer = self._transport.post(body)
        if isinstance(answer, Failure):
            return answer
        self._quiet_until = courtesy.quiet_until(answer.status, answer.headers, self._clock())
        told = self._read(answer)
        return told if isinstance(told, Failure) else (answer, told)

    def _read(self, answer: Answer) -> Completion | Failure:
        if not 200 <= answer.status < 300:
            return refused(answer.status, answer.body, self._codec.path)
        # Some endpoints stream unasked, and some do not although they were asked to.
        if answer.headers.get("content-type", "").lower().startswith(sse.MEDIA_TYPE):
            return self._codec.read_stream(sse.payloads(answer.body))
        return self._codec.read(answer.body)

    def _error(self, failure: Failure) -> ChannelError:
        where = f"the {self.role} channel at {self._transport.host}"
        return ChannelError(f"{where} {failure.what}", hint=failure.hint, reason=failure.reason)


def open_endpoint(
    config: HttpConfig, codec: Codec, role: ChannelRole, clock: Clock, *, network: httpx.BaseTransport | None = None
) -> Endpoint:
    """Open a channel; nothing is sent yet. `network` takes the place of the real one.

    Raises ConfigError when the key, the certificates or the URL cannot be used.
    """
    key = read_secret(f"the {role} channel", env=config.api_key_env, file=config.api_key_file)
    return Endpoint(open_transport(config, codec, key, network=network), codec, config, role, clock)


def _finish(told: Completion, max_tokens: int) -> FinishReason:
    # Some servers call a reply complete although it ran into the limit: the Responses API of `transformers serve` does.
    ran_out = told.finish is FinishReason.STOP and told.said is not None and told.said >= max_tokens
    return FinishReason.LENGTH if ran_out else told.finish
