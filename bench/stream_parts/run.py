"""How much is measured, and in what order."""

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, progress
from stream_parts import attack_rows, rows
from stream_parts.texts import Texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How much is measured."""

    lines: int
    """Of the file that the speed is taken from."""
    repeats: int
    clients: tuple[int, ...]
    """Numbers of clients for the cost of a request."""
    timed: int
    """Requests that are timed for each of them."""
    remembered: int
    """Clients whose memory is measured."""
    text: attack_rows.Scene
    """Around attacks that show in what is asked and refused."""
    shape: attack_rows.Scene
    """Around attacks that show in how the API is used."""
    hours: float
    """Of the day around attacks by shape."""
    slow: int
    """Accounts of each slow attack."""
    week_rate: float
    """Requests per second of the benign week."""
    week_days: float
    rotations: int
    kills: int


FULL = Size(
    lines=12_000,
    repeats=3,
    clients=(1_000, 10_000, 100_000, 1_000_000),
    timed=50_000,
    remembered=100_000,
    text=attack_rows.Scene(thinned=8, stretches=3, accounts=6),
    shape=attack_rows.Scene(thinned=5, stretches=1, accounts=20),
    hours=6,
    slow=20,
    week_rate=20,
    week_days=7,
    rotations=100,
    kills=10,
)
QUICK = Size(
    lines=3_000,
    repeats=1,
    clients=(1_000, 10_000),
    timed=3_000,
    remembered=3_000,
    text=attack_rows.Scene(thinned=40, stretches=1, accounts=1),
    shape=attack_rows.Scene(thinned=20, stretches=1, accounts=1),
    hours=1,
    slow=1,
    week_rate=0.5,
    week_days=0.5,
    rotations=5,
    kills=2,
)

Part = Callable[[Texts, Size, Path], Iterable[Figure]]
PARTS: Mapping[str, Part] = {
    "rotation": lambda _, size, folder: rows.rotation(folder, size.rotations, size.kills),
    "speed": lambda texts, size, folder: rows.speed(texts, folder, size.lines, size.repeats),
    "clients": lambda texts, size, _: rows.clients(texts, size.clients, size.timed),
    "memory": lambda texts, size, _: rows.memory(texts, size.remembered),
    "text": lambda texts, size, _: attack_rows.by_text(texts, size.text),
    "shape": lambda texts, size, _: attack_rows.by_shape(texts, size.hours, size.shape),
    "slow": lambda texts, size, _: attack_rows.slow(texts, size.slow),
    "false": lambda texts, size, _: rows.falsely(texts, size.week_rate, size.week_days),
}
"""Each part of the table; another one is one more function in `rows`, and one more line here."""


def measure(texts: Texts, size: Size, wanted: Iterable[str]) -> Iterator[Figure]:
    """Yield the figures of the parts that are wanted."""
    with tempfile.TemporaryDirectory(prefix="bench-stream-") as name:
        for part in wanted:
            yield from PARTS[part](texts, size, Path(name))
            progress(f"{part} measured")
