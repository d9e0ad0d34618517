"""Two channels without a network: one asks the scripted model, one answers from a script of your own."""

import itertools
from collections.abc import Callable, Iterable
from datetime import datetime

import numpy as np

from probes.scripted_calls import call_for
from probes.scripted_model import ScriptedModel, Utterance
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Request, SaidToken, Unsaid
from watchdog.domain.tools import ToolCall
from watchdog.errors import ChannelError
from watchdog.ports import Clock

Canned = str | tuple[ToolCall, ...] | ChannelError
"""What a script holds: a reply to give, the tool calls of one, or an error to raise."""


class ScriptedModelChannel:
    """Asks a scripted model; satisfies `ports.Channel`.

    Replies at temperature 0 depend on the conversation only. Above it each call draws anew, and a new channel over the
    same model draws the same replies again.
    """

    def __init__(self, model: ScriptedModel, role: ChannelRole, clock: Clock, *, model_id: str = "scripted") -> None:
        self.role = role
        self._model = model
        self._clock = clock
        self._model_id = model_id
        self._seed = int(model.digest[:16], 16)
        self._asked = itertools.count()

    def ask(self, request: Request) -> Exchange:
        """Return the model's next turn; where it is offered a tool, that is a call of it."""
        asked_at = self._clock()
        if request.tools:
            return self._exchange(request, asked_at, Utterance(tokens=(), ended=True), (call_for(request),))
        said = self._model.speak(
            request.messages,
            max_tokens=request.max_tokens,
            temperature=request.temperature,
            rng=np.random.default_rng([self._seed, next(self._asked)]),
        )
        return self._exchange(request, asked_at, said)

    def _exchange(
        self, request: Request, asked_at: datetime, said: Utterance, calls: tuple[ToolCall, ...] = ()
    ) -> Exchange:
        return Exchange(
            channel=self.role,
            request=request,
            reply=said.text,
            finish=FinishReason.STOP if said.ended else FinishReason.LENGTH,
            model=self._model_id,
            asked_at=asked_at,
            seconds=max(0.0, (self._clock() - asked_at).total_seconds()),
            tokens_said=self._listed(said) if request.logprobs else Unsaid.NOT_ASKED,
            tool_calls=calls,
        )

    def _listed(self, said: Utterance) -> tuple[SaidToken, ...]:
        spelled = (self._model.vocabulary[token] for token in said.tokens)
        return tuple(SaidToken(text=text, logprob=it) for text, it in zip(spelled, said.logprobs, strict=True))


class CannedChannel:
    """Answers from a script; satisfies `ports.Channel`.

    The script is either replies and errors in the order in which they are given, or a function of the request.
    `requests` holds what was asked.
    """

    def __init__(
        self,
        role: ChannelRole,
        clock: Clock,
        script: Iterable[Canned] | Callable[[Request], Canned],
        *,
        model_id: str = "canned",
    ) -> None:
        self.role = role
        self.requests: list[Request] = []
        self._clock = clock
        self._model_id = model_id
        self._answer = script if callable(script) else _in_order(script)

    def ask(self, request: Request) -> Exchange:
        """Return the script's next reply.

        Raises the ChannelError that the script holds instead, and LookupError when the script is at its end.
        """
        self.requests.append(request)
        answer = self._answer(request)
        if isinstance(answer, ChannelError):
            raise answer
        return Exchange(
            channel=self.role,
            request=request,
            reply=answer if isinstance(answer, str) else "",
            tool_calls=() if isinstance(answer, str) else answer,
            finish=FinishReason.STOP,
            model=self._model_id,
            asked_at=self._clock(),
            seconds=0.0,
        )


def _in_order(script: Iterable[Canned]) -> Callable[[Request], Canned]:
    rest = iter(script)

    def answer(request: Request) -> Canned:
        try:
            return next(rest)
        except StopIteration:
            raise LookupError(f"the script has no reply left for {request.messages[-1].text!r}") from None

    return answer
