"""`baseline`: enrol targets."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.inspected import show_inspected
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, TargetOption, print_json
from watchdog.cli.unwritten import require_recorded
from watchdog.domain.evidence import ENROLLED_BANK, ENROLLED_CORRECTIONS, ENROLLED_QUESTIONS
from watchdog.errors import ConfigError
from watchdog.listing_findings import LOGPROBS

if TYPE_CHECKING:
    # These load what rounds are made with, and `--help` has no use for it.
    from watchdog.enrolment import Enrolment

_NO_BANK = (
    "  --bank 0: nobody knows how far honest replies of other engines lie from the first choice; the threshold is "
    "made of the delivered channel's own replies"
)


def baseline(
    config: ConfigOption = DEFAULT_CONFIG,
    target: TargetOption = None,
    questions: Annotated[
        int, typer.Option(min=20, max=2000, help="Questions to ask; more make alarms faster.")
    ] = ENROLLED_QUESTIONS,
    corrections: Annotated[
        int, typer.Option(min=4, max=200, help="Corrections to send per probe and channel.")
    ] = ENROLLED_CORRECTIONS,
    bank: Annotated[
        int, typer.Option(min=0, max=5000, help="Replies of each benign engine, where weights are here; 0 skips it.")
    ] = ENROLLED_BANK,
    plot: Annotated[Path | None, typer.Option(help="Write a drawing of the bank, as SVG.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Enrol targets: measure what they look like now, while you trust the delivered channel."""
    from watchdog.wiring import build, read_config  # noqa: PLC0415 - heavy, and only needed here

    shown, progress = [], _Progress()
    with build(read_config(config), tick=progress.asked) as app:
        targets = app.target(target)
        if plot is not None and len(targets) > 1:
            raise ConfigError("--plot draws the bank of one target", hint="name it with --target")
        standing = show_inspected(app, app.inspect(), quiet=as_json)
        for it in targets:
            enrolment = app.enrolling.enrol(
                it, questions=questions, corrections=corrections, bank=bank, tick=progress.engine
            )
            progress.end()
            standing = standing or enrolment.standing
            shown.append(_row(it.name, enrolment))
            if not as_json:
                _print(it.name, enrolment, bank)
            if plot is not None:
                _draw(plot, enrolment)
        app.courier.deliver_due()
    if as_json:
        print_json(shown)
    require_recorded(app)
    raise typer.Exit(Exit.FINDING if standing else Exit.CLEAN)


class _Progress:
    """Says on the error output how far it is: one line that changes at a terminal, one for each engine elsewhere."""

    def __init__(self) -> None:
        self._moving = sys.stderr.isatty()
        self._engine, self._replies, self._exchanges = "", 0, 0

    def engine(self, name: str) -> None:
        """Take down one more reply of an engine."""
        if name != self._engine:
            self._engine, self._replies = name, 0
            if not self._moving:
                typer.echo(f"asking the model on this machine: {name}", err=True)
        self._replies += 1
        self._show(f"asking the model on this machine: {name}, {self._replies} replies")

    def asked(self) -> None:
        """Take down one more exchange on a channel."""
        self._exchanges += 1
        self._show(f"asking the channels: {self._exchanges} exchanges")

    def end(self) -> None:
        """Clear the line."""
        self._show("")

    def _show(self, line: str) -> None:
        if self._moving:
            sys.stderr.write(f"\r\x1b[K{line}")
            sys.stderr.flush()


def _draw(path: Path, enrolment: "Enrolment") -> None:
    from watchdog.bank_plot import plot  # noqa: PLC0415 - only needed here

    if enrolment.bank is None:
        raise ConfigError("nothing is compared here, so there is no bank to draw", hint="leave --plot out")
    heard = [(it.engine, it.gaps) for it in enrolment.heard]
    try:
        drawn = plot(f"Honest gaps of {enrolment.bank.subject}", heard, enrolment.bank.threshold)
        path.write_text(drawn, encoding="utf-8")
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}", hint="name a file in a folder you own") from exc


def _print(target: str, enrolment: "Enrolment", bank: int) -> None:
    from watchdog.bank_view import print_bank  # noqa: PLC0415 - loads rich

    typer.echo(f"{target}: enrolled")
    for it in enrolment.baselines:
        what = "distances" if it.rule == LOGPROBS else "gaps"
        tau = "" if it.tau is None else f"; {what} up to {it.tau:.2f} nats are taken for noise"
        if it.rule == LOGPROBS and it.tau is None:
            tau = "; the numbers are not the direct model's, so they are not used"
        typer.echo(f"  {it.rule:<20} {it.subject}: {it.hits} of {it.trials}{tau}")
    if enrolment.bank is not None:
        print_bank(enrolment.bank, enrolment.heard)
        if not bank:
            typer.echo(_NO_BANK)
    if enrolment.standing:
        typer.echo(f"  {target} already differs from the direct model: an incident was opened")


def _row(target: str, enrolment: "Enrolment") -> dict[str, object]:
    from watchdog.bank_view import bank_row  # noqa: PLC0415 - loads rich

    streams = [
        {"rule": it.rule, "subject": it.subject, "trials": it.trials, "hits": it.hits, "tau": it.tau}
        for it in enrolment.baselines
    ]
    bank = None if enrolment.bank is None else bank_row(enrolment.bank)
    return {"target": target, "standing": enrolment.standing, "streams": streams, "bank": bank}
