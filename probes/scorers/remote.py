"""Scores from a scoring server of ours, which has the weights on another machine."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TypeVar

import httpx
from pydantic import JsonValue, ValidationError

from probes.channels.codec import Failure, malformed
from probes.channels.refusals import refused
from probes.channels.scores import ScoresConfig, another_model, codec
from probes.channels.transport import Answer, Transport, open_transport
from probes.scorers import wire
from probes.scorers.spelling import to_bytes, too_long
from watchdog.config.secrets import read_secret
from watchdog.domain.exchanges import ChannelRole, Message, Reason
from watchdog.domain.text import printable
from watchdog.errors import ScoringError
from watchdog.ports import TokenScores

_PATHS = ("/v1/model", "/v1/vocabulary", "/v1/encode", "/v1/score")
_OTHER_VERSION = "install the same version of corrigibility-watchdog here and on the machine with the weights"
_MOST_CHARACTERS = 300
_B = TypeVar("_B", bound=wire.Wire)

_VOCABULARIES: dict[str, tuple[bytes, ...]] = {}
"""Those that were read already, by their digests: many targets may share one, and each fills some megabytes."""


@dataclass(slots=True, kw_only=True)
class RemoteScorer:
    """Teacher-forced scores of a model on another machine; satisfies `ports.Scorer`."""

    digest: str
    """Names the weights, the tokenizer and the precision; a server that holds others is not believed."""
    transports: dict[str, Transport]
    """By path."""
    _tokens: tuple[bytes, ...] | None = field(init=False, default=None, repr=False)
    _encode: Callable[[str], tuple[int, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # The search for a cut asks for the tokens of the same texts again and again.
        self._encode = lru_cache(maxsize=4096)(self._ask_tokens)

    @property
    def vocabulary(self) -> Sequence[bytes]:
        """The bytes that each token id adds to a text, read from the server when they are first needed.

        Raises ScoringError when the server does not answer, or holds another model.
        """
        if self._tokens is None:
            self._tokens = self._read_vocabulary()
        return self._tokens

    def encode(self, text: str) -> tuple[int, ...]:
        """Return the canonical tokens of a reply's text; what looks like a special token in it is plain text.

        Raises ScoringError (unscorable) when decoding them would not give the text back, and with other reasons when
        the server does not answer.
        """
        expected = to_bytes(text)
        ids = self._encode(text)
        vocabulary = self.vocabulary
        if max(ids, default=0) >= len(vocabulary) or b"".join(vocabulary[it] for it in ids) != expected:
            raise self._error("/v1/encode", malformed("tokens that do not give the text back"))
        return ids

    def score(self, messages: Sequence[Message], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        """Score each reply as the assistant's next turn after the messages.

        Raises ScoringError with the server's own reason, or with that of the way there.
        """
        said: list[JsonValue] = [{"speaker": it.speaker.value, "text": it.text} for it in messages]
        return [scores for batch in _batches(replies) for scores in self._score(said, batch)]

    def close(self) -> None:
        """Let go of the connections."""
        for transport in self.transports.values():
            transport.close()

    def _score(self, messages: list[JsonValue], replies: Sequence[tuple[int, ...]]) -> list[TokenScores]:
        size = len(self.vocabulary)
        payload: dict[str, JsonValue] = {"messages": messages, "replies": [list(it) for it in replies]}
        answer = self._ask("/v1/score", wire.AllScored, payload)
        self._require(answer.digest)
        try:
            pairs = zip(answer.scores, replies, strict=True)
            return [scored.scores(len(reply), size) for scored, reply in pairs]
        except ValueError as exc:
            raise self._error("/v1/score", malformed("scores that do not fit what was sent")) from exc

    def _ask_tokens(self, text: str) -> tuple[int, ...]:
        answer = self._ask("/v1/encode", wire.Ids, {"text": text})
        self._require(answer.digest)
        return tuple(answer.ids)

    def _read_vocabulary(self) -> tuple[bytes, ...]:
        model = self._ask("/v1/model", wire.Model)
        if model.protocol != wire.PROTOCOL:
            what = f"speaks version {model.protocol} of the protocol, and {wire.PROTOCOL} is expected"
            raise self._error("/v1/model", Failure(what, Reason.MALFORMED, _OTHER_VERSION))
        self._require(model.digest)
        if model.vocabulary not in _VOCABULARIES:
            packed = self._ask("/v1/vocabulary", wire.Vocabulary)
            try:
                tokens = packed.tokens()
            except ValueError as exc:
                raise self._error("/v1/vocabulary", malformed("something that is no vocabulary")) from exc
            if wire.digest_of(packed) != model.vocabulary:
                raise self._error("/v1/vocabulary", malformed("another vocabulary than it had named"))
            _VOCABULARIES[model.vocabulary] = tokens
        return _VOCABULARIES[model.vocabulary]

    def _require(self, digest: str) -> None:
        if digest != self.digest:
            raise self._error("/v1/model", another_model())

    def _ask(self, path: str, body: type[_B], payload: dict[str, JsonValue] | None = None) -> _B:
        transport = self.transports[path]
        answer = transport.get() if payload is None else transport.post(payload)
        if isinstance(answer, Failure):
            raise self._error(path, answer)
        if not 200 <= answer.status < 300:
            raise self._refusal(path, answer)
        try:
            return body.model_validate_json(answer.body)
        except ValidationError as exc:
            raise self._error(path, malformed("something that is not a scoring server's answer")) from exc

    def _refusal(self, path: str, answer: Answer) -> ScoringError:
        """Return the error of an answer that is no success: the server's own reason, where it gives one."""
        failure = refused(answer.status, answer.body, path)
        try:
            fault = wire.Fault.model_validate_json(answer.body)
        except ValidationError:
            busy = answer.status == 503 and "retry-after" in answer.headers
            return self._error(path, replace(failure, reason=Reason.RATE_LIMITED) if busy else failure)
        what, hint = (printable(it, _MOST_CHARACTERS) for it in (fault.problem, fault.hint))
        return self._error(path, Failure(f"says: {what}", fault.reason, hint))

    def _error(self, path: str, failure: Failure) -> ScoringError:
        where = f"the scoring server at {self.transports[path].host}"
        return ScoringError(f"{where} {failure.what}", hint=failure.hint, reason=failure.reason)


def open_remote(config: ScoresConfig, role: ChannelRole, *, network: httpx.BaseTransport | None = None) -> RemoteScorer:
    """Open the scorer of a scoring server; nothing is sent yet. `network` takes the place of the real one.

    Raises ConfigError when the key, the certificates or the URL cannot be used.
    """
    key = read_secret(f"the {role} channel", env=config.api_key_env, file=config.api_key_file)
    transports = {it: open_transport(config, replace(codec(config), path=it), key, network=network) for it in _PATHS}
    return RemoteScorer(digest=config.digest, transports=transports)


def _batches(replies: Sequence[tuple[int, ...]]) -> list[list[tuple[int, ...]]]:
    """Divide replies over requests, in order.

    Raises ScoringError when one is too long for any.
    """
    batches: list[list[tuple[int, ...]]] = [[]]
    tokens = 0
    for reply in replies:
        if len(reply) > wire.MOST_TOKENS:
            raise too_long(f"a reply has {len(reply):,} tokens, and a scoring server takes {wire.MOST_TOKENS:,}")
        tokens += len(reply)
        if tokens > wire.MOST_TOKENS:
            batches.append([])
            tokens = len(reply)
        batches[-1].append(reply)
    return batches if replies else []
