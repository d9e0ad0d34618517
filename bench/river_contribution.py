"""Measure what river would add to the detectors of query logs: oddness of single requests, and drift of one client.

    python bench/river_contribution.py [--json FILE]

The traffic is that of the unit tests of the detectors (`tests/unit/detectors/clients/traffic.py`), seeds 11 and 12.
"""

import argparse
import bisect
import json
import math
import random
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from detectors._river import Level, Oddness
from detectors.catalog import watch_clients
from detectors.clients.refusals import refused
from tests.unit.detectors.clients.traffic import ATTACKS, ordinary, query, words
from watchdog.domain.queries import FIELDS, Query

LIMITS = ((0.0, 10.0), (0.0, 1.0), (0.0, 8.0), (0.0, 1.0), (0.0, 20.0), (0.0, 8.0), (0.0, 4.0), (0.0, 1.0))
ORDINARY, ACCOUNTS, REQUESTS = 12_000, 40, 20
CHANGE, STEPS = 1_000, 1_600
"""Requests of each account until they become longer, and in all."""
FALSE = (0.01, 0.001)
"""Shares of ordinary requests whose score may be passed."""


def row(it: Query) -> tuple[float, ...]:
    """Return what a request looks like: sizes, refusal, parameters."""
    prompt = it.prompt or ""
    odd = sum(not letter.isalnum() and not letter.isspace() for letter in prompt) / max(1, len(prompt))
    return (
        math.log1p(len(prompt)),
        odd,
        math.log1p(it.tokens_out or 0),
        float(bool(refused(it))),
        float(it.top_logprobs or 0),
        float(it.logit_bias or 0),
        float(it.seed is not None),
        float(bool(it.prefill)),
    )


def area(attack: Sequence[float], benign: Sequence[float]) -> float:
    """Return how often an attack's score is above an ordinary one's: 0.5 is chance."""
    ranked = sorted(benign)
    below = sum((bisect.bisect_left(ranked, it) + bisect.bisect_right(ranked, it)) / 2 for it in attack)
    return below / len(attack) / len(ranked)


def oddness() -> dict[str, object]:
    """Return, for each attack, how well scores tell its requests from ordinary ones, and how many accounts it finds."""
    trees, scores = Oddness(limits=LIMITS), []
    for it in ordinary(ORDINARY, seed=11, customers=200):
        scores.append(trees.score(row(it)))
        trees.learn(it.client or "", row(it), suspicious=False)
    benign = scores[ORDINARY // 2 :]
    levels = {share: sorted(benign)[int(len(benign) * (1 - share))] for share in FALSE}
    found: dict[str, object] = {}
    for name, (_, attack) in ATTACKS.items():
        dice = random.Random(12)  # noqa: S311 - traffic, not keys
        accounts = [[trees.score(row(attack(dice, f"a{n}", 1.7e9))) for _ in range(REQUESTS)] for n in range(ACCOUNTS)]
        found[name] = {
            "area": round(area([it for them in accounts for it in them], benign), 3),
            **{
                f"requests above, {share:g} of ordinary ones are": round(
                    sum(it > level for them in accounts for it in them) / ACCOUNTS / REQUESTS, 3
                )
                for share, level in levels.items()
            },
        }
    return found


def drifts() -> dict[str, object]:
    """Return how soon ADWIN and `usage_drift` see that requests become three times as long, and how often in vain."""
    dice = random.Random(12)  # noqa: S311 - traffic, not keys
    watch = watch_clients(log="l", fields=FIELDS, detectors=["usage_drift"])
    levels = {f"c{number}": Level() for number in range(ACCOUNTS)}
    seen: dict[str, dict[str, int]] = {"adwin": {}, "ours": {}}
    false = {"adwin": 0, "ours": 0}
    for step in range(STEPS):
        for client, level in levels.items():
            longer = 3 if step >= CHANGE else 1
            prompt = words(dice, longer * dice.randint(5, 60))
            it = query(1.7e9 + 30.0 * step, client, prompt, tokens_out=dice.randint(20, 300))
            alarmed = {"adwin": level.changed(math.log1p(len(prompt))), "ours": bool(watch.observe([it]))}
            for name, did in alarmed.items():
                if did and step < CHANGE:
                    false[name] += 1
                elif did:
                    seen[name].setdefault(client, step - CHANGE + 1)
    return {
        name: {
            "found": len(delays),
            "median requests": sorted(delays.values())[len(delays) // 2] if delays else None,
            "false before": false[name],
        }
        for name, delays in seen.items()
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    chosen = parser.parse_args()
    found = {"half_space_trees": oddness(), "drift": drifts(), "accounts": ACCOUNTS}
    print(json.dumps(found, indent=2))
    if chosen.json is not None:
        chosen.json.write_text(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
