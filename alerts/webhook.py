"""A generic webhook: one POST per notice, with an id that is the same on every attempt."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Literal

import httpx
from pydantic import Field, model_validator

from alerts.page import page, title
from watchdog.config.model import NotifierSection
from watchdog.config.secrets import Secret, read_secret
from watchdog.domain.notices import Notice
from watchdog.domain.text import printable
from watchdog.errors import ConfigError, NotifyError

_MOST_BYTES = 64 * 1024
"""How much of a receiver's answer is read at all."""


class WebhookSettings(NotifierSection):
    """Where to post. The URL is a credential: give it by `url-env` or `url-file` where it holds a token."""

    kind: Literal["webhook"]
    url: str | None = None
    url_env: str | None = None
    url_file: Path | None = None
    timeout_s: float = Field(default=15.0, gt=0, le=60)

    @model_validator(mode="after")
    def _one_url(self) -> "WebhookSettings":
        if sum(it is not None for it in (self.url, self.url_env, self.url_file)) != 1:
            raise ValueError("exactly one of url, url-env and url-file is needed")
        return self


@dataclass(frozen=True, slots=True)
class Webhook:
    """Posts notices as JSON. Satisfies `ports.Notifier`."""

    name: str
    url: Secret
    http: httpx.Client

    def send(self, notice: Notice, *, now: datetime) -> str:
        """Post once; only a 2xx counts as accepted, and no redirect is followed.

        Raises NotifyError with the status or the kind of failure, never with the URL.
        """
        headers = {
            "content-type": "application/json",
            "webhook-id": notice.id,
            "webhook-timestamp": str(int(now.timestamp())),
        }
        try:
            with self.http.stream(
                "POST", self.url.reveal(), content=json.dumps(payload(notice)).encode(), headers=headers
            ) as response:
                said = _beginning(response)
                status, asked = response.status_code, response.headers
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            failure = type(exc).__name__
            raise NotifyError(
                f"{self.name}: the receiver could not be reached ({failure})",
                hint="check the receiver and the network between; the notice stays in the outbox",
                answer=failure,
            ) from None  # the cause's text may hold the URL
        if 200 <= status < 300:
            return f"{status}"
        raise NotifyError(
            f"{self.name}: the receiver answered {status}",
            hint="check the receiver; the notice stays in the outbox",
            answer=f"{status} {said}".strip(),
            retry_after_s=_retry_after(asked, now),
        )

    def close(self) -> None:
        """Let go of the connections."""
        self.http.close()


def open_webhook(settings: WebhookSettings, transport: httpx.BaseTransport | None = None) -> Webhook:
    """Make the notifier.

    Raises ConfigError when the URL is missing or is not an http(s) one.
    """
    where = f"alerts: {settings.name}"
    url = read_secret(where, env=settings.url_env, file=settings.url_file) or Secret(settings.url or "")
    if not url.reveal().startswith(("https://", "http://")):
        raise ConfigError(f"{where}: the URL does not begin with https:// or http://", hint="give the whole URL")
    # No proxy from the environment and no redirects: a page goes where the configuration says, or not at all.
    http = httpx.Client(timeout=settings.timeout_s, follow_redirects=False, trust_env=False, transport=transport)
    return Webhook(name=settings.name, url=url, http=http)


def payload(notice: Notice) -> dict[str, object]:
    """Return the body: `type`, `timestamp` and `data`, as Standard Webhooks lays it out; version 1 of ours."""
    event = notice.event
    incident = event.incident
    data: dict[str, object] = {
        "version": 1,
        "incident": incident.id,
        "dedup_key": incident.fingerprint,
        "event": event.kind,
        "rule": incident.rule,
        "subject": incident.subject,
        "state": incident.state,
        "severity": incident.severity,
        "title": title(event),
        "text": page(event, notice.checkpoint),
        "opened_at": incident.opened_at.isoformat(),
        "findings": incident.findings,
        "recovered_by": incident.recovered_by,
        "conclusion": None if incident.conclusion is None else incident.conclusion.row(),
        "checkpoint": notice.checkpoint,
    }
    if event.finding is not None:
        data |= {
            "evidence_value": event.finding.evidence_value,
            "suspect": event.finding.suspect,
            "attribution": event.finding.attribution,
            "control": None if event.finding.control is None else event.finding.control.row(),
            "promise": event.finding.promise,
            "next_step": event.finding.next_step,
            "since": event.finding.since.isoformat(),
            "edited": [
                {"delivered": printable(span.delivered), "expected": printable(span.expected)}
                for span in event.finding.spans
            ],
        }
    return {"type": f"incident.{event.kind}", "timestamp": event.at.isoformat(), "data": data}


def _beginning(response: httpx.Response) -> str:
    """Read the start of an answer as it came over the wire, so that a compressed bomb stays packed."""
    kept = b""
    for chunk in response.iter_raw():
        kept += chunk
        if len(kept) >= _MOST_BYTES:
            break
    return printable(kept[:400].decode("utf-8", "replace"), 200)


def _retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    text = headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        at = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (at.astimezone(UTC) - now).total_seconds()
