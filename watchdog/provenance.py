"""Which code is running: its version, and a digest of the source files that decide what a reply means."""

import hashlib
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from importlib.resources.abc import Traversable

from watchdog.domain.exhibits import Code

DISTRIBUTION = "corrigibility-watchdog"
_DECIDING = ("detectors", "detectors.divergence", "probes", "watchdog.domain")
"""Packages that measure and grade. What asks, stores and tells is left out: it does not change what a reply means."""


@cache
def running_code() -> Code:
    """Return the version and the digest of the code in this process; read once."""
    total = hashlib.sha256()
    for package in _DECIDING:
        for name, source in sorted((it.name, it) for it in files(package).iterdir() if _is_source(it)):
            total.update(f"{package}/{name}\0".encode() + hashlib.sha256(source.read_bytes()).digest())
    return Code(version=version(DISTRIBUTION), digest=total.hexdigest())


def _is_source(file: Traversable) -> bool:
    return file.is_file() and file.name.endswith(".py")
