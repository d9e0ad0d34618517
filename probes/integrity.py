"""Read the files of a model and name each by its SHA-256; needs neither torch nor the model's format."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from watchdog.domain.weights import WeightsFile
from watchdog.errors import ConfigError

_HINT = "see that the path is mounted, and that the watchdog's user may read every file in it"


def weights_files(path: Path) -> tuple[WeightsFile, ...]:
    """Return every file of a model, a folder or one file, in the order of the names.

    Files are read in pieces, and symbolic links are followed once. Raises ConfigError when something cannot be read.
    """
    try:
        if not path.is_dir():
            return (_file(path, path.name),)
        found = sorted(_below(path), key=lambda file: _name(str(file.relative_to(path))))
        files = tuple(_file(file, str(file.relative_to(path))) for file in found)
    except OSError as exc:
        where = _name(exc.filename) if isinstance(exc.filename, str) else str(path)
        raise ConfigError(f"{where} cannot be read: {exc.strerror}", hint=_HINT) from exc
    if not files:
        raise ConfigError(f"{path} holds no file", hint=_HINT)
    return files


def _below(path: Path) -> Iterator[Path]:
    def refuse(exc: OSError) -> None:
        raise exc

    seen: set[tuple[int, int]] = set()
    _is_new(path, seen)
    for folder, folders, files in os.walk(path, followlinks=True, onerror=refuse):
        # A link to a folder above would go round for ever.
        folders[:] = [it for it in folders if _is_new(Path(folder, it), seen)]
        yield from (Path(folder, it) for it in files)


def _is_new(folder: Path, seen: set[tuple[int, int]]) -> bool:
    it = folder.stat()
    new = (it.st_dev, it.st_ino) not in seen
    seen.add((it.st_dev, it.st_ino))
    return new


def _file(path: Path, name: str) -> WeightsFile:
    if not path.is_file():  # a broken link, or a pipe that would be waited for until its end
        raise OSError(0, "it is no file", str(path))
    link = str(path.readlink()) if path.is_symlink() else ""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return WeightsFile(path=_name(name), sha256=digest, link=_name(link))


def _name(name: str) -> str:
    # A file's name is bytes; those that are no UTF-8 have no place in the record, and are written as \xNN.
    return os.fsencode(name).decode(errors="backslashreplace")
