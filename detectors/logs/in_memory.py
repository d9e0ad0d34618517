"""A query log that lives in memory: the shipped fake."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from watchdog.domain.queries import FilePosition, LogChunk, LogGap, LogPosition


@dataclass
class MemoryLog:
    """Reads lines that somebody appended. Satisfies `ports.QueryLog`."""

    lines: list[bytes] = field(default_factory=list)
    path: str = "memory"
    gaps: list[LogGap] = field(default_factory=list)
    """Told with the next read, once."""
    offset: int = 0
    """Lines that were read."""
    closed: bool = False

    def append(self, lines: Sequence[bytes]) -> None:
        """Write lines."""
        self.lines += lines

    def read(self, most: int) -> LogChunk:
        """Return the next lines, about `most` bytes of them."""
        taken, size = self.offset, 0
        while taken < len(self.lines) and (size == 0 or size < most):
            size += len(self.lines[taken]) + 1
            taken += 1
        lines, self.offset = tuple(self.lines[self.offset : taken]), taken
        gaps, self.gaps = tuple(self.gaps), []
        left = sum(len(it) + 1 for it in self.lines[taken:])
        return LogChunk(lines=lines, position=self._position(), gaps=gaps, lag_bytes=left)

    def resume(self, position: LogPosition) -> None:
        """Go on from a position that was committed earlier."""
        self.offset = sum(it.offset for it in position.files)

    def close(self) -> None:
        """Let go of nothing."""
        self.closed = True

    def _position(self) -> LogPosition:
        place = FilePosition(path=self.path, device=0, inode=0, offset=self.offset, head="", head_size=0)
        return LogPosition(files=(place,)) if self.offset else LogPosition()
