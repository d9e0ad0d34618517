"""Scores from a serving engine that tells the log probabilities of a prompt's tokens.

The engine is sent token ids: the conversation as the chat template in a local folder writes it, the reply, and the end
of the turn. It lists the likeliest tokens at each place and, beside them, the one that is there; so the score of every
delivered token, and of the end after the last one, is exact however unlikely it is.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import httpx
import numpy as np
from pydantic import JsonValue

from probes.channels.codec import Failure
from probes.channels.openai import OpenAIConfig, codec
from probes.channels.transport import open_transport
from probes.scorers import dialects
from probes.scorers.dialects import Answered, Dialect, LieError, Names, Row
from probes.scorers.line import Line, gate_of
from probes.scorers.spelling import too_long, unscorable
from probes.scorers.tokenizer import LocalTokenizer, open_tokenizer
from watchdog.config.secrets import read_secret
from watchdog.domain.exchanges import ChannelRole, Message, Reason
from watchdog.errors import ScoringError
from watchdog.ports import Clock, TokenScores

_PATH = "/completions"
_SAMPLE = "The quick brown fox — naïve café, Москва, 東京, שלום:\n\ndef f(x):\n\treturn x ** 2  # ½ ≠ ∞ 👩‍👩‍👧\n"
"""A text whose tokens lie all over a vocabulary, so that no two tokenizers agree on them; and that no model expects."""
_LIKELY = -0.5
"""Mean log probability that no honest model gives the tokens of that text."""
_NEVER = -9999.0
"""What engines say of a token that cannot be; here of places in a list that they did not fill."""
_NOT_OURS = "check that `tokenizer` is the folder of the model that the engine serves"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an engine is asked for at most."""

    tokens: int
    """Of one request, conversation and reply together."""
    top: int
    """Likeliest tokens at each place."""


