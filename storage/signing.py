"""Which key signs a ledger: adopted by a leaf on first use, checked at every start, and changed by a further leaf."""

import os
from pathlib import Path

from storage import keys
from storage.ledger import SqliteLedger
from storage.note import SigningKey, VerifierKey, require_name
from watchdog.domain.decisions import Handover, KeyAdopted
from watchdog.errors import ConfigError
from watchdog.ports import Clock


def key_beside(ledger: Path) -> Path:
    """Return where the key of a ledger is kept when the configuration names no other place."""
    return ledger.with_name(ledger.name + ".key")


def open_signed(path: Path, *, now: Clock, key_file: Path | None = None, origin: str | None = None) -> SqliteLedger:
    """Open or create a ledger for writing, each commit signed; the first use makes and adopts its key.

    Raises LedgerError when the ledger cannot be opened or is not whole, ConfigError when the key is not the one it
    adopted.
    """
    ledger = SqliteLedger(path)
    try:
        adopted = ledger.adopted_key()
        key = _key_of(adopted, key_file or key_beside(path), origin)
        ledger.require_sound(None if adopted is None else key.verifier)
        ledger.sign_with(key)
        if adopted is None:
            with ledger.transaction() as transaction:
                transaction.append(_adoption(key.verifier, None, now))
    except BaseException:
        ledger.close()
        raise
    return ledger


def rotate(
    path: Path, *, now: Clock, key_file: Path | None = None, to: Path | None = None, lost: bool = False
) -> VerifierKey:
    """Give a ledger a new key, endorsed by the old one unless that is lost, and return its public half.

    The new key takes the old one's place, or goes to the file `to`. A crash in between leaves a key that the next start
    finds. Raises what `open_signed` does.
    """
    place = key_file or key_beside(path)
    with SqliteLedger(path) as ledger:
        adopted = ledger.adopted_key()
        if adopted is None:
            raise ConfigError(f"{path}: the ledger has no key yet", hint="the first command that writes makes one")
        old = None if lost else held_key(adopted, place)
        new = keys.create(to or fresh(place), adopted.origin)
        endorsement = None if old is None else keys.endorse(old, new.verifier)
        ledger.sign_with(new)
        with ledger.transaction() as transaction:
            transaction.append(_adoption(new.verifier, endorsement, now))
        if to is None:
            take_up(place)
    return new.verifier


def held_key(adopted: Handover, place: Path) -> SigningKey:
    """Return the key that a ledger adopted, from where it is kept.

    Raises ConfigError when it is not there.
    """
    return _key_of(adopted, place, None)


def fresh(place: Path) -> Path:
    """Return where a new key waits until its leaf is written."""
    # What stands there was never adopted: a change stopped before its leaf was written.
    _next(place).unlink(missing_ok=True)
    return _next(place)


def take_up(place: Path) -> None:
    """Put the new key in the place of the old one, now that its leaf is written."""
    keys.replace(_next(place), place)


def _key_of(adopted: Handover | None, place: Path, origin: str | None) -> SigningKey:
    if origin is not None:
        require_name(origin)
    if adopted is None and not place.exists():
        return keys.create(place, origin or keys.default_origin())
    if adopted is not None:
        _finish_rotation(adopted, place)
    key = keys.load(place, credentials=credentials())
    if adopted is not None and str(key.verifier) != adopted.key:
        raise ConfigError(
            f"{place}: this is not the key that the ledger adopted ({adopted.key})",
            hint="restore the right key; if it is lost: `corrigibility-watchdog audit rotate-key --lost`",
        )
    if origin is not None and origin != key.name:
        raise ConfigError(
            f"origin: the key and its ledger are called {key.name!r}, not {origin!r}",
            hint=f"if this is the right ledger, set `origin: {key.name}`, or leave the line out (after a restore it "
            "has another name); else name the right `ledger:`",
        )
    return key


def _finish_rotation(adopted: Handover, place: Path) -> None:
    """Put the new key in place when a crash came between its adoption and that."""
    waiting = _next(place)
    if waiting.exists() and str(keys.load(waiting).verifier) == adopted.key:
        keys.replace(waiting, place)


def _next(place: Path) -> Path:
    return place.with_name(place.name + ".next")


def credentials() -> Path | None:
    """Return the folder in which the service manager hands secrets over, if it does."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    return None if not folder else Path(folder)


def _adoption(key: VerifierKey, endorsement: str | None, now: Clock) -> KeyAdopted:
    return KeyAdopted(at=now(), origin=key.name, key=str(key), endorsement=endorsement)
