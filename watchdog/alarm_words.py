"""What an alarm about one client says to people, in one wording for the page, the terminal and the report. Pure.

Nothing here holds text that the client wrote: only its name, which is made printable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from watchdog.domain.findings import Finding, Severity, Suspect
from watchdog.domain.queries import Alarm, DetectorState
from watchdog.domain.text import printable

ORG = "org:"
"""What the name of a client begins with that stands for all accounts of an organisation."""

_MOST_NAME = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleWords:
    """What one rule means to somebody who has never heard of it."""

    what: str
    """What it looks like, in a few words."""
    counted: str
    """What a hit is, in the plural."""
    harmless: str
    """The likeliest innocent explanation, which a reader should rule out first."""
    first: str
    """The first thing to do."""
    units: str = "distinct requests"
    """What can be a hit, in the plural."""


RULES = {
    "boundary_flood": RuleWords(
        what="probes the refusal boundary",
        counted="refused",
        harmless="an application with a broken template, a red team, or a model that refuses too much",
        first=(
            "Read the refused requests. Variations of one question: limit or suspend the key, and keep its log. A red "
            "team that you know: say so with `logs expect`."
        ),
    ),
    "steering_campaign": RuleWords(
        what="tries to steer the model with personas, overrides or put-in answers",
        counted="steering",
        harmless="a role-play application, or a prompt library that is being tested",
        first=(
            "Read the examples and replay one of them against the model. If it gives way, stop the key and tell the "
            "people who train the model."
        ),
    ),
    "harmful_finetune": RuleWords(
        what="fine-tunes towards harm",
        counted="suspicious",
        harmless="fine-tuning by a safety team",
        first="Hold the fine-tuning job and what it made before anybody uses it, then read its examples.",
    ),
    "model_extraction": RuleWords(
        what="reads the model out",
        counted="extracting",
        harmless="an evaluation that needs log probabilities, or a data team that labels in bulk",
        first=(
            "Cut the key's rate, log probabilities and logit bias, and ask its owner what the requests are for; "
            "keep the log, it is the proof."
        ),
    ),
    "key_sharing": RuleWords(
        what="is used from many places at once",
        counted="from a new place",
        harmless="a mobile network, a VPN, or a service that moved to other machines",
        first="Ask the key's owner which of the addresses are theirs; if they know none of them, rotate the key.",
    ),
    "rate_burst": RuleWords(
        what="sends far more than it usually does",
        counted="in a burst",
        harmless="a batch job, or a product launch",
        first="Look at what the requests are; a batch job repeats one template. Otherwise limit the key's rate.",
        units="quarters of a minute",
    ),
    "usage_drift": RuleWords(
        what="is used in another way than before",
        counted="unlike before",
        harmless="a new version of the customer's application",
        first="Ask the owner what changed on that day; if nobody knows of a change, treat the key as stolen.",
        units="stretches of requests",
    ),
}
"""By the name of the rule; a test holds them together with the detectors."""

_ANY = RuleWords(
    what="behaves unlike the others",
    counted="conspicuous",
    harmless="a new kind of application",
    first="Read the examples, then ask the owner of the account what they are for.",
)
"""For a rule that is not ours: another version of this program may have written the record."""

FEATURES = {
    "gap_seconds": "seconds between requests",
    "prompt_length": "characters in a prompt",
    "refusals": "refused requests",
    "reply_length": "characters in a reply",
    "retries": "requests that repeat an earlier one",
    "symbols": "symbols in a prompt",
    "tokens_out": "tokens in a reply",
    "turns": "messages in a conversation",
}
"""Names of features in plain words: of all that the detectors hand on, which a test holds together with them."""


def words_of(rule: str) -> RuleWords:
    """Return what a rule means; general words for a rule that has none of its own."""
    return RULES.get(rule, _ANY)


def feature(name: str) -> str:
    """Return a feature's name in plain words; the name itself where another version of this program gave it."""
    return FEATURES.get(name) or printable(name.replace("_", " "), 60)


def is_organisation(alarm: Alarm) -> bool:
    """Tell whether the alarm is about all accounts of an organisation together."""
    return alarm.org is not None and alarm.client == ORG + alarm.org


