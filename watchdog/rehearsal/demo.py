"""The main job, end to end, for somebody who has just cloned the repository."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from rich.console import Console

from storage.audit import audit
from storage.reader import open_reader
from watchdog.app import App
from watchdog.domain.decisions import Compared
from watchdog.domain.incidents import EventKind, Incident
from watchdog.rehearsal import flooding
from watchdog.rehearsal.flooding import Flooded
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.progress import Steps
from watchdog.rehearsal.receiver import Received, Receiver
from watchdog.rehearsal.score import DemoResult, score_words
from watchdog.rehearsal.serving import serve
from watchdog.rehearsal.stage import Stage, real_stage, scripted_stage
from watchdog.rehearsal.telling import Story, tell
from watchdog.rounds import RoundReport
from watchdog.rules import EDITED
from watchdog.weighing import CLEAN_ROUNDS
from watchdog.wiring import build, read_config

_CLEAN = 8
_MOST_EDITED = 8
_MOST_RECOVERING = CLEAN_ROUNDS + 3
_CORRECTED = (1, 4, 8)
"""The clean rounds that also send corrections."""
_ENROLLED_QUESTIONS = 40
_ENROLLED_CORRECTIONS = 1
_PAGE_WITHIN_S = 10.0


def run_demo(*, state: Path | None, lite: bool, console: Console | None = None) -> DemoResult:
    """Play the demo in a folder and return what was measured.

    Raises a WatchdogError when the stage cannot be set up; what went wrong on it is in the result.
    """
    console = console or Console(highlight=False)
    folder = Path(tempfile.mkdtemp(prefix="watchdog-demo-")) if state is None else state
    folder.mkdir(parents=True, exist_ok=True)
    console.print(f"Everything is kept in {folder}", markup=False, soft_wrap=True)
    with ExitStack() as stack:
        steps = Steps(console)
        with steps.step("starting the model server and loading the same weights"):
            stage = stack.enter_context(scripted_stage() if lite else real_stage(folder))
        queries = _fresh(folder / "queries.jsonl")
        queries.touch()
        gateway = stack.enter_context(Gateway(stage.server, seed=1, front=flooding.front(queries)))
        receiver = Receiver()
        public = stack.enter_context(serve(gateway.app))
        pager = stack.enter_context(serve(receiver.app))
        config = folder / "config.yaml"
        ledger = _fresh(folder / "ledger.sqlite")
        _write_config(config, ledger, stage, f"{public.base_url}/v1", f"{pager.base_url}/oncall", queries)
        play = _Play(steps=steps, gateway=gateway, receiver=receiver)
        with build(read_config(config), tick=steps.tick) as app:
            play.run(app)
            play.flood(app, f"{public.base_url}/v1", stage.model_id)
        result, incident, flood = _reckon(play, ledger)
    story = Story(
        page=play.page,
        incidents=(("The incident", incident), ("The flood, found in the gateway's query log", flood)),
        judged=tuple(it for report in play.clean for it in report.judged),
        result=result,
    )
    tell(console, story, ledger, config)
    return result


@dataclass
class _Play:
    """The acts, and what came of them."""

    steps: Steps
    gateway: Gateway
    receiver: Receiver
    clean: list[RoundReport] = field(default_factory=list)
    edited: list[RoundReport] = field(default_factory=list)
    recovering: list[RoundReport] = field(default_factory=list)
    page: Received | None = None
    seconds_to_page: float | None = None
    flooded: Flooded = field(default_factory=Flooded)
    told_of_flood: bool = False

    def run(self, app: App) -> None:
        (target,) = app.targets
        with self.steps.step("enrolling the target while the delivered channel is trusted"):
            app.enrolling.enrol(target, questions=_ENROLLED_QUESTIONS, corrections=_ENROLLED_CORRECTIONS)
        for number in range(1, _CLEAN + 1):
            with self.steps.step(f"clean round {number} of {_CLEAN}"):
                self.clean.append(self._round(app, corrections=number in _CORRECTED))
        self.gateway.editing, switched_on = True, time.monotonic()
        for number in range(1, _MOST_EDITED + 1):
            with self.steps.step(f"the gateway edits every second reply; round {number}"):
                self.edited.append(self._round(app))
            if _opened(self.edited[-1]):
                self._await_page(switched_on)
                break
        self.gateway.editing = False
        for number in range(1, _MOST_RECOVERING + 1):
            with self.steps.step(f"the gateway is honest again; round {number}"):
                self.recovering.append(self._round(app))
            if self.recovering[-1].recoveries:
                break

    def flood(self, app: App, base_url: str, model: str) -> None:
        """Let one customer flood the API, and have the gateway's query log read meanwhile."""
        (stream,) = app.open_streams()
        with self.steps.step("customers use the API, and one account floods it; its query log is watched"):
            self.flooded = flooding.play(stream, base_url, model, app.now)
            stream.stop(app.now())
        app.courier.deliver_due()
        finding = self.flooded.finding
        self.told_of_flood = finding is not None and any(
            _about(finding.fingerprint)(it) for it in self.receiver.accepted
        )

    def _round(self, app: App, *, corrections: bool = False) -> RoundReport:
        (target,) = app.targets
        # A probe costs a small machine as much as the questions of a round; a few rounds show what it does.
        target = target if corrections else replace(target, probes=())
        report = app.rounds.run(target)
        app.courier.deliver_due()
        return report

    def _await_page(self, switched_on: float) -> None:
        try:
            self.page = self.receiver.wait_for(_tells(EventKind.OPENED), _PAGE_WITHIN_S)
        except TimeoutError:
            return
        self.seconds_to_page = time.monotonic() - switched_on


