"""A drawing of a bank of benign engines: which part of each engine's replies has a gap above so many nats. Pure."""

import math
from collections.abc import Sequence
from html import escape

from watchdog.domain.banks import Engine, Threshold

_WIDTH, _HEIGHT, _LEFT, _TOP, _BOTTOM, _RIGHT = 760, 420, 70, 40, 60, 270
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#000000")
"""Okabe and Ito's: told apart by most who see colours differently; each line is named beside the plot as well."""


def plot(title: str, heard: Sequence[tuple[Engine, Sequence[float]]], threshold: Threshold) -> str:
    """Return an SVG document that needs nothing else: no script, no font, no network."""
    most = max([1.1 * threshold.tau, *(gap for _, gaps in heard for gap in gaps)])
    least = 1 / max([2, *(len(gaps) for _, gaps in heard)])
    frame = _Frame(most, least)
    curves = [_curve(frame, number, engine, gaps) for number, (engine, gaps) in enumerate(heard)]
    largest = "; ".join(f"{engine.name}: {max(gaps, default=0.0):.3f}" for engine, gaps in heard)
    described = (
        f"Part of the replies with a gap above so many nats, for {len(heard)} engines; the threshold is "
        f"{threshold.tau:.3f} nats ({threshold.limit}). Largest gaps: {largest}."
    )
    return "\n".join(
        [
            _OPENING,
            f'<title id="title">{escape(title)}</title>',
            f'<desc id="desc">{escape(described)}</desc>',
            f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#ffffff"/>',
            f'<text x="{_LEFT}" y="22" font-size="14">{escape(title)}</text>',
            *_axes(frame),
            *curves,
            *_mark(frame, threshold),
            "</svg>",
            "",
        ]
    )


_OPENING = (
    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
    'aria-labelledby="title desc" font-family="sans-serif" font-size="12">'
)


class _Frame:
    """Where a gap and a share lie on the drawing; shares on a logarithmic scale."""

    def __init__(self, most: float, least: float) -> None:
        self.most, self.decades = most, max(1, math.ceil(-math.log10(least)))
        self.right, self.bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(self, gap: float) -> float:
        return round(_LEFT + (self.right - _LEFT) * gap / self.most, 1)

    def y(self, share: float) -> float:
        down = min(1.0, -math.log10(share) / self.decades) if share > 0 else 1.0
        return round(_TOP + (self.bottom - _TOP) * down, 1)


def _curve(frame: _Frame, number: int, engine: Engine, gaps: Sequence[float]) -> str:
    ordered, colour = sorted(gaps), _COLOURS[number % len(_COLOURS)]
    above = sum(gap > 0 for gap in ordered)
    points = [(0.0, above / len(ordered))] if ordered else []
    for place, gap in enumerate(ordered):
        if gap > 0:
            points += [(gap, (len(ordered) - place) / len(ordered)), (gap, (len(ordered) - place - 1) / len(ordered))]
    line = " ".join(f"{frame.x(gap)},{frame.y(share)}" for gap, share in points)
    label = escape(f"{engine.name} ({len(ordered)} replies)")
    y = _TOP + 14 + 20 * number
    return (
        f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        f'<line x1="{frame.right + 14}" y1="{y - 4}" x2="{frame.right + 34}" y2="{y - 4}" stroke="{colour}" '
        f'stroke-width="3"/><text x="{frame.right + 40}" y="{y}">{label}</text>'
    )


def _axes(frame: _Frame) -> list[str]:
    ticks = [frame.most * n / 5 for n in range(6)]
    shares = [10.0**-n for n in range(frame.decades + 1)]
    return [
        f'<path d="M{_LEFT},{_TOP} V{frame.bottom} H{frame.right}" fill="none" stroke="#444444"/>',
        *(f'<text x="{frame.x(it)}" y="{frame.bottom + 18}" text-anchor="middle">{it:.2g}</text>' for it in ticks),
        *(f'<text x="{_LEFT - 8}" y="{frame.y(it) + 4}" text-anchor="end">{100 * it:g} %</text>' for it in shares),
        f'<text x="{_LEFT}" y="{frame.bottom + 40}">gap in nats; upwards, the part of the replies above it</text>',
    ]


def _mark(frame: _Frame, threshold: Threshold) -> list[str]:
    x = frame.x(threshold.tau)
    return [
        f'<line x1="{x}" y1="{_TOP}" x2="{x}" y2="{frame.bottom}" stroke="#444444" stroke-dasharray="4 3"/>',
        f'<text x="{x}" y="{_TOP - 4}" text-anchor="middle">threshold {threshold.tau:.2f}</text>',
    ]
