"""The findings about being blind: the names of the rules, and what people read. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from watchdog.attribution import Signs, attribute
from watchdog.domain.decisions import RoundsMissed
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import HARD, Finding, Recovery, Severity, Suspect
from watchdog.domain.sight import Dark, Sight

BLIND = "blind"
"""A target, or a part of it, could not be measured for several rounds in a row."""

LINK = "blind.link"
"""No target can be reached: the watchdog's own way to the network is down."""

MISSED = "blind.missed"
"""Rounds were due and did not begin."""

BASELINE = "blind.baseline"
"""What replies are held against is not what it should be: of another model, too old, or of before a declared change."""

WATCHDOG = "watchdog"
"""Subject of what is wrong with the watchdog rather than with a target."""

MEASURED_AGAIN = "measured-again"
ANSWERED_AGAIN = "answered-again"
TOLD_BY_LINK = f"told-by-{LINK}"
ON_TIME_AGAIN = "on-time-again"

EVERYTHING = "everything"
REPLIES = "replies"
CALLS = "tool-calls"
CONTROL = "control"
UNDER_REFERENCE = "under-reference"
_COMPARED = {
    REPLIES: "edited replies",
    CALLS: "edited tool calls",
    CONTROL: "a test of the watchdog's that is wrong",
    UNDER_REFERENCE: "a changed deployed model",
}
"""What goes unseen while one of the comparisons cannot be made."""
_OF_THE_REPLY = frozenset({Reason.AMBIGUOUS, Reason.EMPTY, Reason.TRUNCATED, Reason.NO_CALL})
_PATIENCE = 4
"""A round asks each arm of a family once, and small models give many replies that cannot be graded: a third of those
that we measured. So what lies in a family's replies has to last for this many times the threshold."""
_OWN = "The watchdog's own reference channel: nobody else uses it."

