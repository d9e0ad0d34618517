"""OpenTelemetry spans of requests to models, by the GenAI conventions of today and by older ones.

The conventions name no customer. One is taken from the attributes with which instrumentations usually say it; without
any, `client` is not told, and what needs it is blind.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from detectors.logs.formats.chat import Answered, Asked, asked, refusing, replied
from detectors.logs.formats.faults import line_error
from detectors.logs.formats.otel_spans import Span, looks_like_spans, read_spans
from detectors.logs.formats.reading import leniently
from detectors.logs.formats.values import count, endpoint, moment, name, status, whole
from watchdog.domain.queries import FIELDS, Query

_CLIENT = (
    "enduser.id",
    "user.id",
    "enduser.pseudo.id",
    "user.hash",
    "metadata.user_api_key_hash",
    "metadata.user_api_key_alias",
    "traceloop.association.properties.user_id",
    "llm.user",
)
_ORG = ("organization.id", "tenant.id", "metadata.user_api_key_org_id", "metadata.user_api_key_team_id")
_OPERATIONS = frozenset({"chat", "text_completion", "generate_content", "embeddings", "completion"})
"""Those that ask a model. Agents and tools have spans of their own around them, which would count a request twice."""
_ANY = msgspec.json.Decoder()
_MODEL = ("gen_ai.request.model", "gen_ai.response.model")


class OpenTelemetry:
    """What an application tells about its own requests."""

    name = "otel"
    fields = FIELDS - {"top_logprobs", "logit_bias", "training_examples"}

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        return looks_like_spans(line)

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the requests among the spans in one line. Raises LineError when it holds none that can be read."""
        return tuple(_query(it) for it in read_spans(line) if _asks_a_model(it.attributes))


def _asks_a_model(attributes: Mapping[str, Any]) -> bool:
    operation = _first(attributes, "gen_ai.operation.name", "llm.request.type")
    return operation in _OPERATIONS if isinstance(operation, str) else _first(attributes, *_MODEL) is not None


def _query(span: Span) -> Query:
    of = span.attributes
    says, answer = _asked(span), _answered(span)
    if span.start is None:
        raise line_error("missing")
    return Query(
        at=moment(span.start),
        id=name(of.get("gen_ai.response.id")) or name(span.id),
        client=name(_first(of, *_CLIENT)),
        org=name(_first(of, *_ORG)),
        address=name(_first(of, "client.address", "http.client_ip")),
        agent=name(_first(of, "user_agent.original", "http.user_agent")),
        endpoint=endpoint(_first(of, "url.path", "http.route", "http.target", "gen_ai.operation.name")),
        model=name(_first(of, *_MODEL)),
        status=status(_first(of, "http.response.status_code", "http.status_code", "error.type")),
        system=says.system,
        prompt=says.prompt,
        turns=says.turns,
        prefill=says.prefill,
        reply=answer.reply,
        refused=answer.refused,
        tokens_in=count(_first(of, "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens")),
        tokens_out=count(_first(of, "gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens")),
        choices=count(of.get("gen_ai.request.choice.count")),
        seed=whole(_first(of, "gen_ai.request.seed", "gen_ai.openai.request.seed")),
        max_tokens=count(of.get("gen_ai.request.max_tokens")),
    )


def _first(attributes: Mapping[str, Any], *names: str) -> Any:
    return next((found for it in names if (found := attributes.get(it)) not in (None, "")), None)


def _asked(span: Span) -> Asked:
    of = span.attributes
    found = _first(of, "gen_ai.input.messages", "gen_ai.prompt")
    if found is None:
        found = _numbered(of, "gen_ai.prompt.") or _told_as_events(span)
    return asked(_json(found), _json(of.get("gen_ai.system_instructions")))


def _answered(span: Span) -> Answered:
    of = span.attributes
    found = _first(of, "gen_ai.output.messages", "gen_ai.completion")
    if isinstance(found, str):
        found = leniently(_ANY, found, found)
    if found is None:
        found = _numbered(of, "gen_ai.completion.") or [dict(it) for kind, it in span.events if kind == "gen_ai.choice"]
    messages = [_inner(it) for it in (found if isinstance(found, list) else [found])]
    texts = [text for it in messages if (text := replied(it.get("parts") or it.get("content"))) is not None]
    whys = [it.get("finish_reason") for it in messages]
    listed = _first(of, "gen_ai.response.finish_reasons", "gen_ai.response.finish_reason")
    whys += [*(listed if isinstance(listed, list) else [listed]), of.get("error.type")]
    return Answered(texts[0] if texts else None, True if any(map(refusing, whys)) else None)


def _inner(message: object) -> dict[str, Any]:
    """Return a message of a reply; a choice has it one level down, and an old completion is a bare text."""
    if isinstance(message, str):
        return {"content": message}
    if not isinstance(message, dict):
        return {}
    inner = message.get("message")
    inner = leniently(_ANY, inner, None) if isinstance(inner, str) else inner
    plain: dict[str, Any] = message | inner if isinstance(inner, dict) else message
    return plain


def _numbered(attributes: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return messages that stand as attributes of their own: `gen_ai.prompt.0.role`, `gen_ai.prompt.0.content`."""
    found: dict[int, dict[str, Any]] = {}
    for key, value in attributes.items():
        if key.startswith(prefix):
            number, _, part = key[len(prefix) :].partition(".")
            if number.isdecimal() and len(number) < 7 and part:
                found.setdefault(int(number), {})[part] = value
    return [found[it] for it in sorted(found)]


def _told_as_events(span: Span) -> list[dict[str, Any]]:
    roles = ("system", "user", "assistant", "tool")
    kinds = {f"gen_ai.{it}.message": it for it in roles}
    return [{"role": kinds[kind], "content": it.get("content")} for kind, it in span.events if kind in kinds]


def _json(found: object) -> bytes | str:
    """Return as JSON what may be JSON already; a bare text becomes a JSON text."""
    if found in (None, "", []):
        return b""
    if isinstance(found, str) and found[:1] in "[{":
        return found
    return msgspec.json.encode(found)
