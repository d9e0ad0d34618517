"""`audit recompute`: measure, grade and weigh again from the record alone."""

from typing import Annotated

import typer

from watchdog.cli.exits import Exit
from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, LedgerOption, ledger_path, print_json
from watchdog.domain.recomputed import Check, Outcome, Recomputed, Value
from watchdog.domain.text import printable

_EXITS = {Outcome.SAME: Exit.CLEAN, Outcome.DIFFERS: Exit.FINDING, Outcome.UNABLE: Exit.NOT_EVALUATED}
_TOLD = frozenset({"evidence value", "observations", "hits", "gap", "flagged", "grade"})
"""What is worth a word where it is the same."""


def recompute(
    id_: Annotated[
        str, typer.Argument(metavar="ID", help="Of an incident, a comparison or a verdict; or how it begins.")
    ],
    config: ConfigOption = DEFAULT_CONFIG,
    ledger: LedgerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Recompute an incident, a comparison or a verdict from the ledger alone: no model, no network, no configuration.

    Exit 0 if it comes to the same, 1 if not, 3 if it cannot be recomputed.
    """
    from watchdog.wiring import recomputing  # noqa: PLC0415 - heavy, and only needed here

    with recomputing(ledger_path(ledger, config)) as recomputer:
        result = recomputer.recompute(id_)
        code = recomputer.code
    if as_json:
        print_json({**_row(result), "recomputed_by": {"version": code.version, "digest": code.digest}})
    else:
        _print(result)
        typer.echo(f"recomputed by {code}")
    raise typer.Exit(_EXITS[result.outcome])


def _print(result: Recomputed) -> None:
    typer.echo(f"{result.kind} {result.id}: {result.outcome}")
    if result.unable is not None:
        typer.echo(f"  {printable(result.unable)}")
    for check in result.checks:
        typer.echo(f"  {_word(check):<8} {_line(check)}")
    for part in result.parts:
        told = ", ".join(_line(it) for it in part.checks if it.what in _TOLD or not it.holds)
        where = "" if part.leaf is None else f" (leaf {part.leaf})"
        detail = "; ".join(it for it in (told, printable(part.unable or "")) if it)
        typer.echo(f"  {part.outcome:<8} {part.kind} {part.id[:8]}{where}: {detail or '; '.join(part.notes)}")
    for note in dict.fromkeys(note for it in (result, *result.parts) for note in it.notes):
        typer.echo(f"  note: {printable(note)}")


def _word(check: Check) -> str:
    return "same" if check.identical else "rounding" if check.holds else "differs"


def _line(check: Check) -> str:
    if check.identical:
        return f"{check.what} {_shown(check.recorded)}"
    return f"{check.what}: recorded {_shown(check.recorded)}, recomputed {_shown(check.recomputed)}"


def _shown(value: Value) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case str():
            return printable(value, 60)
        case _:
            return repr(value)


def _row(result: Recomputed) -> dict[str, object]:
    made_by = result.made_by
    return {
        "kind": result.kind,
        "id": result.id,
        "leaf": result.leaf,
        "outcome": result.outcome,
        "unable": result.unable,
        "checks": [
            {"what": it.what, "recorded": it.recorded, "recomputed": it.recomputed, "same": it.identical}
            for it in result.checks
        ],
        "notes": list(result.notes),
        "made_by": None if made_by is None else {"version": made_by.version, "digest": made_by.digest},
        "parts": [_row(it) for it in result.parts],
    }
