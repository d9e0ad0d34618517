"""What a configuration lets the watchdog see, and what it does not, whatever the numbers are. Pure."""

from dataclasses import dataclass

from watchdog.config.model import KindSection, TargetSettings
from watchdog.domain.exchanges import ChannelRole
from watchdog.time_to_detect import Wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One comparison: what it shows and what it cannot, and when."""

    what: str
    possible: bool
    detects: str
    never: str
    enrolled: str = ""
    waits: tuple[Wait, ...] = ()


def headline(settings: TargetSettings[KindSection]) -> str:
    """Say in one sentence what delivered replies are held against."""
    direct, reference = settings.direct, settings.reference
    match settings.scoring:
        case (ChannelRole.DIRECT, *more):
            beside = f", and that model against the reference ({reference.kind})" if more and reference else ""
            kind = "" if direct is None else direct.kind
            return f"direct is {kind}: delivered replies are held against the model's own probabilities{beside}"
        case (ChannelRole.REFERENCE,):
            what = "no direct channel" if direct is None else f"direct is {direct.kind}, without probabilities"
            kind = "" if reference is None else reference.kind
            return f"{what}: delivered replies are held against the reference ({kind}), which only the watchdog holds"
        case _ if direct is None:
            return (
                "no direct channel: delivered replies cannot be compared, so edited words are never seen; and when a "
                "correction is resisted, nothing says whether the model or somebody on the way did it"
            )
        case _:
            return (
                f"direct is {direct.kind}, without the model's probabilities: delivered replies cannot be compared, so "
                "edited words are never seen; corrections are compared between the channels"
            )


def attribution(settings: TargetSettings[KindSection]) -> Situation:
    """Say what the channels beside each other tell about who did it."""
    three = settings.direct is not None and settings.reference is not None
    steered = "; a deployed model that resists where the reference complies was changed or steered" if three else ""
    return Situation(
        what="the channels side by side",
        possible=settings.direct is not None,
        detects="who resists a correction: both channels mean the model, the delivered one alone the way to users"
        + steered,
        never="which of several parties on the way it is"
        + ("" if three else "; whether the deployed model is the one that was verified"),
    )


def calls(settings: TargetSettings[KindSection], enrolled: str, waits: tuple[Wait, ...]) -> Situation:
    """Say what comparing tool calls tells."""
    possible = bool(settings.tool_questions_per_round)
    ours = settings.direct is not None or settings.reference is not None
    needs = (
        "not asked: set `tool-questions-per-round`, where both endpoints take tools"
        if ours
        else "needs a `direct` or a `reference` channel that calls tools too"
    )
    return Situation(
        what="names and arguments of tool calls, against those that our own channel makes of the same questions",
        possible=possible,
        detects="arguments, names and whole calls changed, added or taken out on the way" if possible else needs,
        never="calls edited only for tools, users or topics that are not ours; what is done to results of tools",
        enrolled=enrolled,
        waits=waits,
    )


def control(settings: TargetSettings[KindSection]) -> Situation:
    """Say what the negative control is for."""
    channels = " and ".join(settings.scoring)
    return Situation(
        what=f"negative control: replies of {channels or 'no channel'} under the same model, through the same pipe",
        possible=bool(settings.scoring),
        detects="a watchdog whose own scorer, transport or copy of the weights is wrong",
        never="a fault that leaves our own replies alone and touches only delivered ones",
    )


def files(settings: TargetSettings[KindSection]) -> Situation:
    """Say whose weights files are read, at the start and daily."""
    sections = {
        ChannelRole.DELIVERED: settings.delivered,
        ChannelRole.DIRECT: settings.direct,
        ChannelRole.REFERENCE: settings.reference,
    }
    read = [role for role, it in sections.items() if it is not None and it.model_files is not None]
    signed = [role for role in read if (it := sections[role]) is not None and it.model_signature is not None]
    return Situation(
        what=f"weights files by SHA-256, at the start and daily ({', '.join(read) or 'none is on this machine'})",
        possible=bool(read),
        detects="files changed, missing or added" + (f"; the signature of {', '.join(signed)}" if signed else ""),
        never="other weights in the memory of whoever serves the model; files on other machines",
    )
