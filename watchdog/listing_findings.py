"""The findings about a channel's own list of tokens: the names of the rules, and what people read. Pure."""

from collections.abc import Sequence
from datetime import datetime

from watchdog.domain.decisions import Compared
from watchdog.domain.evidence import Stream
from watchdog.domain.findings import Finding, Severity, Suspect
from watchdog.domain.text import printable

LOGPROBS = "divergence.logprobs"
"""Log probabilities that are not the direct model's, in more replies than when enrolled."""

TOKEN_STREAM = "divergence.token_stream"  # noqa: S105 - the name of a rule
"""A delivered reply that is not what the channel's own tokens spell."""

_SHOWN = 40


def logprob_finding(target: str, compared: Sequence[Compared], stream: Stream, promise: str, at: datetime) -> Finding:
    """Conclude that a channel's log probabilities are not the direct model's, from the replies of this round."""
    flagged = [it for it in compared if it.logprobs is not None and it.logprobs.flagged]
    distance = max((it.logprobs.distance or 0.0 for it in flagged if it.logprobs is not None), default=0.0)
    return Finding(
        rule=LOGPROBS,
        subject=target,
        severity=Severity.CRITICAL,
        summary=(
            f"{target}: in {stream.hits} of {stream.trials} delivered replies the log probabilities that the channel "
            f"gives are not the direct model's; in this round they are up to {distance:.2f} nats away"
        ),
        attribution=(
            "Another model, another system prompt or edited words behind the delivered channel; or its numbers are "
            "made up."
        ),
        promise=promise,
        next_step=(
            "Ask the owner of the delivered path which model, precision and system prompt it serves since then. If "
            f"`{TOKEN_STREAM}` or `divergence.gap` is open too, begin with the edited words."
        ),
        spans=(),
        evidence_value=stream.evidence,
        evidence=tuple(it.id for it in flagged),
        since=stream.first_hit_at or at,
        seen_at=at,
    )


def token_stream_finding(
    target: str, compared: Sequence[Compared], stream: Stream, promise: str, at: datetime
) -> Finding:
    """Conclude that replies were changed after the server wrote them, because its own tokens spell other words."""
    parted = [it for it in compared if it.logprobs is not None and it.logprobs.parting is not None]
    return Finding(
        rule=TOKEN_STREAM,
        subject=target,
        severity=Severity.CRITICAL,
        summary=(
            f"{target}: {stream.hits} of {stream.trials} delivered replies are not what the channel's own tokens "
            f"spell{_first(parted)}"
        ),
        attribution=(
            "Whatever stands between the model server and its users: the server makes the text out of these tokens."
        ),
        suspect=Suspect.WRAPPER,
        promise=promise,
        next_step=(
            "Read both texts, then ask the owner of the delivered path what it does to replies. What is meant to be "
            "done belongs in `allowed-edits`."
        ),
        spans=(),
        evidence_value=1.0,
        evidence=tuple(it.id for it in parted),
        since=stream.first_hit_at or at,
        seen_at=at,
    )


def _first(parted: Sequence[Compared]) -> str:
    places = [it.logprobs.parting for it in parted if it.logprobs is not None and it.logprobs.parting is not None]
    if not places:
        return ""
    delivered, listed = printable(places[0].delivered, _SHOWN), printable(places[0].listed, _SHOWN)
    return f"; delivered is {delivered!r} where they spell {listed!r}"
