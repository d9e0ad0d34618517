"""`logs expect` and `logs erase`: what people say about the clients of query logs, put on the record."""

from pathlib import Path
from typing import Annotated

import typer

from watchdog.cli.casework import ByOption, IncidentArgument
from watchdog.cli.instants import instant
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.domain.decisions import ClientExpected, TextErased
from watchdog.domain.log_acts import Erase, Expect, LogAct
from watchdog.domain.text import printable
from watchdog.domain.times import when

ReasonOption = Annotated[str, typer.Option(help="Why; auditors read it.")]


def expect(
    incident: IncidentArgument,
    reason: ReasonOption,
    until: Annotated[
        str | None, typer.Option(help="Until when it holds, by the log's time, such as 2026-03-01T12:00Z.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Share of its requests that is expected to count; 0 takes the word back.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say that what an incident's client does is expected: it alarms again when it does more of it than it did.

    The incident recovers by that; close it with `incidents close`.
    """
    _say(Expect(incident=incident, reason=reason, until=instant("--until", until), rate=rate), config, by, as_json)


def erase(
    reason: ReasonOption,
    client: Annotated[str | None, typer.Option(help="What this client wrote.")] = None,
    before: Annotated[
        str | None, typer.Option(help="What was written before this instant, such as 2026-03-01T12:00Z.")
    ] = None,
    log: Annotated[str | None, typer.Option(help="Only of this log.")] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase what clients wrote from the ledger; that their alarms were, and what was counted, stays and stays provable.

    Backups have it as long as you keep them.
    """
    _say(Erase(reason=reason, client=client, before=instant("--before", before), log=log), config, by, as_json)


def _say(act: LogAct, config: list[Path], by: str | None, as_json: bool) -> None:
    from watchdog.accounts import this_actor  # noqa: PLC0415 - only needed here
    from watchdog.clerk import say  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.wiring import read_config  # noqa: PLC0415 - the same

    word, by_daemon = say(read_config(config).settings, act, this_actor(by))
    if as_json:
        print_json(_row(word))
        return
    typer.echo(_said(word))
    if isinstance(word, ClientExpected) and word.rate and not by_daemon:
        typer.echo("no daemon runs: the notice waits in the outbox until one does, or until `once`")


def _said(word: ClientExpected | TextErased) -> str:
    who = printable(str(word.by))
    if isinstance(word, TextErased):
        return f"{word.texts:,} texts erased, on the word of {who}"
    client = printable(f"{word.log}/{word.client}", 200)
    if not word.rate:
        return f"{client}: what was said about {word.rule} is taken back by {who}"
    end = "" if word.until is None else f", until {when(word.until)} by the log's time"
    return f"{client}: {word.rule} up to {word.rate:.0%} of its requests is expected{end}, says {who}"


def _row(word: ClientExpected | TextErased) -> dict[str, object]:
    row: dict[str, object] = {
        "kind": word.kind,
        "at": word.at.isoformat(),
        "log": word.log,
        "client": word.client,
        "by": word.by.name,
        "uid": word.by.uid,
        "login": word.by.login,
        "reason": word.reason,
    }
    if isinstance(word, TextErased):
        return row | {"before": word.before and word.before.isoformat(), "texts": word.texts}
    until = None if word.until is None else word.until.isoformat()
    return row | {"rule": word.rule, "rate": word.rate, "until": until, "incident": word.incident}
