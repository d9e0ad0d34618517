"""What a day may cost: bounds before something is sent, and what it came to afterwards. Pure."""

from collections.abc import Iterable
from datetime import UTC, date, datetime

from watchdog.domain.decisions import RoundSkipped
from watchdog.domain.exchanges import Exchange, Reason, Request
from watchdog.domain.findings import HARD, Finding, Recovery, Severity, Suspect
from watchdog.errors import ChannelError

RULE = "blind.budget"
"""The tokens that a target may cost in a day would not last for its next round."""

WITHIN_BUDGET = "within-budget"

_PER_MESSAGE = 16
"""More tokens than any chat template puts around a message."""
CHARACTERS_A_TOKEN = 4
_AROUND_TOOLS = " " * 1000
"""More than any chat template says of how to call a tool."""
_UNBILLED = frozenset(
    {
        Reason.UNREACHABLE,
        Reason.UNAUTHORIZED,
        Reason.MODEL_NOT_FOUND,
        Reason.RATE_LIMITED,
        Reason.REJECTED,
        Reason.TOOLS_REFUSED,
    }
)
"""Failures before a model has read anything."""


def day_of(instant: datetime) -> date:
    """Return the UTC day that an instant's tokens are counted to."""
    return instant.astimezone(UTC).date()


def most(requests: Iterable[Request]) -> int:
    """Return a number of tokens that these requests cannot exceed: no tokenizer makes more tokens than bytes."""
    return sum(_bytes_of(it) + _PER_MESSAGE * len(it.messages) + it.max_tokens for it in requests)


def used(request: Request, answer: Exchange | ChannelError) -> int:
    """Return what an exchange cost: as the channel says it, or estimated at four characters a token.

    A request without an answer is taken to have cost all it could, unless no model can have read it.
    """
    if isinstance(answer, ChannelError):
        return 0 if answer.reason in _UNBILLED else estimated(request) + request.max_tokens
    if answer.tokens is not None and answer.tokens >= 0:
        return answer.tokens
    said = len(answer.reply) + sum(len(it.name) + len(it.arguments) for it in answer.tool_calls)
    return estimated(request) + -(-said // CHARACTERS_A_TOKEN)


def spent_finding(skipped: RoundSkipped) -> Finding:
    """Conclude that a target is not looked at for the rest of the day."""
    share = f"{skipped.spent:,} of {skipped.budget:,} tokens are spent today (UTC)"
    return Finding(
        rule=RULE,
        subject=skipped.target,
        severity=Severity.WARNING,
        summary=(
            f"{skipped.target}: {share}, and the next round may need {skipped.needed:,}; until the budget holds it, "
            "nobody would notice an edited reply or a resisted correction"
        ),
        attribution="The watchdog's own budget for this target.",
        suspect=Suspect.OURSELVES,
        promise=HARD,
        next_step=(
            "Nothing, if this may wait for the next UTC day; otherwise raise `max-tokens-per-day` or "
            "`max-share-of-quota`, make `every` longer, or ask fewer questions a round."
        ),
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=skipped.at,
        seen_at=skipped.at,
    )


def within_again(target: str, at: datetime) -> Recovery:
    """Return the recovery that a round within the budget is."""
    return Recovery(rule=RULE, subject=target, by=WITHIN_BUDGET, seen_at=at)


def _bytes_of(request: Request) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in _sent(request))


def estimated(request: Request) -> int:
    """Return what a model reads of a request, at four characters a token."""
    characters = sum(map(len, _sent(request)))
    return -(-characters // CHARACTERS_A_TOKEN)


def _sent(request: Request) -> list[str]:
    """Return the texts that a model reads: messages, and what it is told of tools."""
    offered = [part for it in request.tools for part in (_AROUND_TOOLS, it.name, it.description, it.parameters)]
    return [*(it.text for it in request.messages), *offered]
