"""Secrets: read from an environment variable or a file, held in a value that never prints."""

import os
from pathlib import Path

from watchdog.errors import ConfigError


class Secret:
    """A text that shows itself only when asked by name."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Return the text; call this where it is used, and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "<secret>"


def read_secret(where: str, *, env: str | None, file: Path | None) -> Secret | None:
    """Return the secret that an `*-env` or `*-file` key names; None when neither does.

    Raises ConfigError, without the secret in it, when it is not there or empty.
    """
    if env is not None:
        text = os.environ.get(env, "")
        if not text:
            raise ConfigError(f"{where}: the environment variable {env} is not set", hint=f"set {env} and start again")
        return Secret(text)
    if file is not None:
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as exc:
            problem = exc.strerror if isinstance(exc, OSError) else "it is not text"
            raise ConfigError(
                f"{where}: {file} cannot be read: {problem}",
                hint="let this user read the file; with systemd use LoadCredential=",
            ) from exc
        if not text:
            raise ConfigError(f"{where}: {file} is empty", hint="write the secret into it, nothing else")
        return Secret(text)
    return None
