"""A published figure, and what every bench does with figures: print a table of them, and write them as JSON."""

import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from intervals import clopper_pearson


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One published figure."""

    figure: str
    value: float | None
    """None where nothing was measured, or nothing was found; `how` says which."""
    unit: str
    target: str
    met: bool | None
    baselines: Mapping[str, float | None] = field(default_factory=dict)
    how: str


def share(hits: int, trials: int) -> str:
    """Say a share with its exact interval."""
    if not trials:
        return "0 of 0"
    low, high = clopper_pearson(hits, trials)
    return f"{hits} of {trials}, 95 % interval {100 * low:.1f} to {100 * high:.1f} %"


def percent(hits: int, trials: int) -> float | None:
    """Return a share in percent; None when there was nothing to share."""
    return round(100 * hits / trials, 2) if trials else None


def share_figure(
    name: str,
    hits: int,
    trials: int,
    *,
    least: float | None,
    how: str,
    baselines: Mapping[str, float | None] | None = None,
) -> Figure:
    """Return a figure that is a share, with the least percentage it was to reach."""
    value = percent(hits, trials)
    return Figure(
        figure=name,
        value=value,
        unit="%",
        target="none set" if least is None else f">= {least:g} %",
        met=None if least is None or value is None else value >= least,
        baselines=baselines or {},
        how=f"{share(hits, trials)}; {how}",
    )


def print_table(figures: Iterable[Figure]) -> None:
    """Print the figures, each with its target, whether it was met, and how it was measured."""
    for it in figures:
        met = {True: "met", False: "NOT MET", None: ""}[it.met]
        value = _said(it.value) if it.value is None else f"{_said(it.value)} {it.unit}"
        print(f"{it.figure:<84} {value:>20}   {it.target:<16} {met}".rstrip())
        for name, baseline in it.baselines.items():
            print(f"    {name}: {_said(baseline)}")
        print(f"    {it.how}", flush=True)


def _said(value: float | None) -> str:
    return "none" if value is None else f"{value:.6g}"


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps([asdict(it) for it in figures], indent=2) + "\n", encoding="utf-8")


def progress(what: str) -> None:
    """Say on the standard error how far a long run is, and how much processor time it took."""
    print(f"{time.process_time():7.0f} s of processor time: {what}", file=sys.stderr, flush=True)