def client_name(alarm: Alarm) -> str:
    """Return the client's name, safe to print; whoever calls the API may have chosen it."""
    if is_organisation(alarm):
        return f"organisation {printable(alarm.org or '', _MOST_NAME)}"
    return printable(alarm.client, _MOST_NAME) or "(no name)"


def level(alarm: Alarm) -> str:
    """Say what the alarm is worth: a page at night, or a ticket for the morning."""
    return "page" if alarm.severity is Severity.CRITICAL else "ticket"


def summary(alarm: Alarm) -> str:
    """Say who does what, on one line."""
    words = words_of(alarm.rule)
    counted = f"{alarm.hits:,} of {alarm.trials:,} {words.units} {words.counted}"
    return f"{client_name(alarm)} {words.what}: {counted} (usual here: {percent(alarm.base_rate)})"


def promise(alarm: Alarm) -> str:
    """Say how often an alarm of this rule and level comes by chance, and what that rests on."""
    words = words_of(alarm.rule)
    return (
        f"{how_often(alarm.expected, level(alarm))}, over all clients of this log, as long as harmless {words.units} "
        f"are {words.counted} no more often than {percent(alarm.base_rate)} in segment {printable(alarm.segment, 60)}"
    )


def how_often(expected_a_week: float, level: str) -> str:
    """Say how many false alarms are expected at most, in the unit that makes the number easy to grasp.

    >>> how_often(0.125, "ticket")
    'at most 1 ticket like this in 8 weeks by chance'
    """
    if expected_a_week <= 0:
        return f"no {level} like this by chance"
    if expected_a_week > 1:
        return f"at most {expected_a_week:,.3g} {level}s like this in a week by chance"
    weeks = 1 / expected_a_week
    if weeks < 1.5:
        return f"at most 1 {level} like this in a week by chance"
    if weeks < 104:
        return f"at most 1 {level} like this in {weeks:.0f} weeks by chance"
    return f"at most 1 {level} like this in {weeks / 52.18:,.0f} years by chance"


def learned(it: DetectorState) -> str:
    """Say how far a detector is with learning what is usual, in what it counts."""
    return f"{it.learned:,} of {it.needed:,} {words_of(it.rule).units}"


def next_step(rule: str) -> str:
    """Return the first thing to do about an alarm of a rule."""
    return words_of(rule).first


def attribution(alarm: Alarm) -> str:
    """Say who it is, and what it may be instead."""
    whole = is_organisation(alarm)
    of = f" of organisation {printable(alarm.org, _MOST_NAME)}" if alarm.org and not whole else ""
    who = f"All accounts of {client_name(alarm)} together" if whole else f"The account or key {client_name(alarm)}{of}"
    return f"{who}; harmless would be: {words_of(alarm.rule).harmless}."


def blindness(blind: Sequence[str]) -> str:
    """Say in one line which rules could not look."""
    named = "; ".join(printable(it, 120) for it in blind)
    return named or "nothing: the log tells what every detector that is switched on needs"


def evidence(alarm: Alarm) -> str:
    """Say how strong the evidence is, against what it was held."""
    return f"{number(alarm.evidence)}; the alarm is raised at {number(alarm.threshold)}"


def percent(rate: float) -> str:
    """Return a rate in percent, with as many digits as it has something to say.

    >>> percent(0.031)
    '3.1 %'
    """
    return f"{100 * rate:.2g} %" if rate < 0.0995 else f"{100 * rate:.0f} %"


def number(value: float) -> str:
    """Return a number as people write it, in three digits.

    >>> number(176_831_772)
    '177,000,000'
    """
    return f"{float(f'{value:.3g}'):,.0f}" if 100 <= abs(value) < 1e9 else f"{value:.3g}"


def finding(alarm: Alarm, evidence_ids: tuple[str, ...]) -> Finding:
    """Make the finding of an alarm: the same words, with nothing that the client wrote."""
    return Finding(
        rule=alarm.rule,
        subject=f"{alarm.log}/{alarm.client}",
        severity=alarm.severity,
        summary=f"{printable(alarm.log, _MOST_NAME)}: {summary(alarm)}",
        attribution=attribution(alarm),
        suspect=Suspect.CLIENT,
        promise=promise(alarm),
        next_step=next_step(alarm.rule),
        spans=(),
        evidence_value=alarm.evidence,
        evidence=evidence_ids,
        since=alarm.since,
        seen_at=alarm.at,
    )
