"""Who may sign a ledger, from leaf to leaf: the keys that it adopted, and the forks that it declared."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from storage.checkpoint import Checkpoint, claimed, open_checkpoint
from storage.keys import endorses
from storage.note import VerifierKey
from watchdog.domain.decisions import ForkDeclared, Handover
from watchdog.domain.text import printable
from watchdog.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Change:
    """A leaf from which on another key signs, and what the ledger was before it."""

    index: int
    decision: Handover
    roots: tuple[bytes, ...]
    """Roots of the leaves before it: as they are, and as their stored hashes say they were."""
    before: datetime | None
    """When the leaf before it was recorded."""


@dataclass(frozen=True, slots=True)
class Fork:
    """A declared fork, and what the auditor said of it."""

    declared: ForkDeclared
    accepted: bool
    """Whether the auditor gave its key: then what it lost is told, and is no fault."""
    told: str
    """The fork in one line."""


@dataclass(frozen=True, slots=True)
class KeyChain:
    """The keys of a ledger, oldest first; each but the first was handed over to, or is known to the auditor."""

    keys: tuple[VerifierKey, ...]
    beside: tuple[VerifierKey, ...]
    """Keys whose adoption was lost with a fork: they signed that fork, and the auditor knows them."""
    forks: tuple[Fork, ...]
    faults: tuple[str, ...]

    @property
    def origin(self) -> str | None:
        """The ledger's name today; None when it was never signed."""
        return self.keys[-1].name if self.keys else None

    @property
    def origins(self) -> frozenset[str]:
        """Every name that the ledger had."""
        return frozenset(key.name for key in self.keys)

    def signers(self, origin: str) -> list[VerifierKey]:
        """Return the keys that signed under a name."""
        return [key for key in (*self.keys, *self.beside) if key.name == origin]

    def begin(self, origin: str) -> int:
        """Return the index of the leaf that gave the ledger a name."""
        return next((it.declared.parent_size for it in self.forks if it.declared.origin == origin), 0)

    def end(self, origin: str) -> Fork | None:
        """Return the fork that took a name from the ledger; None when it still has it."""
        return next((it for it in self.forks if it.declared.parent_origin == origin), None)


def key_chain(
    changes: Sequence[Change], trusted: Sequence[VerifierKey], accepted: Sequence[VerifierKey] = ()
) -> KeyChain:
    """Follow the leaves in which keys were adopted and forks declared, and say where nobody handed over.

    `trusted` are keys that the auditor knows; `accepted` are those of forks whose reason the auditor has checked.
    """
    links: list[_Link] = []
    for change in changes:
        links.append(_link(change, [it.key for it in links if it.key is not None], trusted, accepted))
    keys = tuple(it.key for it in links if it.key is not None)
    beside = tuple(it.by for it in links if it.by is not None and it.by not in keys)
    forks = tuple(it.fork for it in links if it.fork is not None)
    declared = {it.declared.key for it in forks}
    faults = [it.fault for it in links if it.fault]
    faults += [f"FORKED: this ledger never adopted the key {key}" for key in trusted if key not in keys + beside]
    faults += [f"FORKED: this ledger declares no fork with the key {it}" for it in accepted if str(it) not in declared]
    return KeyChain(keys, beside, forks, tuple(faults))


def own_keys(changes: Sequence[Change]) -> tuple[list[VerifierKey], list[VerifierKey]]:
    """Return the keys that a ledger says it adopted, and those of its forks, for who takes its own word for them."""
    keys: list[VerifierKey] = []
    forks: list[VerifierKey] = []
    for change in changes:
        try:
            key = VerifierKey.parse(change.decision.key)
        except LedgerError:
            continue
        (forks if isinstance(change.decision, ForkDeclared) else keys).append(key)
    return keys, forks


@dataclass(frozen=True, slots=True, kw_only=True)
class _Link:
    """What came of one change."""

    key: VerifierKey | None = None
    by: VerifierKey | None = None
    """The key that handed over."""
    fork: Fork | None = None
    fault: str = ""


