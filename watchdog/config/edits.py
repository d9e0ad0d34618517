"""Edits that the owner of a delivered channel has declared, so that they are told from those that nobody declared."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from watchdog.config.patterns import Regex
from watchdog.config.section import Section


class MaskEdit(Section):
    """Personal data is replaced with a fixed text."""

    kind: Literal["mask"]
    pattern: Regex
    """What is masked in the model's own words."""
    replacement: str
    """What users get in its place, to the letter."""

    @field_validator("pattern")
    @classmethod
    def _matches_something(cls, pattern: Regex) -> Regex:
        if pattern.match("") is not None:
            raise ValueError("the pattern also matches nothing at all, so it would mask every place of a reply")
        return pattern


class FooterEdit(Section):
    """A text is added at the end of replies."""

    kind: Literal["footer"]
    pattern: Regex
    """The whole of the added text; it is looked for at the end of a reply only."""


class TrimEdit(Section):
    """The end of a reply is cut: white space, and a sentence that was not finished."""

    kind: Literal["trim"]


class MarkdownEdit(Section):
    """Markdown is cleaned up: emphasis, headings, quotes and list marks go, and with them blank lines."""

    kind: Literal["markdown"]


AllowedEdit = Annotated[MaskEdit | FooterEdit | TrimEdit | MarkdownEdit, Field(discriminator="kind")]
"""One edit that is allowed."""
