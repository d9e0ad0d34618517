"""LiteLLM's StandardLoggingPayload, one JSON object a line, as its callbacks write it."""

from collections.abc import Sequence

import msgspec

from detectors.logs.formats.chat import answered, asked, refusing
from detectors.logs.formats.parameters import Parameters, sampling
from detectors.logs.formats.reading import Reader, keys_of, leniently, refuse_doubles, stands_first
from detectors.logs.formats.values import count, moment, name, status
from watchdog.domain.queries import FIELDS, Query


class _Metadata(msgspec.Struct, gc=False):
    user_api_key_hash: str | None = None
    user_api_key_alias: str | None = None
    user_api_key_user_id: str | None = None
    user_api_key_team_id: str | None = None
    user_api_key_org_id: str | None = None
    user_api_key_request_route: str | None = None
    requester_ip_address: str | None = None
    user_agent: object = None


class _Error(msgspec.Struct, gc=False):
    error_code: object = None
    error_class: object = None


class _Fields(msgspec.Struct, gc=False):
    guardrail_status: object = None


class _Payload(msgspec.Struct, gc=False, rename={"start_time": "startTime"}):
    start_time: float | str
    call_type: str
    id: str | None = None
    status: str | None = None
    status_fields: _Fields | None = None
    prompt_tokens: int | float | None = None
    completion_tokens: int | float | None = None
    model: str | None = None
    model_group: str | None = None
    end_user: object = None
    requester_ip_address: str | None = None
    messages: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()
    error_information: _Error | None = None
    model_parameters: msgspec.Raw = msgspec.Raw()
    metadata: msgspec.Raw = msgspec.Raw()


_READER = Reader(_Payload, once=())
_METADATA = Reader(
    _Metadata, once=("user_api_key_hash", "user_api_key_alias", "user_api_key_org_id", "requester_ip_address")
)
_PARAMETERS = msgspec.json.Decoder(Parameters)
_NOBODY = _Metadata()
_USUAL = Parameters()


class LiteLLM:
    """A gateway that knows its keys, and logs both sides of a conversation unless it is told not to."""

    name = "litellm"
    fields = FIELDS - {"training_examples"}

    def recognises(self, line: bytes) -> bool:
        """Tell whether a line looks like one of this format."""
        return {"startTime", "call_type"} <= keys_of(line).keys()

    def parse(self, line: bytes) -> Sequence[Query]:
        """Return the request in one line. Raises LineError when it is none."""
        found = _READER.read(line)
        return () if found is None else (_query(found, _who(line, found.metadata)),)


def _who(line: bytes, raw: msgspec.Raw) -> _Metadata:
    if not raw:
        return _NOBODY
    metadata = bytes(raw)
    if not stands_first(line, b'"metadata"', metadata):
        refuse_doubles(line, frozenset({"metadata"}))
    return _METADATA.read(metadata) or _NOBODY


def _query(it: _Payload, who: _Metadata) -> Query:
    says, answer = asked(it.messages), answered(it.response)
    sent = leniently(_PARAMETERS, it.model_parameters, _USUAL)
    # By position, in the order of Query: by name, making this tuple would take a fifth of the time of the whole line.
    return Query(
        moment(it.start_time),
        name(it.id),
        name(who.user_api_key_hash or who.user_api_key_alias or who.user_api_key_user_id or it.end_user),
        name(who.user_api_key_org_id or who.user_api_key_team_id),
        name(who.requester_ip_address or it.requester_ip_address),
        name(who.user_agent),
        name(who.user_api_key_request_route or it.call_type),
        name(it.model_group or it.model),
        _status(it),
        *says,  # system, prompt, turns, prefill
        answer.reply,
        answer.refused or _refused(it),
        count(it.prompt_tokens),
        count(it.completion_tokens),
        *sampling(sent),
    )


def _status(it: _Payload) -> int | None:
    if it.error_information is not None and it.status == "failure":
        return status(it.error_information.error_code)
    return 200 if it.status == "success" else None


def _refused(it: _Payload) -> bool | None:
    """Tell whether an error says so: a content policy, or a guardrail that stopped the request."""
    if it.status != "failure":
        return None
    error, more = it.error_information, it.status_fields
    blocked = more is not None and more.guardrail_status == "guardrail_intervened"
    return True if blocked or (error is not None and refusing(error.error_class)) else None
