"""`model_extraction`: requests that read the model out rather than use it."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.folding import digest
from detectors.clients.needs import needed
from detectors.clients.signals import Kind, Sight

MANY_BIASED: Final = 100
"""Tokens that are biased at once. A classifier biases its few labels, the same ones in each request."""
_WHO: Final = needed("client|address")
KINDS: Final = (
    Kind(
        name="bias_and_logprobs",
        why="log probabilities of one prompt with ever other tokens biased",
        floor=0.02,
        assumed=0.5,
        needs=_WHO + needed("logit_bias", "top_logprobs"),
    ),
    Kind(
        name="one_token",
        why="one token with its log probabilities, of a prompt that was sent before",
        floor=0.02,
        assumed=0.5,
        needs=_WHO + needed("prompt", "max_tokens", "top_logprobs"),
    ),
    Kind(
        name="sweep",
        why="the same prompt with another seed, or with many replies",
        floor=0.03,
        assumed=0.5,
        needs=_WHO + needed("prompt", "seed|choices"),
    ),
    Kind(
        name="grid",
        why="log probabilities of one template, number after number",
        floor=0.03,
        assumed=0.5,
        needs=_WHO + needed("prompt", "top_logprobs"),
    ),
)


@dataclass(frozen=True, slots=True)
class Extraction:
    """Counts requests that succeeded; not only distinct ones, because a sweep sends one prompt many times over.

    Satisfies signals.Signal. Parameters that a request does not name, in a log that tells them, were not used.
    """

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "model_extraction"
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Say what an answered request does; one that failed or was refused may be tried again, and does not apply."""
        query = facts.query
        if facts.refused or (query.status is not None and query.status >= 400):
            return None
        if query.top_logprobs is None and query.logit_bias is None and facts.digest is None:
            return None
        tried = (1 << len(self.kinds)) - 1
        if not (query.top_logprobs or (facts.again and (query.seed is not None or (query.choices or 1) > 1))):
            return tried, 0
        seen = self._seen(facts)
        return tried, sum(1 << bit for bit, kind in enumerate(self.kinds) if seen[kind.name])

    def _seen(self, facts: Facts) -> dict[str, bool]:
        query, last = facts.query, facts.client.sweep
        listed, biased = bool(query.top_logprobs), bool(query.logit_bias)
        other_bias = last is not None and last.biased is not None and query.logit_bias != last.biased
        many = (query.logit_bias or 0) >= MANY_BIASED
        one = query.max_tokens is not None and query.max_tokens <= 2
        other_seed = last is None or (query.seed is not None and query.seed != last.seed)
        other_text = last is not None and facts.part is not None and digest(facts.part) != last.exact
        return {
            "bias_and_logprobs": listed and biased and (facts.again or other_bias or many),
            "one_token": listed and one and facts.again,
            "sweep": facts.again and (other_seed or (query.choices or 1) > 1),
            "grid": listed and facts.again and other_text,
        }

    usual = look
