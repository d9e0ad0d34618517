"""The model in this process, run as honest providers run it: alone and in batches, rounded to other precisions.

torch's own dynamic int8 is not among them: it rounds activations with one scale a tensor, so coarsely that it writes
other replies. Providers round weights, with a scale for each output channel, and that is what is done here.
"""

import copy
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from importlib.metadata import version
from typing import Literal

import torch

from probes.channels.config import WeightsConfig
from probes.channels.weights import Weights, WeightsChannel, open_weights
from watchdog.domain.banks import Engine
from watchdog.domain.exchanges import ChannelRole, Exchange, FinishReason, Reason, Request
from watchdog.errors import ChannelError
from watchdog.ports import Clock

BATCH = 16
INT8_LEVELS = 127
_OTHER: dict[str, Literal["float32", "bfloat16"]] = {"float32": "bfloat16", "bfloat16": "float32"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenignWeights:
    """The ways to run one model in this process; satisfies `ports.BenignEngines`."""

    weights: Weights
    config: WeightsConfig
    role: ChannelRole
    clock: Clock

    @property
    def engines(self) -> tuple[Engine, ...]:
        """As it is loaded, alone and in batches; then in the other precision, and with int8 weights, in batches."""
        own, other = self.config.dtype, _OTHER[self.config.dtype]
        return (
            _engine(own, 1),
            _engine(own, BATCH),
            _engine(other, BATCH),
            _engine("int8 weights", BATCH, computed=f"int8 weights, computed in {own}"),
        )

    def speak(self, engine: Engine, requests: Sequence[Request]) -> Iterator[Exchange | ChannelError]:
        """Yield what one of them says; a copy of the model lives until the last reply was taken."""
        weights = self._weights(engine)
        if engine.batch_size == 1:
            channel = WeightsChannel(weights, self.role, self.clock)
            yield from (_asked(channel, it) for it in requests)
            return
        for start in range(0, len(requests), BATCH):
            yield from self._together(weights, requests[start : start + BATCH])

    def _weights(self, engine: Engine) -> Weights:
        if engine.precision == self.config.dtype:
            return self.weights
        if engine.precision in _OTHER:
            again = open_weights(self.config.model_copy(update={"dtype": engine.precision}))
            return replace(again, busy=self.weights.busy)
        return rounded(self.weights, INT8_LEVELS)

    def _together(self, weights: Weights, requests: Sequence[Request]) -> Iterator[Exchange | ChannelError]:
        asked_at, started = self.clock(), time.monotonic()
        try:
            prompts = [weights.prompt(it.messages) for it in requests]
        except ValueError as exc:
            refused = ChannelError(f"refused a conversation: {exc}", hint="ask something else", reason=Reason.REJECTED)
            yield from (refused for _ in requests)
            return
        with weights.busy:
            said = _greedy(weights, prompts, max(it.max_tokens for it in requests))
        for request, tokens in zip(requests, said, strict=True):
            yield self._exchange(weights, request, tokens, asked_at=asked_at, seconds=time.monotonic() - started)

    def _exchange(
        self, weights: Weights, request: Request, tokens: Sequence[int], *, asked_at: datetime, seconds: float
    ) -> Exchange | ChannelError:
        tokens = tokens[: request.max_tokens]
        end = next((n for n, token in enumerate(tokens) if token in weights.ends), None)
        reply = weights.tokenizer.decode(tokens[:end], skip_special_tokens=True, clean_up_tokenization_spaces=False)
        if not reply:
            return ChannelError("answered with an empty text", hint="ask something else", reason=Reason.EMPTY)
        return Exchange(
            channel=self.role,
            request=request,
            reply=reply,
            finish=FinishReason.LENGTH if end is None else FinishReason.STOP,
            model=weights.id,
            asked_at=asked_at,
            seconds=seconds,
        )


def _engine(precision: str, batch_size: int, *, computed: str = "") -> Engine:
    together = "alone" if batch_size == 1 else f"in batches of {batch_size}"
    return Engine(
        name=f"{precision}, {together}",
        runs_on="this process, on the CPU",
        precision=computed or precision,
        batch_size=batch_size,
        libraries=tuple(f"{name} {version(name)}" for name in ("torch", "transformers")),
    )


def _asked(channel: WeightsChannel, request: Request) -> Exchange | ChannelError:
    try:
        return channel.ask(request)
    except ChannelError as exc:
        return exc


def _greedy(weights: Weights, prompts: Sequence[tuple[int, ...]], most: int) -> list[list[int]]:
    """Return the first choices after each prompt, computed together; short prompts are filled up on their left."""
    longest = max(map(len, prompts))
    if weights.context is not None:
        most = max(1, min(most, weights.context - longest))
    step = [[weights.ends[0]] * (longest - len(it)) + list(it) for it in prompts]
    mask = [[0] * (longest - len(it)) + [1] * len(it) for it in prompts]
    said: list[list[int]] = [[] for _ in prompts]
    cache = weights.new_cache()
    for _ in range(most):
        tokens = weights.run(step, cache, last_only=True, mask=mask)[:, -1].argmax(dim=-1).tolist()
        for row, token in zip(said, tokens, strict=True):
            row.append(token)
        if all(not set(row).isdisjoint(weights.ends) for row in said):
            break
        step = [[token] for token in tokens]
        mask = [[*row, 1] for row in mask]
    return said


def rounded(weights: Weights, levels: int) -> Weights:
    """Return the model with the weights of its linear layers rounded to so many levels on either side of 0.

    Each output channel has a scale of its own; the last layer, which may share its weights with the first, is left
    alone.
    """
    model = copy.deepcopy(weights.model)
    head = model.get_output_embeddings()
    for layer in model.modules():
        if isinstance(layer, torch.nn.Linear) and layer is not head:
            scale = (layer.weight.data.abs().amax(dim=-1, keepdim=True) / levels).clamp(min=1e-12)
            layer.weight.data = (layer.weight.data / scale).round() * scale
    return replace(weights, model=model)
