"""Texts with a form: regular expressions that are compiled once, when they are read, and names."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def _compiled(source: object) -> re.Pattern[str]:
    if isinstance(source, re.Pattern):
        return source
    if not isinstance(source, str):
        raise ValueError("expected a regular expression")  # noqa: TRY004 - pydantic turns ValueError into a fault
    try:
        return re.compile(source)
    except (re.error, OverflowError, RecursionError) as exc:
        raise ValueError(f"not a regular expression: {exc}") from exc


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            "expected a name of at most 63 small letters, digits and hyphens that begins with a letter or a digit, "
            f"got {text!r}"
        )
    return text


Regex = Annotated[re.Pattern[str], BeforeValidator(_compiled), WithJsonSchema({"type": "string", "format": "regex"})]
"""A regular expression in Python's dialect."""

Name = Annotated[str, AfterValidator(_name)]
"""What a target, a variant or a notifier is called; it shows in pages, tables and addresses."""
