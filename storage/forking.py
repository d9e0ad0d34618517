"""Declare in a ledger that it goes on from a backup: under a new name, with a new key, linked to the head it had."""

import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from storage import keys, signing
from storage.checkpoint import Checkpoint, open_checkpoint
from storage.ledger import SqliteLedger
from storage.note import SigningKey, VerifierKey, require_name
from storage.receipts import origins
from watchdog.domain.actors import Actor
from watchdog.domain.decisions import ForkDeclared, Handover
from watchdog.domain.text import written
from watchdog.errors import ConfigError, LedgerError
from watchdog.ports import Clock

_LONGEST_REASON = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an operator says when a backup was restored."""

    reason: str
    by: Actor
    origin: str | None = None
    """The new name; made of the old one when None."""
    lost: str | None = None
    """A checkpoint, as text, of the ledger before the backup was restored."""
    key_lost: bool = False
    """The key that the ledger adopted is gone; another one of its name signs instead, if there is one."""

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "reason", written("a reason", self.reason, _LONGEST_REASON))
        except ValueError as exc:
            raise ConfigError(f"--reason: {exc}", hint="say it in a sentence or two") from exc
        if not self.reason:
            raise ConfigError("--reason: it is empty", hint="say why a backup was restored: auditors read it")


def fork(
    path: Path, said: Declaration, *, now: Clock, key_file: Path | None = None, to: Path | None = None
) -> ForkDeclared:
    """Declare a fork in a ledger that was restored by hand, and return the leaf; the new key takes the old one's place.

    Raises LedgerError when the ledger cannot be written or its head is not what was signed, ConfigError when the key or
    the declaration does not fit.
    """
    place = key_file or signing.key_beside(path)
    with SqliteLedger(path) as ledger:
        declared = declare(ledger, said, now=now, place=place, to=to)
        if to is None:
            signing.take_up(place)
    return declared


def declare(ledger: SqliteLedger, said: Declaration, *, now: Clock, place: Path, to: Path | None) -> ForkDeclared:
    """Write the leaf; the new key is left beside `place`, or in `to`, and is not taken up.

    Raises what `fork` does.
    """
    parent = ledger.adopted_key()
    if parent is None:
        raise ConfigError(f"{ledger.path}: the ledger never had a name", hint="there is nothing to declare a fork of")
    old = _old_key(parent, place, key_lost=said.key_lost)
    head, note = _signed_head(ledger, parent)
    lost = None if said.lost is None else _beyond(said.lost, head, parent, old)
    new = keys.create(to or signing.fresh(place), _new_name(parent.origin, said.origin, origins(ledger.path)))
    declared = ForkDeclared(
        at=now(),
        origin=new.name,
        key=str(new.verifier),
        parent_origin=parent.origin,
        parent_size=head.size,
        parent_root=head.root.hex(),
        parent_checkpoint=note,
        endorsement=None if old is None else keys.endorse(old, new.verifier),
        reason=said.reason,
        by=said.by,
        lost=lost,
    )
    ledger.sign_with(new)
    with ledger.transaction() as transaction:
        if transaction.head != (head.size, head.root):
            raise _unsigned(ledger.path)
        transaction.append(declared)
    return declared


def _old_key(parent: Handover, place: Path, *, key_lost: bool) -> SigningKey | None:
    if not key_lost:
        try:
            return signing.held_key(parent, place)
        except ConfigError as exc:
            raise ConfigError(
                exc.problem, hint="bring back the key from its backup; if it is gone: --key-lost"
            ) from exc
    try:
        key = keys.load(place, credentials=signing.credentials())
    except ConfigError:
        return None
    return key if key.name == parent.origin else None


def _signed_head(ledger: SqliteLedger, parent: Handover) -> tuple[Checkpoint, str]:
    note = ledger.checkpoint()
    if note is None:
        raise _unsigned(ledger.path)
    try:
        head = open_checkpoint(note, [VerifierKey.parse(parent.key)])
    except LedgerError as exc:
        raise _unsigned(ledger.path) from exc
    if head.origin != parent.origin:
        raise _unsigned(ledger.path)
    return head, note


def _unsigned(path: Path) -> LedgerError:
    return LedgerError(
        f"{path}: the head of the ledger is not the one that was signed",
        hint="run `corrigibility-watchdog audit verify`; restore a backup that is intact",
    )


def _beyond(note: str, head: Checkpoint, parent: Handover, old: SigningKey | None) -> str:
    """Return a checkpoint of the parent beyond the head.

    Raises ConfigError when it is not one, or when no key at hand signed it.
    """
    known = [VerifierKey.parse(parent.key), *([] if old is None else [old.verifier])]
    try:
        lost = open_checkpoint(note, known)
    except LedgerError as exc:
        raise ConfigError(f"--lost-checkpoint: {exc.problem}", hint="leave it out, or name another") from exc
    if lost.origin != parent.origin:
        problem = f"it is of {lost.origin}, and the ledger is {parent.origin}"
        raise ConfigError(f"--lost-checkpoint: {problem}", hint="leave it out, or name another")
    if lost.size <= head.size:
        problem = f"it covers {lost.size} leaves, and {head.size} are there"
        raise ConfigError(f"--lost-checkpoint: {problem}", hint="leave it out: it does not show a loss")
    return note


def _new_name(parent: str, wanted: str | None, taken: frozenset[str]) -> str:
    if wanted is None:
        # A fork of a fork is named after the first ledger: names do not grow.
        return f"{re.sub('-fork-[0-9a-f]{8}$', '', parent)}-fork-{secrets.token_hex(4)}"
    try:
        require_name(wanted)
    except LedgerError as exc:
        raise ConfigError(f"--origin: {exc.problem}", hint=exc.hint) from exc
    if wanted in taken:
        raise ConfigError(f"--origin: the ledger was called {wanted!r} before", hint="give it a name of its own")
    return wanted
