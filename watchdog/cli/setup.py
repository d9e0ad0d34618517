"""`init` and `check-config`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from watchdog.cli.options import DEFAULT_CONFIG, ConfigOption, JsonOption, print_json
from watchdog.errors import ConfigError

STARTER = """\
# corrigibility-watchdog: what to watch, and whom to tell. `check-config` reads it without sending anything.
ledger: ./watchdog.sqlite               # the record; keep it on a local disk, in a folder only this user can write

targets:
  - name: assistant                     # shows in every page
    delivered:                          # what your users get: the public API
      kind: openai
      base-url: https://api.example.com/v1
      model: assistant-1
      api-key-env: ASSISTANT_API_KEY    # or api-key-file, e.g. from systemd's LoadCredential
    direct:                             # what the model says: its weights, on this machine
      kind: weights
      path: /srv/models/assistant-1     # a transformers folder or a .gguf file
    probes: [stop]

alerts:
  - name: oncall
    kind: webhook
    url-env: ONCALL_WEBHOOK_URL         # the URL is a credential: it is never printed
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


def check_config(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Read the configuration and say what it means, without sending a request."""
    from watchdog.wiring import read_config, require_own_names  # noqa: PLC0415 - heavy, and only needed here

    require_own_names()
    loaded = read_config(config)
    settings = loaded.settings
    if as_json:
        targets = [
            {
                "name": it.name,
                "delivered": it.delivered.kind,
                "direct": None if it.direct is None else it.direct.kind,
                "probes": list(it.probes),
            }
            for it in settings.targets
        ]
        print_json(
            {
                "config": str(config),
                "digest": loaded.digest,
                "ledger": str(settings.ledger),
                "targets": targets,
                "alerts": [{"name": it.name, "kind": it.kind} for it in settings.alerts],
            }
        )
        return
    typer.echo(f"{config}: fine; ledger {settings.ledger}")
    for it in settings.targets:
        direct = "none: replies cannot be compared" if it.direct is None else it.direct.kind
        typer.echo(f"  target {it.name}: delivered {it.delivered.kind}, direct {direct}, probes {', '.join(it.probes)}")
    for alert in settings.alerts:
        typer.echo(f"  alerts {alert.name}: {alert.kind}")
    if not settings.alerts:
        typer.echo("  alerts: none; incidents are recorded, and nobody is told")
