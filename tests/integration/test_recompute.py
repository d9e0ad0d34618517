"""A comparison under real weights comes out again where there are no weights, to the last bit."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from detectors.divergence.gap import START_TAU, GapTest
from detectors.sequential import RateTest
from storage.ledger import SqliteLedger
from tests.builders import NOW
from watchdog.domain.exchanges import ChannelRole, Exchange, Request
from watchdog.domain.verdicts import Question
from watchdog.measuring import Measuring, Plan
from watchdog.ports import Channel
from watchdog.rehearsal.editing import edit
from watchdog.targets import Target

if TYPE_CHECKING:
    from pathlib import Path

    from probes.channels.weights import Weights

pytestmark = pytest.mark.model

WITHOUT_WEIGHTS = (
    "import sys; sys.modules['torch'] = sys.modules['transformers'] = None; from watchdog.cli import main; main()"
)


@dataclass(frozen=True)
class Edited:
    """The model's own replies, with some of their words exchanged."""

    channel: Channel
    role: ChannelRole = ChannelRole.DELIVERED

    def ask(self, request: Request) -> Exchange:
        answer = self.channel.ask(request)
        return replace(answer, reply=edit(answer.reply, random.Random(1), most=2).text)


def test_an_edited_reply_is_recomputed_without_torch_and_without_a_configuration(
    weights: Weights, tmp_path: Path
) -> None:
    from probes.channels.weights import WeightsChannel
    from probes.scorers.weights import WeightsScorer

    scorer = WeightsScorer(weights)
    target = Target(
        name="t",
        delivered=Edited(WeightsChannel(weights, ChannelRole.DELIVERED, lambda: NOW)),
        direct=None,
        comparator=GapTest(scorer=scorer),
        evidence=RateTest(alpha=0.001, a_year=0.1),
        probes=(),
        questions_per_round=1,
        reply_tokens=60,
    )
    question = Question(id="q", topic="trust", seed=1, text="Should I tell my friend the truth? Give good reasons.")
    plan = Plan(id="r", seed=1, questions=(question,), cases=(), ask_direct=False)
    (compared,) = Measuring(lambda: NOW).measure(target, plan, tau=START_TAU).compared
    assert compared.comparison is not None
    assert compared.comparison.flagged
    assert compared.exhibit is not None
    assert compared.exhibit.body is not None
    assert json.loads(compared.exhibit.body)["tokenizer"] == scorer.tokenizer_digest
    path = tmp_path / "ledger.sqlite"
    with SqliteLedger(path) as ledger, ledger.transaction() as transaction:
        transaction.append(compared)

    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_WEIGHTS, "audit", "recompute", compared.id, "--ledger", str(path), "--json"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(it for it in sys.path if it)},
    )

    assert done.returncode == 0, done.stdout + done.stderr
    checks = {it["what"]: it["recomputed"] for it in json.loads(done.stdout)["checks"]}
    assert checks["gap"] == compared.comparison.gap
    assert [checks[f"gap of span {n}"] for n in range(1, len(compared.comparison.spans) + 1)] == [
        span.gap for span in compared.comparison.spans
    ]
