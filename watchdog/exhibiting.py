"""Exhibits as bytes: what a comparison or a verdict was made from, in canonical JSON (RFC 8785), and back.

Texts and tokens are base64 of their bytes, and scores base64 of little-endian float64: so nothing is rounded, and no
text can be read in two ways.
"""

import base64
import hashlib
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import rfc8785
from pydantic import TypeAdapter

from watchdog.domain.comparisons import Examined, ScoredTokens, Scoring
from watchdog.domain.evidence import Baseline
from watchdog.domain.exchanges import Exchange, FinishReason, Message, Request, SaidToken, Speaker
from watchdog.domain.exhibits import Code, Exhibit
from watchdog.domain.logprobs import LogprobScoring, LogprobsExamined
from watchdog.domain.verdicts import Case
from watchdog.errors import LedgerError

_COMPARISON = "corrigibility-watchdog/comparison@v1"
_VERDICT = "corrigibility-watchdog/verdict@v1"
_BASELINES = TypeAdapter(Baseline)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonExhibit:
    """What a comparison was made from."""

    code: Code
    request: Request
    reply: str
    finish: FinishReason
    tau: float
    baseline: str | None
    """Digest of the baseline in force; None while a baseline was being measured."""
    scoring: Scoring
    logprobs: LogprobScoring | None = None
    """What the channel said of its own tokens, and what the direct model says of them; None without such a list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictExhibit:
    """What a verdict was given for."""

    code: Code
    request: Request
    facts: Mapping[str, int | str]
    """Of the case: what the grade is decided by, beside the reply."""
    reply: str
    finish: FinishReason
    temperature_honoured: bool
    hidden_reasoning: bool
    cached: bool


def comparison_exhibit(
    examined: Examined,
    delivered: Exchange,
    listed: LogprobsExamined | None = None,
    *,
    baseline: Baseline | None,
    code: Code,
) -> Exhibit | None:
    """Make the exhibit of a comparison; None when whoever compared kept nothing to make it from."""
    scoring = examined.scoring
    if scoring is None:
        return None
    beside = {} if listed is None or listed.scoring is None else {"logprobs": _listed(listed.scoring)}
    return _exhibit(
        beside
        | {
            "format": _COMPARISON,
            "code": {"version": code.version, "digest": code.digest},
            "model": scoring.model,
            "tokenizer": scoring.tokenizer,
            "baseline": None if baseline is None else baseline_digest(baseline),
            "allowed_edits": scoring.allowed_edits,
            "request": _request(delivered.request),
            "reply": _text(delivered.reply),
            "finish": delivered.finish.value,
            "tau": _floats([examined.comparison.tau]),
            "text": _bytes(scoring.text),
            "tokens": _tokens(scoring.tokens),
            "repairs": [_tokens(it) for it in scoring.repairs],
            "spellings": {str(token): _bytes(spelling) for token, spelling in scoring.spellings.items()},
        }
    )


def verdict_exhibit(case: Case, exchange: Exchange, *, code: Code) -> Exhibit:
    """Make the exhibit of a verdict."""
    return _exhibit(
        {
            "format": _VERDICT,
            "code": {"version": code.version, "digest": code.digest},
            "request": _request(case.request),
            "facts": {name: _text(it) if isinstance(it, str) else it for name, it in case.facts.items()},
            "reply": _text(exchange.reply),
            "finish": exchange.finish.value,
            "temperature_honoured": exchange.temperature_honoured,
            "hidden_reasoning": exchange.hidden_reasoning,
            "cached": exchange.cached,
        }
    )


def baseline_digest(baseline: Baseline) -> str:
    """Name a baseline by the SHA-256 of its canonical JSON, which is how it stands in its leaf."""
    return hashlib.sha256(rfc8785.dumps(_BASELINES.dump_python(baseline, mode="json"))).hexdigest()


def read_comparison(body: bytes) -> ComparisonExhibit:
    """Return what the exhibit of a comparison says.

    Raises LedgerError when the bytes are not one that this version knows.
    """
    return _read(body, _COMPARISON, _comparison)


def read_verdict(body: bytes) -> VerdictExhibit:
    """Return what the exhibit of a verdict says.

    Raises LedgerError when the bytes are not one that this version knows.
    """
    return _read(body, _VERDICT, _verdict)


def _comparison(it: Any) -> ComparisonExhibit:
    scoring = Scoring(
        text=_read_bytes(it["text"]),
        tokens=_read_tokens(it["tokens"]),
        repairs=tuple(map(_read_tokens, it["repairs"])),
        spellings={int(token): _read_bytes(spelling) for token, spelling in it["spellings"].items()},
        model=it["model"],
        tokenizer=it["tokenizer"],
        allowed_edits=it["allowed_edits"],
    )
    (tau,) = _read_floats(it["tau"])
    return ComparisonExhibit(
        code=Code(**it["code"]),
        request=_read_request(it["request"]),
        reply=_read_text(it["reply"]),
        finish=FinishReason(it["finish"]),
        tau=tau,
        baseline=it["baseline"],
        scoring=scoring,
        logprobs=_read_listed(it["logprobs"]) if "logprobs" in it else None,
    )


def _verdict(it: Any) -> VerdictExhibit:
    return VerdictExhibit(
        code=Code(**it["code"]),
        request=_read_request(it["request"]),
        facts={name: _read_text(fact) if isinstance(fact, str) else int(fact) for name, fact in it["facts"].items()},
        reply=_read_text(it["reply"]),
        finish=FinishReason(it["finish"]),
        temperature_honoured=bool(it["temperature_honoured"]),
        hidden_reasoning=bool(it["hidden_reasoning"]),
        cached=bool(it["cached"]),
    )


def _exhibit(value: dict[str, Any]) -> Exhibit:
    return Exhibit.of(rfc8785.dumps(value))


def _read(body: bytes, format_: str, parts: Callable[[Any], _T]) -> _T:
    try:
        return parts(_of_format(format_, json.loads(body)))
    except (KeyError, TypeError, ValueError, AttributeError, struct.error, RecursionError) as exc:
        raise LedgerError(
            f"an exhibit is not one this version knows: {exc}",
            hint="run `corrigibility-watchdog audit verify`; if a newer version wrote the ledger, use that one",
        ) from exc


def _of_format(format_: str, it: Any) -> Any:
    if it["format"] != format_:
        raise ValueError(f"its format is {it['format']!r}")
    return it


def _tokens(it: ScoredTokens) -> dict[str, Any]:
    return {
        "ids": list(it.ids),
        "logprob": _floats(it.logprob),
        "first_ids": list(it.first_ids),
        "first_logprob": _floats(it.first_logprob),
        "end_logprob": _floats([] if it.end_logprob is None else [it.end_logprob]),
        "windowed_from": it.windowed_from,
    }


def _read_tokens(it: Any) -> ScoredTokens:
    return ScoredTokens(
        ids=tuple(map(int, it["ids"])),
        logprob=_read_floats(it["logprob"]),
        first_ids=tuple(map(int, it["first_ids"])),
        first_logprob=_read_floats(it["first_logprob"]),
        end_logprob=next(iter(_read_floats(it["end_logprob"])), None),
        windowed_from=None if it["windowed_from"] is None else int(it["windowed_from"]),
    )


def _listed(it: LogprobScoring) -> dict[str, Any]:
    return {
        "tokens": [_bytes(said.text) for said in it.said],
        "said": _floats([said.logprob for said in it.said]),
        "direct": _floats(it.direct),
    }


def _read_listed(it: Any) -> LogprobScoring:
    said = zip(map(_read_bytes, it["tokens"]), _read_floats(it["said"]), strict=True)
    tokens = tuple(SaidToken(text=text, logprob=logprob) for text, logprob in said)
    return LogprobScoring(said=tokens, direct=_read_floats(it["direct"]))


def _request(it: Request) -> dict[str, Any]:
    return {
        "messages": [{"speaker": message.speaker.value, "text": _text(message.text)} for message in it.messages],
        "max_tokens": it.max_tokens,
        "temperature": _floats([it.temperature]),
    }


def _read_request(it: Any) -> Request:
    (temperature,) = _read_floats(it["temperature"])
    messages = (Message(speaker=Speaker(turn["speaker"]), text=_read_text(turn["text"])) for turn in it["messages"])
    return Request(messages=tuple(messages), max_tokens=int(it["max_tokens"]), temperature=temperature)


def _floats(numbers: Sequence[float]) -> str:
    return _bytes(struct.pack(f"<{len(numbers)}d", *numbers))


def _read_floats(it: str) -> tuple[float, ...]:
    raw = _read_bytes(it)
    return struct.unpack(f"<{len(raw) // 8}d", raw)


def _bytes(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _read_bytes(it: str) -> bytes:
    return base64.b64decode(it, validate=True)


def _text(it: str) -> str:
    # Half of a surrogate pair is no character, and has no bytes in UTF-8; a hostile reply may hold one all the same.
    return _bytes(it.encode(errors="surrogatepass"))


def _read_text(it: str) -> str:
    return _read_bytes(it).decode(errors="surrogatepass")
