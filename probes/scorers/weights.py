"""The scores of a model that runs in this process.

A conversation that is longer than the model's context is scored through windows of one context, half a context apart.
Every token then has at least half a context before it, and the scores say that they were made so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from probes.channels.weights import Weights
from probes.scorers.passes import Passes
from probes.scorers.spelling import Spelling, too_long, unscorable
from watchdog.domain.exchanges import Message
from watchdog.domain.tools import Tool
from watchdog.ports import Scorer, TokenScores

_NO_LIMIT = 2**31
"""Tokens; the context of a model that sets no limit."""
_MOST_CONTEXTS = 8
"""Contexts that a conversation may be long: each half of one costs a pass over a whole one."""


class WeightsScorer:
    """Teacher-forced scores of a model that runs in this process; satisfies `ports.Scorer`."""

    def __init__(self, weights: Weights, *, top_k: int = 16) -> None:
        self._weights = weights
        self._passes = Passes(weights, top_k=top_k)
        self._spelling = Spelling(weights.tokenizer, weights.model.get_output_embeddings().weight.shape[0])

    def offering(self, tools: Sequence[Tool]) -> Scorer:
        """Return this scorer for conversations in which the model is offered these tools."""
        return _Offering(self, tuple(tools))

    @property
    def digest(self) -> str:
        """Names the weights, the tokenizer and the precision."""
        return self._weights.digest

    @property
    def files_digest(self) -> str:
        """Names the files of the weights as they were loaded, the way the integrity check does."""
        return self._weights.files_digest

    @property
    def tokenizer_digest(self) -> str:
        """Names the tokenizer and its chat template, whatever the weights are."""
        return self._spelling.digest

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes that each token id adds to a text; empty for special tokens and for ids that mean nothing."""
        return self._spelling.vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text; what looks like a special token in it is plain text.

        Raises ScoringError (unscorable) when decoding them would not give the text back.
        """
        return self._spelling.encode(text)

    def score(
        self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]], *, tools: Sequence[Tool] = ()
    ) -> list[TokenScores]:
        """Score each reply as the assistant's next turn after the messages, in which it is offered the tools.

        Raises ScoringError when the conversation is several times as long as the model's context, its template does
        not allow it, or the scores are not finite.
        """
        try:
            prompt = self._weights.prompt(messages, tools)
        except ValueError as exc:
            raise unscorable(str(exc), hint="compare with questions of one user message only") from exc
        context = _NO_LIMIT if self._weights.context is None else self._weights.context
        longest = len(prompt) + max(map(len, replies), default=0)
        if longest > _MOST_CONTEXTS * context:
            raise too_long(f"the conversation has {longest} tokens, too many for a model whose context is {context}")
        beyond = {n for n, it in enumerate(replies) if len(prompt) + len(it) > context}
        with self._weights.busy, torch.inference_mode():
            within = self._passes.score(prompt, [it for n, it in enumerate(replies) if n not in beyond])
            return [
                self._passes.score_windowed(prompt, it, context) if n in beyond else next(within)
                for n, it in enumerate(replies)
            ]


@dataclass(frozen=True, slots=True)
class _Offering:
    """A scorer that offers tools in every conversation; satisfies `ports.Scorer`."""

    inner: WeightsScorer
    tools: tuple[Tool, ...]

    @property
    def digest(self) -> str:
        return self.inner.digest

    @property
    def vocabulary(self) -> Sequence[bytes]:
        return self.inner.vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        return self.inner.encode(text)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        return self.inner.score(messages, replies, tools=self.tools)
