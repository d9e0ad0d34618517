"""Which tests a delivered channel allows, by what it was seen to do; and what follows when it allows fewer. Pure.

The tests of a round are settled before it is asked: by the enrolment, never by what the round itself brings. A channel
that stops doing what it always did forces a weaker test, and whoever hides edits would have it do just that: so it is
told, whatever the replies themselves look like.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.domain.abilities import Abilities, Ability, Held
from watchdog.domain.decisions import Compared
from watchdog.domain.exchanges import Reason, Unsaid
from watchdog.domain.findings import HARD, Finding, Recovery, Severity

DOWNGRADE = "downgrade"
"""A channel no longer does what it always did when it was enrolled, so that its replies are tested less."""

BACK = "ability-back"
ENROLLED_ANEW = "enrolled-anew"

_LACKS = {
    Ability.TEMPERATURE_ZERO: "temperature 0 is refused",
    Ability.TOKEN_LOGPROBS: "tokens come without usable log probabilities",
    Ability.FRESH: "replies come out of a cache",
    Ability.PLAIN: "replies come after hidden reasoning",
    Ability.NAMES_MODEL: "the model is not named",
}
_COSTS = {
    Ability.TEMPERATURE_ZERO: "such replies are not held against the direct model's first choices",
    Ability.TOKEN_LOGPROBS: "such replies are held against neither their own tokens nor the log probabilities of them",
    Ability.FRESH: "such replies are not compared at all",
    Ability.PLAIN: "such replies are not compared at all",
    Ability.NAMES_MODEL: "nobody would notice another model id",
}
_UNKNOWN_WITH = {
    Reason.CACHED: {Ability.TEMPERATURE_ZERO, Ability.TOKEN_LOGPROBS, Ability.PLAIN, Ability.NAMES_MODEL},
    Reason.HIDDEN_REASONING: {Ability.TEMPERATURE_ZERO},
}
"""What nobody can tell of a reply that is not compared for a reason."""
_ANSWERED = frozenset(
    {
        Reason.CACHED,
        Reason.HIDDEN_REASONING,
        Reason.TEMPERATURE_REFUSED,
        Reason.UNSCORABLE,
        Reason.UNSPELLABLE,
        Reason.SCORING_OFF,
        Reason.TOO_LONG,
        Reason.TRUNCATED,
    }
)
"""Reasons of replies that came, whatever is wrong with them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped:
    """What a sitting changes about a channel's abilities."""

    abilities: Abilities | None = None
    """As they stand now; None when nothing changed."""
    finding: Finding | None = None
    recovery: Recovery | None = None


def shown(it: Compared) -> dict[Ability, bool]:
    """Return which abilities a reply shows or lacks; those that it does not tell about are left out."""
    if it.reason is not None and it.reason not in _ANSWERED:
        return {}
    found = {
        Ability.FRESH: it.reason is not Reason.CACHED,
        Ability.PLAIN: it.reason is not Reason.HIDDEN_REASONING,
        Ability.TEMPERATURE_ZERO: it.reason is not Reason.TEMPERATURE_REFUSED,
        Ability.NAMES_MODEL: bool(it.model),
    }
    if it.logprobs is not None and it.logprobs.unsaid is not Unsaid.NOT_ASKED:
        found[Ability.TOKEN_LOGPROBS] = it.logprobs.unsaid is None
    unknown = set[Ability]() if it.reason is None else _UNKNOWN_WITH.get(it.reason, set())
    return {ability: has for ability, has in found.items() if ability not in unknown}


def enrol(subject: str, before: Abilities | None, compared: Sequence[Compared], at: datetime) -> Stepped:
    """Take down what a channel does while it is trusted; nothing is told of one that was never asked."""
    seen = _told_by(compared)
    if not seen:
        return Stepped()
    held = tuple(Held(ability=it, enrolled=all(has for _, has in seen[it])) for it in Ability if it in seen)
    recovery = None
    if before is not None and before.told:
        recovery = Recovery(rule=DOWNGRADE, subject=subject, by=ENROLLED_ANEW, seen_at=at)
    return Stepped(abilities=Abilities(subject=subject, held=held), recovery=recovery)