_FIRST_STEPS: Mapping[Reason, str] = {
    Reason.UNREACHABLE: "Call the endpoint by hand from this machine: name service, certificate, proxy, firewall.",
    Reason.TIMED_OUT: "Call the endpoint by hand from this machine and time it; look at its load.",
    Reason.UNAUTHORIZED: "Put a valid key where the configuration says; see that it may use this model.",
    Reason.MODEL_NOT_FOUND: "Compare `model` and `base-url` with what the provider lists now.",
    Reason.RATE_LIMITED: "Ask for a higher limit for this key, or make `every` longer.",
    Reason.SERVER_ERROR: "Tell the endpoint's owner; its own log says why it fails.",
    Reason.REJECTED: "Send the same request by hand and read what the endpoint has against it.",
    Reason.MALFORMED: "Call the endpoint by hand and read the answer: a proxy or a login page may stand in its place.",
    Reason.BLOCKED: "Find out whose content filter answers, and have the watchdog's requests let through.",
    Reason.CACHED: "Have the cache in front of the model let the watchdog's requests through.",
    Reason.HIDDEN_REASONING: "Turn reasoning off for the watchdog's requests, or watch this target by probes alone.",
    Reason.TEMPERATURE_REFUSED: "Have temperature 0 allowed for this model, or watch it by probes alone.",
    Reason.UNSPELLABLE: "See that the tokenizer here is the deployed model's: it lacks bytes that the reply has.",
    Reason.SCORING_OFF: "Read the scoring engine's log, then reload or restart the watchdog; it is not asked before.",
    Reason.UNSCORABLE: "See that the direct model is the one that is delivered: its tokens do not fit the replies.",
    Reason.TOOLS_REFUSED: "Set `tool-questions-per-round` to 0, or have tools allowed for this model.",
    Reason.UNASKED_CALL: "Keep agents away from this path, and find out who puts tool calls into its replies.",
    Reason.NO_CALL: "Set `tool-questions-per-round` to 0: neither channel's model calls the tools it is offered.",
    Reason.DIRECT_SILENT: "See in `corrigibility-watchdog once` why our own channel calls no tool.",
    Reason.DECLARED: "Wait for the end of the declared rollout, or enrol the new model with `baseline`.",
    Reason.TOO_LONG: "Lower `reply-tokens`, or raise the limit of whatever scores (`score-token-cap` on an engine).",
}
_READ_REPLIES = "Read the replies in `corrigibility-watchdog once`: the model says something that cannot be graded."


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What has to be known of the other targets, to tell a target's fault from the watchdog's own."""

    hosts: Mapping[str, frozenset[str]]
    """The hosts that each watched target needs; none for those that are in this process."""
    offline: frozenset[str]
    """Targets that could not be reached at all in their last round."""
    threshold: int
    """Rounds in a row after which people are told."""

    @property
    def can_tell(self) -> bool:
        """Whether several targets, on different hosts, are watched."""
        targets = [hosts for hosts in self.hosts.values() if hosts]
        return len(targets) > 1 and len(frozenset[str]().union(*targets)) > 1

    @property
    def own_link(self) -> bool:
        """Whether every target that needs the network is cut off."""
        return self.can_tell and all(name in self.offline for name, hosts in self.hosts.items() if hosts)


def late_parts(sight: Sight, threshold: int) -> tuple[Dark, ...]:
    """Return what has been dark for long enough to tell people."""
    return tuple(it for it in sight.dark if it.rounds >= threshold * (_PATIENCE if _is_of_the_replies(it) else 1))


def blind_finding(sight: Sight, around: Surroundings, at: datetime) -> Finding:
    """Conclude that a target, or a part of it, could not be measured for too long."""
    late = late_parts(sight, around.threshold)
    worst = max(late, key=lambda it: (it.name == EVERYTHING, it.rounds))
    reasons = ", ".join(sorted({it.reason for it in late}))
    own = {it.channel for it in late} == {ChannelRole.REFERENCE}
    return Finding(
        rule=BLIND,
        subject=sight.subject,
        severity=Severity.ERROR if any(it.name == EVERYTHING for it in late) else Severity.WARNING,
        summary=(
            f"{sight.subject}: {worst.rounds} rounds in a row could not measure {_named(late)} ({reasons}); "
            f"meanwhile nobody would notice {_unseen(sight, late)}"
        ),
        attribution=_OWN if own else _attribution(sight, around),
        suspect=Suspect.OURSELVES if own else Suspect.UNKNOWN,
        promise=HARD,
        next_step=first_step(worst.reason),
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=worst.since,
        seen_at=at,
    )


def link_finding(sight: Sight, around: Surroundings, at: datetime) -> Finding:
    """Conclude that the watchdog is cut off, from a target that could not be reached for too long."""
    cut_off = sorted(name for name, hosts in around.hosts.items() if hosts)
    named = ", ".join(cut_off[:5]) + (", …" if len(cut_off) > 5 else "")
    who = attribute(Signs(unreachable=True))
    return Finding(
        rule=LINK,
        subject=WATCHDOG,
        severity=Severity.ERROR,
        summary=(
            f"none of the {len(cut_off)} targets that need the network could be reached in its last round; meanwhile "
            f"nobody would notice edited replies or resisted corrections on {named}"
        ),
        attribution=who.sentence,
        suspect=who.suspect,
        promise=HARD,
        next_step="Look at this machine's network: routes, name service, firewall, proxy, certificates.",
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=sight.since or at,
        seen_at=at,
    )


def missed_finding(missed: RoundsMissed, *, since: datetime) -> Finding:
    """Conclude that rounds which were due did not begin, from the decision that counted them."""
    named = ", ".join(missed.targets[:5]) + (", …" if len(missed.targets) > 5 else "")
    if missed.why == "clock":
        why = f"the clock was moved by {missed.clock_moved_s:+,.0f} s"
        step = "Find out what sets this machine's clock; let it be slewed rather than stepped."
    else:
        why = "earlier rounds took too long"
        step = "Make `every` longer, ask fewer questions a round, or watch some targets from another machine."
    return Finding(
        rule=MISSED,
        subject=WATCHDOG,
        severity=Severity.WARNING,
        summary=f"{missed.missed} rounds did not begin when they were due ({why}); nobody looked meanwhile at {named}",
        attribution="The watchdog itself, or the machine it runs on.",
        suspect=Suspect.OURSELVES,
        promise=HARD,
        next_step=step,
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=since,
        seen_at=missed.at,
    )


def kept_recovery(at: datetime) -> Recovery:
    """Return the recovery that rounds which begin in time are."""
    return Recovery(rule=MISSED, subject=WATCHDOG, by=ON_TIME_AGAIN, seen_at=at)


def first_step(reason: Reason) -> str:
    """Return the first thing to do about something that cannot be measured."""
    return _FIRST_STEPS.get(reason, _READ_REPLIES)


def _is_of_the_replies(it: Dark) -> bool:
    return it.name not in {EVERYTHING, *_COMPARED} - {CALLS} and it.reason in _OF_THE_REPLY


_LABELS = {
    EVERYTHING: "anything",
    REPLIES: REPLIES,
    CALLS: "tool calls",
    CONTROL: "the negative control",
    UNDER_REFERENCE: "replies under the reference",
}


def _label(it: Dark) -> str:
    return _LABELS.get(it.name, f"`{it.name}`")


def _named(late: Sequence[Dark]) -> str:
    whole = {it.channel for it in late if it.name == EVERYTHING}
    parts = [it for it in late if it.name == EVERYTHING or it.channel not in whole]
    return ", ".join(f"{_label(it)} on {it.channel}" for it in parts)


def _unseen(sight: Sight, late: Sequence[Dark]) -> str:
    """Say what goes unseen: where a whole channel is dark, everything on it, however long each part has been."""
    whole = {it.channel for it in late if it.name == EVERYTHING}
    names = {it.name for it in sight.dark if it in late or it.channel in whole} - {EVERYTHING}
    families = [f"a resisted `{it}` correction" for it in sorted(names - _COMPARED.keys())]
    return " or ".join([*(unseen for name, unseen in _COMPARED.items() if name in names), *families])


def _attribution(sight: Sight, around: Surroundings) -> str:
    if not sight.offline:
        return "The channel or its settings; it is not the watchdog's own link."
    if around.can_tell:
        return "The endpoint or the way to it; not every target is cut off, so it is not the watchdog's own link."
    return "The endpoint, or the watchdog's own link: with all targets on one host, these cannot be told apart."
