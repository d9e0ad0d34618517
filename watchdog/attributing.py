"""Put beside a finding what the other channels show, and say who did it. Pure but for the record that it looks into."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from watchdog import rules
from watchdog.attribution import Signs, attribute
from watchdog.call_findings import TOOL_CALL
from watchdog.domain.decisions import Compared, WeightsChecked
from watchdog.domain.departures import Departure, call_departure, departure
from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.findings import Finding, NegativeControl
from watchdog.lines import Observed
from watchdog.listing_findings import LOGPROBS
from watchdog.targets import Target

LEANING = 20.0
"""Evidence from which a channel beside the alarmed one counts as doing the same. A channel on which all is well gets
there once in twenty lifetimes at most; one that does the same passes it long before it would alarm by itself."""

_CONTROLLED = frozenset({rules.EDITED, rules.REFERENCE, rules.UNSPELLABLE, LOGPROBS})
"""Rules that hold a reply against a model, so that its negative control says what they are worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sitting:
    """What a sitting on a target showed, and where its streams stand after it."""

    target: Target
    observed: Sequence[Observed]
    stream: Callable[[str, str], Stream]
    baseline: Callable[[str, str], Baseline | None]
    weights: Callable[[str], WeightsChecked | None]

    @property
    def compared(self) -> list[Compared]:
        """The comparisons among what was observed."""
        return [it for it in self.observed if isinstance(it, Compared)]

    def changed_since_enrolment(self, rule: str, subject: str) -> frozenset[ChannelRole]:
        """Return the channels whose model's files changed, undeclared, since a stream was enrolled."""
        baseline = self.baseline(rule, subject)
        # All variants of a target share its direct channel, and their models are checked once.
        checks = {role: self.weights(rules.channel_subject(self.target.configured_as, role)) for role in ChannelRole}
        altered = {role: it.altered_at for role, it in checks.items() if it is not None and it.altered_at is not None}
        return frozenset(role for role, at in altered.items() if baseline is not None and at > baseline.enrolled_at)

    def leans(self, rule: str, subject: str) -> bool:
        """Tell whether a stream alarmed, or is on its way there."""
        stream = self.stream(rule, subject)
        return stream.alarmed or stream.evidence >= LEANING

    def controlled(self, channel: ChannelRole) -> bool:
        """Tell whether the negative control of a channel's model is alarmed, or was flagged in this sitting."""
        sides = (it.side(channel, channel) for it in self.compared)
        alarmed = self.stream(rules.CONTROL, rules.channel_subject(self.target.name, channel)).alarmed
        off = (it.flagged or it.reason is Reason.UNSPELLABLE for it in sides if it is not None)
        return alarmed or any(off)


def attributed(finding: Finding, sitting: Sitting) -> Finding:
    """Return the finding with who is suspected, and with its negative control; as it was where channels cannot tell."""
    finding = replace(finding, control=_control(finding.rule, sitting))
    signs = _signs(finding, sitting)
    if signs is None:
        return finding
    who = attribute(signs)
    return replace(finding, attribution=who.sentence, suspect=who.suspect)


def _signs(finding: Finding, it: Sitting) -> Signs | None:
    """Return what speaks about a finding: a control speaks about the comparisons under its own model only."""
    changed = it.changed_since_enrolment(finding.rule, finding.subject)
    how = departure(it.compared)
    if finding.rule == rules.EDITED or (finding.rule == LOGPROBS and how is not Departure.NONE):
        return Signs(
            control=it.controlled(it.target.yardstick),
            yardstick=it.target.yardstick,
            departure=how,
            other_id=_other_id(it),
            reference=_reference(it),
            changed=changed,
        )
    if finding.rule in {LOGPROBS, rules.UNSPELLABLE}:
        return Signs(control=True) if it.controlled(it.target.yardstick) else None
    if finding.rule == TOOL_CALL:
        # Another model shows in its words, too; then these tell more.
        return Signs(
            departure=how if how is Departure.WHOLE else Departure.NONE,
            calls=call_departure(it.compared),
            other_id=_other_id(it),
            changed=changed,
        )
    if finding.rule == rules.REFERENCE:
        return Signs(control=it.controlled(ChannelRole.REFERENCE), reference=True, changed=changed)
    if rules.is_correction(finding.rule):
        return _resistance(finding.rule, changed, it)
    return None


def _resistance(rule: str, changed: frozenset[ChannelRole], it: Sitting) -> Signs:
    roles = {channel.role for channel in it.target.channels}
    streams = {role: (rule, rules.correction_subject(it.target.name, role)) for role in roles}
    seen = {role: name for role, name in streams.items() if it.stream(*name).trials}
    resists = frozenset(role for role, name in seen.items() if it.leans(*name))
    return Signs(resists=resists, complies=frozenset(seen) - resists, changed=changed)


def _reference(it: Sitting) -> bool | None:
    """Tell whether the direct channel leaves the reference; None where no such comparison is made."""
    pair = (ChannelRole.DIRECT, ChannelRole.REFERENCE)
    if pair not in {(side.of, side.under) for side in it.target.sides}:
        return None
    return it.leans(rules.REFERENCE, rules.channel_subject(it.target.name, ChannelRole.DIRECT))


def _other_id(it: Sitting) -> bool:
    baseline = it.baseline(rules.EDITED, it.target.name)
    known = set() if baseline is None else set(baseline.answered_by)
    flagged = {one.model for one in it.compared if one.flagged}
    return bool(known) and bool(flagged - known)


def _control(rule: str, it: Sitting) -> NegativeControl | None:
    if rule not in _CONTROLLED:
        return None
    channel = ChannelRole.REFERENCE if rule == rules.REFERENCE else it.target.yardstick
    stream = it.stream(rules.CONTROL, rules.channel_subject(it.target.name, channel))
    if not stream.trials:
        return None
    return NegativeControl(channel=channel, hits=stream.hits, trials=stream.trials, evidence_value=stream.evidence)
