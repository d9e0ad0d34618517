"""Tools that a model is offered, and the calls that it makes of them."""

from dataclasses import dataclass

LONGEST_NAME = 200
"""Characters of a name; more than any API allows."""
LONGEST_ARGUMENTS = 16_384
"""Characters of the arguments of one call that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A function that a model may ask its user to call."""

    name: str
    description: str
    parameters: str
    """A JSON schema of its arguments, as JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """A call as a channel tells it. It is a claim: whoever edits a reply can edit this too."""

    name: str
    arguments: str
    """As they came: JSON, if whoever wrote them kept to the protocol."""
    whole: bool = True
    """Whether this is all that came; what is longer than any honest call is cut."""

    @staticmethod
    def of(name: str, arguments: str) -> "ToolCall":
        """Take in what a channel told, whatever it is: cut to a bounded length, and without half characters."""
        return ToolCall(
            name=_valid(name[:LONGEST_NAME]),
            arguments=_valid(arguments[:LONGEST_ARGUMENTS]),
            whole=len(name) <= LONGEST_NAME and len(arguments) <= LONGEST_ARGUMENTS,
        )


def _valid(text: str) -> str:
    """Return the text with U+FFFD for each half of a surrogate pair, which no file can hold."""
    return "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
