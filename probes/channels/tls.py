"""Whom a connection trusts, and who we say we are."""

import ssl
from functools import cache
from pathlib import Path

import httpx

from probes.channels.config import HttpConfig
from watchdog.errors import ConfigError


def context_of(config: HttpConfig) -> ssl.SSLContext:
    """Return the certificates to trust and to show.

    Raises ConfigError when a file cannot be used.
    """
    if config.ca_bundle is None and config.client_cert is None:
        return _public_authorities()
    context = httpx.create_ssl_context(trust_env=False) if config.ca_bundle is None else _trusting(config.ca_bundle)
    if config.client_cert is not None:
        _show(context, config.client_cert, config.client_key)
    return context


@cache
def _public_authorities() -> ssl.SSLContext:
    # Shared by every channel: one costs 0.75 MB and 40 ms, and a watchdog may have a thousand.
    return httpx.create_ssl_context(trust_env=False)


def _trusting(bundle: Path) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=bundle)
    except OSError as exc:
        raise ConfigError(f"ca-bundle: {bundle} cannot be used: {exc}", hint="name a PEM file of certificates") from exc


def _show(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    try:
        # Without a password of its own OpenSSL would ask for one at the terminal, and a daemon has none.
        context.load_cert_chain(certificate, key, password="")
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"client-cert: {certificate} cannot be used with its key: {exc}",
            hint="name PEM files of a certificate and of its own key, without a password",
        ) from exc
