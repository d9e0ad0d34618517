"""Lines that could not be read: known by their digests, without keeping a word of them."""

import hashlib
from collections import deque
from collections.abc import Sequence

MOST = 3
"""Digests that are kept: as many as people are told."""


class Quarantine:
    """The newest bad lines of one log. Its size does not depend on how many there are, or how long."""

    def __init__(self) -> None:
        self._newest: deque[str] = deque(maxlen=MOST)

    def digests(self) -> Sequence[str]:
        """Return the SHA-256 of the newest of them in hex, oldest first: whoever has the log finds a line by it."""
        return tuple(self._newest)

    def refuse(self, line: bytes) -> None:
        """Take a line that could not be read."""
        self._newest.append(hashlib.sha256(line).hexdigest())
