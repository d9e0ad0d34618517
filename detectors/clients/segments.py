"""Which segment a client belongs to: patterns from the configuration, else the one for all others."""

import fnmatch
import re
from collections.abc import Mapping, Sequence
from typing import Final

DEFAULT: Final = "default"


class Segments:
    """Patterns of clients by segment; the first that fits counts."""

    def __init__(self, patterns: Mapping[str, Sequence[str]]) -> None:
        self._compiled = [
            (name, re.compile("|".join(map(fnmatch.translate, of_clients))))
            for name, of_clients in patterns.items()
            if of_clients
        ]

    def of(self, client: str) -> str:
        """Return the segment of a client."""
        return next((name for name, pattern in self._compiled if pattern.match(client)), DEFAULT)