def _link(
    change: Change, keys: Sequence[VerifierKey], trusted: Sequence[VerifierKey], accepted: Sequence[VerifierKey]
) -> _Link:
    decision, where = change.decision, f"leaf {change.index}"
    try:
        key = VerifierKey.parse(decision.key)
    except LedgerError as exc:
        return _Link(fault=f"ALTERED: {where}: {exc.problem}")
    wrong = _misfit(change, key, keys)
    if wrong:
        return _Link(key=key, fault=f"ALTERED: {where} {wrong}")
    by = _endorser(decision, key, keys, (*trusted, *accepted))
    if isinstance(decision, ForkDeclared):
        told = _told(change, decision, signed=by is not None)
        return _Link(key=key, by=by, fork=Fork(decision, key in accepted, told))
    fault = (
        f"FORKED: {where} adopts the key {key}, which the key before it did not sign; "
        "if the operator says that one was lost, give the new one with --key"
    )
    return _Link(key=key, by=by, fault="" if not keys or by is not None or key in trusted else fault)


def _endorser(
    decision: Handover, key: VerifierKey, keys: Sequence[VerifierKey], known: Sequence[VerifierKey]
) -> VerifierKey | None:
    """Return the key that handed over to this one: the one before, or for a fork one that the auditor knows.

    The parent may have changed its key after the backup: that leaf is lost, and the key is not.
    """
    candidates = [*keys[-1:], *(it for it in known if isinstance(decision, ForkDeclared) and it.name != key.name)]
    return next((it for it in candidates if endorses(decision.endorsement, it, key)), None)


def _misfit(change: Change, key: VerifierKey, keys: Sequence[VerifierKey]) -> str:
    """Say what in the leaf contradicts itself or the leaves before it; empty when nothing does."""
    decision = change.decision
    if isinstance(decision, ForkDeclared) and key.name == decision.origin:
        return _fork_misfit(change, decision, keys)
    if key.name != decision.origin or (keys and key.name != keys[-1].name):
        return f"gives the ledger another name, {key.name}"
    return ""


def _fork_misfit(change: Change, fork: ForkDeclared, keys: Sequence[VerifierKey]) -> str:
    if not keys or fork.parent_origin != keys[-1].name:
        return f"declares a fork of {printable(fork.parent_origin)}, which is not the ledger's name before it"
    if fork.origin in {it.name for it in keys}:
        return f"declares a fork under the name {fork.origin}, which the ledger had before"
    if fork.parent_size != change.index or fork.parent_root not in {it.hex() for it in change.roots}:
        return "declares a fork of another head than the one before it"
    head = Checkpoint(fork.parent_origin, fork.parent_size, bytes.fromhex(fork.parent_root))
    if not _is_signed(fork.parent_checkpoint, head, keys[-1]):
        return "declares a fork, and its parent's key did not sign the head before it"
    if fork.lost is not None and not _is_beyond(fork.lost, head):
        return "declares a fork, and what it names as lost is no later checkpoint of its parent"
    return ""


def _is_signed(note: str, head: Checkpoint, key: VerifierKey) -> bool:
    try:
        return open_checkpoint(note, [key]) == head
    except LedgerError:
        return False


def _is_beyond(note: str, head: Checkpoint) -> bool:
    # Its signature was checked when the fork was declared; the key may be one whose adoption was lost.
    try:
        claim = claimed(note)
    except LedgerError:
        return False
    return claim.origin == head.origin and claim.size > head.size


def _told(change: Change, it: ForkDeclared, *, signed: bool) -> str:
    lost = "" if it.lost is None else f", of which leaves {it.parent_size} to {claimed(it.lost).size - 1} are lost"
    since = "" if change.before is None else f"; the leaf before it is of {change.before:%Y-%m-%d %H:%M:%S} UTC"
    alone = "" if signed else "; the parent's key did not sign this: ask whether it was lost"
    kept = f"it goes on as {it.origin} from the first {it.parent_size} leaves of {it.parent_origin}"
    return f"{declaration(it)}; {kept}{lost}{since}{alone}"


def declaration(it: ForkDeclared) -> str:
    """Say in one line what a fork declares."""
    return (
        f"leaf {it.parent_size} declares that {printable(it.by.name, 80)} restored a backup on {it.at:%Y-%m-%d}: "
        f"{printable(it.reason, 300)}"
    )
