"""The scores of a model that runs in this process."""

import copy
import json
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from probes.channels.weights import Weights
from watchdog.domain.exchanges import Message, Reason
from watchdog.errors import ScoringError
from watchdog.ports import TokenScores

_LARGEST_PASS = 2**26
"""Logits computed at a time: 256 MB of them."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What the model computed about a prompt; the search for a good cut scores many replies to the same one."""

    ids: tuple[int, ...]
    cache: Any
    logits: Tensor
    """Of the first token of the reply; shape (1, vocabulary)."""

    def caches(self, count: int) -> Any:
        """Return a copy for `count` replies, since a run extends the cache that it is given."""
        copied = copy.deepcopy(self.cache)
        copied.batch_repeat_interleave(count)
        return copied


class WeightsScorer:
    """Teacher-forced scores of a model that runs in this process; satisfies `ports.Scorer`."""

    def __init__(self, weights: Weights, *, top_k: int = 16) -> None:
        self._weights = weights
        self._top_k = top_k
        # One of its own: whether special tokens are split is a setting inside it, and prompts need the other one.
        self._tokenizer = copy.deepcopy(weights.tokenizer)
        self._ends = torch.tensor(weights.ends)
        self._vocabulary = _vocabulary(weights)
        self._last: _Prompt | None = None

    @property
    def digest(self) -> str:
        """Names the weights, the tokenizer and the precision."""
        return self._weights.digest

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes that each token id adds to a text; empty for special tokens and for ids that mean nothing."""
        return self._vocabulary

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text; what looks like a special token in it is plain text.

        Raises ScoringError (unscorable) when decoding them would not give the text back.
        """
        try:
            expected = text.encode()
        except UnicodeEncodeError as exc:
            raise _unscorable("the reply is not valid Unicode", hint="look at what the channel decodes") from exc
        ids = self._tokens(text)
        if self._spelled(ids) == expected:
            return ids
        # Some tokenizers put a space before any text. Behind a line break they do not put it before the reply.
        ids = self._tokens("\n" + text)
        for cut in (1, 2):
            if self._spelled(ids[:cut]).lstrip(b" ") == b"\n" and self._spelled(ids[cut:]) == expected:
                return ids[cut:]
        raise _unscorable(
            "the reply's tokens do not give its text back",
            hint="check that the delivered channel serves the model that is loaded here",
        )

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score each reply as the assistant's next turn after the messages.

        Raises ScoringError when the model's context is too short, its template does not allow the conversation, or
        its scores are not finite.
        """
        try:
            ids = self._weights.prompt(messages)
        except ValueError as exc:
            raise _unscorable(str(exc), hint="compare with questions of one user message only") from exc
        self._check_length(len(ids), max(map(len, replies), default=0))
        with self._weights.busy, torch.inference_mode():
            prompt = self._prompt(ids)
            return [scores for batch in self._batches(replies) for scores in self._score(prompt, batch)]

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True))

    def _spelled(self, ids: Sequence[int]) -> bytes:
        return b"".join(self._vocabulary[token] for token in ids)

    def _check_length(self, prompt: int, reply: int) -> None:
        context = self._weights.context
        if context is not None and prompt + reply > context:
            problem = f"a prompt of {prompt} tokens and a reply of {reply} do not fit into the model's {context}"
            raise _unscorable(problem, hint="ask for shorter replies")

    def _prompt(self, ids: tuple[int, ...]) -> _Prompt:
        if self._last is None or self._last.ids != ids:
            cache = self._weights.new_cache()
            logits = self._weights.run([ids], cache, last_only=True)[0]
            self._last = _Prompt(ids, cache, logits)
        return self._last

    def _batches(self, replies: Sequence[tuple[int, ...]]) -> Iterator[Sequence[tuple[int, ...]]]:
        longest = max(map(len, replies), default=0)
        size = max(1, _LARGEST_PASS // (len(self._vocabulary) * max(1, longest)))
        for start in range(0, len(replies), size):
            yield replies[start : start + size]

    def _score(self, prompt: _Prompt, replies: Sequence[tuple[int, ...]]) -> Iterator[TokenScores]:
        longest = max(map(len, replies))
        logits = prompt.logits.new_empty(len(replies), 0, len(self._vocabulary))
        if longest:
            # Padding needs no mask: it is on the right, and a causal model never looks there.
            padded = [(*reply, *[self._weights.ends[0]] * (longest - len(reply))) for reply in replies]
            logits = self._weights.run(padded, prompt.caches(len(replies)))
        for reply, rows in zip(replies, logits, strict=True):
            yield self._scores(torch.cat([prompt.logits, rows[: len(reply)]]), reply)

    def _scores(self, logits: Tensor, reply: tuple[int, ...]) -> TokenScores:
        """Turn the logits of n + 1 rows into the scores of n tokens."""
        logits = logits.float()
        total = logits.logsumexp(dim=-1)
        top = logits.topk(min(self._top_k, logits.shape[-1]), dim=-1)
        taken = logits[:-1].gather(1, torch.tensor(reply, dtype=torch.long)[:, None])[:, 0]
        scores = TokenScores(
            logprob=(taken - total[:-1]).double().numpy(),
            top_ids=top.indices.numpy(),
            top_logprob=(top.values - total[:, None]).double().numpy(),
            end_logprob=(logits[:, self._ends].logsumexp(dim=-1) - total).double().numpy(),
        )
        checked = (scores.logprob, scores.top_logprob, scores.end_logprob)
        if not all(math.isfinite(part.sum()) for part in checked):
            raise _unscorable(
                "the model's scores of a reply are not finite",
                hint="check the weights and the precision they are loaded in",
            )
        return scores


def _vocabulary(weights: Weights) -> tuple[bytes, ...]:
    """Return the bytes of each id, by the way in which the tokenizer writes bytes as characters."""
    tokenizer = weights.tokenizer
    added = tokenizer.added_tokens_decoder
    spell = _spell_bytes if _is_byte_level(tokenizer) else _spell_pieces
    texts = []
    for number in range(weights.model.get_output_embeddings().weight.shape[0]):
        if number in added:
            texts.append(b"" if added[number].special else added[number].content.encode())
        else:
            token = tokenizer.convert_ids_to_tokens(number)
            texts.append(b"" if token is None else spell(token))
    return tuple(texts)


def _is_byte_level(tokenizer: Any) -> bool:
    decoder = json.loads(tokenizer.backend_tokenizer.to_str())["decoder"] or {}
    return any(part.get("type") == "ByteLevel" for part in decoder.get("decoders", [decoder]))


def _byte_characters() -> dict[str, int]:
    """Return the characters by which byte-level tokenizers since GPT-2 write bytes: themselves, where they show."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = [byte for byte in range(0x100) if byte not in shown]
    return {chr(byte): byte for byte in shown} | {chr(0x100 + n): byte for n, byte in enumerate(hidden)}


_BYTES = _byte_characters()
_PIECE_BYTE = re.compile(r"<0x([0-9A-F]{2})>")


def _spell_bytes(token: str) -> bytes:
    return bytes(_BYTES[char] for char in token)


def _spell_pieces(token: str) -> bytes:
    """Spell a token of SentencePiece, which writes a space as U+2581 and a byte that is no character in hex."""
    byte = _PIECE_BYTE.fullmatch(token)
    return bytes.fromhex(byte[1]) if byte else token.replace("\u2581", " ").encode()


def _unscorable(problem: str, *, hint: str) -> ScoringError:
    return ScoringError(problem, hint=hint, reason=Reason.UNSCORABLE)
