"""Which files there are: those that the configuration names, and those that were rotated away from them."""

import glob
import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMPRESSED = re.compile(r"\.(?:gz|bz2|xz|zst)$")
_COUNTED = re.compile(r"(?P<base>.+?)[.-](?:(?P<number>\d{1,4})|\d[\d._:T-]*|old|bak)")
"""`x.log.1`, `x.log-20261124`, `x.log.2026-11-24`, `x.log.old`."""
_INSIDE = re.compile(r"(?P<stem>.+?)[.-](?:(?P<number>\d{1,4})|\d[\d._:T-]*)(?P<ending>\.[A-Za-z]+)")
"""`x.1.log`, `x-20261124.log`."""


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that belongs to a log."""

    path: Path
    device: int
    inode: int
    size: int
    mtime_ns: int
    family: Path
    """The name under which it was written first; its own, unless it was rotated away."""
    number: int = 0
    """The higher, the older, where rotation counts."""
    named: bool = True
    """Whether the configuration names it; a rotated file need not be."""

    @property
    def key(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode

    @property
    def rotated(self) -> bool:
        """Whether its name says that it was rotated away."""
        return self.family != self.path

    @property
    def age(self) -> tuple[int, bool, int, str]:
        """Sorts the oldest first; files that were last written at the same moment by what their names say."""
        return self.mtime_ns, not self.rotated, -self.number, str(self.path)


@dataclass(frozen=True, slots=True)
class Refused:
    """Something that was named and is not read."""

    path: Path
    what: str
    why: str


def look(asked: Sequence[str], known: Iterable[Path]) -> tuple[list[Found], list[Refused]]:
    """Look for the files of a log; `known` are the names that were read before, which may be gone for a moment."""
    named, refused = _named(asked)
    plain = {Path(it) for it in asked if not glob.has_magic(it)}
    folders = {it.parent for it in named} | {it.parent for it in known} | {it.parent for it in plain}
    bases = (set(named) | set(known) | plain) - {it for it in plain if it in folders}
    names = dict(_rotated(folders, bases)) if bases else {}
    found: list[Found] = []
    for path in sorted({*named, *names}):
        base, number = names.get(path, (path, 0))
        seen = _status(path)
        if isinstance(seen, Refused):
            refused += [seen] if path in named and not _is_folder(path) else []
        elif seen is not None and not _unborn(path, seen):
            found.append(_found(path, seen, base, number, path in named))
    return found, refused


def _rotated_from(name: str) -> Iterator[tuple[str, int]]:
    """Yield the names that a file of this name may have been rotated away from, with the rotation's number."""
    bare = _COMPRESSED.sub("", name)
    if bare != name:
        yield bare, 0
    if (it := _COUNTED.fullmatch(bare)) is not None:
        yield it["base"], int(it["number"] or 0)
    if (it := _INSIDE.fullmatch(bare)) is not None:
        yield it["stem"] + it["ending"], int(it["number"] or 0)


def related(path: Path, it: Found) -> bool:
    """Tell whether what was in `path` may now be in this file, going by the names."""
    roots = {path, *(path.with_name(base) for base, _ in _rotated_from(path.name))}
    return it.path in roots or it.family in roots


def _named(asked: Sequence[str]) -> tuple[set[Path], list[Refused]]:
    named: set[Path] = set()
    refused: list[Refused] = []
    for it in asked:
        if glob.has_magic(it):
            named |= {Path(path) for path in glob.iglob(it, recursive=True)}  # noqa: PTH207 - Path.glob takes no absolute ones
            continue
        path = Path(it)
        try:
            named |= {inside for inside in path.iterdir() if not inside.name.startswith(".")}
        except NotADirectoryError:
            named.add(path)
        except FileNotFoundError:
            pass
        except OSError as exc:
            refused.append(Refused(path, "unreadable", f"the folder cannot be listed: {exc.strerror}"))
    return named, refused


def _rotated(folders: Iterable[Path], bases: set[Path]) -> Iterator[tuple[Path, tuple[Path, int]]]:
    for folder in folders:
        try:
            names = sorted(it.name for it in folder.iterdir())
        except OSError:
            continue
        for name in names:
            roots = [(folder / base, number) for base, number in _rotated_from(name) if folder / base in bases]
            if roots:  # of `x.log.1` and `x.log`, both of which may be known, `x.log.1.gz` comes from the latter
                yield folder / name, min(roots, key=lambda it: len(it[0].name))


def _status(path: Path) -> os.stat_result | Refused | None:
    try:
        seen = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None  # gone since it was listed
    except OSError as exc:
        return Refused(path, "unreadable", f"the file cannot be looked at: {exc.strerror}")
    if stat.S_ISREG(seen.st_mode):
        return seen
    kind = "a symbolic link" if stat.S_ISLNK(seen.st_mode) else "a pipe, a socket or a device"
    return Refused(path, "refused", f"it is {kind}; only regular files are read")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _unborn(path: Path, seen: os.stat_result) -> bool:
    """Tell whether a compressed file is too short to show yet that it is one."""
    return seen.st_size < 6 and _COMPRESSED.search(path.name) is not None


def _found(path: Path, seen: os.stat_result, family: Path, number: int, named: bool) -> Found:
    return Found(
        path=path,
        device=seen.st_dev,
        inode=seen.st_ino,
        size=seen.st_size,
        mtime_ns=seen.st_mtime_ns,
        family=family,
        number=number,
        named=named,
    )
