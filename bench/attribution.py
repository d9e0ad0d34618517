"""Measure who is suspected: every scenario is played from enrolment to the first finding, and its suspect is counted.

    python bench/attribution.py [--quick] [--json FILE] [--model PATH]

Channels are scripted models in this process: the delivered one has the noise of another engine. Each scenario is played
with every seed; a play is right when all findings of the first round that has any name the expected suspect. Beside it
stands what the delivered channel alone tells. `--model` plays the scenarios of wrappers on real weights, once each.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from attribution_parts.playing import Play, Stage
from attribution_parts.scenarios import scenarios, scripted, wrappers
from attribution_parts.ways import DELIVERED, DIRECT, Parts, Remembering
from intervals import clopper_pearson
from watchdog.domain.exchanges import Exchange, Request
from watchdog.domain.findings import Suspect

FIRST_SEED = 201
"""The rules were settled while the seeds 1 to 20 and 101 to 120 were looked at."""


def real(path: Path) -> Parts:
    """Return a target on real weights, without a reference."""
    from probes.channels.config import WeightsConfig  # noqa: PLC0415 - pydantic
    from probes.channels.weights import WeightsChannel, open_weights  # noqa: PLC0415 - torch
    from probes.scorers.weights import WeightsScorer  # noqa: PLC0415 - the same

    weights = open_weights(WeightsConfig(path=path))
    channel = WeightsChannel(weights, DIRECT, lambda: datetime.now(UTC))
    said: dict[Request, Exchange] = {}
    return Parts(
        delivered=Remembering(channel, said, DELIVERED),
        direct=Remembering(channel, said, DIRECT),
        scores=WeightsScorer(weights),
    )


def print_confusion(plays: Sequence[Play]) -> None:
    """Print how often each scenario led to each suspect."""
    columns = list(Suspect)
    print(f"{'scenario':<34}{'expected':<16}" + "".join(f"{it:<16}" for it in columns) + "rounds  rules")
    for name in dict.fromkeys(it.scenario for it in plays):
        of_name = [it for it in plays if it.scenario == name]
        counts = Counter(suspect for it in of_name for suspect in set(it.suspects))
        rounds = sorted(it.rounds for it in of_name)[len(of_name) // 2]
        told = ", ".join(sorted({rule for it in of_name for rule in it.rules}))
        cells = "".join(f"{counts[it] or '':<16}" for it in columns)
        print(f"{name:<34}{of_name[0].expected:<16}{cells}{rounds:<8}{told}", flush=True)


def figure(plays: Sequence[Play], counted: Mapping[str, bool]) -> dict[str, Any]:
    """Return the share that is right, with its interval, and that of the delivered channel alone."""
    of_list = [it for it in plays if counted[it.scenario]]
    right = sum(it.right for it in of_list)
    alone_right = sum(set(it.alone) == {it.expected} for it in of_list)
    low, high = clopper_pearson(right, len(of_list))
    return {
        "figure": "attribution over the scenario list",
        "right": right,
        "plays": len(of_list),
        "share": right / len(of_list),
        "interval": [low, high],
        "target": 0.95,
        "met": right >= 0.95 * len(of_list),
        "baselines": {"the delivered channel alone": alone_right / len(of_list)},
    }


def main() -> None:
    """Play, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="three seeds instead of twenty")
    parser.add_argument("--json", type=Path, help="write the plays and the figure to this file as well")
    parser.add_argument("--model", type=Path, help="play the wrappers on these weights, once each")
    chosen = parser.parse_args()
    begun, plays, counted = time.perf_counter(), [], {}
    seeds = [1] if chosen.model is not None else range(FIRST_SEED, FIRST_SEED + (3 if chosen.quick else 20))
    for seed in seeds:
        parts = scripted(seed) if chosen.model is None else real(chosen.model)
        stage = Stage(parts, 40, seed, probed=chosen.model is None)
        for scenario in wrappers() if chosen.model is not None else scenarios(seed):
            counted[scenario.name] = scenario.counted
            plays.append(stage.play(scenario))
            print(f"seed {seed}: {plays[-1].scenario}: {', '.join(plays[-1].suspects)}", file=sys.stderr, flush=True)
    print_confusion(plays)
    found = figure(plays, counted)
    low, high = found["interval"]
    print(
        f"\nright: {found['right']} of {found['plays']} ({found['share']:.1%}; 95 % interval {low:.1%} to {high:.1%}); "
        f"the delivered channel alone: {found['baselines']['the delivered channel alone']:.1%}; "
        f"{time.perf_counter() - begun:.0f} s"
    )
    if chosen.json is not None:
        rows = [asdict(it) for it in plays]
        chosen.json.write_text(json.dumps([found, *rows], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
