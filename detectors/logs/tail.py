"""A log that is read while it is written: every line once, through rotation, restarts and whatever else befalls files.

A file is its inode and its first bytes. A stretch of a log that was begun is found again under another name, as the
copy that `copytruncate` made, or compressed; and read to its end before anything newer. What nobody can read any more
is a gap that says so.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from detectors.logs.matching import place
from detectors.logs.opened import NotAFileError
from detectors.logs.packed import BrokenFileError
from detectors.logs.rotated import Found, look
from detectors.logs.sources import UNREADABLE, Source
from watchdog.domain.queries import LINE_LIMIT, FilePosition, LogChunk, LogGap, LogPosition

MOST_FILES = 1_000
"""Files that are remembered; what was read before the oldest of them is told from new files by when it was written."""
_MOST_OPEN = 256
_LOOK_EVERY_S = 0.1
_CUT_AFTER_S = 60.0
"""A compressed file without an end, to which nothing was added for so long, will not get one."""


class Tail:
    """Reads the files, globs and folders of one log; see `ports.QueryLog`.

    At the very first look, before any position was committed, what is there already is read from the beginning, or not
    at all (`from_end`); files that were rotated away by then are read only where the configuration names them.
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        line_limit: int = LINE_LIMIT,
        from_end: bool = False,
        grace_s: float = 5.0,
        most_files: int = MOST_FILES,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`grace_s` is how long a rotated file must be quiet until what stands after its last line feed is a line.

        It is also how long a file that was not read to its end may be out of sight until that is a gap.
        """
        self._paths = [str(it) for it in paths]
        self._limit, self._from_end, self._grace_s, self._now = line_limit, from_end, grace_s, now
        self._most_files = most_files
        self._sources: list[Source] = []
        self._before = 0.0
        self._first = True
        self._waiting = 0
        self._lasting: dict[str, LogGap] = {}
        """What cannot be read now, by path; in every chunk for as long as it lasts."""
        self._gaps: list[LogGap] = []
        self._looked: float | None = None

    def read(self, most: int) -> LogChunk:
        """Return the next lines, about `most` bytes of them, and the position after them."""
        if self._looked is None or time.monotonic() - self._looked >= _LOOK_EVERY_S:
            self._look()
        lines: list[bytes] = []
        size = self._read_into(lines, most)
        if size == 0:
            self._look()
            self._read_into(lines, most)
        gaps, self._gaps = [*self._gaps, *self._lasting.values()], []
        lag = self._waiting + sum(it.unread for it in self._sources)
        return LogChunk(lines=tuple(lines), position=self._position(), gaps=tuple(gaps), lag_bytes=lag)

    def resume(self, position: LogPosition) -> None:
        """Go on from a position that was committed earlier."""
        self.close()
        self._sources = [_resumed(it) for it in position.files]
        self._before, self._first, self._looked = position.before, False, None
        self._lasting, self._gaps = {}, []

    def close(self) -> None:
        """Let go of the files."""
        for it in self._sources:
            it.close()

    def _position(self) -> LogPosition:
        return LogPosition(files=tuple(it.position() for it in self._sources), before=self._before)

    def _read_into(self, lines: list[bytes], most: int) -> int:
        """Read from one stretch after the other, oldest first, and return how many bytes it were."""
        size = 0
        for source in sorted(self._sources, key=lambda it: it.found.age):
            while size < most and _readable(source):
                before = source.offset + source.skipped
                lines += self._take(source, most - size)
                if source.offset + source.skipped == before:
                    break
                size += source.offset + source.skipped - before
        return size

    def _take(self, source: Source, most: int) -> list[bytes]:
        try:
            taken = source.take(most, self._limit, finish=source.final and self._is_quiet(source.found))
        except BrokenFileError as exc:
            source.done = True
            self._gaps.append(_gap(source.found.path, "damaged", str(exc)))
            return []
        except (NotAFileError, FileNotFoundError):
            return []  # renamed, deleted or replaced since it was found; the next look will tell
        except OSError as exc:
            why = f"the file cannot be read: {exc.strerror}"
            self._lasting[str(source.found.path)] = _gap(source.found.path, "unreadable", why)
            return []
        self._gaps += taken.gaps
        if source.packed and not taken.size and not source.done and self._quiet_s(source.found) > _CUT_AFTER_S:
            source.done = True
            why = "the file is compressed, and its end is missing"
            self._gaps.append(_gap(source.found.path, "damaged", why))
        return taken.lines

    def _quiet_s(self, it: Found) -> float:
        return abs(self._now() - it.mtime_ns / 1e9)

    def _is_quiet(self, it: Found) -> bool:
        return self._quiet_s(it) >= self._grace_s

    def _look(self) -> None:
        """Look where all files are now."""
        found, refused = look(self._paths, [it.found.path for it in self._sources])
        self._lasting = {str(it.path): _gap(it.path, it.what, it.why) for it in refused}
        placed = place(self._sources, found, now=time.monotonic(), quiet=self._is_quiet, patience_s=self._grace_s)
        self._sources, fresh = placed.kept, sorted(placed.fresh, key=lambda it: it.age)
        self._gaps += placed.gaps
        fresh = [it for it in fresh if not (it.rotated and it.mtime_ns / 1e9 <= self._before)]
        self._forget(min((it.mtime_ns / 1e9 for it in fresh), default=math.inf))
        self._sources += self._begun(fresh)
        self._first, self._looked = False, time.monotonic()
        named = (it for it in self._sources if not it.gone)
        for source in sorted(named, key=lambda it: it.found.age)[:-_MOST_OPEN]:
            source.close()

    def _begun(self, fresh: list[Found]) -> Iterator[Source]:
        """Begin with new files, as many as may be remembered; the others wait, and are new at the next look."""
        room = max(0, self._most_files - sum(not it.done for it in self._sources))
        self._waiting = sum(it.size for it in fresh[room:])
        if len(fresh) > room:
            why = f"{len(fresh) - room} files wait: at most {self._most_files} are read that may still grow"
            self._lasting[str(fresh[room].path)] = _gap(fresh[room].path, "unreadable", why)
        for it in fresh[:room]:
            source = Source(it)
            if self._first and not it.named:
                source.done = True
            elif self._first and self._from_end:
                self._pass_over(source)
            with suppress(*UNREADABLE):
                source.open()  # held from now on, so that it can be read even when it is deleted next
            if source.done:
                source.still(it)
                source.offset = source.offset if source.packed else it.size
                source.close()
            yield source

    def _pass_over(self, source: Source) -> None:
        """Begin at the end, after the last line feed."""
        size = source.found.size
        with suppress(*UNREADABLE):
            contents = source.open()
            start = max(0, size - self._limit)
            end = contents.read(start, size - start).rfind(b"\n")
            source.offset = start + end + 1 if end >= 0 or start == 0 else size
            source.done = source.packed
            source.still(source.found)

    def _forget(self, before: float) -> None:
        """Keep the list of what is done short; what was written later than something new must be remembered."""
        done = sorted((it for it in self._sources if it.done), key=lambda it: it.found.age)
        gone = [it for it in done[: max(0, len(done) - self._most_files)] if it.found.mtime_ns / 1e9 < before]
        if gone:
            self._before = max(self._before, *(it.found.mtime_ns / 1e9 for it in gone))
            self._sources = [it for it in self._sources if all(it is not other for other in gone)]


def _gap(path: Path, what: str, why: str) -> LogGap:
    return LogGap(path=str(path), what=what, why=why, bytes_lost=None)


def _readable(it: Source) -> bool:
    held = it.descriptor is not None or (it.missing_since is None and (it.unread > 0 or it.final))
    return held and not it.done


def _resumed(at: FilePosition) -> Source:
    path = Path(at.path)
    found = Found(path, at.device, at.inode, size=at.offset, mtime_ns=0, family=path)
    # What is done although nothing of it was seen could not be decompressed.
    damaged = at.done and at.head_size == 0
    return Source(found, offset=at.offset, head=at.head, head_size=at.head_size, done=at.done, packed=damaged)
