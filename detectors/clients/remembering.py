"""What a request leaves behind in its client: the same whichever detectors look, and in whatever order."""

from typing import Final

from detectors.clients import bursts, drift
from detectors.clients.facts import Facts
from detectors.clients.folding import digest
from detectors.clients.places import model_digest, place
from detectors.clients.state import (
    ADDRESSES,
    FEATURES,
    MODELS,
    RING,
    SIGNS,
    Client,
    Habits,
    Sweep,
    Windows,
    remembered,
)

FADING: Final = 0.05
"""Weight of the newest request in a client's moments: they speak of about its last forty."""
_DAY_S: Final = 86_400.0
_SAMPLED: Final = 256
"""Bytes of a prompt whose symbols are counted."""
_LETTERS: Final = bytes(byte for byte in range(256) if chr(byte).isalnum() or chr(byte).isspace() or byte > 127)


def remember(facts: Facts) -> None:
    """Take a request into what is remembered of its client."""
    query, client = facts.query, facts.client
    _blend(facts)
    if facts.digest is not None:
        if not facts.again:
            client.ring = remembered(client.ring, facts.digest, RING)
            if facts.refused is not None:
                client.refused_last = facts.refused
            if facts.refused and facts.folded is not None:
                client.refused_size, client.refused_name = len(facts.folded), facts.digest
        _swept(client, facts)
        if facts.steers and facts.sign not in client.signs:
            client.signs = remembered(client.signs, facts.sign, SIGNS)
    if query.client is not None and query.address is not None:
        _came_from(client, place(query))
    if query.training_examples is not None:
        client.before_job = client.models
    elif query.model is not None:
        _used(client, model_digest(query.model))
    if client.windows is None or client.habits is None:
        client.windows, client.habits = Windows(), Habits()
    bursts.counted(client.windows, facts.at)
    drift.lived(client.habits, facts)
    client.seen += 1
    client.last = facts.at


def _blend(facts: Facts) -> None:
    """Take a request into the client's moments, in the order of state.FEATURES; what is not told changes nothing."""
    client, query, part = facts.client, facts.query, facts.part
    weight = max(FADING, 1.0 / (client.seen + 1))
    means = client.moments
    if not means:
        means = client.moments = [0.0] * len(FEATURES)
    if part is not None and query.prompt is not None:
        means[0] += weight * (len(query.prompt) - means[0])
        begun = part[:_SAMPLED]
        means[1] += weight * (len(begun.translate(None, _LETTERS)) / (len(begun) or 1) - means[1])
        means[2] += weight * (facts.again - means[2])
    if query.reply is not None:
        means[3] += weight * (len(query.reply) - means[3])
    if facts.refused is not None:
        means[4] += weight * (facts.refused - means[4])
    if query.turns is not None:
        means[5] += weight * (query.turns - means[5])
    if query.tokens_out is not None:
        means[6] += weight * (query.tokens_out - means[6])
    if client.seen:
        means[7] += weight * (min(_DAY_S, max(0.0, facts.at - client.last)) - means[7])


def _swept(client: Client, facts: Facts) -> None:
    # Only where the parameters can matter: most clients never ask for log probabilities or name a seed.
    query = facts.query
    if facts.part is not None and (query.top_logprobs or query.seed is not None or (query.choices or 1) > 1):
        client.sweep = Sweep(digest(facts.part), query.seed, query.logit_bias)


def _came_from(client: Client, here: bytes) -> None:
    if client.addresses[: len(here)] == here:
        return
    # The newest place stands first, so that the last one is known; each stands once.
    rest = b"".join(it for it in _pieces(client.addresses, len(here)) if it != here)
    client.addresses = remembered(rest, here, ADDRESSES)


def _pieces(ring: bytes, size: int) -> list[bytes]:
    return [ring[start : start + size] for start in range(0, len(ring), size)]


def _used(client: Client, model: bytes) -> None:
    if model not in client.models:
        client.models = remembered(client.models, model, MODELS)
