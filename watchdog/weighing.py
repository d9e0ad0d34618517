"""What a line of evidence does to its stream: it alarms, it is told, or an alarm is over. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime

from watchdog.domain.evidence import Baseline, Stream
from watchdog.domain.findings import HARD, Finding, Recovery
from watchdog.lines import Line, counted
from watchdog.ports import Evidence

CLEAN_ROUNDS = 3
"""Rounds in a row without a hit after which an alarm counts as recovered."""
RECOVERY = f"{CLEAN_ROUNDS}-clean-rounds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Where a stream stands after a line was taken into it, and what follows."""

    stream: Stream
    finding: Finding | None = None
    recovery: Recovery | None = None


def weigh(line: Line, before: Stream, baseline: Baseline | None, evidence: Evidence, at: datetime) -> Moved | None:
    """Take a line into its stream; None when the stream was never enrolled, and needs to be."""
    if line.rare and not (line.hit or before.hits):
        return None
    if line.hard:
        stream = counted(before, line)
        return _settled(line, before, stream, line.conclude(stream, HARD, at) if line.hit else None, at)
    if baseline is None:
        return None
    stream = before
    for it in line.observations:
        stream = evidence.weigh(stream, baseline, hit=it.hit, at=it.at)
    told = stream.alarmed and line.hit
    finding = line.conclude(stream, evidence.promise(stream, baseline), at) if told else None
    return _settled(line, before, stream, finding, at)


def _settled(line: Line, before: Stream, stream: Stream, finding: Finding | None, at: datetime) -> Moved:
    """Count clean rounds after an alarm; enough of them are a recovery and arm the stream again."""
    if not before.alarmed:
        return Moved(stream=stream, finding=finding)
    stream = replace(stream, clean=0 if line.hit else before.clean + 1)
    if stream.clean < CLEAN_ROUNDS:
        return Moved(stream=stream, finding=finding)
    recovery = Recovery(rule=stream.rule, subject=stream.subject, by=RECOVERY, seen_at=at)
    return Moved(stream=stream.rearmed(), recovery=recovery)
