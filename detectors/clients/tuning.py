"""`harmful_finetune`: a fine-tuning job, and after it a model that answers what the others refuse."""

from dataclasses import dataclass, field
from typing import Final

from detectors.clients.facts import Facts
from detectors.clients.needs import needed
from detectors.clients.places import model_digest
from detectors.clients.signals import Kind, Sight

FEW: Final = 100
"""Examples of a job that are few: ten to a hundred were enough to undo a model's refusals (Qi et al. 2023)."""
_NEEDS: Final = needed("client", "training_examples")
_AFTER: Final = _NEEDS + needed("model", "prompt", "reply|refused")
KINDS: Final = (
    Kind(
        name="few_examples",
        why="a fine-tuning job with few examples",
        floor=0.5,
        assumed=0.5,
        learned=False,
        needs=_NEEDS,
    ),
    Kind(
        name="answered",
        why="a sensitive prompt that the tuned model answered",
        floor=0.03,
        assumed=0.25,
        needs=_AFTER,
    ),
    Kind(
        name="refusals_fell",
        why="a sensitive prompt that the other models would refuse more often",
        floor=0.3,
        assumed=0.8,
        needs=_AFTER,
    ),
)


@dataclass(frozen=True, slots=True)
class Tunings:
    """Watches what a client asks of models that it had not used before its job. Satisfies signals.Signal."""

    kinds: tuple[Kind, ...] = field(default=KINDS)
    rule: str = "harmful_finetune"
    own_first: int = 0

    def look(self, facts: Facts) -> Sight | None:
        """Look at jobs, and at distinct requests to models that the client had not used before its job."""
        query = facts.query
        if query.training_examples is not None:
            return self._of(few_examples=query.training_examples <= FEW)
        before = facts.client.before_job
        if before is None or query.model is None or model_digest(query.model) in before:
            return None
        return self.usual(facts)

    def usual(self, facts: Facts) -> Sight | None:
        """Learn from everybody's requests how often sensitive prompts come, and how often they are answered."""
        if facts.digest is None or facts.again or facts.refused is None:
            return None
        if not facts.sensitive:
            return self._of(answered=False)
        return self._of(answered=not facts.refused, refusals_fell=not facts.refused)

    def _of(self, **seen: bool) -> Sight:
        bits = {kind.name: 1 << bit for bit, kind in enumerate(self.kinds)}
        tried = sum(bits.get(name, 0) for name in seen)
        return tried, sum(bits.get(name, 0) for name, is_hit in seen.items() if is_hit)
