"""The model in this process, as a scoring server lends it."""

from datetime import UTC, datetime

from probes.channels.config import WeightsConfig
from probes.channels.weights import WeightsChannel, open_weights
from probes.scorers.server import Lent
from probes.scorers.weights import WeightsScorer
from watchdog.domain.exchanges import ChannelRole

_TOP = 16


def lend(config: WeightsConfig) -> Lent:
    """Load a model to lend it.

    Raises ConfigError when there is none at the path, or it is damaged, or was not made to hold a conversation.
    """
    weights = open_weights(config)
    return Lent(
        name=weights.name,
        channel=WeightsChannel(weights, ChannelRole.DIRECT, lambda: datetime.now(UTC)),
        scorer=WeightsScorer(weights, top_k=_TOP),
        top=_TOP,
    )
