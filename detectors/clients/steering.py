"""`steering_campaign`: personas, overrides, demonstrations, put-in answers, biased tokens, request after request."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.signals import Kind, Sight

DEMONSTRATIONS: Final = 8
"""Answers of an assistant in one prompt that count where the prompt is charged."""
MANY_DEMONSTRATIONS: Final = 48
"""The same, where nothing else speaks against the prompt: few-shot prompts of applications have fewer."""
_NEEDS: Final = needed("client|address", "prompt")
KINDS: Final = (
    Kind(name="persona", why="a persona without rules", floor=0.02, assumed=0.5, needs=_NEEDS),
    Kind(name="override", why="overrides the system prompt", floor=0.02, assumed=0.5, needs=_NEEDS),
    Kind(name="many_shot", why="many demonstrations in one prompt", floor=0.02, assumed=0.5, needs=_NEEDS),
    Kind(
        name="prefill",
        why="the answer's beginning was put in",
        floor=0.02,
        assumed=0.5,
        needs=_NEEDS + needed("prefill"),
    ),
    Kind(name="logit_bias", why="tokens were biased", floor=0.02, assumed=0.5, needs=_NEEDS + needed("logit_bias")),
)


@dataclass(frozen=True, slots=True)
class Steering:
    """Counts distinct requests that try to steer, each kind by itself. Satisfies signals.Signal.

    Prefill, biased tokens and demonstrations are ways in which ordinary applications work, in all their requests: they
    count only in a request that something else speaks against as well (`Facts.charged`). And what is the same in
    request after request is a template: it counts once, and then only where it is refused.
    """

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "steering_campaign"
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Say which kinds of steering a distinct request shows; none apply where only a template repeats itself."""
        if facts.digest is None or facts.again:
            return None
        tried = (1 << len(self.kinds)) - 1
        if not facts.steers:
            return tried, 0
        seen = _seen(facts)
        hits = sum(1 << bit for bit, kind in enumerate(self.kinds) if seen[kind.name])
        if hits and not facts.refused and facts.sign in facts.client.signs:
            return None
        return tried, hits

    usual = look


def _seen(facts: Facts) -> dict[str, bool]:
    query, (persona, override) = facts.query, facts.steering
    few, many = facts.demonstrations >= DEMONSTRATIONS, facts.demonstrations >= MANY_DEMONSTRATIONS
    return {
        "persona": bool(persona),
        "override": bool(override),
        "many_shot": many or (few and facts.charged),
        "prefill": bool(query.prefill) and facts.charged,
        "logit_bias": bool(query.logit_bias) and facts.charged,
    }
