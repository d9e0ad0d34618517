"""`init` and `check-config`."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.errors import ConfigError

if TYPE_CHECKING:
    from watchdog.config.load import Loaded

STARTER = """\
# corrigibility-watchdog: what to watch, and whom to tell. `check-config` reads it without sending anything;
# `check-config --coverage` says what it detects, what it never can, how soon, and what it costs.
# ${NAME} in a value is filled in from the environment; $$ is a dollar sign.
ledger: ./watchdog.sqlite               # the record; keep it on a local disk, in a folder only this user can write

targets:
  - name: assistant                     # shows in every page
    every: 15m                          # on average: nobody can predict when a round comes
    # owner: platform-team              # who is asked when something is found
    # runbook-url: https://wiki.example.com/assistant
    delivered:                          # what your users get: the public API
      kind: openai
      base-url: https://api.example.com/v1
      model: assistant-1
      api-key-env: ASSISTANT_API_KEY    # or api-key-file, e.g. from systemd's LoadCredential
    # variants:                         # more delivered channels of the same model: regions, fallbacks, A/B arms
    #   eu: {kind: openai, base-url: https://eu.api.example.com/v1, model: assistant-1, api-key-env: ASSISTANT_API_KEY}
    direct:                             # what the model says: its weights, on this machine; may be left out
      kind: weights
      path: /srv/models/assistant-1     # a transformers folder or a .gguf file
    # allowed-edits:                    # what the delivered channel may do to replies without being reported
    #   - {kind: mask, pattern: '[\\w.]+@[\\w.]+', replacement: '[e-mail]'}
    probes: [stop]
    # max-tokens-per-day: 50000         # a full budget is an incident, never silence

alerts:
  - name: oncall
    kind: webhook
    url-env: ONCALL_WEBHOOK_URL         # the URL is a credential: it is never printed

# false-incidents-per-year: 0.1         # how many the whole installation may open by chance
"""


def init(
    path: Annotated[Path, typer.Argument(help="Where to write it.")] = Path("watchdog.yaml"),
) -> None:
    """Write a commented starter configuration; never overwrites a file."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    except FileExistsError as exc:
        raise ConfigError(
            f"{path}: the file is there already", hint="name another file, or move that one away"
        ) from exc
    except OSError as exc:
        raise ConfigError(f"{path}: cannot be written: {exc.strerror}", hint="name a file in a folder you own") from exc
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(STARTER)
    typer.echo(f"wrote {path}; edit it, then: corrigibility-watchdog check-config --config {path}")


def check_config(
    config: ConfigOption = DEFAULT_CONFIG,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="Also say what it detects, what it never can, how soon, and the cost.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Read the configuration and say what it means, without sending a request."""
    from watchdog.cli.coverage import coverage_row, print_coverage, print_log_coverage  # noqa: PLC0415 - heavy, and only needed here
    from watchdog.config.secrets import missing_secrets  # noqa: PLC0415 - the same
    from watchdog.query_logs.opening import survey_logs  # noqa: PLC0415 - the same
    from watchdog.wiring import read_config, require_own_names, survey  # noqa: PLC0415 - the same

    require_own_names()
    loaded = read_config(config)
    covered = survey(loaded) if coverage else ()
    logs = survey_logs(loaded.settings) if coverage else ()
    notes = sorted({*missing_secrets((loaded.settings.targets, loaded.settings.alerts)), *_about_signatures(loaded)})
    if as_json:
        found = _settings_row(loaded, config) | {"notes": notes}
        print_json(found | coverage_row(covered, logs) if coverage else found)
        return
    _print_settings(loaded, config)
    for note in notes:
        typer.echo(f"  note: {note}")
    if coverage:
        print_coverage(covered)
        print_log_coverage(logs)


def _about_signatures(loaded: "Loaded") -> list[str]:
    from probes.signatures import why_unchecked  # noqa: PLC0415 - loads pydantic
    from watchdog.opening import models_of  # noqa: PLC0415 - the same

    found = [(it, why_unchecked(it.path, it.signature)) for it in models_of(loaded.settings)]
    return [f"{it.subject}: {why}" for it, why in found if why]


def _settings_row(loaded: "Loaded", config: Sequence[Path]) -> dict[str, object]:
    from watchdog.allotment import streams_of  # noqa: PLC0415 - loads pydantic
    from watchdog.config.durations import show_duration  # noqa: PLC0415 - the same

    settings = loaded.settings
    targets = [
        {
            "name": it.name,
            "every": show_duration(it.every),
            "owner": it.owner,
            "runbook_url": it.runbook_url,
            "labels": dict(it.labels),
            "delivered": it.delivered.kind,
            "variants": {name: section.kind for name, section in it.variants.items()},
            "direct": None if it.direct is None else it.direct.kind,
            "reference": None if it.reference is None else it.reference.kind,
            "allowed_edits": [edit.kind for edit in it.allowed_edits],
            "probes": list(it.probes),
        }
        for it in settings.targets
    ]
    return {
        "config": [str(path) for path in config],
        "digest": loaded.digest,
        "ledger": str(settings.ledger),
        "targets": targets,
        "alerts": [{"name": it.name, "kind": it.kind} for it in settings.alerts],
        "false_incidents_per_year": settings.false_incidents_per_year,
        "streams": len(streams_of(settings)),
    }


def _print_settings(loaded: "Loaded", config: Sequence[Path]) -> None:
    from watchdog.allotment import streams_of  # noqa: PLC0415 - loads pydantic
    from watchdog.config.durations import show_duration  # noqa: PLC0415 - the same

    settings = loaded.settings
    typer.echo(f"{', '.join(map(str, config))}: fine; ledger {settings.ledger}")
    for it in settings.targets:
        direct = "none" if it.direct is None else it.direct.kind
        direct += "" if it.scoring else ": replies cannot be compared"
        direct += "" if it.reference is None else f", reference {it.reference.kind}"
        probes = ", ".join(it.probes) or "none"
        typer.echo(
            f"  target {it.name}: every {show_duration(it.every)}, delivered {it.delivered.kind}, direct {direct}, "
            f"probes {probes}"
        )
        for name, section in it.variants.items():
            typer.echo(f"    variant {it.name}@{name}: delivered {section.kind}")
        if it.allowed_edits:
            typer.echo(f"    allowed edits: {', '.join(edit.kind for edit in it.allowed_edits)}")
    for alert in settings.alerts:
        typer.echo(f"  alerts {alert.name}: {alert.kind}")
    if not settings.alerts:
        typer.echo("  alerts: none; incidents are recorded, and nobody is told")
    budget, streams = settings.false_incidents_per_year, len(streams_of(settings))
    typer.echo(f"  false incidents: at most {budget:g} a year by chance, split over {streams} streams of evidence")
