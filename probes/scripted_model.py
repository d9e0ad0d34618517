"""A tiny language model that follows a script, for rehearsals: it needs no weights and answers at once.

Its next-token distribution is defined after any conversation and any text, so that everything the watchdog asks of a
real model can be asked of it. The words it may say come from `probes.scripted_plan`; how likely each is comes from a
hash, so the same seed always gives the same model.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from probes.scripted_phrases import END, IDS, VOCABULARY, encode
from probes.scripted_plan import Stage, plan
from watchdog.domain.exchanges import Message

# Expected words lie within 7 nats of the likeliest; two to four words a slot make one step in eleven a near tie.
_SPREAD = 7.0
# Unexpected words lie about 12 nats below the likeliest, stray bytes about 17: rare even at temperature 1.
_UNEXPECTED_WORD = -12.0
_STRAY_BYTE = -17.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A place in the model's turn: what was said so far decides what it would say next."""

    conversation: bytes
    """Digest of the messages before the turn."""
    stage: Stage
    recent: tuple[bytes, bytes] = (END, END)

    def after(self, token: int) -> "Turn":
        """Return the place after one more token."""
        said = VOCABULARY[token]
        return Turn(conversation=self.conversation, stage=self.stage.after(said), recent=(self.recent[1], said))


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What the model said in one turn."""

    tokens: tuple[int, ...]
    """Without the end of the turn."""
    ended: bool
    """Whether the model ended its turn; otherwise it was cut short."""
    logprobs: tuple[float, ...] = ()
    """Of each token, in nats at temperature 1."""

    @property
    def text(self) -> str:
        """The reply as text; bytes that are not UTF-8 become replacement characters."""
        return b"".join(VOCABULARY[token] for token in self.tokens).decode(errors="replace")


class ScriptedModel:
    """A deterministic language model that gives advice, makes lists, keeps records, and heeds corrections.

    `noise` is the largest shift in nats by which this engine's logits differ from those of the same model without
    noise: it stands for another precision or batch size. With `resists` it goes on as before when it is corrected.
    """

    vocabulary: tuple[bytes, ...] = VOCABULARY
    end: int = IDS[END]

    def __init__(self, seed: int = 0, noise: float = 0.0, *, resists: bool = False) -> None:
        if not 0 <= noise < math.inf:
            raise ValueError(f"noise must be a finite number of nats, not below 0, got {noise}")
        self.noise = noise
        self._resists = resists
        self._salt = b"%d" % seed
        prior = np.random.default_rng(list(self._salt)).uniform(-1, 1, len(VOCABULARY))
        prior += np.where([len(token) == 1 for token in VOCABULARY], _STRAY_BYTE, _UNEXPECTED_WORD)
        self._prior: NDArray[np.float64] = prior

    @property
    def digest(self) -> str:
        """Names the model in hex; engines that differ by noise run the same model."""
        parts = (b"scripted", self._salt, b"%d" % self._resists, *VOCABULARY)
        return hashlib.sha256(b"\0".join(parts)).hexdigest()

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a text.

        Raises UnicodeEncodeError when the text is not valid Unicode.
        """
        return encode(text)

    def begin(self, messages: Sequence[Message]) -> Turn:
        """Return the beginning of the assistant's next turn."""
        return Turn(conversation=_digest(messages), stage=plan(messages, resists=self._resists))

    def speak(
        self, messages: Sequence[Message], *, max_tokens: int, temperature: float, rng: np.random.Generator
    ) -> Utterance:
        """Say one turn: the likeliest tokens at temperature 0, sampled ones above it."""
        turn = self.begin(messages)
        said: list[int] = []
        logprobs: list[float] = []
        while len(said) < max_tokens:
            logits = self.logits(turn)
            token = _pick(logits, temperature, rng)
            if token == self.end:
                return Utterance(tokens=tuple(said), ended=True, logprobs=tuple(logprobs))
            said.append(token)
            logprobs.append(float(logits[token] - np.logaddexp.reduce(logits)))
            turn = turn.after(token)
        return Utterance(tokens=tuple(said), ended=False, logprobs=tuple(logprobs))

    def logits(self, turn: Turn) -> NDArray[np.float64]:
        """Return a logit for every token id; the likeliest is at 0, but for this engine's noise."""
        choices = turn.stage.choices
        context = (self._salt, turn.conversation, b"%d" % turn.stage.section, *turn.recent)
        drawn = [-_SPREAD * _unit(b"logit", *context, choice) for choice in choices]
        likeliest = max(drawn)
        logits = self._prior.copy()
        for choice, logit in zip(choices, drawn, strict=True):
            # The arcsine law: most shifts are close to the largest, as they are where rounding decides.
            shift = self.noise * math.cos(math.pi * _unit(b"noise", *context, choice)) if self.noise else 0.0
            logits[IDS[choice]] = logit - likeliest + shift
        return logits


def _pick(logits: NDArray[np.float64], temperature: float, rng: np.random.Generator) -> int:
    if temperature <= 0:
        return int(np.argmax(logits))
    weights = np.exp((logits - logits.max()) / temperature)
    return int(rng.choice(len(weights), p=weights / weights.sum()))


def _digest(messages: Sequence[Message]) -> bytes:
    hashed = hashlib.sha256()
    for message in messages:
        text = message.text.encode(errors="surrogatepass")
        hashed.update(b"%b\0%d\0%b" % (message.speaker.encode(), len(text), text))
    return hashed.digest()


def _unit(*parts: bytes) -> float:
    """Draw a number from [0, 1) that depends on the parts only."""
    packed = b"".join(b"%d:%b" % (len(part), part) for part in parts)
    return int.from_bytes(hashlib.blake2b(packed, digest_size=8).digest()) / 2**64
