"""A legitimate change, as a user goes through it: enrolled, changed, declared, over; and the same without a word."""

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from probes.scripted_model import ScriptedModel
from tests.running import Ran, run

CONFIG = """\
ledger: {folder}/ledger.sqlite
targets:
  - name: assistant
    delivered: {{kind: scripted, seed: {delivered}, noise: 0.1, model: {model}}}
    direct: {{kind: scripted, seed: {direct}}}
    probes: [stop]
"""
ENROL = ("--questions", "40", "--corrections", "4")


@dataclass
class Place:
    """A target whose models a test swaps."""

    folder: Path

    def serve(self, *, delivered: int = 1, direct: int = 1, model: str = "m-1") -> None:
        config = CONFIG.format(folder=self.folder, delivered=delivered, direct=direct, model=model)
        (self.folder / "watchdog.yaml").write_text(config, encoding="utf-8")

    def run(self, *arguments: str) -> Ran:
        return run(*arguments, "--config", self.folder / "watchdog.yaml")

    def declare(self, expect: str, *more: str, seconds: float = 3600) -> Ran:
        to = (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()
        said = ("--expect", expect, "--to", to, "--by", "Ada", "--reason", "release 2")
        return self.run("rollout", "declare", "--target", "assistant", *said, *more)

    def open(self) -> set[str]:
        return {it["rule"] for it in json.loads(self.run("incidents", "list", "--state", "open", "--json").out)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    it = Place(tmp_path)
    it.serve()
    return it


def test_an_enrolment_shows_the_bank_and_keeps_it(place: Place) -> None:
    drawing = place.folder / "bank.svg"
    ran = place.run("baseline", *ENROL, "--bank", "6", "--plot", str(drawing))
    assert ran.code == 0, ran.said
    for piece in ("noise 0.15", "largest", "threshold ", "% quantile is", "from 24 replies of 4 engines of our own"):
        assert piece in " ".join(ran.out.split()), ran.out
    assert "asking the model on this machine: noise 0.05" in ran.err
    assert drawing.read_text().startswith("<svg ")

    with closing(sqlite3.connect(place.folder / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT engine, replies, counted, length(digest) FROM benign_bank").fetchall()
    assert [row[1:] for row in rows if row[0].startswith("noise")] == [(6, 1, 64)] * 4
    assert [row[1:3] for row in rows if not row[0].startswith("noise")] == [(40, 0)]

    covered = " ".join(place.run("check-config", "--coverage").out.split())
    assert "The baseline: enrolled 0 days ago" in covered
    assert "replies of 4 engines of our own" in covered
    assert place.run("db", "rebuild").code == 0


def test_without_a_bank_it_says_what_that_means(place: Place) -> None:
    ran = place.run("baseline", *ENROL, "--bank", "0", "--json")
    (row,) = json.loads(ran.out)
    assert [it["name"] for it in row["bank"]["engines"]] == ["the delivered channel"]
    assert (
        "nobody knows how far honest replies of other engines lie" in place.run("baseline", *ENROL, "--bank", "0").out
    )


def test_another_model_is_blind_and_pages_and_once_it_is_declared_it_starts_a_new_baseline(place: Place) -> None:
    place.run("baseline", *ENROL, "--bank", "0")
    place.serve(delivered=2, direct=2)
    undeclared = place.run("once")
    assert undeclared.code == 3
    assert "BLIND blind.baseline" in undeclared.out
    assert place.open() == {"blind.baseline"}

    assert place.declare("f" * 12).code == 0
    assert place.run("once").code == 3

    declared = place.declare(ScriptedModel(2).digest[:16])
    assert "start a new baseline by themselves" in declared.out
    renewed = place.run("once")
    assert renewed.code == 0, renewed.said
    assert "enrolled anew by itself" in renewed.out
    assert place.open() == set()
    assert place.run("once").code == 0


def test_a_declared_id_is_put_aside_in_its_window_shown_as_not_looked_at_and_weighed_again_after_it(
    place: Place,
) -> None:
    place.run("baseline", *ENROL, "--bank", "0")
    place.serve(delivered=2, model="m-2")
    refused = place.declare("m-2")
    assert (refused.code, "--share is needed" in refused.err) == (2, True)
    said = place.declare("m-2", "--share", "1.0", seconds=10)
    assert said.code == 0, said.said
    assert "whoever edits replies there can hide behind it" in said.out

    aside = place.run("once")
    assert aside.code == 3, aside.said
    assert "unmeasured: declared, 3 times" in aside.out
    assert place.open() == set()
    assert "3 of 3 replies PUT ASIDE and not looked at" in place.run("rollout", "list").out
    assert "3 of 3 replies PUT ASIDE and not looked at" in place.run("status").out
    assert "3 of 3 replies put aside, not looked at" in " ".join(place.run("check-config", "--coverage").out.split())

    time.sleep(max(0.0, 10.2 - (datetime.now(UTC) - _declared_at(place)).total_seconds()))
    over = place.run("once")
    assert over.code == 1, over.said
    assert place.open() >= {"blind.baseline", "divergence.gap"}
    assert "m-2, whose declared window ended" in over.out


def test_a_declaration_can_be_withdrawn_and_another_target_or_a_long_window_is_refused(place: Place) -> None:
    place.run("baseline", *ENROL, "--bank", "0")
    (found,) = [json.loads(place.declare("m-2", "--share", "0.2", "--json").out)]
    assert place.run("rollout", "withdraw", found["id"][:8], "--reason", "rolled back").code == 0
    assert place.run("rollout", "list").out == "nothing is declared\n"
    assert "14 days" in place.declare("m-2", "--share", "0.2", seconds=15 * 86_400).err
    nobody = place.run("rollout", "withdraw", "zz", "--reason", "x")
    assert (nobody.code, "rollout list" in nobody.err) == (2, True)


def _declared_at(place: Place) -> datetime:
    (found,) = json.loads(place.run("rollout", "list", "--json").out)
    return datetime.fromisoformat(found["declared_at"])
