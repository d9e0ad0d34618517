"""`serve-scores`."""

import sys
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal

import typer

from watchdog.errors import ConfigError


def serve_scores(
    weights: Annotated[Path, typer.Option(help="A transformers folder with safetensors weights, or a .gguf file.")],
    host: Annotated[str, typer.Option(help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at.", min=0, max=65535)] = 8765,
    token_file: Annotated[
        Path | None, typer.Option(help="A file with the token that clients have to show; needed beyond this machine.")
    ] = None,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM file of this server's certificate.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM file of its key.")] = None,
    dtype: Annotated[Literal["float32", "bfloat16"], typer.Option(help="Precision of the weights.")] = "float32",
    threads: Annotated[int, typer.Option(help="CPU threads.", min=1)] = 1,
) -> None:
    """Lend the weights on this machine to watchdogs elsewhere, which score delivered replies with them."""
    from watchdog.config.secrets import read_secret  # noqa: PLC0415 - only needed here

    token = read_secret("serve-scores", env=None, file=token_file)
    if token is None and not _is_loopback(host):
        raise ConfigError(
            f"scores may be served at {host} only to those who show a token",
            hint="write a long random token into a file and name it with --token-file",
        )
    if (tls_certificate is None) != (tls_key is None):
        raise ConfigError("--tls-certificate and --tls-key belong together", hint="give both or neither")
    from probes.channels.config import WeightsConfig  # noqa: PLC0415 - the same
    from probes.scorers.server import check_certificate, create_app, listen, serve  # noqa: PLC0415 - loads FastAPI

    if tls_certificate is not None and tls_key is not None:
        check_certificate(tls_certificate, tls_key)
    with listen(host, port) as listener:
        from probes.scorers.lending import lend  # noqa: PLC0415 - loads torch, when all else is in order

        lent = lend(WeightsConfig(path=weights, dtype=dtype, threads=threads))
        scheme = "http" if tls_certificate is None else "https"
        shown = f"[{host}]" if ":" in host else host
        typer.echo(f"{lent.name} is lent at {host}; a target on another machine reaches it by")
        typer.echo(f"direct:\n  kind: scores\n  base-url: {scheme}://{shown}:{listener.getsockname()[1]}")
        typer.echo(f"  digest: {lent.scorer.digest}")
        sys.stdout.flush()
        serve(create_app(lent, token=token), listener, certificate=tls_certificate, key=tls_key)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
