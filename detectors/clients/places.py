"""Where a request comes from and where it goes, in a few bytes each."""

import hashlib
from functools import lru_cache

from watchdog.domain.queries import Query


def place(query: Query) -> bytes:
    """Name the network and the program that a request came from: neighbours in a network are one place."""
    return _place(query.address, query.agent)


@lru_cache(maxsize=4096)
def _place(address: str | None, agent: str | None) -> bytes:
    address, agent = address or "", agent or ""
    # Hosts of one network are not told apart: /24 of IPv4 and /48 of IPv6.
    network = address.rpartition(".")[0] if "." in address else ":".join(address.split(":")[:3])
    # The program without its version, which changes in good faith.
    return short(f"{network or address}\0{agent.partition('/')[0][:40]}")


def where(query: Query) -> bytes:
    """Name the endpoint and the model that a request goes to."""
    return _where(query.endpoint, query.model)


@lru_cache(maxsize=4096)
def _where(endpoint: str | None, model: str | None) -> bytes:
    return short(f"{endpoint or ''}\0{model or ''}")


def model_digest(model: str) -> bytes:
    """Name a model."""
    return _where(None, model)


def short(text: str) -> bytes:
    """Name a text in four bytes."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).digest()
