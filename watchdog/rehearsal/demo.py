"""The main job, end to end, for somebody who has just cloned the repository."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from storage.audit import audit
from storage.reader import open_reader
from watchdog.domain.decisions import Compared
from watchdog.domain.incidents import EventKind, Incident
from watchdog.domain.text import printable
from watchdog.incident_view import print_incident
from watchdog.rehearsal.gateway import Gateway
from watchdog.rehearsal.receiver import Received, Receiver
from watchdog.rehearsal.score import DemoResult, score_words
from watchdog.rehearsal.serving import serve
from watchdog.rehearsal.stage import Stage, real_stage, scripted_stage
from watchdog.rounds import CLEAN_ROUNDS, RoundReport
from watchdog.rules import EDITED
from watchdog.wiring import App, build, read_config

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
        show = _Show(console)
        with show.step("starting the model server and loading the same weights"):
            stage = stack.enter_context(scripted_stage() if lite else real_stage(folder))
        gateway = stack.enter_context(Gateway(stage.server, seed=1))
        receiver = Receiver()
        public = stack.enter_context(serve(gateway.app))
        pager = stack.enter_context(serve(receiver.app))
        config = folder / "config.yaml"
        ledger = _fresh(folder / "ledger.sqlite")
        _write_config(config, ledger, stage, f"{public.base_url}/v1", f"{pager.base_url}/oncall")
        play = _Play(show=show, gateway=gateway, receiver=receiver)
        with build(read_config(config), tick=show.tick) as app:
            play.run(app)
        result, incident = _reckon(play, ledger)
    _tell(console, play, result, incident, ledger, config)
    return result


@dataclass
class _Show:
    """Says what is going on: a moving line at a terminal, plain lines elsewhere."""

    console: Console
    _exchanges: int = 0
    _update: Callable[[], None] = field(default=lambda: None)

    def tick(self) -> None:
        self._exchanges += 1
        self._update()

    @contextmanager
    def step(self, what: str) -> Iterator[None]:
        started, before = time.monotonic(), self._exchanges
        if self.console.is_terminal:
            columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
            with Progress(*columns, console=self.console, transient=True) as progress:
                task = progress.add_task(what, total=None)
                self._update = lambda: progress.update(
                    task, description=f"{what} ({self._exchanges - before} exchanges)"
                )
                yield
                self._update = lambda: None
        else:
            yield
        exchanges = self._exchanges - before
        count = f", {exchanges} exchanges" if exchanges else ""
        self.console.print(f"✓ {what}{count}, {time.monotonic() - started:.1f} s", markup=False)


@dataclass
class _Play:
    """The acts, and what came of them."""

    show: _Show
    gateway: Gateway
    receiver: Receiver
    clean: list[RoundReport] = field(default_factory=list)
    edited: list[RoundReport] = field(default_factory=list)
    recovering: list[RoundReport] = field(default_factory=list)
    page: Received | None = None
    seconds_to_page: float | None = None

    def run(self, app: App) -> None:
        (target,) = app.targets
        with self.show.step("enrolling the target while the delivered channel is trusted"):
            app.enrolling.enrol(target, questions=_ENROLLED_QUESTIONS, corrections=_ENROLLED_CORRECTIONS)
        for number in range(1, _CLEAN + 1):
            with self.show.step(f"clean round {number} of {_CLEAN}"):
                self.clean.append(self._round(app, corrections=number in _CORRECTED))
        self.gateway.editing, switched_on = True, time.monotonic()
        for number in range(1, _MOST_EDITED + 1):
            with self.show.step(f"the gateway edits every second reply; round {number}"):
                self.edited.append(self._round(app))
            if _opened(self.edited[-1]):
                self._await_page(switched_on)
                break
        self.gateway.editing = False
        for number in range(1, _MOST_RECOVERING + 1):
            with self.show.step(f"the gateway is honest again; round {number}"):
                self.recovering.append(self._round(app))
            if self.recovering[-1].recoveries:
                break

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


def _reckon(play: _Play, ledger: Path) -> tuple[DemoResult, Incident | None]:
    """Hold what the watchdog found against the gateway's record; the incidents are read back from the ledger."""
    clean = [it for report in play.clean for it in report.compared if it.comparison is not None]
    words = score_words([it for report in play.edited for it in report.compared], play.gateway.record)
    with open_reader(ledger) as reader:
        incidents = reader.incidents()
    found = next((it for it in incidents if it.rule == EDITED), None)
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
    )
    return result, found


def _was_told(play: _Play, kind: EventKind) -> bool:
    return any(_tells(kind)(message) for message in play.receiver.accepted)


def _flagged(it: Compared) -> bool:
    return it.comparison is not None and it.comparison.flagged


def _tell(
    console: Console, play: _Play, result: DemoResult, incident: Incident | None, ledger: Path, config: Path
) -> None:
    if play.page is not None and isinstance(play.page.body, dict):
        console.rule("The page, as on-call got it")
        console.print(play.page.body["data"]["text"], markup=False)
    if incident is not None:
        console.rule("The incident")
        with open_reader(ledger) as reader:
            events = reader.events(incident.id)
            ids = [id_ for event in events if event.finding is not None for id_ in event.finding.evidence]
            print_incident(incident, events, reader.evidence(ids)[:3], console)
    console.rule("Corrections: recorded, and not news while they are as when enrolled")
    for it in (judged for report in play.clean for judged in report.judged):
        line = f"{it.family}/{it.arm} on {it.channel}: {it.verdict.grade}: {printable(it.verdict.why, 120)}"
        console.print(line, markup=False)
    console.rule("What was measured")
    recomputed = audit(ledger)
    for name, value in result.as_json().items():
        console.print(f"{name:<30}{value}", markup=False)
    state = "intact" if recomputed.intact else "NOT INTACT"
    console.print(f"ledger recomputed: {state}, {recomputed.leaves} leaves, root {recomputed.root}", markup=False)
    console.rule("Try next")
    for command in (
        "incidents list",
        f"incidents show {incident.id[:8]}" if incident else "check-config",
        "audit verify",
    ):
        console.print(f"corrigibility-watchdog {command} --config {config}", markup=False, soft_wrap=True)


def _fresh(ledger: Path) -> Path:
    """Return a path where no ledger is yet, so that a second demo in the same folder keeps the first one's record."""
    number, path = 1, ledger
    while path.exists():
        number += 1
        path = ledger.with_name(f"{ledger.stem}-{number}{ledger.suffix}")
    return path


def _write_config(config: Path, ledger: Path, stage: Stage, public: str, pager: str) -> None:
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
        "alerts": [{"name": "oncall", "kind": "webhook", "url": pager}],
    }
    config.write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
