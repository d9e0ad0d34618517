"""`rollout`: declare that another model is expected, look at what is declared, take it back."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli.casework import ByOption
from watchdog.cli.instants import TIME, instant
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.domain.rollouts import LONGEST, Declare, Expects, Rollout, RolloutAct, RolloutCount, Withdraw
from watchdog.domain.text import printable
from watchdog.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

app = typer.Typer(help="Declare that another model is expected on a target.", no_args_is_help=True)

_HIDES = {
    Expects.MODEL_ID: (
        "  The id is written by the watched side: until then whoever edits replies there can hide behind it, as long\n"
        "  as it names no more of them than this share. Such replies are not looked at; they are counted and shown.\n"
        "  When the window is over, enrol the new model: replies that name it are held against the old one again."
    ),
    Expects.DIGEST: (
        "  Weights with this digest are expected meanwhile: they start a new baseline by themselves, and whatever the\n"
        "  delivered channel shows at that moment is then taken for normal, unless it differs from these weights."
    ),
}


@app.command("declare")
def declare(
    target: Annotated[str, typer.Option("--target", "-t", help="The target, with all of its variants.")],
    expect: Annotated[str, typer.Option(help="SHA-256 of weights (12 hex digits or more), or a model id.")],
    reason: Annotated[str, typer.Option(help="Why; shown beside every incident meanwhile.")],
    to: Annotated[str, typer.Option(help=f"Until when, {LONGEST.days} days at most. {TIME}")],
    by: Annotated[str, typer.Option(help="Name of the person who declares it.")],
    from_: Annotated[str | None, typer.Option("--from", help="From when; by default now.")] = None,
    share: Annotated[
        float | None, typer.Option(help="The largest share of the replies, such as 0.2; needed with a model id.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Declare that another model is expected: what matches starts a new baseline, or is put aside; the rest pages."""
    act = Declare(
        target=target,
        expected=expect,
        share=1.0 if share is None else share,
        begins=instant("--from", from_) or datetime.now(UTC),
        ends=instant("--to", to) or datetime.now(UTC),
        reason=reason,
    )
    rollout = _perform(act, config, by, needs_share=share is None)
    if as_json:
        print_json(rollout_row(rollout, ()))
        return
    typer.echo(f"{rollout.id[:8]}: declared: {printable(str(rollout), 800)}")
    typer.echo(_HIDES[rollout.expects])


@app.command("list")
def list_(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """List what is declared and not withdrawn, with what came of it."""
    from storage.reader import open_reader  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    with open_reader(read_config(config).settings.ledger) as reader:
        found = [(it, reader.rollout_counts(it.id)) for it in reader.rollouts()]
    if as_json:
        print_json([rollout_row(it, counts) for it, counts in found])
        return
    for it, counts in found:
        now = datetime.now(UTC)
        state = "in force" if it.in_force(now) else "to come" if now < it.begins else "over"
        typer.echo(f"{it.id[:8]}  {state:<8}  {printable(str(it), 800)}")
        for count in counts:
            typer.echo(f"  {say_count(count)}")
    if not found:
        typer.echo("nothing is declared")


@app.command("withdraw")
def withdraw(
    rollout: Annotated[str, typer.Argument(help="Its id, or the beginning of it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
    by: ByOption = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Take a declaration back: from now on it counts for nothing."""
    found = _perform(Withdraw(rollout=rollout, reason=reason), config, by)
    if as_json:
        print_json(rollout_row(found, ()))
        return
    typer.echo(f"{found.id[:8]}: withdrawn: {printable(str(found), 800)}")


def say_count(it: RolloutCount) -> str:
    """Say what came of a declaration on one channel."""
    return f"{it.subject}: {it.aside} of {it.replies} replies PUT ASIDE and not looked at ({it.named} named the model)"


def _perform(act: RolloutAct, config: "list[Path]", by: str | None, *, needs_share: bool = False) -> Rollout:
    from watchdog.accounts import this_actor  # noqa: PLC0415 - only needed here
    from watchdog.clerk import rollout  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.domain.rollouts import is_digest  # noqa: PLC0415 - the same
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    settings = read_config(config).settings
    if isinstance(act, Declare):
        known = [it.name for it in settings.targets]
        if act.target not in known:
            raise ConfigError(f"no target is called {act.target!r}", hint=f"the configuration names {', '.join(known)}")
        if needs_share and not is_digest(act.expected):
            raise ConfigError(
                f"{act.expected!r} is taken for a model id, so --share is needed",
                hint="say which part of the replies may come from it at most, such as --share 0.2",
            )
    return rollout(settings, act, this_actor(by))[0]


def rollout_row(it: Rollout, counts: tuple[RolloutCount, ...]) -> dict[str, object]:
    """Return a declaration by name, for programs."""
    return {
        "id": it.id,
        "target": it.target,
        "expects": it.expects,
        "expected": it.expected,
        "share": it.share,
        "from": it.begins.isoformat(),
        "to": it.ends.isoformat(),
        "reason": it.reason,
        "by": {"name": it.by.name, "uid": it.by.uid, "login": it.by.login},
        "declared_at": it.declared_at.isoformat(),
        "replies": [
            {"subject": one.subject, "replies": one.replies, "named": one.named, "put_aside": one.aside}
            for one in counts
        ],
    }
