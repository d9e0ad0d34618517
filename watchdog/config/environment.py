"""Values from the environment: `${NAME}` in a text stands for a variable, `$$` for a dollar sign."""

import re
from collections.abc import Mapping

_MARK = re.compile(r"\$(?:(\$)|\{([^}]*)(\}?))")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def substitute(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return the text with its variables filled in, and what is wrong with each that could not be.

    A value is put in as it is: it is not looked through again, and stays a text whatever it looks like. A dollar sign
    before anything but `$` and `{` stands for itself, as it does at the end of a regular expression.
    """
    faults: list[str] = []

    def value(match: re.Match[str]) -> str:
        escaped, name, closed = match.groups()
        if escaped:
            return "$"
        if not closed or not _NAME.fullmatch(name):
            faults.append("expected ${NAME} with the name of an environment variable; write $${ for the two characters")
        elif name not in environ:
            faults.append(f"the environment variable {name} is not set")
        else:
            return environ[name]
        return match[0]

    return _MARK.sub(value, text), tuple(faults)