def step(before: Abilities | None, compared: Sequence[Compared], *, threshold: int, at: datetime) -> Stepped:
    """Take a round into what is known of a channel, and say what it means."""
    if before is None:
        return Stepped()
    seen = _told_by(compared)
    held = [_look(it, [has for _, has in seen.get(it.ability, ())], at) for it in before.held]
    late = [it for it in held if it.enrolled and it.lacking >= threshold]
    now = replace(before, held=tuple(replace(it, told=it.lacking >= threshold and it.enrolled) for it in held))
    without = {id_ for it in late for id_, has in seen.get(it.ability, ()) if not has}
    return Stepped(
        abilities=None if now == before else now,
        finding=_finding(before.subject, late, [it.id for it in compared if it.id in without], at) if without else None,
        recovery=Recovery(rule=DOWNGRADE, subject=before.subject, by=BACK, seen_at=at)
        if before.told and not late
        else None,
    )


def describe(known: Abilities | None, *, lists_agree: bool) -> str:
    """Say which tests a channel's replies get, and why; `lists_agree` as its log probabilities did when enrolled."""
    if known is None:
        return "not known before it is enrolled"
    tests = ["first choices, as it honours temperature 0"] if known.enrolled(Ability.TEMPERATURE_ZERO) else []
    if known.enrolled(Ability.TOKEN_LOGPROBS):
        tests.append("its own tokens, as it lists them")
        also = "their log probabilities, as these agreed with the direct model's"
        tests.append(also if lists_agree else "not their log probabilities, as these did not agree when enrolled")
    since = ((it, it.since) for it in known.held if it.enrolled)
    lost = [f"{_LACKS[it.ability]} since {at:%Y-%m-%d %H:%M} UTC" for it, at in since if at is not None]
    weaker = f"; WEAKER NOW: {', '.join(lost)}" if lost else ""
    return f"replies are held against {'; '.join(tests) or 'nothing'}{weaker}"


def _told_by(compared: Sequence[Compared]) -> dict[Ability, list[tuple[str, bool]]]:
    """Return, for each ability, the replies that tell about it."""
    found: dict[Ability, list[tuple[str, bool]]] = defaultdict(list)
    for it in compared:
        for ability, has in shown(it).items():
            found[ability].append((it.id, has))
    return found


def _look(was: Held, replies: Sequence[bool], at: datetime) -> Held:
    """Take one round into an ability; a round that does not tell changes nothing.

    One reply that lacks it makes a round lack it: a wrapper need not hide what it left alone.
    """
    if not replies:
        return was
    if all(replies):
        return replace(was, lacking=0, since=None)
    return replace(was, lacking=was.lacking + 1, since=was.since or at)


def _finding(subject: str, late: Sequence[Held], evidence: Sequence[str], at: datetime) -> Finding:
    costs = dict.fromkeys(_COSTS[it.ability] for it in late)
    lacks, rounds = ", ".join(_LACKS[it.ability] for it in late), max(it.lacking for it in late)
    return Finding(
        rule=DOWNGRADE,
        subject=subject,
        severity=Severity.ERROR,
        summary=f"{subject}: {lacks}, for {rounds} rounds in a row and never when enrolled; {' and '.join(costs)}",
        attribution=(
            "The delivered channel, or the provider behind it. A wrapper that hides its edits would do exactly this; "
            "so would another version of a gateway."
        ),
        promise=HARD,
        next_step=(
            "Ask the owner of the delivered path what changed since then, and have it put back. If it is meant, enrol "
            "again while you trust the channel."
        ),
        spans=(),
        evidence_value=1.0,
        evidence=tuple(evidence),
        since=min((it.since for it in late if it.since is not None), default=at),
        seen_at=at,
    )
