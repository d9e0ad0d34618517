"""Every kind of channel and every probe family. Adding one is a module and a line here.

Nothing heavy is imported until it is opened: a machine without torch can read any configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probes.channels.config import OpenAIConfig, ScriptedConfig, WeightsConfig
from probes.stop import StopProbe
from watchdog.config.model import KindSection
from watchdog.domain.exchanges import ChannelRole
from watchdog.ports import Channel, Clock, Probe, Scorer


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel, the scorer that comes with it when the weights are at hand, and how to let go of both."""

    channel: Channel
    scorer: Scorer | None = None
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """How to configure and open one kind of channel."""

    settings: type[KindSection]
    open: Callable[[Any, ChannelRole, Clock], Opened]


def _open_weights(config: WeightsConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.channels.weights import WeightsChannel, open_weights  # noqa: PLC0415 - torch only where it is used
    from probes.scorers.weights import WeightsScorer  # noqa: PLC0415 - the same

    weights = open_weights(config)
    return Opened(WeightsChannel(weights, role, now), WeightsScorer(weights))


def _open_openai(config: OpenAIConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.channels.openai import open_channel  # noqa: PLC0415 - httpx only where it is used

    channel = open_channel(config, role, now)
    return Opened(channel, close=channel.close)


def _open_scripted(config: ScriptedConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.channels.scripted import ScriptedModelChannel  # noqa: PLC0415 - numpy only where it is used
    from probes.scorers.scripted import ScriptedScorer  # noqa: PLC0415 - the same
    from probes.scripted_model import ScriptedModel  # noqa: PLC0415 - the same

    model = ScriptedModel(config.seed, config.noise)
    return Opened(ScriptedModelChannel(model, role, now, model_id=config.model), ScriptedScorer(model))


CHANNELS: Mapping[str, ChannelKind] = {
    "weights": ChannelKind(WeightsConfig, _open_weights),
    "openai": ChannelKind(OpenAIConfig, _open_openai),
    "scripted": ChannelKind(ScriptedConfig, _open_scripted),
}

PROBES: Mapping[str, Callable[[], Probe]] = {
    "stop": StopProbe,
}
