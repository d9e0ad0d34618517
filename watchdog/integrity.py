"""Whether the weights are what they were: their files by SHA-256, at the start and daily, and their signature."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from watchdog import rules
from watchdog.attribution import Signs, attribute
from watchdog.config.signature import SignatureSettings
from watchdog.domain.decisions import WeightsChecked
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import HARD, Finding, Recovery, Severity, Suspect
from watchdog.domain.weights import (
    Difference,
    Signature,
    SignatureCheck,
    WeightsFile,
    difference,
    digest_of,
)
from watchdog.errors import ConfigError
from watchdog.ports import Clock, Ledger

RULE = "integrity.weights"
"""Files of a model changed, or its signature does not hold."""

UNREADABLE = "blind.weights"
"""Files of a model could not be read, so nobody knows whether they changed."""

READ_AGAIN = "files-read-again"


def nothing_expected(_target: str, _digest: str) -> bool:
    """Say that no digest was declared beforehand."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """The model behind one channel of a target, in files on this machine."""

    target: str
    channel: ChannelRole
    path: Path
    signature: SignatureSettings | None

    @property
    def subject(self) -> str:
        """What findings about it are about."""
        return rules.channel_subject(self.target, self.channel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """One check of a model's files, and what follows from it."""

    check: WeightsChecked
    findings: tuple[Finding, ...] = ()
    recoveries: tuple[Recovery, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Integrity:
    """Looks at the files of every model that is on this machine."""

    models: tuple[Model, ...]
    ledger: Ledger
    now: Clock
    read: Callable[[Path], tuple[WeightsFile, ...]]
    """Raises ConfigError when the files cannot be read."""
    verify: Callable[[Path, SignatureSettings | None], SignatureCheck]
    expected: Callable[[str, str], bool] = nothing_expected
    """Tells whether somebody declared beforehand that the files of a target's model would come to a digest."""

    def inspect(self, *, unless_since: datetime | None = None) -> Iterator[Inspected]:
        """Look at one model after the other; those that were looked at since an instant are left out.

        It takes as long as reading every file; what is yielded is to be recorded before the next one begins.
        """
        read: dict[Path, tuple[WeightsFile, ...] | str] = {}
        for model in self.models:
            before = self.ledger.weights(model.subject)
            if before is not None and unless_since is not None and before.at >= unless_since:
                continue
            if model.path not in read:
                read[model.path] = self._read(model.path)
            found = read[model.path]
            yield self._unread(model, before, found) if isinstance(found, str) else self._read_as(model, before, found)

    def _read(self, path: Path) -> tuple[WeightsFile, ...] | str:
        try:
            return self.read(path)
        except ConfigError as exc:
            return exc.problem

    def _unread(self, model: Model, before: WeightsChecked | None, problem: str) -> Inspected:
        """Keep what was known, so that the next check that can read is held against it."""
        check = WeightsChecked(
            at=self.now(),
            subject=model.subject,
            path=str(model.path),
            digest="" if before is None else before.digest,
            files=() if before is None else before.files,
            difference=Difference(),
            expected=False,
            signature=SignatureCheck(signature=Signature.UNCHECKED, why="the files could not be read"),
            problem=problem,
            altered_at=None if before is None else before.altered_at,
        )
        return Inspected(check=check, findings=(_unreadable(check),))

    def _read_as(self, model: Model, before: WeightsChecked | None, files: tuple[WeightsFile, ...]) -> Inspected:
        at, digest = self.now(), digest_of(files)
        # A model that was never read, or that the configuration moved elsewhere, differs from nothing.
        same_place = before is not None and before.files and before.path == str(model.path)
        differs = difference(before.files, files) if before is not None and same_place else Difference()
        expected = bool(differs) and self.expected(model.target, digest)
        altered = bool(differs) and not expected
        check = WeightsChecked(
            at=at,
            subject=model.subject,
            path=str(model.path),
            digest=digest,
            files=files,
            difference=differs,
            expected=expected,
            signature=self.verify(model.path, model.signature),
            altered_at=at if altered else None if before is None else before.altered_at,
        )
        findings = [_altered(model.channel, check)] if altered else []
        if check.signature.signature is Signature.INVALID:
            findings.append(_invalid(model.channel, check))
        again = Recovery(rule=UNREADABLE, subject=model.subject, by=READ_AGAIN, seen_at=at)
        return Inspected(check=check, findings=_as_one(findings), recoveries=(again,))


def _as_one(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Say both things in one finding: there is one incident about a model's files."""
    match findings:
        case [altered, invalid]:
            return (replace(altered, summary=f"{altered.summary}; {invalid.summary.partition(': ')[2]}"),)
        case _:
            return tuple(findings)


def _altered(channel: ChannelRole, check: WeightsChecked) -> Finding:
    return _finding(
        channel,
        check,
        summary=f"{check.subject}: files of the model at {check.path} are not what they were: {check.difference}",
        next_step=(
            "Find out who wrote the files named above, and compare their SHA-256 (the ledger has them before and "
            "after) with those of whoever made the model."
        ),
    )


def _invalid(channel: ChannelRole, check: WeightsChecked) -> Finding:
    return _finding(
        channel,
        check,
        summary=f"{check.subject}: the signature of the model at {check.path} does not hold: {check.signature.why}",
        next_step="Take the model out of service until its maker's signature fits its files again.",
    )


def _finding(channel: ChannelRole, check: WeightsChecked, *, summary: str, next_step: str) -> Finding:
    who = attribute(Signs(changed=frozenset({channel})))
    return Finding(
        rule=RULE,
        subject=check.subject,
        severity=Severity.CRITICAL,
        summary=summary,
        attribution=who.sentence,
        suspect=who.suspect,
        promise=HARD,
        next_step=next_step,
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=check.at,
        seen_at=check.at,
    )


def _unreadable(check: WeightsChecked) -> Finding:
    return Finding(
        rule=UNREADABLE,
        subject=check.subject,
        severity=Severity.ERROR,
        summary=f"{check.subject}: nobody knows whether the weights changed: {check.problem}",
        attribution="The machine the watchdog runs on, or whoever took the files away.",
        suspect=Suspect.UNKNOWN,
        promise=HARD,
        next_step="See that the path is mounted, and that the watchdog's user may read every file in it.",
        spans=(),
        evidence_value=1.0,
        evidence=(),
        since=check.at,
        seen_at=check.at,
    )
