"""The scripted model on other engines: each shifts its logits by another noise, as other precisions do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from probes.channels.scripted import ScriptedModelChannel
from probes.scripted_model import ScriptedModel
from watchdog.domain.banks import Engine
from watchdog.domain.exchanges import ChannelRole, Exchange, Request
from watchdog.errors import ChannelError
from watchdog.ports import Clock

NOISES = (0.0, 0.05, 0.1, 0.15)
"""The largest shift of each engine, in nats."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedEngines:
    """The ways to run a scripted model; satisfies `ports.BenignEngines`."""

    seed: int
    role: ChannelRole
    clock: Clock
    model_id: str

    @property
    def engines(self) -> tuple[Engine, ...]:
        """One for each noise, the exact one first."""
        return tuple(
            Engine(name=f"noise {it:g}", runs_on="scripted", precision=f"{it:g} nats", batch_size=1, libraries=())
            for it in NOISES
        )

    def speak(self, engine: Engine, requests: Sequence[Request]) -> Iterator[Exchange | ChannelError]:
        """Yield what one of them says."""
        noise = NOISES[self.engines.index(engine)]
        channel = ScriptedModelChannel(ScriptedModel(self.seed, noise), self.role, self.clock, model_id=self.model_id)
        yield from map(channel.ask, requests)
