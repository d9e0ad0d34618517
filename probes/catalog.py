"""Every kind of channel and every probe family. Adding one is a module and a line here, or an entry point elsewhere.

Nothing heavy is imported until it is opened: a machine without torch can read any configuration.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from probes.channels import anthropic, azure, openai, responses, scores
from probes.channels.codec import Codec
from probes.channels.config import HttpConfig, ScriptedConfig, WeightsConfig
from probes.format import FormatProbe
from probes.goal import GoalProbe
from probes.stop import StopProbe
from probes.undo import UndoProbe
from watchdog.config.model import KindSection
from watchdog.domain.exchanges import ChannelRole
from watchdog.plugins import Extensible
from watchdog.ports import BenignEngines, Channel, Clock, Probe, Scorer


@dataclass(frozen=True, slots=True)
class Opened:
    """A channel, what comes with it when the weights are at hand, and how to let go of it."""

    channel: Channel
    scorer: Scorer | None = None
    close: Callable[[], None] = lambda: None
    engines: BenignEngines | None = None
    """The same model on other engines, where the weights are at hand."""


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """How to configure and open one kind of channel."""

    settings: type[KindSection]
    open: Callable[[Any, ChannelRole, Clock], Opened]


def over_http(settings: type[HttpConfig], codec: Callable[[Any], Codec]) -> ChannelKind:
    """Return a kind of channel that asks an HTTP endpoint; `codec` makes the protocol from such settings."""

    def open_(config: HttpConfig, role: ChannelRole, now: Clock) -> Opened:
        from probes.channels.endpoint import open_endpoint  # noqa: PLC0415 - httpx only where it is used

        channel = open_endpoint(config, codec(config), role, now)
        return Opened(channel, close=channel.close)

    return ChannelKind(settings, open_)


def _open_openai(config: openai.OpenAIConfig, role: ChannelRole, now: Clock) -> Opened:
    opened = over_http(openai.OpenAIConfig, openai.codec).open(config, role, now)
    if config.score is None:
        return opened
    from probes.scorers.completions import open_completions  # noqa: PLC0415 - transformers only where it is used

    scorer = open_completions(config, role, now)
    return Opened(opened.channel, scorer, _both(opened.close, scorer.line.close))


def _open_scores(config: scores.ScoresConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.scorers.remote import open_remote  # noqa: PLC0415 - httpx only where it is used

    opened = over_http(scores.ScoresConfig, scores.codec).open(config, role, now)
    scorer = open_remote(config, role)
    return Opened(opened.channel, scorer, _both(opened.close, scorer.close))


def _both(first: Callable[[], None], second: Callable[[], None]) -> Callable[[], None]:
    def close() -> None:
        first()
        second()

    return close


def _open_weights(config: WeightsConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.channels.benign import BenignWeights  # noqa: PLC0415 - torch only where it is used
    from probes.channels.weights import WeightsChannel, open_weights  # noqa: PLC0415 - the same
    from probes.scorers.weights import WeightsScorer  # noqa: PLC0415 - the same

    weights = open_weights(config)
    engines = BenignWeights(weights=weights, config=config, role=role, clock=now)
    return Opened(WeightsChannel(weights, role, now), WeightsScorer(weights), engines=engines)


def _open_scripted(config: ScriptedConfig, role: ChannelRole, now: Clock) -> Opened:
    from probes.channels.scripted import ScriptedModelChannel  # noqa: PLC0415 - numpy only where it is used
    from probes.channels.scripted_benign import ScriptedEngines  # noqa: PLC0415 - the same
    from probes.scorers.scripted import ScriptedScorer  # noqa: PLC0415 - the same
    from probes.scripted_model import ScriptedModel  # noqa: PLC0415 - the same

    model = ScriptedModel(config.seed, config.noise)
    engines = ScriptedEngines(seed=config.seed, role=role, clock=now, model_id=config.model)
    return Opened(ScriptedModelChannel(model, role, now, model_id=config.model), ScriptedScorer(model), engines=engines)


def _fault_of_channel(name: str, found: object) -> str | None:
    if not isinstance(found, ChannelKind):
        return "it is no ChannelKind"
    kind = found.settings.model_fields["kind"]
    if get_args(kind.annotation) != (name,):
        return f"the `kind` of its settings is not Literal[{name!r}]"
    return None


def _fault_of_probe(name: str, found: object) -> str | None:
    if not callable(found):
        return "it does not make a probe when it is called"
    family = getattr(found(), "family", None)
    return None if family == name else f"it makes a probe of the family {family!r}"


_PAGE = "docs/channels.md"

CHANNELS: Mapping[str, ChannelKind] = Extensible(
    {
        "weights": ChannelKind(WeightsConfig, _open_weights),
        "scores": ChannelKind(scores.ScoresConfig, _open_scores),
        "openai": ChannelKind(openai.OpenAIConfig, _open_openai),
        "openai-responses": over_http(responses.ResponsesConfig, responses.codec),
        "azure": over_http(azure.AzureConfig, azure.codec),
        "anthropic": over_http(anthropic.AnthropicConfig, anthropic.codec),
        "scripted": ChannelKind(ScriptedConfig, _open_scripted),
    },
    group="corrigibility_watchdog.channels",
    fault=_fault_of_channel,
    page=_PAGE,
)

PROBES: Mapping[str, Callable[[], Probe]] = Extensible(
    {
        "stop": StopProbe,
        "format": FormatProbe,
        "undo": UndoProbe,
        "goal": GoalProbe,
    },
    group="corrigibility_watchdog.probes",
    fault=_fault_of_probe,
    page=_PAGE,
)