def _opened(report: RoundReport) -> bool:
    return any(finding.rule == EDITED for finding in report.findings)


def _tells(kind: EventKind) -> Callable[[Received], bool]:
    def told(message: Received) -> bool:
        return isinstance(message.body, dict) and message.body.get("type") == f"incident.{kind}"

    return told


def _about(dedup_key: str) -> Callable[[Received], bool]:
    def told(message: Received) -> bool:
        return isinstance(message.body, dict) and message.body.get("data", {}).get("dedup_key") == dedup_key

    return told


def _reckon(play: _Play, ledger: Path) -> tuple[DemoResult, Incident | None, Incident | None]:
    """Hold what the watchdog found against the gateway's record; the incidents are read back from the ledger."""
    clean = [it for report in play.clean for it in report.compared if it.comparison is not None]
    words = score_words([it for report in play.edited for it in report.compared], play.gateway.record)
    with open_reader(ledger) as reader:
        incidents = reader.incidents()
    found = next((it for it in incidents if it.rule == EDITED), None)
    flooded = play.flooded.finding
    flood = None if flooded is None else next((it for it in incidents if it.fingerprint == flooded.fingerprint), None)
    result = DemoResult(
        clean_rounds=len(play.clean),
        clean_replies=len(clean),
        clean_replies_byte_different=sum(it.byte_different for it in clean),
        clean_flagged=sum(_flagged(it) for it in clean),
        incidents_while_clean=sum(len(report.findings) for report in play.clean),
        rounds_to_incident=len(play.edited) if play.edited and _opened(play.edited[-1]) else None,
        seconds_to_page=None if play.seconds_to_page is None else round(play.seconds_to_page, 2),
        words_edited=words.edited,
        words_found=words.found,
        words_wrongly_marked=words.wrongly_marked,
        recovered=found is not None and found.recovered_by is not None and _was_told(play, EventKind.RECOVERED),
        ledger_ok=audit(ledger).intact,
        customers_requests=play.flooded.ordinary,
        refused_until_noticed=None if play.flooded.finding is None else play.flooded.refused,
        flood_paged=play.told_of_flood,
        wrongly_accused=play.flooded.others,
        own_probes_in_log=play.flooded.own_probes,
    )
    return result, found, flood


def _was_told(play: _Play, kind: EventKind) -> bool:
    return any(_tells(kind)(message) for message in play.receiver.accepted)


def _flagged(it: Compared) -> bool:
    return it.comparison is not None and it.comparison.flagged


def _fresh(ledger: Path) -> Path:
    """Return a path where no ledger is yet, so that a second demo in the same folder keeps the first one's record."""
    number, path = 1, ledger
    while path.exists():
        number += 1
        path = ledger.with_name(f"{ledger.stem}-{number}{ledger.suffix}")
    return path


def _write_config(config: Path, ledger: Path, stage: Stage, public: str, pager: str, queries: Path) -> None:
    target = {
        "name": "small-model",
        "delivered": {"kind": "openai", "base-url": public, "model": stage.model_id},
        "direct": dict(stage.direct),
        "probes": ["stop"],
        "questions-per-round": 2,
        "reply-tokens": 24,
    }
    settings = {
        "ledger": str(ledger.absolute()),
        "targets": [target],
        "query-logs": [flooding.section(queries, "small-model")],
        "alerts": [{"name": "oncall", "kind": "webhook", "url": pager}],
    }
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
