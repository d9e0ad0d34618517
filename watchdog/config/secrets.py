"""Secrets: read from an environment variable or a file, held in a value that never prints."""

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel

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

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied out of the program")


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


def missing_secrets(section: object, environ: Mapping[str, str] = os.environ) -> list[str]:
    """Say which variables and files that a configuration names for secrets are not there; never what is in them."""
    if isinstance(section, BaseModel):
        missing = []
        for name in type(section).model_fields:
            value = getattr(section, name)
            if name.endswith("_env") and isinstance(value, str) and not environ.get(value):
                missing.append(f"the environment variable {value} is not set here")
            elif name.endswith("_file") and isinstance(value, Path) and not value.is_file():
                missing.append(f"the file {value} is not there")
            else:
                missing += missing_secrets(value, environ)
        return missing
    if isinstance(section, Mapping):
        return [it for value in section.values() for it in missing_secrets(value, environ)]
    if isinstance(section, tuple):
        return [it for value in section for it in missing_secrets(value, environ)]
    return []
