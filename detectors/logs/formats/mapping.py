"""Any other log of JSON lines: the configuration says where in a line each field stands."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from detectors.logs.formats.chat import refusing, replied, written
from detectors.logs.formats.faults import line_error
from detectors.logs.formats.reading import Reader
from detectors.logs.formats.values import count, endpoint, moment, name, status, whole
from watchdog.config.json_paths import follow, path_of
from watchdog.domain.queries import Query

_IDENTITY = ("at", "client", "org", "address")


class MappingFormat:
    """A format that the configuration describes; `mapping` has a path for `at` and for other fields of a Query."""

    name = "mapping"

    def __init__(self, mapping: Mapping[str, str]) -> None:
        paths = {field: path_of(path) for field, path in mapping.items()}
        self._at = paths.pop("at")
        self._rest = tuple((field, steps, _TAKEN.get(field, count)) for field, steps in paths.items())
        self._reader = Reader(dict[str, object], once=_keys({"at": self._at, **paths}))
        self.fields = frozenset(paths)

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the request in one line. Raises LineError when it is none."""
        found = self._reader.read(line)
        if found is None:
            return ()
        at = follow(found, self._at)
        if at is None:
            raise line_error("missing")
        if isinstance(at, bool) or not isinstance(at, str | int | float):
            raise line_error("wrong_type")
        values: dict[str, Any] = {field: take(follow(found, steps)) for field, steps, take in self._rest}
        return (Query(at=moment(at))._replace(**values),)


def _keys(paths: Mapping[str, Sequence[str]]) -> Sequence[str]:
    keys = [key for field in _IDENTITY for key in paths.get(field, ()) if not key.removeprefix("-").isdecimal()]
    return tuple(dict.fromkeys(keys))


def _name(value: object) -> str | None:
    return name(str(value)) if isinstance(value, int) and not isinstance(value, bool) else name(value)


def _number_of(value: object) -> int | None:
    """Return a number, or how many there are."""
    return len(value) if isinstance(value, list | dict) else count(value)


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _refused(value: object) -> bool | None:
    return True if value is True or refusing(value) else None


_TAKEN: Mapping[str, Callable[[object], object]] = {
    "id": _name,
    "client": _name,
    "org": _name,
    "address": _name,
    "agent": _name,
    "endpoint": endpoint,
    "model": _name,
    "status": status,
    "system": written,
    "prompt": written,
    "turns": _number_of,
    "prefill": _truth,
    "reply": replied,
    "refused": _refused,
    "logit_bias": _number_of,
    "seed": whole,
    "training_examples": _number_of,
}
"""How each field is taken; the others are counts."""
