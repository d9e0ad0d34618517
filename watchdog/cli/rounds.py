"""`once`: a whole round, now."""

from collections import defaultdict
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

from watchdog.blind_findings import BASELINE, first_step
from watchdog.blindness import is_blind
from watchdog.cli.exits import Exit, unmeasured
from watchdog.cli.inspected import show_inspected
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, TargetOption, print_json
from watchdog.cli.unwritten import require_recorded
from watchdog.domain.exchanges import ChannelRole, Reason
from watchdog.domain.text import printable

if TYPE_CHECKING:
    # These load what rounds are made with, and `--help` has no use for it.
    from watchdog.domain.decisions import RoundSkipped
    from watchdog.enrolment import Enrolment
    from watchdog.rounds import RoundReport


def once(config: ConfigOption = DEFAULT_CONFIG, target: TargetOption = None, as_json: JsonOption = False) -> None:
    """Run one whole round now, record it, and tell people what it found."""
    from watchdog.wiring import build, now, read_config  # noqa: PLC0415 - heavy, and only needed here

    reports: list[RoundReport] = []
    renewals: list[Enrolment] = []
    with build(read_config(config)) as app:
        altered = show_inspected(app, app.inspect(unless_since=now() - timedelta(days=1)), quiet=as_json)
        for it in app.target(target):
            before = len(renewals)
            report = app.renewing.run(it, renewed=renewals.append)
            reports.append(report)
            if not as_json:
                _print_renewals(it.name, renewals[before:])
                _print_round(report)
        app.courier.deliver_due()
        waiting = app.courier.ledger.next_due()
    if as_json:
        print_json([_round_row(it) for it in reports])
    elif waiting is not None:
        typer.echo(f"a notice could not be delivered yet; the next attempt is due at {waiting:%H:%M:%S} UTC")
    require_recorded(app)
    raise typer.Exit(Exit.FINDING if altered or any(it.standing for it in renewals) else _exit_of(reports))


def _exit_of(reports: list["RoundReport"]) -> Exit:
    if any(not is_blind(finding.rule) for it in reports for finding in it.findings):
        return Exit.FINDING
    codes = {unmeasured(reason) for it in reports for reason in _blind(it)}
    if any(it.skipped is not None or _unclean(it) for it in reports):
        codes.add(Exit.NOT_EVALUATED)
    if not codes:
        return Exit.CLEAN
    return Exit.UNREACHABLE if codes == {Exit.UNREACHABLE} else Exit.NOT_EVALUATED


def _unclean(report: "RoundReport") -> bool:
    """Say whether replies were put aside, or what they are held against does not fit: neither reads as clean."""
    return any(it.rule == BASELINE for it in report.findings) or any(it.declared for it in report.compared)


def _print_renewals(target: str, renewals: list["Enrolment"]) -> None:
    for it in renewals:
        standing = ", and it already differs from the direct model" if it.standing else ""
        typer.echo(f"{target}: the model that was declared is there; enrolled anew by itself{standing}")


def _blind(report: "RoundReport") -> list[Reason]:
    """Return why a channel gave nothing that could be measured; empty when every channel gave something."""
    outcomes: dict[ChannelRole, list[Reason | None]] = defaultdict(list)
    for compared in report.compared:
        outcomes[ChannelRole.DELIVERED].append(compared.dark)
    for judged in report.judged:
        outcomes[judged.channel].append(judged.verdict.reason)
    return [it for reasons in outcomes.values() if None not in reasons for it in reasons if it is not None]


def _reasons(report: "RoundReport") -> list[Reason]:
    reasons = [it.dark for it in report.compared] + [it.verdict.reason for it in report.judged]
    return [it for it in reasons if it is not None]


def _print_round(report: "RoundReport") -> None:
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
    unheld = [it.reason for it in listed if it.reason is not None]
    for reason in sorted(set(unheld)):
        count = unheld.count(reason)
        typer.echo(f"  log probabilities not held against the direct model's: {reason}, {count} times")
    for finding in report.findings:
        word = "BLIND" if is_blind(finding.rule) else "FINDING"
        typer.echo(f"  {word} {finding.rule}: {printable(finding.summary)}")
    for recovery in report.recoveries:
        typer.echo(f"  RECOVERED {recovery.rule} on {recovery.subject} by {recovery.by}")


def _print_skipped(it: "RoundSkipped") -> None:
    what = "round" if it.what == "round" else "questions again after a flagged reply"
    spent = f"{it.spent:,} of {it.budget:,} are spent today (UTC)"
    typer.echo(f"{it.target}: {what} not sent: may need {it.needed:,} tokens, and {spent}")


def _round_row(report: "RoundReport") -> dict[str, object]:
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
        "put_aside": sum(bool(it.declared) for it in report.compared),
        "findings": [{"rule": it.rule, "subject": it.subject, "summary": it.summary} for it in report.findings],
        "recoveries": [{"rule": it.rule, "subject": it.subject, "by": it.by} for it in report.recoveries],
    }
