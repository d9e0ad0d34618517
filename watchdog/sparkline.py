"""A path of evidence as a line: of block characters for a terminal, of SVG for a page. Pure."""

import math
from collections.abc import Sequence
from itertools import pairwise

from watchdog.domain.queries import EvidencePoint

_BLOCKS = "▁▂▃▄▅▆▇█"
_ASCII = "._-=+*#@"


def spark(values: Sequence[float], *, width: int = 48, ascii_only: bool = False) -> str:
    """Return values as a line of blocks, at most `width` of them, on a logarithmic scale that begins at 1.

    Evidence grows by factors, so its logarithm is what rises evenly; below 1 it says nothing, and is the lowest block.
    """
    blocks = _ASCII if ascii_only else _BLOCKS
    heights = [height(value) for value in _sampled(values, width)]
    top = max(heights, default=0.0)
    if top <= 0:
        return blocks[0] * len(heights)
    return "".join(blocks[min(round(it / top * (len(blocks) - 1)), len(blocks) - 1)] for it in heights)


def height(evidence: float) -> float:
    """Return how high evidence is drawn: its base-10 logarithm, from 0 up; what is no number is 0."""
    if math.isnan(evidence) or evidence <= 1:
        return 0.0
    return min(math.log10(evidence), 300.0)


def points(path: Sequence[EvidencePoint], threshold: float, box: tuple[float, float]) -> tuple[str, float]:
    """Return a path as the `points` of an SVG polyline in a box of this width and height, and the threshold's y.

    Time goes to the right, evidence up; both lines are inside the box whatever the values are.
    """
    width, tall = box
    if not path:
        return "", 0.0
    begin = path[0].at
    span = (path[-1].at - begin).total_seconds() or 1.0
    top = max(height(threshold), *(height(it.evidence) for it in path)) * 1.08 or 1.0
    placed = (
        f"{_clamp((it.at - begin).total_seconds() / span) * width:.1f},{tall - height(it.evidence) / top * tall:.1f}"
        for it in path
    )
    return " ".join(placed), round(tall - height(threshold) / top * tall, 1)


def _sampled(values: Sequence[float], width: int) -> list[float]:
    """Return at most `width` values: of each stretch its highest, so that no peak is lost."""
    if len(values) <= width:
        return list(values)
    edges = [round(place * len(values) / width) for place in range(width + 1)]
    return [max(values[low:high]) for low, high in pairwise(edges)]


def _clamp(share: float) -> float:
    return min(max(share, 0.0), 1.0)
