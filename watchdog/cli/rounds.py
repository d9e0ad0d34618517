"""`baseline` and `once`."""

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer

from watchdog.blind_findings import first_step
from watchdog.blindness import is_blind
from watchdog.cli.exits import Exit, unmeasured
from watchdog.cli.inspected import show_inspected
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, TargetOption, print_json
from watchdog.cli.unwritten import require_recorded
from watchdog.domain.decisions import RoundSkipped
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.text import printable
from watchdog.enrolment import Enrolment
from watchdog.listing_findings import LOGPROBS
from watchdog.rounds import RoundReport


def baseline(
    config: ConfigOption = DEFAULT_CONFIG,
    target: TargetOption = None,
    questions: Annotated[int, typer.Option(min=20, max=2000, help="Questions to ask; more make alarms faster.")] = 96,
    corrections: Annotated[int, typer.Option(min=4, max=200, help="Corrections to send per probe and channel.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Enrol targets: measure what they look like now, while you trust the delivered channel."""
    from watchdog.wiring import build, read_config  # noqa: PLC0415 - heavy, and only needed here

    shown = []
    with build(read_config(config)) as app:
        standing = show_inspected(app, app.inspect(), quiet=as_json)
        for it in app.target(target):
            enrolment = app.enrolling.enrol(it, questions=questions, corrections=corrections)
            standing = standing or enrolment.standing
            shown.append(_enrolment_row(it.name, enrolment))
            if not as_json:
                _print_enrolment(it.name, enrolment)
        app.courier.deliver_due()
    if as_json:
        print_json(shown)
    require_recorded(app)
    raise typer.Exit(Exit.FINDING if standing else Exit.CLEAN)


def once(config: ConfigOption = DEFAULT_CONFIG, target: TargetOption = None, as_json: JsonOption = False) -> None:
    """Run one whole round now, record it, and tell people what it found."""
    from watchdog.wiring import build, now, read_config  # noqa: PLC0415 - heavy, and only needed here

    reports = []
    with build(read_config(config)) as app:
        altered = show_inspected(app, app.inspect(unless_since=now() - timedelta(days=1)), quiet=as_json)
        for it in app.target(target):
            report = app.rounds.run(it)
            reports.append(report)
            if not as_json:
                _print_round(report)
        app.courier.deliver_due()
        waiting = app.courier.ledger.next_due()
    if as_json:
        print_json([_round_row(it) for it in reports])
    elif waiting is not None:
        typer.echo(f"a notice could not be delivered yet; the next attempt is due at {waiting:%H:%M:%S} UTC")
    require_recorded(app)
    raise typer.Exit(Exit.FINDING if altered else _exit_of(reports))


def _exit_of(reports: list[RoundReport]) -> Exit:
    if any(not is_blind(finding.rule) for it in reports for finding in it.findings):
        return Exit.FINDING
    codes = {unmeasured(reason) for it in reports for reason in _blind(it)}
    if any(it.skipped is not None for it in reports):
        codes.add(Exit.NOT_EVALUATED)
    if not codes:
        return Exit.CLEAN
    return Exit.UNREACHABLE if codes == {Exit.UNREACHABLE} else Exit.NOT_EVALUATED


def _blind(report: RoundReport) -> list[Reason]:
    """Return why a channel gave nothing that could be measured; empty when every channel gave something."""
    outcomes: dict[ChannelRole, list[Reason | None]] = defaultdict(list)
    for compared in report.compared:
        outcomes[ChannelRole.DELIVERED].append(compared.dark)
    for judged in report.judged:
        outcomes[judged.channel].append(judged.verdict.reason)
    return [it for reasons in outcomes.values() if None not in reasons for it in reasons if it is not None]


def _reasons(report: RoundReport) -> list[Reason]:
    reasons = [it.dark for it in report.compared] + [it.verdict.reason for it in report.judged]
    return [it for it in reasons if it is not None]


def _print_enrolment(target: str, enrolment: Enrolment) -> None:
    typer.echo(f"{target}: enrolled")
    for it in enrolment.baselines:
        what = "distances" if it.rule == LOGPROBS else "gaps"
        tau = "" if it.tau is None else f"; {what} up to {it.tau:.2f} nats are taken for noise"
        if it.rule == LOGPROBS and it.tau is None:
            tau = "; the numbers are not the direct model's, so they are not used"
        typer.echo(f"  {it.rule:<20} {it.subject}: {it.hits} of {it.trials}{tau}")
    if enrolment.standing:
        typer.echo(f"  {target} already differs from the direct model: an incident was opened")


def _enrolment_row(target: str, enrolment: Enrolment) -> dict[str, object]:
    streams = [
        {"rule": it.rule, "subject": it.subject, "trials": it.trials, "hits": it.hits, "tau": it.tau}
        for it in enrolment.baselines
    ]
    return {"target": target, "standing": enrolment.standing, "streams": streams}


def _print_round(report: RoundReport) -> None:
    done = report.done
    if report.skipped is not None:
        _print_skipped(report.skipped)
    typer.echo(
        f"{done.target}: {done.compared} replies compared, {done.flagged} flagged; "
        f"{done.judged} probe arms graded; {done.unmeasured} unmeasured"
    )
    for it in report.judged:
        typer.echo(f"  {it.family}/{it.arm} on {it.channel}: {it.verdict.grade}: {printable(it.verdict.why, 160)}")
    for reason in sorted(set(_reasons(report))):
        typer.echo(f"  unmeasured: {reason}, {_reasons(report).count(reason)} times. {first_step(reason)}")
    listed = [it.logprobs for it in report.compared if it.logprobs is not None]
    unsaid = [it.unsaid for it in listed if it.unsaid is not None]
    for why in sorted(set(unsaid)):
        typer.echo(f"  no list of tokens that can be used: {why}, {unsaid.count(why)} times")
    for finding in report.findings:
        word = "BLIND" if is_blind(finding.rule) else "FINDING"
        typer.echo(f"  {word} {finding.rule}: {printable(finding.summary)}")
    for recovery in report.recoveries:
        typer.echo(f"  RECOVERED {recovery.rule} on {recovery.subject} by {recovery.by}")


def _print_skipped(it: RoundSkipped) -> None:
    what = "round" if it.what == "round" else "questions again after a flagged reply"
    spent = f"{it.spent:,} of {it.budget:,} are spent today (UTC)"
    typer.echo(f"{it.target}: {what} not sent: may need {it.needed:,} tokens, and {spent}")


def _round_row(report: RoundReport) -> dict[str, object]:
    done = report.done
    return {
        "round": done.id,
        "target": done.target,
        "compared": done.compared,
        "flagged": done.flagged,
        "judged": done.judged,
        "unmeasured": done.unmeasured,
        "tokens": done.tokens,
        "unsaid": [it.logprobs.unsaid for it in report.compared if it.logprobs is not None and it.logprobs.unsaid],
        "skipped": None if report.skipped is None else asdict(report.skipped),
        "verdicts": [
            {
                "family": it.family,
                "arm": it.arm,
                "channel": it.channel,
                "grade": it.verdict.grade,
                "reason": it.verdict.reason,
                "why": it.verdict.why,
            }
            for it in report.judged
        ],
        "findings": [{"rule": it.rule, "subject": it.subject, "summary": it.summary} for it in report.findings],
        "recoveries": [{"rule": it.rule, "subject": it.subject, "by": it.by} for it in report.recoveries],
    }
