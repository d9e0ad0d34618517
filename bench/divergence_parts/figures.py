"""A published figure, and the table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from divergence_parts.statistics import clopper_pearson


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One published figure."""

    figure: str
    value: float | None
    unit: str
    target: str
    met: bool | None
    baselines: Mapping[str, float] = field(default_factory=dict)
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
    name: str, hits: int, trials: int, *, least: float | None, how: str, baselines: Mapping[str, float] | None = None
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


def print_table(figures: Sequence[Figure]) -> None:
    """Print the figures, each with its target, whether it was met, and how it was measured."""
    for it in figures:
        met = {True: "met", False: "NOT MET", None: ""}[it.met]
        value = "not measured" if it.value is None else f"{it.value:g} {it.unit}"
        print(f"{it.figure:<68} {value:>14}   {it.target:<16} {met:<8}")
        for name, baseline in it.baselines.items():
            print(f"    {name}: {baseline:g}")
        print(f"    {it.how}")