@dataclass(slots=True, kw_only=True)
class CompletionsScorer:
    """Teacher-forced scores of a model that a serving engine runs; satisfies `ports.Scorer`."""

    line: Line
    tokenizer: LocalTokenizer
    dialect: Dialect
    model: str
    limits: Limits
    more: dict[str, JsonValue] = field(default_factory=dict)
    """More fields of each request."""
    vocabulary: Sequence[bytes] = field(init=False, repr=False)
    """The bytes that each token id adds to a text; the last id stands for tokens that the engine did not name."""
    _names: Names = field(init=False, repr=False)
    _told: str | None = field(init=False, default=None)
    """The model that the engine said it is; None while its tokenizer was not checked yet."""

    def __post_init__(self) -> None:
        self.vocabulary = (*self.tokenizer.spelling.vocabulary, b"")
        self._names = _names(self.tokenizer)

    @property
    def digest(self) -> str:
        """Names the model as the engine calls it, and the tokenizer; weights cannot be seen from here."""
        return hashlib.sha256(f"engine\0{self.model}\0{self.tokenizer.digest}".encode()).hexdigest()

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text; what looks like a special token in it is plain text.

        Raises ScoringError (unscorable) when decoding them would not give the text back.
        """
        return self.tokenizer.spelling.encode(text)

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score each reply as the assistant's next turn after the messages, one request after the other.

        Raises ScoringError when one is longer than the limit, the engine does not answer, or cannot be believed.
        """
        prompt = self.tokenizer.prompt(messages)
        return [self._score(prompt, reply) for reply in replies]

    def _score(self, prompt: tuple[int, ...], reply: tuple[int, ...]) -> TokenScores:
        ids = (*prompt, *reply, self.tokenizer.ends[0])
        if len(ids) > self.limits.tokens:
            raise too_long(
                f"scoring takes {len(ids)} tokens, and score-token-cap is {self.limits.tokens}",
                hint="ask for shorter replies, or raise score-token-cap if the engine has the memory",
            )
        if any(not 0 <= it < self._names.unknown for it in reply):
            raise unscorable("the reply has a token that the engine did not name", hint="use `score: vllm`")
        if self._told is None:
            self._told = self._check_tokenizer()
        body = self.line.post(self._payload(dialects.write(self.dialect, ids, self.limits.top)))
        try:
            answered = dialects.read(self.dialect, body, ids, self._names, self.limits.top)
        except LieError as exc:
            raise self._disbelieved(str(exc)) from exc
        return self._scores(answered, len(prompt))

    def _payload(self, body: dict[str, JsonValue]) -> dict[str, JsonValue]:
        return self.more | {"model": self.model} | body

    def _scores(self, answered: Answered, prompt: int) -> TokenScores:
        if answered.model != self._told:
            raise self._disbelieved("calls itself by another model's name than before")
        rows = answered.rows[prompt - 1 :]
        tops = [[*row.top, *[(self._names.unknown, _NEVER)] * self.limits.top][: self.limits.top] for row in rows]
        return TokenScores(
            logprob=np.array([row.logprob for row in rows[:-1]], dtype=np.float64),
            top_ids=np.array([[it for it, _ in top] for top in tops], dtype=np.int64),
            top_logprob=np.array([[it for _, it in top] for top in tops], dtype=np.float64),
            end_logprob=np.array([self._end(row) for row in rows], dtype=np.float64),
        )

    def _end(self, row: Row) -> float:
        """Return the most that the end of the turn can have: an end that is not listed may be as likely as the last."""
        listed = dict(row.top)
        parts = [listed.get(end, row.unlisted) for end in self.tokenizer.ends]
        return min(0.0, float(np.logaddexp.reduce(parts)))

    def _check_tokenizer(self) -> str:
        """Let the engine cut a text into tokens, and return what it calls its model.

        Raises ScoringError when they are not the tokens of this tokenizer, or are scored as no model would.
        """
        more: dict[str, JsonValue] = {"return_tokens_as_token_ids": True} if self.dialect == "vllm" else {}
        body = self.line.post(self._payload(dialects.write("echo", _SAMPLE, 1) | more))
        try:
            cut = dialects.read_cut(body)
        except LieError as exc:
            raise self._disbelieved(str(exc)) from exc
        if not (self.tokenizer.spelling.byte_level or dialects.by_id(cut.tokens)):
            hint = "use `score: vllm`, or `extra-body: {return_tokens_as_token_ids: true}` where the engine knows it"
            raise self._disbelieved("names tokens by texts that do not say which token it is", hint=hint)
        if not self._are_ours(cut.tokens):
            raise self._disbelieved("cuts text into other tokens than the tokenizer here", hint=_NOT_OURS)
        if np.mean(cut.logprobs) > _LIKELY:
            raise self._disbelieved("finds a text likely that no model does, so its scores are made up")
        return cut.model

    def _are_ours(self, told: Sequence[str]) -> bool:
        ours = self.encode(_SAMPLE)
        # Before the text there may be a token that begins every prompt, and after it the one that had to be generated.
        places = [told[at : at + len(ours)] for at in (0, 1) if len(ours) <= len(told) - at <= len(ours) + 1]
        return any(all(map(self._names.may_be, place, ours)) for place in places)

    def _disbelieved(self, what: str, *, hint: str = "") -> ScoringError:
        hint = hint or "send the same request by hand, and look at what stands between here and the engine"
        return self.line.fault(Failure(what, Reason.MALFORMED, hint))


def open_completions(
    config: OpenAIConfig, role: ChannelRole, now: Clock, *, network: httpx.BaseTransport | None = None
) -> CompletionsScorer:
    """Open the scorer of a channel that is told to score; nothing is sent yet. `network` takes the real one's place.

    Raises ConfigError when the tokenizer, the key, the certificates or the URL cannot be used.
    """
    assert config.score is not None and config.tokenizer is not None, "the settings see to that"  # noqa: S101, PT018
    key = read_secret(f"the {role} channel", env=config.api_key_env, file=config.api_key_file)
    tokenizer = open_tokenizer(config.tokenizer)
    transport = open_transport(config, replace(codec(config), path=_PATH), key, network=network)
    return CompletionsScorer(
        line=Line(transport, _PATH, now, gate_of(config.base_url)),
        tokenizer=tokenizer,
        dialect=config.score,
        model=config.model,
        limits=Limits(tokens=config.score_token_cap, top=config.likeliest),
        more=config.extra_body,
    )


def _names(tokenizer: LocalTokenizer) -> Names:
    texts = [_text(it) for it in tokenizer.spelling.vocabulary]
    used = Counter(texts)
    once = {text: number for number, text in enumerate(texts) if text is not None and used[text] == 1}
    return Names(ids=once | dict(tokenizer.special), texts=texts.__getitem__, unknown=len(texts))


def _text(spelled: bytes) -> str | None:
    try:
        return spelled.decode() or None
    except UnicodeDecodeError:
        return None
