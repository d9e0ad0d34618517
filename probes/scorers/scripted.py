"""The scripted model's own view of a reply."""

from collections.abc import Sequence

import numpy as np

from probes.scorers.spelling import too_long, unscorable
from probes.scripted_model import ScriptedModel
from watchdog.domain.exchanges import Message
from watchdog.ports import TokenScores

_LONGEST = 4096


class ScriptedScorer:
    """Teacher-forced scores of a scripted model; satisfies `ports.Scorer`."""

    def __init__(self, model: ScriptedModel, *, top: int = 20) -> None:
        self._model = model
        self._top = top

    @property
    def digest(self) -> str:
        """Names the model; engines that differ by noise share it."""
        return self._model.digest

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes of each token id."""
        return self._model.vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text.

        Raises ScoringError (unscorable) when the text holds a lone surrogate, which no bytes stand for.
        """
        try:
            return self._model.encode(text)
        except UnicodeEncodeError as exc:
            raise unscorable("the reply is not valid Unicode", hint="look at what the channel decodes") from exc

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score each reply as the assistant's next turn after the messages.

        Raises ScoringError (too long) when a reply is longer than the model's context.
        """
        return [self._score(messages, reply) for reply in replies]

    def _score(self, messages: Sequence[Message], reply: tuple[int, ...]) -> TokenScores:
        if len(reply) > _LONGEST:
            raise too_long(f"the reply has {len(reply)} tokens, the scripted model's context holds {_LONGEST}")
        turn = self._model.begin(messages)
        logprob = np.empty(len(reply))
        top_ids = np.empty((len(reply) + 1, self._top), dtype=np.int64)
        top_logprob = np.empty((len(reply) + 1, self._top))
        end_logprob = np.empty(len(reply) + 1)
        for position in range(len(reply) + 1):
            logits = self._model.logits(turn)
            row = logits - np.logaddexp.reduce(logits)
            top_ids[position] = np.argsort(-row, kind="stable")[: self._top]
            top_logprob[position] = row[top_ids[position]]
            end_logprob[position] = row[self._model.end]
            if position < len(reply):
                logprob[position] = row[reply[position]]
                turn = turn.after(reply[position])
        return TokenScores(logprob=logprob, top_ids=top_ids, top_logprob=top_logprob, end_logprob=end_logprob)
