"""Measure the reading of query logs: how soon attacks are found, how often falsely, how fast, and what else would do.

    python bench/stream.py [--quick] [--json FILE] [--data FOLDER] [--only PART] [--week-rate N]

Attackers send prompts of public collections where `--data` has them (../shared/data beside a checkout), and the bench's
own phrases where not; the first line says which. Benign customers, their week and their refusals are simulated.
The attacks were written from how they were published, apart from the detectors, and no detector was tuned on them.
`--quick` takes a little of everything, to see that all of it runs: its figures mean nothing. `--week-rate 5` takes a
quarter of the benign week's requests, at the same hours; `--only speed` measures one part, and may be repeated.
"""

import argparse
import os
import warnings
from dataclasses import replace
from pathlib import Path

# Before numpy is loaded: figures are per core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from figures import print_table, write
from stream_parts import texts
from stream_parts.run import FULL, PARTS, QUICK, measure


def main() -> None:
    """Run the bench, print the table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller run")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--data", type=Path, default=texts.SHARED, help="folder of the public data")
    parser.add_argument("--only", action="append", choices=list(PARTS), help="measure only this part")
    parser.add_argument("--week-rate", type=float, help="requests per second of the benign week")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    size = QUICK if chosen.quick else FULL
    if chosen.week_rate is not None:
        size = replace(size, week_rate=chosen.week_rate)
    material = texts.load(chosen.data)
    print(f"texts: {material.source}")
    figures = list(measure(material, size, chosen.only or PARTS))
    print_table(figures)
    if chosen.json is not None:
        write(chosen.json, figures)


if __name__ == "__main__":
    main()
