"""Every kind of notifier. Adding one is a module and a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alerts.webhook import WebhookSettings, open_webhook
from watchdog.config.model import NotifierSection
from watchdog.ports import Notifier


@dataclass(frozen=True, slots=True)
class NotifierKind:
    """How to configure and open one kind of notifier."""

    settings: type[NotifierSection]
    open: Callable[[Any], Notifier]


NOTIFIERS: Mapping[str, NotifierKind] = {
    "webhook": NotifierKind(settings=WebhookSettings, open=open_webhook),
}
