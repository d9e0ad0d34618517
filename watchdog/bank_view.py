"""A bank of benign engines for a person at a terminal: a table, a histogram, and what settled the threshold."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from watchdog.benign import Heard
from watchdog.domain.banks import BenignBank, Threshold, said
from watchdog.domain.text import printable

_EDGES = (0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0)
_BAR = 40


def print_bank(bank: BenignBank, heard: Sequence[Heard], console: Console | None = None) -> None:
    """Print what each engine showed, how the gaps lie, and the threshold that follows."""
    console = console or Console(highlight=False)
    table = Table("engine", "batch", "replies", "half", "90 %", "99 %", "largest")
    for it in bank.variants:
        unmeasured = f" (+{it.unmeasured} unmeasured)" if it.unmeasured else ""
        batch = str(it.engine.batch_size or "?")
        gaps = (f"{gap:.3f}" for gap in (it.half, it.ninety, it.ninety_nine, it.largest))
        table.add_row(*map(Text, (printable(it.engine.name, 60), batch, f"{it.replies}{unmeasured}", *gaps)))
    console.print(table)
    ours = [gap for it in heard[: bank.counted] for gap in it.gaps]
    for line in histogram(ours, bank.threshold):
        console.print(Text(line))
    console.print(Text(f"  {said(bank)}"))


def histogram(gaps: Sequence[float], threshold: Threshold) -> list[str]:
    """Return a line for each range of gaps, as long as its part of them."""
    counts = [sum(gap <= 0 for gap in gaps)]
    counts += [
        sum(low < gap <= high for gap in gaps) for low, high in zip(_EDGES, (*_EDGES[1:], float("inf")), strict=True)
    ]
    names = ["none"]
    names += [f"to {it:.2f}" for it in _EDGES[1:]] + [f"over {_EDGES[-1]:.2f}"]
    lines = []
    for name, count, low in zip(names, counts, (0.0, *_EDGES), strict=True):
        bar = "█" * (-(-_BAR * count // max(1, len(gaps))))
        above = "  above the threshold" if low >= threshold.tau and count else ""
        lines.append(f"  {name:>9} {bar:<{_BAR}} {count}{above}")
    return lines


def bank_row(bank: BenignBank) -> dict[str, object]:
    """Return the bank by name, for programs."""
    it = bank.threshold
    return {
        "subject": bank.subject,
        "model": bank.model,
        "measured_at": bank.measured_at.isoformat(),
        "tau": it.tau,
        "bound": it.bound,
        "decided_by": it.limit,
        "level": it.level,
        "confidence": it.confidence,
        "counted": bank.counted,
        "engines": [
            {
                "name": one.engine.name,
                "runs_on": one.engine.runs_on,
                "precision": one.engine.precision,
                "batch_size": one.engine.batch_size,
                "libraries": list(one.engine.libraries),
                "replies": one.replies,
                "unmeasured": one.unmeasured,
                "half": one.half,
                "ninety": one.ninety,
                "ninety_nine": one.ninety_nine,
                "largest": one.largest,
                "digest": one.digest,
            }
            for one in bank.variants
        ],
    }
