"""Who is behind a process, as far as the operating system knows."""

import os
import pwd
from pathlib import Path

from watchdog.domain.actors import Actor
from watchdog.errors import ConfigError

_UNSET = 2**32 - 1
"""What the kernel says where nobody logged in: a service, a container."""


def this_actor(name: str | None) -> Actor:
    """Return who runs this process; without a name, the account's own is taken.

    Raises ConfigError when the name is none, or the account has no name.
    """
    login = login_of("self")
    uid = os.getuid()
    try:
        return Actor(name=_name_of(uid if login is None else login) if name is None else name, uid=uid, login=login)
    except ValueError as exc:
        raise ConfigError(
            f"--by: {exc}", hint="give the name of the person who acts, such as --by 'Ada Lovelace'"
        ) from exc


def login_of(process: int | str) -> int | None:
    """Return the user id that logged in and, by `sudo` or otherwise, became this process; None when not known.

    The kernel sets it at the login (pam_loginuid) and hands it down; whoever is not root cannot change it.
    """
    try:
        uid = int(Path(f"/proc/{process}/loginuid").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
    return None if uid == _UNSET else uid


def _name_of(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        raise ConfigError(f"user id {uid} has no name here", hint="say who acts with --by NAME") from None
