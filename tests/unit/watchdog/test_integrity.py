"""What follows from the files of a model: nothing, a finding, or that nobody knows."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import structlog

from storage.memory import MemoryLedger
from tests.builders import at
from watchdog.config.signature import SignatureSettings
from watchdog.desk import Desk
from watchdog.domain.decisions import WeightsChecked
from watchdog.domain.exchanges import ChannelRole
from watchdog.domain.findings import Severity, Suspect
from watchdog.domain.incidents import IncidentState
from watchdog.domain.weights import Signature, SignatureCheck, WeightsFile
from watchdog.errors import ConfigError
from watchdog.hatch import Hatch
from watchdog.inspecting import EVERY, Inspecting
from watchdog.integrity import RULE, UNREADABLE, Inspected, Integrity, Model
from watchdog.watch import INSPECTION

ONE = {"model.safetensors": "1" * 64, "config.json": "2" * 64}


@dataclass
class World:
    """Models whose files a test sets, and a ledger."""

    ledger: MemoryLedger = field(default_factory=MemoryLedger)
    files: Mapping[str, str] | None = field(default_factory=lambda: dict(ONE))
    signature: SignatureCheck = field(default_factory=lambda: SignatureCheck(signature=Signature.NONE))
    reads: int = 0
    roles: tuple[ChannelRole, ...] = (ChannelRole.DIRECT,)
    path: Path = Path("/models/one")
    expected: frozenset[str] = frozenset()
    seconds: "itertools.count[int]" = field(default_factory=itertools.count)

    def now(self) -> datetime:
        return at(next(self.seconds))

    @property
    def integrity(self) -> Integrity:
        return Integrity(
            models=tuple(Model(target="t", channel=role, path=self.path, signature=None) for role in self.roles),
            ledger=self.ledger,
            now=self.now,
            read=self._read,
            verify=self._verify,
            expected=lambda target, digest: target == "t" and digest in self.expected,
        )

    def look(self, *, unless_since: datetime | None = None) -> list[Inspected]:
        return list(self._recorded(unless_since))

    def open(self) -> dict[str, str]:
        return {it.rule: it.summary for it in self.ledger.incidents(IncidentState.OPEN)}

    def _recorded(self, unless_since: datetime | None) -> Iterator[Inspected]:
        for it in self.integrity.inspect(unless_since=unless_since):
            Desk(self.ledger, ()).report([it.check], it.findings, it.recoveries)
            yield it

    def _read(self, path: Path) -> tuple[WeightsFile, ...]:
        self.reads += 1
        if self.files is None:
            raise ConfigError(f"{path} cannot be read: gone", hint="mount it")
        return tuple(WeightsFile(path=name, sha256=sha256) for name, sha256 in self.files.items())

    def _verify(self, path: Path, settings: SignatureSettings | None) -> SignatureCheck:
        return self.signature


def test_the_first_look_and_every_one_after_it_that_sees_the_same_find_nothing() -> None:
    world = World()
    for _ in range(3):
        (seen,) = world.look()
        assert not seen.check.difference
    assert world.open() == {}


def test_files_that_changed_are_named_in_a_critical_finding() -> None:
    world = World()
    world.look()
    world.files = {"model.safetensors": "3" * 64, "added.py": "4" * 64}
    world.look()
    (incident,) = world.ledger.incidents()
    assert (incident.rule, incident.subject, incident.severity) == (RULE, "t/direct", Severity.CRITICAL)
    assert "changed: model.safetensors; missing: config.json; added: added.py" in incident.summary
    assert incident.suspect is Suspect.DEPLOYED_MODEL


def test_a_change_is_told_once_and_the_incident_stays_until_a_person_closes_it() -> None:
    world = World()
    world.look()
    world.files = ONE | {"config.json": "9" * 64}
    for _ in range(3):
        world.look()
    (incident,) = world.ledger.incidents()
    assert (incident.state, incident.findings) == (IncidentState.OPEN, 1)


def test_a_changed_reference_is_the_watchdogs_own_trouble() -> None:
    world = World(roles=(ChannelRole.REFERENCE,))
    world.look()
    world.files = {}
    world.look()
    assert world.ledger.incidents()[0].suspect is Suspect.OURSELVES


def test_a_digest_that_was_declared_beforehand_is_recorded_and_no_finding() -> None:
    world = World()
    world.look()
    world.files = ONE | {"config.json": "9" * 64}
    digest = World(files=world.files).look()[0].check.digest
    world.expected = frozenset({digest})
    (seen,) = world.look()
    assert (seen.check.expected, seen.check.altered_at, seen.findings) == (True, None, ())


def test_files_that_cannot_be_read_are_blindness_and_the_next_look_is_held_against_the_last_good_one() -> None:
    world = World()
    world.look()
    world.files = None
    world.look()
    assert set(world.open()) == {UNREADABLE}
    world.files = ONE | {"config.json": "9" * 64}
    world.look()
    assert set(world.open()) == {RULE}


def test_another_path_in_the_configuration_is_no_change_of_files() -> None:
    world = World()
    world.look()
    world.path, world.files = Path("/models/two"), {"other.safetensors": "5" * 64}
    world.look()
    assert world.open() == {}


def test_a_signature_that_does_not_hold_is_a_finding_and_one_that_was_not_checked_is_none() -> None:
    world = World(signature=SignatureCheck(signature=Signature.UNCHECKED, why="install it"))
    world.look()
    assert world.open() == {}
    world.signature = SignatureCheck(signature=Signature.INVALID, why="made by somebody else")
    world.look()
    assert "made by somebody else" in world.open()[RULE]


def test_changed_files_and_a_broken_signature_are_one_finding() -> None:
    world = World()
    world.look()
    world.files = ONE | {"config.json": "9" * 64}
    world.signature = SignatureCheck(signature=Signature.INVALID, why="does not fit")
    (seen,) = world.look()
    (finding,) = seen.findings
    assert "config.json" in finding.summary
    assert "does not fit" in finding.summary


def test_a_model_that_several_channels_share_is_read_once() -> None:
    world = World(roles=(ChannelRole.DIRECT, ChannelRole.DELIVERED))
    assert len(world.look()) == 2
    assert world.reads == 1


def test_a_look_is_not_repeated_before_its_time() -> None:
    world = World()
    world.look()
    assert world.look(unless_since=at(0)) == []
    assert len(world.look(unless_since=at(1000))) == 1


@dataclass
class Timers:
    """Remembers what is armed."""

    armed: dict[str, datetime] = field(default_factory=dict)
    workers: int = 1

    def arm(self, name: str, due: datetime) -> None:
        self.armed[name] = due

    def disarm(self, name: str) -> None:
        self.armed.pop(name, None)


def _inspecting(world: World, timers: Timers) -> tuple[Inspecting, Hatch]:
    log = structlog.get_logger()
    hatch = Hatch(Desk(world.ledger, ()), lambda: None, log)
    inspecting = Inspecting(hatch=hatch, timers=timers, log=log, now=lambda: at(0), yields=lambda: None)
    inspecting.take_up(world.integrity)
    return inspecting, hatch


def test_the_daemon_looks_at_once_and_then_daily() -> None:
    world, timers = World(), Timers()
    inspecting, _ = _inspecting(world, timers)
    assert timers.armed == {INSPECTION: at(0)}
    inspecting.look()
    assert timers.armed == {INSPECTION: at(0) + EVERY}
    assert any(isinstance(it, WeightsChecked) for it in world.ledger.decisions)


def test_a_target_without_files_arms_nothing() -> None:
    world, timers = World(roles=()), Timers()
    _inspecting(world, timers)
    assert timers.armed == {}


def test_a_fault_of_the_program_is_logged_and_tried_again_the_next_day() -> None:
    world, timers = World(), Timers()
    inspecting, _ = _inspecting(world, timers)

    def broken(path: Path) -> tuple[WeightsFile, ...]:
        raise ZeroDivisionError

    inspecting.take_up(replace(world.integrity, read=broken))
    inspecting.look()
    assert timers.armed == {INSPECTION: at(0) + EVERY}


def test_after_the_end_nothing_is_recorded_or_armed() -> None:
    world, timers = World(), Timers()
    inspecting, hatch = _inspecting(world, timers)
    hatch.shut()
    timers.armed.clear()
    inspecting.look()
    assert (world.ledger.decisions, timers.armed) == ([], {})
