"""Which file each stretch of a log is in now, and which files are new."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from detectors.logs.rotated import Found, related
from detectors.logs.sources import HEAD, UNREADABLE, Source
from watchdog.domain.queries import LogGap

_FORGET_AFTER_S = 60.0
"""How long a file that was read, and is not seen, is remembered: else it would be new when it is seen again."""


class _Beginning(NamedTuple):
    """The first bytes of a file, decompressed."""

    data: bytes
    packed: bool = False
    unreadable: bool = False


@dataclass(slots=True)
class Placed:
    """Where everything is."""

    kept: list[Source] = field(default_factory=list)
    fresh: list[Found] = field(default_factory=list)
    """Files that hold something that was never seen."""
    gaps: list[LogGap] = field(default_factory=list)


def place(
    sources: Iterable[Source], found: Sequence[Found], *, now: float, quiet: Callable[[Found], bool], patience_s: float
) -> Placed:
    """Find the file of each stretch: by its inode, else by how it begins.

    What has no file is let go of after some time (of the clock that `now` is on), because files are renamed while we
    look: one may be seen under neither of its names.
    A rotated file that begins like a stretch whose own file is still there is a copy, and not new: that is what a file
    looks like while it is compressed, or copied to be truncated.
    """
    placed, heads = Placed(), _Heads()
    free = {it.key: it for it in found}
    lost = [it for it in sources if not _is_blank(it, free) and not _stays(it, free, placed)]
    for source in lost:
        home = _home(source, free.values(), heads)
        if home is not None:
            del free[home.key]
            placed.gaps += _moved(source, home)
            source.move(home)
            placed.kept.append(source)
        elif source.missing_for(now) < (_FORGET_AFTER_S if source.done else patience_s):
            placed.kept.append(source)
        else:
            placed.gaps += _lost(source)
    placed.fresh = [it for it in free.values() if not (it.rotated and _copied(it, placed.kept, heads, quiet))]
    return placed


def _is_blank(source: Source, free: Mapping[tuple[int, int], Found]) -> bool:
    """Let go of a stretch of which nothing was seen: whatever has its inode now is as good as new."""
    if source.head_size > 0 or source.packed or not (source.done or source.key in free):
        return False
    source.close()
    return True


def _stays(source: Source, free: dict[tuple[int, int], Found], placed: Placed) -> bool:
    """Keep a stretch whose file is where its inode is, or is held open although it has lost its name."""
    at, held = free.get(source.key), source.descriptor is not None and not source.done
    if at is not None and source.still(at):
        del free[source.key]
        source.move(at)
    elif not (at is None and held and source.lives_on()):
        source.close()
        source.truncated = source.truncated or held or at is not None
        return False
    placed.kept.append(source)
    return True


class _Heads:
    """The beginnings of files, each read once."""

    def __init__(self) -> None:
        self._seen: dict[tuple[int, int], _Beginning] = {}

    def of(self, it: Found) -> _Beginning:
        """Return how a file begins."""
        if it.key not in self._seen:
            self._seen[it.key] = _beginning_of(it)
        return self._seen[it.key]


def _beginning_of(it: Found) -> _Beginning:
    """Return how a file begins."""
    source = Source(it)
    try:
        contents = source.open()
        return _Beginning(contents.read(0, HEAD), source.packed)
    except UNREADABLE:
        return _Beginning(b"", unreadable=True)
    finally:
        source.close()


def _home(source: Source, free: Iterable[Found], heads: _Heads) -> Found | None:
    if source.head_size == 0:
        return None
    for it in sorted(free, key=lambda it: it.age):
        head = heads.of(it) if related(source.found.path, it) else None
        if head is not None and len(head.data) >= source.head_size and _same(source, it, head):
            return it
    return None


def _copied(it: Found, sources: Iterable[Source], heads: _Heads, quiet: Callable[[Found], bool]) -> bool:
    """Tell whether a file is a copy of a stretch, or becomes one as long as it is written to."""
    head = heads.of(it)
    if not head.data:
        return not head.unreadable  # empty, or nothing of it can be decompressed yet
    near = [s for s in sources if s.head_size > 0 and (related(s.found.path, it) or related(it.path, s.found))]
    return any(
        s.beginning.startswith(head.data) and not quiet(it) if len(head.data) < s.head_size else _same(s, it, head)
        for s in near
    )


def _same(source: Source, it: Found, head: _Beginning) -> bool:
    if not source.begins(head.data):
        return False
    if source.done and source.head_size < HEAD:
        return len(head.data) == source.head_size  # all of it is known: a longer file is another one
    return head.packed or it.size >= source.offset


def _moved(source: Source, home: Found) -> list[LogGap]:
    if source.done or not source.truncated:
        return []
    why = "the file was truncated in place, or its inode was given to another one; what was written after "
    why += f"{home.path.name} was copied from it, if anything was, is lost"
    return [LogGap(path=str(source.found.path), what="truncated", why=why, bytes_lost=None)]


def _lost(source: Source) -> list[LogGap]:
    if source.done or (source.head_size == 0 and source.found.size == 0):
        return []
    what, why = ("truncated", "was truncated or replaced") if source.truncated else ("vanished", "is gone")
    why = f"the file {why}, and was not known to be read to its end"
    return [LogGap(path=str(source.found.path), what=what, why=why, bytes_lost=source.unread or None)]
