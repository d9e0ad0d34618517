"""The signing key: a file that only its user can read, created on first use, and changed only with a trace."""

import os
import re
import secrets
import socket
import stat
from pathlib import Path

from storage.note import SigningKey, VerifierKey, open_note, sign
from watchdog.errors import ConfigError, LedgerError

_ENDORSEMENT = "corrigibility-watchdog/key-endorsement@v1"


def default_origin() -> str:
    """Return a name for a new ledger: this host's, and a part that no other ledger has."""
    host = re.sub(r"[^A-Za-z0-9.-]", "-", socket.gethostname()) or "localhost"
    return f"{host}/watchdog/{secrets.token_hex(4)}"


def create(path: Path, name: str) -> SigningKey:
    """Make a new key and store it where no file is yet, readable for its user alone.

    Raises ConfigError when the file cannot be created.
    """
    key = SigningKey.create(name)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(key.reveal() + "\n")
            file.flush()
            os.fsync(file.fileno())
            give_to_owner(file.fileno(), path.parent)
        sync_folder(path.parent)
    except OSError as exc:
        raise ConfigError(
            f"{path}: the signing key cannot be created: {exc.strerror}",
            hint="make its folder writable for this user, or name another place with `signing-key-file`",
        ) from exc
    return key


def load(path: Path, *, credentials: Path | None = None) -> SigningKey:
    """Read a key. `credentials` is the folder in which the service manager hands secrets over, if it does.

    Raises ConfigError when the file cannot be read, when others can read it, or when it holds no key.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, encoding="utf-8") as file:
            _require_private(path, os.fstat(descriptor), credentials)
            text = file.read(4096)
    except UnicodeDecodeError as exc:
        raise ConfigError(f"{path}: this is not a signing key", hint="name the right `signing-key-file`") from exc
    except OSError as exc:
        raise ConfigError(
            f"{path}: the signing key cannot be read: {exc.strerror}",
            hint="let this user, and nobody else, read it, or restore it; if it is lost: "
            "`corrigibility-watchdog audit rotate-key --lost`",
        ) from exc
    try:
        return SigningKey.parse(text.removesuffix("\n"))
    except LedgerError as exc:
        raise ConfigError(
            f"{path}: this is not a signing key",
            hint="restore the file from its backup; if it is lost: `corrigibility-watchdog audit rotate-key --lost`",
        ) from exc


def replace(new: Path, old: Path) -> None:
    """Put a new key file in the place of the old one, so that a crash leaves one of the two."""
    new.replace(old)
    sync_folder(old.parent)


def endorse(old: SigningKey, new: VerifierKey) -> str:
    """Return the note by which a key hands its ledger over to the next one."""
    return sign(_handover(new), [old])


def endorses(endorsement: str | None, old: VerifierKey, new: VerifierKey) -> bool:
    """Whether this is the note by which the old key hands over to the new one."""
    if endorsement is None:
        return False
    try:
        text, _ = open_note(endorsement, [old])
    except LedgerError:
        return False
    return text == _handover(new)


def _handover(new: VerifierKey) -> str:
    # The first line is no ledger's origin, so that nobody can pass this off as a checkpoint, or the other way round.
    return f"{_ENDORSEMENT}\n{new.name}\n{new}\n"


def _require_private(path: Path, found: os.stat_result, credentials: Path | None) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{path}: the signing key is not a regular file", hint="name the right `signing-key-file`")
    # systemd gives a credential to the service by an access list, whose mask shows as the group's right to read.
    allowed = 0o040 if credentials is not None and path.parent == credentials else 0
    if found.st_mode & 0o077 & ~allowed:
        raise ConfigError(
            f"{path}: others can read or change the signing key (mode {stat.S_IMODE(found.st_mode):04o})",
            hint=f"chmod 600 {path}, then replace the key if others may have read it: "
            "`corrigibility-watchdog audit rotate-key`",
        )


def give_to_owner(descriptor: int, folder: Path) -> None:
    """Give an open file that root made to the owner of its folder: the daemon has a user of its own, and reads it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.fchown(descriptor, owner.st_uid, owner.st_gid)


def sync_folder(folder: Path) -> None:
    """Let the names of the files in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
