"""What other installed distributions add to a catalog, by entry point."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Generic, TypeVar

from watchdog.domain.text import printable
from watchdog.errors import InstallationError

T = TypeVar("T")


class Extensible(Mapping[str, T], Generic[T]):
    """A catalog: what is built in, and what entry points of a group add. They are loaded when it is first looked into.

    `fault` says what is wrong with something that was loaded under a name, or None; `page` is where a reader finds out.
    Looking raises InstallationError, naming the distribution, when one cannot be loaded, is not what it should be, or
    takes a name that is taken.
    """

    def __init__(
        self,
        built_in: Mapping[str, T],
        *,
        group: str,
        fault: Callable[[str, object], str | None],
        page: str,
    ) -> None:
        self._built_in = built_in
        self._group = group
        self._fault = fault
        self._page = page

    def __getitem__(self, name: str) -> T:
        return self._all[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @cached_property
    def _all(self) -> Mapping[str, T]:
        found = dict(self._built_in)
        owners = dict.fromkeys(found, "corrigibility-watchdog itself")
        for point in sorted(entry_points(group=self._group), key=lambda it: (it.name, _owner(it))):
            if point.name in found:
                raise self._refusal(point, f"the name is taken by {owners[point.name]}")
            found[point.name] = self._load(point)
            owners[point.name] = _owner(point)
        return found

    def _load(self, point: EntryPoint) -> T:
        try:
            loaded = point.load()
            fault = self._fault(point.name, loaded)
        except Exception as exc:  # code of strangers may raise anything; it is one fault to us
            said = f"{type(exc).__name__}: {printable(str(exc), 200)}"
            raise self._refusal(point, f"it cannot be loaded: {said}") from exc
        if fault is not None:
            raise self._refusal(point, fault)
        added: T = loaded
        return added

    def _refusal(self, point: EntryPoint, why: str) -> InstallationError:
        return InstallationError(
            f"the distribution {_owner(point)} adds {point.name!r} to {point.group}, but {why}",
            hint=f"mend or uninstall {_owner(point)}; {self._page} says what an entry point has to be",
        )


def _owner(point: EntryPoint) -> str:
    return "an unknown distribution" if point.dist is None else point.dist.name
